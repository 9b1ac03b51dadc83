"""Two series of one site: how many patients could be joined by what both tell, and what each party may have."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_sources import World

from deid.documents.limits import Limits, RiskLimits
from deid.documents.policy import load_policy
from deid.errors import DisclosureError
from deid.ledger import Movement, ReleaseEntry, SeriesRules, State, Withheld, arrive
from deid.ledger.book import Book
from deid.ledger.joining import hold, is_same_party, join, of_one_party
from deid.ledger.records import Frozen, JoinFigure
from deid.red_team.ceilings import of_one_recipient

MOVED = Movement(**dict.fromkeys(Movement.__dataclass_fields__, 0))


def tags_of(people: list[int]) -> np.ndarray:
    """Return a tag of each person."""
    numbers = np.array(people, np.uint64).reshape(-1)
    return np.stack([numbers * np.uint64(0x9E3779B97F4A7C15), numbers], axis=1)


def book_of(
    prints: dict[str, list[int]], people: list[int], *, party: str = "party", readers: tuple[str, ...] = (),
    k: int = 1, klass: list[int] | None = None, joins: tuple[JoinFigure, ...] = (), name: str = "other",
) -> Book:  # fmt: skip
    """Return the book of a series of one release with these fingerprints."""
    names = tuple(sorted(prints))
    classes = np.array(klass or [0] * len(people), np.int32)
    state = arrive(
        State.empty(len(names)), tags_of(people), classes, 1, SeriesRules(1, 0, None, False), lambda tags: tags[:, 1]
    ).state
    table = np.array([prints[name] for name in names], np.uint64).T.reshape(len(people), len(names))
    state.prints[state.find(tags_of(people))] = table
    entry = ReleaseEntry(1, "one", "", True, date(2026, 1, 1), None, MOVED, k, joins)
    return Book(
        name, party, Frozen("cumulative", k, (), ""), (entry,), {}, {}, Withheld.nothing(), names, state, readers
    )


def test_joins_count_who_is_unique_in_what_both_tell() -> None:
    """Four in both: two share a code set here, one has another one there; by rule alike one, at most two."""
    people = [1, 2, 3, 4]
    other = book_of({"icd10cm code": [7, 7, 8, 9], "sex keep": [1, 1, 1, 1]}, people)
    found = join(book_of({"icd10cm code": [7, 7, 8, 5], "sex keep": [1, 1, 1, 1]}, people), other)
    assert (found.patients_in_both, found.exact, found.at_most) == (4, 0.25, 0.5)
    assert found.kinds == ("icd10cm", "sex")
    found = join(book_of({"icd10cm category": [7, 7, 8, 5]}, [1, 2, 3, 99]), other)
    # Nobody agrees by the same rule; the third is in both and unique here, the last is unique and not there.
    assert (found.patients_in_both, found.exact, found.at_most) == (3, 0.0, 0.25)


@pytest.mark.parametrize(
    ("here", "there", "is_told"),
    [
        ("icd10cm code", "cpt keep", True),  # who had which operation is told by diagnoses
        ("admit_date month", "record_date year", True),
        ("county keep", "zip_code zip3", True),
        ("visit_flag keep", "icd10cm code", True),
        ("text:clinical_note redact", "text:clinical_note redact", True),
        ("rows:visits counted", "rows:visits counted", True),
        ("rows:visits counted", "rows:claims counted", False),
        ("sex keep", "race keep", False),
        ("icd10cm code", "sex keep", False),
    ],
)
def test_what_tells_of_the_same_is_told_by_both(here: str, there: str, *, is_told: bool) -> None:
    """Kinds of one family tell of each other, and derived measures of codes; demographics each tell of themselves."""
    people = [1, 2, 3]
    found = join(book_of({here: [1, 2, 3]}, people, k=2), book_of({there: [4, 5, 6]}, people))
    assert (found.at_most, found.among_few) == ((1.0, 1.0) if is_told else (0.0, 0.0))


def test_one_row_of_each_patient_tells_nothing() -> None:
    """As in the population table; it is not named among what both tell either."""
    mine = book_of({"rows:patients counted": [1, 1], "sex keep": [1, 2]}, [1, 2])
    assert join(mine, mine).kinds == ("sex",)


@given(
    st.integers(2, 4),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.booleans(), st.booleans()), min_size=1, max_size=25),
)
def test_nobody_is_found_among_k_who_look_alike_in_either_series(
    k: int, rows: list[tuple[int, int, bool, bool]]
) -> None:
    """Counted one by one: who is in both is among few where fewer than k look alike here, and fewer than k there."""
    here = {person: row[0] for person, row in enumerate(rows) if row[2]}
    there = {person: row[1] for person, row in enumerate(rows) if row[3]}
    if not here or not there:
        return
    mine = book_of({"sex keep": list(here.values())}, list(here), k=k, klass=list(here.values()))
    other = book_of({"sex recoded": list(there.values())}, list(there), klass=list(there.values()))
    found = join(mine, other)
    alike_here, alike_there = Counter(here.values()), Counter(there.values())
    both = here.keys() & there.keys()
    few = [p for p in both if max(alike_here[here[p]], alike_there[there[p]]) < k]
    assert found.among_few == pytest.approx(len(few) / len(here))
    together = Counter((here[p], there[p]) for p in both)
    small = sum(together[here[p], there[p]] < k for p in both)
    assert found.joint_few == pytest.approx(small / max(1, len(both)))


def test_a_party_is_its_name_and_whoever_holds_its_key() -> None:
    """Another name with one key in common is the same party; another name and other keys is another one."""
    mine = book_of({}, [1], party="one", readers=("a", "b"))
    assert is_same_party(mine, book_of({}, [1], party="one", readers=("c",)))
    assert is_same_party(mine, book_of({}, [1], party="two", readers=("b",)))
    assert not is_same_party(mine, book_of({}, [1], party="two", readers=("c",)))


def test_a_key_joins_the_names_of_all_series_it_opens() -> None:
    """Who holds a key to one series of a party has the other series of that party, too, in whatever order they stand."""
    mine = book_of({}, [1], party="new", readers=("b",))
    link = book_of({}, [1], party="old", readers=("b",))
    other = book_of({}, [1], party="old", readers=("a",))
    stranger = book_of({}, [1], party="third", readers=("c",))
    assert of_one_party(mine, [other, stranger, link]) == [True, False, True]
    assert of_one_party(mine, [other, stranger]) == [False, False]


def figure(*, is_own: bool, share: float) -> JoinFigure:
    """Return what a join to a series named `first` came to."""
    return JoinFigure("first", "party", ("sex", "icd10cm", "rows:visits"), 50, 0.0, share, is_own, share, 0.5)


def test_own_series_are_bound_together_and_those_of_others_one_by_one() -> None:
    """Two own requests of 3 % each are over 5 %; another party's 90 % is told and held to its own ceiling."""
    limits = RiskLimits(rejoin=0.05)
    own, other = figure(is_own=True, share=0.03), figure(is_own=False, share=0.9)
    hold(book_of({}, [1], joins=(own, other)), limits)
    with pytest.raises(DisclosureError, match=r"6.0 % of the patients .* first and first"):
        hold(book_of({}, [1], joins=(own, own, other)), limits)
    most = figure(is_own=True, share=0.9)
    hold(book_of({}, [1], joins=(most, most)), RiskLimits(rejoin=1.0))  # nobody is joined twice over
    with pytest.raises(DisclosureError, match=r"90.0 % .* allows 50 %"):
        hold(book_of({}, [1], joins=(own, other)), RiskLimits(join=0.5, rejoin=0.05))


