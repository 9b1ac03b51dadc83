"""Opens every partition of a crosswalk, and says what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deid.crosswalks.generations import Generations, Index
from deid.crosswalks.head import check, head_path
from deid.crosswalks.locking import lock
from deid.crosswalks.partitions import DomainEntry, restore_hint
from deid.errors import StorageError
from deid.patients.tags import first_words

DEFAULT_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """A sound crosswalk: its generation, the SHA-256 of its index, and the entries of each domain by name."""

    generation: int
    index: str
    domains: dict[str, int]


def verify(folder: Path, key: bytes, *, wait: float = DEFAULT_WAIT) -> Held:
    """Open every partition of every generation that is kept, and hold the newest against the remembered head.

    Nothing is written, but what a killed run left is swept. Raises KeyFaultError for another key, StorageError for
    whatever is missing, cut, changed, rolled back, or of another site.
    """
    if not (folder / "CURRENT").exists() and not _is_begun(folder) and not head_path(folder).exists():
        raise StorageError("there is no crosswalk", hint="the first release with random pseudonyms begins one")
    generations = Generations(folder, key)
    with lock(folder, wait=wait):
        index = generations.current()
        check(generations, index)
        for number in generations.kept():
            try:
                require_whole(generations, generations.at(number))
            except StorageError as fault:
                raise StorageError(f"generation {number}: {fault.message}", hint=fault.hint) from None
    return Held(index.generation, index.digest, {entry.name: entry.count for entry in index.domains})


def require_whole(generations: Generations, index: Index, *, home: Path | None = None) -> None:
    """Raise StorageError unless every partition of a generation opens, is in order, and repeats no surrogate.

    `home`: the folder of its files, where it is not that of the generation.
    """
    for entry in index.domains:
        file = generations.open_domain(index, entry, home=home)
        try:
            bits = len(entry.partitions).bit_length() - 1
            for number in range(len(entry.partitions)):
                held = file.load(number)
                ascends = (held.high[1:] > held.high[:-1]) | (
                    (held.high[1:] == held.high[:-1]) & (held.low[1:] > held.low[:-1])
                )
                belongs = held.high >> np.uint64(64 - bits) == np.uint64(number) if bits else np.ones(1, np.bool_)
                differ = len(np.unique(first_words(held.surrogates))) == len(held.surrogates)
                if not (ascends.all() and belongs.all() and differ and _counts(entry)):
                    raise StorageError("a partition of the crosswalk is unsound", hint=restore_hint("crosswalk"))
        finally:
            file.close()


def _counts(entry: DomainEntry) -> bool:
    return entry.count == sum(part.count for part in entry.partitions)


def _is_begun(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("generation-*"))
