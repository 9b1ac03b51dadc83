"""Output domains: the set of values a column of a release may contain, checked on what was really written.

Each domain has one method, `violations`, that counts the non-null values outside it and never returns a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import spans, validity


class Domain(Protocol):
    """A set of allowed values."""

    def violations(self, values: pa.Array) -> int:
        """Return how many non-null values of `values` (dictionary-encoded or not) lie outside the domain."""
        ...

    def describe(self) -> str:
        """Return the domain in a few words for the codebook."""
        ...


@dataclass(frozen=True, slots=True)
class Anything:
    """Every value of the type; used where the policy keeps a column as it is."""

    def violations(self, values: pa.Array) -> int:
        """Return 0."""
        return 0

    def describe(self) -> str:
        """Return the words for no restriction."""
        return "any value of its type"


@dataclass(frozen=True, slots=True)
class Matching:
    """Strings that match one RE2 pattern from beginning to end."""

    pattern: str
    words: str

    def violations(self, values: pa.Array) -> int:
        """Return how many strings do not match."""
        plain = _values_in_use(values)
        return _count_false(self.holds(plain), values, plain)

    def holds(self, plain: pa.Array) -> pa.Array:
        """Return which strings match, null where there is none."""
        return pc.match_substring_regex(plain, f"^(?:{self.pattern})$")

    def describe(self) -> str:
        """Return the pattern in words."""
        return self.words


@dataclass(frozen=True, slots=True)
class Base32:
    """Strings of exactly `length` characters a-z and 2-7 (RFC 4648, lower case): what pseudonyms look like.

    A pattern says the same at ten times the price, and pseudonyms are most of what a release holds.
    """

    length: int

    def violations(self, values: pa.Array) -> int:
        """Return how many strings have another length or another character."""
        entries = values.dictionary if isinstance(values, pa.DictionaryArray) else values
        starts, lengths, data = spans(entries)
        valid = validity(entries)
        wrong = valid & (lengths != self.length)
        foreign = ~(((data >= ord("a")) & (data <= ord("z"))) | ((data >= ord("2")) & (data <= ord("7"))))
        if foreign.any():
            before = np.concatenate(([0], np.cumsum(foreign)))
            wrong |= valid & (before[starts + lengths] != before[starts])
        if not wrong.any():
            return 0
        return int((wrong if entries is values else wrong[values.indices.drop_null().to_numpy()]).sum())

    def describe(self) -> str:
        """Return the form in words."""
        return f"{self.length} characters a-z, 2-7"


@dataclass(frozen=True, slots=True)
class OneOf:
    """A closed list of strings."""

    allowed: frozenset[str]
    words: str

    def violations(self, values: pa.Array) -> int:
        """Return how many strings are not in the list."""
        plain = _values_in_use(values)
        return _count_false(self.holds(plain), values, plain)

    def holds(self, plain: pa.Array) -> pa.Array:
        """Return which strings are in the list."""
        return pc.is_in(plain, value_set=pa.array(sorted(self.allowed), plain.type))

    def describe(self) -> str:
        """Return the list in words."""
        return self.words


@dataclass(frozen=True, slots=True)
class Either:
    """Strings that lie in any one of several domains."""

    parts: tuple[Matching | OneOf, ...]
    words: str

    def violations(self, values: pa.Array) -> int:
        """Return how many strings lie in none of them."""
        plain = _values_in_use(values)
        good = pa.nulls(len(plain), pa.bool_()).fill_null(False)
        for part in self.parts:
            good = pc.or_(good, pc.fill_null(part.holds(plain), False))
        return _count_false(pc.if_else(pc.is_valid(plain), good, None), values, plain)

    def describe(self) -> str:
        """Return the domains in words."""
        return self.words


@dataclass(frozen=True, slots=True)
class OneOfNumbers:
    """A closed list of whole numbers."""

    allowed: frozenset[int]
    words: str

    def violations(self, values: pa.Array) -> int:
        """Return how many numbers are not in the list."""
        return _count_false(pc.is_in(values, value_set=pa.array(sorted(self.allowed), values.type)), values, values)

    def describe(self) -> str:
        """Return the list in words."""
        return self.words


@dataclass(frozen=True, slots=True)
class Between:
    """Numbers from `low` to `high`, both included; with `multiple_of`, only its multiples."""

    low: float | None = None
    high: float | None = None
    multiple_of: float | None = None

    def violations(self, values: pa.Array) -> int:
        """Return how many numbers lie outside."""
        good = pc.is_valid(values)
        if self.low is not None:
            good = pc.and_(good, pc.greater_equal(values, self.low))
        if self.high is not None:
            good = pc.and_(good, pc.less_equal(values, self.high))
        if self.multiple_of is not None:
            steps = pc.divide(pc.cast(values, pa.float64(), safe=False), float(self.multiple_of))
            # Beyond 2^52 steps neighboring doubles differ by whole steps, so the tolerance grows with the number.
            tolerance = pc.max_element_wise(1e-6, pc.multiply(pc.abs(steps), 2.0**-50))
            near = pc.less_equal(pc.abs(pc.subtract(steps, pc.round(steps))), tolerance)
            good = pc.and_(pc.and_(good, pc.is_finite(values)), pc.or_(near, pc.is_inf(steps)))
        kept = pc.sum(pc.fill_null(good, False)).as_py() or 0
        return int(len(values) - values.null_count - kept)

    def describe(self) -> str:
        """Return the limits in words."""
        parts = [
            f"at least {self.low:g}" if self.low is not None else "",
            f"at most {self.high:g}" if self.high is not None else "",
            f"multiples of {self.multiple_of:g}" if self.multiple_of is not None else "",
        ]
        return ", ".join(part for part in parts if part) or "any number"


def _values_in_use(values: pa.Array) -> pa.Array:
    return values.dictionary if isinstance(values, pa.DictionaryArray) else values


def _count_false(good: pa.Array, values: pa.Array, plain: pa.Array) -> int:
    """Count rows whose value is false in `good`; `plain` is the dictionary of `values`, or `values` itself."""
    if plain is not values:
        good = good.take(values.indices)
    kept = pc.sum(pc.fill_null(good, False)).as_py() or 0
    return int(len(values) - values.null_count - kept)
