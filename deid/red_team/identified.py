"""Everybody of a source with their visits and codes, as the red team holds them in memory; no attacker sees them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.attacks.knowledge import Place

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Coded:
    """Codes of one column, one entry a row: patient, day, and the number of the visit, the same in all its columns."""

    kind: str
    table: str
    patient: Int64 = field(repr=False)
    day: Int32 = field(repr=False)
    visit: Int64 = field(repr=False)
    code: pa.Array = field(repr=False)


@dataclass(frozen=True, slots=True)
class Persons:
    """Everybody in the population table, by position, in the order of the source.

    `columns`: columns of that table by place, `kinds` what they are. `identifiers`: numbers of persons by kind.
    `names`: given and family names in lower case. `reduced`: those of the columns that are of visits, of which the
    release shows one value for the patient. `untold`: such columns, `table.column`, whose value nobody knows here.
    """

    ids: pa.Array = field(repr=False)
    columns: dict[Place, pa.Array] = field(repr=False)
    kinds: dict[Place, str]
    birth_day: Int32 = field(repr=False)
    identifiers: dict[str, pa.Array] = field(repr=False)
    names: dict[str, pa.Array] = field(repr=False)
    reduced: frozenset[Place] = frozenset()
    untold: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Visits:
    """Patient, first day and class of each visit; `place` is the released column of these days, None without one."""

    place: Place | None
    patient: Int64 = field(repr=False)
    day: Int32 = field(repr=False)
    klass: pa.Array | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody in the population table, with their visits and their codes of the kinds that may be known."""

    people: Persons
    visits: Visits
    codes: tuple[Coded, ...]

    def __len__(self) -> int:
        return len(self.people.ids)
