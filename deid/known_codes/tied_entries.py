"""Who has which codes on which dates, as the release ties them (`dated_steps.py`), for deid.disclosure.dated.

Noted with the codes (deid.known_codes.code_entries) as the plan will release them, and once more from what was written
(deid.checks.code_check): 16 bytes for each distinct (patient, code, dates, visit), 24 for each distinct (code, dates)
and each visit, 12 for each distinct (visit, date). Dates are kept as prints of 64 bits, the same in both readings: two
sets of dates that shared one would be taken for one, which among a million happens with a chance of 2^-25.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain, scattered, validity
from deid.cells.days import NO_DAY
from deid.disclosure.dated import Tied
from deid.keys.prf import BatchCmac
from deid.known_codes.dated_steps import TiedSteps, all_moved, tied_steps
from deid.known_codes.entries import NO_VISIT, Entries
from deid.known_codes.tied_dates import Prints, VisitDates, set_prints
from deid.observing.selection import days_of
from deid.patients.positions import Positions, Tagger
from deid.patients.tags import TagIndex
from deid.planning.plan import Plan

Integers = npt.NDArray[np.int32]
_PUBLIC = bytes(16)  # a key for prints of dates, which hide nothing: they only stand for texts


@dataclass(frozen=True, slots=True)
class TiedRows:
    """What ties the codes of rows to dates, each (n,).

    `prints` uint64, of the dates in the row, 0 for none; `day` int32, the first of them where days are shifted, else
    NO_DAY; `visit` int32, the number of the row's visit, NO_VISIT for none.
    """

    prints: Prints
    day: Integers
    visit: Integers


@dataclass(frozen=True, slots=True)
class TiedNote:
    """What ties the codes of rows to dates, before visits have numbers.

    `visits`: for each column of visits which rows name one, bool (n,), and the tags of those; `dates`: for each column
    of dates which rows have one, and units of all. `prints`, `day`: see TiedRows.
    """

    visits: tuple[tuple[npt.NDArray[np.bool_], Prints], ...] = field(repr=False)
    dates: tuple[tuple[npt.NDArray[np.bool_], Prints], ...] = field(repr=False)
    prints: Prints = field(repr=False)
    day: Integers = field(repr=False)


@dataclass(slots=True)
class TiedEntries:
    """Notes codes with the dates of their rows and of their visits."""

    plan: Plan
    steps: dict[str, TiedSteps] = field(init=False)
    _moved: bool = field(init=False)
    _tagger: Tagger = field(default_factory=Tagger.fresh)
    _texts: Tagger = field(default_factory=lambda: Tagger(BatchCmac(_PUBLIC)))
    _numbers: TagIndex = field(default_factory=TagIndex)  # of visits
    _visits: VisitDates = field(default_factory=VisitDates)
    _entries: Entries = field(default_factory=Entries)
    _compounds: TagIndex = field(default_factory=TagIndex)
    _places: TagIndex = field(default_factory=TagIndex)
    _of_compound: list[tuple[Integers, Prints, Integers]] = field(default_factory=list, repr=False)
    _of_place: list[tuple[Integers, Integers]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """Find the columns."""
        self.steps = tied_steps(self.plan)
        self._moved = all_moved(self.steps)

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table that tie codes to dates."""
        return self.steps[table].columns if table in self.steps else []

    def note(self, table: str, cells: Mapping[str, pa.Array], patient: Positions) -> TiedNote | None:
        """Return what ties the codes of rows to dates, None where nothing does; takes nothing in.

        `cells`: dates as released, and numbers of visits, of the source or of the release; `patient`: int32 (n,).
        """
        steps = self.steps.get(table)
        if steps is None:
            return None
        visits = tuple(self._visit_tags(cells[s.column.name], s.column.kind.name, patient) for s in steps.visits)
        has = [validity(cells[step.column.name]) for step in steps.dates]
        told = tuple(
            (known, self._units(repr(step.transform), cells[step.column.name], known))
            for step, known in zip(steps.dates, has, strict=True)
        )
        prints, day = self._of_rows(told, len(patient))
        return TiedNote(visits, told, prints, day)

    def take(self, note: TiedNote) -> TiedRows:
        """Keep the dates of visits in rows; return what ties the codes that stand in them."""
        none = np.full(len(note.prints), NO_VISIT, np.int32)
        numbers = [self._numbered(known, tags) for known, tags in note.visits] or [none]
        for has, units in note.dates:
            for number in numbers:
                known = has & (number != NO_VISIT)
                self._visits.add(number[known], units[known])
        for other in numbers[1:]:
            both = (numbers[0] != NO_VISIT) & (other != NO_VISIT)
            self._visits.join(numbers[0][both], other[both])
        first = numbers[0]
        for other in numbers[1:]:
            first = np.where(first == NO_VISIT, other, first)
        return TiedRows(note.prints, note.day, first)

    def add(
        self, rows: TiedRows, at: npt.NDArray[np.int64], patient: Positions, code: Integers, visit: Integers
    ) -> None:
        """Take the codes of rows `at`; int32 (n,) each of patient, code and the visit in which codes stand together."""
        prints, day, number = rows.prints[at], rows.day[at], rows.visit[at]
        compound, fresh = self._compounds.add(scattered(prints ^ scattered(code)) ^ scattered(day.astype(np.int64)))
        self._of_compound.append((code[fresh], prints[fresh], day[fresh]))
        place, new = self._places.add(scattered(_together(number, visit)))
        self._of_place.append((number[new], visit[new]))
        self._entries.add(patient, compound, place)

    def found(self, patients: int) -> Tied | None:
        """Return what was noted of so many patients, None where the release ties no code to a date."""
        if not self.steps:
            return None
        patient, compound, place, mentions = self._entries.rows()
        code, own, day = _joined(self._of_compound, (np.int32, np.uint64, np.int32), compound)
        number, visit = _joined(self._of_place, (np.int32, np.int32), place)
        prints, begins = self._visits.prints(number, moved=self._moved)
        if self._moved:
            away = np.where((day == NO_DAY) | (begins == NO_DAY), 0, begins.astype(np.int64) - day)
            own = own + scattered(prints ^ scattered(away)) * (prints != 0)
            day = np.where(day == NO_DAY, begins, day)
        else:
            own = own + scattered(prints) * (prints != 0)
        distinct, unit = np.unique(own, return_inverse=True)
        keys = np.stack([code, unit.astype(np.int32), day], axis=1)
        order = np.lexsort(keys.T[::-1])
        new = np.append(True, (keys[order][1:] != keys[order][:-1]).any(axis=1))[: len(order)]
        numbered = np.empty(len(order), np.int32)
        numbered[order] = np.cumsum(new) - 1
        kept = keys[order[new]]
        entries = Entries()
        entries.add(patient, numbered, visit, mentions)
        return Tied(entries.coded(patients), kept[:, 0], kept[:, 1], distinct, kept[:, 2] if self._moved else None)

    def _visit_tags(self, ids: pa.Array, kind: str, patient: Positions) -> tuple[npt.NDArray[np.bool_], Prints]:
        known = validity(ids)
        salt = self._tagger.tags(pa.array([kind]))[0]
        return known, self._tagger.visit_tags(ids, patient)[known] ^ salt

    def _numbered(self, known: npt.NDArray[np.bool_], tags: Prints) -> Integers:
        number = np.full(len(known), NO_VISIT, np.int32)
        number[known] = self._numbers.add(tags)[0]
        return number

    def _units(self, rule: str, dates: pa.Array, has: npt.NDArray[np.bool_]) -> Prints:
        """Return what each date is known as, uint64 (n,): a print of the text under its rule, or a shifted day."""
        units = np.zeros(len(has), np.uint64)
        cells = plain(dates).filter(pa.array(has))
        if self._moved:
            units[has] = days_of(cells).astype(np.int64).view(np.uint64)
        else:
            # A quarter and a year are two things to know, so each rule has units of its own.
            distinct = pc.unique(cells)
            texts = pc.binary_join_element_wise(rule, distinct.cast(pa.string()), " ")
            units[has] = self._texts.tags(texts)[pc.index_in(cells, value_set=distinct).to_numpy(zero_copy_only=False)]
        return units

    def _of_rows(self, dates: Sequence[tuple[npt.NDArray[np.bool_], Prints]], size: int) -> tuple[Prints, Integers]:
        """Return the print of the dates in each row, and the first of them where days are shifted."""
        if not dates:
            return np.zeros(size, np.uint64), np.full(size, NO_DAY, np.int32)
        known, told = np.stack([has for has, _ in dates], axis=1), np.stack([units for _, units in dates], axis=1)
        rows = np.broadcast_to(np.arange(size)[:, None], known.shape)[known]
        return set_prints(rows, told[known], size, moved=self._moved)


def _together(high: Integers, low: Integers) -> npt.NDArray[np.uint64]:
    return (high.astype(np.uint64) << np.uint64(32)) | low.astype(np.uint32).astype(np.uint64)


def _joined(parts: Sequence[tuple[Any, ...]], types: tuple[type, ...], at: Integers) -> list[Any]:
    """Return each of the arrays that were gathered in parts, at positions."""
    empty: tuple[Any, ...] = tuple(np.zeros(0, type_) for type_ in types)
    return [np.concatenate(column)[at] for column in zip(empty, *parts, strict=True)]
