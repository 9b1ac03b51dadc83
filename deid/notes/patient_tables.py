"""A table of patients from a file, CSV, Parquet or JSON lines: each patient's own identifiers, by the names of columns.

What a column holds is told by its name (deid/notes/column_kinds.py). A column that nothing tells of is searched for
too: one that ought to have been left out costs a word, one that was left out a person's privacy.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from deid.errors import NotesError, StorageError
from deid.notes.column_kinds import is_passed, key_of, kind_of_column, part_of_name
from deid.notes.folding import fold, fold_lower
from deid.notes.known import NAME_KINDS, SEARCHED_KINDS

UNIT, RECORD = "\x1f", "\x1e"
LEAST_CHARACTERS = 4  # of a value in a column that nothing tells of
MOST_CHARACTERS = 200  # of any value: what is longer is a text, not an identifier
MAX_LINE = 1 << 24  # bytes
_MAX_DEPTH = 8
_BATCH_ROWS = 4_096
_EMPTY = frozenset(
    ("null", "none", "nan", "n/a", "na", "nil", "unknown", "unk", "true", "false", "yes", "no", "other", "-")
)
_PARQUET, _JSON_LINES = (".parquet", ".pq"), (".jsonl", ".ndjson", ".json")
_DELIMITERS = ",\t;|"
_MAKE = "write it as CSV, Parquet or JSON lines, with one row for each patient and a column `patient_id`"

Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class PatientTable:
    """The identifiers of each patient, by the patient's key; `unnamed` are the columns whose names told nothing."""

    patients: dict[str, str] = field(repr=False)
    unnamed: tuple[str, ...] = ()
    _loose: dict[str, list[str]] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.patients)

    def identifiers(self, patient: str) -> Pairs | None:
        """Return pairs of kind and value of a patient, None for one who is not in the table.

        A key that differs by letter case, leading zeros or a `.0` finds all that are the same without: spreadsheets
        change keys so, and to search for one patient's identifiers too many costs less than for none.
        """
        packed = self.patients.get(patient.strip())
        if packed is not None:
            return unpacked(packed)
        if self._loose is None:
            self._loose = {}
            for key in self.patients:
                self._loose.setdefault(_loose(key), []).append(key)
        alike = self._loose.get(_loose(patient), ())
        return list(dict.fromkeys(pair for key in alike for pair in unpacked(self.patients[key]))) or None


def _loose(key: str) -> str:
    plain = fold_lower(fold(key).text).strip().removesuffix(".0")
    return plain.lstrip("0") or plain


def unpacked(packed: str) -> Pairs:
    """Return the pairs of one packed text."""
    pairs = (pair.partition(UNIT) for pair in packed.split(RECORD) if pair)
    return [(kind, value) for kind, _, value in pairs]


def read_patients(path: Path) -> PatientTable:
    """Read a table of patients; raise NotesError, with the row, for one that is no table or has no key of a patient.

    Several rows of one patient all count. The whole table is held in memory, about its own size as text.
    """
    table = PatientTable({})
    unnamed: dict[str, None] = {}
    key: str | None = None
    for number, row in enumerate(_rows(path), start=1):
        key = key if key in row else key_of(list(row))
        if key is None:
            raise NotesError(
                f"{path.name}, row {number:,}: no column tells the patient", hint="call the column `patient_id`"
            )
        if isinstance(row[key], list):
            raise NotesError(
                f"{path.name}: two columns are called {key[:60]!r}", hint="the patient's key is one column"
            )
        patient = _text(row[key]) if isinstance(row[key], (str, int, float)) else None
        if patient is None:
            raise NotesError(
                f"{path.name}, row {number:,}: the patient's key is empty", hint="every row needs its patient"
            )
        pairs = list(_identifiers(row, unnamed, key))
        earlier = table.patients.get(patient)
        pairs = [*unpacked(earlier), *pairs] if earlier else pairs
        table.patients[patient] = RECORD.join(f"{kind}{UNIT}{value}" for kind, value in dict.fromkeys(pairs))
    if not table.patients:
        raise NotesError(f"{path.name} holds no patient", hint=_MAKE)
    table.unnamed = tuple(unnamed)
    return table


