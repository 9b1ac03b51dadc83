"""Concepts of the OMOP standardized vocabularies that no vocabulary file is needed for, and which words mean them.

Standard concepts of the vocabularies Gender, Race, Ethnicity, Visit and Type Concept (https://athena.ohdsi.org).
What is not listed is 0, "No matching concept".
"""

from __future__ import annotations

NONE = 0
EHR, CLAIM, COST_RECORD, ALGORITHM = 32817, 32810, 32814, 32880
UTF_8 = 32678
CDM_5_4 = 756265

_MALE, _FEMALE = 8507, 8532
_WHITE, _BLACK, _ASIAN, _NATIVE, _PACIFIC = 8527, 8516, 8515, 8657, 8557
_HISPANIC, _NOT_HISPANIC = 38003563, 38003564
_INPATIENT, _OUTPATIENT, _EMERGENCY, _HOME, _TELEHEALTH, _OBSERVED = 9201, 9202, 9203, 581476, 5083, 581385
_URGENT, _HOSPICE, _NURSING = 8782, 8546, 8863


def _spelled(**spellings: tuple[int, str]) -> dict[str, int]:
    return {word.strip(): concept for concept, words in spellings.values() for word in words.split(",")}


# By what stands in the source, in small letters and without blanks at the ends.
GENDER = _spelled(male=(_MALE, "m, male, man, boy, 1"), female=(_FEMALE, "f, female, woman, girl, 2"))
# Digits mean different races in different systems; those of CMS are told by the names of its columns.
RACE = _spelled(
    white=(_WHITE, "w, white, caucasian, 2106-3"),
    black=(_BLACK, "b, black, black or african american, african american, black/african american, 2054-5"),
    asian=(_ASIAN, "a, asian, 2028-9"),
    native=(_NATIVE, "native, aian, american indian, alaska native, american indian or alaska native, 1002-5"),
    pacific=(_PACIFIC, "nhopi, hpi, hawaiian, native hawaiian or other pacific islander, pacific islander, 2076-8"),
)
CMS_RACE = {"1": _WHITE, "2": _BLACK, "4": _ASIAN, "6": _NATIVE}
CMS_RACE_COLUMNS = frozenset({"BENE_RACE_CD", "RTI_RACE_CD", "BENE_RACE_IDENT_CD"})
ETHNICITY = _spelled(
    hispanic=(_HISPANIC, "h, hispanic, latino, hispanic or latino, hispanic/latino, 2135-2"),
    other=(
        _NOT_HISPANIC,
        "nh, nonhispanic, non-hispanic, non hispanic, not hispanic, not hispanic or latino, 2186-5",
    ),
)
# Numbers are CMS claim types (NCH_CLM_TYPE_CD); two and three letters are HL7 v3 ActCode, capitals aside.
VISIT = _spelled(
    inpatient=(_INPATIENT, "inpatient, imp, acute, nonac, ip, i, 60, 61"),
    outpatient=(
        _OUTPATIENT,
        "outpatient, ambulatory, amb, op, o, office, office visit, clinic, wellness, 40, 71, 72",
    ),
    emergency=(_EMERGENCY, "emergency, emer, er, ed, e"),
    home=(_HOME, "home, home health, home-health, hh, 10"),
    telehealth=(_TELEHEALTH, "virtual, telehealth, telemedicine, vr"),
    observed=(_OBSERVED, "observation, obsenc, obs"),
    urgent=(_URGENT, "urgentcare, urgent care, urgent-care, urgent"),
    hospice=(_HOSPICE, "hospice, 50"),
    nursing=(_NURSING, "snf, skilled nursing facility, 20, 30"),
)
