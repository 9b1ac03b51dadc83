"""Patient-level k-anonymity by full-domain recoding, chosen from the policy's ladders in the light of the data.

The unit is the patient: each has one vector of quasi-identifiers, of the population table and of columns reduced to one
value, and is withheld with all rows where fewer than k patients share its class (Sweeney 2002; ISO/IEC 20889, 8.3).
Nulls count as a value of their own. What is released of a vector is what its class shows, so that nothing finer leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.disclosure.lattice import Lattice
from deid.disclosure.leaves import Leaves, UsedLeaves, VectorIndex
from deid.disclosure.reductions import FOUND, Reduced, Reductions, follows, is_late, reduced_steps
from deid.disclosure.sensitive import Held, rule_of
from deid.disclosure.vectors import Ladder, Tally
from deid.documents.limits import Sensitive
from deid.observing.controls import Chosen, Place, Rule, Vectors
from deid.observing.decision import Decision
from deid.observing.rows import TypedRows
from deid.patients.positions import SELECTED
from deid.pipeline import cells_of, context_for
from deid.planning.plan import Plan, Step
from deid.planning.sensitive_columns import sensitive_steps
from deid.schema import Table
from deid.sealing.sealed import SealedRows

Numbers = npt.NDArray[np.int32]


class Lends(Protocol):
    """What a run lends to its observation; see deid.observing.workshop.Workshop."""

    def sealed_rows(self, **columns: pa.DataType) -> SealedRows:
        """Return new sealed rows of these columns, which close with the run."""
        ...


def quasi_identifier_steps(plan: Plan) -> tuple[Step, ...]:
    """Return the steps of the population table that make up a patient's vector."""
    planned = plan.table(plan.dataset.population)
    wanted = plan.policy.limits.quasi_identifiers
    return tuple(s for s in planned.written if s.column.kind.name in wanted) if planned else ()


@dataclass(slots=True)
class PopulationVectors:
    """Observes the population and remembers the vector of each patient, as its number in `patients.klass`."""

    plan: Plan
    decision: Decision
    leaves: list[Leaves] = field(init=False)
    index: VectorIndex = field(init=False)

    def __post_init__(self) -> None:
        name = self.plan.dataset.population
        steps = quasi_identifier_steps(self.plan)
        self.leaves = [Leaves(step, f"{name}.{step.column.name}") for step in steps]
        self.index = VectorIndex(len(steps))

    def columns(self, table: Table) -> Sequence[str]:
        """Every column that the population's transform reads, so that the same rows are good here and there."""
        if table.name != self.plan.dataset.population:
            return []
        planned = self.plan.table(table.name)
        return [step.column.name for step in planned.written] if planned else []

    def see(self, rows: TypedRows) -> None:
        """Give each patient the number of its vector of leaves."""
        good = np.flatnonzero(rows.patient >= 0)
        patient = rows.patient[good]
        context = context_for(self.plan, self.decision, patient, lambda notes, _: notes)
        planned = self.plan.table(rows.table.name)
        if planned is None:
            raise AssertionError("patients are told apart by a table that is not released")
        values = {name: array.take(pa.array(good)) for name, array in rows.values.items()}
        cells = [cells_of(s, planned, self.decision, values, patient, {}) for s in quasi_identifier_steps(self.plan)]
        seen = [leaves.see(column, context) for leaves, column in zip(self.leaves, cells, strict=True)]
        if seen:
            self.decision.patients.klass[patient] = self.index.add(seen)


