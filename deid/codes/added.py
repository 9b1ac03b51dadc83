"""Code systems with the lists that a site has added: docs/formats/code-list.md, "What a list changes".

A list changes verdicts on validity and nothing else: forms, parents and roll-ups stay those of the shelf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.days import NO_DAY, number_of
from deid.codes import CODE_SYSTEMS
from deid.codes.base import CodeList, CodeSystem, Days, Level, Status, Verdicts
from deid.codes.formed import entries_of, flags
from deid.codes.list_file import AddedList, Facts, read_lists

Flags = npt.NDArray[np.bool_]

_ALWAYS = 1 << 40  # a day after all days
# In tables of verdicts: the shipped list judges the row; it was valid once and is not in the release of the day.
_SHIPPED, _GONE = 255, 254
# Lists of another system that count in a column too, each for its own codes.
_BESIDE = {"cpt": ("hcpcs",)}


def systems_with(folder: Path) -> Mapping[str, CodeSystem]:
    """Return the registry with the lists of `folder` merged into it, immutable; raise DocumentError, StorageError.

    A folder that is not there holds no lists. Systems without added lists are the shelf's own objects.
    """
    lists = {name: tuple(read_lists(folder, system)) for name, system in CODE_SYSTEMS.items()}
    merged: dict[str, CodeSystem] = {}
    for name, system in CODE_SYSTEMS.items():
        forces = _forces(name, lists)
        merged[name] = ExtendedSystem(system, forces) if forces else system
    return MappingProxyType(merged)


@dataclass(frozen=True, slots=True, eq=False)
class _Force:
    """A list and the days for which it holds: from `first` to the day before `end`.

    `own`, `other`: whether the list holds codes of the column's own system, and of the one beside it.
    """

    held: AddedList = field(repr=False)
    first: int
    end: int
    own: bool
    other: bool

    @property
    def facts(self) -> Facts:
        """What the list says of itself."""
        return self.held.facts

    def covers(self, day: int) -> bool:
        """Whether the list is in force on a day."""
        return self.first <= day < self.end


@dataclass(frozen=True, slots=True, eq=False)
class ExtendedSystem:
    """A system of the shelf with added lists; everything but `lists` and `validate` is the shelf's."""

    shipped: CodeSystem
    added: tuple[_Force, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """See CodeSystem."""
        return self.shipped.name

    @property
    def title(self) -> str:
        """See CodeSystem."""
        return self.shipped.title

    @property
    def kinds(self) -> tuple[str, ...]:
        """See CodeSystem."""
        return self.shipped.kinds

    @property
    def levels(self) -> tuple[Level, ...]:
        """See CodeSystem."""
        return self.shipped.levels

    @property
    def lists(self) -> tuple[CodeList, ...]:
        """See CodeSystem; where a column holds two systems, lists that leave one of them out are not complete."""
        complete = [each for each in self.added if each.facts.complete]
        whole = any(each.own for each in complete) and (
            self.name not in _BESIDE or any(each.other for each in complete)
        )
        return self.shipped.lists + tuple(
            CodeList(
                release=f"{CODE_SYSTEMS[each.facts.system].title} {each.facts.release}",
                source=f"{each.facts.source}, SHA-256 {each.facts.source_sha256}",
                codes=each.facts.codes,
                first=each.first,
                last=None if each.end == _ALWAYS else each.end - 1,
                complete=each.facts.complete and whole,
            )
            for each in self.added
        )

    def normalize(self, values: pa.Array) -> pa.Array:
        """See CodeSystem."""
        return self.shipped.normalize(values)

    def parents(self, code: str) -> tuple[str, ...]:
        """See CodeSystem."""
        return self.shipped.parents(code)

    def roll_up(self, values: pa.Array, level: str) -> pa.Array:
        """See CodeSystem."""
        return self.shipped.roll_up(values, level)

    def validate(self, values: pa.Array, on: Days | None = None) -> Verdicts:
        """See CodeSystem."""
        entries, places = entries_of(values)
        ever = self.shipped.validate(entries)
        members = self._members(self.shipped.normalize(entries), ever)
        any_day = np.append(_on_any_day(members, ever), np.uint8(Status.ABSENT))[places]
        if on is None:
            return any_day
        days = on.astype(np.int64)
        cuts = np.array(sorted({day for each in self.added for day in (each.first, each.end)} - {_ALWAYS}))
        # One more column for rows without a value, which the shipped system calls ABSENT.
        table = np.pad(self._by_span(cuts.tolist(), members, ever), ((0, 0), (0, 1)), constant_values=_SHIPPED)
        rows = table[np.searchsorted(cuts, days, side="right"), places]
        judged = self.shipped.validate(values, on)
        rows = np.where(rows == _SHIPPED, judged, rows)
        gone = np.where(judged == Status.NOT_YET, judged, np.uint8(Status.RETIRED))
        rows = np.where(rows == _GONE, gone, rows)
        return np.where(days == NO_DAY, any_day, rows)

    def _members(self, codes: pa.Array, ever: Verdicts) -> list[_Members]:
        """Return what each list says of codes in normal form."""
        formed = flags(pc.is_valid(codes))
        # Where a column holds two systems, HCPCS is the one that begins with a letter.
        letters = flags(pc.fill_null(pc.match_substring_regex(codes, "^[A-Z]"), False))
        other = letters if self.name in _BESIDE else np.zeros(len(codes), np.bool_)
        coded = codes.dictionary_encode()
        found = []
        for each in self.added:
            there, told, billable = (said[entries_of(coded)[1]] for said in _said(each.held, coded.dictionary))
            heading = there & np.where(told, ~billable, ever == Status.NOT_BILLABLE)
            judges = formed & ((other & each.other) | (~other & each.own)) & each.facts.complete
            found.append(_Members(each, there & ~heading, heading, judges & ~there))
        return found

    def _by_span(self, cuts: list[int], members: list[_Members], ever: Verdicts) -> Verdicts:
        """Return a verdict for each span of days between cuts and each distinct value, uint8 of shape (spans, n)."""
        spans = [[each for each in members if each.force.covers(day)] for day in [cuts[0] - 1, *cuts]]
        if not self.shipped.lists:
            # Nothing else knows these days: the last release before them judges, or the first one of all.
            spans = [spans[max((k for k in range(place + 1) if spans[k]), default=1)] for place in range(len(spans))]
        return np.array([_on_these_days(held, members, ever) for held in spans])


@dataclass(frozen=True, slots=True, eq=False)
class _Members:
    """What one list says of distinct values, bool of shape (n,).

    `valid`, `heading`: it holds the code, which may be reported or not. `missing`: it does not, and is complete.
    """

    force: _Force
    valid: Flags
    heading: Flags
    missing: Flags

    @property
    def there(self) -> Flags:
        """Whether the list holds the code."""
        return self.valid | self.heading


def _forces(name: str, lists: Mapping[str, tuple[AddedList, ...]]) -> tuple[_Force, ...]:
    """Return the lists that count in columns of the system `name`, with the days for which each holds."""
    forces = []
    for system in (name, *_BESIDE.get(name, ())):
        complete = [number_of(each.facts.first) for each in lists[system] if each.facts.complete]
        for each in lists[system]:
            first = number_of(each.facts.first)
            if each.facts.last is not None:
                end = number_of(each.facts.last) + 1
            else:
                end = min((day for day in complete if day > first), default=_ALWAYS)
            letters = (
                flags(pc.match_substring_regex(each.codes, "^[A-Z]")) if name in _BESIDE else np.zeros(1, np.bool_)
            )
            forces.append(_Force(each, first, end, own=not letters.all(), other=bool(letters.any())))
    return tuple(forces)


def _said(held: AddedList, codes: pa.Array) -> tuple[Flags, Flags, Flags]:
    """Return which distinct codes a list holds, for which it tells whether they may be reported, and whether they may.

    Bool of shape (n + 1,): the last entry is that of a null.
    """
    there, told, billable = (np.zeros(len(codes) + 1, np.bool_) for _ in range(3))
    # The list is looked up among the codes, not they in it: it is long, and the table of what is sought is made anew.
    places = pc.index_in(held.codes, value_set=codes)
    hits = flags(pc.is_valid(places))
    where = places.drop_null().to_numpy(zero_copy_only=False)
    there[where] = True
    told[where] = flags(pc.is_valid(held.billable))[hits]
    billable[where] = flags(pc.fill_null(held.billable, False))[hits]
    return there, told, billable


def _on_any_day(members: list[_Members], ever: Verdicts) -> Verdicts:
    """Return the verdict without a day, uint8 (n,): VALID or NOT_BILLABLE if any list ever said so."""
    out = ever.copy()
    for each in members:
        out[each.heading & (out != Status.VALID)] = Status.NOT_BILLABLE
    for each in members:
        out[each.valid] = Status.VALID
    return out


def _on_these_days(held: list[_Members], members: list[_Members], ever: Verdicts) -> Verdicts:
    """Return the verdict on days when the lists `held` are in force, uint8 (n,), with the two marks of this module."""
    out = np.full(len(ever), _SHIPPED, np.uint8)
    if not held:
        return out
    begin = max(each.force.first for each in held)
    missing = np.any([each.missing for each in held], axis=0)
    out[missing] = Status.UNKNOWN
    for each in members:
        if each.force.first > begin:
            out[missing & each.there] = Status.NOT_YET
    out[missing & (ever == Status.VALID)] = _GONE
    for each in members:
        if each.force.first < begin:
            out[missing & each.there] = Status.RETIRED
    out[missing & (ever == Status.NOT_BILLABLE)] = Status.NOT_BILLABLE
    for each in held:
        out[each.heading] = Status.NOT_BILLABLE
    for each in held:
        out[each.valid] = Status.VALID
    return out
