"""Patient discharge status of the UB-04, form locator 17: two digits.

The list holds the codes that CMS publishes for Medicare claims, with first and last days as far as CMS states them.
Codes 20 and 40 to 42, and the group `died`, tell a death: what a policy says of `discharge_status` has to be said with
that in mind, at every level (docs/formats/policy.md, "Limits").
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.days import number_of
from deid.codes.base import CodeList, Level
from deid.codes.formed import FormedSystem, Listed, Rung, codes_like, looked_up, shaped, values_of

PATTERN = "[0-9]{2}"
GROUPS = {
    "home": ("01", "81"),
    "home health": ("06", "08", "86"),
    "hospital": ("02", "05", "09", "43", "63", "65", "66", "82", "85", "88", "91", "93", "94"),
    "nursing or rehabilitation facility": ("03", "04", "61", "62", "64", "83", "84", "89", "90", "92"),
    "other institution": ("69", "70", "95"),
    "hospice": ("50", "51"),
    "court or law enforcement": ("21", "87"),
    "left against advice": ("07",),
    "still a patient": ("30",),
    "died": ("20", "40", "41", "42"),
}
_GROUP_OF = {code: group for group, codes in GROUPS.items() for code in codes}
_PLANNED_READMISSION = number_of(date(2013, 10, 1))  # 81 to 95, and 69
_FIRST = {
    "21": number_of(date(2009, 10, 1)),  # CMS, Change Request 6385
    "43": number_of(date(2003, 10, 1)),
    "65": number_of(date(2005, 1, 1)),
    "66": number_of(date(2006, 1, 1)),
    "70": number_of(date(2008, 4, 1)),
    "69": _PLANNED_READMISSION,
    **{f"{code}": _PLANNED_READMISSION for code in range(81, 96)},
}
_LAST = {"08": number_of(date(2005, 9, 30))}


def normal(values: pa.Array) -> pa.Array:
    """Return each code in two digits."""
    return pc.utf8_lpad(shaped(values, "[0-9]{1,2}"), 2, "0")


DISCHARGE_STATUS = FormedSystem(
    name="discharge_status",
    title="UB-04 patient discharge status",
    kinds=("discharge_status",),
    code=codes_like(PATTERN, "two digits"),
    normal=normal,
    rungs=(
        Rung(
            Level(
                "group",
                values_of(_GROUP_OF, "where the patient went, or UNMAPPED"),
                "where the patient went, in groups made by this toolkit; died among them",
            ),
            looked_up(lambda codes: codes, _GROUP_OF),
        ),
    ),
    listed=Listed(
        CodeList(
            release="UB-04 discharge status 2025",
            source="CMS and ResDAC, Patient Discharge Status Code, written down from public pages",
            codes=len(_GROUP_OF),
            first=number_of(date(2003, 1, 1)),
        ),
        {code: (_FIRST.get(code), _LAST.get(code)) for code in _GROUP_OF},
    ),
)
