"""Candidates of who knows codes with the intervals between their days, where all days of a patient are shifted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from deid.cells.days import NO_DAY
from deid.disclosure.coded import Coded
from deid.disclosure.holdings import Holdings, Numbers
from deid.disclosure.sampling import Sample, among, nth_of, portions

UNDATED = 0  # stands before every day


def with_intervals(
    coded: Coded, day: npt.NDArray[np.int32], held: Holdings, drawn: Sample, *, together: bool
) -> Numbers:
    """Return how many patients have all known items as far apart as they are known, int64 (targets,).

    `coded`: its codes are compounds; `day`: int32 (compounds,), NO_DAY for one without dates, which lies at no
    distance from others; `held`: who holds which item, whatever the day. `together`: all are sought in one visit, for
    draws from visits.
    """
    if together and not drawn.draw.entries.whole:
        entry, unit, owners = drawn.draw.entries.entry, drawn.draw.entries.group, drawn.draw.entries.owner
    else:
        entry, unit, owners = np.arange(len(coded.patient)), coded.patient.astype(np.int64), np.arange(len(coded.klass))
    entry, unit = entry[held.cell[entry] >= 0], unit[held.cell[entry] >= 0]
    dated = day != NO_DAY
    days = np.where(dated, day.astype(np.int64) - int(day[dated].min(initial=np.iinfo(np.int32).max)) + 1, UNDATED)
    span = int(days.max(initial=0)) + 1
    row, when = held.row[held.cell[entry]], days[coded.code[entry]]
    keys = (row * len(owners) + unit) * span + when
    order = np.argsort(keys, kind="stable")
    keys, unit, when = keys[order], unit[order], when[order]
    starts = np.searchsorted(row[order], np.arange(len(held.holders) + 1))
    known, at = held.row[held.cell[drawn.entry]], days[coded.code[drawn.entry]]
    # The rarest code with a date comes first: the others are sought from its days.
    order = np.argsort(np.where(at == UNDATED, len(keys) + 1, np.diff(starts)[known]), axis=1, kind="stable")
    known, at = np.take_along_axis(known, order, axis=1), np.take_along_axis(at, order, axis=1)
    counts = np.zeros(len(known), np.int64)
    lengths = starts[known[:, 0] + 1] - starts[known[:, 0]]
    for low, high in portions(lengths):
        target = np.repeat(np.arange(low, high), lengths[low:high])
        place = starts[known[target, 0]] + nth_of(lengths[low:high])
        for column in range(1, known.shape[1]):
            apart = when[place] + (at[:, column] - at[:, 0])[target]
            undated = at[target, column] == UNDATED
            inside = undated | ((apart > UNDATED) & (apart < span))
            wanted = (known[target, column] * len(owners) + unit[place]) * span + np.where(undated, UNDATED, apart)
            fits = inside & among(keys, wanted)
            target, place = target[fits], place[fits]
        # Units are sorted by patient: who fits in several ways stands there several times in a row.
        who = owners[unit[place]]
        fresh = np.append(True, (target[1:] != target[:-1]) | (who[1:] != who[:-1]))[: len(target)]
        counts += np.bincount(target[fresh], minlength=len(counts))
    return counts
