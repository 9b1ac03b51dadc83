"""The choice of a recoding and a code map together, under one ceiling; docs/adr/0017.

Coarser demographics are the largest lever on what known codes tell, so neither is chosen before the other: of the
recodings that reach k, the one is taken whose own loss and whose map's loss are least together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.codes.mapped_levels import FULL, OTHER
from deid.disclosure import k_anonymity
from deid.disclosure.code_levels import filled, floor_level
from deid.disclosure.code_maps import MapFound
from deid.disclosure.code_nodes import NodeChoice, search_node
from deid.disclosure.code_risk import CodeRisk
from deid.disclosure.coded import Coded
from deid.disclosure.dated import Tied
from deid.disclosure.pairs import attack
from deid.disclosure.reductions import Reductions
from deid.disclosure.sampling import Dates
from deid.documents.limits import Adversary, CodeLimits
from deid.errors import DisclosureError
from deid.known_codes.code_entries import CodeEntries, levels_under, mapped_steps
from deid.known_codes.code_numbers import CodeItems, items_of
from deid.known_codes.dated_steps import tied_steps
from deid.observing.controls import Emptied
from deid.observing.decision import Decision
from deid.planning.plan import Plan, Step, TablePlan
from deid.transforms.generalize_date import GeneralizeDate
from deid.transforms.pseudonymize import Pseudonymize

Numbers = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
_NODES = 4096  # recodings that are looked at, by their own loss


@dataclass(frozen=True, slots=True)
class Joint:
    """A recoding with the map that goes with it; `classes`: int32 (vectors,), -1 where a vector is withheld."""

    levels: tuple[int, ...]
    classes: Numbers = field(repr=False)
    found: MapFound


@dataclass(frozen=True, slots=True)
class Mapped:
    """What was decided of codes, for the verification and for what the release says of itself.

    `coded`: the entries of the patients selected, with the classes that are released. `chosen`: int32 (codes,), the
    item of each code, -1 where it is left empty everywhere; `hidden`: bool (entries,), those left empty in their class.
    `limits`: as the policy writes them, with the adversary who knows a visit where the release tells of visits, and the
    one who knows the dates of codes where it tells them. `tied`: the codes with these dates, None where it does not.
    """

    coded: Coded = field(repr=False)
    items: CodeItems = field(repr=False)
    chosen: Numbers = field(repr=False)
    hidden: Flags = field(repr=False)
    limits: CodeLimits
    grouped: bool
    thresholds: Mapping[str, int]
    risk: CodeRisk
    dates: Dates | None = field(default=None, repr=False)
    dated: CodeRisk | None = None
    tied: Tied | None = field(default=None, repr=False)


def decide(
    plan: Plan,
    decision: Decision,
    watchers: Sequence[k_anonymity.PopulationVectors | Reductions],
    entries: CodeEntries,
) -> Decision:
    """Return the decision with recoding and code maps; raise DisclosureError, with what would do, if none passes."""
    counted = k_anonymity.count(plan, decision, watchers)
    coded, items = entries.coded(), items_of(entries.numbers, declared_codes(plan))
    if counted.tally.total == 0 or not len(coded.patient):
        settled = k_anonymity.suppress(plan, decision, watchers)
        controls = replace(settled.controls, codes=items.maps(np.zeros(0, np.int32)))
        return replace(settled, controls=controls)
    limits, grouped = limits_of(plan)
    dates, tied = entries.dates(), entries.tied()
    joint = choose(plan, counted, coded, items, limits, grouped=grouped, dates=dates, tied=tied)
    settled = k_anonymity.settle(decision, counted, joint.levels, joint.classes)
    released = coded.released(settled.patients.klass[: len(settled.patients)])
    hidden = _hidden(released, joint.found, items)
    mapped = Mapped(
        released, items, joint.found.items, hidden, limits, grouped, joint.found.thresholds, joint.found.risk, dates,
        tied=tied.released(released.klass) if tied is not None else None,
    )  # fmt: skip
    mapped = with_dates(mapped, plan.policy.limits.k or 0)
    controls = replace(
        settled.controls, codes=items.maps(joint.found.items), emptied=left_empty(joint.found.suppressed, items)
    )
    return replace(settled, controls=controls, mapped=mapped)


def choose(
    plan: Plan, counted: k_anonymity.Counted, coded: Coded, items: CodeItems, limits: CodeLimits, *, grouped: bool,
    dates: Dates | None, tied: Tied | None,
) -> Joint:  # fmt: skip
    """Return the recoding and the map of least loss together; raise DisclosureError where no recoding has a map."""
    lattice = k_anonymity.lattice_of(plan, counted)
    nodes = list(islice(lattice.ordered(), _NODES))
    if not nodes:
        lattice.best()  # tells which k or suppression would do
        raise AssertionError("a lattice without a recoding has a best one")

    def choices() -> Iterator[NodeChoice]:
        for number, node in enumerate(nodes):
            classes = lattice.classes(node.levels)
            klass = np.where(counted.vector >= 0, classes[np.maximum(counted.vector, 0)], -1)
            yield NodeChoice(number, klass.astype(np.int32), node.loss)

    tree = items.tree
    joined = items.other[tree.kinds] if len(items.other) else None
    k = plan.policy.limits.k or 0
    found = search_node(choices, coded, tree, limits, k=k, grouped=grouped, dates=dates, tied=tied, joined=joined)
    levels = tuple(nodes[found.number].levels)
    return Joint(levels, lattice.classes(levels), found.found)


def with_dates(mapped: Mapped, k: int) -> Mapped:
    """Return what was decided with the attack by who knows dates too; raise DisclosureError where that is too much."""
    limits = mapped.limits
    dates = mapped.dates.released(mapped.coded.klass) if mapped.dates is not None else None
    mapped = replace(mapped, dates=dates)
    dated = attacked(mapped, k, dates=dates) if limits.known_dates and dates is not None else None
    if dated is not None and dated.bound > limits.ceiling:
        raise DisclosureError(
            f"{limits.known} known codes and {limits.known_dates} known dates identify {100 * dated.bound:.1f} % of "
            f"the patients; limits.codes.ceiling is {100 * limits.ceiling:g} %",
            hint=f"set limits.codes.ceiling to {math.ceil(1000 * dated.bound) / 1000:g} or more, "
            "release coarser dates, or leave them out",
        )
    return replace(mapped, dated=dated)


def attacked(mapped: Mapped, k: int, *, klass: Numbers | None = None, dates: Dates | None = None) -> CodeRisk:
    """Return the attack under the limits on what was decided, with other classes, and with dates, if they are given.

    Subgroups are the classes that were decided, by their numbers.
    """
    limits = mapped.limits
    coded, tied = mapped.coded, mapped.tied if dates is None else None
    if klass is not None:
        coded = replace(coded, klass=klass)
        tied = replace(tied, coded=replace(tied.coded, klass=klass)) if tied is not None else None
    return attack(
        coded, mapped.chosen, known=limits.known, draws=limits.adversaries, declared=mapped.items.tree.declared,
        grouped=mapped.grouped, hidden=mapped.hidden, k=k, ceiling=limits.ceiling, dates=dates,
        known_dates=limits.known_dates if dates is not None else 0, labels=mapped.coded.klass,
        tied=tied,
    )  # fmt: skip


def limits_of(plan: Plan) -> tuple[CodeLimits, bool]:
    """Return the limits that hold for this plan, and whether the release tells which codes stand in one visit."""
    limits = plan.policy.limits.codes
    if limits is None:
        raise AssertionError("a code map was asked for, but no ceiling")
    grouped = tells_visits(plan)
    added = [Adversary.VISIT] if grouped else []
    added += [Adversary.DATED] if tied_steps(plan) else []
    more = tuple(each for each in added if each not in limits.adversaries)
    return replace(limits, adversaries=(*limits.adversaries, *more)), grouped


def tells_visits(plan: Plan) -> bool:
    """Whether the release tells which mapped codes stand in one visit: then they are sought together.

    So does whatever stands beside codes and differs from visit to visit, as a number, a date finer than the year, a
    provider or an amount; and several codes in one row. The encounters table alone has one row a visit.
    """
    return any(_tells_visits(planned, plan) for planned in plan.tables)


def _tells_visits(planned: TablePlan, plan: Plan) -> bool:
    mapped = mapped_steps(planned)
    if len(mapped) > 1:
        return True
    alone = planned.table.name == plan.dataset.encounters
    return bool(mapped) and not alone and any(_differs(step) for step in planned.written if step not in mapped)


def _differs(step: Step) -> bool:
    """Whether a column may differ between visits of one patient in one year."""
    if isinstance(step.transform, Pseudonymize):
        return step.column.kind.name != "patient_id"
    return not (isinstance(step.transform, GeneralizeDate) and step.transform.to == "year")


def declared_codes(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the codes that the study is about, by code system: those declared, else those that the cohort names."""
    declared = dict(plan.request.study_codes)
    if not declared and plan.request.cohort is not None:
        for predicate in plan.request.cohort.predicates:
            if predicate.codes:
                declared[predicate.kind] = (*declared.get(predicate.kind, ()), *predicate.codes)
    steps = [step for planned in plan.tables for step in mapped_steps(planned)]
    systems = {levels_under(plan, step.column).system.name: step.column.kind.name for step in steps}
    return {system: tuple(declared[kind]) for system, kind in systems.items() if kind in declared}


