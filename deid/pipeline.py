"""The one function that turns source rows into release rows: `transform(plan, decision, rows) -> RecordBatch`.

It is pure: it reads the plan and the frozen decision, writes nothing, and gives the same rows in any order and on any
machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import validity
from deid.cells.days import NO_DAY
from deid.known_codes.code_sets import as_sets, sets_of
from deid.known_codes.mapped_codes import release_cells
from deid.observing.decision import Decision
from deid.observing.rows import TypedRows
from deid.observing.selection import days_of, whole_years
from deid.patients.positions import AGED, SELECTED, Positions
from deid.planning.plan import Plan, Step, TablePlan
from deid.transforms import Context
from deid.transforms.generalize_age import GeneralizeAge
from deid.transforms.generalize_code import GeneralizeCode
from deid.transforms.keep import Keep
from deid.transforms.redact_note import RedactNote
from deid.transforms.roll_up import RollUp
from deid.visits import evidence
from deid.visits.columns import encounter_key, end_of_visit, start_of_visit
from deid.visits.stays import is_inpatient, stay_tags

Redact = Callable[[pa.Array, Positions, RedactNote], pa.Array]


@dataclass(frozen=True, slots=True)
class Transformed:
    """Release rows, and which rows of the batch they come from (int64 positions, ascending).

    `malformed` flags, per column that has them, the cells that were left empty because they had not the shape of their
    kind, or are no codes of its system.
    """

    batch: pa.RecordBatch = field(repr=False)
    kept: np.ndarray[tuple[int], np.dtype[np.int64]]
    malformed: Mapping[str, npt.NDArray[np.bool_]]


def columns_read(table: TablePlan) -> list[str]:
    """Return the source columns that the transform of one table reads, apart from the patient key."""
    names = [step.column.name for step in table.written if step.measure is None]
    source = table.table
    measures = [step.measure for step in table.written if step.measure is not None]
    if any(measure.family is None for measure in measures):
        needed = [start_of_visit(source), end_of_visit(source), next(source.of_kind("encounter_class"), None)]
        names += [column.name for column in needed if column is not None]
    if families := _families(table):
        names += [*evidence.columns(source, families), *(column.name for column in encounter_key(source))]
    return list(dict.fromkeys(names))


def _families(table: TablePlan) -> tuple[str, ...]:
    """Return what must be read of codes for the measures of a table."""
    families = (step.measure.family for step in table.written if step.measure is not None)
    return tuple(dict.fromkeys(family for family in families if family is not None))


def output_schema(table: TablePlan) -> pa.Schema:
    """Return the schema of a released table."""
    return pa.schema([pa.field(s.column.name, s.output.type) for s in table.written if s.output is not None])


def transform(plan: Plan, table: TablePlan, decision: Decision, rows: TypedRows, redact: Redact) -> Transformed:
    """Return the release rows of one batch.

    Rows that are bad, that belong to a patient who is not selected or was suppressed, or that the cohort leaves out
    are not in it. `redact` gets notes (string array), the positions of their patients, and the rule for them.
    """
    kept = np.flatnonzero(kept_rows(table, decision, rows))
    index = None if len(kept) == len(rows) else pa.array(kept)
    patient = rows.patient[kept]
    values = {name: array if index is None else array.take(index) for name, array in rows.values.items()}
    context = context_for(plan, decision, patient, _no_notes)
    coded = coded_measures(table, decision, values, patient)
    columns = []
    malformed: dict[str, npt.NDArray[np.bool_]] = {}
    shown = shown_by_class(decision, table, patient)
    for step in table.written:
        cells = cells_of(step, table, decision, values, patient, coded)
        if step.column.name in shown:
            done = shown[step.column.name]
        else:
            own = _with_notes(context, step.transform, redact) if isinstance(step.transform, RedactNote) else context
            done = step.transform.apply(step.column, cells, own)
        columns.append(_checked(step, done, len(kept)))
        lost = columns[-1].null_count - cells.null_count
        if lost and step.take is None and isinstance(step.transform, (Keep, GeneralizeCode, RollUp)):
            malformed[step.column.name] = ~validity(columns[-1]) & validity(cells)
    names = [step.column.name for step in table.written]
    _write_sets(table, names, columns)
    return Transformed(pa.RecordBatch.from_arrays(columns, names=names), kept, malformed)


def _write_sets(table: TablePlan, names: list[str], columns: list[pa.Array]) -> None:
    """Write side by side columns of mapped codes anew as sets: the place of a code tells its rank."""
    for steps in sets_of(table):
        places = [names.index(step.column.name) for step in steps]
        for place, cells in zip(places, as_sets([columns[place] for place in places]), strict=True):
            columns[place] = cells


def cells_of(
    step: Step,
    table: TablePlan,
    decision: Decision,
    values: Mapping[str, pa.Array],
    patient: Positions,
    coded: Mapping[str, pa.Array],
) -> pa.Array:
    """Return the cells of a step before its transform; `coded` are the measures that are read from codes."""
    if step.measure is not None:
        own = step.measure.family is None
        return measure(step, table, decision, values, patient) if own else coded[step.column.name]
    cells = values[step.column.name]
    return _closable(cells, decision, patient) if isinstance(step.transform, GeneralizeAge) else cells


def shown_by_class(decision: Decision, table: TablePlan, patient: Positions) -> dict[str, pa.Array]:
    """Return the columns of the vector as the patients' classes show them, by name: never what the rows say.

    Nothing finer than the class can leave then, whatever a later step computes from the cells.
    """
    vectors = decision.controls.vectors
    if vectors is None:
        return {}
    klass = pa.array(decision.patients.klass[patient])
    return {name: cells.take(klass) for (where, name), cells in vectors.columns.items() if where == table.table.name}


def _with_notes(context: Context, rule: RedactNote, redact: Redact) -> Context:
    return replace(context, redact=lambda notes: redact(notes, context.patient, rule))


def _no_notes(_notes: pa.Array, _patient: Positions) -> pa.Array:
    raise AssertionError("a step that is no redaction asked for redacted notes")


def _closable(ages: pa.Array, decision: Decision, patient: Positions) -> pa.Array:
    """Return ages, null where the patient's birth date is unknown: such an age beside a year cannot be closed at 90."""
    births = decision.patients.birth_day
    if not len(births):
        return ages
    return pc.if_else(pa.array(births[patient] != NO_DAY), ages, pa.scalar(None, ages.type))