def watchers(plan: Plan, decision: Decision, workshop: Lends, *, late: bool) -> list[PopulationVectors | Reductions]:
    """Return what notes the vector of each patient: with everything else, or `late`, when all else is known."""
    if plan.policy.limits.k is None:
        return []
    found: list[PopulationVectors | Reductions] = []
    if late == any(follows(step) for step in quasi_identifier_steps(plan)):
        found.append(PopulationVectors(plan, decision))
    columns = list(reduced_steps(plan))
    held = list(sensitive_steps(plan))
    steps = [step for _, step, _ in columns] + [step for _, own in held for _, step in own]
    if not steps or late != is_late(steps, decision.rows):
        return found
    reduced: list[Reduced] = []
    for table, step, take in columns:
        leaves = Leaves(step, f"{table.table.name}.{step.column.name}")
        reduced.append(Reduced(table, step, take, leaves, workshop.sealed_rows(**FOUND)))
    for rule, own in held:
        leaves, rows = Leaves(own[0][1], rule.kind), workshop.sealed_rows(**FOUND)
        reduced += [Reduced(table, step, rule.take, leaves, rows, rule) for table, step in own]
    found.append(Reductions(plan, decision, reduced, late))
    return found


@dataclass(frozen=True, slots=True)
class Counted:
    """What the choice of a recoding stands on: every column of the vector, and the vectors of the patients selected.

    `places`, `rungs`, `leaves`, `ladders` are of one order: the columns, their rules, the leaves of those selected, and
    the ladders over them. `vector`: int32 (patients,), the number of each patient's vector, -1 for who is not selected;
    `tally` counts those selected, vectors numbered as in `vector`. `held`: what they have of sensitive kinds.
    """

    places: tuple[Place, ...]
    rungs: tuple[tuple[Rule, ...], ...]
    leaves: tuple[UsedLeaves, ...] = field(repr=False)
    ladders: tuple[Ladder, ...] = field(repr=False)
    vector: Numbers = field(repr=False)
    tally: Tally = field(repr=False)
    held: tuple[Held, ...] = field(repr=False)


def count(plan: Plan, decision: Decision, seen: Sequence[PopulationVectors | Reductions]) -> Counted:
    """Return the vectors of the patients selected; raise DisclosureError for a ladder whose rungs are not nested."""
    patients = decision.patients
    selected = np.flatnonzero(patients.selected)
    name = plan.dataset.population
    population = next(watcher for watcher in seen if isinstance(watcher, PopulationVectors))
    noted = [column for watcher in seen if isinstance(watcher, Reductions) for column in watcher.reduced]
    reduced = [column for column in noted if column.sensitive is None]
    steps = [((name, step.column.name), step) for step in quasi_identifier_steps(plan)]
    steps += [((column.table.table.name, column.step.column.name), column.step) for column in reduced]
    leaves = [*population.leaves, *(column.leaves for column in reduced)]
    own = patients.klass[selected]
    columns = [part[own] for part in population.index.leaves()]
    columns += [column.of_patients(len(patients))[selected] for column in reduced]
    used = [np.flatnonzero(np.bincount(column)) for column in columns]
    # What only others have must not weigh on the choice: leaves are numbered anew among the patients selected.
    columns = [_renumbered(own, column) for own, column in zip(used, columns, strict=True)]
    kept = tuple(column.among(own) for column, own in zip(leaves, used, strict=True))
    index = VectorIndex(len(columns))
    numbers = index.add(columns) if columns else np.zeros(len(selected), np.int32)
    vector = np.full(len(patients), -1, np.int32)
    vector[selected] = numbers
    return Counted(
        places=tuple(place for place, _ in steps),
        rungs=tuple(step.rungs or ((step.transform, step.output),) for _, step in steps),
        leaves=kept,
        ladders=tuple(column.ladder() for column in kept),
        vector=vector,
        tally=Tally(index.leaves(), np.bincount(numbers, minlength=len(index)).astype(np.int64)),
        held=_held([column for column in noted if column.sensitive is not None], selected, len(patients)),
    )


def _renumbered(used: npt.NDArray[np.int64], leaves: Numbers) -> Numbers:
    """Return each leaf's place among those in use."""
    places = np.zeros(int(used.max(initial=-1)) + 1, np.int32)
    places[used] = np.arange(len(used), dtype=np.int32)
    return places[leaves]


