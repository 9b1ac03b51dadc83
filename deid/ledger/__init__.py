"""The series ledger: what releases have told already, so that the next one cannot tell people apart by the difference.

docs/formats/ledger.md is the specification. `Ledger` is what a run holds: who is released, the book that results, and
its publication.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import msgspec
import numpy as np
import pyarrow as pa

from deid.errors import DisclosureError
from deid.keys.prf import BatchCmac, derive_key
from deid.ledger.arrivals import Arrivals, Movement, SeriesRules, arrive
from deid.ledger.book import Book
from deid.ledger.records import Frozen, JoinFigure, ReleaseEntry, Rule
from deid.ledger.state import EXCLUDED, HELD, I32, LEFT, RELEASED, Joint, State, joint
from deid.ledger.store import Held, Publication, Series, open_ledger, restore
from deid.ledger.told import Told
from deid.ledger.withheld import Withheld
from deid.observing.controls import CodeMap, Place
from deid.patients.tags import U64, first_words, words
from deid.release.manifest import LedgerEntry

__all__ = [
    "EXCLUDED",
    "HELD",
    "LEFT",
    "RELEASED",
    "Arrivals",
    "Book",
    "Frozen",
    "Held",
    "Joint",
    "Ledger",
    "Movement",
    "Publication",
    "ReleaseEntry",
    "Rule",
    "Series",
    "SeriesRules",
    "State",
    "Withheld",
    "arrive",
    "joint",
    "open_ledger",
    "restore",
    "tagger",
]


def tagger(key: bytes) -> BatchCmac:
    """Return what makes tags of source identifiers, the same for all series of a site; `key`: subkey ("ledger")."""
    return BatchCmac(derive_key(key, "ledger tags"))


def tags_of(cmac: BatchCmac, ids: pa.Array) -> U64:
    """Return the tag of each identifier, uint64 (n, 2)."""
    high, low = words(cmac.digest(ids), 128)
    if low is None:
        raise AssertionError("tags have 128 bits")
    return np.stack([high, low], axis=1)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of one series as a run found it."""

    series: Series
    held: Held

    @classmethod
    def open(cls, series: Series) -> Ledger:
        """Open and settle; raise DisclosureError, StorageError or KeyFaultError (deid.ledger.store.open_ledger)."""
        return cls(series, open_ledger(series))

    @property
    def frozen(self) -> Frozen | None:
        """What the first release fixed, None before it."""
        return self.held.book.frozen if self.held.book else None

    @property
    def book(self) -> Book | None:
        """The book, None before the first release."""
        return self.held.book

    @property
    def number(self) -> int:
        """The number of the release to be made."""
        return len(self.held.book.releases) + 1 if self.held.book else 1

    def arrivals(self, tags: U64, klass: I32, rules: SeriesRules) -> Arrivals:
        """Decide who is in the release to be made (deid.ledger.arrivals.arrive)."""
        state = self.held.book.state if self.held.book else State.empty()
        cmac = BatchCmac(derive_key(self.series.key, "ledger", "draw", str(self.number)))

        def draw(of: U64) -> U64:
            data = pa.py_buffer(np.ascontiguousarray(of.astype(">u8")).tobytes())
            ends = pa.py_buffer((np.arange(len(of) + 1, dtype=np.int32) * 16).tobytes())
            return first_words(cmac.digest(pa.BinaryArray.from_buffers(pa.binary(), len(of), [None, ends, data])))

        return arrive(state, tags, klass, self.number, rules, draw)

    def entered(
        self,
        arrivals: Arrivals,
        *,
        frozen: Frozen,
        vectors: Mapping[Place, pa.Array],
        codes: Mapping[str, CodeMap],
        withheld: Withheld,
        release: str,
        created: date,
        period: str | None,
    ) -> Draft:
        """Return the book with the new release; raise DisclosureError where joint k would not hold."""
        increment = frozen.mode == "increment"
        found = joint(arrivals.state, k=frozen.k, is_increment=increment)
        if found.below:
            raise DisclosureError(
                f"over all releases of request {self.series.request} {found.below:,} joint classes would hold fewer "
                f"than k = {frozen.k} patients",
                hint="nothing was published; verify the ledger by `deid ledger verify`, and report this as a defect",
            )
        before = self.held.book.releases if self.held.book else ()
        entry = ReleaseEntry(
            number=arrivals.number,
            release=release,
            manifest_sha256="",
            confirmed=False,
            created=created,
            period=period,
            movement=arrivals.movement,
            joint_k=found.smallest,
        )
        prints = self.held.book.prints if self.held.book else ()
        state = arrivals.state
        if state.prints.shape[1] != len(prints):
            state = replace(state, prints=np.zeros((len(state), len(prints)), np.uint64))
        book = Book(
            self.series.request,
            self.series.party,
            frozen,
            (*before, entry),
            vectors=vectors,
            codes=codes,
            withheld=withheld,
            prints=prints,
            state=state,
            readers=self.held.book.readers if self.held.book else (),
        )
        return Draft(self, book, found)


@dataclass(frozen=True, slots=True)
class Draft:
    """The book of a release that is being made, not on disk yet."""

    ledger: Ledger
    book: Book = field(repr=False)
    joint: Joint

    def printed(self, tags: U64, prints: Mapping[str, U64]) -> Draft:
        """Return the draft with the fingerprints of what this release shows of these patients.

        `prints`: kind and rule -> uint64 (m,). Patients who are not in this release keep theirs of before. Increments
        add up: whoever has them joins them by the pseudonym.
        """
        names = tuple(sorted({*self.book.prints, *prints}))
        old, state = self.book.prints, self.book.state
        table = np.zeros((len(state), len(names)), np.uint64)
        for at, name in enumerate(old):
            table[:, names.index(name)] = state.prints[:, at]
        place = state.find(tags)
        for name, values in prints.items():
            before = table[place, names.index(name)] if self.book.is_increment else np.uint64(0)
            table[place, names.index(name)] = before + values
        return replace(self, book=replace(self.book, prints=names, state=replace(state, prints=table)))

    def read_by(self, readers: Sequence[str]) -> Draft:
        """Return the draft with the digests of the recipients' keys of this release beside the earlier ones."""
        return replace(self, book=replace(self.book, readers=tuple(sorted({*self.book.readers, *readers}))))

    def with_codes(self, told: Told, union: float | None) -> Draft:
        """Return the draft with the codes that the series has shown, and the figure of the attack on all of them."""
        newest = self.book.newest
        if union is not None:
            newest = msgspec.structs.replace(newest, codes_union=union)
        return replace(self, book=replace(self.book, told=told, releases=(*self.book.releases[:-1], newest)))

    def joined(self, joins: tuple[JoinFigure, ...]) -> Draft:
        """Return the draft with the figures of joins to other series."""
        newest = msgspec.structs.replace(self.book.newest, joins=joins)
        return replace(self, book=replace(self.book, releases=(*self.book.releases[:-1], newest)))

    @property
    def entry(self) -> LedgerEntry:
        """What the manifest tells: the generation that will be committed, and the digest of the book."""
        return LedgerEntry(self.ledger.held.generation + 1, self.ledger.series.digest_of(self.book))

    def prepare(self, publication: Publication, manifest: bytes) -> None:
        """Enter the release as pending, right before it is renamed."""
        publication.prepare(self.book, self.ledger.held, manifest)
