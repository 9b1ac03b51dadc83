"""The first reading of a source, and the decision that comes of it.

Only tables in which something must be decided are read, each once for all observers: the population first, then the
tables that others link through, then the rest. Where nothing must be decided, nothing is read here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from deid import code_decision, evidence
from deid.code_entries import CodeEntries, maps_codes
from deid.coded_visits import CodedColumns, CodedVisits
from deid.cohort import Combine, Predicate, Unit
from deid.crosswalk import Crosswalk
from deid.decision import Decision, Pseudonyms, RowSelection, VisitBits
from deid.disclosure import k_anonymity
from deid.disclosure.reductions import Reductions
from deid.errors import PlanError, SourceError
from deid.ledger.run import SeriesRun
from deid.observers import (
    ROW_MET,
    BirthDays,
    CohortPatients,
    CohortRows,
    Identifiers,
    Links,
    Observer,
    Offsets,
    RandomCodes,
    Stays,
    encounter_key,
)
from deid.patients import ASKED, SELECTED, Patients, Tagger
from deid.pipeline import columns_read
from deid.plan import Plan
from deid.prf import BatchCmac
from deid.request import Series
from deid.rows import LinkMap, Rows, TypedRows
from deid.schema import Table
from deid.sealed import SealedMap, SealedRows
from deid.selection import VISIT, carriers
from deid.transforms.generalize_age import GeneralizeAge
from deid.transforms.pseudonymize import Pseudonymize
from deid.transforms.redact_note import RedactNote

Progress = Callable[[str, int], None]
MAX_PREDICATES = 31
_SEALED = 24 * 2**20  # bytes that each sealed map or store may hold before it spills; docs/reference/memory.md


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a run lends to its observation.

    `subkey`: from a context to a 32-byte key of the site (HKDF), for keyed pseudonyms and date offsets.
    `spill`: a private folder for sealed spill. `open` closes with the run. `series`: where the policy has a k.
    """

    subkey: Callable[..., bytes]
    crosswalk: Crosswalk
    spill: Path
    open: ExitStack
    series: SeriesRun | None = None

    def sealed_map(self, **columns: pa.DataType) -> SealedMap:
        """Return a new sealed map from tags to these columns, which closes with the run."""
        return self.open.enter_context(SealedMap(pa.schema(list(columns.items())), folder=self.spill, budget=_SEALED))

    def sealed_rows(self, **columns: pa.DataType) -> SealedRows:
        """Return new sealed rows of these columns, which close with the run."""
        return self.open.enter_context(SealedRows(pa.schema(list(columns.items())), folder=self.spill, budget=_SEALED))


class BadRows(Protocol):
    """What becomes of bad rows; see deid.quarantine."""

    refuses: bool

    def take(self, rows: TypedRows) -> None:
        """Set the bad rows of a batch aside, unless they are refused."""
        ...

    def finish_table(self, table: str, reasons: Counter[str]) -> None:
        """Raise SourceError where bad rows are refused and there were some."""
        ...


def observe(
    plan: Plan, rows: Rows, patients: Patients, workshop: Workshop, progress: Progress, *, bad_rows: BadRows
) -> Decision:
    """Read what must be read, and decide; raise DisclosureError, PlanError or SourceError."""
    decision = Decision(
        patients=patients,
        pseudonyms=Pseudonyms(plan.request.name, plan.request.party, None, _keyed(plan, workshop)),
        population=plan.dataset.population,
        reference_date=plan.reference_date,
        rows=_noted(row_selection(plan), workshop),
    )
    observers, stays, decision = _observers(plan, rows, patients, workshop, decision)
    early = k_anonymity.watchers(plan, decision, workshop, late=False)
    observers += early
    for table in _in_order(plan, rows):
        _show(plan, table, rows, observers, progress, bad_rows)
        _freeze_links(plan, rows, table)
    _freeze(decision)
    if stays is not None and decision.stays is not None:
        stays.rows.freeze()
        stays.followed(decision.stays)
        decision.stays.freeze()
    if needs_crosswalk(plan):
        codes = workshop.crosswalk.freeze()
        decision = replace(decision, pseudonyms=replace(decision.pseudonyms, codes=codes))
    if observed_first(plan):
        _select(plan, patients)
    late = k_anonymity.watchers(plan, decision, workshop, late=True)
    entries = CodeEntries(plan, decision) if maps_codes(plan) else None
    last: list[Observer] = [*late, *([entries] if entries is not None else [])]
    for table in _in_order(plan, rows):
        if any(observer.columns(table) for observer in last):
            _show(plan, table, rows, last, progress, bad_rows)
    return _decided(plan, decision, [*early, *late], entries, workshop.series)


