"""What somebody knows of a patient: how two codes are drawn, as weights of codes and of pairs.

An entry has a weight; two entries of a group are drawn together with a chance in proportion to the product of theirs.
A *group* is the patient, or one visit; the visits of a patient that hold two codes are drawn evenly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deid.disclosure.coded import Coded
from deid.disclosure.holdings import NONE, Flags, Floats, Grouped, Holdings, Numbers, summed, within
from deid.documents.limits import Adversary


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries in groups, sorted by patient and group: `entry` (n,) and `group` (n,), groups numbered from 0.

    `owner`: (groups,) the patient of each. `whole`: the groups are the patients.
    """

    entry: Numbers
    group: Numbers
    owner: Numbers
    whole: bool


@dataclass(frozen=True, slots=True)
class Draw:
    """One way to draw two codes: the groups, a weight for each of their entries, and the share of each group.

    `share`: (groups,) how often the group is drawn for its patient, over the sum of its pairs' weights; 0 for a group
    without a pair, or of a patient who is withheld. `patients`: how many have a pair to be drawn. `less`: pairs of
    these groups that are never drawn, by groups within the groups, each with its share below 0.
    """

    entries: Entries
    weight: Floats
    share: Floats
    patients: int
    less: Draw | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Entries of groups spread over the cells of one map.

    `cells`: sorted by group and rank; `group`: (cells,); `number`: (n,) the cell of each entry, NONE where nothing is
    released of it.
    """

    cells: Grouped
    group: Numbers
    number: Numbers


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of a draw over the cells of one map.

    `weight`: (cells,) of all entries of the cell; `alone`: (cells,) of pairs within the cell; `empty`, `both`:
    (groups,) of entries that are left empty, and of pairs of them.
    """

    weight: Floats
    alone: Floats
    empty: Floats
    both: Floats


def by_patient(coded: Coded) -> Entries:
    """Return the entries with each patient as a group."""
    everybody = np.arange(len(coded.klass), dtype=np.int64)
    return Entries(np.arange(len(coded.patient)), coded.patient.astype(np.int64), everybody, whole=True)


def by_visit(coded: Coded) -> Entries:
    """Return the entries of each visit, visits sorted by patient."""
    if coded.visits is None or not len(coded.visits):
        nothing = np.zeros(0, np.int64)
        return Entries(nothing, nothing, nothing, whole=False)
    entry, visit = coded.visits[:, 0].astype(np.int64), coded.visits[:, 1].astype(np.int64)
    owner = coded.patient[entry].astype(np.int64)
    order = np.lexsort((visit, owner))
    entry, visit, owner = entry[order], visit[order], owner[order]
    new = np.append(True, visit[1:] != visit[:-1])
    return Entries(entry, np.cumsum(new) - 1, owner[new], whole=False)


def draw_of(
    adversary: Adversary, coded: Coded, declared: Flags, patients: Entries, visits: Entries, known: int = 2
) -> Draw:
    """Return how an adversary draws two codes, or one (`known`); `declared` is (codes,)."""
    entries = visits if adversary is Adversary.VISIT else patients
    if adversary is Adversary.MENTIONS:
        weight = coded.mentions.astype(np.float64)
    elif adversary is Adversary.DECLARED:
        weight = declared[coded.code].astype(np.float64)
    else:
        weight = np.ones(len(coded.patient))
    return drawn(coded, entries, weight[entries.entry], known)


def drawn(coded: Coded, entries: Entries, weight: Floats, known: int = 2) -> Draw:
    """Return the draw of one or two entries of a group by `weight`, groups of a patient evenly."""
    groups = len(entries.owner)
    total = summed(entries.group, weight, groups)
    if known > 1:
        total = (total**2 - summed(entries.group, weight**2, groups)) / 2
    able = np.bincount(entries.group[weight > 0], minlength=groups) >= known
    able &= coded.klass[entries.owner] >= 0
    often = np.bincount(entries.owner[able], minlength=len(coded.klass))
    share = np.zeros(groups)
    share[able] = 1.0 / (total[able] * often[entries.owner[able]])
    return Draw(entries, weight, share, int((often > 0).sum()))


def spread(entries: Entries, held: Holdings) -> Spread:
    """Return entries over the cells of a map."""
    if entries.whole:
        return Spread(Grouped(held.row, held.position, held.patient), held.patient, held.cell)
    cell = held.cell[entries.entry]
    shown = np.flatnonzero(cell != NONE)
    # Cells are numbered by patient and rank, and groups by patient: both orders are one.
    keys = entries.group[shown] * max(len(held.row), 1) + cell[shown]
    order = np.argsort(keys)
    new = np.ones(len(keys), bool)
    ordered = keys[order]
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    number = np.full(len(cell), NONE, np.int64)
    number[shown[order]] = np.cumsum(new) - 1
    chosen = shown[order[new]]
    group, cell = entries.group[chosen], cell[chosen]
    return Spread(Grouped(held.row[cell], within(group), held.patient[cell]), group, number)


def weigh(draw: Draw, over: Spread) -> Weights:
    """Return the weights of a draw over cells."""
    shown = over.number != NONE
    weight, alone = _pairs_in(over.number[shown], draw.weight[shown], len(over.group))
    return Weights(weight, alone, *_pairs_in(draw.entries.group[~shown], draw.weight[~shown], len(draw.share)))


def _pairs_in(group: Numbers, weight: Floats, groups: int) -> tuple[Floats, Floats]:
    """Return the sum of weights, and of products of two, in each group."""
    total = summed(group, weight, groups)
    pairs = (total**2 - summed(group, weight**2, groups)) / 2
    return total, np.where(np.bincount(group, minlength=groups) > 1, pairs, 0.0)
