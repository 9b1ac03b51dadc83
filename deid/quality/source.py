"""Judge the codes of a whole source, table by table, with no request, no policy and no release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from deid.codes import CODE_SYSTEMS
from deid.codes.base import CodeSystem
from deid.errors import SourceError
from deid.observing.observers import Links
from deid.observing.rows import LinkMap, Rows
from deid.patients.positions import Patients, Tagger
from deid.quality.columns import scope_of
from deid.quality.judge import Judge, Unit
from deid.quality.report import Report
from deid.quality.visit_days import VisitDays
from deid.schema import Column, DatasetDescription, Table
from deid.sealing.sealed import SealedMap
from deid.sources import Source, open_source
from deid.sources.once import ReadOnce

Progress = Callable[[str, int], None]
_SEALED = 24 * 2**20  # bytes that a map from keys to patients, or batches of shared files, hold before they spill


def judge_source(
    dataset: DatasetDescription,
    *,
    unit: Unit,
    spill: Path,
    progress: Progress,
    systems: Mapping[str, CodeSystem] = CODE_SYSTEMS,
) -> Report:
    """Read every described table that has codes, and report on them; `spill` is a private folder.

    Raises SourceError for what cannot be read. Bad rows (docs/formats/dataset.md) are passed over and counted.
    """
    source: Source = open_source(dataset)
    dataset = _as_found(source, dataset)
    skipped: dict[str, int] = {}
    with ExitStack() as stack:
        source = stack.enter_context(ReadOnce(dataset, source, folder=spill, budget=_SEALED))
        visits = _visits(dataset, spill, stack)
        needed = _columns(dataset, visits)
        source.check(needed)
        judge = Judge(dataset, needed, unit, systems, duplicates=True)
        rows = Rows(source, dataset, Patients(keeps=frozenset()))
        links = [
            _link(dataset, table, rows, spill, stack) for table in dataset.tables if table.link and table.name in needed
        ]
        for table in _in_order(dataset, needed):
            progress(f"judging {table.name}", 0)
            watching = [link for link in links if link.target.name == table.name]
            for batch in rows.read(table, list(needed[table.name])):
                for link in watching:
                    link.see(batch)
                if visits is not None:
                    visits.see(batch)
                judge.see(batch, day=visits.of(batch) if visits is not None else None)
                progress(f"judging {table.name}", len(batch))
            for link in watching:
                link.map.positions.freeze("all equal")
            if visits is not None and table.name == dataset.encounters:
                visits.freeze()
            skipped[table.name] = sum(rows.reasons[table.name].values())
    if not judge.has_codes:
        raise SourceError(
            f"dataset {dataset.name} has no column of codes", hint="describe its code columns by kinds such as icd10cm"
        )
    return judge.report(skipped)


def _as_found(source: Source, dataset: DatasetDescription) -> DatasetDescription:
    """Return the description without the columns that it lets be absent, and that are."""
    tables = tuple(
        replace(table, columns=_found(source, table)) if table.optional_columns else table for table in dataset.tables
    )
    return replace(dataset, tables=tables)


def _found(source: Source, table: Table) -> tuple[Column, ...]:
    if _is_there(source, table, table.columns):
        return table.columns
    return tuple(column for column in table.columns if _is_there(source, table, (column,))) or table.columns


def _is_there(source: Source, table: Table, columns: tuple[Column, ...]) -> bool:
    try:
        source.check({table.name: [column.name for column in columns]})
    except SourceError:
        return False
    return True


def _visits(dataset: DatasetDescription, spill: Path, stack: ExitStack) -> VisitDays | None:
    encounters = dataset.table(dataset.encounters or "")
    if encounters is None:
        return None
    days = stack.enter_context(SealedMap(pa.schema([("day", pa.int32())]), folder=spill, budget=_SEALED))
    return VisitDays(encounters, dataset.population, days)


def _columns(dataset: DatasetDescription, visits: VisitDays | None) -> dict[str, tuple[str, ...]]:
    """Return what is read of each table: its codes, what stands beside them, and the keys that lead to patients."""
    needed: dict[str, tuple[str, ...]] = {}
    for table in dataset.tables:
        columns = scope_of(table, frozenset(column.name for column in table.columns)).columns
        if table.name == dataset.population:
            beside = [next(table.of_kind(kind), None) for kind in ("sex", "birth_date")]
            columns += tuple(column.name for column in beside if column is not None)
        if visits is not None and (columns or table.name == dataset.encounters):
            columns += visits.columns(table)
        if columns or table.name == dataset.population:
            key = table.patient if table.patient is not None else table.link.on if table.link else ""
            needed[table.name] = tuple(dict.fromkeys((key, *columns)))
    for table in dataset.tables:
        if table.link is not None and table.name in needed:
            target = dataset.table(table.link.to)
            keys = (target.patient or "", table.link.key) if target is not None else ()
            needed[table.link.to] = tuple(dict.fromkeys((*needed.get(table.link.to, ()), *keys)))
    return needed


def _in_order(dataset: DatasetDescription, needed: Mapping[str, object]) -> list[Table]:
    """Return the tables to read: the population, those that others link through, the encounters, the rest."""
    targets = {table.link.to for table in dataset.tables if table.link is not None}
    tables = [table for table in dataset.tables if table.name in needed]
    return sorted(
        tables, key=lambda t: (t.name != dataset.population, t.name not in targets, t.name != dataset.encounters)
    )


def _link(dataset: DatasetDescription, table: Table, rows: Rows, spill: Path, stack: ExitStack) -> Links:
    target = dataset.table(table.link.to) if table.link is not None else None
    if target is None:
        raise AssertionError("a description's links lead to its tables")
    positions = stack.enter_context(SealedMap(pa.schema([("patient", pa.int32())]), folder=spill, budget=_SEALED))
    rows.links[table.name] = LinkMap(Tagger.fresh(), positions)
    return Links(target, table, rows.links[table.name], within=None)