def _decided(
    plan: Plan,
    decision: Decision,
    seen: Sequence[k_anonymity.PopulationVectors | Reductions],
    entries: CodeEntries | None,
    series: SeriesRun | None,
) -> Decision:
    """Return what disclosure control decides: by the data for a first release, by the first release for later ones."""
    if series is not None and not series.is_first:
        counted = k_anonymity.count(plan, decision, seen)
        return replace(series.continued(decision, counted, entries), held=counted.held)
    if entries is not None:
        decision = code_decision.decide(plan, decision, seen, entries)
    else:
        decision = k_anonymity.suppress(plan, decision, seen)
    return series.begun(decision) if series is not None else decision


def needs_crosswalk(plan: Plan) -> bool:
    """Whether any column gets a random pseudonym."""
    return any(method == "random" for _, method in _pseudonymized(plan))


def observed_first(plan: Plan) -> bool:
    """Whether anything must be decided before the first row is written, so that the population is read twice."""
    return (
        plan.request.cohort is not None
        or selects_rows(plan)
        or plan.policy.limits.k is not None
        or needs_crosswalk(plan)
        or plan.table(plan.dataset.population) is None
        or any(planned.table.link is not None for planned in plan.tables)
        or "readmitted_30d" in plan.request.derive
        or observes_codes(plan)
        or bool(plan.steps_of(RedactNote))
    )


def observes_codes(plan: Plan) -> bool:
    """Whether a visit's codes may stand in several rows, so that they are read before the first visit is written."""
    return bool(plan.families) and evidence.visit_key_kind(plan.dataset) is not None


def uses_birth_days(plan: Plan) -> bool:
    """Whether ages are judged, computed or generalized anywhere in the plan."""
    kinds = {step.column.kind.name for planned in plan.tables for step in planned.written}
    predicates = plan.request.cohort.predicates if plan.request.cohort else ()
    return (
        bool(kinds & {"birth_date", "age"})
        or any(p.kind == "age" for p in predicates)
        or bool(plan.steps_of(GeneralizeAge))
        or plan.cuts_dates_in_notes
    )


def patient_arrays(plan: Plan) -> frozenset[str]:
    """Return which arrays the run keeps for each patient."""
    keeps = {"birth_day"} if uses_birth_days(plan) else set()
    keeps |= {"met"} if plan.request.cohort or selects_rows(plan) else set()
    keeps |= {"klass"} if plan.policy.limits.k is not None else set()
    keeps |= {"offset"} if plan.shift is not None else set()
    keeps |= {"pseudonym"} if any(kind == "patient_id" for kind, _ in _pseudonymized(plan)) else set()
    return frozenset(keeps)


def _pseudonymized(plan: Plan) -> list[tuple[str, str]]:
    """Return kind and method of every column that gets a pseudonym."""
    return [
        (step.column.kind.name, step.transform.method)
        for planned in plan.tables
        for step in planned.written
        if isinstance(step.transform, Pseudonymize)
    ]


def _keyed(plan: Plan, workshop: Workshop) -> Mapping[str, BatchCmac]:
    """Return one PRF for each kind with keyed pseudonyms, separated by series, receiving party and kind."""
    kinds = {kind for kind, method in _pseudonymized(plan) if method == "keyed"}
    return {k: BatchCmac(workshop.subkey("pseudonym", plan.request.name, plan.request.party, k)) for k in kinds}


def row_selection(plan: Plan) -> RowSelection | None:
    """Return which rows a plan is about, None where it is about all; raise PlanError where no table tells."""
    cohort = plan.request.cohort
    by_rows = cohort is not None and cohort.unit is Unit.ROWS
    within = _within(plan)
    if not by_rows and within is None:
        return None
    predicates = cohort.predicates if cohort is not None and by_rows else ()
    carrier = _carrier(plan, [*predicates, *([within] if within else [])])
    key = encounter_key(carrier)
    combine = cohort.combine if cohort is not None else Combine.ALL
    key_kind = key[0].kind.name if key else None
    return RowSelection(carrier.name, combine, predicates, within, Tagger.fresh(), None, key_kind)


def _noted(selection: RowSelection | None, workshop: Workshop) -> RowSelection | None:
    """Return a selection with a map in which encounters are noted, where there are any."""
    if selection is None or selection.key_kind is None:
        return selection
    return replace(selection, encounters=workshop.sealed_map(kept=pa.bool_()))


