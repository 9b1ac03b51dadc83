"""Code systems that are known by their form, by rules and at most by a short list: what their files share.

Such a system says of a code that is well formed and in no list at hand that it is UNKNOWN, never that it is valid.
Where `lists` is empty that holds of every code; where a list is not `complete`, of many that are in use. Whoever
reports UNKNOWN as a fault looks at `lists` first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import over_dictionary
from deid.cells.days import NO_DAY
from deid.cells.domains import Domain, Matching, OneOf
from deid.codes.base import UNMAPPED, CodeList, Days, Level, Status, Verdicts

# From distinct plain strings to as many strings, with nulls.
Entries = Callable[[pa.Array], pa.Array]
Places = npt.NDArray[np.int64]
_BOUNDS = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True)
class Rung:
    """A level above `code`; `of` leads from normal forms to values of the level, null where the rule knows none."""

    level: Level
    of: Entries = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """A short list: `spans` leads from each code to its first and last day since 1970, None where a list has none."""

    source: CodeList
    spans: Mapping[str, tuple[int | None, int | None]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class FormedSystem:
    """A code system of this kind; see CodeSystem for the methods.

    `normal` leads from distinct plain strings to normal forms, null where malformed. `unsure` tells which of those
    without a normal form are well formed all the same, because they can be read in several ways: they are UNKNOWN, and
    UNMAPPED at every level.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    code: Level
    normal: Entries = field(repr=False)
    rungs: tuple[Rung, ...] = ()
    listed: Listed | None = None
    unsure: Entries | None = field(default=None, repr=False)

    @property
    def levels(self) -> tuple[Level, ...]:
        """See CodeSystem."""
        return self.code, *(rung.level for rung in self.rungs)

    @property
    def lists(self) -> tuple[CodeList, ...]:
        """See CodeSystem."""
        return (self.listed.source,) if self.listed is not None else ()

    def normalize(self, values: pa.Array) -> pa.Array:
        """See CodeSystem."""
        return by_entry(values, self.normal)

    def validate(self, values: pa.Array, on: Days | None = None) -> Verdicts:
        """See CodeSystem."""
        entries, places = entries_of(values)
        codes = self.normal(entries)
        formed = self._formed(entries, codes)
        verdicts = np.full(len(entries) + 1, Status.MALFORMED, np.uint8)
        verdicts[:-1][formed] = Status.UNKNOWN
        verdicts[:-1][flags(pc.is_null(entries))] = Status.ABSENT
        verdicts[-1] = Status.ABSENT
        if self.listed is None:
            return verdicts[places]
        first, last = np.full(len(verdicts), _BOUNDS.max, np.int64), np.full(len(verdicts), _BOUNDS.min, np.int64)
        for place, code in enumerate(codes.to_pylist()):
            if code in self.listed.spans:
                verdicts[place] = Status.VALID
                begin, end = self.listed.spans[code]
                first[place] = _BOUNDS.min if begin is None else begin
                last[place] = _BOUNDS.max if end is None else end
        rows = verdicts[places]
        if on is not None:
            judge_days(rows, on, first[places], last[places], self.listed.source)
        return rows

    def parents(self, code: str) -> tuple[str, ...]:
        """See CodeSystem."""
        above = [self.roll_up(pa.array([code], pa.string()), rung.level.name)[0].as_py() for rung in self.rungs]
        known = [value for value in above if value is not None and value not in (UNMAPPED, code)]
        return tuple(dict.fromkeys(known))

    def roll_up(self, values: pa.Array, level: str) -> pa.Array:
        """See CodeSystem."""
        if level == self.code.name:
            return by_entry(values, self._marked)
        rung = next((rung for rung in self.rungs if rung.level.name == level), None)
        if rung is None:
            raise KeyError(level)
        return by_entry(values, lambda entries: self._lifted(entries, rung.of))

    def _formed(self, entries: pa.Array, codes: pa.Array) -> npt.NDArray[np.bool_]:
        formed = flags(pc.is_valid(codes))
        return formed | flags(pc.fill_null(self.unsure(entries), False)) if self.unsure is not None else formed

    def _marked(self, entries: pa.Array) -> pa.Array:
        codes = self.normal(entries)
        if self.unsure is None:
            return codes
        return pc.if_else(pc.fill_null(self.unsure(entries), False), UNMAPPED, codes)

    def _lifted(self, entries: pa.Array, of: Entries) -> pa.Array:
        codes = self.normal(entries)
        lifted = pc.fill_null(of(codes), UNMAPPED)
        return pc.if_else(pa.array(self._formed(entries, codes)), lifted, pa.scalar(None, pa.string()))


def judge_days(rows: Verdicts, on: Days, first: Places, last: Places, source: CodeList) -> None:
    """Turn VALID into NOT_YET or RETIRED where a row's day lies before `first` or after `last`, each of shape (n,).

    Days outside those that `source` knows are judged as the nearest one; rows without a day stay as they are.
    """
    low = _BOUNDS.min if source.first is None else source.first
    high = _BOUNDS.max if source.last is None else source.last
    days = np.clip(on.astype(np.int64), low, high)
    judged = (rows == Status.VALID) & (on != NO_DAY)
    rows[judged & (days < first)] = Status.NOT_YET
    rows[judged & (days > last)] = Status.RETIRED


def entries_of(values: pa.Array) -> tuple[pa.Array, Places]:
    """Return the distinct values of a string array, and for each row the place of its own; a null's is past the end."""
    coded = values if isinstance(values, pa.DictionaryArray) else values.dictionary_encode()
    places = coded.indices.cast(pa.int64()).fill_null(len(coded.dictionary))
    return coded.dictionary, places.to_numpy(zero_copy_only=False)


def by_entry(values: pa.Array, function: Entries) -> pa.Array:
    """Apply `function` to the distinct values of a string array; same encoding as `values`."""
    if isinstance(values, pa.DictionaryArray):
        return over_dictionary(values, function)
    coded = values.dictionary_encode()
    return function(coded.dictionary).take(coded.indices)


def flags(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Return booleans without nulls as a numpy array."""
    return np.asarray(values.to_numpy(zero_copy_only=False), np.bool_)


def shaped(values: pa.Array, pattern: str) -> pa.Array:
    """Return strings without blanks around them and in capitals, null where one does not match an RE2 pattern whole."""
    # Only ASCII is folded: Unicode would make an S of the long s, and what nobody typed as a code would be one.
    text = pc.ascii_upper(pc.ascii_trim_whitespace(values))
    return pc.if_else(pc.match_substring_regex(text, f"^(?:{pattern})$"), text, pa.scalar(None, text.type))


def spelled(pattern: str) -> Entries:
    """Return the `normal` of a system whose codes need no more than capitals and no blanks around them."""
    return lambda values: shaped(values, pattern)


def looked_up(key: Entries, names: Mapping[str, str]) -> Entries:
    """Return the `of` of a rung: the name of what `key` makes of each code, null where there is none."""
    keys, found = pa.array(names, pa.string()), pa.array(names.values(), pa.string())
    return lambda codes: found.take(pc.index_in(key(codes), value_set=keys))


def leading(characters: int) -> Entries:
    """Return a function from codes to their first characters."""
    return lambda codes: pc.utf8_slice_codeunits(codes, 0, characters)


def codes_like(pattern: str, words: str) -> Level:
    """Return the level `code` of a system whose codes look like `pattern`."""
    return Level("code", Matching(pattern, words), words)


def values_of(names: Mapping[str, str], words: str) -> Domain:
    """Return the values of `names`, and UNMAPPED, as a domain."""
    return OneOf(frozenset(names.values()) | {UNMAPPED}, words)
