"""The first reading of a source, and the decision that comes of it.

Only tables in which something must be decided are read, each once for all observers: the population first, then the
tables that others link through, then the rest. Where nothing must be decided, nothing is read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from deid.disclosure import k_anonymity
from deid.disclosure.reductions import Reductions
from deid.documents.cohort import Combine, Unit
from deid.errors import SourceError
from deid.keys.prf import BatchCmac
from deid.known_codes import code_decision
from deid.known_codes.code_entries import CodeEntries, maps_codes
from deid.ledger.run import SeriesRun
from deid.observing.decision import Decision, Pseudonyms, RowSelection
from deid.observing.observers import ROW_MET, Observer, RandomOffsets
from deid.observing.reading import Reading, Watched
from deid.observing.rows import Rows
from deid.observing.watchers import watchers
from deid.observing.workshop import Workshop
from deid.patients.positions import ASKED, SELECTED, Patients
from deid.pipeline import columns_read
from deid.planning.chosen_rows import row_selection, selects_rows
from deid.planning.plan import Plan
from deid.planning.prerequisites import needs_crosswalk, observed_first, pseudonymized
from deid.schema import Table


def observe(plan: Plan, reading: Reading, patients: Patients, workshop: Workshop) -> Decision:
    """Read what must be read, and decide; raise DisclosureError, PlanError or SourceError."""
    rows = reading.rows
    decision = Decision(
        patients=patients,
        pseudonyms=Pseudonyms(plan.request.name, plan.request.party, None, _keyed(plan, workshop)),
        population=plan.dataset.population,
        reference_date=plan.reference_date,
        rows=_noted(row_selection(plan), workshop),
    )
    observers, stays, decision = watchers(plan, rows, patients, workshop, decision)
    early = k_anonymity.watchers(plan, decision, workshop, late=False)
    observers += early
    for tables in _in_order(plan, rows):
        reading.show(decision, _watched(plan, tables, reading, observers))
        for table in tables:
            _freeze_links(plan, rows, table)
    _freeze(decision)
    if stays is not None and decision.stays is not None:
        stays.rows.freeze()
        stays.followed(decision.stays)
        decision.stays.freeze()
    if needs_crosswalk(plan):
        codes = workshop.crosswalk.freeze()
        decision = replace(decision, pseudonyms=replace(decision.pseudonyms, codes=codes))
        for observer in observers:
            if isinstance(observer, RandomOffsets):
                observer.settle(codes)
    if observed_first(plan):
        _select(plan, patients)
    late = k_anonymity.watchers(plan, decision, workshop, late=True)
    entries = CodeEntries(plan, decision) if maps_codes(plan) else None
    last: list[Observer] = [*late, *([entries] if entries is not None else [])]
    for tables in _in_order(plan, rows):
        watched = _watched(plan, tables, reading, last)
        reading.show(decision, [one for one in watched if one.observers])
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


def _keyed(plan: Plan, workshop: Workshop) -> Mapping[str, BatchCmac]:
    """Return one PRF for each kind with keyed pseudonyms, separated by series, receiving party and kind."""
    kinds = {kind for kind, method in pseudonymized(plan) if method == "keyed"}
    return {k: workshop.cmac("pseudonym", plan.request.name, plan.request.party, k) for k in kinds}


def _noted(selection: RowSelection | None, workshop: Workshop) -> RowSelection | None:
    """Return a selection with a map in which encounters are noted, where there are any."""
    if selection is None or selection.key_kind is None:
        return selection
    return replace(selection, encounters=workshop.sealed_map(kept=pa.bool_()))


def _in_order(plan: Plan, rows: Rows) -> list[list[Table]]:
    """Return every table of the description that may have to be observed: population, link targets, the rest.

    Tables of one list need nothing that another of it tells.
    """
    targets = {table.link.to for table in plan.dataset.tables if table.link is not None}

    def rank(table: Table) -> tuple[bool, bool]:
        return (table.name != plan.dataset.population, table.name not in targets)

    # A table that reaches the patient by a link is only readable here where the plan made its link.
    ranked = sorted((t for t in plan.dataset.tables if t.link is None or t.name in rows.links), key=rank)
    early = sum(rank(table) < (True, True) for table in ranked)
    return [*([table] for table in ranked[:early]), *([ranked[early:]] if ranked[early:] else [])]


def _watched(plan: Plan, tables: Sequence[Table], reading: Reading, observers: Sequence[Observer]) -> list[Watched]:
    """Return the tables that are read now, each with who watches and the columns that are asked for."""
    found = []
    for table in tables:
        watching = tuple(observer for observer in observers if observer.columns(table))
        # The population is read even where nothing of it is observed: only it tells which patients there are.
        if not watching and not (table.name == plan.dataset.population and observed_first(plan)):
            continue
        columns = [name for observer in watching for name in observer.columns(table)]
        planned = plan.table(table.name)
        if planned is not None and not reading.bad_rows.refuses:
            # A row must be bad in both readings or in none: a patient who was observed and is then set aside would be
            # counted for k, and would leave with the rows of other tables.
            columns += columns_read(planned)
            also = reading.rows.also
            also[table.name] = tuple(dict.fromkeys((*also.get(table.name, ()), *columns)))
        found.append(Watched(table, tuple(dict.fromkeys(columns)), watching, is_planned=planned is not None))
    return found


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
