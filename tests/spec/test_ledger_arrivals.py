"""Who is in which release of a series: the rules of docs/formats/ledger.md, one by one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from deid.ledger import SeriesRules, State, Withheld, arrive, joint
from deid.ledger.arrivals import Arrivals
from deid.ledger.figures import by_subgroup

K = 3


class Sheet:
    """A series of which each release is told as patient -> class."""

    def __init__(self, *, hold: int = 2, coarsest: int | None = None, is_increment: bool = False) -> None:
        self.rules = SeriesRules(K, hold, coarsest, is_increment)
        self.state = State.empty()
        self.number = 0

    def release(self, source: dict[int, int]) -> tuple[dict[int, int], Arrivals]:
        """Make the next release of a source; return who is in it with the class that is shown, and the decision."""
        self.number += 1
        people = sorted(source)
        found = arrive(
            self.state,
            tags_of(people),
            np.array([source[p] for p in people], np.int32),
            self.number,
            self.rules,
            lambda tags: tags[:, 1],
        )
        self.state = found.state
        shown = {p: int(c) for p, c, r in zip(people, found.klass, found.released, strict=True) if r}
        assert found.movement.released == len(shown)
        assert joint(self.state, k=K, is_increment=self.rules.is_increment).below == 0
        return shown, found


def tags_of(people: list[int]) -> np.ndarray:
    """Return a tag of each person."""
    numbers = np.array(people, np.uint64).reshape(-1)
    return np.stack([numbers * np.uint64(0x9E3779B97F4A7C15), numbers], axis=1)


def crowd(first: int, count: int, klass: int = 0) -> dict[int, int]:
    """Return so many people of one class, numbered from `first` on."""
    return dict.fromkeys(range(first, first + count), klass)


def test_newcomers_are_held_until_k_of_their_class_wait_together() -> None:
    """One, then another, then a third: all three arrive with the third, in the class that each is of by then."""
    sheet = Sheet()
    old = crowd(0, 5)
    assert sheet.release(old)[0] == old
    assert sheet.release(old | {10: 0})[0] == old
    assert sheet.release(old | {10: 0, 11: 0})[0] == old
    sheet.rules = SeriesRules(K, 5, None, is_increment=False)
    shown, found = sheet.release(old | crowd(10, 3))
    assert shown == old | crowd(10, 3)
    assert (found.movement.arrived, found.movement.at_once, found.movement.held) == (3, 1, 0)


def test_a_class_withheld_at_the_first_release_opens_for_newcomers_alone() -> None:
    """Two were withheld: with one newcomer they would be three, which would tell the one."""
    sheet = Sheet(hold=9)
    few = crowd(10, 2, klass=1)
    source = crowd(0, 4) | few
    shown, found = sheet.release(source)
    assert shown == crowd(0, 4)
    assert found.movement.excluded == 2
    source |= {20: 1, 21: 1}
    assert sheet.release(source)[0] == crowd(0, 4)
    source |= {22: 1}
    assert sheet.release(source)[0] == crowd(0, 4) | crowd(20, 3, klass=1)


def test_who_was_held_for_long_enough_is_excluded_for_good() -> None:
    """Held for two releases, out in the third; two more of the class do not bring the patient back."""
    sheet = Sheet(hold=2)
    source = crowd(0, 4)
    sheet.release(source)
    source |= {10: 0}
    assert [sheet.release(source)[1].movement.held for _ in range(2)] == [1, 1]
    assert sheet.release(source)[1].movement.excluded_now == 1
    source |= {11: 0, 12: 0}
    assert sheet.release(source)[0] == crowd(0, 4)


def test_who_was_held_for_long_enough_comes_into_the_class_of_empty_values_filled_up_by_others() -> None:
    """Of three who wait in three classes one has waited long enough; the others go along, so that k are there."""
    sheet = Sheet(hold=1, coarsest=9)
    source = crowd(0, 4)
    sheet.release(source)
    assert sheet.release(source | {10: 1})[1].movement.held == 1
    shown, found = sheet.release(source | {10: 1, 11: 2, 12: 3})
    assert shown == source | {10: 9, 11: 9, 12: 9}
    assert found.movement.coarsest == 3


def test_a_leaver_takes_others_of_the_arrival_group_along_and_none_comes_back() -> None:
    """One of nine opts out: three leave, six stay; the next one takes all six, as fewer than k would stay of them."""
    sheet = Sheet()
    source = crowd(0, 9) | crowd(20, 5, klass=1)
    sheet.release(source)
    del source[4]
    shown, found = sheet.release(source)
    assert len(shown) == 6 + 5
    assert (found.movement.left, found.movement.drawn) == (1, 2)
    for gone in [person for person in shown if person < 20][:4]:
        del source[gone]
    shown, found = sheet.release(source)
    assert shown == crowd(20, 5, klass=1)
    assert (found.movement.left, found.movement.drawn) == (4, 2)
    assert sheet.release(source | crowd(0, 9))[0] == crowd(20, 5, klass=1)


def test_absence_from_an_increment_is_not_leaving() -> None:
    """One of five has no row in a month: nobody is drawn along, and the patient is back the month after."""
    sheet = Sheet(is_increment=True)
    sheet.release(crowd(0, 5))
    assert sheet.release(crowd(0, 4))[0] == crowd(0, 4)
    assert sheet.release(crowd(1, 4))[0] == crowd(1, 4)
    # Two alone would be told apart by their month.
    assert sheet.release(crowd(3, 2))[0] == {}
    assert sheet.release(crowd(0, 5))[0] == crowd(0, 5)


def test_newcomers_of_an_increment_arrive_with_those_who_are_there() -> None:
    """Two who waited and have no row this month do not count: who is not in the file hides nobody."""
    sheet = Sheet(is_increment=True, hold=9)
    sheet.release(crowd(0, 4))
    assert sheet.release(crowd(10, 2))[0] == {}
    assert sheet.release({12: 0})[0] == {}
    assert sheet.release(crowd(10, 3))[0] == crowd(10, 3)


def test_a_corrected_class_is_not_shown_and_counted() -> None:
    """The class is that of the first release."""
    sheet = Sheet()
    sheet.release(crowd(0, 6) | crowd(10, 4, klass=1))
    shown, found = sheet.release(crowd(0, 6) | crowd(10, 3, klass=1) | {13: 0})
    assert shown[13] == 1
    assert found.movement.corrected == 1


@pytest.mark.parametrize("source", [{}, {1: 0}, {n: n for n in range(50)}])
def test_nobody_one_patient_and_all_unique_release_nobody(source: dict[int, int]) -> None:
    """Twice, so that nothing comes of it later either."""
    sheet = Sheet(hold=0)
    assert sheet.release(source)[0] == {}
    assert sheet.release(source)[0] == {}


def test_all_identical_are_released_at_once() -> None:
    """One class."""
    assert len(Sheet().release(crowd(0, 500))[0]) == 500


def test_a_pair_of_class_and_code_stays_what_it_was_at_first() -> None:
    """Withheld stays withheld though it grows, shown stays shown though it shrinks; a new one is counted."""
    klass, kind = pa.array([0, 0, 1], pa.int32()), pa.array(["icd10cm"] * 3)
    shown, after = Withheld.nothing().settle(klass, kind, pa.array(["A", "B", "A"]), np.array([2, 9, 3]), least=3)
    assert shown.tolist() == [False, True, True]
    later, _ = after.settle(
        pa.array([0, 0, 1, 2], pa.int32()), pa.array(["icd10cm"] * 4), pa.array(["A", "B", "B", "A"]),
        np.array([50, 1, 2, 4]), least=3,
    )  # fmt: skip
    assert later.tolist() == [False, True, False, True]
    assert after.count == 1


def test_subgroups_are_told_with_small_counts_suppressed() -> None:
    """Twelve women released and three held; no man held."""
    outcome = np.array([1] * 12 + [0] * 3 + [1] * 20, np.uint8)
    sexes = pa.array(["F"] * 15 + ["M"] * 20)
    women, men = by_subgroup({("patients", "SEX"): sexes}, outcome)
    assert women.patients == {"held": "1-10", "released": 12, "left": 0, "excluded": 0}
    assert men.patients == {"held": 0, "released": 20, "left": 0, "excluded": 0}
