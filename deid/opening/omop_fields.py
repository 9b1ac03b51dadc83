"""The tables of the OMOP Common Data Model 5.4 that a conversion writes: their fields in order, with types.

Transcribed from the specification, https://ohdsi.github.io/CommonDataModel/cdm54.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

# A field is a name, `!` where the CDM requires it, and its type behind a colon: a number is the length of a text, and
# none is a whole number.
_CDM = """
cdm_source = cdm_source_name!:255 cdm_source_abbreviation!:25 cdm_holder!:255 source_description:text
    source_documentation_reference:255 cdm_etl_reference:255 source_release_date!:date cdm_release_date!:date
    cdm_version:10 cdm_version_concept_id! vocabulary_version!:20
metadata = metadata_id! metadata_concept_id! metadata_type_concept_id! name!:250 value_as_string:250
    value_as_concept_id value_as_number:number metadata_date:date metadata_datetime:time
person = person_id! gender_concept_id! year_of_birth! month_of_birth day_of_birth birth_datetime:time
    race_concept_id! ethnicity_concept_id! location_id provider_id care_site_id person_source_value:50
    gender_source_value:50 gender_source_concept_id race_source_value:50 race_source_concept_id
    ethnicity_source_value:50 ethnicity_source_concept_id
location = location_id! address_1:50 address_2:50 city:50 state:2 zip:9 county:20 location_source_value:50
    country_concept_id country_source_value:80 latitude:number longitude:number
provider = provider_id! provider_name:255 npi:20 dea:20 specialty_concept_id care_site_id year_of_birth
    gender_concept_id provider_source_value:50 specialty_source_value:50 specialty_source_concept_id
    gender_source_value:50 gender_source_concept_id
care_site = care_site_id! care_site_name:255 place_of_service_concept_id location_id care_site_source_value:50
    place_of_service_source_value:50
observation_period = observation_period_id! person_id! observation_period_start_date!:date
    observation_period_end_date!:date period_type_concept_id!
visit_occurrence = visit_occurrence_id! person_id! visit_concept_id! visit_start_date!:date
    visit_start_datetime:time visit_end_date!:date visit_end_datetime:time visit_type_concept_id! provider_id
    care_site_id visit_source_value:50 visit_source_concept_id admitted_from_concept_id
    admitted_from_source_value:50 discharged_to_concept_id discharged_to_source_value:50
    preceding_visit_occurrence_id
condition_occurrence = condition_occurrence_id! person_id! condition_concept_id! condition_start_date!:date
    condition_start_datetime:time condition_end_date:date condition_end_datetime:time
    condition_type_concept_id! condition_status_concept_id stop_reason:20 provider_id visit_occurrence_id
    visit_detail_id condition_source_value:50 condition_source_concept_id condition_status_source_value:50
procedure_occurrence = procedure_occurrence_id! person_id! procedure_concept_id! procedure_date!:date
    procedure_datetime:time procedure_end_date:date procedure_end_datetime:time procedure_type_concept_id!
    modifier_concept_id quantity provider_id visit_occurrence_id visit_detail_id procedure_source_value:50
    procedure_source_concept_id modifier_source_value:50
drug_exposure = drug_exposure_id! person_id! drug_concept_id! drug_exposure_start_date!:date
    drug_exposure_start_datetime:time drug_exposure_end_date!:date drug_exposure_end_datetime:time
    verbatim_end_date:date drug_type_concept_id! stop_reason:20 refills quantity:number days_supply sig:text
    route_concept_id lot_number:50 provider_id visit_occurrence_id visit_detail_id drug_source_value:50
    drug_source_concept_id route_source_value:50 dose_unit_source_value:50
device_exposure = device_exposure_id! person_id! device_concept_id! device_exposure_start_date!:date
    device_exposure_start_datetime:time device_exposure_end_date:date device_exposure_end_datetime:time
    device_type_concept_id! unique_device_id:255 production_id:255 quantity provider_id visit_occurrence_id
    visit_detail_id device_source_value:50 device_source_concept_id unit_concept_id unit_source_value:50
    unit_source_concept_id
