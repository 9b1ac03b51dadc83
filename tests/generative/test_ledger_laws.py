"""Laws of a series: whoever differences any two releases, or takes all of them together, meets nobody alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.ledger import EXCLUDED, HELD, SeriesRules, State, arrive, joint

Month = dict[int, int]  # patient -> class by that month's data


@st.composite
def months(draw: st.DrawFn) -> list[Month]:
    """Return a source over some months: newcomers, leavers, returners and corrected classes."""
    classes = draw(st.integers(1, 3))
    people = draw(st.integers(1, 40))
    found: list[Month] = []
    now: Month = {}
    for _ in range(draw(st.integers(1, 6))):
        for person in draw(st.lists(st.integers(0, people - 1), max_size=people)):
            now[person] = draw(st.integers(0, classes - 1))
        for person in draw(st.lists(st.sampled_from(sorted(now)), max_size=4)) if now else []:
            now.pop(person, None)
        found.append(dict(now))
    return found


@dataclass
class Releases:
    """What an attacker holds: for each release, patient -> class as shown. And what the ledger said."""

    shown: list[Month] = field(default_factory=list)
    state: State = field(default_factory=State.empty)


def tags_of(people: list[int]) -> np.ndarray:
    """Return tags that sort unlike the numbers of the people."""
    numbers = np.array(people, np.uint64).reshape(-1)
    return np.stack([numbers * np.uint64(0x9E3779B97F4A7C15), numbers], axis=1)


def mixed(tags: np.ndarray) -> np.ndarray:
    """Return numbers that stand for a pseudorandom draw."""
    return np.asarray((tags[:, 0] ^ np.uint64(0xABCDEF)) * np.uint64(0xC2B2AE3D27D4EB4F), np.uint64)


def publish(source: list[Month], rules: SeriesRules) -> Releases:
    """Make the releases of a series."""
    made = Releases()
    for number, month in enumerate(source, 1):
        people = list(month)
        found = arrive(
            made.state, tags_of(people), np.array([month[p] for p in people], np.int32), number, rules, mixed
        )
        made.shown.append({p: int(c) for p, c, r in zip(people, found.klass, found.released, strict=True) if r})
        made.state = found.state
    return made


CUMULATIVE = st.builds(
    SeriesRules,
    k=st.integers(2, 5),
    hold=st.integers(0, 3),
    coarsest=st.sampled_from([None, 7]),
    is_increment=st.just(False),
)


@given(months(), CUMULATIVE)
@settings(max_examples=300, deadline=None)
def test_no_difference_of_two_releases_and_no_class_of_all_of_them_holds_fewer_than_k(
    source: list[Month], rules: SeriesRules
) -> None:
    """In both, only in the earlier, only in the later: per class nobody or k; so with the set of all releases."""
    shown = publish(source, rules).shown
    for i, earlier in enumerate(shown):
        for later in shown[i:]:
            for people in (earlier.keys() & later, earlier.keys() - later, later.keys() - earlier):
                counts = Counter((earlier | later)[person] for person in people)
                assert all(count >= rules.k for count in counts.values())
    everybody = {person for release in shown for person in release}
    signatures = Counter(
        (next(r[p] for r in shown if p in r), tuple(p in release for release in shown)) for p in everybody
    )
    assert all(count >= rules.k for count in signatures.values())


@given(months(), CUMULATIVE)
@settings(max_examples=200, deadline=None)
def test_who_left_stays_away_and_who_is_shown_keeps_the_class(source: list[Month], rules: SeriesRules) -> None:
    """Nobody is shown without being in the source, nobody returns, and no class changes."""
    shown = publish(source, rules).shown
    for person in {p for release in shown for p in release}:
        presence = "".join("x" if person in release else "." for release in shown)
        assert "x" * presence.count("x") in presence
        assert len({release[person] for release in shown if person in release}) == 1
    for month, release in zip(source, shown, strict=True):
        assert release.keys() <= month.keys()


@given(months(), CUMULATIVE)
@settings(max_examples=200, deadline=None)
def test_the_counted_joint_k_is_that_of_an_attacker_who_counts_one_by_one(
    source: list[Month], rules: SeriesRules
) -> None:
    """`joint` over the state agrees with signatures counted from the releases alone."""
    made = publish(source, rules)
    everybody = {person for release in made.shown for person in release}
    counts = Counter(
        (next(r[p] for r in made.shown if p in r), tuple(p in release for release in made.shown)) for p in everybody
    )
    found = joint(made.state, k=rules.k, is_increment=False)
    assert found.patients == len(everybody)
    assert found.smallest == min(counts.values(), default=0)
    assert found.below == 0


@given(months(), st.integers(2, 5), st.integers(0, 3), st.sampled_from([None, 7]))
@settings(max_examples=200, deadline=None)
def test_an_increment_series_holds_k_in_every_class_and_arrival_group(
    source: list[Month], k: int, hold: int, coarsest: int | None
) -> None:
    """By the first release that each pseudonym is in, which is all that an increment tells beside dates."""
    rules = SeriesRules(k=k, hold=hold, coarsest=coarsest, is_increment=True)
    shown = publish(source, rules).shown
    first: dict[int, tuple[int, int]] = {}
    for number, release in enumerate(shown):
        for person, klass in release.items():
            assert first.setdefault(person, (klass, number))[0] == klass
    assert all(count >= k for count in Counter(first.values()).values())


@given(months(), st.integers(2, 5), st.integers(0, 3), st.sampled_from([None, 7]))
@settings(max_examples=200, deadline=None)
def test_each_increment_holds_k_by_itself(source: list[Month], k: int, hold: int, coarsest: int | None) -> None:
    """Who opens one month's file alone finds k patients in every class, and all of a class or none of it."""
    rules = SeriesRules(k=k, hold=hold, coarsest=coarsest, is_increment=True)
    shown = publish(source, rules).shown
    klass = {person: own for release in reversed(shown) for person, own in release.items()}
    known: set[int] = set()
    for month, release in zip(source, shown, strict=True):
        known |= release.keys()
        counts = Counter(release.values())
        assert all(count >= k for count in counts.values())
        left_out = Counter(klass[person] for person in known & month.keys() - release.keys())
        assert all(count < k and own not in counts for own, count in left_out.items())


@given(months(), CUMULATIVE)
@settings(max_examples=200, deadline=None)
def test_nobody_waits_longer_than_the_policy_allows(source: list[Month], rules: SeriesRules) -> None:
    """With `exclude`; with `coarsest`, fewer than k wait at the end of each release that somebody waited too long in."""
    state = State.empty()
    for number, month in enumerate(source, 1):
        people = list(month)
        found = arrive(state, tags_of(people), np.array(list(month.values()), np.int32), number, rules, mixed)
        state = found.state
        waiting = state.state == HELD
        late = waiting & (number - state.since >= rules.hold)
        assert not late.any() or (rules.coarsest is not None and waiting.sum() < rules.k)
        assert (state.arrival[waiting | (state.state == EXCLUDED)] == 0).all()


@given(months(), CUMULATIVE)
@settings(max_examples=100, deadline=None)
def test_the_order_of_the_source_decides_nothing(source: list[Month], rules: SeriesRules) -> None:
    """The same people in reverse order give the same releases."""
    backwards = [dict(reversed(month.items())) for month in source]
    assert publish(source, rules).shown == publish(backwards, rules).shown
