"""Draft a dataset description for tables that nobody has described, from column names and a bounded sample.

A draft is a proposal to a person: it starts with `confirmed: false`, every kind it is not sure of ends with `?`, and
`load_dataset` refuses to take it as confirmed while one `?` stands (docs/formats/dataset.md, "Drafts").
The draft quotes column names and shares of the sample, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from deid.describing.guesses import Guess, guess_column
from deid.errors import SourceError
from deid.kinds import KINDS
from deid.schema import Column, DatasetDescription, Table, TextFormat
from deid.sources.delimited import DelimitedSource, open_head
from deid.sources.files import DataFile, folders_of, locate
from deid.sources.partitions import columns_of, values_of
from deid.sources.streams import head_of

SAMPLE_ROWS = 2_000
_SAMPLE_FILES = 20  # of a table that lies in many, drawn evenly: a lake's first folder is its oldest
_DELIMITERS = (",", "|", "\t", ";", "^", "~")
_TEXT = re.compile(r"\.(?:csv|tsv|txt|psv|dat)(?:\.(?:gz|zst|gzip|zstd))?$", re.IGNORECASE)
_PARQUET = re.compile(r"\.(?:parquet|pq)$", re.IGNORECASE)
_FHIR = re.compile(r"\.(?:ndjson|json)(?:\.(?:gz|zst|gzip|zstd))?$", re.IGNORECASE)
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-/]*")
_NAME_LIKE = re.compile(r"[A-Za-z_][A-Za-z0-9_ .\-/()#]{0,127}")
_WORDS_OF_YAML = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True, slots=True)
class _Drafted:
    """One table of a draft."""

    name: str
    path: str
    delimiter: str
    guesses: tuple[Guess, ...]
    partitioned_by: tuple[str, ...] = ()

    @property
    def patient(self) -> Guess | None:
        """The likeliest patient column."""
        found = [guess for guess in self.guesses if guess.kind == "patient_id"]
        return max(found, key=lambda guess: guess.confidence, default=None)


def draft(paths: Sequence[Path], *, name: str) -> str:
    """Return the YAML text of a drafted description of these files (delimited or Parquet, all in one folder).

    A folder in a folder is a table where it holds Parquet files, or folders `column=value` as a lake has them.
    Raises SourceError where there is nothing to describe, the files are of both families, or one cannot be read.
    """
    files = [file for path in paths for file in (sorted(path.iterdir()) if _is_dataset(path) else [path])]
    text = [file for file in files if _TEXT.search(file.name)]
    parquet = [file for file in files if (_is_table(file) if file.is_dir() else _PARQUET.search(file.name))]
    if not text and not parquet and any(_FHIR.search(file.name) for file in files):
        raise SourceError(
            "FHIR needs no draft: its built-in descriptions name every element",
            hint="write `format: us_core_bulk`, `us_core_json` or `carin_eob` (docs/formats/dataset.md)",
        )
    if bool(text) == bool(parquet) or len({file.parent.resolve() for file in text + parquet}) != 1:
        raise SourceError(
            f"found {len(text)} delimited and {len(parquet)} Parquet files to describe",
            hint="name files of one family in one folder, ending in .csv, .tsv, .txt or .parquet",
        )
    names: set[str] = set()
    tables = [_draft_table(file, names, is_parquet=bool(parquet)) for file in text + parquet]
    return "\n".join(_lines(name, tables, is_parquet=bool(parquet))) + "\n"


def _is_dataset(path: Path) -> bool:
    """Whether a path is a folder of tables, not a file nor a table in folders."""
    return path.is_dir() and not columns_of(path)


def _is_table(folder: Path) -> bool:
    """Whether a folder in the dataset's folder is a table: it holds Parquet files, or folders named by a column."""
    return bool(columns_of(folder)) or any(_PARQUET.search(file.name) for file in folder.iterdir() if file.is_file())


def _draft_table(file: Path, names: set[str], *, is_parquet: bool) -> _Drafted:
    name = re.sub(r"[^a-z0-9]+", "_", file.name.split(".")[0].lower()).strip("_")
    name = name if name[:1].isalpha() else f"table_{name}".rstrip("_")
    while name in names:
        name = f"{name}_2"
    names.add(name)
    columns = columns_of(file) if file.is_dir() else ()
    if is_parquet:
        delimiter, sample = "", _parquet_sample(file, columns)
    else:
        delimiter = _delimiter(file)
        sample = _text_sample(name, file, delimiter)
    _refuse_cells(file, sample)
    guesses = tuple(_in_table(name, guess_column(column, values)) for column, values in sample.items())
    return _Drafted(name, file.name, delimiter, guesses, columns)


def _in_table(table: str, guess: Guess) -> Guess:
    """Take a bare `id` of a table named after patients or encounters for their key; a person has to decide it."""
    if guess.column.lower() in ("id", "key"):
        for word, kind in (("patient", "patient_id"), ("encounter", "encounter_id"), ("claim", "claim_id")):
            if word in table:
                return replace(guess, kind=kind, confidence=0.7, reason=f"the key of a table named after {word}s")
    return guess


def _refuse_cells(file: Path, sample: dict[str, list[str]]) -> None:
    """Refuse a first line that may be a row of data: its cells would stand in the draft as column names."""
    if not all(_NAME_LIKE.fullmatch(name) for name in sample) or any(name in cells for name, cells in sample.items()):
        raise SourceError(
            f"the first line of {file.name} does not look like a header",
            hint="put a line of column names first: letters, digits, blanks and _ . - / ( ) #, beginning with a letter",
        )


