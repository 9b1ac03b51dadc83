"""What is left of codes: at which level they are told, and whether the frequent ones are still as frequent.

Mentions are cells. A level behind which one to ten patients stand is told together with the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from deid.known_codes.code_sets import sets_of
from deid.planning.plan import Plan, Step
from deid.reports.code_levels import JOINED, LEFT_EMPTY
from deid.reports.item_levels import Levels
from deid.reports.release_side import ReleaseSide
from deid.reports.small import rounded
from deid.reports.source_side import LOST, RELEASED, Place, SourceSide, code_places
from deid.reports.utility_model import CodeUse
from deid.transforms.words import rule_text

TOP = 100  # the source's most frequent codes that are compared
_FEWEST = 1_000  # mentions from which shares to a thousandth are told at all
Counts = npt.NDArray[np.int64]


def code_uses(plan: Plan, source: SourceSide, release: ReleaseSide) -> tuple[CodeUse, ...]:
    """Return what is left of each kind of codes in each table."""
    uses = []
    for planned in plan.tables:
        in_sets = [step for own in sets_of(planned) for step in own]
        for place, steps in code_places(planned).items():
            if place in source.codes and place in release.codes:
                gone = JOINED if steps[0] in in_sets else LEFT_EMPTY
                uses.append(_use(place, steps, source, release, gone))
    return tuple(uses)


def _use(place: Place, steps: Sequence[Step], source: SourceSide, release: ReleaseSide, gone: str) -> CodeUse:
    counts = source.codes[place].counts[1:]
    code = release.told(place, steps[0])
    found = release.codes[place]
    shown = dict(zip(found.values.texts[1:], found.counts[1:, 0].tolist(), strict=True))
    mentions, left = int(counts[:, RELEASED].sum()), sum(shown.values())
    found_at = release.levels(place)
    shares = _levels(found_at, mentions, left, gone, told_empty=not source.emptied[place].is_small)
    full, error, rank, top = _frequencies(code.normal, code.items, counts, shown)
    kind, of = steps[0].column.kind.name, " procedures" if steps[0].column.use == "procedure" else ""
    column = steps[0].column.name if len(steps) == 1 else f"{len(steps)} columns of {kind}{of}"
    enough = min(mentions, left) >= _FEWEST
    return CodeUse(
        column=f"{place[0]}.{column}",
        kind=kind,
        rule=rule_text(steps[0].transform),
        levels=shares if enough else {},
        items=len(shown),
        top=top,
        top_full=full if enough else None,
        top_error=error if enough else None,
        rank=rank if enough else None,
    )


def _levels(found: Levels | None, mentions: int, left: int, gone: str, *, told_empty: bool) -> dict[str, float]:
    """Return the share of mentions at each level; levels behind which few patients stand are told as one.

    `gone` names what is not told at any.
    """
    if found is None:
        return {}
    totals = {level: rows for level, (rows, few) in found.items() if not few.is_small}
    small = {level: found[level] for level in found if level not in totals}
    if small:
        # Together with the least of the others, until the patients behind it surely are not few.
        rest = sum(rows for rows, _ in small.values())
        if not totals:
            return {}
        totals[min(totals, key=lambda level: totals[level])] += rest
    whole = mentions if told_empty and mentions >= left else left
    shares = {level: rounded(count / whole, 3) for level, count in totals.items()} if whole else {}
    if whole > left:
        shares[gone] = rounded((whole - left) / whole, 3)
    return shares


def _frequencies(
    normal: Sequence[str | None], items: Sequence[str | None], counts: Counts, shown: Mapping[str | None, int]
) -> tuple[float | None, float | None, float | None, int]:
    """Return of the most frequent codes the share in full, the mean error, the rank correlation, and how many."""
    total = counts[:, RELEASED] + counts[:, LOST]
    codes: dict[str, list[int]] = {}
    for row, code in enumerate(normal):
        if code is not None:
            codes.setdefault(code, []).append(row)
    if not codes:
        return None, None, None, 0
    mentions = {code: int(total[rows].sum()) for code, rows in codes.items()}
    top = sorted(mentions, key=lambda code: (-mentions[code], code))[:TOP]
    spelled = {str(item).replace(".", ""): count for item, count in shown.items()}
    released = [spelled.get(code.replace(".", "")) for code in top]
    errors = [
        1.0 if count is None else min(1.0, abs(count - mentions[code]) / mentions[code])
        for code, count in zip(top, released, strict=True)
    ]
    full = rounded(sum(count is not None for count in released) / len(top), 3)
    at_level: dict[str | None, int] = {}
    for item, count in zip(items, total.tolist(), strict=True):
        if item is not None:
            at_level[item] = at_level.get(item, 0) + count
    frequent = sorted(at_level, key=lambda item: (-at_level[item], str(item)))[:TOP]
    rank = spearman([at_level[item] for item in frequent], [shown.get(item, 0) for item in frequent])
    return full, rounded(float(np.mean(errors)), 3), rank, len(top)


def spearman(one: Sequence[int], other: Sequence[int]) -> float | None:
    """Return the correlation of ranks, ties at their mean rank; None where one side has no order."""
    if len(one) < 3:
        return None
    ranks = [_ranks(np.array(side)) for side in (one, other)]
    if min(float(np.ptp(side)) for side in ranks) == 0:
        return None
    return rounded(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 3)


def _ranks(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[places.reshape(-1)], np.float64)
