"""Where patients are many, a search steers by a part of them, and nothing leaves it that everybody was not attacked with."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from deid.disclosure import screening
from deid.disclosure.code_maps import search_map
from deid.disclosure.code_nodes import NodeChoice, NodeFound, search_node
from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.pairs import attack
from deid.disclosure.screening import Screen, pairs_of, part_of, thinned
from deid.documents.limits import CodeLimits
from deid.errors import DisclosureError
from deid.synthetic.histories import Histories, draw_histories
from deid.synthetic.histories_coded import classes, coded_histories

K = 11
LIMITS = CodeLimits(0.09, ("icd10cm",))


@cache
def _histories() -> Histories:
    return draw_histories(6_000, seed=5)


@cache
def _population() -> tuple[Coded, CodeTree]:
    return coded_histories(_histories(), classes(_histories().people.male))


@pytest.fixture
def by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every search steer by a part, as if its patients were many."""
    monkeypatch.setattr(screening, "LARGE", 0)
    monkeypatch.setattr(screening, "PAIRS", 0)
    monkeypatch.setattr(screening, "LEAST", 0.4)


def _nodes(coded: Coded, tree: CodeTree) -> NodeFound:
    people = _histories().people
    parted = [NodeChoice(number, classes(*by), loss) for number, (by, loss) in enumerate(
        [((people.male, people.age // 10), 0.1), ((people.male,), 0.2), ((np.zeros_like(people.male),), 0.3)]
    )]  # fmt: skip
    return search_node(lambda: parted, coded, tree, LIMITS, k=K)


@pytest.mark.usefixtures("by_part")
def test_a_part_steers_to_nearly_what_the_attack_on_everybody_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most a fiftieth of the mentions is lost to steering by a part, and the ceiling holds for everybody."""
    coded, tree = _population()
    steered = search_map(coded, tree, LIMITS, k=K)
    monkeypatch.setattr(screening, "LARGE", pairs_of(coded))
    straight = search_map(coded, tree, LIMITS, k=K)
    assert not np.array_equal(steered.items, straight.items)
    assert steered.full_share == pytest.approx(straight.full_share, abs=0.02)
    assert max(each.mean for each in attack(coded, steered.items, declared=tree.declared).by) <= LIMITS.ceiling


@pytest.mark.usefixtures("by_part")
def test_the_node_is_the_one_that_the_attack_on_everybody_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Node and map together lose about as little."""
    coded, tree = _population()
    steered = _nodes(coded, tree)
    monkeypatch.setattr(screening, "LARGE", pairs_of(coded))
    straight = _nodes(coded, tree)
    assert steered.number == straight.number
    assert steered.loss == pytest.approx(straight.loss, abs=0.02)


@pytest.mark.usefixtures("by_part")
@pytest.mark.parametrize("wrong", [0.05, 0.5, 20.0])
def test_a_part_that_errs_costs_detail_and_never_the_ceiling(monkeypatch: pytest.MonkeyPatch, wrong: float) -> None:
    """Whatever a part says, a map that everybody was not attacked with under the ceiling is not chosen."""
    told: list[int] = []
    straight = Screen.raw

    def raw(self: Screen, items: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        told.append(1)
        # What it says wavers too, so that no factor sets it right.
        return straight(self, items) * (wrong if len(told) % 2 else 1.0)

    monkeypatch.setattr(Screen, "raw", raw)
    coded, tree = _population()
    found = search_map(coded, tree, LIMITS, k=K)
    assert told
    assert max(each.mean for each in attack(coded, found.items, declared=tree.declared).by) <= LIMITS.ceiling


@pytest.mark.usefixtures("by_part")
def test_a_ceiling_that_no_map_reaches_is_refused_by_an_attack_on_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of the refusal are those that a search without a part tells."""
    coded, tree = _population()
    low = CodeLimits(0.002, ("icd10cm",))
    with pytest.raises(DisclosureError) as steered:
        search_map(coded, tree, low, k=K)
    monkeypatch.setattr(screening, "LARGE", pairs_of(coded))
    with pytest.raises(DisclosureError) as straight:
        search_map(coded, tree, low, k=K)
    assert (steered.value.message, steered.value.hint) == (straight.value.message, straight.value.hint)


@pytest.mark.usefixtures("by_part")
def test_of_small_classes_the_part_takes_whole_ones() -> None:
    """Candidates are of one class: a part of a small class would make everybody in it look unique."""
    coded, _ = _population()
    people = _histories().people
    thin = thinned(coded, None, LIMITS)
    assert thin is not None
    crowd = part_of(thin, coded, None)
    assert crowd.share == thin.wanted < 1
    small = coded.released(classes(people.male, people.age))
    part = part_of(thin, small, None)
    assert part.share == 1.0
    for klass in np.unique(part.coded.klass[part.coded.klass >= 0]):
        assert (part.coded.klass == klass).sum() == (small.klass == klass).sum()


def test_small_data_are_attacked_whole() -> None:
    """Below the limit on pairs no search steers by a part, nor where a policy bounds single pairs."""
    coded, _ = _population()
    assert pairs_of(coded) <= screening.LARGE
    assert thinned(coded, None, LIMITS) is None


@pytest.mark.usefixtures("by_part")
@pytest.mark.parametrize("asked", [{"strict": True}, {"suppress_below": 5}, {"known": 3}, {"known_dates": 1}])
def test_what_a_part_cannot_tell_is_attacked_whole(asked: dict[str, int]) -> None:
    """Strict maps, classwise suppression, three codes and dates beside codes are never steered by a part."""
    coded, _ = _population()
    assert thinned(coded, None, CodeLimits(0.09, ("icd10cm",), **asked)) is None  # type: ignore[arg-type]
