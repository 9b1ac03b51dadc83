"""Where identifiers are looked for: the columns of the source that pseudonyms came from, or a list of candidates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from deid.cells.values import parse
from deid.errors import SourceError
from deid.planning.plan import Plan
from deid.planning.prerequisites import pseudonymized
from deid.reidentify.order import PATIENT
from deid.schema import Table
from deid.sources import open_source

_LINES = 65_536


def methods_of(plan: Plan, kind: str) -> frozenset[str]:
    """Return by which methods a kind got its pseudonyms in a plan; empty where it got none."""
    return frozenset(method for name, method in pseudonymized(plan) if name == kind)


def of_source(plan: Plan, kind: str) -> Iterator[pa.Array]:
    """Yield the identifiers of a kind, column by column, as an export reads them; raise SourceError."""
    wanted = _columns(plan, kind)
    source = open_source(plan.dataset)
    source.check({table.name: names for table, names in wanted})
    for table, names in wanted:
        for batch in source.read(table.name, names):
            for name, cells in zip(names, batch.columns, strict=True):
                column = table.column(name)
                assert column is not None  # it was chosen from the table's own
                yield parse(column, cells)[0]


def of_list(path: Path) -> Iterator[pa.Array]:
    """Yield candidates: one identifier on each line, UTF-8, blanks around it left out; raise SourceError."""
    try:
        with path.open(encoding="utf-8") as file:
            lines: list[str] = []
            for line in file:
                lines.append(line.strip())
                if len(lines) == _LINES:
                    yield pa.array([text for text in lines if text], pa.string())
                    lines.clear()
            yield pa.array([text for text in lines if text], pa.string())
    except (OSError, UnicodeDecodeError):
        raise SourceError(
            f"the candidates in {path.name} cannot be read", hint="a text in UTF-8 with one identifier on each line"
        ) from None


def _columns(plan: Plan, kind: str) -> list[tuple[Table, list[str]]]:
    """Return the columns of a kind in the tables of a plan; of patients, the population's key alone names them all."""
    dataset = plan.dataset
    population = dataset.table(dataset.population)
    if kind == PATIENT and population is not None and population.patient is not None:
        return [(population, [population.patient])]
    return [
        (planned.table, names)
        for planned in plan.tables
        if (names := list(dict.fromkeys(s.column.name for s in planned.written if s.column.kind.name == kind)))
    ]
