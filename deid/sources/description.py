"""Read a dataset description; the format page is docs/formats/dataset.md.

A description may stand on a built-in one (`format: synthea_csv`), whose tables it then overrides or extends.
"""

from __future__ import annotations

import codecs
import hashlib
from pathlib import Path

from deid.documents.reading import Document, load
from deid.errors import DocumentError
from deid.schema import DatasetDescription, Link, Table, TextFormat
from deid.sources.described_columns import check_columns, column_of
from deid.sources.files import locate
from deid.sources.paths import PathError
from deid.sources.spelling import BUILT_IN, FORMATS, GUESS, RawColumn, RawTable, Spelled, built_in, lay_over, spell
from deid.sources.trees import GRAMMARS, Grammar
from deid.stores.files import StoreFolder, open_folder
from deid.stores.place import is_place


def load_dataset(path: Path, *, away: bool = False) -> DatasetDescription:
    """Read the description at `path`; raise DocumentError for whatever is unknown, missing, doubled or impossible.

    `away`: a source in a store is not looked at, and every described table taken to be there.
    """
    document = load(path)
    own = spell(document)
    _refuse_guesses(own)
    if own.raw.format not in FORMATS:
        raise document.fault(
            f"there is no format {own.raw.format!r}", at="$.format", hint=f"formats are {', '.join(FORMATS)}"
        )
    shelf = built_in(own.raw.format) if own.raw.format in BUILT_IN else None
    spelled = lay_over(own, shelf)
    root = _root(path, document, own.raw.root)
    tables = _tables(spelled, root, away=away)
    population = _named(spelled, tables, "population", "patients")
    encounters = _named(spelled, tables, "encounters", "encounters")
    if population is None or population.patient is None:
        raise document.fault(
            "no population table with a patient column",
            at="$.population",
            hint="name the table that has exactly one row for each patient, and its `patient` column",
        )
    return DatasetDescription(
        name=own.raw.dataset,
        format=own.raw.format,
        root=root,
        tables=tuple(tables.values()),
        population=population.name,
        encounters=encounters.name if encounters else None,
        confirmed=own.raw.confirmed,
        part2_marks=own.raw.part2_marks,
        part2_programs=tuple(sorted({number.strip() for number in own.raw.part2_programs} - {""})),
        digest=_digest(document, shelf.document if shelf else None),
    )


def _root(path: Path, document: Document, written: str) -> Path | StoreFolder:
    """Return the dataset's folder, or its place in a store."""
    if not is_place(written):
        return (path.resolve().parent / written).resolve()
    try:
        return open_folder(written)
    except DocumentError as error:
        raise document.fault(error.message, at="$.root", hint=error.hint) from None


def _digest(own: Document, below: Document | None) -> str:
    """Return the digest of all that describes the dataset.

    Most of a description of two lines is the built-in one below it. Were only the two lines bound, another version of
    the toolkit could read columns as other kinds under a statement that an officer signed for these.
    """
    if below is None:
        return own.digest
    return hashlib.sha256(f"{own.digest}{below.digest}".encode("ascii")).hexdigest()


def _refuse_guesses(own: Spelled) -> None:
    """Refuse a draft that was marked as confirmed while guesses still stand in it."""
    guesses = [f"{t}.{c}" for t, columns in own.columns.items() for c, spec in columns.items() if _is_guess(spec)]
    if guesses and own.raw.confirmed:
        table, _, column = guesses[0].partition(".")
        raise own.document.fault(
            f"{len(guesses)} kinds are still guesses, written with {GUESS!r}; the first is that of {guesses[0]}",
            at=f"$.tables.{table}.columns.{column}",
            hint=f"decide each kind and remove its {GUESS!r}, or write `confirmed: false`",
        )


def _is_guess(column: RawColumn) -> bool:
    return column.kind.endswith(GUESS)


def _tables(spelled: Spelled, root: Path | StoreFolder, *, away: bool) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for name, raw in spelled.raw.tables.items():
        table = _table(name, raw, spelled)
        try:
            is_away = away and isinstance(root, StoreFolder)
            found = is_away or bool(
                locate(root, table.path, any_case=table.any_case, partitioned_by=table.partitioned_by)
            )
        except DocumentError as error:
            raise spelled.document.fault(
                f"{name}: {error.message}", at=f"$.tables.{name}.path", hint=error.hint
            ) from None
        # A table about no patient cannot be linked to one, counted or suppressed by one: it is described for the
        # reader, and is not part of the dataset that a request may ask of.
        if (found or not raw.optional) and not raw.reference:
            tables[name] = table
    for table in tables.values():
        _check_link(spelled.document, table, tables)
    return tables


