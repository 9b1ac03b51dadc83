"""No small cell in the report: no count of one to ten patients is shown, and none is left by subtraction.

Every figure of the report is a function of tables in which each cell is 0 or at least eleven. A table is rows (values)
by parts (released, withheld); rows with a small cell are pooled into one, together with the next smallest rows until
the pool has none, so that whatever is subtracted from a total leaves a sum that may be shown as well.
Percentages are of pooled counts. Source of the rule: CMS cell suppression policy (ResDAC article 1506), no cell of 1
to 10, also not by percentages or by subtraction.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.release.small_counts import ENOUGH

MANY = 10 * ENOUGH  # patients with rare values from whom together no count can be had any more
Table = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def is_small(counts: npt.NDArray[np.int64] | int) -> Flags:
    """Return which counts are of one to ten patients."""
    counts = np.asarray(counts)
    return np.asarray((counts > 0) & (counts < ENOUGH))


@dataclass(frozen=True, slots=True)
class Pooled:
    """A table without small cells: `kept` rows of the original table in their order, then the pool if it has rows.

    `counts`: int64 of shape (kept + 1 or kept, parts). `pool`: how many rows were pooled.
    """

    kept: tuple[int, ...]
    pool: int
    counts: Table = field(repr=False)


def pooled(counts: Table, *, also: Table | None = None) -> Pooled | None:
    """Return `counts` (rows, parts) with small rows pooled, or None where no pooling helps.

    `also`: further parts of the same rows, which must not be small either, and are not returned.
    """
    cells = counts if also is None else np.concatenate([counts, also], axis=1)
    if is_small(cells.sum(axis=0)).any():
        return None
    size = cells.sum(axis=1)
    rows = np.flatnonzero(size)  # a value that nobody has says nothing, and helps to hide nothing
    inside = is_small(cells[rows]).any(axis=1)
    pool = rows[inside]
    if len(pool):
        others = rows[~inside][np.argsort(size[rows[~inside]], kind="stable")]
        sums = np.cumsum(np.concatenate([cells[pool].sum(axis=0, keepdims=True), cells[others]]), axis=0)
        enough = np.flatnonzero(~is_small(sums).any(axis=1))
        if not len(enough):
            return None
        pool = np.concatenate([pool, others[: enough[0]]])
    kept = np.setdiff1d(rows, pool)
    parts = [counts[kept], counts[pool].sum(axis=0, keepdims=True)] if len(pool) else [counts[kept]]
    return Pooled(tuple(kept.tolist()), len(pool), np.concatenate(parts).astype(np.int64))


def weighed(counts: Table) -> Pooled | None:
    """Return `counts` (rows, parts) for one figure of them all: small rows one by one, if many patients are in them.

    A figure of 110 patients or more with rare values tells the count of none of them, and pooled it would be of the
    pool: a column of days of birth would seem to have one value. With fewer such patients in any part, as `pooled`.
    """
    rare = np.where(is_small(counts), counts, 0).sum(axis=0)
    if is_small(counts.sum(axis=0)).any() or ((rare > 0) & (rare < MANY)).any():
        return pooled(counts)
    rows = np.flatnonzero(counts.sum(axis=1))
    return Pooled(tuple(rows.tolist()), 0, counts[rows])


def coarse(part: int, whole: int) -> float | None:
    """Return the share of some patients in steps of eleven or more, so that no two such shares tell a small difference.

    None where even steps of a tenth are of fewer.
    """
    step = next((step for step in (100, 20, 10) if whole >= step * ENOUGH), None)
    return rounded(round(part / whole * step) / step, 2) if step is not None else None


def rounded(value: float, digits: int = 4) -> float:
    """Return a figure as it is shown; -0.0 becomes 0.0."""
    return round(float(value), digits) + 0.0
