"""The exact search against a plain enumeration of every recoding."""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.disclosure.diversity import Diversity, Spread, told
from deid.disclosure.lattice import Lattice
from deid.disclosure.vectors import Ladder, Tally
from deid.errors import DisclosureError


@dataclass(frozen=True)
class Case:
    """Patients with leaves and a sensitive value each, and ladders as lists of joined values."""

    people: list[tuple[int, ...]]
    values: list[int]
    rungs: list[list[list[int]]]

    def ladders(self) -> list[Ladder]:
        """Return the ladders of the rungs."""
        return [
            Ladder(f"q{i}", tuple(map(str, range(len(r)))), tuple(np.array(rung, np.int32) for rung in r))
            for i, r in enumerate(self.rungs)
        ]

    def vectors(self) -> list[tuple[int, ...]]:
        """Return the distinct vectors, in the order of the tally."""
        return sorted(set(self.people))

    def tally(self) -> Tally:
        """Return the patients counted by their vectors."""
        counts = Counter(self.people)
        columns = tuple(np.array([v[i] for v in self.vectors()], np.int32) for i in range(len(self.rungs)))
        return Tally(columns, np.array([counts[v] for v in self.vectors()], np.int64))

    def spread(self) -> Spread:
        """Return who has which sensitive value."""
        numbers = {vector: i for i, vector in enumerate(self.vectors())}
        return Spread.of_patients(
            np.array([numbers[p] for p in self.people], np.int32), np.array(self.values, np.int32)
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to 24 patients with one to three quasi-identifiers, whose rungs are nested; the finest may join leaves."""
    rungs = []
    for _ in range(draw(st.integers(1, 3))):
        leaves = draw(st.integers(1, 4))
        ladder = [list(range(leaves))]
        for _ in range(draw(st.integers(0, 3))):
            finer = ladder[-1]
            joined = draw(st.lists(st.integers(0, 2), min_size=max(finer) + 1, max_size=max(finer) + 1))
            dense = {value: i for i, value in enumerate(dict.fromkeys(joined))}
            ladder.append([dense[joined[value]] for value in finer])
        rungs.append(ladder[1:] if len(ladder) == 4 else ladder)
    person = st.tuples(*(st.integers(0, len(r[0]) - 1) for r in rungs))
    people = draw(st.lists(person, min_size=1, max_size=24))
    values = draw(st.lists(st.integers(0, 3), min_size=len(people), max_size=len(people)))
    return Case(people, values, rungs)


def naive(
    case: Case, k: int, suppression: float, *, most: int | None = None, t: float | None = None
) -> dict[tuple[int, ...], tuple[float, int]]:
    """Return loss and withheld patients of every recoding that is allowed, by counting people one by one."""
    allowed = {}
    overall = Counter(case.values)
    for levels in itertools.product(*(range(len(r)) for r in case.rungs)):
        classes = defaultdict(list)
        for person, value in zip(case.people, case.values, strict=True):
            classes[tuple(r[v][leaf] for r, v, leaf in zip(case.rungs, levels, person, strict=True))].append(
                (person, value)
            )
        loss, withheld = 0.0, 0
        for members in classes.values():
            own = Counter(value for _, value in members)
            distance = sum(abs(own[v] / len(members) - overall[v] / len(case.values)) for v in overall) / 2
            broken = len(members) < k
            broken |= most is not None and max(own.values()) / len(members) > 1 / most + 1e-9
            broken |= t is not None and distance > t + 1e-9
            if broken:
                withheld += len(members)
                loss += len(members)
                continue
            for person, _ in members:
                for r, v, leaf in zip(case.rungs, levels, person, strict=True):
                    alike = sum(other == r[v][leaf] for other in r[v])
                    loss += (alike - 1) / max(1, len(r[0]) - 1) / len(case.rungs)
        if withheld <= suppression * len(case.people) + 1e-9 and withheld < len(case.people):
            allowed[levels] = (loss / len(case.people), withheld)
    return allowed


def agrees(case: Case, lattice: Lattice, expected: dict[tuple[int, ...], tuple[float, int]]) -> None:
    """Assert that the search gives what was expected, and classes that bear it out."""
    found = list(lattice.ordered())
    assert {node.levels: node.suppressed for node in found} == {levels: w for levels, (_, w) in expected.items()}
    for node in found:
        assert node.loss == pytest.approx(expected[node.levels][0])
        classes = lattice.classes(node.levels)
        sizes = np.bincount(classes[classes >= 0], weights=case.tally().patients[classes >= 0])
        assert (len(sizes), int(sizes.min())) == (node.classes, node.smallest)
    losses = [node.loss for node in found]
    assert losses == sorted(losses)
    if expected:
        assert lattice.best().loss == pytest.approx(min(loss for loss, _ in expected.values()))
    else:
        with pytest.raises(DisclosureError):
            lattice.best()


@given(cases(), st.integers(1, 6), st.sampled_from([0.0, 0.05, 0.2, 0.5, 1.0]))
def test_the_search_finds_what_a_plain_enumeration_finds(case: Case, k: int, suppression: float) -> None:
    """Every recoding that is allowed is found, in the order of its loss, with its classes and withheld patients."""
    agrees(case, Lattice(case.ladders(), case.tally(), k=k, suppression=suppression), naive(case, k, suppression))


@given(
    cases(), st.integers(1, 4), st.sampled_from([0.0, 0.2, 1.0]), st.sampled_from([(2, None), (None, 0.3), (3, 0.5)])
)
def test_the_search_is_exact_under_rules_that_do_not_grow(
    case: Case, k: int, suppression: float, limits: tuple[int | None, float | None]
) -> None:
    """With l-diversity and t-closeness beside k the search still finds exactly what an enumeration finds."""
    most, far = limits
    rule = Diversity(case.spread(), most, far)
    lattice = Lattice(case.ladders(), case.tally(), k=k, suppression=suppression, rule=rule)
    agrees(case, lattice, naive(case, k, suppression, most=most, t=far))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("suppression", [0.0, 0.1, 0.4])
def test_what_is_withheld_does_not_upset_the_order(
    seed: int, suppression: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where withholding costs much more than recoding, recodings still come by what they lose in all."""
    monkeypatch.setattr("deid.disclosure.lattice._BLOCK", 2)
    draw = np.random.default_rng(seed)
    people = [tuple(map(int, row)) for row in np.minimum(draw.geometric(0.4, (60, 3)) - 1, 7)]
    rungs = [[[leaf // width for leaf in range(8)] for width in widths] for widths in ((1, 2, 4, 8), (1, 4, 8), (1, 8))]
    case = Case(people, [0] * len(people), rungs)
    agrees(case, Lattice(case.ladders(), case.tally(), k=5, suppression=suppression), naive(case, 5, suppression))


LIMITS = [(None, None), (2, None), (None, 0.3), (3, 0.5)]


@given(cases(), st.integers(2, 9), st.sampled_from([0.0, 0.05, 0.3]), st.sampled_from(LIMITS))
def test_a_refusal_names_the_nearest_settings(
    case: Case, k: int, suppression: float, limits: tuple[int | None, float | None]
) -> None:
    """The k and the suppression that a refusal names would do, and the next ones nearer to what was asked would not."""
    most, far = limits
    rule = None if limits == (None, None) else Diversity(case.spread(), most, far)
    if naive(case, k, suppression, most=most, t=far):
        return
    with pytest.raises(DisclosureError) as refused:
        Lattice(case.ladders(), case.tally(), k=k, suppression=suppression, rule=rule).best()
    hint = refused.value.hint
    if k > len(case.people):
        assert "more than there are patients" in refused.value.message
        return
    lower, more = re.search(r"limits\.k to (\d+)", hint), re.search(r"limits\.suppression to ([\d.]+\d)", hint)
    reached = [n for n in range(2, k) if naive(case, n, suppression, most=most, t=far)]
    assert (int(lower[1]) if lower else None) == max(reached, default=None)
    nearest = min((w for _, w in naive(case, k, 1.0, most=most, t=far).values()), default=None)
    assert (more is None) == (nearest is None)
    if more is not None and nearest is not None:
        assert float(more[1]) - 0.001 < nearest / len(case.people) <= float(more[1]) + 1e-12
        assert naive(case, k, float(more[1]), most=most, t=far)


def test_what_a_refusal_names_is_of_the_coarsest_recoding_and_rounded_so_that_it_does() -> None:
    """Of three patients among seven, 42.857 %, 0.429 is named, which is not refused, and k of the smaller class."""
    case = Case([(0,)] * 2 + [(1,)] * 2 + [(2,)] * 2 + [(3,)], [0] * 7, [[[0, 1, 2, 3], [0, 0, 1, 1]]])
    with pytest.raises(DisclosureError, match=r"withhold 42\.9 % of the patients under the coarsest") as refused:
        Lattice(case.ladders(), case.tally(), k=4, suppression=0.0).best()
    assert refused.value.hint.startswith("lower limits.k to 3, or raise limits.suppression to 0.429, or coarsen")
    assert Lattice(case.ladders(), case.tally(), k=4, suppression=0.429).best().suppressed == 3
    assert Lattice(case.ladders(), case.tally(), k=3, suppression=0.0).best().smallest == 3


@given(cases())
def test_classes_that_unite_tell_no_more_than_the_worse_of_them(case: Case) -> None:
    """No measure is worse of a union than of its worst part: only who is withheld may grow from a rung to the next."""
    spread = case.spread()
    fine = np.arange(len(case.vectors()), dtype=np.int32)
    united = np.zeros_like(fine)
    for ordered in (False, True):
        parts, whole = told(spread, fine, len(fine), ordered=ordered), told(spread, united, 1, ordered=ordered)
        assert whole.largest[0] <= parts.largest.max() + 1e-9
        assert whole.distance[0] <= parts.distance.max() + 1e-9
        assert whole.distinct[0] >= parts.distinct.min()
        assert whole.entropy[0] >= parts.entropy.min() - 1e-9


def test_a_coarser_recoding_may_withhold_more_under_a_rule() -> None:
    """A diverse class that unites with a larger one of a single value is withheld with it; the finer one is found."""
    case = Case([(0,)] * 4 + [(1,)] * 12, [0, 1, 0, 1] + [0] * 12, [[[0, 1], [0, 0]]])
    rule = Diversity(case.spread(), l=2)
    found = list(Lattice(case.ladders(), case.tally(), k=2, suppression=0.75, rule=rule).ordered())
    assert [(node.levels, node.suppressed) for node in found] == [((0,), 12)]
    with pytest.raises(DisclosureError) as refused:
        Lattice(case.ladders(), case.tally(), k=2, suppression=0.5, rule=rule).best()
    assert "limits.suppression to 0.75" in refused.value.hint
    assert "relax l or t" in refused.value.hint
    assert "limits.k" not in refused.value.hint


def test_that_nothing_is_allowed_is_known_after_a_few_counts() -> None:
    """Where the coarsest recoding fails nothing else is counted, however many recodings there are."""
    half, all_alike = np.arange(4, dtype=np.int32) // 2, np.arange(4, dtype=np.int32)
    ladders = [Ladder(f"q{i}", ("a", "b"), (all_alike, half)) for i in range(12)]
    leaves = tuple(np.arange(4, dtype=np.int32) for _ in ladders)
    lattice = Lattice(ladders, Tally(leaves, np.full(4, 3, np.int64)), k=7, suppression=0.0)
    with pytest.raises(DisclosureError, match="no class of patients reaches k = 7"):
        lattice.best()
    assert lattice.nodes == 4096
    assert lattice.counted < 10


def test_where_not_every_recoding_can_be_asked_what_is_named_would_still_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many recodings to ask each, a refusal under a rule says which it asked, and names what would do."""
    monkeypatch.setattr("deid.disclosure.lattice._WEIGHED", 4)
    case = Case([(0,)] * 4 + [(1,)] * 12, [0, 1, 0, 1] + [0] * 12, [[[0, 1], [0, 1], [0, 0]]])
    rule = Diversity(case.spread(), l=2)
    with pytest.raises(DisclosureError, match="the 2 coarsest recodings") as refused:
        Lattice(case.ladders(), case.tally(), k=2, suppression=0.5, rule=rule).best()
    assert "limits.suppression to 0.75" in refused.value.hint


@given(cases(), st.integers(1, 5), st.data())
def test_suppressing_more_never_lowers_k(case: Case, k: int, data: st.DataObject) -> None:
    """Whatever share may be withheld, and whichever classes are withheld beside, no class that stays is below k."""
    finest = Lattice(case.ladders(), case.tally(), k=k, suppression=1.0)
    levels = tuple(data.draw(st.integers(0, len(r) - 1)) for r in case.rungs)
    tally = case.tally()

    def smallest(classes: np.ndarray) -> float:
        stays = classes >= 0
        return float(np.bincount(classes[stays], weights=tally.patients[stays]).min()) if stays.any() else np.inf

    classes = finest.classes(levels)
    before = smallest(classes)
    assert before >= k
    gone = data.draw(st.sets(st.integers(0, max(0, int(classes.max(initial=0))))))
    fewer = np.where(np.isin(classes, list(gone)), -1, classes)
    kept = np.unique(fewer[fewer >= 0], return_inverse=True)[1]
    fewer[fewer >= 0] = kept
    assert smallest(fewer) >= before


@given(cases())
def test_what_classes_tell_is_what_counting_people_tells(case: Case) -> None:
    """Distinct values, largest share, entropy and both distances equal their definitions, counted one by one."""
    lattice = Lattice(case.ladders(), case.tally(), k=1, suppression=0.0)
    levels = tuple(len(r) - 1 for r in case.rungs)
    classes = lattice.classes(levels)
    count = int(classes.max()) + 1
    equal, ranks = told(case.spread(), classes, count), told(case.spread(), classes, count, ordered=True)
    numbers = {vector: i for i, vector in enumerate(case.vectors())}
    everybody, steps = Counter(case.values), max(case.values)
    for klass in range(count):
        own = [v for p, v in zip(case.people, case.values, strict=True) if classes[numbers[p]] == klass]
        shares = {v: own.count(v) / len(own) for v in range(steps + 1)}
        base = {v: everybody[v] / len(case.values) for v in range(steps + 1)}
        assert equal.distinct[klass] == len(set(own))
        assert equal.largest[klass] == pytest.approx(max(shares.values()))
        assert np.log(equal.entropy[klass]) == pytest.approx(
            -sum(s * np.log(s) for s in shares.values() if s), abs=1e-9
        )
        assert equal.distance[klass] == pytest.approx(sum(abs(shares[v] - base[v]) for v in base) / 2, abs=1e-9)
        far = sum(abs(sum(shares[v] - base[v] for v in range(top + 1))) for top in range(steps))
        assert ranks.distance[klass] == pytest.approx(far / steps if steps else 0.0, abs=1e-9)


def test_a_ladder_whose_rungs_are_not_nested_is_refused() -> None:
    """A rung that tells apart what the rung before joins is refused by name, for the search rests on the nesting."""
    case = Case([(0,), (1,), (2,)], [0, 0, 0], [[[0, 1, 2], [0, 0, 1], [0, 1, 1]]])
    with pytest.raises(DisclosureError, match="not coarser"):
        Lattice(case.ladders(), case.tally(), k=2, suppression=0.0)


def test_a_vector_that_no_patient_has_is_refused() -> None:
    """A tally of something else than patients, such as of differences, is no tally."""
    with pytest.raises(ValueError, match="patients have"):
        Tally((np.zeros(2, np.int32),), np.array([3, 0], np.int64))


def test_rows_cannot_be_counted_for_patients() -> None:
    """A tally takes patients by vector and nothing else: twelve rows of one patient are one patient."""
    one = Tally((np.zeros(1, np.int32),), np.ones(1, np.int64))
    ladder = Ladder("sex", ("keep",), (np.zeros(1, np.int32),))
    with pytest.raises(DisclosureError, match="more than there are patients") as refused:
        Lattice([ladder], one, k=11, suppression=0.0).best()
    assert "lower limits.k" in refused.value.hint


def test_edges_are_found_or_refused_with_the_nearest_settings() -> None:
    """No patient, no quasi-identifier, all alike, and all different, each give their one answer or one refusal."""
    keep_or_drop = (np.arange(4, dtype=np.int32), np.zeros(4, np.int32))
    ladder = Ladder("race", ("keep", "drop"), keep_or_drop)
    nobody = Tally((np.zeros(0, np.int32),), np.zeros(0, np.int64))
    with pytest.raises(DisclosureError, match="no patient"):
        Lattice([ladder], nobody, k=2, suppression=0.0).best()
    assert Lattice([], Tally((), np.array([7], np.int64)), k=2, suppression=0.0).best().classes == 1
    alike = Tally((np.zeros(1, np.int32),), np.array([40], np.int64))
    assert Lattice([ladder], alike, k=11, suppression=0.0).best().levels == (0,)
    apart = Tally((np.arange(4, dtype=np.int32),), np.full(4, 3, np.int64))
    assert Lattice([ladder], apart, k=11, suppression=0.0).best().levels == (1,)
    fixed = replace(ladder, rungs=("keep",), lookups=keep_or_drop[:1])
    with pytest.raises(DisclosureError) as refused:
        Lattice([fixed], apart, k=4, suppression=0.05).best()
    assert "limits.k to 3" in refused.value.hint