def _within(plan: Plan) -> Predicate | None:
    """Return the bounds of the visits that a release is about, or None where it is about all of them.

    A cumulative release holds everything up to the end of its period, an increment only the period itself. Under Safe
    Harbor nothing of a year that is not over leaves: the day of release would tell in which part of it a visit was.
    """
    period = plan.period
    first = period.first if period is not None and plan.request.series is Series.INCREMENT else None
    tells_visits = any(planned.table.name != plan.dataset.population for planned in plan.tables)
    ends = [period.last] if period is not None else []
    ends += [plan.through] if plan.through is not None and tells_visits else []
    if not ends:
        return None
    within = Predicate(VISIT, low=first, high=min(ends))
    # Without a period, a source that dates no visit has none to leave out.
    dated = any(carriers(table, within) for table in plan.dataset.tables)
    return within if dated or period is not None else None


def selects_rows(plan: Plan) -> bool:
    """Whether rows are chosen by their own cells, and with them the patients who have one."""
    cohort = plan.request.cohort
    return (cohort is not None and cohort.unit is Unit.ROWS) or _within(plan) is not None


def _carrier(plan: Plan, predicates: Sequence[Predicate]) -> Table:
    tables = sorted(plan.dataset.tables, key=lambda table: table.name != plan.dataset.encounters)
    for table in tables:
        if all(carriers(table, predicate) for predicate in predicates):
            return table
    kinds = ", ".join(predicate.kind for predicate in predicates)
    raise PlanError(
        f"no table carries all that selects rows: {kinds}",
        hint="select by what one table has, or select whole patients; a period needs a date in the encounters table",
    )


def _observers(
    plan: Plan, rows: Rows, patients: Patients, workshop: Workshop, decision: Decision
) -> tuple[list[Observer], Stays | None, Decision]:
    observers: list[Observer] = []
    stays = None
    if not observed_first(plan):
        return observers, stays, decision
    observers += registrars(plan, decision, workshop)
    if plan.steps_of(RedactNote):
        identifiers = workshop.sealed_map(identifiers=pa.string())
        decision = replace(decision, identifiers=identifiers)
        observers.append(Identifiers(plan, identifiers))
    if workshop.series is not None:
        observers.append(workshop.series.observer)
    observers += _links(plan, rows, workshop, decision.rows)
    cohort = plan.request.cohort
    if cohort is not None and cohort.unit is Unit.PATIENTS:
        _check_cohort(plan, cohort.predicates)
        observers.append(CohortPatients(cohort.predicates, patients, until(plan)))
    if decision.rows is not None:
        observers.append(CohortRows(decision.rows, patients))
    if needs_crosswalk(plan):
        observers.append(RandomCodes(plan, decision.pseudonyms, workshop.crosswalk))
    if "readmitted_30d" in plan.request.derive:
        tagger = Tagger.fresh()
        decision = replace(decision, stays=workshop.sealed_map(followed=pa.bool_()), stay_tagger=tagger)
        stays = Stays(plan, workshop.sealed_rows(patient=pa.int32(), start=pa.int32(), end=pa.int32()), tagger)
        observers.append(stays)
    if observes_codes(plan):
        bits = VisitBits(Tagger.fresh(), workshop.sealed_map(**dict.fromkeys(plan.families, pa.uint64())))
        told = CodedColumns(plan, decision.rows.period if decision.rows is not None else None)
        decision = replace(decision, coded=bits)
        observers.append(CodedVisits(told, plan.families, bits))
    return observers, stays, decision


def registrars(plan: Plan, decision: Decision, workshop: Workshop) -> list[Observer]:
    """Return what notes the patients themselves, in whichever reading of the population comes first."""
    found: list[Observer] = []
    births = BirthDays(plan, decision)
    population = plan.dataset.table(plan.dataset.population)
    if uses_birth_days(plan) and population is not None and births.columns(population):
        found.append(births)
    if plan.shift is not None:
        key = workshop.subkey("date-offset", plan.request.name, plan.request.party)
        found.append(Offsets(plan, decision, BatchCmac(key), plan.shift))
    return found


def until(plan: Plan) -> Predicate | None:
    """Return the bounds of the rows by which patients may be chosen, or None where all rows count."""
    return Predicate(VISIT, high=plan.through) if plan.through else None


def linked_tables(plan: Plan) -> list[Table]:
    """Return the tables that reach their patient by a link, and whose rows are observed or written."""
    predicates = plan.request.cohort.predicates if plan.request.cohort else ()
    witnesses = evidence.witnesses(plan.dataset, plan.families) if observes_codes(plan) else []
    return [
        table
        for table in plan.dataset.tables
        if table.link is not None
        and (plan.table(table.name) is not None or any(carriers(table, p) for p in predicates) or table in witnesses)
    ]


