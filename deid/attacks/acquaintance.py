"""The acquaintance: knows that somebody is in the release, the demographics, some days of visits and some codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from deid.attacks.base import Belief, Candidates
from deid.attacks.bits import Bits, Int64
from deid.attacks.knowledge import MOST_CODES, MOST_DAYS, Knowledge, People
from deid.attacks.parts import parts
from deid.attacks.people import fitting, has_code, seen_on
from deid.attacks.released import Released
from deid.attacks.visits import in_one_visit
from deid.cells.days import NO_DAY

# Days and codes that are known: 0 to 3 days with 0 to 2 codes, and three codes alone.
GRID = (*((days, codes) for codes in range(3) for days in range(4)), (0, 3))


class Acquaintance:
    """El Emam's prosecutor with the power to know m events of a record, for several m."""

    name: ClassVar[str] = "acquaintance"
    asks: ClassVar[str] = "knows a patient's demographics, some days of visits and some codes"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield who fits each target, for every scenario of the grid and for one visit with two of its codes."""
        for targets, people in parts(known.close, len(release)):
            at = targets
            demographics = fitting(release, people)
            days = seen_on(release, people, MOST_DAYS)
            codes = [has_code(release, people.codes, m) for m in range(MOST_CODES)]
            known_days = (people.days != NO_DAY).sum(axis=1)
            known_codes = people.codes.known()
            for m_days, m_codes in GRID:
                chosen = (known_days >= m_days) & (known_codes >= m_codes)
                bits, note = _together(demographics, days, codes, m_days, m_codes)
                name = f"{m_days}d{m_codes}c"
                yield Candidates(name, at[chosen], bits[chosen], m_codes, m_days, note)
            yield from _one_visit(release, people, at, demographics)


def _together(
    demographics: Bits, days: list[Bits] | None, codes: list[Bits | None], m_days: int, m_codes: int
) -> tuple[Bits, str]:
    bits, note = demographics, ""
    if m_days:
        if days is None:
            note = "the release shows no days"
        else:
            bits = bits & days[m_days - 1]
    for code in codes[:m_codes]:
        if code is None:
            note = "the release shows no such codes"
        else:
            bits = bits & code
    return bits, note


def _one_visit(release: Released, people: People, at: Int64, demographics: Bits) -> Iterator[Candidates]:
    """Yield who has one visit with two known codes, by itself and on a known day: rows of a visit stand together."""
    chosen = people.visit_codes.known() >= 2
    for with_day in (False, True):
        found = in_one_visit(release, people, with_day=with_day)
        if found is None:
            return
        bits = found & demographics
        name = "one visit, its day and two codes" if with_day else "one visit, two codes"
        yield Candidates(name, at[chosen], bits[chosen], 2, int(with_day))
