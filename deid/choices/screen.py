"""What is left out of a run: by patient, by visit and by row, looked up where typed rows are read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import validity
from deid.cells.days import NO_DAY
from deid.choices.applying import NO_CONSENT, OPTED_OUT, Choices
from deid.choices.subject import Subject
from deid.observing.rows import LinkMap
from deid.patients.positions import Patients, Positions, Tagger
from deid.schema import Table
from deid.sealing.sealed import SealedMap
from deid.segments.rules import STATES, SegmentRule
from deid.segments.telling import People, rows_told, telling_columns

NOTHING_LEFT = "nothing left"  # every row of the patient was left out
Bits = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]
_STATES = (*sorted(STATES), None)


@dataclass(slots=True)
class Persons:
    """What is known of each patient of the population, by the positions of the screening.

    `bits`: reasons to leave the patient out, uint32; `touched`: to leave out rows of the patient; `told`: segments that
    a row of the patient tells. `birth`: int32 days.
    `state`: place in the list of states, int8, -1 where unknown. `sex`: int8, 0 unknown or other, 1 female, 2 male.
    `consents`: whether Part 2 rows may leave.
    """

    bits: Bits = field(default_factory=lambda: np.zeros(0, np.uint32), repr=False)
    touched: Bits = field(default_factory=lambda: np.zeros(0, np.uint32), repr=False)
    told: Bits = field(default_factory=lambda: np.zeros(0, np.uint32), repr=False)
    birth: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32), repr=False)
    state: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8), repr=False)
    sex: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8), repr=False)
    consents: Flags = field(default_factory=lambda: np.zeros(0, bool), repr=False)

    def grow(self, size: int) -> None:
        """Make room for so many patients."""
        if size > len(self.bits):
            more = max(1024, size + size // 8) - len(self.bits)
            self.bits = np.append(self.bits, np.zeros(more, np.uint32))
            self.touched = np.append(self.touched, np.zeros(more, np.uint32))
            self.told = np.append(self.told, np.zeros(more, np.uint32))
            self.birth = np.append(self.birth, np.full(more, NO_DAY, np.int32))
            self.state = np.append(self.state, np.full(more, -1, np.int8))
            self.sex = np.append(self.sex, np.zeros(more, np.int8))
            self.consents = np.append(self.consents, np.zeros(more, bool))


def agreed(held: npt.NDArray[Any], patient: Positions, cells: npt.NDArray[Any], known: int, unknown: int) -> None:
    """Keep what the rows of a patient say, and `unknown` where two say different things: one may be another's.

    `known`: how many patients earlier batches had.
    """
    clash = (patient < known) & (held[patient] != cells)
    held[patient] = cells
    clash |= held[patient] != cells
    held[patient[clash]] = unknown


@dataclass(slots=True)
class VisitMarks:
    """Visits that are left out, by the space of their numbers: maps in the order in which they were found."""

    taggers: defaultdict[str, Tagger] = field(default_factory=lambda: defaultdict(Tagger.fresh))
    maps: dict[str, list[SealedMap]] = field(default_factory=dict)

    def bits(self, space: str, ids: pa.Array, patient: Positions) -> Bits:
        """Return the reasons of the rows' visits, uint32 (n,); 0 for a row without number or patient."""
        found = np.zeros(len(ids), np.uint32)
        marks = self.maps.get(space, ())
        tags = self.taggers[space].visit_tags(ids, patient) if marks else np.zeros(0, np.uint64)
        for marked in marks:
            _, payload = marked.find(tags)
            found |= payload.column(0).fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint32)
        found[~validity(ids) | (patient < 0)] = 0
        return found


