"""What a code system is: it normalizes, validates on a day, and rolls codes up its hierarchy, whole columns at a time.

Terms: *normal form* is the one spelling in which two cells with the same code are equal; *level* is a named rung of the
hierarchy, from `code` (the normal form itself) upward; *release* is the published list a verdict rests on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.domains import Domain

Verdicts = npt.NDArray[np.uint8]
Days = npt.NDArray[np.int32]
UNMAPPED = "UNMAPPED"  # what a well-formed code rolls up to where the hierarchy does not know it


class Status(IntEnum):
    """What a code is on a day; the numbers are what `validate` returns."""

    ABSENT = 0  # the cell is null
    VALID = 1
    NOT_BILLABLE = 2  # a category or other heading: a code of the list, but not one to be reported
    NOT_YET = 3  # valid from a later day on
    RETIRED = 4  # valid until an earlier day
    UNKNOWN = 5  # well formed, and in no list at hand
    MALFORMED = 6  # no code of this system can be spelled like this


@dataclass(frozen=True, slots=True)
class Level:
    """One rung of a hierarchy: its name, what its values may be, and a sentence for the codebook.

    `domain` holds every value that `roll_up` may return at this level, UNMAPPED among them where codes can be unknown.
    """

    name: str
    domain: Domain
    meaning: str


@dataclass(frozen=True, slots=True)
class CodeList:
    """Where a system's list of codes comes from, for manifests and pages: release, source, and the days it knows.

    `first` and `last` are days since 1970 between which validity is known; a day outside is judged as the nearest one.
    None: that side is open, as where the system came into force on a known day.
    `complete` is False where well-formed codes beyond the list may be valid all the same.
    """

    release: str
    source: str
    codes: int
    first: int | None = None
    last: int | None = None
    complete: bool = True


class CodeSystem(Protocol):
    """The one interface of this shelf; arrays are string, dictionary-encoded or plain, with nulls; length n.

    `name` is the registry's; `title` the system's own; `kinds` the kinds of columns that hold its codes;
    `levels` from fine to coarse, `code` first; `lists` is empty where no list is at hand, and only the form is judged.
    """

    # Properties, so that frozen dataclasses serve; see the docstring of the class for what each of them is.
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def kinds(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def levels(self) -> tuple[Level, ...]: ...  # noqa: D102
    @property
    def lists(self) -> tuple[CodeList, ...]: ...  # noqa: D102

    def normalize(self, values: pa.Array) -> pa.Array:
        """Return the normal form of each code, null for null and for what is malformed; same encoding as `values`."""
        ...

    def validate(self, values: pa.Array, on: Days | None = None) -> Verdicts:
        """Return a Status for each value, uint8 of shape (n,).

        `on`: day of service of each row, int32 days since 1970 of shape (n,), NO_DAY where unknown. A row without a day
        (or `on` None) is judged on any day: VALID or NOT_BILLABLE if the code was ever so.
        """
        ...

    def parents(self, code: str) -> tuple[str, ...]:
        """Return the codes above `code` from the nearest to the top, in normal form; empty if it has none."""
        ...

    def roll_up(self, values: pa.Array, level: str) -> pa.Array:
        """Return each code at `level`: null for null and malformed, UNMAPPED for what the hierarchy does not know.

        Same encoding as `values`. Raises KeyError for a level that the system does not have.
        """
        ...
