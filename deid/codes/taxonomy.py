"""Health Care Provider Taxonomy, kept by the National Uniform Claim Committee: ten characters that end in X.

Two characters tell the grouping, four the classification within it, nine the specialization. No list is shipped.
CMS's own two characters, and words, which columns of provider specialties may hold as well, are no codes of it.
"""

from __future__ import annotations

from deid.cells.domains import Matching
from deid.codes.base import UNMAPPED, Level
from deid.codes.formed import FormedSystem, Rung, codes_like, leading, looked_up, spelled, values_of

PATTERN = "[0-9]{3}[0-9A-Z]{6}X"
GROUPINGS = {
    "10": "behavioral health and social service",
    "11": "chiropractic",
    "12": "dental",
    "13": "dietary and nutritional service",
    "14": "emergency medical service",
    "15": "eye and vision service",
    "16": "nursing service",
    "17": "other service",
    "18": "pharmacy service",
    "19": "group",
    "20": "allopathic and osteopathic physician",
    "21": "podiatric medicine and surgery",
    "22": "respiratory, developmental, rehabilitative and restorative service",
    "23": "speech, language and hearing service",
    "24": "technologist or technician",
    "25": "agency",
    "26": "ambulatory health care facility",
    "27": "hospital unit",
    "28": "hospital",
    "29": "laboratory",
    "30": "managed care organization",
    "31": "nursing and custodial care facility",
    "32": "residential treatment facility",
    "33": "supplier",
    "34": "transportation service",
    "36": "physician assistant or advanced practice nurse",
    "37": "nursing service related",
    "38": "respite care facility",
    "39": "student in an organized training program",
    "40": "other service",
}

TAXONOMY = FormedSystem(
    name="taxonomy",
    title="NUCC Health Care Provider Taxonomy",
    kinds=("provider_specialty",),
    code=codes_like(PATTERN, "NUCC taxonomy: ten characters, X the last"),
    normal=spelled(PATTERN),
    rungs=(
        Rung(
            Level(
                "classification",
                Matching(f"[0-9]{{3}}[0-9A-Z]|{UNMAPPED}", "the first four characters, or UNMAPPED"),
                "grouping and classification of the provider: the first four characters of the taxonomy code",
            ),
            leading(4),
        ),
        Rung(
            Level(
                "grouping",
                values_of(GROUPINGS, "a grouping of providers, or UNMAPPED"),
                "grouping of providers, by the first two characters of the taxonomy code",
            ),
            looked_up(leading(2), GROUPINGS),
        ),
    ),
)