@dataclass(slots=True)
class Screen:
    """Tells of each row whether it is left out, and counts by reason what was at the last reading of each table.

    `patients`: the screening's own positions; the run's are given to those who stay, alone. `released`: which of
    these patients the release holds, as it was read back.
    """

    subject: Subject
    choices: Choices
    rules: tuple[SegmentRule, ...]
    patients: Patients
    persons: Persons
    links: dict[str, LinkMap]
    visits: VisitMarks
    rows: dict[str, Counter[str]] = field(default_factory=dict, repr=False)
    released: Flags | None = field(default=None, repr=False)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons to leave something out, in the order of their bits."""
        return (OPTED_OUT, NO_CONSENT, *(rule.name for rule in self.rules), NOTHING_LEFT)

    def bit(self, reason: str) -> np.uint32:
        """Return the bit of a reason."""
        return np.uint32(1 << self.reasons.index(reason))

    def columns(self, table: Table) -> Sequence[str]:
        """Return the columns that must be read of a table to screen it, beside the patient key."""
        return self.subject.columns(table)

    def begin(self, table: Table) -> None:
        """Begin to count a table anew."""
        self.rows[table.name] = Counter()

    def drops(self, table: Table, values: Mapping[str, pa.Array], keys: pa.Array) -> Flags:
        """Return which rows are left out, bool (n,). `keys`: their patient or linking key."""
        bits = self.bits_of(table, values, self.positions(table, keys))
        counts = self.rows.setdefault(table.name, Counter())
        for place in np.flatnonzero(np.bitwise_or.reduce(bits, initial=np.uint32(0)) >> np.arange(32) & 1):
            counts[self.reasons[place]] += int(np.count_nonzero(bits >> np.uint32(place) & np.uint32(1)))
        return np.asarray(bits != 0, bool)

    def positions(self, table: Table, keys: pa.Array) -> Positions:
        """Return the positions of the rows' patients in the screening, int32 (n,), -1 where nobody knows them."""
        if table.link is None:
            return np.where(validity(keys), self.patients.find(keys), -1).astype(np.int32)
        return self.links[table.name].find(keys)

    def bits_of(self, table: Table, values: Mapping[str, pa.Array], patient: Positions) -> Bits:
        """Return the reasons to leave rows out, uint32 (n,): the patient's, those of the visits, and their own."""
        known = patient >= 0
        bits = np.zeros(len(patient), np.uint32)
        bits[known] = self.persons.bits[patient[known]]
        if table.name == self.subject.dataset.population:
            return bits  # of a patient all of it leaves, or nothing
        bits |= self.own_bits(table, values, patient)
        if not self.rules:
            return bits
        nowhere = known.copy()
        for key in self.subject.keys(table):
            bits |= self.visits.bits(key.space, values[key.column], patient)
            nowhere &= ~validity(values[key.column])
        # Of which visit such a row is nobody knows, and it does not tell: it may be of one that is left out.
        untold = (self.bit(rule.name) for rule in self.rules if not telling_columns(rule, table))
        bits[nowhere] |= self.persons.told[patient[nowhere]] & np.bitwise_or.reduce([np.uint32(0), *untold])
        return bits

    def own_bits(self, table: Table, values: Mapping[str, pa.Array], patient: Positions) -> Bits:
        """Return the reasons that rows tell by their own cells, uint32 (n,)."""
        bits = np.zeros(len(patient), np.uint32)
        if not self.rules:
            return bits
        people = self.people(patient)
        for rule in self.rules:
            found = rows_told(rule, table, values, people)
            if rule.is_by_consent:
                found &= ~np.where(patient >= 0, self.persons.consents[np.maximum(patient, 0)], False)
            bits[found] |= self.bit(rule.name)
        return bits

    def people(self, patient: Positions) -> People:
        """Return what is known of the rows' patients."""
        known, place = patient >= 0, np.maximum(patient, 0)
        if not len(self.persons.bits):
            return People(np.full(len(patient), NO_DAY, np.int32), pa.nulls(len(patient), pa.string()))
        birth = np.where(known, self.persons.birth[place], NO_DAY).astype(np.int32)
        states = np.where(known, self.persons.state[place], -1)
        return People(birth, pa.array(_STATES, pa.string()).take(pa.array(states % len(_STATES))))
