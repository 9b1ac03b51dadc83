"""What an outsider may know, in plain arrays: nothing here can tell who a released patient is.

It is drawn from an identified population by deid.red_team, which alone knows who is who.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.attacks.bits import Int32, Int64
from deid.opening.opened import OpenedRelease

Place = tuple[str, str]  # table and column
MOST_DAYS, MOST_CODES = 3, 3


@dataclass(frozen=True, slots=True)
class KnownCodes:
    """Codes that somebody knows of each target, in an order that was drawn: the first m are known to who knows m.

    `kinds`: kinds of codes. `kind`: int8 (targets, m), position in `kinds`, -1 where the target has no such code.
    `code`: string (targets * m,), row by row.
    """

    kinds: tuple[str, ...]
    kind: npt.NDArray[np.int8] = field(repr=False)
    code: pa.Array = field(repr=False)

    def known(self) -> Int64:
        """Return how many codes are known of each target."""
        return np.asarray((self.kind >= 0).sum(axis=1), np.int64)


@dataclass(frozen=True, slots=True)
class People:
    """Targets: what is known of each, one entry a target in every array.

    `columns`: true values of columns of the population table, by place; `kinds` says what they are. `reduced`: those
    of them that are of visits, of which a release shows one value for the patient.
    `birth_day`: int32, NO_DAY where unknown. `days`: true first days of visits, int32 (targets, 3), NO_DAY where there
    are fewer; `day_place`: the column of the release in which these days would stand. `codes`: distinct codes.
    `visit_day`, `visit_codes`: of one visit, its day and two of its codes. `first_day`: of the first visit of all.
    `names`: given and family names, lower case, or empty where nothing is known.
    """

    columns: Mapping[Place, pa.Array] = field(repr=False)
    kinds: Mapping[Place, str]
    birth_day: Int32 = field(repr=False)
    days: Int32 = field(repr=False)
    day_place: Place | None
    codes: KnownCodes = field(repr=False)
    visit_day: Int32 = field(repr=False)
    visit_codes: KnownCodes = field(repr=False)
    first_day: Int32 = field(repr=False)
    names: Mapping[str, pa.Array] = field(repr=False)
    reduced: frozenset[Place] = frozenset()

    def __len__(self) -> int:
        return len(self.birth_day)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything an attacker has beside the release.

    `public`: everybody as a voter list shows them, most of whom need not be in the release. `close`: people whom
    somebody knows, and knows to be in it. `identifiers`: lists of identifiers by kind, such as an insider may carry
    away. `closed`: weekdays (0 is Monday) on which visits of `routine` classes do not happen. `window`: first and last
    day of the data, which announcements of a study tell. `earlier`: a release of an earlier month; `other`: another
    recipient's.
    """

    public: People
    close: People
    identifiers: Mapping[str, pa.Array] = field(repr=False)
    closed: frozenset[int] = frozenset()
    routine: frozenset[str] = frozenset()
    window: tuple[int, int] | None = None
    earlier: OpenedRelease | None = None
    other: OpenedRelease | None = None
