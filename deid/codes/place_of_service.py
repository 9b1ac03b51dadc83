"""Place of service, kept by CMS: two digits that say where a professional service was given.

The list is the one that CMS publishes (Place of Service Codes for Professional Claims), with the first day of codes
that came after 2003, as far as CMS states it. Settings are this toolkit's own groups of places.
Types of bill and words, which columns of this kind may hold as well, are no codes of this system. One digit is half of
a type of bill as often as a place that has lost its zero, so it is UNKNOWN, and UNMAPPED at every level.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.days import number_of
from deid.codes.base import UNMAPPED, CodeList, Level
from deid.codes.formed import FormedSystem, Listed, Rung, codes_like, looked_up, shaped, spelled, values_of

PATTERN = "[0-9]{2}"
SETTINGS = {
    "telehealth": ("02", "10"),
    "office or clinic": ("05", "07", "11", "15", "17", "20", "49", "50", "71", "72"),
    "home or shelter": ("04", "12", "13", "14", "16", "33"),
    "hospital, inpatient": ("21",),
    "hospital, outpatient": ("19", "22"),
    "emergency department": ("23",),
    "outpatient facility": ("06", "08", "24", "25", "62", "65", "66"),
    "nursing or rehabilitation facility": ("31", "32", "54", "61"),
    "hospice": ("34",),
    "behavioral health": ("51", "52", "53", "55", "56", "57", "58"),
    "ambulance": ("41", "42"),
    "laboratory or pharmacy": ("01", "81"),
    "other": ("03", "09", "18", "26", "27", "60", "99"),
}
_SETTING_OF = {code: setting for setting, codes in SETTINGS.items() for code in codes}
_SINCE = {
    "02": date(2017, 1, 1),
    "09": date(2006, 7, 1),
    "10": date(2022, 1, 1),
    "13": date(2003, 10, 1),
    "14": date(2003, 10, 1),
    "16": date(2008, 1, 1),
    "17": date(2010, 5, 1),
    "18": date(2013, 1, 1),
    "19": date(2016, 1, 1),
    "27": date(2023, 10, 1),
    "49": date(2003, 10, 1),
    "57": date(2003, 10, 1),
    "58": date(2020, 1, 1),
    "66": date(2024, 8, 1),
}


def _one_digit(values: pa.Array) -> pa.Array:
    return pc.is_valid(shaped(values, "[0-9]"))


PLACE_OF_SERVICE = FormedSystem(
    name="place_of_service",
    title="CMS place of service",
    kinds=("place_of_service",),
    code=codes_like(f"{PATTERN}|{UNMAPPED}", "two digits, or UNMAPPED"),
    normal=spelled(PATTERN),
    rungs=(
        Rung(
            Level(
                "setting",
                values_of(_SETTING_OF, "a setting of care, or UNMAPPED"),
                "setting of care, a group of places of service made by this toolkit",
            ),
            looked_up(lambda codes: codes, _SETTING_OF),
        ),
    ),
    listed=Listed(
        CodeList(
            release="CMS place of service 2025",
            source="CMS, Place of Service Codes for Professional Claims, written down from public pages",
            codes=len(_SETTING_OF),
            first=number_of(date(2003, 1, 1)),
        ),
        {code: (number_of(_SINCE[code]) if code in _SINCE else None, None) for code in _SETTING_OF},
    ),
    unsure=_one_digit,
)
