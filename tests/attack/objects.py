"""Living objects of the toolkit, and what each prints of itself."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator

_ADDRESS = re.compile(r"0x[0-9a-f]+")


def deid_objects(shelf: str = "deid.") -> Iterator[object]:
    """Yield every living object of a class of the toolkit, or of one shelf of it."""
    ours: dict[type, bool] = {}  # there are a thousand times more objects than classes
    for thing in gc.get_objects():
        kind = type(thing)
        if kind not in ours:
            ours[kind] = str(kind.__module__).startswith(shelf)
        if ours[kind]:
            yield thing


def shown(thing: object) -> str:
    """Return what an object prints, without addresses in memory: their digits may be those of any number."""
    return _ADDRESS.sub("", repr(thing))