def _links(plan: Plan, rows: Rows, workshop: Workshop, selection: RowSelection | None) -> list[Observer]:
    observers: list[Observer] = []
    for table in linked_tables(plan):
        if table.link is not None and (target := plan.dataset.table(table.link.to)) is not None:
            rows.links[table.name] = LinkMap(Tagger.fresh(), workshop.sealed_map(patient=pa.int32()))
            within = selection.bounds_link(table, target) if selection is not None else None
            observers.append(Links(target, table, rows.links[table.name], within))
    return observers


def _check_cohort(plan: Plan, predicates: Sequence[Predicate]) -> None:
    if len(predicates) > MAX_PREDICATES:
        raise PlanError(f"a cohort has at most {MAX_PREDICATES} predicates", hint="join codes into one predicate")
    for predicate in predicates:
        if not any(carriers(table, predicate) for table in plan.dataset.tables):
            raise PlanError(
                f"no table of dataset {plan.dataset.name} has a column of kind {predicate.kind}, which the cohort uses",
                hint="select by a kind that the dataset description names",
            )


def _in_order(plan: Plan, rows: Rows) -> list[Table]:
    """Return every table of the description that may have to be observed: population, link targets, the rest."""
    targets = {table.link.to for table in plan.dataset.tables if table.link is not None}

    def rank(table: Table) -> tuple[bool, bool]:
        return (table.name != plan.dataset.population, table.name not in targets)

    # A table that reaches the patient by a link is only readable here where the plan made its link.
    return sorted((t for t in plan.dataset.tables if t.link is None or t.name in rows.links), key=rank)


def _show(
    plan: Plan, table: Table, rows: Rows, observers: Sequence[Observer], progress: Progress, bad_rows: BadRows
) -> None:
    watching = [observer for observer in observers if observer.columns(table)]
    # The population is read even where nothing of it is observed: only it tells which patients there are.
    if not watching and not (table.name == plan.dataset.population and observed_first(plan)):
        return
    columns = [name for observer in watching for name in observer.columns(table)]
    planned = plan.table(table.name)
    if planned is not None and not bad_rows.refuses:
        # A row must be bad in both readings or in none: a patient who was observed and is then set aside would be
        # counted for k, and would leave with the rows of other tables.
        columns += columns_read(planned)
        rows.also[table.name] = tuple(dict.fromkeys((*rows.also.get(table.name, ()), *columns)))
    progress(f"observing {table.name}", 0)
    for batch in rows.read(table, list(dict.fromkeys(columns))):
        for observer in watching:
            observer.see(batch)
        if planned is None:
            bad_rows.take(batch)
        progress(f"observing {table.name}", len(batch))
    if planned is None or bad_rows.refuses:
        # Refused here and not later: what is only observed is not read again, and nothing is decided on bad rows.
        bad_rows.finish_table(table.name, rows.reasons[table.name])


def _freeze_links(plan: Plan, rows: Rows, target: Table) -> None:
    """Close the links through `target`, which was just read; a key with two patients would make its rows ambiguous."""
    for table in plan.dataset.tables:
        if table.link is not None and table.link.to == target.name and table.name in rows.links:
            torn = rows.links[table.name].positions.freeze("all equal")
            if torn:
                raise SourceError(
                    f"{target.name}: {torn:,} keys, by which {table.name} reaches its patient, belong to two patients",
                    hint="name a linking column that is unique to one patient",
                )


def _freeze(decision: Decision) -> None:
    if decision.rows is not None and decision.rows.encounters is not None:
        decision.rows.encounters.freeze()
    if decision.identifiers is not None:
        decision.identifiers.freeze("gathered")
    if decision.coded is not None:
        decision.coded.bits.freeze("united")


def _select(plan: Plan, patients: Patients) -> None:
    """Mark the patients who are in the cohort and, where rows are selected, have one."""
    size = len(patients)
    selected = np.ones(size, bool)
    cohort = plan.request.cohort
    if cohort is not None and cohort.unit is Unit.PATIENTS:
        wanted = np.uint32((1 << len(cohort.predicates)) - 1)
        met = patients.met[:size] & wanted
        selected &= (met == wanted) if cohort.combine is Combine.ALL else (met != 0)
    if selects_rows(plan):
        selected &= (patients.met[:size] & ROW_MET) != 0
    patients.flags[:size][selected] |= SELECTED | ASKED
