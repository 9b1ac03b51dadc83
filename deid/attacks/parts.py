"""Targets in parts, so that sets over many patients stay small in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.attacks.bits import Int64
from deid.attacks.knowledge import KnownCodes, People

_CELLS = 128 * 2**20  # bits of one set of sets


def parts(people: People, patients: int) -> Iterator[tuple[Int64, People]]:
    """Yield the positions of targets and the people themselves, a part at a time; one empty part of nobody."""
    step = max(1, _CELLS // max(patients, 1))
    for start in range(0, max(len(people), 1), step):
        at = np.arange(start, min(start + step, len(people)))
        yield at, (people if len(at) == len(people) else take(people, at))


def take(people: People, at: Int64) -> People:
    """Return these people."""
    rows = pa.array(at)
    return replace(
        people,
        columns={place: values.take(rows) for place, values in people.columns.items()},
        birth_day=people.birth_day[at],
        days=people.days[at],
        codes=_codes(people.codes, at),
        visit_day=people.visit_day[at],
        visit_codes=_codes(people.visit_codes, at),
        first_day=people.first_day[at],
        names={kind: names.take(rows) for kind, names in people.names.items()},
    )


def _codes(codes: KnownCodes, at: npt.NDArray[np.int64]) -> KnownCodes:
    width = codes.kind.shape[1]
    flat = (at[:, None] * width + np.arange(width)).reshape(-1)
    return KnownCodes(codes.kinds, codes.kind[at], codes.code.take(pa.array(flat)))
