"""Intervals of shares."""

from __future__ import annotations

import math

Z95 = 1.959963984540054  # of the normal distribution at 97.5 %


def wilson(hits: float, n: int, z: float = Z95) -> tuple[float, float]:
    """Return the Wilson score interval of a share (Wilson 1927, without continuity correction); (0, 1) where n is 0.

    `hits` may be a sum of chances instead of a count: their variance is at most that of hits and misses, so the
    interval is then wider than need be.
    """
    if n <= 0:
        return 0.0, 1.0
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At the ends the formula gives 0 and 1 but for rounding.
    return (0.0 if hits <= 0 else max(0.0, middle - half)), (1.0 if hits >= n else min(1.0, middle + half))
