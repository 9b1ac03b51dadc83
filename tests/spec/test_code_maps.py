"""The code map keeps what it may under the ceiling, and refuses with the nearest settings where it may keep nothing."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from deid.disclosure.code_maps import MapFound, MapSearch, search_map
from deid.disclosure.code_nodes import NodeChoice, search_node
from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.pairs import attack
from deid.disclosure.sampling import Dates
from deid.documents.limits import Adversary, CodeLimits, Rare
from deid.errors import DisclosureError
from deid.synthetic.histories import draw_histories
from deid.synthetic.histories_coded import classes, coded_histories
from tests.naive_codes import Naive

K = 11
LIMITS = CodeLimits(0.09, ("icd10cm",))
EVERYBODY = tuple(Adversary)
DECLARED = ("I10", "E78", "E11", "F41", "J45", "E03")


@cache
def _population(patients: int = 2_500) -> tuple[Coded, CodeTree]:
    histories = draw_histories(patients, seed=11)
    return coded_histories(histories, classes(histories.people.male), DECLARED)


@cache
def _found(limits: CodeLimits = LIMITS, *, grouped: bool = False, refine: bool = True) -> MapFound:
    coded, tree = _population()
    return search_map(coded, tree, limits, k=K, grouped=grouped, refine=refine)


def test_every_adversary_is_under_the_ceiling_by_an_attack_of_its_own() -> None:
    """The reported figures are those of attacking the released items anew, and none is over the ceiling."""
    coded, tree = _population()
    found = _found()
    again = attack(coded, found.items, declared=tree.declared)
    assert [each.mean for each in again.by] == [each.mean for each in found.risk.by]
    assert 0 < again.mean <= LIMITS.ceiling


def test_declared_codes_of_many_are_never_coarser_than_their_category() -> None:
    """Every common phenotype that is declared can be counted: its codes are released in full or as their category."""
    _, tree = _population()
    found = _found()
    category = tree.items[:, tree.levels.index("category")]
    kept = (found.items == tree.items[:, 0]) | (found.items == category)
    assert tree.declared.any()
    assert kept[tree.declared].all()


def test_other_codes_stay_in_full_or_become_their_chapter() -> None:
    """The map has two levels, so that no small pool of rare codes is made."""
    _, tree = _population()
    found = _found()
    two = (found.items == tree.items[:, 0]) | (found.items == tree.items[:, tree.levels.index("chapter")])
    assert two[~tree.declared].all()


def test_no_code_of_fewer_than_k_patients_stays_in_full() -> None:
    """Even under a ceiling of 1, a code that fewer than k patients have is not released."""
    coded, tree = _population()
    found = search_map(coded, tree, CodeLimits(1.0, ("icd10cm",)), k=K)
    patients = np.bincount(coded.code, minlength=len(tree.declared))
    several = tree.items[:, 0] != np.where(tree.declared, tree.items[:, 1], tree.items[:, -1])
    assert not ((found.levels == 0) & several & (patients < K)).any()
    assert ((found.levels == 0) & (patients >= K)).any()
    assert found.thresholds["codes"] >= K


def test_exchanging_codes_keeps_at_least_what_thresholds_keep() -> None:
    """The map after codes changed places holds no fewer mentions in full."""
    assert _found().full_share >= _found(refine=False).full_share


def test_shares_are_of_mentions_and_add_up_to_one() -> None:
    """The share in full is that of rows whose code is released as it was."""
    coded, tree = _population()
    found = _found()
    full = found.items[coded.code] == tree.items[coded.code, 0]
    assert found.full_share == pytest.approx(coded.mentions[full].sum() / coded.mentions.sum())
    assert sum(found.shares) == pytest.approx(1.0)


def test_visits_that_stay_together_leave_less_in_full() -> None:
    """Who seeks both codes in one visit is held to the same ceiling, which costs detail."""
    coded, tree = _population()
    limits = replace(LIMITS, adversaries=EVERYBODY)
    found = _found(limits, grouped=True)
    again = attack(coded, found.items, draws=EVERYBODY, declared=tree.declared, grouped=True)
    assert again.of(Adversary.VISIT).mean <= LIMITS.ceiling
    assert found.full_share < _found().full_share


def test_few_of_a_class_with_an_item_are_left_empty() -> None:
    """With `suppress_below`, no class has an item that fewer of its patients hold, and what is empty is listed."""
    coded, _ = _population()
    found = _found(replace(LIMITS, suppress_below=K))
    klass, item = coded.klass[coded.patient], found.items[coded.code]
    empty = {tuple(pair) for pair in found.suppressed.tolist()}
    holders: dict[tuple[int, int], set[int]] = {}
    for pair in zip(klass.tolist(), item.tolist(), coded.patient.tolist(), strict=True):
        holders.setdefault(pair[:2], set()).add(pair[2])
    assert empty == {pair for pair, patients in holders.items() if len(patients) < K}
    assert empty


def test_in_strict_mode_every_pair_of_every_patient_has_k_candidates() -> None:
    """No two released items of a patient are had by fewer than k of the class, counted naively."""
    coded, _ = _population()
    found = _found(replace(LIMITS, strict=True))
    empty = {tuple(pair) for pair in found.suppressed.tolist()}
    items = found.items[coded.code].tolist()
    hidden = [pair in empty for pair in zip(coded.klass[coded.patient].tolist(), items, strict=True)]
    naive = Naive(coded, found.items, np.array(hidden))
    shown: dict[int, set[int]] = {}
    for entry, patient in enumerate(coded.patient.tolist()):
        if naive.released[entry] is not None:
            shown.setdefault(patient, set()).add(items[entry])
    pairs: dict[tuple[int, ...], int] = {}
    for patient, mine in shown.items():
        for pair in itertools.combinations(sorted(mine), 2):
            key = (int(coded.klass[patient]), *pair)
            pairs[key] = pairs.get(key, 0) + 1
    assert min(pairs.values()) >= K
    assert all(each.below == 0 for each in found.risk.by)


def test_rare_codes_may_become_their_ccsr_category() -> None:
    """With `rare: ccsr`, CCSR categories that enough patients have stand for rare codes, chapters for the others."""
    coded, tree = _population()
    found = search_map(coded, tree, replace(LIMITS, rare=Rare.CCSR), k=K, refine=False)
    ccsr = tree.items[:, tree.levels.index("ccsr")]
    rare = ~tree.declared & (found.levels > 0) & (ccsr >= 0)
    assert (found.items[rare] == ccsr[rare]).any()
    assert (found.items[rare] == tree.items[rare, -1]).any()
    assert found.risk.mean <= LIMITS.ceiling


def test_three_known_codes_are_held_with_what_the_sample_leaves_open() -> None:
    """With `known: 3`, mean plus 2.576 standard errors stays under the ceiling."""
    found = _found(replace(LIMITS, known=3, ceiling=0.2), refine=False)
    assert max(each.error for each in found.risk.by) > 0
    assert found.risk.bound <= 0.2
    assert found.full_share < _found(replace(LIMITS, ceiling=0.2), refine=False).full_share


def test_a_ceiling_out_of_reach_is_refused_with_one_that_is_within() -> None:
    """The hint names the smallest ceiling for the coarsest map, and that one is accepted."""
    coded, tree = _population()
    fine = replace(coded, klass=(np.arange(len(coded.klass)) // 20).astype(np.int32))
    with pytest.raises(DisclosureError, match=r"limits\.codes\.ceiling is 9 %") as refused:
        search_map(fine, tree, LIMITS, k=K)
    assert "coarsen the quasi-identifiers" in refused.value.hint
    nearest = float(refused.value.hint.split("limits.codes.ceiling to ")[1].split()[0])
    assert search_map(fine, tree, CodeLimits(nearest, ("icd10cm",)), k=K, refine=False).risk.mean <= nearest
    with pytest.raises(DisclosureError):
        search_map(fine, tree, CodeLimits(nearest - 0.01, ("icd10cm",)), k=K)


@pytest.mark.parametrize("patients", [0, 1])
def test_nobody_and_one_patient_are_no_fault_of_the_search(patients: int) -> None:
    """Where nobody has two codes to know there is nothing to hold; one patient with two codes is found for sure."""
    code = np.arange(2 * patients, dtype=np.int32)
    coded = Coded(np.zeros(patients, np.int32), np.zeros_like(code), code, np.ones_like(code))
    tree = CodeTree(
        np.array([[0, 2, 4], [1, 3, 5]], np.int32), ("code", "category", "chapter"), np.zeros(2, np.int16),
        np.zeros(2, bool),
    )  # fmt: skip
    if patients:
        with pytest.raises(DisclosureError, match=r"identify 100\.0 %"):
            search_map(coded, tree, LIMITS, k=K)
    else:
        assert search_map(coded, tree, LIMITS, k=K).risk.mean == 0.0


def test_patients_who_are_all_alike_keep_every_code() -> None:
    """Where everybody has the same codes, no code tells anybody apart, and all stay in full."""
    patients = 40
    coded = Coded(
        np.zeros(patients, np.int32),
        np.repeat(np.arange(patients, dtype=np.int32), 3),
        np.tile(np.arange(3, dtype=np.int32), patients),
        np.ones(3 * patients, np.int32),
    )
    tree = CodeTree(
        np.array([[0, 3, 6], [1, 4, 6], [2, 5, 7]], np.int32), ("code", "category", "chapter"), np.zeros(3, np.int16),
        np.zeros(3, bool),
    )  # fmt: skip
    found = search_map(coded, tree, LIMITS, k=K)
    assert found.full_share == 1.0
    assert found.risk.mean == pytest.approx(1 / patients)


def _years(spread: int) -> Dates:
    """Return one to three years of visits for each patient, of so many years."""
    rng = np.random.default_rng(5)
    drawn = np.unique(np.stack([np.repeat(np.arange(2_500), 3), rng.integers(0, spread, 7_500)], axis=1), axis=0)
    return Dates(drawn[:, 0].astype(np.int32), drawn[:, 1].astype(np.int32))


def test_known_dates_cost_detail_and_stay_under_the_ceiling() -> None:
    """With a code and a year known beside it, the map that is found keeps less, and passes by an attack of its own."""
    coded, tree = _population()
    dates = _years(12)
    limits = replace(LIMITS, known=1, known_dates=1, ceiling=0.05)
    found = search_map(coded, tree, limits, k=K, dates=dates, refine=False)
    again = attack(coded, found.items, known=1, declared=tree.declared, dates=dates, known_dates=1)
    assert found.dated is not None
    assert [each.mean for each in again.by] == [each.mean for each in found.dated.by]
    assert found.risk.mean < again.mean <= 0.05
    without = search_map(coded, tree, replace(limits, known_dates=0), k=K, refine=False)
    assert without.dated is None
    assert found.full_share < without.full_share


def test_more_dates_and_codes_are_held_with_what_the_sample_leaves_open() -> None:
    """Two codes and two dates are sampled, and mean plus 2.576 standard errors stays under the ceiling."""
    coded, tree = _population()
    limits = replace(LIMITS, known_dates=2, ceiling=0.3)
    found = search_map(coded, tree, limits, k=K, dates=_years(4), refine=False)
    assert found.dated is not None
    assert max(each.error for each in found.dated.by) > 0
    assert found.dated.bound <= 0.3


def test_dates_that_tell_too_much_are_named_in_the_refusal() -> None:
    """Where codes alone would pass and dates beside them do not, the hint says to release coarser dates."""
    coded, tree = _population()
    with pytest.raises(DisclosureError, match="2 known codes and 2 known dates identify") as refused:
        search_map(coded, tree, replace(LIMITS, known_dates=2), k=K, dates=_years(400))
    assert "release coarser dates" in refused.value.hint


def test_the_node_is_the_one_of_least_loss_together_with_its_map() -> None:
    """What is passed over without a search could not have won: the choice is that of trying every node."""
    coded, tree = _population()
    people = draw_histories(2_500, seed=11).people
    klasses = [
        classes(people.age // 10, people.male), classes(people.age // 30, people.male), classes(people.male),
        classes(people.age // 50), np.zeros(2_500, np.int32),
    ]  # fmt: skip
    losses = [0.05, 0.1, 0.4, 0.45, 0.6]
    choices = [NodeChoice(*each) for each in zip(range(5), klasses, losses, strict=True)]
    depth = len(tree.levels)
    together = []
    for klass, loss in zip(klasses, losses, strict=True):
        shown = coded.released(klass)
        search = MapSearch(shown, tree, LIMITS, k=K)
        try:
            shares = search.shares(search.two_level())
            together.append(loss + sum(share * level / depth for level, share in enumerate(shares)))
        except DisclosureError:
            together.append(2.0)
    found = search_node(lambda: choices, coded, tree, LIMITS, k=K)
    assert found.number == int(np.argmin(together))
    assert found.loss <= min(together)
    assert 0 < found.searched <= found.seen <= 5


def test_pools_that_few_have_are_joined_where_no_map_is_found_without() -> None:
    """Where a chapter is as rare as a code, rare codes of a system become one item, and a map is found."""
    patients = 120
    patient = np.repeat(np.arange(patients, dtype=np.int32), 2)
    code = np.stack([np.arange(patients) // 60, 2 + np.arange(patients)], axis=1).ravel().astype(np.int32)
    coded = Coded(np.zeros(patients, np.int32), patient, code, np.ones(len(code), np.int32))
    codes = np.arange(patients + 2, dtype=np.int32)
    # Every rare code is a chapter of its own.
    tree = CodeTree(
        np.stack([codes, codes + 200], axis=1), ("code", "chapter"), np.zeros(len(codes), np.int16),
        np.zeros(len(codes), bool),
    )  # fmt: skip
    nodes = [NodeChoice(0, coded.klass, 0.0)]
    with pytest.raises(DisclosureError, match=r"identify 100\.0 %"):
        search_node(lambda: nodes, coded, tree, LIMITS, k=K)
    joined = np.full(len(codes), 500, np.int32)
    found = search_node(lambda: nodes, coded, tree, LIMITS, k=K, joined=joined).found
    assert found.items[:2].tolist() == [0, 1]
    assert set(found.items[2:].tolist()) == {500}


@pytest.mark.long
def test_the_icd10_model_keeps_what_research_promised() -> None:
    """50,000 patients, 20-year age x sex, ceiling 0.09: at least 71 % of mentions stay in full."""
    histories = draw_histories(50_000)
    klass = classes(histories.people.age // 20, histories.people.male)
    found = search_map(*coded_histories(histories, klass), LIMITS, k=K)
    assert found.full_share >= 0.71
    assert found.risk.mean <= 0.09
