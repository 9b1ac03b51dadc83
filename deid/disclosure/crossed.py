"""One known code with one known date, exactly: every pair of a code and a date that a patient has.

A date as it is released is one more item of the patient. Codes and dates are ranked together and counted by the same
table of pairs; of its pairs only those of a code with a date are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deid.disclosure.coded import Coded
from deid.disclosure.counting import Measure, Tallied, before, counted
from deid.disclosure.draws import Draw
from deid.disclosure.holdings import NONE, Flags, Floats, Grouped, Holdings, Numbers, hold, parts, summed
from deid.disclosure.sampling import Dates

Items = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Known:
    """What one draw knows: `weight` (cells,) of codes and of dates, `empty` (patients,) of codes left empty."""

    weight: Floats
    empty: Floats


def crossed(
    coded: Coded, items: Items, hidden: Flags | None, dates: Dates, draws: Sequence[Draw], measures: Sequence[Measure]
) -> tuple[tuple[Tallied, Flags], ...]:
    """Return what each draw of one code comes to beside one date drawn evenly, and its targets, bool (patients,).

    `items`: int32 (codes,); `hidden`: bool (entries,), left empty; `dates`: as released, not moved; `draws` are of one
    code; the first of `measures` is the chance. Only who has a code to be drawn and a date is a target.
    """
    size, top = len(coded.patient), int(items.max(initial=0)) + 1
    held = hold(
        coded.klass,
        np.concatenate([coded.patient, dates.patient]),
        np.concatenate([items[coded.code], top + (dates.unit - dates.first)]).astype(np.int32),
        None if hidden is None else np.append(hidden, np.zeros(len(dates.unit), bool)),
    )
    is_date = held.item[held.row] >= top
    days = np.bincount(held.patient[is_date], minlength=len(coded.klass))
    found = []
    for draw in draws:
        weight = _flat(draw, size)
        target = (summed(coded.patient, weight, len(days)) > 0) & (days > 0)
        known = _known(held, coded, weight * target[coded.patient], is_date, target / np.maximum(days, 1))
        found.append((_tallied(held, known, is_date, measures), target))
    return tuple(found)


def _flat(draw: Draw, size: int) -> Floats:
    """Return how often each entry is the one code that is known, float64 (entries,); 1 for each patient together."""
    return summed(draw.entries.entry, draw.weight * draw.share[draw.entries.group], size)


def _known(held: Holdings, coded: Coded, weight: Floats, is_date: Flags, each: Floats) -> _Known:
    cell = held.cell[: len(weight)]
    shown = cell != NONE
    weights = summed(cell[shown], weight[shown], len(held.row))
    weights[is_date] = each[held.patient[is_date]]
    return _Known(weights, summed(coded.patient[~shown], weight[~shown], len(each)))


def _tallied(held: Holdings, known: _Known, is_date: Flags, measures: Sequence[Measure]) -> Tallied:
    patients = len(known.empty)
    everything = Grouped(held.row, held.position, held.patient)
    means, worst = [np.zeros(patients) for _ in measures], np.zeros(patients)

    def add(owner: Numbers, weight: Floats, candidates: Numbers) -> None:
        for at, measure in enumerate(measures):
            means[at] += summed(owner, weight * measure(candidates), patients)
        np.maximum.at(worst, owner, np.where(weight > 0, measures[0](candidates), 0.0))

    for begin, end in parts(held):
        late = everything.part(held, begin, end)
        table = counted(everything.walk(held, late, begin), end - begin)
        for pairs in everything.walk(held, late, begin):
            after = np.repeat(pairs.late, np.diff(pairs.starts, append=len(pairs.early)))
            met = np.flatnonzero(is_date[after] != is_date[pairs.early])
            after, early = after[met], pairs.early[met]
            add(
                held.patient[after], known.weight[after] * known.weight[early], table[pairs.place[met]].astype(np.int64)
            )
    # What one patient alone holds is not in the table: with whatever stands before it, there is one candidate.
    holders = held.holders[held.row]
    codes = before(np.where(is_date, 0.0, known.weight), held.position)
    days = before(np.where(is_date, known.weight, 0.0), held.position)
    alone = np.where(holders == 1, known.weight * np.where(is_date, codes, days), 0.0)
    add(held.patient, alone, np.ones(len(alone), np.int64))
    empty = np.where(is_date, known.weight * known.empty[held.patient], 0.0)
    add(held.patient, empty, holders)
    return Tallied(tuple(means), worst)