def context_for(
    plan: Plan, decision: Decision, patient: Positions, redact: Callable[[pa.Array, Positions], pa.Array]
) -> Context:
    """Return what the transforms may know about the rows beside their cells."""
    patients = decision.patients
    offsets = patients.offset[patient].astype(np.int32) if len(patients.offset) else np.zeros(len(patient), np.int32)

    def pseudonym(kind: str, ids: pa.Array) -> pa.Array:
        if kind == "patient_id":
            return decision.patient_pseudonyms(kind, ids, patient)
        return decision.pseudonyms.surrogates(kind, ids)

    return Context(
        patient=patient,
        offset_days=offsets,
        aged=(patients.flags[patient] & AGED) != 0,
        pseudonym=pseudonym,
        redact=lambda notes: redact(notes, patient),
        window=plan.request.window,
        reference_year=plan.reference_date.year,
        map_codes=lambda system, codes: release_cells(decision.controls, system, codes, patients.klass[patient]),
    )


def coded_measures(
    table: TablePlan, decision: Decision, values: Mapping[str, pa.Array], patient: Positions
) -> dict[str, pa.Array]:
    """Return the measures of a table that are read from codes, by name; see deid.visits.evidence.

    They are told by the row's own codes and by those of all rows that name its visit, which were observed.
    """
    asked = [(m.family, m.name) for s in table.written if (m := s.measure) is not None and m.family is not None]
    if not asked:
        return {}
    bits = evidence.bits_of(table.table, values, _families(table), len(patient))
    key = encounter_key(table.table)
    if decision.coded is not None and key:
        found = decision.coded.find(values[key[0].name], patient)
        bits = {family: own | found[family] for family, own in bits.items()}
    return evidence.answers(asked, bits)


def measure(
    step: Step, table: TablePlan, decision: Decision, values: Mapping[str, pa.Array], patient: Positions
) -> pa.Array:
    """Return a derived measure before its own transform, int64 (days, years) or string yes/no, null where unknown."""
    source = table.table
    start_column, end_column = start_of_visit(source), end_of_visit(source)
    start = days_of(values[start_column.name]) if start_column else np.full(len(patient), NO_DAY, np.int32)
    if step.column.name == "age_at_visit":
        ages = whole_years(decision.patients.birth_day[patient], start)
        return pa.array(ages.astype(np.int64), mask=ages < 0)
    end = days_of(values[end_column.name]) if end_column else np.full(len(patient), NO_DAY, np.int32)
    unknown = (start == NO_DAY) | (end == NO_DAY) | (end < start)
    if step.column.name == "length_of_stay":
        return pa.array(np.where(unknown, 0, end.astype(np.int64) - start), mask=unknown)
    if decision.stays is None or decision.stay_tagger is None:
        raise AssertionError("readmissions were asked for, but no stays were observed")
    klass = values[next(source.of_kind("encounter_class")).name]
    stay = is_inpatient(klass) & ~unknown
    _, found = decision.stays.find(stay_tags(decision.stay_tagger, patient.astype(np.int64), start, end))
    followed = found.column(0).fill_null(False).to_numpy(zero_copy_only=False)
    return pa.array(np.where(followed, "yes", "no"), pa.string(), mask=~stay)


def kept_rows(
    table: TablePlan, decision: Decision, rows: TypedRows, wanted: np.uint8 = SELECTED
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows of a batch leave, bool (n,): good ones of patients flagged `wanted`, of the visits chosen."""
    position = np.maximum(rows.patient, 0)
    flags = decision.patients.flags
    kept = ~rows.bad & ((flags[position] & wanted) != 0) if len(flags) else np.zeros(len(rows), bool)
    selection = decision.rows
    if selection is None or table.table.name == decision.population:
        return kept
    births = decision.patients.birth_day
    birth = births[position] if len(births) else np.full(len(rows), NO_DAY, np.int32)
    own = selection.keeps(table.table, rows.values, birth)
    key = encounter_key(table.table, selection.key_kind)
    if table.table.name == selection.carrier or selection.stands_alone(table.table) or not key:
        return kept & own
    return kept & selection.belongs(table.table, rows.values, key[0], position, own)


def _checked(step: Step, cells: pa.Array, rows: int) -> pa.Array:
    """Hold every transform to its promise, at run time too: a length or type that is off stops the run."""
    plain = cells.type.value_type if isinstance(cells, pa.DictionaryArray) else cells.type
    if step.output is None or plain != step.output.type or len(cells) != rows:
        raise AssertionError(
            f"{step.transform.name} did not keep its promise for a column of kind {step.column.kind.name}"
        )
    return cells
