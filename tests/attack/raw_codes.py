"""Codes and amounts of raw files, patient by patient, collected with string, json and XML code of its own.

Each function returns, for a table and column of the release, the pairs (patient, text) that must be there: which
element, segment or column holds which code is written down by hand from the specifications of the formats.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from attack.raw_ccda import entries_of, parsed
from attack.raw_hl7v2 import Segment, segments_of
from attack.raw_sources import resources_of, rows_of
from attack.raw_x12 import segments_of as x12_segments

Pairs = dict[tuple[str, str], list[tuple[str, str]]]

_X12_CODES = {
    "ABK": ("diagnoses", "icd"), "ABF": ("diagnoses", "icd"), "ABJ": ("other_diagnoses", "admitting_icd"),
    "APR": ("other_diagnoses", "reason_icd"), "ABN": ("other_diagnoses", "external_icd"),
    "BBR": ("procedures", "icd"), "BBQ": ("procedures", "icd"), "DR": ("claims", "drg"),
}  # fmt: skip


def codes_of_x12(place: Path) -> Pairs:
    """Diagnoses, procedures, services, drugs, charges and units of every claim."""
    found: Pairs = defaultdict(list)
    for path in sorted(place.glob("*.txt")):
        member = person = ""
        for parts in x12_segments(path.read_text(encoding="utf-8")):
            if parts[:2] == ["NM1", "IL"]:
                member = person = parts[9]
            elif parts[:2] == ["NM1", "QC"]:
                person = f"{member}/{parts[3]}/{parts[4]}"
            for place_, text in _x12_segment(parts):
                if text:
                    found[place_].append((person, text))
    return found


def _x12_segment(parts: list[str]) -> Iterator[tuple[tuple[str, str], str]]:
    if parts[0] == "CLM":
        yield ("claims", "total_charge"), parts[2]
    elif parts[0] == "HI":
        for qualifier, code, *_ in (composite.split(":") for composite in parts[1:]):
            if qualifier in _X12_CODES:
                yield _X12_CODES[qualifier], code
    elif parts[0] in ("SV1", "SV2"):
        at = 1 if parts[0] == "SV1" else 2
        service = parts[at].split(":")
        yield ("lines", "cpt"), service[1] if service[0] == "HC" else ""
        yield ("lines", "modifier_1"), service[2] if len(service) > 2 else ""
        yield ("lines", "charge"), parts[at + 1]
        yield ("lines", "units"), parts[4] if at == 1 else parts[5]
        yield ("lines", "revenue_code"), parts[1] if at == 2 else ""
    elif parts[:3] == ["LIN", "", "N4"]:
        yield ("lines", "ndc"), parts[3]


_HL7_SYSTEMS = {
    "I10": "icd10cm", "I10C": "icd10cm", "I9": "icd9cm", "I9C": "icd9cm", "SCT": "snomed", "C4": "cpt", "LN": "loinc",
    "NDC": "ndc", "CVX": "cvx", "I10P": "icd10pcs", "HCPCS": "cpt",
}  # fmt: skip
# Table, messages, fields and columns of the codes of a segment.
_HL7_CODED = {
    "DG1": ("diagnoses", "ADT DFT BAR", "3", "icd10cm icd9cm snomed"),
    "PR1": ("procedures", "ADT DFT BAR", "3", "cpt icd10pcs icd9cm snomed"),
    "FT1": ("transactions", "DFT", "25 19 29", "cpt icd10cm icd9cm snomed ndc"),
    "OBX": ("observations", "ADT ORU VXU", "3", "loinc snomed"),
    "RXA": ("immunizations", "VXU", "5", "cvx ndc"),
}
_MERGES = ("A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47")


def codes_of_hl7v2(place: Path) -> Pairs:
    """Diagnoses, procedures, services, results and vaccines of every message, and what was charged."""
    messages = [list(_messages(path)) for path in sorted(place.glob("*.hl7"))]
    survivors: dict[str, str] = {}
    found: Pairs = defaultdict(list)
    for name, person, segment in (one for of_file in messages for one in of_file):
        if segment.name == "MRG" and name[1] in _MERGES:
            survivors[_number(next(segment.repetitions(1)))] = person
    for name, person, segment in (one for of_file in messages for one in of_file):
        while person in survivors and survivors[person] != person:
            person = survivors[person]  # noqa: PLW2901 - a number leads to the one that stands for it
        for place_, text in _hl7_segment(name[0], segment):
            if text:
                found[place_].append((person, text))
    return found


def _messages(path: Path) -> Iterator[tuple[list[str], str, Segment]]:
    """Yield each segment with type and event of its message, and the number of its patient."""
    name: list[str] = []
    person = ""
    for segment in segments_of(path):
        if segment.name == "MSH":
            name, person = next(segment.repetitions(9))[:2], ""
        elif segment.name == "PID":
            numbers = [*segment.repetitions(3), *segment.repetitions(2)]
            person = _number(next((parts for parts in numbers if parts[4] == "MR"), numbers[0]))
        if name:
            yield name, person, segment


def _number(parts: list[str]) -> str:
    return f"{parts[0]}^{parts[3]}"


def _hl7_segment(type_: str, segment: Segment) -> Iterator[tuple[tuple[str, str], str]]:
    table, types, fields, columns = _HL7_CODED.get(segment.name, ("", "", "", ""))
    if type_ not in types.split():
        return
    for number in fields.split():
        by_system: dict[str, str] = {}
        for parts in segment.repetitions(int(number)):
            for code, system in ((parts[0], parts[2]), (parts[3], parts[5])):
                by_system.setdefault(_HL7_SYSTEMS.get(system, ""), code)
        for column in columns.split():
            yield (table, column), by_system.get(column, "")
    if segment.name == "FT1":
        for column, number in (("amount", 11), ("quantity", 10)):
            for parts in segment.repetitions(number):
                yield (table, column), segment.pieces(parts[0])[0]


_CDA_SYSTEMS = {
    "2.16.840.1.113883.6.90": "icd10cm", "2.16.840.1.113883.6.103": "icd9cm", "2.16.840.1.113883.6.96": "snomed",
    "2.16.840.1.113883.6.12": "cpt", "2.16.840.1.113883.6.4": "icd10pcs", "2.16.840.1.113883.6.1": "loinc",
    "2.16.840.1.113883.6.88": "rxnorm", "2.16.840.1.113883.12.292": "cvx", "2.16.840.1.113883.6.69": "ndc",
}  # fmt: skip
_MATERIAL = "consumable/manufacturedProduct/manufacturedMaterial/code"
_CDA_CODED = {
    "diagnoses": ("value", "icd10cm icd9cm snomed"),
    "procedures": ("code", "cpt icd10pcs snomed loinc"),
    "results": ("code", "loinc snomed"),
    "vital_signs": ("code", "loinc snomed"),
    "medications": (_MATERIAL, "rxnorm ndc snomed"),
    "immunizations": (_MATERIAL, "cvx rxnorm ndc"),
}


def codes_of_ccda(place: Path) -> Pairs:
    """Diagnoses, procedures, results, drugs and vaccines of every entry that tells of what was."""
    found: Pairs = defaultdict(list)
    for path in sorted(place.glob("*.xml")):
        root = parsed(path)
        ids = [(one.get("root"), one.get("extension")) for one in root.findall("recordTarget/patientRole/id")]
        person = str(next(one for one in ids if one[0] != "2.16.840.1.113883.4.1"))
        for table, entry in entries_of(root):
            where, columns = _CDA_CODED.get(table, ("", ""))
            if not where:
                continue
            by_system: dict[str, str] = {}
            for coded in (
                one for element in entry.findall(where) for one in (element, *element.findall("translation"))
            ):
                _take_code(coded, by_system)
            for column in columns.split():
                found[table, column] += [(person, by_system[column])] if column in by_system else []
            if table == "vital_signs":
                measured = [one.get("value") for one in entry.findall("value") if one.get("value")]
                found[table, "value"] += [(person, str(measured[0]))] if measured else []
    return found


def _take_code(element: ET.Element, by_system: dict[str, str]) -> None:
    system = _CDA_SYSTEMS.get(element.get("codeSystem") or "")
    if system is not None and element.get("code") and "nullFlavor" not in element.attrib:
        by_system.setdefault(system, str(element.get("code")))


_SID = "http://hl7.org/fhir/sid/"
_FHIR_SYSTEMS = {
    f"{_SID}icd-10-cm": "icd10cm", f"{_SID}icd-9-cm": "icd9cm", "http://snomed.info/sct": "snomed",
    "http://www.ama-assn.org/go/cpt": "cpt", "http://loinc.org": "loinc", f"{_SID}cvx": "cvx", f"{_SID}ndc": "ndc",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
}  # fmt: skip
# Where in a resource of a type a code stands, with the columns that take it; `*` is every element of a list.
_FHIR_CODED = {
    "Condition": ("conditions", "code", "icd10cm snomed"),
    "Procedure": ("procedures", "code", "snomed cpt"),
    "MedicationRequest": ("medications", "medicationCodeableConcept", "rxnorm"),
    "Immunization": ("immunizations", "vaccineCode", "cvx"),
    "Observation": ("observations", "code", "loinc"),
    "Claim": ("claim_items", "item.*.productOrService", "snomed cpt"),
    "ExplanationOfBenefit": ("explanation_items", "item.*.productOrService", "snomed cpt"),
}
_FHIR_AMOUNTS = {
    "Claim": ("claims", "total", "total.value"),
    "Observation": ("observations", "value", "valueQuantity.value"),
    "ExplanationOfBenefit": ("explanations", "payment", "payment.amount.value"),
}


def codes_of_fhir(place: Path) -> Pairs:
    """Codes of conditions, procedures, results, drugs, vaccines and lines; totals, payments and measured values."""
    found: Pairs = defaultdict(list)
    for resource in resources_of(place):
        kind = resource["resourceType"]
        person = next((resource[who].get("reference", "") for who in ("subject", "patient") if who in resource), "")
        if kind in _FHIR_CODED:
            table, path, columns = _FHIR_CODED[kind]
            for coded in _along(resource, path.split(".")):
                by_system: dict[str, str] = {}
                for coding in coded.get("coding", []):
                    by_system.setdefault(_FHIR_SYSTEMS.get(coding.get("system"), ""), coding.get("code", ""))
                for column in columns.split():
                    found[table, column] += [(person, by_system[column])] if by_system.get(column) else []
        if kind in _FHIR_AMOUNTS:
            table, column, path = _FHIR_AMOUNTS[kind]
            found[table, column] += [(person, str(value)) for value in _along(resource, path.split("."))]
    return found


def codes_of_explanations(place: Path) -> Pairs:
    """Diagnoses, procedures, services and drugs of Blue Button's explanations, which write ICD-10 for ICD-10-CM."""
    found: Pairs = defaultdict(list)
    for claim in resources_of(place):
        if claim["resourceType"] != "ExplanationOfBenefit":
            continue
        person = claim["patient"]["reference"]
        for place_, path, systems in (
            (("explanation_diagnoses", "icd10cm"), "diagnosis.*.diagnosisCodeableConcept", ("icd-10", "icd-10-cm")),
            (("explanation_diagnoses", "icd9cm"), "diagnosis.*.diagnosisCodeableConcept", ("icd-9-cm",)),
            (("explanation_procedures", "icd10pcs"), "procedure.*.procedureCodeableConcept", ("icd-10", "icd-10-pcs")),
            (("explanation_items", "hcpcs"), "item.*.productOrService", ("HCPCSReleaseCodeSets", "hcpcs")),
            (("explanation_items", "ndc"), "item.*.productOrService", ("ndc",)),
        ):
            for coded in _along(claim, path.split(".")):
                codes = [one["code"] for one in coded.get("coding", []) if one["system"].rpartition("/")[2] in systems]
                found[place_] += [(person, code) for code in codes[:1]]
        found["explanations", "payment"] += [(person, str(v)) for v in _along(claim, ["payment", "amount", "value"])]
    return found


def _along(node: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield node
    elif path[0] == "*":
        for one in node:
            yield from _along(one, path[1:])
    elif path[0] in node:
        yield from _along(node[path[0]], path[1:])


def codes_of_text(files: dict[str, tuple[Path, str]], columns: str, delimiter: str = ",") -> Pairs:
    """Every column whose name fits one of the patterns; `files` gives the file and the key columns of each table."""
    found: Pairs = defaultdict(list)
    patterns = columns.split()
    for table, (path, key) in files.items():
        for row in rows_of(path, delimiter):
            owner = "/".join(row[part] for part in key.split())
            for column, cell in row.items():
                if cell and cell.strip() and any(fnmatchcase(column, pattern) for pattern in patterns):
                    found[table, column].append((owner, cell.strip()))
    return found
