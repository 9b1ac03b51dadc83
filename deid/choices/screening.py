"""The reading before a run: who and what is left out of it.

The population is read first, for patients' choices; then every table that tells of a segment, for the visits of its
rows; then, where a row names two numbers of visits, the tables with both, until no visit is joined to a marked one any
more; and last what is released, for patients who lose every row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain, validity
from deid.cells.days import NO_DAY
from deid.cells.values import parse
from deid.choices.applying import NO_CONSENT, OPTED_OUT, Days, choices_for
from deid.choices.lists import ChoiceList
from deid.choices.logged import known_lists
from deid.choices.screen import NOTHING_LEFT, Bits, Persons, Screen, VisitMarks, agreed
from deid.choices.subject import Subject
from deid.documents.site import Site
from deid.errors import SourceError
from deid.keys.base import KeyProvider
from deid.kinds import KINDS
from deid.observing.rows import LinkMap
from deid.observing.selection import days_of
from deid.patients.positions import Patients, Positions, Tagger
from deid.release.small_counts import shown
from deid.schema import Column, Table
from deid.sealing.private import make_folder
from deid.sealing.sealed import SealedMap
from deid.segments.rules import STATES, Unit
from deid.segments.telling import VisitKey, telling_columns
from deid.sources import Source, open_source

Progress = Callable[[str, int], None]
SealedMaps = Callable[..., SealedMap]
_SEXES = {"F": 1, "FEMALE": 1, "2": 1, "M": 2, "MALE": 2, "1": 2}  # 1 and 2 as CMS writes them
_PLACES = {state: place for place, state in enumerate(sorted(STATES))}


def screened(
    subject: Subject,
    lists: Sequence[ChoiceList],
    source: Source,
    sealed_map: SealedMaps,
    progress: Progress,
    *,
    on: Days,
) -> Screen | None:
    """Return what is left out of a run, None where nothing may be; raise PlanError or SourceError.

    `lists`: every list of the site. `sealed_map`: makes a sealed map of these columns. `on`: the days on which choices
    must hold.
    """
    choices = choices_for(subject, lists, on)
    rules = subject.rules
    if not choices.leave_out and not rules:
        return None
    screen = Screen(subject, choices, rules, Patients(keeps=frozenset()), Persons(), {}, VisitMarks())
    _Screening(screen, source, sealed_map, progress).run()
    return screen


def screened_alone(
    subject: Subject,
    site: Site,
    provider: KeyProvider,
    stack: ExitStack,
    progress: Progress,
    *,
    on: date,
    is_past: bool = False,
) -> Screen | None:
    """Return the same for who reads the source beside a run; `stack` closes what it keeps. Raises StorageError too.

    `is_past`: whether `on` is the day of a release that was made.
    """
    spill = make_folder(site.state / "spill")

    def sealed_map(**columns: pa.DataType) -> SealedMap:
        return stack.enter_context(SealedMap(pa.schema(list(columns.items())), folder=spill))

    known = known_lists(site, provider)
    days = (on, on) if is_past else known.days(on)
    return screened(subject, known.lists, open_source(subject.dataset), sealed_map, progress, on=days)


class _Screening:
    """Fills a screen, table by table."""

    def __init__(self, screen: Screen, source: Source, sealed_map: SealedMaps, progress: Progress) -> None:
        self._screen, self._source, self._sealed_map, self._progress = screen, source, sealed_map, progress
        subject = screen.subject
        self._dataset = subject.dataset
        self._telling = list(subject.telling())
        self._visited = list(subject.visited())
        read = subject.read | {table.name for table in (self._visited if screen.rules else ())}
        self._linked = [t for t in self._dataset.tables if t.link is not None and t.name in read]
        targets = {t.link.to for t in self._linked if t.link is not None}
        self._targets = [t for t in self._dataset.tables if t.name in targets and t.name != self._dataset.population]

    def run(self) -> None:
        """Find everything that is left out."""
        population = self._dataset.table(self._dataset.population)
        if population is None or population.patient is None:
            raise AssertionError("a dataset has a population table with a patient column")
        self._screen.persons.grow(1)
        self._population(population)
        for table in self._targets:
            for values, keys in self._read(table, self._keys_to(table)):
                self._link(table, values, self._screen.positions(table, keys))
            self._close_links(table)
        if not self._screen.rules:
            return
        self._mark()
        while self._spread():
            pass
        self._left_with_nothing()

    def _population(self, table: Table) -> None:
        births, sexes, states = (list(table.of_kind(kind))[:1] for kind in ("birth_date", "sex", "state"))
        columns = [c.name for c in (*births, *sexes, *states)]
        columns += [c.name for rule in self._screen.rules for c in telling_columns(rule, table)]
        persons, screen = self._screen.persons, self._screen
        for values, keys in self._read(table, [*columns, *self._keys_to(table)]):
            patient = np.full(len(keys), -1, np.int32)
            there, known = np.flatnonzero(validity(keys)), len(screen.patients)
            patient[there] = screen.patients.admit(keys.take(pa.array(there)))
            persons.grow(len(screen.patients))
            if births:
                agreed(persons.birth, patient[there], days_of(values[births[0].name])[there], known, NO_DAY)
            if states:
                places = _numbers(values[states[0].name], _PLACES, -1)[there]
                agreed(persons.state, patient[there], places, known, -1)
            if sexes:
                persons.sex[patient[there]] = _numbers(values[sexes[0].name], _SEXES, 0)[there]
            if screen.choices.part2 is not None:
                persons.consents[patient[there]] = screen.choices.consents(keys)[there]
            bits = np.where(screen.choices.opted(keys), screen.bit(OPTED_OUT), np.uint32(0))
            bits |= np.where(screen.choices.lacking(keys), screen.bit(NO_CONSENT), np.uint32(0))
            bits |= screen.own_bits(table, values, patient)
            np.bitwise_or.at(persons.bits, patient[there], bits[there].astype(np.uint32))
            self._link(table, values, patient)
        self._close_links(table)

    def _mark(self) -> None:
        """Note the visits of rows that are told, and the patients of those whose rule or row has no visit."""
        maps = self._new_maps()
        whole = [self._screen.bit(rule.name) for rule in self._screen.rules if rule.exclude is Unit.PATIENTS]
        patients = np.bitwise_or.reduce(np.array(whole, np.uint32), initial=np.uint32(0))
        for table in self._telling:
            for values, keys in self._read(table, self._screen.columns(table)):
                patient = self._screen.positions(table, keys)
                bits = self._screen.own_bits(table, values, patient)
                _refuse_nobodys(table, bits, patient)
                told = patient >= 0
                np.bitwise_or.at(self._screen.persons.bits, patient[told], (bits & patients)[told])
                np.bitwise_or.at(self._screen.persons.told, patient[told], bits[told])
                for key in self._screen.subject.keys(table):
                    self._note(maps[key.space], key, values, patient, bits)
        self._keep(maps)

    def _spread(self) -> bool:
        """Mark the visits that rows join to marked ones by their other number; return whether there were any."""
        maps, found = self._new_maps(), False
        for table in self._visited:
            numbered = self._screen.subject.keys(table)
            if len(numbered) < 2:
                continue  # nothing is joined by one number
            for values, keys in self._read(table, self._screen.columns(table)):
                patient = self._screen.positions(table, keys)
                held = [self._screen.visits.bits(key.space, values[key.column], patient) for key in numbered]
                joined = np.bitwise_or.reduce(held)
                for key, bits in zip(numbered, held, strict=True):
                    fresh = (joined & ~bits).astype(np.uint32)
                    found = self._note(maps[key.space], key, values, patient, fresh) or found
        self._keep(maps)
        return found

    def _left_with_nothing(self) -> None:
        """Note the patients who have rows, or rows that a reader could see, all of which are left out."""
        persons, subject = self._screen.persons, self._screen.subject
        seen = subject.asked | {self._dataset.encounters}
        lost, kept = np.zeros((2, 2, len(persons.bits)), bool)  # of any table, and of those that a reader could see
        for table in self._visited:
            views = slice(2 if table.name in seen else 1)
            for values, keys in self._read(table, self._screen.columns(table)):
                patient = self._screen.positions(table, keys)
                bits = self._screen.bits_of(table, values, patient)
                known, gone = patient >= 0, bits != 0
                np.bitwise_or.at(persons.touched, patient[known & gone], bits[known & gone])
                lost[views, patient[known & gone]] = True
                kept[views, patient[known & ~gone]] = True
        emptied = (lost & ~kept).any(axis=0) & (persons.bits == 0)
        persons.bits[emptied] |= self._screen.bit(NOTHING_LEFT)

    def _read(self, table: Table, names: Sequence[str]) -> Iterator[tuple[dict[str, pa.Array], pa.Array]]:
        """Yield typed columns and keys; a mark or a day that cannot be parsed is null, and so may be of any segment."""
        key = table.patient if table.patient is not None else table.link.on if table.link is not None else ""
        every = list(dict.fromkeys([key, *names]))
        columns = [table.column(name) or Column(name, KINDS["unique_id"]) for name in every]
        self._progress(f"screening {table.name}", 0)
        for raw in self._source.read(table.name, every):
            values = {c.name: parse(c, cells)[0] for c, cells in zip(columns, raw.columns, strict=True)}
            yield values, values[key]
            self._progress(f"screening {table.name}", raw.num_rows)

    def _keys_to(self, target: Table) -> list[str]:
        return [t.link.key for t in self._linked if t.link is not None and t.link.to == target.name]

    def _link(self, target: Table, values: dict[str, pa.Array], patient: Positions) -> None:
        for table in self._linked:
            if table.link is None or table.link.to != target.name:
                continue
            if table.name not in self._screen.links:
                numbers = self._sealed_map(patient=pa.int32())
                self._screen.links[table.name] = LinkMap(Tagger.fresh(), numbers)
            held = self._screen.links[table.name]
            keys = values[table.link.key]
            good = np.flatnonzero(validity(keys) & (patient >= 0))
            payload = pa.record_batch([pa.array(patient[good])], names=["patient"])
            held.positions.add(held.tagger.tags(keys.take(pa.array(good))), payload)

    def _close_links(self, target: Table) -> None:
        for table in self._linked:
            if table.link is not None and table.link.to == target.name and table.name in self._screen.links:
                self._screen.links[table.name].positions.freeze()

    def _new_maps(self) -> defaultdict[str, SealedMap]:
        return defaultdict(lambda: self._sealed_map(bits=pa.uint64()))

    def _note(
        self, marks: SealedMap, key: VisitKey, values: Mapping[str, pa.Array], patient: Positions, bits: Bits
    ) -> bool:
        """Note the visits of rows with reasons; return whether there were any."""
        ids = values[key.column]
        chosen = np.flatnonzero((bits != 0) & (patient >= 0) & validity(ids))
        if not len(chosen):
            return False
        tagger = self._screen.visits.taggers[key.space]
        tags = tagger.visit_tags(ids.take(pa.array(chosen)), patient[chosen])
        marks.add(tags, pa.record_batch([pa.array(bits[chosen].astype(np.uint64))], names=["bits"]))
        return True

    def _keep(self, maps: dict[str, SealedMap]) -> None:
        for space, marks in maps.items():
            if len(marks):
                marks.freeze("united")
                self._screen.visits.maps.setdefault(space, []).append(marks)


def _refuse_nobodys(table: Table, bits: Bits, patient: Positions) -> None:
    """Refuse rows that are told and have no patient: their visit cannot be left out."""
    if table.link is not None and table.link.others == "leave_out":
        return  # rows about others are no part of the dataset
    nobodys = int(np.count_nonzero((bits != 0) & (patient < 0)))
    if nobodys:
        raise SourceError(
            f"{table.name}: {shown(nobodys)} rows belong to a segment that is left out, and to no known patient",
            hint="mend their patient keys: the other rows of their visits could not be left out",
        )


def _numbers(cells: pa.Array, known: Mapping[str, int], otherwise: int) -> npt.NDArray[np.int8]:
    """Return the number of each text among known ones, int8 (n,)."""
    texts = pc.utf8_upper(plain(cells).cast(pa.string()))
    place = pc.index_in(texts, value_set=pa.array(list(known)))
    numbers = np.array([*known.values(), otherwise], np.int8)
    return np.asarray(numbers[place.fill_null(len(known)).to_numpy(zero_copy_only=False)], np.int8)
