"""What identifies the people of a raw source, collected with csv and json code of its own.

Nothing here is shared with the product: which column holds which identifier is written down anew, by hand, from the
data dictionaries of the formats, so that a wrong kind in a description of the product is seen and not believed.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

csv.field_size_limit(10**8)

# class -> columns, by table; a column may be a pattern
Layout = dict[str, dict[str, str]]

CLAIMS: Layout = {
    "patients": {
        "patient": "patient_id",
        "mrn": "mrn",
        "member": "member_id",
        "ssn": "ssn",
        "name": "first_name last_name maiden_name",
        "relative": "contact_name",
        "birth_date": "birth_date",
        "death_date": "death_date",
        "phone": "phone",
        "email": "email",
        "address": "street_address",
        "city": "city",
        "county": "county",
        "zip5": "zip_code",
    },
    "encounters": {
        "patient": "patient_id",
        "encounter": "encounter_id",
        "account": "account_number",
        "service_date": "admit_date discharge_date",
        "provider": "facility_id npi",
    },
    "diagnoses": {"patient": "patient_id", "encounter": "encounter_id"},
    "procedures": {"patient": "patient_id", "encounter": "encounter_id", "service_date": "procedure_date"},
    "drugs": {"patient": "patient_id", "encounter": "encounter_id", "service_date": "fill_date"},
    "notes": {
        "patient": "patient_id",
        "encounter": "encounter_id",
        "other_id": "note_id",
        "service_date": "note_date",
    },
}
_VISIT = {"patient": "PATIENT", "encounter": "ENCOUNTER"}
_SPAN = {**_VISIT, "service_date": "START STOP DATE"}
SYNTHEA: Layout = {
    "patients": {
        "patient": "Id",
        "birth_date": "BIRTHDATE",
        "death_date": "DEATHDATE",
        "ssn": "SSN",
        "license": "DRIVERS PASSPORT",
        "name": "FIRST MIDDLE LAST MAIDEN",
        "birth_place": "BIRTHPLACE",
        "address": "ADDRESS",
        "city": "CITY",
        "county": "COUNTY FIPS",
        "zip5": "ZIP",
        "geocode": "LAT LON",
    },
    "encounters": {
        "encounter": "Id",
        "patient": "PATIENT",
        "service_date": "START STOP",
        "provider": "ORGANIZATION PROVIDER PAYER",
    },
    "conditions": _SPAN,
    "procedures": _SPAN,
    "medications": {**_SPAN, "provider": "PAYER"},
    "observations": _SPAN,
    "allergies": _SPAN,
    "careplans": {**_SPAN, "other_id": "Id"},
    "immunizations": _SPAN,
    "devices": {**_SPAN, "device": "UDI"},
    "supplies": _SPAN,
    "imaging_studies": {**_SPAN, "other_id": "Id SERIES_UID INSTANCE_UID"},
    "claims": {
        "claim": "Id",
        "patient": "PATIENTID",
        "provider": "PROVIDERID PRIMARYPATIENTINSURANCEID SECONDARYPATIENTINSURANCEID REFERRINGPROVIDERID "
        "SUPERVISINGPROVIDERID DEPARTMENTID PATIENTDEPARTMENTID",
        "encounter": "APPOINTMENTID",
        "service_date": "CURRENTILLNESSDATE SERVICEDATE LASTBILLEDDATE*",
    },
    "claims_transactions": {
        "claim": "ID CLAIMID",
        "patient": "PATIENTID",
        "service_date": "FROMDATE TODATE",
        "encounter": "APPOINTMENTID",
        "member": "PATIENTINSURANCEID",
        "provider": "PLACEOFSERVICE DEPARTMENTID PROVIDERID SUPERVISINGPROVIDERID",
    },
    "payer_transitions": {
        "patient": "PATIENT",
        "member": "MEMBERID",
        "service_date": "START_DATE END_DATE",
        "provider": "PAYER SECONDARY_PAYER",
        "relative": "OWNER_NAME",
    },
    "organizations": {"provider": "Id", "provider_name": "NAME", "provider_phone": "PHONE"},
    "providers": {"provider": "Id", "provider_name": "NAME"},
}
_CLAIM = {
    "patient": "BENE_ID",
    "claim": "CLM_ID CLM_GRP_ID FI_DOC_CLM_CNTL_NUM FI_ORIG_CLM_CNTL_NUM CARR_CLM_CNTL_NUM",
    "service_date": "*_DT *_DT[0-9] *_DT[0-9][0-9] NCH_BENE_MDCR_BNFTS_EXHTD_DT_I NCH_ACTV_OR_CVRD_LVL_CARE_THRU "
    "CLM_HOSPC_START_DT_ID",
    "provider": "*_NPI *_NPI_NUM *_UPIN PRVDR_NUM *_PIN_NUM TAX_NUM CARR_LINE_CLIA_LAB_NUM",
    "other_id": "CLM_CLNCL_TRIL_NUM CARR_LINE_RX_NUM",
}
_BENEFICIARY = {
    "patient": "BENE_ID",
    "member": "BENE_CRNT_HIC_NUM MBI_NUM",
    "other_id": "BENE_LINK_KEY",
    "name": "BENE_SRNM_NAME BENE_GVN_NAME BENE_MDL_NAME",
    "birth_date": "BENE_BIRTH_DT",
    "death_date": "DEATH_DT",
    "service_date": "COVSTART EFCTV_*_DT PT?_CVRG_*_DT",
    "address": "DRVD_LINE_?_ADR",
    "city": "CITY_NAME",
    "county": "BENE_COUNTY_CD FIPS_STATE_CNTY_*_CD",
    "zip5": "BENE_ZIP_CD STATE_CNTY_ZIP_CD",
}
RIF: Layout = {
    "beneficiaries": _BENEFICIARY,
    "beneficiary_history": _BENEFICIARY,
    "inpatient_claims": _CLAIM,
    "snf_claims": _CLAIM,
    "hha_claims": _CLAIM,
    "hospice_claims": _CLAIM,
    "dme_claims": _CLAIM,
    "part_d_events": {
        "patient": "BENE_ID",
        "claim": "PDE_ID CLM_GRP_ID",
        "other_id": "RX_SRVC_RFRNC_NUM",
        "service_date": "SRVC_DT PD_DT",
        "provider": "SRVC_PRVDR_ID PRSCRBR_ID PLAN_CNTRCT_REC_ID",
    },
    "outpatient_claims": _CLAIM | {"device": "REV_CNTR_IDE_NDC_UPC_NUM"},
    "carrier_claims": _CLAIM | {"zip5": "PRVDR_ZIP"},
}
_SUMMARY = {
    "patient": "DESYNPUF_ID",
    "birth_date": "BENE_BIRTH_DT",
    "death_date": "BENE_DEATH_DT",
    "county": "BENE_COUNTY_CD",
}
_PUF_CLAIM = {
    "patient": "DESYNPUF_ID",
    "claim": "CLM_ID PDE_ID",
    "service_date": "CLM_FROM_DT CLM_THRU_DT CLM_ADMSN_DT NCH_BENE_DSCHRG_DT SRVC_DT",
    "provider": "PRVDR_NUM ??_PHYSN_NPI PRF_PHYSN_NPI_* TAX_NUM_*",
}
DESYNPUF: Layout = {
    "beneficiaries": _SUMMARY,
    "summary_2009": _SUMMARY,
    "summary_2010": _SUMMARY,
    **dict.fromkeys(("inpatient", "outpatient", "carrier", "prescriptions"), _PUF_CLAIM),
}
_IDR_CLAIM = {
    "patient": "BENE_SK",
    "claim": "CLM_UNIQ_ID CLM_CNTL_NUM CLM_ORIG_CNTL_NUM",
    "other_id": "CLM_DT_SGNTR_SK CLM_RLT_COND_SGNTR_SK",
    "geography": "GEO_BENE_SK",
    "service_date": "*_DT IDR_*_TS",
    "provider": "*_NPI_NUM *_PIN_NUM *_TAX_NUM *_OSCAR_NUM *_GNRC_ID_NUM CLM_CNTRCTR_NUM CLM_SBMTR_CNTRCT_NUM",
}
IDR: Layout = {
    "beneficiaries": {
        "patient": "BENE_SK BENE_XREF_SK BENE_XREF_EFCTV_SK",
        "member": "BENE_MBI_ID",
        "name": "BENE_LAST_NAME BENE_1ST_NAME BENE_MIDL_NAME",
        "birth_date": "BENE_BRTH_DT",
        "death_date": "BENE_DEATH_DT",
        "address": "BENE_LINE_?_ADR",
        "city": "GEO_ZIP_PLC_NAME",
        "zip5": "GEO_ZIP5_CD",
        "service_date": "IDR_*_TS",
    },
    **dict.fromkeys(("claims", "claim_lines", "prescription_lines", "claim_codes"), _IDR_CLAIM),
}
_OMOP_VISIT = {
    "patient": "person_id",
    "encounter": "visit_occurrence_id preceding_visit_occurrence_id",
    "account": "visit_source_value visit_detail_source_value",
    "service_date": "*_date *_datetime",
    "provider": "provider_id care_site_id",
    "time": "measurement_time",
    "other_id": "*visit_detail_id *_exposure_id measurement_id observation_id note_id note_nlp_id specimen_id *_era_id "
    "specimen_source_id episode_id episode_parent_id payer_plan_period_id event_id *_event_id observation_period_id "
    "note_source_value lot_number",
    "device": "unique_device_id production_id",
    "member": "family_source_value",
    "employer": "sponsor_source_value",
}
OMOP: Layout = {
    "person": {
        "patient": "person_id",
        "mrn": "person_source_value",
        "birth_date": "birth_datetime",
        "birth_part": "day_of_birth month_of_birth",
        "other_id": "location_id",
        "provider": "provider_id care_site_id",
    },
    "location": {
        "other_id": "location_id",
        "address": "address_1 address_2 location_source_value",
        "city": "city",
        "county": "county",
        "zip5": "zip",
        "geocode": "latitude longitude",
    },
    "condition_occurrence": _OMOP_VISIT | {"other_id": "condition_occurrence_id visit_detail_id"},
    "procedure_occurrence": _OMOP_VISIT | {"other_id": "procedure_occurrence_id visit_detail_id"},
    "death": {"patient": "person_id", "death_date": "death_date death_datetime"},
    **dict.fromkeys(
        (
            "observation_period", "visit_occurrence", "visit_detail", "drug_exposure", "device_exposure", "measurement",
            "observation", "note", "note_nlp", "specimen", "payer_plan_period", "drug_era", "dose_era", "condition_era",
            "episode", "episode_event",
        ),
        _OMOP_VISIT,
    ),
}  # fmt: skip


@dataclass
class Raw:
    """What a source holds: the raw values of each class, of each identifying column, and the notes."""

    values: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    columns: dict[tuple[str, str], tuple[str, set[str]]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, value: Any) -> None:
        """Take a raw value that is not blank."""
        text = str(value).strip() if value is not None else ""
        if text:
            self.values[kind].add(text)


def rows_of(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """Yield the rows of a delimited file, by column."""
    with _opened(path) as file:
        yield from csv.DictReader(file, delimiter=delimiter)


def header_of(path: Path, delimiter: str = ",") -> list[str]:
    """Return the columns of a delimited file."""
    with _opened(path) as file:
        return next(csv.reader(file, delimiter=delimiter))


def _opened(path: Path) -> IO[str]:
    """Open text; a gzip file is told by its first bytes."""
    with path.open("rb") as probe:
        is_gzip = probe.read(2) == b"\x1f\x8b"
    return (gzip.open if is_gzip else open)(path, "rt", encoding="utf-8-sig", newline="")


def collect_text(layout: Layout, files: dict[str, Path], delimiter: str = ",") -> Raw:
    """Collect from delimited files; tables without a file are passed over."""
    raw = Raw()
    for table, classes in layout.items():
        if table not in files or not files[table].exists():
            continue
        count = 0
        plan: list[tuple[str, str, set[str]]] = []
        for row in rows_of(files[table], delimiter):
            if not count:
                plan = _columns(classes, list(row))
            count += 1
            for _, column, into in plan:
                into.add(row[column] or "")
        raw.rows[table] = count
        for kind, column, values in plan:
            kept = {value.strip() for value in values} - {""}
            raw.values[kind] |= kept
            raw.columns[table, column] = (kind, kept)
    return raw


def collect_omop(files: dict[str, Path], delimiter: str = ",") -> Raw:
    """Collect from the tables of OMOP CDM; days of birth stand in three columns."""
    raw = collect_text(OMOP, files, delimiter)
    for row in rows_of(files["person"], delimiter):
        if row["year_of_birth"] and row["month_of_birth"] and row["day_of_birth"]:
            born = f"{row['year_of_birth']}-{int(row['month_of_birth']):02}-{int(row['day_of_birth']):02}"
            raw.add("birth_date", born)
    return raw


def _columns(classes: dict[str, str], header: list[str]) -> list[tuple[str, str, set[str]]]:
    found = {
        column: kind
        for kind, patterns in classes.items()
        for pattern in patterns.split()
        for column in header
        if fnmatchcase(column, pattern)
    }
    return [(kind, column, set()) for column, kind in found.items()]


_STAMP = re.compile(r"\d{4}-\d\d-\d\d(?:T.*)?")
_BY_TYPE = {"MR": "mrn", "SS": "ssn", "SB": "ssn", "DL": "license", "PPN": "license", "MB": "member", "MC": "member"}
_OWN_ID = {"Patient": "patient", "Encounter": "encounter", "Claim": "claim", "ExplanationOfBenefit": "claim"}
_PROVIDERS = frozenset({"Practitioner", "Organization", "Location", "PractitionerRole"})
_TELECOM = {"email": "email", "url": "url"}
# Which table has a row for each resource of a type, and which one for each element of a list in it.
_TABLES = {
    "Patient": "patients", "Encounter": "encounters", "Condition": "conditions", "Procedure": "procedures",
    "Claim": "claims", "ExplanationOfBenefit": "explanations", "MedicationRequest": "medications",
    "Immunization": "immunizations", "Observation": "observations", "DiagnosticReport": "diagnostic_reports",
    "AllergyIntolerance": "allergies", "CarePlan": "care_plans", "Coverage": "coverages", "Device": "devices",
}  # fmt: skip
_ELEMENTS = {
    "Claim": {"diagnosis": "claim_diagnoses", "item": "claim_items"},
    "ExplanationOfBenefit": {
        "diagnosis": "explanation_diagnoses",
        "procedure": "explanation_procedures",
        "item": "explanation_items",
        "careTeam": "explanation_care_team",
    },
    "Observation": {"component": "observation_components"},
    "CarePlan": {"activity": "care_plan_activities"},
    "ImagingStudy": {"series": "imaging_studies"},
    "DocumentReference": {"content": "documents"},
}


def collect_fhir(place: Path) -> Raw:
    """Collect from a file, or every NDJSON and JSON file of a folder, whatever the product reads of it."""
    raw = Raw()
    rows: dict[str, int] = defaultdict(int)
    for resource in resources_of(place):
        kind = resource["resourceType"]
        rows[_TABLES.get(kind, kind)] += 1
        for member, table in _ELEMENTS.get(kind, {}).items():
            rows[table] += len(resource.get(member, []))
        _resource(raw, resource)
    rows["beneficiaries"] = rows["explanations"]
    raw.rows = dict(rows)
    return raw


def resources_of(place: Path) -> Iterator[dict[str, Any]]:
    """Yield every resource of a file, or of every NDJSON and JSON file of a folder."""
    for path in [place] if place.is_file() else sorted([*place.glob("*.ndjson"), *place.glob("*.json")]):
        text = path.read_text(encoding="utf-8-sig")
        yield from _resources(json.loads(part) for part in ([text] if path.suffix == ".json" else text.splitlines()))


def _resources(documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield resources, those of a Bundle one by one; a UUID by which an entry is called is an identifier of it."""
    for document in documents:
        if document["resourceType"] != "Bundle":
            yield document
            continue
        for entry in document["entry"]:
            url = entry.get("fullUrl", "")
            if url.startswith("urn:uuid:"):
                entry["resource"].setdefault("id", url.removeprefix("urn:uuid:"))
            yield entry["resource"]


