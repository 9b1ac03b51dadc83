"""Which columns tables are counted from: the plan that an officer approves tells them, the reader reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from deid.observing.selection import carriers
from deid.schema import DatasetDescription, Table
from deid.tables.code_groups import CodeGroups
from deid.tables.people import columns_of
from deid.tables.tabulation import PEOPLE, PLACES, Tabulation
from deid.visits.columns import encounter_key, start_of_visit

OfCohort = Callable[[Table], Sequence[str]]


def columns_asked(asked: Tabulation, dataset: DatasetDescription) -> dict[str, tuple[str, ...]]:
    """Return the columns that the tables of a request are counted from, by table, without a row being read.

    Columns of places that only earlier tables of the dataset told are read beside them, and not listed here.
    """
    dimensions = [d for d in (*PLACES, *PEOPLE) if d in asked.dimensions and d != "age"]
    return columns_read(dataset, dimensions, CodeGroups(asked, dataset), _of_cohort(asked))


def columns_read(
    dataset: DatasetDescription, dimensions: Iterable[str], groups: CodeGroups, cohort: OfCohort | None
) -> dict[str, tuple[str, ...]]:
    """Return the columns that are read of each table: keys, dimensions of patients, days of visits, codes, cohort."""
    needed: dict[str, list[str]] = {}
    for table in dataset.tables:
        names = list(cohort(table)) if cohort is not None else []
        if table.name == dataset.population:
            names += [n for d in dimensions for n in columns_of(table, d)]
            names += [c.name for c in list(table.of_kind("birth_date"))[:1]]
        if table.name == dataset.encounters or groups.columns(table):
            start = start_of_visit(table)
            names += [*groups.columns(table), *(c.name for c in encounter_key(table))]
            names += [start.name] if start is not None else []
        if names or table.name == dataset.population:
            needed[table.name] = names
    for table in dataset.tables:
        if table.name in needed and table.link is not None:
            needed.setdefault(table.link.to, []).append(table.link.key)
    keys = {t.name: t.patient if t.patient is not None else t.link.on if t.link else "" for t in dataset.tables}
    return {name: tuple(dict.fromkeys([keys[name], *names])) for name, names in needed.items()}


def _of_cohort(asked: Tabulation) -> OfCohort | None:
    if asked.cohort is None:
        return None
    predicates = asked.cohort.predicates
    return lambda table: [column.name for each in predicates for column in carriers(table, each)]
