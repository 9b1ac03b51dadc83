"""Parse source columns to the types that transforms take, and tell which cells cannot be parsed.

Text, code and note kinds become strings, dates date32, integers int64, decimals float64. A null is not a bad cell;
a bad cell is null in the result. One cell's result never depends on the other cells, so batches may be cut anywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from deid.cells.buffers import in_use, spans, validity
from deid.cells.date_text import as_dates, is_date_format, parse_dates
from deid.cells.days import FIRST_DAY, LAST_DAY, day_numbers
from deid.cells.text_cells import Parsed, as_strings, blank_to_null, float_texts, trimmed, without_fraction
from deid.errors import DocumentError, SourceError
from deid.kinds import Value
from deid.schema import Column

_TYPES = {Value.DATE: pa.date32(), Value.INTEGER: pa.int64(), Value.DECIMAL: pa.float64()}
_LARGEST = 2**63
_MAX_DIGITS = 18
# A sign, digits without thousands separators, and for whole numbers at most a fraction of zeros: files from
# spreadsheets and data frames write 12.0 for 12. No hexadecimal, NaN, infinity or currency sign.
_WHOLE = rf"^(?P<number>[+-]?[0-9]{{1,{_MAX_DIGITS}}})(?:\.0*)?$"
_FRACTION = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"
_PLAIN_NUMBER = np.isin(np.arange(256), np.frombuffer(b"0123456789.-", np.uint8))


def parse(column: Column, values: pa.Array) -> Parsed:
    """Return `values` as the kind's type, and True for every bad cell.

    Accepts strings (plain, large or dictionary-encoded), and the native types of Parquet: dates, timestamps, integers,
    floats, decimals and booleans. Dictionary-encoded text and codes stay so. Blanks around a text or code go, and an
    empty cell is null; a note is left as it is. Raise SourceError if the column's type cannot be the kind's at all,
    DocumentError if its date format is none.
    """
    value = column.kind.value
    if isinstance(values, pa.DictionaryArray) and _is_text(values.type.value_type):
        return _parse_dictionary(column, values)
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    if pt.is_null(values.type):
        return pa.nulls(len(values), _TYPES.get(value, pa.string())), np.zeros(len(values), np.bool_)
    if value is Value.DATE:
        return _dates(column, values)
    if value in (Value.TEXT, Value.CODE, Value.NOTE):
        return _texts(column, values)
    numbers = _integers if value is Value.INTEGER else _decimals
    return numbers(column, values)


def _parse_dictionary(column: Column, values: pa.DictionaryArray) -> Parsed:
    """Parse each entry once and take the rows."""
    if len(values.dictionary) > len(values):  # a slice of something larger: its rows are fewer than its entries
        return parse(column, values.dictionary_decode())
    entries, bad = parse(column, values.dictionary)
    rows = values.indices.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    flags = bad[rows] & validity(values.indices) if bad.any() else np.zeros(len(values), np.bool_)
    if column.kind.value in _TYPES:
        return entries.take(values.indices), flags
    indices = values.indices.cast(pa.int32())
    return in_use(pa.DictionaryArray.from_arrays(indices, entries)), flags


def _is_text(kind: pa.DataType) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)) or _is_bytes(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_boolean(kind) or pt.is_decimal(kind))


def _wrong_type(column: Column, found: pa.DataType) -> SourceError:
    return SourceError(
        f"column {column.name} of kind {column.kind.name} holds {found}, expected {column.kind.value}",
        hint="mend the kind in the dataset description, or the file",
    )


# Text


def _texts(column: Column, values: pa.Array) -> Parsed:
    bad = np.zeros(len(values), np.bool_)
    if _is_text(values.type):
        strings, bad = as_strings(values)
    elif pt.is_floating(values.type):
        strings = float_texts(values)
    elif _is_number(values.type) or pt.is_temporal(values.type):
        strings = pc.cast(values, pa.string())
    else:
        raise _wrong_type(column, values.type)
    if column.kind.value is Value.NOTE:  # spans found in a note are positions in it, so only blank notes change
        return blank_to_null(strings, pc.utf8_trim_whitespace(strings)), bad
    texts = trimmed(strings)
    return (without_fraction(texts) if column.whole or column.kind.name == "omop_concept" else texts), bad


# Dates


def _dates(column: Column, values: pa.Array) -> Parsed:
    if not is_date_format(column.date_format):
        raise DocumentError(
            f"the date format of column {column.name} is not one",
            hint="write iso, or a strptime pattern with %Y, a month and a day",
        )
    if pt.is_date(values.type) or pt.is_timestamp(values.type):
        days = day_numbers(_local(column, values))
        missing = ~validity(values)
        good = (days >= FIRST_DAY) & (days <= LAST_DAY) & ~missing
        return as_dates(days, good), ~good & ~missing
    unreadable = np.zeros(len(values), np.bool_)
    if _is_text(values.type):
        strings, unreadable = as_strings(values)
    elif _is_number(values.type) and not pt.is_boolean(values.type):  # 20200131 under %Y%m%d
        whole, unreadable = _integers(column, values)
        strings = whole.cast(pa.string())
    else:
        raise _wrong_type(column, values.type)
    dates, bad = parse_dates(strings, column.date_format)
    return dates, bad | unreadable


def _local(column: Column, values: pa.Array) -> pa.Array:
    """Return timestamps as the wall clock of their own time zone: the day as it was written there."""
    if not pt.is_timestamp(values.type) or values.type.tz is None:
        return values
    try:
        return pc.local_timestamp(values)
    except pa.ArrowInvalid:
        raise SourceError(
            f"column {column.name} has a time zone that this machine does not know", hint="install tzdata"
        ) from None


# Numbers


def _integers(column: Column, values: pa.Array) -> Parsed:
    kind = values.type
    if not _is_text(kind) and not _is_number(kind):
        raise _wrong_type(column, kind)
    if pt.is_floating(kind):
        numbers = pc.cast(values, pa.float64())
        fits = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less(pc.abs(numbers), float(_LARGEST)))
        missing = pc.is_null(numbers, nan_is_null=True)
        return _where(fits, numbers, missing, pa.int64())
    if pt.is_uint64(kind):
        return _where(pc.less(values, pa.scalar(_LARGEST, pa.uint64())), values, values.is_null(), pa.int64())
    if not _is_text(kind) and not pt.is_decimal(kind):
        return pc.cast(values, pa.int64()), np.zeros(len(values), np.bool_)
    return _number_texts(values, pa.int64(), _whole_texts)


def _decimals(column: Column, values: pa.Array) -> Parsed:
    kind = values.type
    if not _is_text(kind) and not _is_number(kind):
        raise _wrong_type(column, kind)
    if pt.is_floating(kind):
        numbers = pc.cast(values, pa.float64())
        return _where(pc.is_finite(numbers), numbers, pc.is_null(numbers, nan_is_null=True), pa.float64())
    if not _is_text(kind):
        return _to_floats(values), np.zeros(len(values), np.bool_)
    numbers, bad = _number_texts(values, pa.float64(), _fraction_texts)
    finite = pc.is_finite(numbers)
    if pc.all(finite).as_py() in (True, None):
        return numbers, bad
    kept, too_large = _where(finite, numbers, numbers.is_null(), pa.float64())
    return kept, bad | too_large


def _to_floats(values: pa.Array) -> pa.Array:
    if pt.is_boolean(values.type):
        values = pc.cast(values, pa.int64())
    return pc.cast(values, pa.float64(), safe=False)  # whole numbers beyond 2^53 take the nearest double


def _where(good: pa.Array, values: pa.Array, missing: pa.Array, kind: pa.DataType) -> Parsed:
    """Return `values` where `good` as `kind`, null elsewhere; bad is what is neither good nor missing."""
    kept = pc.and_(good.fill_null(False), pc.invert(missing))
    bad = pc.invert(pc.or_(kept, missing)).to_numpy(zero_copy_only=False)
    return pc.cast(pc.if_else(kept, values, pa.scalar(None, values.type)), kind), np.asarray(bad, np.bool_)


def _number_texts(values: pa.Array, kind: pa.DataType, slowly: Callable[[pa.Array], pa.Array]) -> Parsed:
    """Parse numbers written as text: at once where all are plain, else through `slowly`, which nulls what is none."""
    if pt.is_decimal(values.type):
        values = pc.cast(values, pa.string())
    strings, unreadable = as_strings(values)
    texts = trimmed(strings)
    _, lengths, data = spans(texts)
    if bool(_PLAIN_NUMBER[data].all()) and int(lengths.max(initial=0)) <= _MAX_DIGITS:
        # Only digits, dots and minus signs are here, so Arrow's own readings (0x1F, nan, inf) cannot occur.
        try:
            return pc.cast(texts, kind), unreadable
        except pa.ArrowInvalid:  # its message quotes the cell
            pass
    wellformed = slowly(texts)
    bad = validity(texts) & ~validity(wellformed)
    return pc.cast(wellformed, kind), bad | unreadable


def _whole_texts(texts: pa.Array) -> pa.Array:
    numbers = pc.struct_field(pc.extract_regex(texts, _WHOLE), "number")
    return pc.replace_substring_regex(numbers, r"^\+", "")


def _fraction_texts(texts: pa.Array) -> pa.Array:
    good = pc.match_substring_regex(texts, _FRACTION)
    return pc.if_else(good, texts, pa.scalar(None, texts.type))