def _resource(raw: Raw, resource: dict[str, Any]) -> None:
    kind = resource["resourceType"]
    if kind in _PROVIDERS:
        raw.add("provider", resource.get("id"))
        for identifier in resource.get("identifier", []):
            raw.add("provider", identifier.get("value"))
        return
    raw.add(_OWN_ID.get(kind, "other_id"), resource.get("id"))
    for identifier in resource.get("identifier", []):
        codes = [coding.get("code") for coding in identifier.get("type", {}).get("coding", [])]
        named = next((_BY_TYPE[code] for code in codes if code in _BY_TYPE), None)
        raw.add(named or _OWN_ID.get(kind, "other_id"), identifier.get("value"))
    if kind == "Patient":
        _patient(raw, resource)
    if kind == "ExplanationOfBenefit":
        _explanation(raw, resource)
    raw.add("member", resource.get("subscriberId"))
    _walk(raw, resource, "")


def _explanation(raw: Raw, claim: dict[str, Any]) -> None:
    """Take the numbers and names of who treated and billed, also of those who stand within the claim."""
    for inner in claim.get("contained", []):
        if inner["resourceType"] in _PROVIDERS:
            raw.add("provider_name", inner.get("name"))
            for identifier in inner.get("identifier", []):
                raw.add("provider", identifier.get("value"))
    treated = [member.get("provider", {}) for member in claim.get("careTeam", [])]
    for about in (*treated, claim.get("provider", {}), claim.get("facility", {}), claim.get("referral", {})):
        raw.add("provider", about.get("identifier", {}).get("value"))
        raw.add("provider_name", about.get("display"))
    for extension in claim.get("extension", []):
        if extension["url"].endswith("clm_cntl_num"):
            raw.add("claim", extension["valueIdentifier"]["value"])


