"""The attack with known codes, made once more on what was really written.

Items are read back with their patients. They must be what the map makes of each patient's codes, no more and no fewer:
then the candidates of an attacker are those that the run counted, and the attack on them is the attack on the release.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.codes.formed import entries_of
from deid.disclosure.dated import Tied
from deid.disclosure.leaves import vector_texts
from deid.disclosure.sampling import Dates
from deid.errors import VerificationError
from deid.known_codes.code_decision import Mapped, attacked
from deid.known_codes.code_entries import levels_under, mapped_steps
from deid.known_codes.code_sets import not_sets, sets_of
from deid.known_codes.date_entries import DateEntries, DatesNoted
from deid.known_codes.dated_steps import dated_steps
from deid.known_codes.entries import NO_VISIT, Entries
from deid.known_codes.tied_entries import TiedEntries, TiedNote
from deid.observing.decision import Decision
from deid.patients.positions import Tagger
from deid.patients.tags import TagIndex
from deid.planning.plan import Plan, TablePlan

Numbers = npt.NDArray[np.int32]
DEFECT = "nothing was published; report this as a defect of deid, with the name of the column and the rule"


@dataclass(frozen=True, slots=True)
class ItemNote:
    """Released items of some rows by column, int32 (n,) each, -1 for none, with the dates beside them.

    `vectors`: of rows of the population, tags of what they show of the vector, uint64 (n,).
    """

    patient: Numbers = field(repr=False)
    items: tuple[Numbers, ...] = field(repr=False)
    dates: tuple[DatesNoted, ...] = field(repr=False)
    tied: TiedNote | None = field(repr=False)
    vectors: npt.NDArray[np.uint64] | None = field(repr=False)


class CodeCheck:
    """Gathers the released items of each patient, 16 bytes for each distinct one, and attacks them."""

    def __init__(self, plan: Plan, decision: Decision) -> None:
        self._plan, self._decision = plan, decision
        self._mapped = decision.mapped
        self._released = Entries()
        self._days = DateEntries(plan, decision)
        self._ties = TiedEntries(plan)
        self._tagger = Tagger.fresh()
        self._vectors = TagIndex()
        self._vector = np.zeros(len(decision.patients), np.int32)

    def checks(self, planned: TablePlan) -> bool:
        """Whether rows of a table are to be seen with their patients."""
        is_population = planned.table.name == self._plan.dataset.population
        if self._mapped is None:
            return bool(mapped_steps(planned))
        dated = bool(dated_steps(self._plan, planned)) or planned.table.name in self._ties.steps
        return bool(mapped_steps(planned)) or is_population or dated

    def note(self, planned: TablePlan, batch: pa.RecordBatch, patient: Numbers) -> ItemNote:
        """Return what is told by a batch as it was read back; raise VerificationError for what no code becomes.

        `patient`: int32 (n,), the run's position of each row's patient.
        """
        table = planned.table.name
        self._sets(planned, batch)
        items = []
        for step in mapped_steps(planned):
            system = levels_under(self._plan, step.column).system.name
            items.append(self._numbers(system, f"{table}.{step.column.name}", batch.column(step.column.name)))
        cells = {name: batch.column(name) for name in self._ties.columns(table)}
        tied, dates = self._ties.note(table, cells, patient), self._days.note_released(planned, batch, patient)
        vectors = None
        if table == self._plan.dataset.population:
            shown = self._decision.controls.vectors
            places = [place for place in shown.columns if place[0] == table] if shown else []
            texts = vector_texts([batch.column(column) for _, column in places], batch.num_rows)
            vectors = self._tagger.tags(texts)
        return ItemNote(patient, tuple(items), dates, tied, vectors)

    def take(self, note: ItemNote) -> None:
        """Keep what a batch tells."""
        tied, patient = self._ties.take(note.tied) if note.tied is not None else None, note.patient
        for numbers in note.items:
            has = numbers >= 0
            none = np.full(int(has.sum()), NO_VISIT)
            self._released.add(patient[has], numbers[has], none)
            if tied is not None:
                self._ties.add(tied, np.flatnonzero(has), patient[has], numbers[has], none)
        self._days.take(note.dates)
        if note.vectors is not None:
            self._vector[patient] = self._vectors.add(note.vectors)[0]

    def _sets(self, planned: TablePlan, batch: pa.RecordBatch) -> None:
        """Check that codes side by side in a row are a set: in another order their places would tell ranks."""
        for steps in sets_of(planned):
            names = [step.column.name for step in steps]
            told = not_sets([batch.column(name) for name in names])
            if told:
                raise VerificationError(
                    f"{told:,} rows of {planned.table.name} hold {names[0]} to {names[-1]} in another order than that "
                    "of their text, or one code twice",
                    hint=DEFECT,
                )

    def finish(self) -> Mapped | None:
        """Return what was decided with the figures of the attack on what was written, None where nothing is mapped.

        Raises VerificationError unless the release holds what the map makes and no adversary is over the ceiling.
        """
        mapped = self._mapped
        if mapped is None:
            return None
        patients = len(self._decision.patients)
        expected = Entries()
        coded = mapped.coded
        rows = np.flatnonzero((mapped.chosen[coded.code] >= 0) & ~mapped.hidden)
        items = mapped.chosen[coded.code[rows]]
        expected.add(coded.patient[rows], items, np.full(len(rows), NO_VISIT), coded.mentions[rows])
        wanted, found = expected.coded(patients), self._released.coded(patients)
        same = [np.array_equal(getattr(wanted, name), getattr(found, name)) for name in ("patient", "code")]
        if not (all(same) and self._as_often(wanted.code, wanted.mentions, found.mentions)):
            raise VerificationError("released codes are not those that the map makes of each patient's", hint=DEFECT)
        self._tied_as_decided(mapped)
        klass = self._classes(coded.klass)
        limits = mapped.limits
        k = self._plan.policy.limits.k or 0
        risk = attacked(mapped, k, klass=klass)
        dates = self._dates()
        dated = attacked(mapped, k, klass=klass, dates=dates) if dates is not None else None
        for each in (risk, dated):
            if each is not None and each.bound > limits.ceiling:
                known = f"{limits.known} known codes" + (f" and {each.dates} known dates" if each.dates else "")
                raise VerificationError(
                    f"{known} identify {100 * each.mean:.1f} % of the released patients; the policy allows "
                    f"{100 * limits.ceiling:g} %",
                    hint=DEFECT,
                )
        return replace(mapped, risk=risk, dated=dated, dates=dates)

    def _tied_as_decided(self, mapped: Mapped) -> None:
        """Raise VerificationError unless each patient's items stand beside the dates that were attacked with them."""
        found, tied = self._ties.found(len(self._decision.patients)), mapped.tied
        if found is None and tied is None:
            return
        same = found is not None and tied is not None
        if found is not None and tied is not None:
            entry = tied.entry_of(mapped.coded)
            items = np.where(mapped.hidden, -1, mapped.chosen[mapped.coded.code])[entry]
            same = np.array_equal(_told(tied, items), _told(found, found.of_code[found.coded.code]))
        if not same:
            raise VerificationError("released dates are not those that were attacked with their codes", hint=DEFECT)

    def _as_often(self, items: Numbers, wanted: Numbers, found: Numbers) -> bool:
        """Whether items stand as often as their codes did; in sets at most as often, where several became one."""
        mapped = self._mapped
        steps = (own[0] for planned in self._plan.tables for own in sets_of(planned))
        systems = {levels_under(self._plan, step.column).system.name for step in steps}
        if mapped is None:
            return True
        kinds = [number for number, system in enumerate(mapped.items.systems) if system in systems]
        joined = np.isin(mapped.items.system_of_item[items], kinds)
        return bool(((found == wanted) | (joined & (found < wanted))).all())

    def _dates(self) -> Dates | None:
        """Return the dates as they were read back; raise VerificationError where others were counted."""
        found, wanted = self._days.dates(), self._mapped.dates if self._mapped is not None else None
        if found is None and wanted is None:
            return None
        same = found is not None and wanted is not None and found.moved == wanted.moved
        if same and found is not None and wanted is not None:
            same = np.array_equal(found.patient, wanted.patient) and np.array_equal(found.unit, wanted.unit)
        if not same:
            raise VerificationError("released dates are not those that were attacked beside codes", hint=DEFECT)
        return found

    def _numbers(self, system: str, name: str, cells: pa.Array) -> Numbers:
        """Return the item of each cell, -1 for an empty one; raise VerificationError for what no code becomes."""
        entries, places = entries_of(cells)
        if self._mapped is None:
            numbers = np.full(len(entries), -1, np.int32)
        else:
            items = self._mapped.items
            kind = items.systems.index(system) if system in items.systems else -1
            own = np.flatnonzero(items.system_of_item == kind).astype(np.int32)
            at = pc.index_in(entries, value_set=items.texts.take(pa.array(own)), skip_nulls=True)
            numbers = np.append(own, np.int32(-1))[at.fill_null(-1).to_numpy()]
            made = np.unique(self._mapped.chosen[items.tree.kinds == kind])
            numbers = np.where(np.isin(numbers, made), numbers, np.int32(-1))
        used = np.unique(places[places < len(entries)])
        finer = int((numbers[used] < 0).sum())
        if finer:
            raise VerificationError(f"{finer:,} codes of {name} are not what their map makes of them", hint=DEFECT)
        return np.append(numbers, np.int32(-1))[places].astype(np.int32)

    def _classes(self, decided: Numbers) -> Numbers:
        """Return classes as released patients show them, parted by what was decided where columns were reduced."""
        stays = np.flatnonzero(decided >= 0)
        keys = self._vector[stays].astype(np.int64) * (int(decided.max(initial=0)) + 1) + decided[stays]
        klass = np.full(len(decided), -1, np.int32)
        klass[stays] = np.unique(keys, return_inverse=True)[1]
        return klass


def _told(tied: Tied, items: Numbers) -> npt.NDArray[np.uint64]:
    """Return what a release tells: the distinct (patient, item, dates, day), sorted, uint64 (n, 4)."""
    shown = np.flatnonzero(items >= 0)
    compound = tied.coded.code[shown]
    day = tied.day[compound] if tied.day is not None else np.zeros(len(shown), np.int32)
    columns = (tied.coded.patient[shown], items[shown], tied.prints[tied.unit[compound]], day.astype(np.int64))
    return np.unique(np.stack([column.astype(np.uint64) for column in columns], axis=1), axis=0)
