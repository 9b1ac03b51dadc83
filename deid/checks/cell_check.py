"""Released cells held against what their rules may write."""

from __future__ import annotations

import pyarrow as pa

from deid.cells.domains import Between
from deid.errors import DEFECT, VerificationError
from deid.planning.plan import Plan, Step, TablePlan
from deid.transforms.generalize_date import GeneralizeDate


class CellCheck:
    """Holds every cell to the output domain of its step; remembers the dictionaries that were found good."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._proven: dict[tuple[str, str], pa.Array] = {}

    def batch(self, planned: TablePlan, batch: pa.RecordBatch) -> None:
        """Check the cells of a batch; raise VerificationError."""
        for step, values in zip(planned.written, batch.columns, strict=True):
            self._in_domain(planned, step, values)
            self._closed_at_90(planned, step, values)

    def _in_domain(self, planned: TablePlan, step: Step, values: pa.Array) -> None:
        """Check a column against its step's domain; of a dictionary every entry, once while batches bring the same.

        An entry that no row points to is read by a recipient all the same, so it must lie in the domain too.
        """
        if step.output is None:
            raise AssertionError("a dropped column was written")
        place, entries = (planned.table.name, step.column.name), values
        if isinstance(values, pa.DictionaryArray):
            entries = values.dictionary
            if place in self._proven and entries.equals(self._proven[place]):
                return
        outside = step.output.domain.violations(entries)
        if outside:
            raise VerificationError(
                f"{outside:,} values of {planned.table.name}.{step.column.name} lie outside what {step.transform.name} "
                f"may write ({step.output.domain.describe()})",
                hint=DEFECT,
            )
        if entries is not values:
            self._proven[place] = entries

    def _closed_at_90(self, planned: TablePlan, step: Step, values: pa.Array) -> None:
        """Check that no birth year stands in the output that tells an age over 89, 164.514(b)(2)(i)(C)."""
        closes = isinstance(step.transform, GeneralizeDate) and step.transform.floor_age is not None
        if closes and step.column.kind.name == "birth_date" and pa.types.is_integer(values.type):
            width = step.transform.width  # type: ignore[attr-defined]
            floor = (self._plan.reference_date.year - 90) // width * width
            below = Between(low=floor).violations(values)
            if below:
                raise VerificationError(
                    f"{below:,} values of {planned.table.name}.{step.column.name} tell an age over 89", hint=DEFECT
                )
