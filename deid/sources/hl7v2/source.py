"""HL7 v2 messages: files of one message or of millions, plain, in MLLP frames or in batch envelopes, or compressed.

Files are read once for what must be known beforehand (deid/sources/hl7v2/survey.py), and once for all tables that are
read together. A piece of a file, whole messages of about two MiB, is read at once and a column at a time.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.errors import SourceError
from deid.schema import Column, DatasetDescription, Table
from deid.sources.base import SharedFileSource, Together, Wanted
from deid.sources.files import DataFile as File
from deid.sources.hl7v2.block import Block
from deid.sources.hl7v2.blocks import blocks_of
from deid.sources.hl7v2.cells import Reading
from deid.sources.hl7v2.framing import Framing, Place
from deid.sources.hl7v2.merges import Merges
from deid.sources.hl7v2.paths import compile_path, compile_resource
from deid.sources.hl7v2.scope import Rows, at_segments, rows_of
from deid.sources.hl7v2.senders import SENDER, Senders, bare, wants_authority
from deid.sources.hl7v2.survey import MERGING, Codes, Survey, count_parts, described, kinds_of, note_merges
from deid.sources.hl7v2.vocabulary import CHARACTER_SETS
from deid.sources.spelled_cells import null_words, nulled, with_days
from deid.sources.streams import TextFile

BATCH_ROWS = 16_384
_CHARACTER_SET = compile_path("MSH-18")


class Hl7v2Source(SharedFileSource):
    """Files of HL7 v2 messages; see deid/sources/base.py for the interface."""

    def __init__(self, dataset: DatasetDescription) -> None:
        super().__init__(dataset)
        self._described = described(dataset)
        self._surveys: dict[tuple[tuple[File, ...], str], Survey] = {}
        self._counted: dict[File, Counter[str]] = {}

    @property
    def unread(self) -> Mapping[str, int]:
        """See Source; each file is counted once, however many tables are read of it."""
        return self._unread | sum(self._counted.values(), Counter[str]())

    def check(self, tables: Mapping[str, Sequence[str]]) -> None:
        """See Source; each file must begin with a message or an envelope, and its first messages must be sound."""
        seen: set[File] = set()
        for name, columns in tables.items():
            table = self._table(name, columns)
            for file in self._files(table):
                if file not in seen:
                    seen.add(file)
                    with TextFile(file) as stream:
                        next(blocks_of(table, file, Framing(Place(name, file)), stream), None)

    def _pass(self, wanted: Sequence[Wanted]) -> Together:
        first = wanted[0].table
        files = self._files(first)
        survey = self._survey(first, files)
        readers = [
            _Reader(*one, self._described.systems, survey.merges, Senders() if self._is_population(one.table) else None)
            for one in wanted
        ]
        digests: list[str] = []
        for file in files:
            framing, unread = Framing(Place(first.name, file)), Counter[str]()
            with TextFile(file) as stream:
                for block in blocks_of(first, file, framing, stream):
                    if int(block.data.max()) >= 0x80:
                        _check_character_sets(block, first)
                    shared = _Shared(block, *kinds_of(block))
                    count_parts(block, shared.types, self._described, unread)
                    for reader in readers:
                        yield from reader.batches(shared)
                digests.append(stream.finish())
            unread["last segments without an end"] += framing.unterminated
            self._counted[file] = +unread
        if digests != survey.digests:
            raise SourceError(
                f"{first.name}: the source changed while it was read",
                hint="run again when nothing writes to the source; what was staged is discarded",
            )
        for reader in readers:
            yield from reader.rest()
            self._record(reader.name, digests)
            # Counts are set, not added: a table that is read twice is counted once.
            self._unread |= {f"{reader.name}: {what}": count for what, count in (+reader.passed).items()}

    def _is_population(self, table: Table) -> bool:
        return table.name == self._dataset.population

    def _survey(self, table: Table, files: tuple[File, ...]) -> Survey:
        """Return what must be known of these files before a row of them; they are read for it once."""
        key = (files, table.text.encoding)
        if key not in self._surveys:
            survey = Survey({path: Merges() for path in self._described.keys})
            for file in files:
                with TextFile(file) as stream:
                    for block in blocks_of(table, file, Framing(Place(table.name, file)), stream, only=MERGING):
                        note_merges(block, *kinds_of(block), survey, table.text.encoding)
                    survey.digests.append(stream.finish())
            self._surveys[key] = survey
            self._withheld |= +survey.withheld
        return self._surveys[key]


def _check_character_sets(block: Block, table: Table) -> None:
    """Refuse messages that name another character set than the description does; they would decode to other letters."""
    rows = at_segments(block, "MSH", np.ones(len(block.heads), np.bool_))
    starts = block.segments.starts[block.heads]
    letters = np.flatnonzero(block.data >= 0x80)
    odd = np.unique(np.searchsorted(starts, letters, "right") - 1)
    told = Reading(rows, table.text.encoding, {}).column(_CHARACTER_SET).take(pa.array(odd)).to_pylist()
    right = codecs.lookup(table.text.encoding).name
    for message, name in zip(odd.tolist(), told, strict=True):
        known = None if name is None else CHARACTER_SETS.get(name.strip().upper(), "")
        if known not in (None, "ascii") and (not known or codecs.lookup(known).name != right):
            raise block.place.fault(
                f"MSH-18 names another character set than {table.text.encoding}",
                message=block.first + message,
                hint="write the `encoding` that the sender really uses, and ask the sender to say so in MSH-18",
            )


@dataclass(frozen=True, slots=True)
class _Shared:
    """A block, type and event of its messages, and what was read of it: tables with the same rows share columns."""

    block: Block
    types: Codes
    events: Codes
    _readings: dict[tuple[int, bytes], Reading] = field(default_factory=dict, repr=False)

    def reading(self, rows: Rows, encoding: str, systems: Mapping[str, frozenset[str]]) -> Reading:
        """Return what reads these rows; encoding and systems are those of the whole pass."""
        key = (rows.anchor, rows.at.tobytes())
        if key not in self._readings:
            self._readings[key] = Reading(rows, encoding, systems)
        return self._readings[key]


class _Reader:
    """Reads the columns of one table from block after block; `passed` counts what was passed over."""

    def __init__(
        self,
        table: Table,
        columns: Sequence[str],
        systems: Mapping[str, frozenset[str]],
        merges: Mapping[str, Merges],
        senders: Senders | None,
    ) -> None:
        self.name = table.name
        self._table = table
        self._names = list(columns)
        self._columns = [column for name in columns if (column := table.column(name)) is not None]
        self._paths = [compile_path(column.path or "") for column in self._columns]
        self._resources = compile_resource(table.resource or "")
        self._systems = systems
        self._merges = merges
        self._nulls = null_words(table)
        self._has_begun = False
        self._senders = senders
        self.passed: Counter[str] = Counter()

    def batches(self, shared: _Shared) -> Together:
        """Yield the rows of one block, a bounded number at a time."""
        rows = rows_of(shared.block, self._resources, self._table.each, shared.events, shared.types)
        for begin in range(0, len(rows), BATCH_ROWS):
            part = rows.part(begin, begin + BATCH_ROWS)
            reading = shared.reading(part, self._table.text.encoding, self._systems)
            self._check_senders(reading, shared.block.place)
            yield self.name, self._batch(reading)
            self._has_begun = True

    def rest(self) -> Together:
        """Yield an empty batch where there was no other."""
        if not self._has_begun:
            yield (
                self.name,
                pa.RecordBatch.from_arrays([pa.nulls(0, pa.string())] * len(self._names), names=self._names),
            )

    def _check_senders(self, reading: Reading, place: Place) -> None:
        """Refuse patients' numbers that two facilities may have given out, each to somebody else."""
        for column, path in zip(self._columns, self._paths, strict=True):
            if self._senders is not None and column.name == self._table.patient and wants_authority(path):
                numbers = reading.column(path)
                if pc.any(without := bare(numbers)).as_py():
                    self._senders.note(numbers.filter(without), reading.column(SENDER).filter(without), place)

    def _batch(self, reading: Reading) -> pa.RecordBatch:
        pairs = zip(self._columns, self._paths, strict=True)
        arrays = [self._cells(column, reading.column(path)) for column, path in pairs]
        for name, count in reading.passed(self._paths).items():
            self.passed[f"{name} of a coding system that is not described"] += count
        return pa.RecordBatch.from_arrays(arrays, names=self._names)

    def _cells(self, column: Column, values: pa.StringArray) -> pa.Array:
        if (merges := self._merges.get(column.path or "")) is not None:
            values = merges.resolve(values)
        return with_days(column, nulled(values, self._nulls), self.passed)
