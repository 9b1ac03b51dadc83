"""Calendar arithmetic on whole columns: days since 1970-01-01, the proleptic Gregorian calendar, ISO 8601 weeks.

Dates are taken from 1800 to 2200; what lies outside is a fault of the source, not a date of care.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NO_DAY = np.iinfo(np.int32).min  # stands for an unknown day in arrays of days
FIRST_YEAR = 1800
LAST_YEAR = 2200
_EPOCH = date(1970, 1, 1).toordinal()


def number_of(day: date) -> int:
    """Return the days from 1970-01-01 to `day`."""
    return day.toordinal() - _EPOCH


def number_of_day(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a day of the calendar."""
    return number_of(date(year, month, day))


FIRST_DAY = number_of_day(FIRST_YEAR, 1, 1)
LAST_DAY = number_of_day(LAST_YEAR, 12, 31)


def day_numbers(values: pa.Array) -> Numbers:
    """Return a date32 or timestamp array as days since 1970-01-01, int64; a null is day 0, which the caller masks."""
    days = values if pa.types.is_date32(values.type) else pc.cast(values, pa.date32(), safe=False)
    numbers = days.cast(pa.int32()).fill_null(0) if days.null_count else days.cast(pa.int32())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.int64)


def clip_to_calendar(days: Numbers) -> Numbers:
    """Return `days` with everything outside 1800 to 2200 moved to the first or last day of that span."""
    return np.clip(days, FIRST_DAY, LAST_DAY)


def months(days: Numbers) -> tuple[Numbers, Numbers]:
    """Return the year and the month, from 1, of each day."""
    since = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return 1970 + since // 12, since % 12 + 1


def iso_weeks(days: Numbers) -> tuple[Numbers, Numbers]:
    """Return the ISO 8601 year and week of each day: a week belongs to the year of its Thursday."""
    thursday = days - (days + 3) % 7 + 3  # 1970-01-01 was a Thursday, so day + 3 counts from a Monday
    years = thursday.astype("datetime64[D]").astype("datetime64[Y]")
    first = years.astype("datetime64[D]").astype(np.int64)
    return 1970 + years.astype(np.int64), (thursday - first) // 7 + 1


def labels(year: Numbers, mark: str, unit: Numbers, *, digits: int, null: Flags) -> pa.DictionaryArray:
    """Return strings such as 2026-Q3, dictionary-encoded with only the labels that occur; `null` rows are null."""
    scale = 100
    keys = year * scale + unit
    shown = keys[~null]
    low = int(shown.min()) if len(shown) else 0
    present = np.flatnonzero(np.bincount(shown - low)) if len(shown) else np.zeros(0, np.int64)
    places = np.zeros(int(present[-1]) + 1 if len(present) else 1, np.int32)
    places[present] = np.arange(len(present), dtype=np.int32)
    words = [f"{key // scale:04d}{mark}{key % scale:0{digits}d}" for key in (present + low).tolist()]
    indices = places[np.where(null, 0, keys - low)]
    return pa.DictionaryArray.from_arrays(pa.array(indices, mask=null), pa.array(words, pa.string()))


def years_before(day: date, years: int) -> date:
    """Return the same day `years` earlier; for 29 February, 1 March, which closes one birthday more, not one less."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return date(day.year - years, 3, 1)