def _delimiter(file: Path) -> str:
    line = head_of(file, 1 << 16).split(b"\n")[0].decode("utf-8-sig", errors="replace")
    return max(_DELIMITERS, key=line.count)


def _text_sample(name: str, file: Path, delimiter: str) -> dict[str, list[str]]:
    """Return up to SAMPLE_ROWS cells of each column, without nulls."""
    table = Table(name, file.name, (), text=TextFormat(delimiter=delimiter, nulls=("", " ")))
    names = open_head(table, file).names
    if not all(names) or len(set(names)) != len(names):
        raise SourceError(
            f"{file.name}: the header has columns without a name, or a name twice", hint="give each column its own name"
        )
    columns = tuple(Column(column, KINDS["free_text"]) for column in names)
    table = Table(name, file.name, columns, text=table.text)
    dataset = DatasetDescription(name, "csv", file.parent, (table,), name, None, confirmed=False, digest="")
    return _first_rows(names, DelimitedSource(dataset).read(name, names))


def _parquet_sample(path: Path, partitioned_by: tuple[str, ...]) -> dict[str, list[str]]:
    """Return cells of a file or of some files of a folder, with those that stand in the names of its folders."""
    files = locate(path.parent, path.name, partitioned_by=partitioned_by)
    some = files[:: -(-len(files) // _SAMPLE_FILES)] if files else ()
    cells: dict[str, list[str]] = {}
    for file in some:
        rows = SAMPLE_ROWS // len(some)
        for column, values in _file_sample(path, file, partitioned_by, rows).items():
            cells.setdefault(column, []).extend(values)
    return cells


def _file_sample(path: Path, file: DataFile, partitioned_by: tuple[str, ...], rows: int) -> dict[str, list[str]]:
    try:
        with file.open("rb") as stream, pq.ParquetFile(stream) as parquet:
            sample = _first_rows(parquet.schema_arrow.names, parquet.iter_batches(batch_size=rows), rows)
            count = min(rows, parquet.metadata.num_rows)
    except (pa.ArrowException, OSError, ValueError):
        raise SourceError(f"{path.name} is not a whole Parquet file", hint="fetch the file again") from None
    said = values_of(folders_of(path.parent, path.name, file), partitioned_by)
    return sample | {
        column: [] if value is None else [value] * count for column, value in zip(partitioned_by, said, strict=True)
    }


def _first_rows(
    names: Sequence[str], batches: Iterator[pa.RecordBatch], limit: int = SAMPLE_ROWS
) -> dict[str, list[str]]:
    batch = next(batches, None)
    if batch is None:
        return {name: [] for name in names}
    rows = batch.slice(0, limit)
    return {
        name: [str(value).strip() for value in column.to_pylist() if value is not None]
        for name, column in zip(names, rows.columns, strict=True)
    }


def _lines(name: str, tables: Sequence[_Drafted], *, is_parquet: bool) -> Iterator[str]:
    guesses = [guess for table in tables for guess in table.guesses]
    unsure = sum(not guess.is_sure for guess in guesses)
    yield f"# A draft from names and at most {SAMPLE_ROWS:,} rows a table: {len(guesses)} columns, {unsure} unsure."
    yield "# Read every line. Decide each kind that ends with `?` and remove its mark; then write `confirmed: true`."
    yield "# Kinds are explained in docs/reference/kinds.md. What nobody may have is `unneeded`."
    yield "confirmed: false"
    yield f"dataset: {_key(name)}"
    yield f"format: {'parquet' if is_parquet else 'csv'}"
    yield f"population: {_population(tables)}  # unsure: the table with exactly one row for each patient"
    yield "tables:"
    for table in tables:
        yield from _table_lines(table)


def _population(tables: Sequence[_Drafted]) -> str:
    def likelihood(table: _Drafted) -> tuple[bool, int]:
        said = bool(re.search(r"patient|member|bene|person|demog", table.name))
        return said, sum(guess.kind in ("birth_date", "sex", "person_name", "zip_code") for guess in table.guesses)

    return max(tables, key=likelihood).name


def _table_lines(table: _Drafted) -> Iterator[str]:
    yield f"  {table.name}:"
    yield f"    path: {_quoted(table.path)}"
    if table.delimiter not in ("", ","):
        yield f"    delimiter: {_quoted(table.delimiter)}"
        yield '    nulls: ["", " "]'
    if table.partitioned_by:
        yield f"    partitioned_by: [{', '.join(map(_key, table.partitioned_by))}]"
    patient = table.patient
    if patient is not None:
        yield f"    patient: {_key(patient.column)}{'' if patient.is_sure else '  # unsure'}"
    else:
        yield "    # unsure: no patient column was recognized; write `patient: <column>`, `link:` or `reference: true`"
    yield "    columns:"
    for guess in table.guesses:
        mark = "" if guess.is_sure else "?"
        doubt = "" if guess.is_sure else "unsure: "
        kind = f"{guess.kind}{mark}"
        if guess.date_format != "iso":
            kind = f'{{kind: "{kind}", date_format: "{guess.date_format}"}}'
        yield f"      {_key(guess.column)}: {kind}  # {doubt}{guess.reason}"


def _key(name: str) -> str:
    return name if _PLAIN_KEY.fullmatch(name) and name.lower() not in _WORDS_OF_YAML else _quoted(name)


def _quoted(text: str) -> str:
    """Return a YAML double-quoted scalar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    return '"' + "".join(letter if letter.isprintable() or letter == "\\" else "_" for letter in escaped) + '"'
