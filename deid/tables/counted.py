"""All tables of a request, counted: those that are asked for, and the patients behind their rates."""

from __future__ import annotations

from deid.cells.days import number_of
from deid.documents.period import Period
from deid.errors import PlanError
from deid.tables.cube import Cube
from deid.tables.people import Visits
from deid.tables.periods import whole_periods
from deid.tables.tabulation import CODES, PATIENTS, PEOPLE, PERIODS, PLACES, Measure, TableRequest, Tabulation
from deid.tables.tallies import Counter


def counted(asked: Tabulation, counter: Counter) -> tuple[list[TableRequest], Cube]:
    """Count every table, and the patients behind rates as tables of their own."""
    cube = Cube()
    tables = list(asked.tables)
    if asked.denominators == PATIENTS:
        for table in asked.tables:
            if table.rates:
                by = tuple(d for d in table.by if d in (*PLACES, *PEOPLE))
                tables.append(
                    TableRequest(f"{table.name}-population", Measure.POPULATION, by, table.margins, rates=False)
                )
    if asked.tells_incidence and len(counter.visits.day):
        _check_washout(asked, counter.visits)
    for table in tables:
        dimensions = [d for d in table.by if d in (*PLACES, *PEOPLE)]
        # The population is counted once, on one day: two of them would differ by who was born, came or grew older.
        is_fixed = table.measure is Measure.POPULATION
        periods = (Period("", asked.last, asked.last),) if is_fixed else periods_of(asked, table)
        tally = counter.tally(table.measure, periods, dimensions, by_group=CODES in table.by)
        cube.add(table, tally, dimensions)
    return tables, cube


def _check_washout(asked: Tabulation, visits: Visits) -> None:
    """Refuse incidence from a source that does not look back: everybody's first visit in it would seem to be new."""
    from_begin = number_of(asked.first) - visits.begin if visits.begin is not None else -1
    if 0 < asked.washout > from_begin:
        raise PlanError(
            f"the source does not look back {asked.washout} days before the tables begin",
            hint="let the tables begin later, or shorten `washout`, by which old cases are told from new ones; where "
            "visits are few and the source begins earlier, write from when on it is whole: `since: 2019-01-01`",
        )


def periods_of(asked: Tabulation, table: TableRequest) -> tuple[Period, ...]:
    """Return the periods that a table tells apart."""
    return whole_periods(table.dimension(PERIODS) or "year", asked.first, asked.last)
