"""How many people of the population fit what a released class shows, and what that leaves of the risk.

A table of the population is recoded by the very rules of the release, so that its people fall into the released
classes. What it does not tell (race, say) is split as it is in the release: 40 of 100 released patients of a place are
in a class, so 40 of 100 of its people are taken to be. Leaving such a column out instead would count people who do not
fit, and call patients safer than they are.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.controls import Vectors
from deid.days import NO_DAY, years_before
from deid.decision import Decision
from deid.disclosure.estimators import uniques
from deid.disclosure.leaves import vector_texts
from deid.disclosure.risk import RiskFigures, figures
from deid.errors import DisclosureError, DocumentError
from deid.manifest import ENOUGH
from deid.plan import Plan, Step
from deid.population_table import PopulationTable, census, read_population
from deid.reports.evidence import Population
from deid.reports.model import Estimate
from deid.reports.small import rounded
from deid.schema import Column
from deid.transforms import Context
from deid.values import parse

Counts = npt.NDArray[np.int64]


def population_risk(plan: Plan, decision: Decision, population: Path | int | None) -> Population | None:
    """Return what the population makes of the risk; None where the policy counts no classes, or nothing tells of it.

    `population`: the site's table, or how many people there are. Raises DisclosureError where a ceiling of
    `limits.risk` is passed, DocumentError for a table that is none.
    """
    vectors = decision.controls.vectors
    if plan.policy.limits.k is None or vectors is None:
        return None
    sizes = class_sizes(decision, vectors)
    table = read_population(population) if isinstance(population, Path) else census()
    people = None if isinstance(population, int) else people_of_classes(plan, vectors, sizes, table)
    found = figures(sizes, people, k=plan.policy.limits.k)
    require(plan, found)
    total = population if isinstance(population, int) else table.total if people is not None else None
    return Population(
        journalist_max=_shown(found.journalist_max, most=1 / ENOUGH),  # a larger one would tell a count of 1 to 10
        journalist_mean=_shown(found.journalist_mean),
        table=table.name if people is not None else None,
        uniques=_estimate(sizes, total) if isinstance(population, int) else None,
    )


def class_sizes(decision: Decision, vectors: Vectors) -> Counts:
    """Return the released patients of each class, int64 (classes,); verified on the output by deid.vector_check."""
    patients = decision.patients
    classes = patients.klass[: len(patients)][patients.selected]
    # In a later release of a series the last classes may have nobody left.
    number = max((len(values) for values in vectors.columns.values()), default=0)
    return np.bincount(classes[classes >= 0], minlength=number).astype(np.int64)


def people_of_classes(plan: Plan, vectors: Vectors, sizes: Counts, table: PopulationTable) -> Counts | None:
    """Return how many people of the table fit each class, int64 (classes,); None where it tells of no column."""
    steps = [(place, _step(plan, place)) for place in vectors.columns]
    told = [(place, step) for place, step in steps if step is not None and _told(step, table)]
    if not told:
        return None
    context = _context(plan, table)
    cells = [step.transform.apply(step.column, _cells(plan, step, table), context) for _, step in told]
    of_table = vector_texts(cells, len(table.people))
    shown = vector_texts([vectors.columns[place] for place, _ in told], len(sizes))
    known = pc.unique(shown)
    group = pc.index_in(shown, known).to_numpy(zero_copy_only=False).astype(np.int64)
    at = pc.index_in(of_table, known)
    there = at.is_valid().to_numpy(zero_copy_only=False)
    at = at.fill_null(0).to_numpy(zero_copy_only=False)
    people: Counts = np.bincount(at[there], weights=table.people[there], minlength=len(known)).astype(np.int64)
    released = np.bincount(group, weights=sizes, minlength=len(known))
    share = sizes / np.maximum(released[group], 1)
    return np.asarray(np.floor(people[group] * share), np.int64)


def require(plan: Plan, found: RiskFigures) -> None:
    """Raise DisclosureError where a chance is above its ceiling in `limits.risk`."""
    ceilings = plan.policy.limits.risk
    for name, measured, ceiling in (
        ("prosecutor", found.prosecutor_max, ceilings.prosecutor),
        ("journalist", found.journalist_max, ceilings.journalist),
        ("marketer", found.marketer, ceilings.marketer),
    ):
        if ceiling is None:
            continue
        if measured is None:
            raise DisclosureError(
                "limits.risk.journalist is set, and no table tells how many people fit a released class",
                hint="name the site's `population` in site.yaml, release three-digit ZIP codes, or remove the ceiling",
            )
        if measured > ceiling + 1e-12:
            raise DisclosureError(
                f"the {name}'s chance is {measured:.4f} at most; limits.risk.{name} is {ceiling:g}",
                hint=f"coarsen the quasi-identifiers, raise limits.k, or set limits.risk.{name} to "
                f"{np.ceil(measured * 10_000) / 10_000:g} and sign the policy again",
            )


def _estimate(sizes: Counts, total: int | None) -> Estimate | None:
    if total is None or not sizes.sum():
        return None
    if total < sizes.sum():
        raise DisclosureError(
            "the release holds more patients than the site's `population` has people",
            hint="correct `population` in site.yaml",
        )
    found = uniques(sizes[sizes > 0], total)
    low, high = (None if each is None else rounded(each) for each in (found.low, found.high))
    return Estimate(low, high, found.methods, found.without, rounded(found.fraction))


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


def _shown(chance: float | None, *, most: float = 1.0) -> float | None:
    return None if chance is None or chance > most else rounded(chance)
