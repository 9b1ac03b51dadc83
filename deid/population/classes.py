"""How many people of the population fit what each released class shows.

A table of the population is recoded by the very rules of the release, so that its people fall into the released
classes. What it does not tell (race, say) is split as it is in the release: 40 of 100 released patients of a place are
in a class, so 40 of 100 of its people are taken to be. Leaving such a column out instead would count people who do not
fit, and call patients safer than they are.

The shipped table tells of places alone. Patients are older than people, so that a split as in the release would take
the old of a place to be more than they are; there the share of an age and sex in the whole country is a second guess,
and of two guesses the smaller counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain
from deid.cells.days import NO_DAY, years_before
from deid.cells.values import parse
from deid.disclosure.leaves import vector_texts
from deid.errors import DocumentError
from deid.observing.controls import Place, Vectors
from deid.planning.plan import Plan, Step
from deid.population.table import PopulationTable, nationwide
from deid.schema import Column
from deid.transforms import Context

Counts = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]
Told = Sequence[tuple[Place, Step]]
_SEXES = {"F": ("f", "female"), "M": ("m", "male")}


@dataclass(frozen=True, slots=True)
class Fitting:
    """Of how many people each class is, int64 (classes,), and what that was taken from, in words for the report."""

    people: Counts = field(repr=False)
    source: str


def people_of_classes(plan: Plan, vectors: Vectors, sizes: Counts, table: PopulationTable) -> Fitting | None:
    """Return how many people of the table fit each class; None where it tells of no column of the vector.

    `sizes`: int64 (classes,), released patients.
    """
    told = _told_by(plan, vectors, table)
    if not told:
        return None
    group, people = _groups(plan, vectors, told, table, len(sizes))
    share = _share(sizes, sizes, group)
    if table.is_of_places:
        finer = _numbers(
            vector_texts(
                [vectors.columns[place] for place, step in _steps(plan, vectors) if _is_known(step, table)], len(sizes)
            )
        )
        together = np.bincount(finer, weights=sizes)[finer]
        guess = np.minimum(_share(together, sizes, group), _nationwide(plan, vectors, len(sizes)))
        share = guess * _share(sizes, sizes, finer)
    places = {place for place, _ in told}
    split = [step.column.kind.name for place, step in _steps(plan, vectors) if place not in places]
    source = f"{table.name}; {', '.join(split)} {table.split}" if split else table.name
    return Fitting(np.asarray(np.floor(people[group] * share), np.int64), source)


def _share(part: Counts | Shares, sizes: Counts, group: Counts) -> Shares:
    """Return what share of the released patients of its group each part is, float64 (classes,)."""
    return np.asarray(part / np.maximum(np.bincount(group, weights=sizes)[group], 1))


def _numbers(texts: pa.Array) -> Counts:
    return np.asarray(pc.index_in(texts, pc.unique(texts)).to_numpy(zero_copy_only=False), np.int64)


def _groups(
    plan: Plan, vectors: Vectors, told: Told, table: PopulationTable, classes: int
) -> tuple[npt.NDArray[np.int64], Counts]:
    """Return the group of each class, by the told columns alone, and how many people of the table are in each group."""
    context = _context(plan, table)
    cells = [step.transform.apply(step.column, _cells(plan, step, table), context) for _, step in told]
    of_table = vector_texts(cells, len(table.people))
    shown = vector_texts([vectors.columns[place] for place, _ in told], classes)
    known = pc.unique(shown)
    group = pc.index_in(shown, known).to_numpy(zero_copy_only=False).astype(np.int64)
    at = pc.index_in(of_table, known)
    there = at.is_valid().to_numpy(zero_copy_only=False)
    at = at.fill_null(0).to_numpy(zero_copy_only=False)
    return group, np.bincount(at[there], weights=table.people[there], minlength=len(known)).astype(np.int64)


def _nationwide(plan: Plan, vectors: Vectors, classes: int) -> Shares:
    """Return the share of the country's people who are of the age and sex of each class, float64 (classes,).

    Sex that is empty or in other words than the usual ones leaves both; an empty birth or age leaves all ages.
    """
    tables = nationwide()
    of_sex = {sex: _of_country(plan, vectors, table, classes) for sex, table in tables.items()}
    shown = _sexes(plan, vectors, classes)
    people = np.add.reduce([np.where(shown[sex] | ~shown["F"] & ~shown["M"], of_sex[sex], 0.0) for sex in tables])
    return np.asarray(people / sum(table.total for table in tables.values()), np.float64)


def _of_country(plan: Plan, vectors: Vectors, table: PopulationTable, classes: int) -> Shares:
    told = _told_by(plan, vectors, table)
    if not told:
        return np.full(classes, float(table.total))
    group, people = _groups(plan, vectors, told, table, classes)
    empty = np.zeros(classes, bool)
    for place, _ in told:
        empty |= vectors.columns[place].is_null().to_numpy(zero_copy_only=False)
    return np.where(empty, float(table.total), people[group])


def _is_known(step: Step, table: PopulationTable) -> bool:
    """Whether the places or the country tell of a column."""
    return _told(step, table) or _told(step, nationwide()["F"]) or step.column.kind.name == "sex"


def _sexes(plan: Plan, vectors: Vectors, classes: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which classes show each sex, bool (classes,) by the sex."""
    found = {sex: np.zeros(classes, bool) for sex in _SEXES}
    for place, step in _steps(plan, vectors):
        if step.column.kind.name == "sex":
            texts = pc.utf8_lower(plain(vectors.columns[place]).cast(pa.string()))
            for sex, words in _SEXES.items():
                found[sex] = pc.is_in(texts, pa.array(words)).to_numpy(zero_copy_only=False)
    return found


