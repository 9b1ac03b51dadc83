"""A folded text as the network reads it: runs of letters, runs of digits and single marks, each with its leading blank.

Nothing of the text is left out, so that offsets are sums of lengths.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]

_TOKEN = re.compile(r" ?(?:[^\W\d_]+|\d+|[^\w\s]|_)|\s")

split = _TOKEN.findall


def bounds(tokens: Sequence[str]) -> tuple[Offsets, Offsets]:
    """Return where each token starts, past its leading blank, and ends; int64 of shape (n,)."""
    ends = np.cumsum(np.fromiter(map(len, tokens), np.int64, len(tokens)))
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if len(tokens) else ends
    blank = np.fromiter((len(t) > 1 and t[0] == " " for t in tokens), np.bool_, len(tokens))
    return starts + blank, ends
