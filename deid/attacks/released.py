"""A release as an attacker lays it out: patients by position, and for every column who has which value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.bits import ANY, NONE, Bits, Int32, Int64, Postings
from deid.attacks.knowledge import Place
from deid.attacks.rules import as_released, finest_above
from deid.errors import ReleaseError
from deid.kinds import KINDS
from deid.opening.opened import OpenedRelease
from deid.release.manifest import ColumnEntry, Manifest

_KEYS = ("encounter_id", "claim_id")


@dataclass(frozen=True, slots=True)
class Values:
    """The distinct values of a column (null among them, if it stands there) and who has them."""

    distinct: pa.Array
    postings: Postings
    null: int  # position of null among the values, NONE where no cell is empty

    def find(self, values: pa.Array, *, empty: int) -> Int64:
        """Return the position of each value; NONE where nobody has it; for a null, `empty`."""
        found = pc.index_in(values.cast(self.distinct.type), value_set=self.distinct)
        at = pc.fill_null(found, NONE).to_numpy(zero_copy_only=False).astype(np.int64)
        return np.where(values.is_valid().to_numpy(zero_copy_only=False), at, empty)


class Released:
    """What an attacker has of a release; tables are read once and kept, and everything is by position of patient."""

    def __init__(self, opened: OpenedRelease) -> None:
        self.opened = opened
        self.manifest: Manifest = opened.manifest
        self._read: dict[Place, pa.Array] = {}
        self._who: dict[str, Int64] = {}
        self._values: dict[tuple[Place, ...], Values] = {}
        self.patients, self._coded = self._everybody()

    def __len__(self) -> int:
        return len(self.patients)

    def columns(self, *kinds: str) -> Iterator[tuple[str, ColumnEntry]]:
        """Yield (table, column) of these kinds, or of all, of tables whose rows reach a patient."""
        for table, entry in self.manifest.tables.items():
            for column in entry.columns:
                if (not kinds or column.kind in kinds) and self.who(table) is not None:
                    yield table, column

    def entry(self, place: Place) -> ColumnEntry | None:
        """Return the manifest's entry of a column, None where the release has none such."""
        table = self.manifest.tables.get(place[0])
        return next((column for column in table.columns if column.name == place[1]), None) if table else None

    def cells(self, table: str, column: str) -> pa.Array:
        """Return a column in the order of its rows."""
        place = (table, column)
        if place not in self._read:
            self._read[place] = self.opened.read(table, [column])[column].combine_chunks()
        return self._read[place]

    def who(self, table: str) -> Int64 | None:
        """Return the patient of each row, int64 positions, None where rows of the table reach no patient.

        A table without patients' pseudonyms reaches them through the pseudonym of a visit or claim.
        """
        if table in self._coded:
            return self._coded[table]
        if table not in self._who:
            found = self._through(table)
            if found is None:
                return None
            self._who[table] = found
        return self._who[table]

    def side_by_side(self, *kinds: str) -> list[tuple[Place, ...]]:
        """Return the columns of these kinds, those of one table, kind and rule together.

        In which of them a code stands may mean nothing, and a map is told by all that it wrote.
        """
        found: dict[tuple[str, str, str], list[Place]] = {}
        for table, column in self.columns(*kinds):
            found.setdefault((table, column.kind, column.transform), []).append((table, column.name))
        return [tuple(places) for places in found.values()]

    def values(self, table: str, column: str) -> Values:
        """Return the distinct values of a column and who has them."""
        return self.pooled(((table, column),))

    def pooled(self, places: tuple[Place, ...]) -> Values:
        """Return the distinct values of columns of one table together, and who has them in any."""
        if places not in self._values:
            table = places[0][0]
            who = self.who(table)
            if who is None:
                raise ReleaseError(f"rows of {table} reach no patient", hint="attack a column of another table")
            cells = pa.concat_arrays([self.cells(*place) for place in places]) if places[1:] else self.cells(*places[0])
            self._values[places] = index(cells, np.tile(who, len(places)), len(self))
        return self._values[places]

    def who_fits(self, place: Place, known: pa.Array, birth_day: Int32, *, null_is_a_value: bool = True) -> Bits | None:
        """Return who has, in a column, what the known values would have become; None where that tells nothing."""
        wanted = self.wanted(place, known, birth_day, null_is_a_value=null_is_a_value)
        return None if wanted is None else self.values(*place).postings.bits(wanted)

    def wanted(self, place: Place, known: pa.Array, birth_day: Int32, *, null_is_a_value: bool) -> Int64 | None:
        """Return, for each known value, the position of what it became among the values of a column.

        ANY where it became nothing that tells, as a code that the hierarchy does not know.
        """
        if self.entry(place) is None:
            return None
        held = self.values(*place)
        told = self.became(place, known, birth_day, held.distinct)
        if told is None:
            return None
        at = held.find(told, empty=ANY)
        if null_is_a_value:
            empty = ~known.is_valid().to_numpy(zero_copy_only=False)
            at[empty] = held.null
        return at

    def became(self, place: Place, known: pa.Array, birth_day: Int32, distinct: pa.Array) -> pa.Array | None:
        """Return what known values became in a column that shows the `distinct` ones; None where it cannot be told."""
        entry = self.entry(place)
        if entry is None:
            return None
        told = as_released(entry, self.manifest, known, birth_day)
        if told is None and KINDS[entry.kind].is_medical_code:
            # What stands above the code in the release is what became of it; a code above which nothing stands was
            # left empty for everybody, and tells nothing.
            return finest_above(entry.kind, known.cast(pa.string()), distinct)
        return told

    def _everybody(self) -> tuple[pa.Array, dict[str, Int64]]:
        keyed = {
            table: column.name
            for table, entry in self.manifest.tables.items()
            for column in entry.columns
            if column.kind == "patient_id"
        }
        if not keyed:
            raise ReleaseError(
                "no table of this release has a column of patients", hint="nothing links its rows to persons"
            )
        parts = [self.cells(table, column) for table, column in keyed.items()]
        whole = pa.concat_arrays([part.cast(pa.string()) for part in parts]).dictionary_encode()
        codes = pc.fill_null(whole.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        ends = np.cumsum([0, *(len(part) for part in parts)])
        return whole.dictionary, {
            table: codes[low:high] for table, low, high in zip(keyed, ends[:-1], ends[1:], strict=True)
        }

    def _through(self, table: str) -> Int64 | None:
        for kind in _KEYS:
            mine = next((c.name for c in self.manifest.tables[table].columns if c.kind == kind), None)
            for other in self._coded if mine is not None else ():
                theirs = next((c.name for c in self.manifest.tables[other].columns if c.kind == kind), None)
                if theirs is not None and mine is not None:
                    at = pc.index_in(self.cells(table, mine), value_set=self.cells(other, theirs))
                    rows = pc.fill_null(at, -1).to_numpy(zero_copy_only=False).astype(np.int64)
                    return np.where(rows >= 0, self._coded[other][np.maximum(rows, 0)], -1)
        return None


def index(cells: pa.Array, who: Int64, size: int) -> Values:
    """Return the distinct values of a column and who has them; rows without a patient (-1) do not count."""
    coded = cells.dictionary_encode() if not isinstance(cells, pa.DictionaryArray) else cells
    distinct = len(coded.dictionary)
    codes = pc.fill_null(coded.indices.cast(pa.int64()), distinct).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = who >= 0
    postings = Postings.of(codes[rows], who[rows], distinct=distinct + 1, size=size)
    return Values(coded.dictionary, postings, distinct if bool(coded.indices.null_count) else NONE)
