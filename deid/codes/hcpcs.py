"""HCPCS Level II, kept by CMS: one letter and four digits, grouped by the letter.

National codes begin with A to V. Local codes (W to Z), which ended in 2003 and live on in some state programs, are well
formed and belong to no family.

No list of clear license is to be had as a package; a site adds the quarterly file of CMS (docs/formats/code-list.md).
D codes are the American Dental Association's CDT, of which no list may be shipped.
"""

from __future__ import annotations

from deid.codes.base import Level
from deid.codes.formed import FormedSystem, Rung, codes_like, leading, looked_up, spelled, values_of

PATTERN = "[A-Z][0-9]{4}"
FAMILIES = {
    "A": "transport, supplies, and what is administrative or investigational",
    "B": "enteral and parenteral therapy",
    "C": "hospital outpatient payment, temporary",
    "D": "dental (CDT)",
    "E": "durable medical equipment",
    "G": "procedures and professional services, temporary",
    "H": "behavioral health",
    "J": "drugs other than oral, and chemotherapy",
    "K": "durable medical equipment, temporary",
    "L": "orthotics and prosthetics",
    "M": "medical services and quality measures",
    "P": "pathology and laboratory",
    "Q": "temporary",
    "R": "diagnostic radiology",
    "S": "private payers",
    "T": "state Medicaid agencies",
    "U": "laboratory tests for coronavirus",
    "V": "vision, hearing and speech",
}
LETTERS = {letter: letter for letter in FAMILIES}

HCPCS = FormedSystem(
    name="hcpcs",
    title="HCPCS Level II",
    kinds=("hcpcs",),
    code=codes_like(PATTERN, "HCPCS: a letter and four digits"),
    normal=spelled(PATTERN),
    rungs=(
        Rung(
            Level(
                "family",
                values_of(LETTERS, "the letter of a HCPCS family, or UNMAPPED"),
                "letter of the HCPCS family: " + "; ".join(f"{key} {words}" for key, words in FAMILIES.items()),
            ),
            looked_up(leading(1), LETTERS),
        ),
    ),
)
