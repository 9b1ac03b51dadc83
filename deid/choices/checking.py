"""What is left out, held against what was written: by lists, source and ranges, never by what dropped the rows.

The released patients are those whose pseudonyms were read back. Lists and segments are asked about every row of the
population once more, as the source has it; released cells are held against the ranges of the segments themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import validity
from deid.cells.values import parse
from deid.choices.screen import Screen
from deid.errors import DEFECT, VerificationError
from deid.kinds import KINDS
from deid.observing.decision import Decision
from deid.patients.positions import Positions
from deid.patients.released import GivenPseudonyms, patient_pseudonym
from deid.planning.plan import Plan, Step, TablePlan
from deid.release.small_counts import shown
from deid.schema import Column
from deid.segments.ranges import ranges_of, told
from deid.segments.rules import PART2
from deid.segments.telling import is_marked
from deid.sources import Source

# No chapter or block, which is named by its first and last code; nor two digits, a category of procedures in ICD-9-CM.
_CODE, _CODE_OF_ICD = r"^[A-Za-z0-9.]+$", r"^[A-Za-z0-9.]{3,}$"
See = Callable[[TablePlan, pa.RecordBatch], None]


@dataclass(slots=True)
class LeftOutCheck:
    """Sees what is read back, batch by batch; `finish` reads the population of the source once more."""

    plan: Plan
    decision: Decision
    screen: Screen
    _released: npt.NDArray[np.bool_] = field(init=False, repr=False)
    _given: GivenPseudonyms = field(init=False, repr=False)
    _proven: dict[tuple[str, str], pa.Array] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._released = np.zeros(len(self.decision.patients), bool)
        self._given = GivenPseudonyms(self.decision.patients)

    def see(self, planned: TablePlan, batch: pa.RecordBatch) -> None:
        """Hold released cells against the segments, and take note of the patients; raise VerificationError."""
        self.take(self.note(planned, batch))

    def take(self, note: Positions) -> None:
        """Take note of patients, as `note` returned them; it may have been called in another process."""
        self._released[note] = True

    def note(self, planned: TablePlan, batch: pa.RecordBatch) -> Positions:
        """Hold released cells against the segments, and return the patients, int32 (n,); raise VerificationError."""
        key = patient_pseudonym(planned)
        patient = np.zeros(0, np.int32)
        if key is not None:
            patient = np.unique(self._given.positions(batch.column(key.column.name)))
        elif planned.table.name == self.plan.dataset.population:
            # Who they are is not told; they are who was selected.
            patient = np.flatnonzero(self.decision.patients.selected).astype(np.int32)
        for step in planned.written:
            found = self._told(planned.table.name, step, batch.column(step.column.name))
            if found:
                raise VerificationError(
                    f"{shown(found)} codes of {planned.table.name}.{step.column.name} tell of a segment that is left "
                    "out",
                    hint=DEFECT,
                )
        return patient

    def finish(self, source: Source) -> None:
        """Raise VerificationError if the release holds anybody who is left out."""
        population = self.plan.dataset.table(self.plan.dataset.population)
        if population is None or population.patient is None:
            raise AssertionError("a dataset has a population table with a patient column")
        column = population.column(population.patient) or Column(population.patient, KINDS["unique_id"])
        choices, screen = self.screen.choices, self.screen
        released = np.zeros(len(screen.patients), bool)
        wrong = 0
        for raw in source.read(population.name, [column.name]):
            ids, _ = parse(column, raw.column(0))
            ids = ids.take(pa.array(np.flatnonzero(validity(ids))))
            mine, run = screen.patients.find(ids), self.decision.patients.find(ids)
            is_out = np.append(self._released, np.False_)[run]  # who has no position in the run has the last place
            left = choices.opted(ids) | choices.lacking(ids) | (screen.persons.bits[np.maximum(mine, 0)] != 0)
            wrong += int(np.count_nonzero(is_out & (left | (mine < 0))))
            released[mine[is_out & (mine >= 0)]] = True
        if wrong:
            raise VerificationError(f"{shown(wrong)} patients are released who are left out", hint=DEFECT)
        screen.released = released

    def _told(self, table: str, step: Step, cells: pa.Array) -> int:
        """Return how many distinct released values tell of a segment by themselves, whatever the day of their rows.

        An entry of a dictionary that no row points to is read by a recipient all the same.
        """
        if step.measure is not None:
            return 0
        if step.column.kind.name == PART2 and self.plan.policy.segments.part2_basis is None:
            empty_is_no = self.plan.dataset.part2_marks == "positive"
            return int(np.count_nonzero(is_marked(cells, empty_is_no=empty_is_no)))
        names = [r.name for r in self.screen.rules if ranges_of(r.name, step.column) and not r.states]
        if not names:
            return 0
        entries = cells.dictionary if isinstance(cells, pa.DictionaryArray) else cells
        if not pa.types.is_string(entries.type):
            return 0
        entries = pc.unique(entries) if entries is cells else entries
        place = (table, step.column.name)
        if place in self._proven and entries.equals(self._proven[place]):
            return 0
        pattern = _CODE_OF_ICD if step.column.kind.name.startswith("icd") else _CODE
        codes = entries.filter(pc.match_substring_regex(entries, pattern))
        found = sum(int(np.count_nonzero(told(name, step.column, codes, None))) for name in names)
        self._proven[place] = entries
        return found


def seen_by(see: See, check: LeftOutCheck | None) -> See:
    """Return what shows each batch that is read back to both."""
    if check is None:
        return see

    def both(planned: TablePlan, batch: pa.RecordBatch) -> None:
        check.see(planned, batch)
        see(planned, batch)

    return both