def test_the_hint_of_a_second_request_says_what_helps_and_never_another_name() -> None:
    """What tells most, other patients, one request, and the ceiling that would do."""
    with pytest.raises(DisclosureError) as refused:
        hold(book_of({}, [1], joins=(figure(is_own=True, share=0.2612),)), RiskLimits(rejoin=0.05))
    hint = refused.value.hint
    assert hint is not None
    for told in ("leave out what both tell, icd10cm first", "not in first", "one request", "rejoin to 0.262 or more"):
        assert told in hint
    assert "the number of rows of visits" in refused.value.message
    assert "name" not in hint


@pytest.mark.parametrize(
    ("limits", "ceiling"),
    [
        ({"k": 11, "quasi_identifiers": ["sex"]}, 0.05),
        ({"k": 11, "quasi_identifiers": ["sex"], "risk": {"join": 0.1}}, 0.05),
        ({"k": 11, "quasi_identifiers": ["sex"], "risk": {"rejoin": 0.2}}, 0.2),
        ({}, None),
    ],
)
def test_a_policy_with_a_k_binds_one_party_without_saying_so(
    tmp_path: Path, limits: dict[str, Any], ceiling: float | None
) -> None:
    """0.05 unless the policy writes another ceiling; without a k there is no ledger to count by."""
    rules = {"patient_id": {"pseudonymize": "keyed"}, "sex": "keep"}
    path = World(tmp_path / "site").policy(
        {"policy": "own", "version": 1, "basis": "expert_determination", "rules": rules, "limits": limits}
    )
    assert load_policy(path).limits.risk.rejoin == ceiling


def test_attacks_of_one_party_are_held_to_what_the_ledger_let_pass() -> None:
    """Five in a hundred may be found, and of all others one in eleven: of half of the patients, twice that."""
    limits = Limits(11, ("sex",), 0.05, risk=RiskLimits(rejoin=0.05))
    assert [c.value for c in of_one_recipient(limits, 1.0)] == [pytest.approx(0.05 + 1 / 11)]
    assert [c.value for c in of_one_recipient(limits, 0.5)] == [pytest.approx(0.1 + 1 / 11)]
    assert [c.value for c in of_one_recipient(limits, 0.0)] == [1.0]
    assert of_one_recipient(Limits(11, ("sex",), 0.05), 1.0) == ()
