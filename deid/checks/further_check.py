"""What released rows tell beside the vector, gathered from the decrypted output and held to `limits.risk.further`.

Memory: 17 to 21 bytes a patient to tell patients apart, 4 for the class, 4 for each table, 17 for each column of
numbers and 8 for each other column; 8 more, and 14 to 20 for each pair of patient and value, for the 65th value on; 14
to 20 and 8 for each column a distinct vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import scattered
from deid.disclosure.further import FurtherRisk, Knowledge, further_risk, worst_mean
from deid.disclosure.gathering import Amounts, ValueSets, VectorTags, grown
from deid.errors import DisclosureError
from deid.kinds import Role
from deid.observing.controls import Place
from deid.observing.decision import Decision
from deid.patients.tags import TagIndex
from deid.planning.plan import Plan, Step, TablePlan
from deid.release.small_counts import ENOUGH
from deid.transforms.map_codes import MapCodes

Numbers = npt.NDArray[np.int32]
Tags = npt.NDArray[np.uint64]

NUMBERS = {"charge_amount", "count", "length_of_stay"}  # kinds of which totals and greatest values are known
SETS: dict[str, str] = {  # of a kind, what the set of a patient's values is called
    **dict.fromkeys(("facility_id", "facility_name", "facility_place", "facility_state"), "facilities"),
    "facility_phone": "facilities",
    **dict.fromkeys(("npi", "provider_id", "provider_name"), "providers"),
    "provider_specialty": "specialties",
    "drg": "DRGs",
    "encounter_class": "classes of encounters",
    "place_of_service": "places of service",
    "admission_type": "types of admission",
    "discharge_status": "discharge statuses",
    "payer": "payers",
    **dict.fromkeys(("comorbidity", "comorbidity_score"), "comorbidities"),
    **dict.fromkeys(("visit_flag", "em_level", "readmission", "indicator"), "flags of visits"),
}


def is_counted(step: Step) -> bool:
    """Whether something may be known of a column; codes under a map are counted by the attack with known codes."""
    is_mapped = isinstance(step.transform, MapCodes)
    return not is_mapped and (step.column.kind.name in NUMBERS or step.column.kind.name in SETS)


def _vector_of(plan: Plan) -> set[Place]:
    """Return the quasi-identifiers of the population table: the vector, where the policy sets no k."""
    planned = plan.table(plan.dataset.population)
    steps = planned.written if planned is not None else ()
    return {(plan.dataset.population, s.column.name) for s in steps if s.column.kind.role is Role.QUASI}


@dataclass(frozen=True, slots=True)
class FurtherNote:
    """Rows that may be known, in runs of one patient each: tags, uint64 (n,), how many rows, int32 (n,), and cells.

    `people` is None where the table does not tell whose its rows are.
    """

    planned: TablePlan
    people: Tags | None = field(repr=False)
    rows: Numbers = field(repr=False)
    cells: Mapping[str, pa.Array] = field(repr=False)


class FurtherCheck:
    """Takes released batches, and says what knowing one or two more things of a patient comes to.

    It measures where the policy sets k or this ceiling. `vector`: columns that make up the class.
    """

    def __init__(self, plan: Plan, decision: Decision) -> None:
        self._limits = plan.policy.limits
        self._population = plan.dataset.population
        vectors = decision.controls.vectors
        self._vector = set(vectors.columns) if vectors is not None else _vector_of(plan)
        self._people = TagIndex()
        self._own: list[Place] = []  # what is shown of it in the population table
        self._shown = VectorTags()
        self._rows: dict[str, Numbers] = {}
        self._amounts: dict[Place, Amounts] = {}
        self._sets: dict[str, dict[Place, ValueSets]] = {}
        self._reduced: dict[Place, ValueSets] = {}
        self._unplaced: set[str] = set()

    @property
    def is_needed(self) -> bool:
        """Whether the policy counts patients who are alike, or sets a ceiling."""
        return self._limits.k is not None or self._limits.risk.further is not None

    def note(self, planned: TablePlan, batch: pa.RecordBatch, people: Tags | None) -> FurtherNote | None:
        """Return what a batch as it was read back tells, None for nothing; takes nothing in.

        `people`: tags of its rows' patients, None where the table tells none.
        """
        table, is_population = planned.table.name, planned.table.name == self._population
        if people is None:
            is_unplaced = not is_population and any(is_counted(step) for step in planned.written)
            return FurtherNote(planned, None, np.zeros(0, np.int32), {}) if is_unplaced else None
        # The rows of one patient mostly stand together.
        starts = np.flatnonzero(np.append(True, people[1:] != people[:-1])[: len(people)])
        rows = np.diff(starts, append=len(people)).astype(np.int32)
        told = [step.column.name for step in planned.written if self._is_told((table, step.column.name), step)]
        return FurtherNote(planned, people[starts], rows, {name: batch.column(name) for name in told})

    def take(self, note: FurtherNote) -> None:
        """Keep what a batch tells."""
        planned, table = note.planned, note.planned.table.name
        if note.people is None:
            self._unplaced.add(table)
            return
        patient = np.repeat(self._people.add(note.people)[0], note.rows).astype(np.int32)
        if table == self._population:
            self._own = [(table, s.column.name) for s in planned.written if (table, s.column.name) in self._vector]
            self._shown.add([note.cells[name] for _, name in self._own], patient, len(self._people))
        else:
            self._rows[table] = grown(self._rows.get(table, np.zeros(0, np.int32)), len(self._people))
            np.add.at(self._rows[table], patient.astype(np.intp), np.int32(1))
        for step in planned.written:
            gathered = self._gathered((table, step.column.name), step)
            if gathered is not None:
                gathered.add(note.cells[step.column.name], patient, len(self._people))

    def _is_told(self, place: Place, step: Step) -> bool:
        """Whether something is gathered of a column, or it is one of the vector."""
        return place in self._vector or is_counted(step)

    def _gathered(self, place: Place, step: Step) -> Amounts | ValueSets | None:
        """Return what a column is gathered in, None for nothing."""
        kind = step.column.kind.name
        if place in self._vector:
            return None if place[0] == self._population else self._reduced.setdefault(place, ValueSets())
        if not is_counted(step):
            return None
        if kind in NUMBERS:
            return self._amounts.setdefault(place, Amounts())
        return self._sets.setdefault(SETS[kind], {}).setdefault(place, ValueSets())

    def finish(self) -> FurtherRisk | None:
        """Return what was found, None where nothing was asked for or nobody is told.

        Raises DisclosureError where the worst thing that is held to the ceiling is above it.
        """
        if not self.is_needed:
            return None
        ceiling = self._limits.risk.further
        if ceiling is not None and self._unplaced:
            raise DisclosureError(
                f"what rows of {', '.join(sorted(self._unplaced))} tell of a patient cannot be counted, and the "
                f"policy allows {100 * ceiling:g} %",
                hint="release the patient's pseudonym in these tables, or leave them out",
            )
        size = len(self._people)
        known = list(self._known(size))
        found = further_risk(self._classes(size), known, fewer=self._limits.k or ENOUGH)
        if ceiling is not None and found is not None and any(g.is_held and g.mean > ceiling for g in found.single):
            held = [each for each in known if each.is_held]
            coarser = {".".join(place): worst_mean(self._classes(size, place), held) for place in sorted(self._vector)}
            raise _refusal(found, coarser, worst_mean(np.zeros(size, np.uint64), held), ceiling)
        return found

    def _classes(self, size: int, without: Place | None = None) -> Tags:
        """Return a tag for each patient, equal in one class, as if the column `without` were not released."""
        place = self._own.index(without) if without in self._own else None
        others = [sets for where, sets in self._reduced.items() if where != without]
        return scattered(self._shown.values(size, without=place) ^ _joint(others, size))

    def _known(self, size: int) -> Iterator[Knowledge]:
        for table, rows in sorted(self._rows.items()):
            yield Knowledge(f"number of rows of {table}", (table,), False, grown(rows, size)[:size].astype(np.uint64))
        for place, amounts in sorted(self._amounts.items()):
            column = ".".join(place)
            yield Knowledge(f"total of {column}", (column,), True, amounts.totals(size))
            yield Knowledge(f"greatest {column}", (column,), True, amounts.greatest(size))
        for name, columns in sorted(self._sets.items()):
            yield Knowledge(name, tuple(".".join(place) for place in columns), True, _joint(columns.values(), size))


def _joint(columns: Iterable[ValueSets], size: int) -> Tags:
    tags = np.zeros(size, np.uint64)
    for column in columns:
        tags = scattered(tags ^ scattered(column.values(size)))
    return tags


def _refusal(found: FurtherRisk, coarser: Mapping[str, float], alike: float, ceiling: float) -> DisclosureError:
    """Return why nothing is released, with the settings that are nearest to the ceiling.

    `coarser`: the worst chance as if a quasi-identifier were left out. `alike`: as if all were.
    """
    over = [gain for gain in found.single if gain.is_held and gain.mean > ceiling]
    worst = over[0]
    columns = list(dict.fromkeys(column for gain in over for column in gain.columns))
    rest = max((g.mean for g in found.single if g.is_held and not set(g.columns) & set(columns)), default=found.vector)
    return DisclosureError(
        f"who knows the {worst.names[0]} of a patient beside the released quasi-identifiers is right with a chance of "
        f"{100 * worst.mean:.1f} % on average; the policy allows {100 * ceiling:g} %",
        hint=f"coarsen or leave out {', '.join(columns)}: without them it is {100 * rest:.1f} %; "
        f"{_coarser(coarser, alike, ceiling)}; or allow limits.risk.further: {np.ceil(1_000 * worst.mean) / 1_000:g}",
    )


def _coarser(coarser: Mapping[str, float], alike: float, ceiling: float) -> str:
    """Return what leaving out quasi-identifiers comes to: the one that costs least, else the best, else all of them."""
    enough = {place: mean for place, mean in coarser.items() if mean <= ceiling}
    if enough:
        # What is just below the ceiling is the smallest change.
        place = max(enough, key=lambda name: (enough[name], name))
        return f"or coarsen or leave out the quasi-identifier {place}: without it it is {100 * enough[place]:.1f} %"
    if alike <= ceiling:
        return f"or release coarser quasi-identifiers, more than one of them: without any it is {100 * alike:.1f} %"
    return f"coarser quasi-identifiers alone do not do: without any it is {100 * alike:.1f} %"
