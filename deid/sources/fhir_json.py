"""FHIR as JSON files: each a Bundle, a single resource, or lines of either, plain or compressed.

A table has the resources of its type, wherever they stand; those of other types are passed over, and those that no
table of the description reads are counted by type. What is made of a resource is told in deid/sources/fhir_rows.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from deid.errors import SourceError
from deid.schema import DatasetDescription, Table
from deid.sources.base import SharedFileSource, Together, Wanted
from deid.sources.fhir_documents import (
    BOM,
    MAX_DOCUMENT_BYTES,
    DocumentFaultError,
    examine,
    is_whole,
    refuse_beginning,
    resources_of,
)
from deid.sources.fhir_rows import TypeReader, fault, lines_of, readers_of
from deid.sources.fhir_types import RESOURCE_TYPES
from deid.sources.files import DataFile
from deid.sources.modifiers import may_modify
from deid.sources.streams import TextFile, chunks_of, head_of

_HEAD_BYTES = 1 << 16
_OTHER = "(other)"


class FhirJsonSource(SharedFileSource):
    """A folder of FHIR JSON files; see deid/sources/base.py for the interface."""

    def __init__(self, dataset: DatasetDescription) -> None:
        super().__init__(dataset)
        self._described = frozenset(table.resource for table in dataset.tables)
        self._passed: dict[DataFile, Counter[str]] = {}
        self._examined: set[DataFile] = set()

    @property
    def unread(self) -> Mapping[str, int]:
        """See Source; resources that no table reads count by their type."""
        types: Counter[str] = Counter()
        for counted in self._passed.values():
            types.update(counted)
        return self._unread | types

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source; each file must begin like a JSON object."""
        seen: set[DataFile] = set()
        for name, columns in tables.items():
            table = self._table(name, columns)
            TypeReader(self._dataset, [Wanted(table, ())], {})
            for file in self._files(table):
                if file not in seen:
                    _check_head(table, file)
                    seen.add(file)

    def _pass(self, wanted: Sequence[Wanted]) -> Together:
        known: dict[str, str] = {}
        readers = readers_of(self._dataset, wanted, known)
        first, digests = wanted[0].table, list[str]()
        rows: Counter[str] = Counter()
        for file in self._files(first):
            with TextFile(file) as stream:
                for table, batch in self._batches(first, readers, file, stream, known):
                    rows[table] += batch.num_rows
                    yield table, batch
                digests.append(stream.finish())
            self._examined.add(file)
        for reader in readers.values():
            for table, batch in reader.rest():
                rows[table] += batch.num_rows
                yield table, batch
            self._unread |= reader.unread
            self._withheld |= reader.withheld
        for one in wanted:
            self._record(one.table.name, digests)
            if not rows[one.table.name] and one.table.name == self._dataset.population:
                raise _nobody(one.table, len(digests))

    def _batches(
        self, table: Table, readers: Mapping[str, TypeReader], file: DataFile, stream: TextFile, known: dict[str, str]
    ) -> Together:
        """Show every reader the resources of its type, and count those that no table reads."""
        passed, line = Counter[str](), 0
        try:
            for line, text in _documents(table, file, stream):
                if file not in self._examined:
                    examine(text)
                may_be_modified = may_modify(text)
                for resource in resources_of(text, known):
                    if (reader := readers.get(resource.type)) is not None:
                        place = (line, resource.entry)
                        if reader.add(file, place, resource.text, may_be_modified=may_be_modified):
                            yield from reader.full()
                    elif resource.type not in self._described:
                        passed[resource.type if resource.type in RESOURCE_TYPES else _OTHER] += 1
        except DocumentFaultError as error:
            raise fault(table, file, (line or error.line, error.entry), str(error)) from None
        self._passed[file] = passed


def _nobody(table: Table, files: int) -> SourceError:
    return SourceError(
        f"{table.name}: no {table.resource} in any of {files:,} files, and this table is the population",
        hint="name another population, as `population: beneficiaries`, or bring the files that hold it",
    )


def _documents(table: Table, file: DataFile, stream: TextFile) -> Iterator[tuple[int, bytes]]:
    """Yield the documents of a file: the whole of it, as line 0, or its lines where the first is whole in itself."""
    chunks = chunks_of(stream)
    head = _to_first_line(table, file, chunks)
    refuse_beginning(head)
    first, _, more = head.removeprefix(BOM).lstrip().partition(b"\n")
    if more.strip() and is_whole(first):
        yield from ((line, text) for line, text, _ in lines_of(table, file, chain([head], chunks)))
        return
    parts, size = [head], len(head)
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        _refuse_long(table, file, size)
    yield 0, b"".join(parts).removeprefix(BOM)


def _to_first_line(table: Table, file: DataFile, chunks: Iterator[bytes]) -> bytes:
    """Return the beginning of a file with its first line that is not blank, or the whole file if it has no other."""
    parts: list[bytes] = []
    size, begun = 0, False
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        text = chunk if begun else chunk.removeprefix(BOM).lstrip()
        begun = begun or bool(text)
        if b"\n" in text:
            break
        _refuse_long(table, file, size)
    return b"".join(parts)


def _refuse_long(table: Table, file: DataFile, size: int) -> None:
    if size > MAX_DOCUMENT_BYTES:
        raise fault(
            table, file, 0, f"one document longer than {MAX_DOCUMENT_BYTES >> 20} MiB; split it, or write lines"
        )


def _check_head(table: Table, file: DataFile) -> None:
    try:
        refuse_beginning(head_of(file, _HEAD_BYTES))
    except DocumentFaultError as error:
        raise fault(table, file, 0, str(error)) from None
