"""A list of choices: who opted out, or consented, for which uses, from when until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from deid.documents.request import Use
from deid.errors import DocumentError

SCHEMA = pa.schema([("id", pa.string()), ("since", pa.date32()), ("until", pa.date32())])
_HEAD = b"deid-choices"


class ListKind(StrEnum):
    """What a list holds."""

    OPT_OUT = "opt-out"
    CONSENT = "consent"


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: ListKind
    version: int
    dataset: str | None = None
    uses: tuple[Use, ...] = ()
    part2: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceList:
    """One list. `rows` are of SCHEMA, each number once, sorted; the repr holds none of them.

    `dataset`: in whose numbers it is written, None for every dataset. `uses`: for which it holds, all where empty.
    `part2`: consents to the release of records of 42 CFR Part 2 (2.31).
    """

    name: str
    kind: ListKind
    dataset: str | None = None
    uses: tuple[Use, ...] = ()
    part2: bool = False
    version: int = 0
    rows: pa.Table = field(default_factory=SCHEMA.empty_table, repr=False)

    def covers(self, dataset: str) -> bool:
        """Whether its numbers are those of a dataset."""
        return self.dataset in (None, dataset)

    def holding(self, day: date, last: date | None = None) -> pa.Array:
        """Return the numbers whose choice holds on a day, string array; of a clock in doubt, which may show two days.

        Then an opt-out must hold between the two, and a consent on all days of them.
        """
        early, late = day, last if last is not None else day
        begun, going_on = (late, early) if self.kind is ListKind.OPT_OUT else (early, late)
        until = self.rows["until"]
        on = pc.and_(
            pc.less_equal(self.rows["since"], pa.scalar(begun)),
            pc.or_(pc.is_null(until), pc.fill_null(pc.greater_equal(until, pa.scalar(going_on)), False)),
        )
        return self.rows["id"].filter(on).combine_chunks()

    def added(self, ids: Sequence[str], since: date, until: date | None) -> ChoiceList:
        """Return the list with these numbers, under these days where they are there already."""
        mine = sorted(_clean(ids))
        rows = self._without(mine)
        fresh = pa.table(
            [pa.array(mine, pa.string()), *(pa.array([day] * len(mine), pa.date32()) for day in (since, until))],
            schema=SCHEMA,
        )
        return self._next(pa.concat_tables([rows, fresh]))

    def removed(self, ids: Sequence[str]) -> ChoiceList:
        """Return the list without these numbers."""
        return self._next(self._without(sorted(_clean(ids))))

    def to_bytes(self) -> bytes:
        """Return the Arrow stream that is sealed."""
        head = _Head(self.kind, self.version, self.dataset, self.uses, self.part2)
        schema = SCHEMA.with_metadata({_HEAD: msgspec.json.encode(head)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(self.rows.replace_schema_metadata(schema.metadata))
        data: bytes = sink.getvalue().to_pybytes()
        return data

    @classmethod
    def from_bytes(cls, name: str, data: bytes) -> ChoiceList:
        """Read such a stream; raise DocumentError for one of another version."""
        try:
            with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
                head = msgspec.json.decode(reader.schema.metadata[_HEAD], type=_Head)
                rows = reader.read_all().replace_schema_metadata(None).cast(SCHEMA)
        except (pa.ArrowException, msgspec.MsgspecError, KeyError, TypeError):  # whose text may quote what was read
            raise DocumentError(
                f"list {name} is of another version of deid", hint="use the version that wrote it"
            ) from None
        return cls(name, head.kind, head.dataset, head.uses, head.part2, head.version, rows)

    def _without(self, ids: Sequence[str]) -> pa.Table:
        held = pc.is_in(self.rows["id"], value_set=pa.array(ids, pa.string()))
        return self.rows.filter(pc.invert(held))

    def _next(self, rows: pa.Table) -> ChoiceList:
        return replace(self, rows=rows.sort_by("id").combine_chunks(), version=self.version + 1)


def _clean(ids: Iterable[str]) -> set[str]:
    """Return numbers as the source's are read: without blanks around them, none empty."""
    return {text for text in (one.strip() for one in ids) if text}
