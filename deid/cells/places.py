"""ZIP codes: the three-digit prefixes that may be released, and cleaning of ZIPs as files really hold them.

45 CFR 164.514(b)(2)(i)(B) allows the first three digits where all ZIP codes that begin with them hold more than 20,000
people by current Census data. The table is the 2020 Census; see deid/data/README.md for how it was derived.
"""

from __future__ import annotations

import csv
import functools
import hashlib
from importlib import resources

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import gather, over_dictionary, spans, validity

CENSUS_VINTAGE = "2020"
THRESHOLD = 20_000
WITHHELD = "000"
_TABLE = "zip3_population_2020.csv"
_NO_ZIP = -1
_PLACEHOLDER = 99_999  # no such ZIP; systems write it for "unknown", and its prefix 999 is an allowed one
# Five digits with one leading zero lost, ZIP+4 with or without hyphen, and the ".0" that spreadsheets add.
# Three digits are none: a source that holds prefixes writes 902 for Los Angeles, one that lost two zeros writes 902 for
# 00902, San Juan. Which it is no value tells, and a wrong place is worse than none. Seven digits are 3 and 4 likewise.
_HYPHENATED = r"^(?P<zip>[0-9]{4,5})[- ](?:[0-9]{4})?$"
_BARE = r"^(?P<zip>[0-9]{4,5})(?:\.0)?$"
_NINE = r"^(?P<zip>[0-9]{8,9})(?:\.0)?$"


@functools.cache
def _table() -> bytes:
    return resources.files("deid.data").joinpath(_TABLE).read_bytes()


@functools.cache
def populations() -> dict[str, int]:
    """Return the Census population of every three-digit prefix that has any."""
    rows = csv.DictReader(line for line in _table().decode().splitlines() if not line.startswith("#"))
    return {row["zip3"]: int(row["population"]) for row in rows}


@functools.cache
def releasable() -> frozenset[str]:
    """Return the prefixes with more than 20,000 people; everything else is withheld."""
    return frozenset(prefix for prefix, people in populations().items() if people > THRESHOLD)


def __getattr__(name: str) -> frozenset[str]:
    if name == "ZIP3_RELEASABLE":  # read from the package only when somebody asks
        return releasable()
    raise AttributeError(name)


def table_digest() -> str:
    """Return the SHA-256 (hex) of the population table, for the manifest."""
    return hashlib.sha256(_table()).hexdigest()


def zip3(values: pa.Array) -> pa.Array:
    """Return the three-digit prefix of each ZIP where it may be released, else "000"; nulls stay null."""
    if isinstance(values, pa.DictionaryArray):
        return over_dictionary(values, zip3)
    numbers = _zip5_numbers(values)
    # -1 // 100 is -1, the last entry of the table, which is "000" like every prefix that is not allowed.
    return _strings(_prefix_table().take(numbers // 100, axis=0), values)


def zip5(values: pa.Array) -> pa.Array:
    """Return each ZIP as five digits; what is no ZIP becomes null; nulls stay null."""
    if isinstance(values, pa.DictionaryArray):
        return over_dictionary(values, zip5)
    numbers = _zip5_numbers(values)
    digits = numbers[:, None] // np.array([10_000, 1_000, 100, 10, 1]) % 10
    found = _strings((digits + ord("0")).astype(np.uint8), values)
    return pc.if_else(pa.array(numbers != _NO_ZIP), found, pa.scalar(None, found.type))


@functools.cache
def _prefix_table() -> npt.NDArray[np.uint8]:
    """Return the output for each prefix 0 to 999, and "000" once more at the end for what is no ZIP."""
    allowed = releasable()
    words = [f"{n:03d}" if f"{n:03d}" in allowed else WITHHELD for n in range(1000)] + [WITHHELD]
    return np.frombuffer("".join(words).encode(), np.uint8).reshape(1001, 3)


def _zip5_numbers(values: pa.Array) -> npt.NDArray[np.int64]:
    """Return the five-digit ZIP of each value as a number, -1 where there is none."""
    starts, lengths, data = spans(values, padding=9)
    digits = gather(data, starts, 9)
    digits -= ord("0")  # wraps around below "0", so one comparison tells a digit
    is_digit = digits <= 9
    five = is_digit[:, :5].all(axis=1)
    regular = five & ((lengths == 5) | ((lengths == 9) & is_digit[:, 5:].all(axis=1)))
    numbers = np.asarray(digits[:, :5] @ np.array([10_000, 1_000, 100, 10, 1]), np.int64)
    odd = np.flatnonzero(~regular & (lengths > 0))
    numbers[~regular] = _NO_ZIP
    if len(odd):
        numbers[odd] = _irregular(values.take(pa.array(odd)))
    numbers[numbers == _PLACEHOLDER] = _NO_ZIP
    return numbers


def _irregular(values: pa.Array) -> npt.NDArray[np.int64]:
    """Return the number of each ZIP that is not just five or nine digits, -1 where it is no ZIP at all."""
    words = pc.utf8_trim_whitespace(values)
    short = pc.coalesce(_captured(words, _BARE), _captured(words, _HYPHENATED))
    nine = pc.divide(_captured(words, _NINE), 10_000)
    numbers: npt.NDArray[np.int64] = pc.coalesce(short, nine, _NO_ZIP).to_numpy(zero_copy_only=False)
    return numbers


def _captured(words: pa.Array, pattern: str) -> pa.Array:
    """Return the number that `pattern` captures in each string, null where it does not match."""
    return pc.cast(pc.struct_field(pc.extract_regex(words, pattern), "zip"), pa.int64())


def _strings(text: npt.NDArray[np.uint8], values: pa.Array) -> pa.StringArray:
    """Return the rows of an (n, width) byte matrix as strings, null where `values` is."""
    count, width = text.shape
    ends = pa.py_buffer(np.arange(0, (count + 1) * width, width, dtype=np.int32))
    found = pa.StringArray.from_buffers(count, ends, pa.py_buffer(np.ascontiguousarray(text)))
    if not values.null_count:
        return found
    return pc.if_else(pa.array(validity(values)), found, pa.scalar(None, pa.string()))
