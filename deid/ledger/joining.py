"""How surely two series of one site could be joined patient by patient, and the ceilings on that.

Whoever holds two releases of the same patients joins them by what both tell. Between two recipients that takes a breach
of contract; one party has both files on its disk, and what is joined shows both recodings, both maps and all columns.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from msgspec.structs import replace as replaced

from deid.cells.buffers import scattered
from deid.documents.limits import RiskLimits
from deid.errors import DisclosureError
from deid.kinds import KINDS, Group
from deid.ledger.book import Book
from deid.ledger.joins import ROWS, TEXT
from deid.ledger.records import JoinFigure
from deid.ledger.state import I32, I64, RELEASED, State, groups
from deid.patients.tags import U64, Bools

# Kinds of these groups tell nothing of each other: by somebody's sex nobody knows the race.
_APART = frozenset({Group.PERSON, Group.OTHER, Group.IDENTIFIER})
_MORE = {  # what kinds tell beside their group, or instead of it
    "birth_date": ("birth",),
    "age": ("birth", Group.TIME.value),
    "death_date": ("death", Group.TIME.value),
    "deceased": ("death",),
}


def is_same_party(mine: Book, other: Book) -> bool:
    """Whether two series go to one party: by its name, or because somebody holds a key to both."""
    return mine.party == other.party or not set(mine.readers).isdisjoint(other.readers)


def of_one_party(mine: Book, others: Sequence[Book]) -> list[bool]:
    """Return which series lie with the party of one: by name and key, through one another as well.

    Whoever holds a key to a release of a party belongs to it, and so does what that key opens under another name.
    """
    found, reached = [False] * len(others), [mine]
    for book in reached:
        for number, other in enumerate(others):
            if not found[number] and is_same_party(book, other):
                found[number] = True
                reached.append(other)
    return found


def joins(mine: Book, others: Sequence[Book]) -> tuple[JoinFigure, ...]:
    """Return how many of the patients of a series could be joined to those of each other one of the site."""
    own = of_one_party(mine, others)
    return tuple(replaced(join(mine, other), is_own=is_own) for other, is_own in zip(others, own, strict=True))


def join(mine: Book, other: Book) -> JoinFigure:
    """Return how many of the patients of a series could be joined to those of another one.

    Of a cumulative series the patients of its newest release are counted, of increments all that were ever released.
    A patient hides among those of whom the same is told in what both series tell: they are exchangeable in that
    series, so nobody finds the right one of g with a chance over 1/g, whatever the other series tells beside.
    """
    k, state = mine.frozen.k, mine.state
    here = state.only(state.shown if mine.is_increment else state.state == RELEASED)
    there = other.state.only(other.state.shown)
    total, at = max(1, len(here)), there.find(here.tags)
    in_both, place = at >= 0, np.maximum(at, 0)
    prints, theirs = _named(here, mine.prints), _named(there, other.prints)
    exact = most = few = 0
    shared = _telling(prints, theirs)
    if in_both.any():
        exact = int((in_both & _agree(prints, theirs, place)).sum())
        among = _alike(_combined(prints, shared, len(here)))
        most = int((in_both & (among == 1)).sum())
        among = np.maximum(among, _alike(_combined(theirs, _telling(theirs, prints), len(there)))[place])
        few = int((in_both & (among < k)).sum())
    return JoinFigure(
        request=other.request,
        party=other.party,
        kinds=tuple(dict.fromkeys(name.partition(" ")[0] for name in shared)),
        patients_in_both=int(in_both.sum()),
        exact=exact / total,
        at_most=most / total,
        is_own=is_same_party(mine, other),
        among_few=few / total,
        joint_few=_joint_few(here.klass[in_both], there.klass[at[in_both]], k),
    )


def hold(book: Book, limits: RiskLimits) -> None:
    """Raise DisclosureError where the newest release of a series could be joined to others beyond the ceilings."""
    own = [found for found in book.newest.joins if found.is_own]
    share = min(1.0, sum(found.among_few for found in own if isinstance(found.among_few, float)))
    if limits.rejoin is not None and share > limits.rejoin:
        _refuse_own(book, own, share, limits.rejoin)
    for found in book.newest.joins:
        if limits.join is not None and not found.is_own and found.at_most > limits.join:
            raise DisclosureError(
                f"up to {100 * found.at_most:.1f} % of the patients could be joined to those of request "
                f"{found.request} by {_words(found.kinds)}; the policy allows {100 * limits.join:g} %",
                hint=f"coarsen or leave out {_most_telling(found.kinds)}, or release to one of the two alone",
            )


def _refuse_own(book: Book, own: Sequence[JoinFigure], share: float, ceiling: float) -> None:
    telling = [found for found in own if found.among_few]
    requests = " and ".join(found.request for found in telling)
    kinds = tuple(dict.fromkeys(kind for found in telling for kind in found.kinds))
    needed = math.ceil(1000 * share) / 1000
    raise DisclosureError(
        f"{100 * share:.1f} % of the patients could be joined to those of request {requests}, which the same "
        f"party has: fewer than k = {book.frozen.k} of them share what both tell ({_words(kinds)}); limits.risk.rejoin "
        f"is {100 * ceiling:g} %",
        hint=f"leave out what both tell, {_most_telling(kinds)} first, or ask for patients who are not in {requests}. "
        "What a study needs of the same patients belongs into one request, before its first release. A policy that "
        f"answers for it sets limits.risk.rejoin to {needed:g} or more",
    )


def _named(state: State, names: Sequence[str]) -> dict[str, U64]:
    return {name: state.prints[:, number] for number, name in enumerate(names)}


def _agree(prints: Mapping[str, U64], theirs: Mapping[str, U64], place: I64) -> Bools:
    """Return who shows the same in both by the same rules, and is unique by it in either, bool (patients here,)."""
    same = sorted(name for name in prints if name in theirs and not name.startswith(TEXT))
    if not same:
        return np.zeros(len(place), bool)
    mine, other = _combined(prints, same, len(place)), _combined(theirs, same, len(next(iter(theirs.values()))))
    return np.asarray((other[place] == mine) & (_alike(mine) == 1) & (_alike(other) == 1)[place], bool)


def _joint_few(here: I32, there: I32, k: int) -> float:
    """Return the share of patients in both whose classes, here and there together, hold fewer than k of them."""
    _, size = groups(here, there)
    return float(size[size < k].sum() / max(1, len(here)))


def _telling(prints: Mapping[str, U64], others: Collection[str]) -> list[str]:
    """Return the names of those fingerprints that tell of something of which the others tell as well."""
    theirs = {family for name in others for family in _families(name)}
    found = sorted(name for name in prints if theirs.intersection(_families(name)))
    # One row of each patient, as in the population, tells nothing.
    return [name for name in found if not name.startswith(ROWS) or len(np.unique(prints[name])) > 1]


def _families(name: str) -> tuple[str, ...]:
    """Return what a fingerprint tells of: codes tell of codes of another system, and a county of the ZIP code."""
    kind = KINDS.get(name.removeprefix(TEXT).partition(" ")[0])
    if kind is None:
        return (name.partition(" ")[0],)
    if kind.name in _MORE:
        return _MORE[kind.name]
    if kind.group is Group.DERIVED:
        return (Group.DERIVED.value, Group.CODE.value, Group.TIME.value)
    return (kind.name,) if kind.group in _APART else (kind.group.value,)


def _words(kinds: Sequence[str]) -> str:
    counted = [f"the number of rows of {kind.removeprefix(ROWS)}" for kind in kinds if kind.startswith(ROWS)]
    return ", ".join([*(kind.removeprefix(TEXT) for kind in kinds if not kind.startswith(ROWS)), *counted])


def _most_telling(kinds: Sequence[str]) -> str:
    """Return the kinds in words for a remedy; codes, dates, amounts and notes are named first, as they tell most."""
    first = {group.value for group in (Group.CODE, Group.TIME, Group.AMOUNT, Group.TEXT)}
    return _words([kind for kind in kinds if first.intersection(_families(kind))] or kinds)


def _combined(prints: Mapping[str, U64], names: Sequence[str], rows: int) -> U64:
    mixed = np.zeros(rows, np.uint64)
    for name in names:
        mixed = scattered(mixed ^ scattered(prints[name]))
    return mixed


def _alike(prints: U64) -> I64:
    """Return how many patients have each patient's fingerprint, int64 (n,)."""
    _, number, count = np.unique(prints, return_inverse=True, return_counts=True)
    return np.asarray(count[number], np.int64)
