"""What identifies the people of X12 837 files, collected by splitting at the delimiters of a file's ISA and nothing else.

Which element holds which identifier is written down by hand from the implementation guides, apart from the product.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attack.raw_sources import Raw

_PEOPLE = ("IL", "QC", "QD", "GB", "S1")  # insured, patient, responsible, other insured, parent
_DATES = ("472", "434", "435", "431", "454", "304", "453", "439", "484", "297", "296", "050")
_NUMBERS = {
    "SY": "ssn", "EA": "mrn", "F8": "claim", "D9": "claim", "6R": "claim", "Y4": "claim", "G1": "other_id",
    "9F": "other_id", "1W": "member", "23": "other_id", "IG": "other_id", "EJ": "account", "XZ": "other_id",
}  # fmt: skip
# Tables by the qualifiers of the codes that are their rows.
_CODES = {
    "ABK": "diagnoses", "ABF": "diagnoses", "BK": "diagnoses", "BF": "diagnoses", "ABJ": "other_diagnoses",
    "BJ": "other_diagnoses", "APR": "other_diagnoses", "PR": "other_diagnoses", "ABN": "other_diagnoses",
    "BN": "other_diagnoses", "BBR": "procedures", "BBQ": "procedures", "BR": "procedures", "BQ": "procedures",
}  # fmt: skip


def segments_of(text: str) -> Iterator[list[str]]:
    """Yield each segment of an interchange as its elements; components are parted by colons in all of these files."""
    element, end = text[3], text[105]
    for segment in text.split(end):
        if segment.strip():
            yield segment.strip().split(element)


def collect_x12(place: Path) -> Raw:
    """Collect from a file, or from every text file of a folder."""
    raw = Raw()
    for path in [place] if place.is_file() else sorted(place.glob("*.txt")):
        whose, patient, in_line = "", False, False
        for parts in segments_of(path.read_text(encoding="utf-8")):
            name = parts[0]
            if name == "HL":
                patient, in_line = False, False
            elif name == "SBR":
                patient = parts[2] == "18"
                raw.add("other_id", parts[3])
            elif name == "PAT":
                patient = True
            elif name == "NM1":
                whose = parts[1]
                _person(raw, parts, is_patient=patient and not in_line)
            elif name in ("N3", "N4", "DMG", "PER") and whose in _PEOPLE:
                _traits(raw, parts)
            else:
                in_line = name == "LX" or (in_line and name != "CLM")
                _numbers(raw, parts)
                _rows(raw, parts, in_line=in_line)
    return raw


def _person(raw: Raw, parts: list[str], *, is_patient: bool) -> None:
    named = [*parts, *[""] * (10 - len(parts))]
    if parts[1] in _PEOPLE:
        for name in named[3:6]:
            raw.add("name" if is_patient and parts[1] in ("IL", "QC") else "relative", name)
        raw.add("member", named[9])
    elif parts[1] not in ("41", "40", "PR"):  # who sends, who receives and who pays
        raw.add("provider_name", f"{named[3]} {named[4]}")
        raw.add("provider", named[9])


def _traits(raw: Raw, parts: list[str]) -> None:
    if parts[0] == "N3":
        raw.add("address", parts[1])
    elif parts[0] == "N4":
        raw.add("city", parts[1])
        raw.add("zip5", f"{parts[3][:5]}-{parts[3][5:]}" if len(parts[3]) == 9 else parts[3])
    elif parts[0] == "DMG":
        raw.add("birth_date", parts[2])
    else:
        raw.add("relative", parts[2])
        raw.add("phone", parts[4])


def _numbers(raw: Raw, parts: list[str]) -> None:
    name = parts[0]
    if name == "CLM":
        raw.add("account", parts[1])
    elif name == "REF" and parts[1] in _NUMBERS:
        raw.add(_NUMBERS[parts[1]], parts[2])
    elif name == "DTP" and parts[1] in _DATES:
        for day in parts[3].split("-"):
            raw.add("service_date", day[:8])
    elif name == "BHT":
        raw.add("service_date", parts[4])
    elif name == "HI":
        for composite in parts[1:]:
            said = composite.split(":")
            if said[0] in ("BBR", "BBQ"):
                raw.add("service_date", said[3])


def _rows(raw: Raw, parts: list[str], *, in_line: bool) -> None:
    tables = {"CLM": ["claims", "patients"], "LX": ["lines"], "NTE": ["line_notes" if in_line else "notes"]}
    found = tables.get(parts[0], [])
    if parts[0] == "HI":
        found = [_CODES[q] for composite in parts[1:] if (q := composite.split(":")[0]) in _CODES]
    for table in found:
        raw.rows[table] = raw.rows.get(table, 0) + 1