def _patient(raw: Raw, patient: dict[str, Any]) -> None:
    raw.add("birth_date", patient.get("birthDate"))
    raw.add("death_date", patient.get("deceasedDateTime"))
    names = [("name", name) for name in patient.get("name", [])]
    names += [("relative", contact.get("name", {})) for contact in patient.get("contact", [])]
    for kind, name in names:
        for part in [name.get("family"), name.get("text"), *name.get("given", [])]:
            raw.add(kind, part)
    for telecom in patient.get("telecom", []):
        raw.add(_TELECOM.get(telecom.get("system"), "phone"), telecom.get("value"))
    for address in patient.get("address", []):
        _address(raw, address)
    for extension in patient.get("extension", []):
        if extension["url"].endswith("mothersMaidenName"):
            raw.add("relative", extension.get("valueString"))
        if extension["url"].endswith("birthPlace"):
            raw.add("birth_place", extension.get("valueAddress", {}).get("city"))


def _address(raw: Raw, address: dict[str, Any]) -> None:
    for line in address.get("line", []):
        raw.add("address", line)
    for member, named in (("city", "city"), ("district", "county"), ("postalCode", "zip5")):
        raw.add(named, address.get(member))
    for outer in address.get("extension", []):
        for inner in outer.get("extension", []):
            raw.add("geocode", inner.get("valueDecimal"))


def _walk(raw: Raw, node: Any, name: str) -> None:
    """Take every date, and every reference to something that has an identifier of its own."""
    if isinstance(node, dict):
        if str(node.get("reference", "")).replace("?", "/").split("/")[0] in _PROVIDERS:
            raw.add("provider_name", node.get("display"))
        for member, value in node.items():
            _walk(raw, value, member)
    elif isinstance(node, list):
        for value in node:
            _walk(raw, value, name)
    elif isinstance(node, str):
        if name == "reference" and node.startswith("urn:uuid:"):
            raw.add("other_id", node.removeprefix("urn:uuid:"))
        elif name == "reference":
            target, _, tail = node.partition("/") if "?" not in node else node.partition("?")
            raw.add("provider" if target in _PROVIDERS else _OWN_ID.get(target, "other_id"), tail.rsplit("|", 1)[-1])
        elif name not in ("birthDate", "deceasedDateTime", "lastUpdated") and _STAMP.fullmatch(node):
            raw.add("service_date", node)