def _told_by(plan: Plan, vectors: Vectors, table: PopulationTable) -> Told:
    return [(place, step) for place, step in _steps(plan, vectors) if _told(step, table)]


def _steps(plan: Plan, vectors: Vectors) -> Told:
    steps = ((place, _step(plan, place)) for place in vectors.columns)
    return [(place, step) for place, step in steps if step is not None]


def _step(plan: Plan, place: tuple[str, str]) -> Step | None:
    planned = plan.table(place[0])
    return next((s for s in planned.written if s.column.name == place[1]), None) if planned is not None else None


def _told(step: Step, table: PopulationTable) -> bool:
    """Whether a table tells of a column; ages tell of births, and births of no age at a visit."""
    kind = step.column.kind.name
    return step.measure is None and (kind in table.columns or (kind == "birth_date" and "age" in table.columns))


def _cells(plan: Plan, step: Step, table: PopulationTable) -> pa.Array:
    kind = step.column.kind
    if kind.name == "birth_date":
        return _births(plan, table)
    return parse(Column(kind.name, kind), table.columns[kind.name])[0]


def _births(plan: Plan, table: PopulationTable) -> pa.Array:
    """Return births, date32: as written, or in the middle of a year that is written or follows from an age."""
    try:
        return _dates(plan, table)
    except pa.ArrowInvalid:  # which quotes the cell
        raise DocumentError(
            f"{table.name}: a birth date or age cannot be read",
            hint="write birth_date as 1957 or 1957-03-29, and age as a whole number",
        ) from None


def _dates(plan: Plan, table: PopulationTable) -> pa.Array:
    if "birth_date" in table.columns:
        text = table.columns["birth_date"]
        is_year = pc.match_substring_regex(text, r"^\d{4}$")
        return pc.if_else(is_year, pc.binary_join_element_wise(text, "-07-01", ""), text).cast(pa.date32())
    years = pc.subtract(plan.reference_date.year, table.columns["age"].cast(pa.int64())).cast(pa.string())
    return pc.binary_join_element_wise(years, "-07-01", "").cast(pa.date32())


def _context(plan: Plan, table: PopulationTable) -> Context:
    rows = len(table.people)
    days = np.full(rows, NO_DAY, np.int32)
    if {"birth_date", "age"} & set(table.columns):
        days = _births(plan, table).cast(pa.int32()).fill_null(int(NO_DAY)).to_numpy(zero_copy_only=False)
    oldest = (years_before(plan.reference_date, 90) - date(1970, 1, 1)).days
    return Context(
        patient=np.zeros(rows, np.int32),
        offset_days=np.zeros(rows, np.int32),
        aged=(days <= oldest) & (days != NO_DAY),
        pseudonym=lambda _kind, ids: ids,
        redact=lambda notes: notes,
        window=plan.request.window,
        reference_year=plan.reference_date.year,
    )
