"""What a ledger tells people: aggregate figures, counts of one to ten patients as "1-10"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec import UNSET

from deid.cells.buffers import plain
from deid.errors import DeidError, StorageError
from deid.ledger.book import Book
from deid.ledger.records import JoinFigure, ReleaseEntry
from deid.ledger.state import EXCLUDED, HELD, LEFT, NAMES, RELEASED, joint, sizes
from deid.ledger.store import Held, Series, check, read
from deid.observing.controls import Place
from deid.release.small_counts import Count, shown


@dataclass(frozen=True, slots=True)
class ReleaseFigures:
    """One release; `movement`: patients by what the release did with them, as `deid.ledger.Movement` names them.

    `codes_union`: the largest mean chance by known codes over all releases up to this one, None where none was held.
    """

    number: int
    release: str
    period: str | None
    created: str
    joint_k: int
    movement: Mapping[str, Count]
    joins: tuple[JoinFigure, ...]
    codes_union: float | None = None


@dataclass(frozen=True, slots=True)
class SeriesFigures:
    """A series as its ledger knows it; `joint_k`: the smallest joint class over all releases, 0 where there is none."""

    request: str
    party: str
    mode: str
    k: int
    generation: int
    joint_k: int
    classes: int
    arrival_groups: int
    withheld_pairs: int
    released: Count
    held: Count
    left: Count
    excluded: Count
    releases: tuple[ReleaseFigures, ...]


def figures(book: Book, generation: int) -> SeriesFigures:
    """Return the figures of a book."""
    state = book.state
    is_shown = state.shown
    return SeriesFigures(
        request=book.request,
        party=book.party,
        mode=book.frozen.mode,
        k=book.frozen.k,
        generation=generation,
        joint_k=joint(state, k=book.frozen.k, is_increment=book.is_increment).smallest,
        classes=len(np.unique(state.klass[is_shown])),
        arrival_groups=len(sizes(state.klass[is_shown], state.arrival[is_shown])),
        withheld_pairs=book.withheld.count,
        released=_count(state.state, RELEASED),
        held=_count(state.state, HELD),
        left=_count(state.state, LEFT),
        excluded=_count(state.state, EXCLUDED),
        releases=tuple(_release(entry) for entry in book.releases),
    )


def _release(entry: ReleaseEntry) -> ReleaseFigures:
    movement = {f.name: shown(getattr(entry.movement, f.name)) for f in fields(entry.movement)}
    return ReleaseFigures(
        entry.number,
        entry.release,
        entry.period,
        entry.created.isoformat(),
        entry.joint_k,
        movement,
        tuple(_rounded(found) for found in entry.joins),
        round(entry.codes_union, 4) if isinstance(entry.codes_union, float) else None,
    )


def _rounded(found: JoinFigure) -> JoinFigure:
    """Return a figure whose shares stand for no count of one to ten."""
    few = shown(found.patients_in_both)
    return msgspec.structs.replace(
        found,
        patients_in_both=0 if few == "1-10" else found.patients_in_both,
        exact=round(found.exact, 3),
        at_most=round(found.at_most, 3),
        among_few=round(found.among_few, 3) if isinstance(found.among_few, float) else UNSET,
        joint_few=round(found.joint_few, 2) if isinstance(found.joint_few, float) else UNSET,
    )


def _count(state: npt.NDArray[np.uint8], which: np.uint8) -> Count:
    return shown(int((state == which).sum()))


@dataclass(frozen=True, slots=True)
class Subgroup:
    """One released value of one quasi-identifier, with the patients of each outcome, small counts as "1-10"."""

    column: str
    value: str
    patients: Mapping[str, Count]


def by_subgroup(columns: Mapping[Place, pa.Array], outcome: npt.NDArray[np.uint8]) -> tuple[Subgroup, ...]:
    """Return how a release treated subgroups: a check of who is held and excluded more often than others.

    `columns`: for each column, what each patient would show, of length n. `outcome`: the state of each, uint8 (n,).
    """
    found = []
    for place, cells in columns.items():
        encoded = plain(cells).cast(pa.string()).fill_null("(empty)").dictionary_encode()
        codes = encoded.indices.to_numpy()
        for number, value in enumerate(encoded.dictionary.to_pylist()):
            own = np.bincount(outcome[codes == number], minlength=len(NAMES))
            patients = {name: shown(int(own[at])) for at, name in enumerate(NAMES)}
            found.append(Subgroup(".".join(place), value, patients))
    return tuple(found)


def verified(series: Series, held: Held) -> Sequence[str]:
    """Open every kept generation, and return what is wrong, in words; nothing where all is well.

    Each is opened in full, held against its predecessor, and counted; the current one against the releases too.
    """
    faults: list[str] = []
    try:
        check(series, held)
    except DeidError as fault:
        faults.append(fault.message)
    generations = series.generations()
    before = ""
    for number in generations.kept():
        try:
            index = generations.at(number)
            book = read(series, number).book
        except StorageError as fault:
            faults.append(f"generation {number}: {fault.message}")
            before = ""
            continue
        if before and index.previous != before:
            faults.append(f"generation {number} does not follow from the one before it")
        before = index.digest
        if book is not None and joint(book.state, k=book.frozen.k, is_increment=book.is_increment).below:
            faults.append(f"generation {number}: joint classes hold fewer than k = {book.frozen.k} patients")
    return faults