measurement = measurement_id! person_id! measurement_concept_id! measurement_date!:date
    measurement_datetime:time measurement_time:10 measurement_type_concept_id! operator_concept_id
    value_as_number:number value_as_concept_id unit_concept_id range_low:number range_high:number provider_id
    visit_occurrence_id visit_detail_id measurement_source_value:50 measurement_source_concept_id
    unit_source_value:50 unit_source_concept_id value_source_value:50 measurement_event_id
    meas_event_field_concept_id
observation = observation_id! person_id! observation_concept_id! observation_date!:date
    observation_datetime:time observation_type_concept_id! value_as_number:number value_as_string:60
    value_as_concept_id qualifier_concept_id unit_concept_id provider_id visit_occurrence_id visit_detail_id
    observation_source_value:50 observation_source_concept_id unit_source_value:50 qualifier_source_value:50
    value_source_value:50 observation_event_id obs_event_field_concept_id
note = note_id! person_id! note_date!:date note_datetime:time note_type_concept_id! note_class_concept_id!
    note_title:250 note_text!:text encoding_concept_id! language_concept_id! provider_id visit_occurrence_id
    visit_detail_id note_source_value:50 note_event_id note_event_field_concept_id
death = person_id! death_date!:date death_datetime:time death_type_concept_id cause_concept_id
    cause_source_value:50 cause_source_concept_id
cost = cost_id! cost_event_id! cost_domain_id!:20 cost_type_concept_id! currency_concept_id
    total_charge:number total_cost:number total_paid:number paid_by_payer:number paid_by_patient:number
    paid_patient_copay:number paid_patient_coinsurance:number paid_patient_deductible:number
    paid_by_primary:number paid_ingredient_cost:number paid_dispensing_fee:number payer_plan_period_id
    amount_allowed:number revenue_code_concept_id revenue_code_source_value:50 drg_concept_id
    drg_source_value:3
"""
_TYPES = {"": pa.int64(), "date": pa.date32(), "time": pa.timestamp("us"), "number": pa.float64(), "text": pa.string()}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the CDM: its Arrow type, whether it is required, and how many characters it holds (None: any)."""

    name: str
    type: pa.DataType
    is_required: bool
    length: int | None


def _field(text: str) -> Field:
    head, _, kind = text.partition(":")
    length = int(kind) if kind.isdigit() else None
    return Field(head.rstrip("!"), _TYPES.get(kind, pa.string()), head.endswith("!"), length)


def _tables() -> dict[str, tuple[Field, ...]]:
    tables: dict[str, tuple[Field, ...]] = {}
    for line in _CDM.replace("\n    ", " ").strip().splitlines():
        name, _, fields = line.partition(" = ")
        tables[name] = tuple(_field(text) for text in fields.split())
    return tables


CDM: dict[str, tuple[Field, ...]] = _tables()


def schema_of(table: str) -> pa.Schema:
    """Return the Arrow schema of a CDM table; whole numbers are 64-bit, texts UTF-8."""
    return pa.schema([pa.field(field.name, field.type, nullable=not field.is_required) for field in CDM[table]])


_SQL = {"int64": "BIGINT", "double": "DOUBLE", "date32[day]": "DATE", "timestamp[us]": "TIMESTAMP", "string": "VARCHAR"}


def listed(table: str, fields: Mapping[str, str], *, without: str = "") -> str:
    """Return the fields of a CDM table in SQL and in order, cast, and texts cut to what the CDM holds; else null."""
    return ", ".join(
        f"{_cast(field, fields.get(field.name))} AS {field.name}" for field in CDM[table] if field.name != without
    )


def _cast(field: Field, expression: str | None) -> str:
    cast = f"({expression or 'NULL'})::{_SQL[str(field.type)]}"
    return f"left({cast}, {field.length})" if field.length is not None else cast