def _held(noted: Sequence[Reduced], selected: npt.NDArray[np.int64], patients: int) -> tuple[Held, ...]:
    """Return what the patients selected have of each sensitive kind; its columns share what was found."""
    found: dict[Sensitive, Held] = {}
    for column in noted:
        if column.sensitive is None or column.sensitive in found:
            continue
        values = np.full(patients, -1, np.int32)
        values[selected] = np.unique(column.of_patients(patients)[selected], return_inverse=True)[1]
        found[column.sensitive] = Held(column.sensitive, values)
    return tuple(found.values())


def lattice_of(plan: Plan, counted: Counted) -> Lattice:
    """Return the lattice of the plan's ladders over these vectors."""
    limits = plan.policy.limits
    if limits.k is None:
        raise AssertionError("a recoding was asked for, but no k")
    rule = rule_of(counted.vector, counted.held)
    return Lattice(counted.ladders, counted.tally, k=limits.k, suppression=limits.suppression, rule=rule)


def settle(decision: Decision, counted: Counted, levels: Sequence[int], classes: Numbers) -> Decision:
    """Return the decision with this recoding: classes numbered anew in `patients.klass`, the small ones withheld.

    `classes`: int32 (vectors,), the class of each vector, -1 where it is withheld; a class has one vector at `levels`.
    """
    patients = decision.patients
    size = len(patients)
    is_in = counted.vector >= 0
    klass = np.full(size, -1, np.int32)
    klass[is_in] = classes[counted.vector[is_in]]
    withheld = is_in & (klass < 0)
    patients.klass[:size] = klass
    patients.flags[:size][withheld] &= ~SELECTED
    vectors = vectors_of(counted, levels, classes)
    controls = replace(decision.controls, vectors=vectors)
    return replace(decision, controls=controls, held=counted.held, suppressed_patients=int(withheld.sum()))


def vectors_of(counted: Counted, levels: Sequence[int], classes: Numbers) -> Vectors:
    """Return what each class shows: the values at `levels` of any of its vectors, which are all the same."""
    held = np.flatnonzero(classes >= 0)
    of_class = np.zeros(int(classes.max(initial=-1)) + 1, np.int64)
    of_class[classes[held]] = held
    columns, rules, chosen = {}, {}, []
    for i, (place, rungs) in enumerate(zip(counted.places, counted.rungs, strict=True)):
        values = counted.leaves[i].values(levels[i])
        if values is not None:
            columns[place] = values.take(pa.array(counted.tally.leaves[i][of_class]))
        if len(rungs) > 1:
            rules[place] = rungs[levels[i]]
            chosen.append(Chosen(".".join(place), counted.ladders[i].rungs, levels[i]))
    return Vectors(columns, rules, tuple(chosen), loss_of(counted, levels, classes))


def loss_of(counted: Counted, levels: Sequence[int], classes: Numbers) -> float:
    """Return the loss of information of a recoding, from 0 to 1; see deid.observing.controls.Vectors."""
    patients, total = counted.tally.patients, counted.tally.total
    if not total or not counted.ladders:
        return 0.0
    lost = np.zeros(len(patients))
    for ladder, level, leaves in zip(counted.ladders, levels, counted.tally.leaves, strict=True):
        values = ladder.lookups[level]
        lost += (np.bincount(values)[values[leaves]] - 1) / max(1, ladder.leaves - 1)
    share = np.where(classes >= 0, lost / len(counted.ladders), 1.0)
    return float((share * patients).sum() / total)


def suppress(plan: Plan, decision: Decision, seen: Sequence[PopulationVectors | Reductions]) -> Decision:
    """Return the decision with the recoding of least loss under which at most the policy's share is withheld.

    Raises DisclosureError, with the nearest settings that would do, where there is none.
    """
    if plan.policy.limits.k is None:
        return decision
    counted = count(plan, decision, seen)
    if counted.tally.total == 0:
        return settle(decision, counted, [0] * len(counted.places), np.zeros(0, np.int32))
    lattice = lattice_of(plan, counted)
    node = lattice.best()
    return settle(decision, counted, node.levels, lattice.classes(node.levels))
