"""How codes are drawn that are known with their dates: the codes as ever, and of each the dates of one mention."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from deid.disclosure.coded import Coded
from deid.disclosure.draws import Draw, Entries
from deid.disclosure.holdings import Floats, Numbers, summed

_SEED = 20_261


def dated_draw(
    coded: Coded, of_code: npt.NDArray[np.int32], entries: Entries, weights: npt.NDArray[np.generic] | None, known: int
) -> Draw:
    """Return the draw of one or two codes of a group, each with the dates of one of its mentions there.

    `coded`: its codes are compounds, numbered in the order of `of_code`, (compounds,). `weights`: (entries,), bool
    where an entry's code may be drawn, numbers for mentions, by which codes and dates are drawn; None for all evenly.
    """
    part, of_part = _parts(coded, of_code, entries)
    weight = np.ones(len(entries.entry)) if weights is None else weights[entries.entry].astype(np.float64)
    if weights is None or weights.dtype == np.bool_:
        weight /= np.bincount(part, minlength=len(of_part))[part]  # dates of a code evenly, codes of a group evenly
    groups = len(entries.owner)
    of_codes = summed(part, weight, len(of_part))
    total = summed(of_part, of_codes, groups)
    if known > 1:
        total = (total**2 - summed(of_part, of_codes**2, groups)) / 2
    able = np.bincount(of_part[of_codes > 0], minlength=groups) >= known
    able &= coded.klass[entries.owner] >= 0
    often = np.bincount(entries.owner[able], minlength=len(coded.klass))
    share = np.zeros(groups)
    share[able] = 1.0 / (total[able] * often[entries.owner[able]])
    draw = Draw(entries, weight, share, int((often > 0).sum()))
    return replace(draw, less=_of_one_code(draw, part, of_part)) if known > 1 else draw


def thinned(coded: Coded, of_code: npt.NDArray[np.int32], draw: Draw) -> Draw:
    """Return a draw in which each code of a group has one compound, drawn by weight from a fixed seed."""
    part, of_part = _parts(coded, of_code, draw.entries)
    rng = np.random.default_rng(_SEED)
    race = rng.exponential(size=len(part)) / np.maximum(draw.weight, 1e-300)
    order = np.lexsort((race, part))
    new = np.append(True, part[order][1:] != part[order][:-1])[: len(part)]
    weight = np.zeros(len(part))
    weight[order[new]] = summed(part, draw.weight, len(of_part))[part[order[new]]]
    return replace(draw, weight=weight)


def _parts(coded: Coded, of_code: npt.NDArray[np.int32], entries: Entries) -> tuple[Numbers, Numbers]:
    """Return for each entry of a group its (group, code), numbered from 0 in order, and the group of each of these."""
    code = of_code[coded.code[entries.entry]]
    new = np.ones(len(code), bool)
    new[1:] = (code[1:] != code[:-1]) | (entries.group[1:] != entries.group[:-1])
    return np.cumsum(new) - 1, entries.group[new]


def _of_one_code(draw: Draw, part: Numbers, of_part: Numbers) -> Draw | None:
    """Return the pairs of two dates of one code, which are to be taken off; None where there are none."""
    entries = draw.entries
    several = np.bincount(part, minlength=len(of_part)) > 1
    mine = np.flatnonzero(several[part])
    if not len(mine):
        return None
    number = np.cumsum(several) - 1
    group = of_part[several]
    inner = Entries(entries.entry[mine], number[part[mine]], entries.owner[group], whole=False)
    share: Floats = -draw.share[group]
    return Draw(inner, draw.weight[mine], share, 0)