def _hidden(coded: Coded, found: MapFound, items: CodeItems) -> Flags:
    """Return which entries are left empty, because too few of the class have the item."""
    width = np.int64(len(items.texts) + 1)
    wanted = found.suppressed.astype(np.int64)
    keys = coded.klass[coded.patient].astype(np.int64) * width + found.items[coded.code]
    return np.asarray(np.isin(keys, wanted[:, 0] * width + wanted[:, 1]), bool)


def left_empty(suppressed: Numbers, items: CodeItems) -> dict[str, Emptied]:
    """Return the (class, item) that are left empty, by code system."""
    found: dict[str, Emptied] = {}
    for number, system in enumerate(items.systems):
        own = suppressed[items.system_of_item[suppressed[:, 1]] == number] if len(suppressed) else suppressed
        if len(own):
            numbers, at = np.unique(own[:, 1], return_inverse=True)
            keys = own[:, 0].astype(np.int64) * len(numbers) + at
            found[system] = Emptied(items.texts.take(pa.array(numbers)), np.sort(keys))
    return found


def declared_pooled(mapped: Mapped) -> int:
    """Return how many declared codes of released patients became a value coarser than their category."""
    tree, chosen = mapped.items.tree, mapped.chosen
    finer = (filled(tree)[:, : floor_level(tree) + 1] == chosen[:, None]).any(axis=1)
    return int((np.bincount(mapped.coded.code, minlength=len(chosen)) > 0)[tree.declared & ~finer].sum())


def shares_of(mapped: Mapped, system: int) -> dict[str, float]:
    """Return the shares of the mentions of one system that are released at each level, and left empty."""
    coded, items = mapped.coded, mapped.items
    own = items.tree.kinds[coded.code] == system
    chosen = np.where(mapped.hidden, -1, mapped.chosen[coded.code])[own]
    weights = coded.mentions[own].astype(np.float64)
    total = weights.sum() or 1.0
    levels = np.array([*items.levels.to_pylist(), ""], object)[chosen]
    names = [FULL, *(level for level in items.numbers.levels[system].levels if level is not None), OTHER]
    shares = {name: float(weights[levels == name].sum() / total) for name in dict.fromkeys(names)}
    return shares | {"empty": float(weights[chosen < 0].sum() / total)}
