"""What a transform is: a rule that knows its output before it sees data, and a function from column to column.

A transform is a frozen dataclass; its fields are the options a policy may write.
`output` runs when the plan is made and refuses a kind it cannot serve; `apply` runs once per batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.domains import Domain
from deid.schema import Column

Integers = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Output:
    """What a step writes: the Arrow type, the set of values it may contain, and a sentence for the codebook."""

    type: pa.DataType
    domain: Domain
    meaning: str


def _no_map(system: str, _codes: pa.Array) -> pa.Array:
    raise AssertionError(f"no map of {system} was made")


@dataclass(frozen=True, slots=True)
class Context:
    """What a batch brings beside its cells; every array has one entry for each row of the batch.

    `patient`: position of the row's patient in the run's patient index, int32, never negative.
    `offset_days`: the patient's date offset, int32 days (zeros unless the plan shifts dates).
    `aged`: True where the patient is, or before the series expires will be, 90 or older.
    `pseudonym`: from the source identifiers of one kind, string array with nulls, to their pseudonyms.
    `redact`: from notes, string array with nulls, to redacted notes; a null stays or becomes null (withheld).
    `window`: first and last day of the declared data window, or None.
    `reference_year`: the year in which ages are judged, that of the plan's reference date.
    `map_codes`: from the name of a code system, and well-formed codes of its kind, string array with nulls, to what the
    run's map of the system makes of them.
    """

    patient: Integers
    offset_days: Integers
    aged: Flags
    pseudonym: Callable[[str, pa.Array], pa.Array]
    redact: Callable[[pa.Array], pa.Array]
    window: tuple[date, date] | None
    reference_year: int
    map_codes: Callable[[str, pa.Array], pa.Array] = _no_map


class Transform(Protocol):
    """The one interface of this shelf.

    `name` is what a policy writes; `primary` is the option that may be written without its name
    (`{round: 10}`), or None. `derived` says whether the output is computed from the person's identifiers with a key.
    Input arrays are already parsed: string for text, code and note kinds, date32 (or timestamp[s]) for dates,
    int64 for integers, float64 for decimals. Strings may be dictionary-encoded, and may come back so.
    """

    name: ClassVar[str]
    primary: ClassVar[str | None]

    def output(self, column: Column) -> Output | None:
        """Return what this step writes for `column`, or None where it writes nothing; raise PlanError if it cannot."""
        ...

    def apply(self, column: Column, values: pa.Array, context: Context) -> pa.Array:
        """Return as many values as came in, of the type that `output` promised."""
        ...
