"""The crosswalk: random pseudonyms that stay the same from release to release, kept encrypted inside.

A pseudonym is drawn, never derived: 45 CFR 164.514(c)(1) allows a re-identification code only if it "is not derived
from or related to information about the individual". Identifiers themselves are not kept: an entry goes from the
AES-CMAC of an identifier, under a key of its domain, to 10 random bytes.

All identifiers are observed first, then the crosswalk is frozen, and only then are pseudonyms looked up: a task that
is tried again cannot draw another one. The format is docs/formats/crosswalk.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.crosswalks.frozen import DEFAULT_BUDGET, FrozenCrosswalk, tagger, used_entries
from deid.crosswalks.generations import Generations, Index
from deid.crosswalks.growing import Ascending, Observed, bits_for, merged
from deid.crosswalks.head import check, remember
from deid.crosswalks.locking import lock
from deid.crosswalks.lookup import DomainLookup
from deid.crosswalks.partitions import EMPTY, DomainEntry, DomainWriter
from deid.errors import StorageError
from deid.patients.tags import U64
from deid.sealing.closing import Closing
from deid.sealing.sealed import SealedRows

DEFAULT_WAIT = 60.0


class Crosswalk(Closing):
    """A crosswalk to which identifiers are shown; `freeze` gives the one from which pseudonyms are read.

    The folder is locked while it is opened and while a freeze commits, not in between: exports may overlap, and the
    later one builds on what the earlier one committed.
    """

    def __init__(self, generations: Generations, *, spill: Path, budget: int, wait: float, at_least: int) -> None:
        self._generations = generations
        self._budget = budget
        self._wait = wait
        self._at_least = at_least
        self._domains: dict[str, Observed] = {}
        self._rows = SealedRows(pa.schema([("domain", pa.int32())]), folder=spill, budget=budget // 2, bits=128)
        self._frozen: FrozenCrosswalk | None = None

    @classmethod
    def open(
        cls,
        folder: Path,
        key: bytes,
        *,
        spill: Path,
        budget: int = DEFAULT_BUDGET,
        wait: float = DEFAULT_WAIT,
        at_least: int = 0,
    ) -> Self:
        """Opens the crosswalk of a folder, or begins one, after checking it and sweeping what a killed run left.

        Args:
            folder: Made if missing, for its owner alone.
            key: 32 bytes or more, always the same for one folder.
            spill: Where identifiers' tags go, sealed, when they outgrow the budget.
            budget: Bytes of memory for tags while observing, and for opened partitions while looking up.
            wait: Seconds to wait for another run that is committing.
            at_least: The newest generation known to exist (from the audit log): an older folder was put back.

        Raises:
            KeyFaultError: The key does not fit.
            StorageError: Another run keeps the folder locked, or files are missing, cut, changed, rolled back, or
                not those that are remembered beside the folder.
        """
        crosswalk = cls(Generations(folder, key), spill=spill, budget=budget, wait=wait, at_least=at_least)
        with lock(folder, wait=wait):
            crosswalk._current()
        return crosswalk

    def close(self) -> None:
        """Removes the spill and closes the frozen crosswalk that was given out."""
        self._rows.close()
        if self._frozen is not None:
            self._frozen.close()

    def tags(self, domain: str, ids: pa.Array) -> npt.NDArray[np.uint8]:
        """Gives the tag of each identifier of a domain, uint8 (n, 16), by which a frozen crosswalk is asked later."""
        return self._domain(domain).cmac.digest(ids)

    def observe(self, domain: str, ids: pa.Array) -> None:
        """Shows identifiers of a domain (party and kind) that will need pseudonyms; nulls and repeats are welcome.

        Args:
            domain: Which pseudonym space; two receiving parties never share one.
            ids: A string array, dictionary-encoded or not. Texts are opaque: "001" and "1" differ.
        """
        self.observe_tags(domain, self.tags(domain, distinct_enough(ids)))

    def observe_tags(self, domain: str, tags: npt.NDArray[np.uint8]) -> None:
        """Shows identifiers that were made tags of elsewhere, uint8 (n, 16), as `tags` gives them for the domain."""
        seen = self._domain(domain)
        fresh = seen.fresh(tags)
        self._rows.add(fresh, pa.record_batch({"domain": pa.array(np.full(len(fresh), seen.number, np.int32))}))

    @property
    def key(self) -> bytes:
        """The key under which identifiers become tags."""
        return self._generations.key

    def _domain(self, name: str) -> Observed:
        seen = self._domains.get(name)
        if seen is None:
            seen = self._domains[name] = Observed(len(self._domains), tagger(self._generations.key, name))
        return seen

    def freeze(self) -> FrozenCrosswalk:
        """Draws surrogates for the identifiers that have none, and commits them as a new generation.

        Where every identifier is known nothing is written. What was committed stays if the export fails later: a
        surrogate that nobody has seen does no harm.
        """
        self._rows.freeze()
        with lock(self._generations.folder, wait=self._wait):
            index = self._current()
            grown = [name for name in self._domains if self._has_new(index, name)]
            if grown:
                index = self._commit(index, grown)
            # Opened under the lock: the files stay readable for this run when later commits remove their names.
            self._frozen = FrozenCrosswalk(self._generations, index, budget=self._budget)
        self._rows.close()
        return self._frozen

    def _current(self) -> Index:
        index = self._generations.current()
        check(self._generations, index)
        if index.generation < self._at_least:
            raise StorageError(
                f"the crosswalk is at generation {index.generation}, but {self._at_least} is known to exist",
                hint="an old copy was put back; restore the newest one",
            )
        remember(self._generations, index)
        return index

    def _observed(self, name: str) -> Iterator[tuple[U64, U64]]:
        """Gives the tags of one domain, ascending, each once (no table splits the rows of a tag)."""
        number = self._domains[name].number
        for table in self._rows.partitions():
            mine = table["domain"].to_numpy() == number
            high, low = table["tag"].to_numpy()[mine], table["tag_low"].to_numpy()[mine]
            again = np.zeros(len(high), dtype=np.bool_)
            again[1:] = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
            if len(high):
                yield high[~again], low[~again]

    def _has_new(self, index: Index, name: str) -> bool:
        entry = index.domain(name)
        if entry is None:
            return any(len(high) for high, _ in self._observed(name))
        with DomainLookup(self._generations.open_domain(index, entry), budget=self._budget // 4) as held:
            return any(not held.find(high, low)[0].all() for high, low in self._observed(name))

    def _commit(self, index: Index, grown: list[str]) -> Index:
        with self._generations.staging(index) as staging:
            domains: list[DomainEntry] = []
            for entry in index.domains:
                if entry.name not in grown:
                    self._generations.keep(index, entry, staging)
                    domains.append(entry)
            domains += [self._grow(index, name, staging) for name in grown]
            committed = self._generations.commit(index, tuple(domains), staging)
        remember(self._generations, committed)
        return committed

    def _grow(self, index: Index, name: str, staging: Path) -> DomainEntry:
        old = index.domain(name)
        observed = sum(len(high) for high, _ in self._observed(name))
        bits = bits_for(max(observed, old.count if old else 0), old)
        with ExitStack() as stack:
            file = self._generations.open_domain(index, old) if old else None
            held = stack.enter_context(DomainLookup(file, budget=0)) if file else None
            writer = DomainWriter(staging, name, 1 << bits, self._generations.key)
            stack.callback(writer.close)
            arriving = Ascending(self._observed(name))
            for number in range(1 << bits):
                fresh = arriving.below((number + 1) << (64 - bits))
                writer.write(merged(held.within(number, bits) if held else EMPTY, *fresh))
            return writer.finish()


def distinct_enough(ids: pa.Array) -> pa.Array:
    """Gives the identifiers without nulls and, where a dictionary tells them, without repeats."""
    return (used_entries(ids)[0] if isinstance(ids, pa.DictionaryArray) else ids).drop_null()
