"""Age bands as a request writes them: `0-17`, `18-44`, `65+`, without gaps or overlaps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deid.documents.reading import Document

_FORM = re.compile(r"(?P<low>\d{1,3})(?:-(?P<high>\d{1,3})|(?P<open>\+))")
OLDEST = 130


@dataclass(frozen=True, slots=True)
class Band:
    """Completed years from `low` to `high`, both included; the last band is open, and its `high` is OLDEST."""

    label: str
    low: int
    high: int

    @property
    def is_open(self) -> bool:
        """Whether the band has no upper end."""
        return self.high == OLDEST


def read_bands(document: Document, texts: Sequence[str]) -> tuple[Band, ...]:
    """Return the bands; raise DocumentError unless they cover every age once, in order."""
    bands: list[Band] = []
    for i, text in enumerate(texts):
        at = f"$.tabulate.ages[{i}]"
        match = _FORM.fullmatch(text)
        if match is None:
            raise document.fault("not an age band", at=at, hint="write for instance 18-44, and 65+ for the last one")
        low, high = int(match["low"]), OLDEST if match["open"] else int(match["high"])
        due = bands[-1].high + 1 if bands else 0
        if low != due or not low <= high <= OLDEST or (bands and bands[-1].is_open):
            problem = "overlap" if low < due else "leave a gap"
            raise document.fault(
                f"the age bands {problem} here", at=at, hint=f"bands go from 0 upward without gaps; {due} comes next"
            )
        bands.append(Band(text, low, high))
    if bands and not bands[-1].is_open:
        raise document.fault("the last age band is not open", at="$.tabulate.ages", hint="write for instance 85+")
    return tuple(bands)


def band_of(bands: Sequence[Band], years: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the number of the band of each age, len(bands) where it is unknown (negative) or beyond belief."""
    lows = np.array([band.low for band in bands], np.int32)
    found = np.searchsorted(lows, years, side="right") - 1
    return np.where((years < 0) | (years > OLDEST), len(bands), found).astype(np.int32)
