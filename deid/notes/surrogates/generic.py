"""Words that stand in names of people, streets and facilities and name none of them: data only."""

from __future__ import annotations

from deid.notes.words import STREET_TYPES, UNIT_WORDS
from deid.notes.words import STREET_WORDS as SPELLINGS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that are also names, as "Do" or "Pa", are not among them.
TITLES = _words(
    """
    mr mrs ms mx dr prof md rn np jr sr ii iii phd mph facp dnp lpn lcsw aprn crna pharmd
    """
)
STATES = _words(
    """
    AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK
    OR PA RI SC SD TN TX UT VT VA WA WV WI WY PR
    """
)
STREET_WORDS = (
    frozenset(SPELLINGS) | frozenset(SPELLINGS.values()) | STREET_TYPES | UNIT_WORDS | frozenset({"po", "box"})
) - {"saint"}
FACILITY_WORDS = _words(
    """
    hospital hospitals medical center centre clinic clinics health healthcare system systems care nursing home of
    the and at for general community regional county memorial university children childrens infirmary rehabilitation
    rehab hospice institute school services service group associates family medicine practice urgent emergency
    department unit ward floor room cancer heart eye surgery surgical surgicenter dialysis pharmacy laboratory lab
    st saint mount mt living assisted senior skilled facility manor house va er ed icu nicu picu ccu pacu or snf
    """
)
GENERIC = TITLES | STREET_WORDS | FACILITY_WORDS | frozenset(state.lower() for state in STATES)
