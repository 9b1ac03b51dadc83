"""The native claims layout: the tables of a population as files, and the kind of every column."""

from __future__ import annotations

TABLES = ("patients", "encounters", "diagnoses", "procedures", "drugs", "notes")

KINDS: dict[str, dict[str, str]] = {
    "patients": {
        "patient_id": "patient_id",
        "mrn": "mrn",
        "member_id": "member_id",
        "ssn": "ssn",
        "first_name": "person_name",
        "middle_name": "person_name",
        "last_name": "person_name",
        "maiden_name": "person_name",
        "birth_date": "birth_date",
        "death_date": "death_date",
        "sex": "sex",
        "race": "race",
        "ethnicity": "ethnicity",
        "language": "language",
        "marital_status": "marital_status",
        "phone": "phone",
        "email": "email",
        "street_address": "street_address",
        "city": "city",
        "county": "county",
        "state": "state",
        "zip_code": "zip_code",
        "contact_name": "relative_name",
        "contact_relation": "indicator",
    },
    "encounters": {
        "patient_id": "patient_id",
        "encounter_id": "encounter_id",
        "account_number": "account_number",
        "encounter_class": "encounter_class",
        "admit_date": "admit_date",
        "discharge_date": "discharge_date",
        "drg": "drg",
        "discharge_status": "discharge_status",
        "place_of_service": "place_of_service",
        "facility_id": "facility_id",
        "npi": "npi",
        "payer": "payer",
        "total_charge": "charge_amount",
    },
    "diagnoses": {
        "patient_id": "patient_id",
        "encounter_id": "encounter_id",
        "icd10cm": "icd10cm",
        "sequence": "sequence_number",
        "present_on_admission": "present_on_admission",
    },
    "procedures": {
        "patient_id": "patient_id",
        "encounter_id": "encounter_id",
        "line": "sequence_number",
        "cpt": "cpt",
        "modifier": "modifier",
        "icd10pcs": "icd10pcs",
        "revenue_code": "revenue_code",
        "procedure_date": "service_date",
        "units": "count",
        "charge": "charge_amount",
    },
    "drugs": {
        "patient_id": "patient_id",
        "encounter_id": "encounter_id",
        "ndc": "ndc",
        "fill_date": "service_date",
        "days_supply": "count",
        "charge": "charge_amount",
    },
    "notes": {
        "patient_id": "patient_id",
        "encounter_id": "encounter_id",
        "note_id": "unique_id",
        "note_date": "service_date",
        "note_type": "indicator",
        "note_text": "clinical_note",
    },
}


def description(
    *,
    name: str = "claims",
    file_format: str = "csv",
    suffix: str = ".csv",
    delimiter: str = ",",
    nulls: tuple[str, ...] = ("",),
) -> str:
    """Return the dataset description of the native layout, as docs/formats/dataset.md spells one."""
    lines = [f"dataset: {name}", f"format: {file_format}", "confirmed: true"]
    if file_format == "csv" and delimiter != ",":
        lines.append(f"delimiter: {_quoted(delimiter)}")
    if file_format == "csv" and nulls != ("",):
        lines.append(f"nulls: [{', '.join(map(_quoted, nulls))}]")
    lines += ["population: patients", "encounters: encounters", "tables:"]
    for table in TABLES:
        lines += [f"  {table}:", f"    path: {table}{suffix}", "    patient: patient_id", "    columns:"]
        lines += [f"      {column}: {kind}" for column, kind in KINDS[table].items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\t", "\\t") + '"'
