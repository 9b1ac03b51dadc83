"""How found identifiers are written: what a policy says of them, and whose notes they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.kinds import KINDS, Value

NAME_KINDS = frozenset({"person_name", "relative_name", "provider_name"})
DATE_KINDS = frozenset(name for name, kind in KINDS.items() if kind.value is Value.DATE)
DATES = ("tag", "shift", "year", "quarter", "month", "week")
UNITS = ("year", "quarter", "month", "week")


@dataclass(frozen=True, slots=True)
class Writing:
    """What stands in the place of an identifier; without a word about a kind, its tag.

    `surrogates`: invented names, places and numbers, instead of tags.
    `dates`: from a kind of dates to one of `DATES`. `caps_ages`: `90+` for an age over 89, not its tag.
    `zip3`: three digits of a ZIP where the census allows them.
    `shown`: first and last shifted day that may be written, days since 1970-01-01; needed for `shift`.
    `floor_year`: a date of this year or before it is a tag, for it tells an age over 89.
    `reference_year`: the year in which ages are judged; a year of two digits is not after it.
    """

    surrogates: bool = False
    dates: Mapping[str, str] = field(default_factory=dict)
    caps_ages: bool = False
    zip3: bool = False
    shown: tuple[int, int] | None = None
    floor_year: int | None = None
    reference_year: int = 2100


TAGS = Writing()


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose note it is: the patient's key for surrogates, offset in days, and whether 90 or older."""

    key: bytes = field(default=b"", repr=False)
    offset_days: int = field(default=0, repr=False)
    aged: bool = False


@dataclass(frozen=True, slots=True)
class Replacement:
    """How the notes of a batch are written, and whose they are; every sequence has one entry for each note.

    `keys`: what each patient's surrogates are drawn with, 16 bytes or more, the same for all notes of a patient.
    `offset_days`: the patient's date offset, int32 days. `aged`: whether the patient is, or will be, 90 or older.
    """

    writing: Writing
    keys: Sequence[bytes] = field(repr=False)
    offset_days: npt.NDArray[np.int32] = field(repr=False)
    aged: npt.NDArray[np.bool_] = field(repr=False)

    def owner(self, at: int) -> Owner:
        """Return whose the note at position `at` is."""
        return Owner(self.keys[at], int(self.offset_days[at]), bool(self.aged[at]))


def tag(kind: str) -> str:
    """Return the tag that stands in the place of an identifier of `kind`."""
    return f"[{kind.upper()}]"