def _identifiers(row: Mapping[str, Any], unnamed: dict[str, None], key: str) -> Iterator[tuple[str, str]]:
    """Yield kind and value of every cell of a row that may name its patient."""
    whole: dict[str, str] = {}
    for name, cell in row.items():
        for path, value in _leaves(name, cell, 0):
            kind = "patient_id" if path == key else _kind(path)
            text = _text(value, kind)
            if kind is None or text is None:
                continue
            if kind not in SEARCHED_KINDS:
                if len(text) < LEAST_CHARACTERS:
                    continue
                unnamed[path] = None
                kind = "unique_id"
            yield kind, text
            part = part_of_name(path) if kind in NAME_KINDS else None
            if part is not None:
                whole.setdefault(part, text)
    if len(whole) == 2:
        yield "person_name", f"{whole['first']} {whole['last']}"


@lru_cache(maxsize=4_096)
def _kind(name: str) -> str | None:
    """Return the kind of a column, `""` for one that nothing tells of, None for one that is passed over."""
    return None if is_passed(name) else kind_of_column(name) or ""


def _leaves(name: str, cell: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the values within a cell; a nested member is called by its whole path."""
    if depth > _MAX_DEPTH:
        raise NotesError("a table of patients is nested too deeply", hint=f"at most {_MAX_DEPTH} levels are read")
    if isinstance(cell, Mapping):
        for member, value in cell.items():
            yield from _leaves(f"{name}.{member}", value, depth + 1)
    elif isinstance(cell, (list, tuple)):
        for value in cell:
            yield from _leaves(name, value, depth + 1)
    else:
        yield name, cell


def _text(value: Any, kind: str | None = None) -> str | None:
    """Return a cell as text, None for one that says nothing."""
    if value is None or isinstance(value, (bool, bytes)):
        return None
    if isinstance(value, (date, datetime)):
        return value.isoformat()[:10]
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    text = str(value).replace(UNIT, " ").replace(RECORD, " ").strip()
    if kind == "zip_code" and text.isdecimal():
        text = text.zfill(5)  # a ZIP code that was read as a number has lost its zeros
    is_told = bool(text) and len(text) <= MOST_CHARACTERS and text.lower() not in _EMPTY
    return text if is_told else None


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield rows as mappings; which format a file is of, its name tells."""
    suffix = path.suffix.lower()
    read = _parquet if suffix in _PARQUET else _json_lines if suffix in _JSON_LINES else _csv
    try:
        yield from read(path)
    except OSError as error:
        raise StorageError(f"cannot read {path.name}: {error.strerror or 'damaged'}", hint="check the file") from None
    except UnicodeDecodeError:
        raise NotesError(f"{path.name} is no UTF-8 text", hint=_MAKE) from None


def _csv(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline(1 << 20)
        delimiter = max(_DELIMITERS, key=head.count)
        names = next(csv.reader(io.StringIO(head), delimiter=delimiter), [])
        if not any(name.strip() for name in names):
            raise NotesError(f"{path.name} has no header", hint=_MAKE)
        names = [name.strip() or f"column {at}" for at, name in enumerate(names, start=1)]
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:  # its text may quote the line
                raise NotesError(
                    f"{path.name}, line {reader.line_num + 1:,}: a cell is badly quoted or too long", hint=_MAKE
                ) from None
            if not cells:
                continue
            if len(cells) != len(names):
                raise NotesError(
                    f"{path.name}, line {reader.line_num + 1:,}: {len(cells)} cells where the header has {len(names)}",
                    hint=_MAKE,
                )
            yield _row(names, cells)


def _row(names: list[str], cells: list[Any]) -> dict[str, Any]:
    """Return a row as a mapping; columns of one name are one, with a list of values."""
    row: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=True):
        row[name] = cell if name not in row else [row[name], cell]
    return row


def _json_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    decoder = msgspec.json.Decoder()
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            line = line.removeprefix(b"\xef\xbb\xbf").strip()
            if not line:
                continue
            try:
                row = decoder.decode(line) if len(line) <= MAX_LINE else None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise NotesError(f"{path.name}, line {number:,}: no JSON object", hint=_MAKE)
            yield row


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa  # noqa: PLC0415 - only for this format
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                names = list(batch.schema.names)
                columns = [column.to_pylist() for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    yield _row(names, list(cells))
    except (pa.ArrowException, ValueError):  # their texts may quote a cell
        raise NotesError(f"{path.name} cannot be read as Parquet", hint=_MAKE) from None
