"""From surrogates back to tags: every partition of a domain is opened once, and nothing of it is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from deid.crosswalks.checking import DEFAULT_WAIT
from deid.crosswalks.generations import Generations
from deid.crosswalks.head import check
from deid.crosswalks.locking import lock
from deid.crosswalks.partitions import TAG_BYTES, DomainFile
from deid.patients.tags import Bools, first_words

Bytes = npt.NDArray[np.uint8]


def tags_of(
    folder: Path, key: bytes, domain: str, surrogates: Bytes, *, wait: float = DEFAULT_WAIT
) -> tuple[Bools, Bytes]:
    """Say of each surrogate, uint8 (n, 10), whether it was ever given in a domain, and its tag, uint8 (n, 16).

    Raises KeyFaultError, StorageError. No identifier comes of it: a tag is looked for in the source.
    """
    generations = Generations(folder, key)
    found = np.zeros(len(surrogates), np.bool_)
    tags = np.zeros((len(surrogates), TAG_BYTES), np.uint8)
    with lock(folder, wait=wait):
        index = generations.current()
        check(generations, index)
        entry = index.domain(domain)
        file = generations.open_domain(index, entry) if entry is not None else None
    if file is not None:
        try:
            _search(file, surrogates, found, tags)
        finally:
            file.close()
    return found, tags


def _search(file: DomainFile, surrogates: Bytes, found: Bools, tags: Bytes) -> None:
    wanted = first_words(surrogates)
    order = np.argsort(wanted)
    for number in range(len(file.entry.partitions)):
        held = file.load(number)
        heads = first_words(held.surrogates)
        at = np.searchsorted(wanted, heads, sorter=order)
        hits = np.flatnonzero(wanted[order[np.minimum(at, len(order) - 1)]] == heads)
        for row in hits.tolist():  # few: the orders are short
            same = np.flatnonzero((surrogates == held.surrogates[row]).all(axis=1))
            found[same] = True
            pair = np.array([held.high[row], held.low[row]], dtype=">u8")
            tags[same] = np.frombuffer(pair.tobytes(), np.uint8)
