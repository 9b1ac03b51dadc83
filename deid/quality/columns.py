"""Which columns of a table are judged, by which code system, and beside which other columns."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass

from deid.codes import system_of
from deid.codes.base import CodeSystem
from deid.kinds import Value
from deid.schema import Column, Table
from deid.visits.columns import encounter_key, start_of_visit
from deid.visits.diagnoses import Diagnosis, diagnoses

_BESIDE = frozenset({"sequence_number", "charge_amount", "count"})
_NUMBER = re.compile(r"\d+")
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")


@dataclass(frozen=True, slots=True)
class Judged:
    """A coded column: the entry of the report in which it is counted, its system, and what stands beside it.

    `version` is the column that tells its revision; `diagnosis` is set where it tells first diagnoses.
    """

    column: Column
    entry: str
    system: CodeSystem
    version: Column | None
    diagnosis: Diagnosis | None


@dataclass(frozen=True, slots=True)
class Scope:
    """What is judged of one table: its coded columns, by the day of its rows.

    `stay`: the column that is filled where a row is of a hospital stay: a DRG is given to nothing else. `visit` and
    `beside`, the key of the visit and the columns by which lines are told apart, serve to find repeated lines.
    """

    table: Table
    judged: tuple[Judged, ...]
    day: Column | None
    stay: Column | None
    visit: Column | None
    beside: tuple[Column, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that judging reads."""
        if not self.judged:
            return ()
        ranks = [judged.diagnosis.rank for judged in self.judged if judged.diagnosis is not None]
        others = [self.day, self.visit, *self.beside, *(judged.version for judged in self.judged), *ranks]
        names = [j.column.name for j in self.judged] + [column.name for column in others if column is not None]
        return tuple(dict.fromkeys(names))


def scope_of(table: Table, read: Container[str]) -> Scope:
    """Return what can be judged of `table` where a run reads the columns `read`."""
    there = [column for column in table.columns if column.name in read]
    coded = [(column, system) for column in there if (system := system_of(column.kind.name, column.use)) is not None]
    entries = _entries(column for column, _ in coded)
    first = {each.column.name: each for each in diagnoses(table) if _tells_first(each, read)}
    day = start_of_visit(table)
    visit = encounter_key(table)
    return Scope(
        table=table,
        judged=tuple(
            Judged(column, entries[column.name], system, _version_of(column, there), first.get(column.name))
            for column, system in coded
        ),
        day=day if day is not None and day.name in read else None,
        stay=next((column for column, _ in coded if column.kind.name == "drg"), None),
        visit=visit[0] if visit and visit[0].name in read else None,
        beside=tuple(column for column in there if column.kind.name in _BESIDE or column.kind.value is Value.DATE),
    )


def _tells_first(diagnosis: Diagnosis, read: Container[str]) -> bool:
    """Whether first diagnoses can be told: all codes of the column are, or those of rank 1 where ranks are read."""
    return diagnosis.principal or (diagnosis.rank is not None and diagnosis.rank.name in read)


def _entries(coded: Iterable[Column]) -> dict[str, str]:
    """Return the entry of each column: columns that differ by a number alone, as `DX1` and `DX2`, share one.

    The first columns of such a block are filled before the later ones, so that two of them subtracted from each other
    would tell how few visits have just so many codes; and nobody reads forty-five entries.
    """
    blocks: dict[tuple[str, str, str | None], list[Column]] = defaultdict(list)
    for column in coded:
        blocks[_LAST_NUMBER.sub("\0", column.name), column.kind.name, column.use].append(column)
    entries: dict[str, str] = {}
    for (pattern, _, _), columns in blocks.items():
        numbers = [found[0] for column in columns if (found := _LAST_NUMBER.search(column.name))]
        name = pattern.replace("\0", f"{{{numbers[0]}..{numbers[-1]}}}") if len(columns) > 1 else columns[0].name
        entries |= {column.name: name for column in columns}
    return entries


def _version_of(column: Column, there: list[Column]) -> Column | None:
    """Return the column that tells the revision: the only one, or that of the same number and the most alike name."""
    if column.kind.name != "icd_any":
        return None
    versions = [other for other in there if other.kind.name == "icd_version"]
    if len(versions) > 1:
        number = _NUMBER.findall(column.name)
        versions = [v for v in versions if _NUMBER.findall(v.name) == number and _alike(v.name, column.name)]
    return max(versions, key=lambda other: _alike(other.name, column.name), default=None)


def _alike(one: str, other: str) -> int:
    """Return how many letters two names begin with alike."""
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