def _table(name: str, raw: RawTable, spelled: Spelled) -> Table:
    document, at = spelled.document, f"$.tables.{name}"
    if sum(bool(way) for way in (raw.patient, raw.link, raw.reference)) != 1:
        raise document.fault(
            f"{name}: exactly one of patient, link and reference says how rows reach a patient",
            at=at,
            hint="write `patient: <column>`, or `link: {to: <table>, on: <column>}`, "
            "or `reference: true` for a table about no patient",
        )
    tree = GRAMMARS.get(BUILT_IN.get(spelled.raw.format, spelled.raw.format))
    if (tree is not None) != (raw.resource is not None) or (raw.each and tree is None):
        raise document.fault(
            f"{name}: resource is written for tables of tree-shaped formats and only there",
            at=at,
            hint=f"write {tree.records}" if tree else "`resource` and `each` belong to FHIR, HL7 v2, X12 and C-CDA",
        )
    if tree is not None:
        _check_records(document, raw, tree, name)
    path = raw.path or (tree.files.format(resource=raw.resource) if tree else "")
    columns = spelled.columns[name]
    if not path or not columns:
        raise document.fault(f"{name}: no {'columns' if path else 'path'}", at=at, hint="every table has both")
    built = tuple(column_of(document, name, column, spec, raw, tree) for column, spec in columns.items())
    if raw.reference and any(column.kind.name == "part2" for column in built):
        raise document.fault(
            f"{name}: says who is a program under 42 CFR Part 2, and a table about no patient is never read",
            at=f"{at}.columns",
            hint="list the numbers of the programs under `part2_programs`, and describe the column as unneeded",
        )
    kinds = {column.name: column.kind.name for column in built}
    if raw.patient is not None and kinds.get(raw.patient) != "patient_id":
        raise document.fault(
            f"{name}: the patient column must be a described column of kind patient_id",
            at=f"{at}.patient",
            hint="name the column that holds the source's key for a patient, and describe it as patient_id",
        )
    made = Table(
        name=name,
        path=path,
        columns=built,
        patient=raw.patient,
        link=Link(raw.link.to, raw.link.on, raw.link.key or raw.link.on, raw.link.others) if raw.link else None,
        text=_text(document, raw, at),
        resource=raw.resource,
        each=raw.each,
        optional_columns=bool(raw.optional_columns),
        repeats=raw.repeats or "refuse",
        any_case=raw.case == "any",
        partitioned_by=_partitioned_by(document, name, raw, spelled),
    )
    check_columns(document, made, at)
    return made


def _partitioned_by(document: Document, name: str, raw: RawTable, spelled: Spelled) -> tuple[str, ...]:
    """Return the columns that name folders; raise DocumentError unless they are described, and no keys, in Parquet."""
    columns = tuple(raw.partitioned_by or ())
    if not columns:
        return ()
    keys = {raw.patient, raw.link.on if raw.link else None}
    if BUILT_IN.get(spelled.raw.format, spelled.raw.format) != "parquet":
        problem, hint = "only Parquet is read in folders of partitions", "remove `partitioned_by`"
    elif len(set(columns)) < len(columns) or not set(columns) <= set(spelled.columns[name]):
        problem, hint = "not every column that names folders is described once", "describe each below `columns`"
    elif keys & set(columns):
        problem, hint = "the way to the patient stands in names of folders", "write the key into the files"
    elif set(columns) == set(spelled.columns[name]):
        problem, hint = "no column is left in the files", "describe the columns of the files too"
    else:
        return columns
    raise document.fault(f"{name}: {problem}", at=f"$.tables.{name}.partitioned_by", hint=hint)


def _check_records(document: Document, raw: RawTable, tree: Grammar, name: str) -> None:
    """Refuse a `resource` or an `each` that the format does not know."""
    for field, check in (("resource", tree.check_resource), ("each", tree.check_each)):
        written: str | None = getattr(raw, field)
        try:
            if written is not None and check is not None:
                check(written)
        except PathError as error:
            at = f"$.tables.{name}.{field}"
            raise document.fault(f"{name}: {error}", at=at, hint="docs/formats/dataset.md, paths") from None


def _text(document: Document, raw: RawTable, at: str) -> TextFormat:
    plain = TextFormat()
    delimiter = plain.delimiter if raw.delimiter is None else raw.delimiter
    quote = plain.quote if raw.quote is None else raw.quote.removeprefix("none")
    encoding = (raw.encoding or plain.encoding).lower()
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '\r\n\0"':
        raise document.fault("delimiter is one ASCII character", at=f"{at}.delimiter", hint='for tabs write "\\t"')
    if len(quote) > 1 or not quote.isascii() or (quote and quote in f"\r\n\0{delimiter}"):
        raise document.fault("quote is one ASCII character, or none", at=f"{at}.quote", hint="write `quote: none`")
    try:
        codecs.getincrementaldecoder(encoding)()
        readable = isinstance(codecs.decode(b"", encoding), str)  # codecs such as base64 are no text encodings
    except (LookupError, TypeError, ValueError):
        readable = False
    if not readable:
        raise document.fault("there is no such encoding", at=f"{at}.encoding", hint="utf-8, latin-1 or cp1252")
    nulls = plain.nulls if raw.nulls is None else tuple(raw.nulls)
    return TextFormat(delimiter, quote, encoding, nulls)


def _check_link(document: Document, table: Table, tables: dict[str, Table]) -> None:
    if table.link is None:
        return
    at, link = f"$.tables.{table.name}.link", table.link
    target = tables.get(link.to)
    if target is None or target.patient is None:
        raise document.fault(
            f"{table.name}: links to {link.to}, which is not a table with a patient column",
            at=at,
            hint="a link is one step: name the table that holds both the key and the patient",
        )
    for side, column in ((table, link.on), (target, link.key)):
        described = side.column(column)
        if described is None or not described.kind.is_identifier_code:
            raise document.fault(
                f"{table.name}: the link needs {side.name}.{column}, described as an identifier",
                at=at,
                hint="describe it, for instance as claim_id or encounter_id",
            )


def _named(spelled: Spelled, tables: dict[str, Table], field: str, usual: str) -> Table | None:
    """Return the table that plays a part: as written, else the one that bears the usual name, else None."""
    written: str | None = getattr(spelled.raw, field)
    if written is None:
        return tables.get(usual)
    if written not in tables and written in spelled.raw.tables and field == "encounters":
        return None  # a built-in table without a file in this dataset
    if written not in tables:
        raise spelled.document.fault(
            f"{field}: the table {written} is not in the dataset",
            at=f"$.{field}",
            hint="name a described table whose file exists, or correct its path",
        )
    return tables[written]
