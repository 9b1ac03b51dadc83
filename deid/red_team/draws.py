"""What outsiders know, drawn from the identified population under a seed: targets, days, codes, names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.knowledge import MOST_CODES, MOST_DAYS, Knowledge, KnownCodes, People, Place
from deid.attacks.people import VOTER
from deid.cells.days import NO_DAY, number_of
from deid.cells.places import zip5
from deid.observing.selection import days_of
from deid.opening.opened import OpenedRelease
from deid.planning.plan import Plan
from deid.red_team.identified import Coded, Population
from deid.visits.stays import is_inpatient

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
_OPEN = 0.005  # a weekday with fewer of the routine visits than this is one on which the clinic is closed
_EMERGENCY = frozenset({"EMER", "EMERGENCY", "ER", "ED"})
_THURSDAY = 3
_WHO = ("birth_date", "zip_code", "sex")


def draw(
    plan: Plan,
    population: Population,
    in_release: Int64,
    *,
    targets: int,
    seed: int,
    voters: pa.Table | None = None,
    earlier: OpenedRelease | None = None,
    other: OpenedRelease | None = None,
) -> tuple[Knowledge, Int64]:
    """Return what outsiders know, and the positions in the population of the targets that somebody knows closely.

    `in_release`: positions of the people who are in the release; of these those targets are drawn. The public ones are
    the whole population in its order and, after it, the voters beside it.
    """
    rng = np.random.default_rng(seed)
    close = np.sort(rng.choice(in_release, min(targets, len(in_release)), replace=False))
    closed, routine = opening_days(population)
    window = plan.request.window
    known = Knowledge(
        public=public(population, voters),
        close=_people(population, close, rng),
        identifiers=population.people.identifiers,
        closed=closed,
        routine=routine,
        window=(number_of(window[0]), number_of(window[1])) if window else None,
        earlier=earlier,
        other=other,
    )
    return known, close


def public(population: Population, voters: pa.Table | None) -> People:
    """Return everybody as a voter list shows them: the population, and `voters`, whose columns are named by kinds.

    A voter who has birth date, ZIP code and sex of somebody of the population is taken to be that person.
    """
    people = population.people
    columns = {p: v for p, v in people.columns.items() if people.kinds[p] in VOTER and p not in people.reduced}
    birth_day = population.people.birth_day
    if voters is not None:
        columns = {p: v for p, v in columns.items() if population.people.kinds[p] in voters.column_names}
        others = _others(population, columns, voters)
        births = others.column("birth_date").combine_chunks() if "birth_date" in others.column_names else None
        columns = {
            p: pa.concat_arrays([v, others.column(population.people.kinds[p]).combine_chunks().cast(v.type)])
            for p, v in columns.items()
        }
        extra = days_of(births) if births is not None else np.full(len(others), NO_DAY, np.int32)
        birth_day = np.concatenate([birth_day, extra])
    count = len(birth_day)
    days = np.full((count, MOST_DAYS), NO_DAY, np.int32)
    none = days[:, 0]
    kinds = {place: population.people.kinds[place] for place in columns}
    return People(columns, kinds, birth_day, days, None, _none(count), none, _none(count), none, {})


def _others(population: Population, columns: dict[Place, pa.Array], voters: pa.Table) -> pa.Table:
    """Return the voters who are nobody of the population."""
    shared = [(p, v) for p, v in columns.items() if population.people.kinds[p] in _WHO]
    mine = np.zeros(len(population), np.int64)
    theirs = np.zeros(len(voters), np.int64)
    for place, values in shared:
        kind = population.people.kinds[place]
        known = _text(kind, values)
        distinct = pc.unique(known)
        width = len(distinct) + 1
        asked = _text(kind, voters.column(kind).combine_chunks()).cast(distinct.type)
        mine = mine * width + _places(known, distinct)
        theirs = theirs * width + _places(asked, distinct)
    # Sorted once and searched: of millions of voters few are patients.
    known_keys = np.unique(mine)
    at = np.minimum(np.searchsorted(known_keys, theirs), max(len(known_keys) - 1, 0))
    is_patient = known_keys[at] == theirs if len(known_keys) and shared else np.zeros(len(theirs), bool)
    return voters.filter(pa.array(~is_patient))


def _places(cells: pa.Array, distinct: pa.Array) -> Int64:
    at = pc.fill_null(pc.index_in(cells, value_set=distinct), len(distinct))
    return np.asarray(at.to_numpy(zero_copy_only=False), np.int64)


def _text(kind: str, values: pa.Array) -> pa.Array:
    return zip5(values.cast(pa.string())) if kind == "zip_code" else values


def _people(population: Population, at: Int64, rng: np.random.Generator) -> People:
    rows = pa.array(at)
    days, codes = _days(population, at, rng), _codes(population, at, rng)
    visit_day, visit_codes = _one_visit(population, at, rng)
    return People(
        columns={place: values.take(rows) for place, values in population.people.columns.items()},
        kinds=population.people.kinds,
        birth_day=population.people.birth_day[at],
        days=days,
        day_place=population.visits.place,
        codes=codes,
        visit_day=visit_day,
        visit_codes=visit_codes,
        first_day=_first_days(population)[at],
        names={what: names.take(rows) for what, names in population.people.names.items()},
        reduced=population.people.reduced,
    )


def _drawn(who: Int64, most: int, rng: np.random.Generator) -> tuple[Int64, Int64, Int64]:
    """Return (patient, rank, row) of up to `most` rows of each patient, drawn without replacement."""
    order = np.lexsort((rng.random(len(who)), who))
    rank = np.arange(len(who)) - np.searchsorted(who[order], who[order])
    kept = rank < most
    return who[order][kept], rank[kept], order[kept]


def _days(population: Population, at: Int64, rng: np.random.Generator) -> Int32:
    pairs = np.unique(np.stack([population.visits.patient, population.visits.day.astype(np.int64)]), axis=1)
    patient, rank, row = _drawn(pairs[0], MOST_DAYS, rng)
    days = np.full((len(population), MOST_DAYS), NO_DAY, np.int32)
    days[patient, rank] = pairs[1][row]
    return days[at]


def _first_days(population: Population) -> Int32:
    first = np.full(len(population), np.iinfo(np.int32).max, np.int32)
    np.minimum.at(first, population.visits.patient, population.visits.day)
    return np.where(first == np.iinfo(np.int32).max, NO_DAY, first).astype(np.int32)


def _codes(population: Population, at: Int64, rng: np.random.Generator) -> KnownCodes:
    """Draw distinct codes of each target, evenly over the codes that the record holds."""
    kinds, patient, code = _joined(population.codes)
    if not kinds:
        return _none(len(at))
    text = code.dictionary_encode()
    numbers = text.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    pairs = np.unique(np.stack([patient, numbers]), axis=1)
    who, rank, row = _drawn(pairs[0], MOST_CODES, rng)
    return _known(kinds, text.dictionary, who, rank, pairs[1][row], len(population), MOST_CODES, at)


def _one_visit(population: Population, at: Int64, rng: np.random.Generator) -> tuple[Int32, KnownCodes]:
    """Draw one visit of each target that has two codes, its day and two of its codes."""
    day = np.full(len(population), NO_DAY, np.int32)
    tables = {part.table for part in population.codes if (part.visit >= 0).any()}
    rows = {table: sum(len(p.patient) for p in population.codes if p.table == table) for table in tables}
    if not rows:
        return day[at], _none(len(at))
    chief = max(sorted(rows), key=rows.__getitem__)
    parts = tuple(part for part in population.codes if part.table == chief)
    kinds, patient, code = _joined(parts)
    visit = np.concatenate([part.visit for part in parts])
    visit_day = np.concatenate([part.day for part in parts])
    text = code.dictionary_encode()
    numbers = text.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    triples = np.unique(np.stack([visit, numbers, patient]), axis=1)
    triples = triples[:, triples[0] >= 0]
    of_visit, rank, row = _drawn(triples[0], 2, rng)
    second = rank == 1
    visits, owner = of_visit[second], triples[2][row[second]]
    mine, _, chosen = _drawn(owner, 1, rng)
    picked = np.full(int(visit.max()) + 1, -1, np.int64)
    picked[visits[chosen]] = mine
    use = picked[of_visit] >= 0
    days = np.full(len(picked), NO_DAY, np.int32)
    days[visit[visit >= 0]] = visit_day[visit >= 0]
    day[mine] = days[visits[chosen]]
    who, number = picked[of_visit[use]], triples[1][row[use]]
    return day[at], _known(kinds, text.dictionary, who, rank[use], number, len(population), 2, at)


def _joined(parts: tuple[Coded, ...]) -> tuple[tuple[str, ...], Int64, pa.Array]:
    """Return kinds, and patient and code with its kind before it of all rows."""
    kinds = tuple(dict.fromkeys(part.kind for part in parts))
    if not parts:
        return (), np.zeros(0, np.int64), pa.array([], pa.string())
    code = pa.concat_arrays(
        [pc.binary_join_element_wise(str(kinds.index(part.kind)), part.code, ":") for part in parts]
    )
    return kinds, np.concatenate([part.patient for part in parts]), code


def _known(
    kinds: tuple[str, ...],
    texts: pa.Array,
    who: Int64,
    rank: Int64,
    number: Int64,
    people: int,
    most: int,
    at: Int64,
) -> KnownCodes:
    held = np.full((people, most), -1, np.int64)
    held[who, rank] = number
    flat = held[at].reshape(-1)
    packed = texts.take(pa.array(np.where(flat < 0, 0, flat), mask=flat < 0))
    kind = pc.fill_null(pc.cast(pc.utf8_slice_codeunits(packed, 0, 1), pa.int8()), -1)
    code = pc.utf8_slice_codeunits(packed, 2)
    return KnownCodes(kinds, kind.to_numpy(zero_copy_only=False).reshape(len(at), most), code)


def _none(targets: int) -> KnownCodes:
    return KnownCodes((), np.full((targets, MOST_CODES), -1, np.int8), pa.nulls(targets * MOST_CODES, pa.string()))


def opening_days(population: Population) -> tuple[frozenset[int], frozenset[str]]:
    """Return the weekdays on which planned visits hardly ever happen, and the classes of planned visits."""
    klass = population.visits.klass
    day = population.visits.day
    routine: frozenset[str] = frozenset()
    if klass is not None:
        words = [word for word in pc.unique(klass).to_pylist() if word]
        inpatient = is_inpatient(pa.array(words, pa.string()))
        routine = frozenset(
            w for w, bed in zip(words, inpatient, strict=True) if not bed and w.upper() not in _EMERGENCY
        )
        kept = pc.is_in(klass, value_set=pa.array(sorted(routine), pa.string())).to_numpy(zero_copy_only=False)
        day = day[kept]
    shares = np.bincount((day.astype(np.int64) + _THURSDAY) % 7, minlength=7) / max(len(day), 1)
    closed = frozenset(np.flatnonzero(shares < _OPEN).tolist()) if len(day) else frozenset()
    return (closed if len(closed) < 7 else frozenset()), routine
