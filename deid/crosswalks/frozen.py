"""Pseudonyms looked up in one generation of a crosswalk, which no look-up changes."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain
from deid.crosswalks.generations import Generations, Index
from deid.crosswalks.lookup import DomainLookup
from deid.crosswalks.partitions import SURROGATE_BYTES, storage
from deid.errors import StorageError
from deid.keys.prf import BatchCmac, base32, derive_key
from deid.patients.tags import words
from deid.sealing.private import make_folder, private
from deid.sealing.runs import order_of

DEFAULT_BUDGET = 64 << 20


class FrozenCrosswalk:
    """Pseudonyms of one generation: read-only, the same for every task that is tried, and safe to use after a fork."""

    def __init__(self, generations: Generations, index: Index, *, budget: int, home: Path | None = None) -> None:
        self._generations, self._index, self._home = generations, index, home
        self.key = generations.key
        self._taggers: dict[str, BatchCmac] = {}
        share = budget // max(1, len(index.domains))
        with ExitStack() as opening:
            # A fault in the middle closes what was opened; otherwise `close` does.
            self._held = {
                entry.name: opening.enter_context(
                    DomainLookup(generations.open_domain(index, entry, home=home), budget=share)
                )
                for entry in index.domains
            }
            self._open = opening.pop_all()

    @classmethod
    def at(cls, folder: Path, key: bytes, *, generation: int, budget: int = DEFAULT_BUDGET) -> Self:
        """Opens a committed generation in another process; StorageError once two later ones have replaced it."""
        generations = Generations(folder, key)
        return cls(generations, generations.at(generation), budget=budget)

    def copied(self, home: Path, domains: Collection[str]) -> Self:
        """Copies the sealed files of these domains into a new folder, and opens what lies there.

        For tasks on other machines: a crosswalk lies on a local file system, and holds the domains of other series.
        """
        index = replace(self._index, domains=tuple(d for d in self._index.domains if d.name in domains))
        with storage("copying the crosswalk"):
            make_folder(home)
            for entry in index.domains:
                with (
                    self._generations.stream(self._index, entry) as whole,
                    open(home / entry.file, "xb", opener=private) as copy,
                ):
                    shutil.copyfileobj(whole, copy)
        return type(self)(self._generations, index, budget=DEFAULT_BUDGET, home=home)

    @property
    def place(self) -> tuple[Path | None, Index]:
        """Where the files lie, None for the crosswalk's own folder, and the index of what is there."""
        return self._home, self._index

    def close(self) -> None:
        """Forgets what was opened."""
        self._open.close()

    @property
    def generation(self) -> int:
        """The number to write into the audit log, and to hand to workers."""
        return self._index.generation

    def count(self, domain: str) -> int:
        """The identifiers that have a pseudonym in this domain."""
        entry = self._index.domain(domain)
        return entry.count if entry else 0

    def surrogates(self, domain: str, tags: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
        """Gives the surrogate of each tag, uint8 (n, 10); tags as `deid.patients.tags.words` takes them, of 128 bits.

        Raises StorageError as `pseudonyms` does.
        """
        high, low = words(tags, 128)
        assert low is not None
        held = self._held.get(domain)
        if held is None:
            raise _unobserved(len(high))
        order = np.argsort(high)  # ascending look-ups open each partition once, and are faster inside it
        found, drawn = held.find(high.take(order), low.take(order))
        if not found.all():
            raise _unobserved(len(found) - int(np.count_nonzero(found)))
        surrogates = np.empty_like(drawn)
        surrogates[order] = drawn
        return surrogates

    def knows(self, domain: str, ids: pa.Array) -> npt.NDArray[np.bool_]:
        """Gives which identifiers, none of them null, have a surrogate in a domain, bool (n,)."""
        held = self._held.get(domain)
        if held is None:
            return np.zeros(len(ids), dtype=np.bool_)
        high, low = words(tagger(self.key, domain).digest(ids), 128)
        assert low is not None
        order = np.argsort(high)
        known = np.empty(len(ids), dtype=np.bool_)
        known[order], _ = held.find(high.take(order), low.take(order))
        return known

    def together(self, domain: str) -> int:
        """For how many batches of rows pseudonyms of a domain are best looked up at once."""
        held = self._held.get(domain)
        return held.together if held is not None else 1

    def foresee(self, domain: str, ids: pa.ChunkedArray) -> None:
        """Finds the pseudonyms of identifiers that `pseudonyms` is soon asked for; those that have none are passed."""
        held = self._held.get(domain)
        if held is None:
            return
        tags = [self._tagger(domain).digest(plain(chunk).drop_null()) for chunk in ids.chunks]
        high, low = words(np.concatenate(tags), 128)
        assert low is not None
        order = order_of(high, low)
        high, low = high.take(order), low.take(order)
        fresh = np.ones(len(high), dtype=np.bool_)
        fresh[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        held.foresee(high[fresh], low[fresh])

    def _tagger(self, domain: str) -> BatchCmac:
        if domain not in self._taggers:
            self._taggers[domain] = tagger(self.key, domain)
        return self._taggers[domain]

    def pseudonyms(self, domain: str, ids: pa.Array) -> pa.StringArray:
        """Gives the pseudonym of each identifier, 16 base32 characters; null stays null.

        Raises:
            StorageError: An identifier was never observed: a surrogate is not drawn here, as a task that is tried
                again would draw another. Or a partition was changed since it was committed.
        """
        if isinstance(ids, pa.DictionaryArray):
            used, ranks = used_entries(ids)
            return self.pseudonyms(domain, used).take(ranks.take(ids.indices))
        valid = ids.is_valid()
        rows = np.flatnonzero(valid.to_numpy(zero_copy_only=False))
        surrogates = np.zeros((len(ids), SURROGATE_BYTES), dtype=np.uint8)
        if len(rows):
            surrogates[rows] = self.surrogates(domain, self._tagger(domain).digest(ids.drop_null()))
        text = base32(surrogates)
        return pc.if_else(valid, text, pa.scalar(None, pa.string())) if ids.null_count else text


def tagger(key: bytes, domain: str) -> BatchCmac:
    """Gives the PRF that turns identifiers of a domain into tags."""
    return BatchCmac(derive_key(key, "crosswalk", "tags", domain))


def used_entries(ids: pa.DictionaryArray) -> tuple[pa.Array, pa.Array]:
    """Gives the entries of a dictionary that rows point to, and for each entry its place among those.

    The others may be identifiers of rows that were filtered away: never observed, and not to be given a pseudonym.
    """
    used = np.zeros(len(ids.dictionary), dtype=np.bool_)
    used[ids.indices.drop_null().to_numpy()] = True
    return ids.dictionary.filter(pa.array(used)), pa.array(np.cumsum(used) - 1)


def _unobserved(count: int) -> StorageError:
    return StorageError(
        f"{count} identifiers have no pseudonym: they were not there when the source was first read",
        hint="the source changed during the export, or this is a fault of the toolkit; run the export again",
    )
