"""FHIR R4 bulk data: NDJSON files, several parts a resource type, plain or compressed.

Each line is one resource of its tables' type; what is made of it is told in deid/sources/fhir_rows.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deid.schema import DatasetDescription
from deid.sources.base import SharedFileSource, Together, Wanted
from deid.sources.fhir_rows import TypeReader, fault, lines_of, readers_of, refuse_doubled_names
from deid.sources.files import DataFile
from deid.sources.streams import TextFile, chunks_of


class FhirBulkSource(SharedFileSource):
    """A folder of FHIR bulk export files; see deid/sources/base.py for the interface."""

    def __init__(self, dataset: DatasetDescription) -> None:
        super().__init__(dataset)
        self._examined: set[DataFile] = set()  # once for each file is enough: a second reading is held to its digest

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source; the first record of each file must be JSON of the described resource type."""
        for name, columns in tables.items():
            table = self._table(name, columns)
            reader = TypeReader(self._dataset, [Wanted(table, ())], {})
            for file in self._files(table):
                with TextFile(file) as stream:
                    for number, line, _ in lines_of(table, file, chunks_of(stream)):
                        reader.decoded(file, number, line)
                        break
                    else:
                        raise fault(table, file, 0, "blank")

    def _pass(self, wanted: Sequence[Wanted]) -> Together:
        first = wanted[0].table
        readers = readers_of(self._dataset, wanted, {}).values()
        digests: list[str] = []
        for file in self._files(first):
            with TextFile(file) as stream:
                for number, line, may_be_modified in lines_of(first, file, chunks_of(stream)):
                    if file not in self._examined:
                        refuse_doubled_names(first, file, number, line)
                    for reader in readers:
                        if reader.add(file, number, line, may_be_modified=may_be_modified):
                            yield from reader.full()
                digests.append(stream.finish())
            self._examined.add(file)
        for reader in readers:
            yield from reader.rest()
            # Counts are set, not added: a table that is read twice is counted once.
            self._unread |= reader.unread
            self._withheld |= reader.withheld
        for one in wanted:
            self._record(one.table.name, digests)
