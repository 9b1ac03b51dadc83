"""A folder of C-CDA documents, each an XML file of its own, plain or compressed.

Each file is read whole, 64 MiB at most, and once for all tables that are read together; what is made of it is told in
deid/sources/ccda/rows.py and cells.py. Nothing but the files of the dataset is ever opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from deid.errors import SourceError
from deid.kinds import Group
from deid.schema import Column, DatasetDescription, Table
from deid.sources.base import SharedFileSource, Together, Wanted
from deid.sources.ccda.cells import cell_of, is_file
from deid.sources.ccda.encodings import DocumentFaultError, examine
from deid.sources.ccda.parsing import Element, read_document
from deid.sources.ccda.paths import Path, compile_each, compile_path
from deid.sources.ccda.rows import children, rows_of, turned
from deid.sources.ccda.unread import Unread
from deid.sources.files import DataFile as File
from deid.sources.spelled_cells import null_words, nulled, with_days
from deid.sources.streams import TextFile, chunks_of

BATCH_ROWS = 16_384
BATCH_CHARACTERS = 16 << 20


class CcdaSource(SharedFileSource):
    """Files of C-CDA documents; see deid/sources/base.py for the interface."""

    def __init__(self, dataset: DatasetDescription) -> None:
        super().__init__(dataset)
        self._counted: set[File] = set()
        self._left = Unread(dataset.tables)

    @property
    def unread(self) -> Mapping[str, int]:
        """See Source; each document is counted once, however many tables are read of it."""
        return self._unread | self._left.counts

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source; each file must begin as an XML document without a document type."""
        seen: set[File] = set()
        for name, columns in tables.items():
            table = self._table(name, columns)
            _refuse_typed_codes(table)
            for file in self._files(table):
                if file not in seen:
                    seen.add(file)
                    _check_beginning(table, file)

    def _pass(self, wanted: Sequence[Wanted]) -> Together:
        """See SharedFileSource; each document is parsed once for all of them."""
        for one in wanted:
            _refuse_typed_codes(one.table)
        readers = [_Reader(one.table, one.columns) for one in wanted]
        first = wanted[0].table
        digests: list[str] = []
        for file in self._files(first):
            with TextFile(file) as stream:
                document = _document(first, file, stream)
                digests.append(stream.finish())
            if file not in self._counted:
                self._counted.add(file)
                self._left.count(document)
            for reader in readers:
                reader.add(document)
                if reader.is_full:
                    yield reader.table.name, reader.take()
        for reader in readers:
            name = reader.table.name
            yield name, reader.take()
            self._record(name, digests)
            # Counts are set, not added: a table that is read twice is counted once.
            self._unread |= {f"{name}: {what}": count for what, count in reader.passed.items()}
            self._withheld |= {f"{name}: {what}": count for what, count in reader.withheld.items()}


class _Reader:
    """Turns documents into rows; `passed` counts values, and `withheld` rows and documents, that are left out."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self.table = table
        self._names = list(columns)
        self._columns = [column for name in columns if (column := table.column(name)) is not None]
        self._paths = [compile_path(column.path or "") for column in self._columns]
        self._each = compile_each(table.each) if table.each else ()
        self._in_body = any(not place.from_root for place in self._each)
        self._nulls = null_words(table)
        self._cells: list[list[str | None]] = [[] for _ in columns]
        self._rows = 0
        self._characters = 0
        self.passed: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()

    def add(self, document: Element) -> None:
        """Add the rows of one document."""
        named = [child.name for child in children(document)]
        if named.count("recordTarget") != 1:
            # Whose an entry is cannot be told where a document is about several, or about nobody.
            self.withheld["documents that are not about exactly one patient"] += 1
            return
        if self._in_body and _has_foreign_body(document):
            self.withheld["bodies that are files and not XML"] += 1
        for row in rows_of(document, self._each):
            reason = turned(row)
            if reason:
                self.withheld[f"rows {reason}"] += 1
                continue
            self._rows += 1
            for cells, path in zip(self._cells, self._paths, strict=True):
                cell = cell_of(row, path)
                cells.append(cell)
                self._characters += len(cell) if cell is not None else 0
            self._note_files(row.element)

    def _note_files(self, element: Element) -> None:
        for name, path in zip(self._names, self._paths, strict=True):
            if path.function == "text" and any(child.name == "text" and is_file(child) for child in children(element)):
                self.withheld[f"{name} is a file and not text"] += 1

    @property
    def is_full(self) -> bool:
        """Whether a batch is worth handing on; by characters too, for narratives are long."""
        return self._rows >= BATCH_ROWS or self._characters >= BATCH_CHARACTERS

    def take(self) -> pa.RecordBatch:
        """Return the rows so far as a batch, and begin anew."""
        pairs = zip(self._columns, self._cells, strict=True)
        arrays = [self._array(column, pa.array(cells, pa.string())) for column, cells in pairs]
        self._cells = [[] for _ in self._names]
        self._rows = self._characters = 0
        return pa.RecordBatch.from_arrays(arrays, names=self._names)

    def _array(self, column: Column, values: pa.Array) -> pa.Array:
        return with_days(column, nulled(values, self._nulls), self.passed)


def _document(table: Table, file: File, stream: TextFile) -> Element:
    try:
        return read_document(chunks_of(stream))
    except DocumentFaultError as error:
        raise _fault(table, file, error) from None


def _check_beginning(table: Table, file: File) -> None:
    try:
        with TextFile(file) as stream:
            examine(chunks_of(stream))
    except DocumentFaultError as error:
        raise _fault(table, file, error) from None


def _fault(table: Table, file: File, error: DocumentFaultError) -> SourceError:
    where = f"{file.name}, line {error.line}" if error.line else file.name
    return SourceError(
        f"{table.name}: {where}: {error}",
        hint="ask the sender for a whole C-CDA document without a document type, or name the right files in `files`",
    )


def _refuse_typed_codes(table: Table) -> None:
    """Refuse codes that are read from what people typed: its shape alone would stand between a name and a release."""
    for column in table.columns:
        path: Path = compile_path(column.path or "")
        if column.kind.group is Group.CODE and not path.is_coded:
            raise SourceError(
                f"{table.name}.{column.name}: what people typed (text, displayName, extension, value) is never a code",
                hint="describe the column as code_description, free_text or an identifier, or read `@code`",
            )


def _has_foreign_body(document: Element) -> bool:
    components = [child for child in children(document) if child.name == "component"]
    return any(child.name == "nonXMLBody" for component in components for child in children(component))
