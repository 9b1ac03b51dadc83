"""OMOP CDM 5.4: who the people are, their visits and what was coded there, with source values and few concepts.

No vocabulary is at hand, so concepts are 0 but for sex, race, ethnicity and kinds of visit, which the specification
names. Birth days stand in three columns, and in one more for two of three people.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.synthetic import reference
from deid.synthetic.population import Population
from deid.synthetic.writers.delimited import DelimitedFile, Dialect
from deid.synthetic.writers.tables import beside, laid_out, mapped

_SEX = {"M": "8507", "F": "8532"}
_RACES = {"white": "8527", "black": "8516", "asian": "8515", "hawaiian": "8557", "native": "8657"}
_ETHNICITIES = {"hispanic": "38003563", "nonhispanic": "38003564"}
_VISITS = {"inpatient": "9201", "emergency": "9203", "ambulatory": "9202", "outpatient": "9202", "virtual": "5083",
           "home": "581476"}  # fmt: skip
_CLAIM = "32810"  # the concept of what was recorded on a claim
_RECORD = "32817"  # the concept of what was recorded in a health record
_DESCRIPTION = """\
dataset: omop-sample
format: omop_cdm
confirmed: true
tables:
  condition_occurrence: {columns: {condition_source_value: icd10cm}}
  procedure_occurrence: {columns: {procedure_source_value: cpt}}
  drug_exposure: {columns: {drug_source_value: ndc}}
"""


def write_omop(population: Population, folder: Path) -> None:
    """Write a population as OMOP CDM 5.4, a delimited file for each table, with its `dataset.yaml` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "person": _persons(population),
        "location": _locations(population),
        "care_site": _care_sites(population),
        "provider": _providers(population),
        "observation_period": _periods(population),
        "visit_occurrence": _visits(population),
        "condition_occurrence": _conditions(population),
        "procedure_occurrence": _procedures(population),
        "drug_exposure": _drugs(population),
        "death": _deaths(population),
        "note": _notes(population),
    }
    for name, table in tables.items():
        with DelimitedFile(folder / f"{name}.csv", Dialect()) as file:
            file.append(table)
    (folder / "dataset.yaml").write_text(_DESCRIPTION, encoding="utf-8")


def _whole(texts: pa.Array | pa.ChunkedArray, *, skip: int = 0) -> pa.Array:
    """Return the digits of a number in the source, from position `skip` on, as the whole number they are."""
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return pc.utf8_slice_codeunits(whole, skip).cast(pa.int64())


def _person_of(population: Population, rows: pa.Table) -> pa.Array:
    return _whole(beside(rows, population.patients, "patient_id")["mrn"])


def _visit_of(population: Population, rows: pa.Table) -> pa.Array:
    return _whole(beside(rows, population.encounters, "encounter_id")["account_number"], skip=1)


def _ordinals(rows: pa.Table, first: int) -> pa.Array:
    return pa.array(np.arange(first, first + len(rows), dtype=np.int64))


def _provider_numbers(npis: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a number of the data model for each NPI: the digits before its check digit."""
    return pc.divide(_whole(npis), 10)


def _persons(population: Population) -> pa.Table:
    people = population.patients
    born = people["birth_date"].combine_chunks()
    midnight = pc.strftime(born.cast(pa.timestamp("s")), "%Y-%m-%d %H:%M:%S")
    is_told = pa.array(np.arange(len(people)) % 3 != 0)
    return laid_out(
        "omop/person",
        len(people),
        {
            "person_id": _whole(people["mrn"]),
            "gender_concept_id": mapped(people["sex"], _SEX),
            "year_of_birth": pc.year(born),
            "month_of_birth": pc.month(born),
            "day_of_birth": pc.day(born),
            "birth_datetime": pc.if_else(is_told, midnight, pa.scalar(None, pa.string())),
            "race_concept_id": pc.fill_null(mapped(people["race"], _RACES), "0"),
            "ethnicity_concept_id": pc.fill_null(mapped(people["ethnicity"], _ETHNICITIES), "0"),
            "location_id": _ordinals(people, 1_000_001),
            "person_source_value": people["mrn"],
            "gender_source_value": people["sex"],
            "gender_source_concept_id": "0",
            "race_source_value": people["race"],
            "race_source_concept_id": "0",
            "ethnicity_source_value": people["ethnicity"],
            "ethnicity_source_concept_id": "0",
        },
    )


def _locations(population: Population) -> pa.Table:
    """Return where people live, and behind them the towns of the care sites, where nobody does."""
    people = population.patients
    homes = laid_out(
        "omop/location",
        len(people),
        {
            "location_id": _ordinals(people, 1_000_001),
            "address_1": people["street_address"],
            "city": people["city"],
            "state": people["state"],
            "zip": pc.replace_substring(people["zip_code"], "-", ""),
            "county": people["county"],
            "location_source_value": pc.binary_join_element_wise(people["street_address"], people["zip_code"], " "),
            "country_source_value": "United States",
        },
    )
    towns = reference.places()[:10]
    sites = laid_out(
        "omop/location",
        len(towns),
        {
            "location_id": pa.array([2_000_001 + at for at in range(len(towns))]),
            "state": pa.array([town.state for town in towns]),
        },
    )
    return pa.concat_tables([homes, sites])


def _care_sites(population: Population) -> pa.Table:
    names = pc.unique(population.encounters["facility_id"].combine_chunks())
    number = _whole(names, skip=1)
    return laid_out(
        "omop/care_site",
        len(names),
        {
            "care_site_id": number,
            "place_of_service_concept_id": "0",
            "location_id": pc.add(2_000_001, pc.subtract(number, pc.multiply(pc.divide(number, 10), 10))),
            "care_site_source_value": names,
        },
    )


def _providers(population: Population) -> pa.Table:
    npis = pc.unique(population.encounters["npi"].combine_chunks())
    return laid_out(
        "omop/provider",
        len(npis),
        {"provider_id": _provider_numbers(npis), "npi": npis, "specialty_concept_id": "0"},
    )


def _periods(population: Population) -> pa.Table:
    spans = population.encounters.group_by("patient_id", use_threads=False).aggregate(
        [("admit_date", "min"), ("discharge_date", "max")]
    )
    return laid_out(
        "omop/observation_period",
        len(spans),
        {
            "observation_period_id": _ordinals(spans, 3_000_001),
            "person_id": _person_of(population, spans),
            "observation_period_start_date": spans["admit_date_min"],
            "observation_period_end_date": spans["discharge_date_max"],
            "period_type_concept_id": _RECORD,
        },
    )


def _visits(population: Population) -> pa.Table:
    stays = population.encounters
    return laid_out(
        "omop/visit_occurrence",
        len(stays),
        {
            "visit_occurrence_id": _whole(stays["account_number"], skip=1),
            "person_id": _person_of(population, stays),
            "visit_concept_id": mapped(stays["encounter_class"], _VISITS),
            "visit_start_date": stays["admit_date"],
            "visit_end_date": stays["discharge_date"],
            "visit_type_concept_id": _CLAIM,
            "provider_id": _provider_numbers(stays["npi"]),
            "care_site_id": _whole(stays["facility_id"], skip=1),
            "visit_source_value": stays["account_number"],
            "visit_source_concept_id": "0",
            "discharged_to_concept_id": "0",
            "discharged_to_source_value": stays["discharge_status"],
        },
    )


def _conditions(population: Population) -> pa.Table:
    found = population.diagnoses
    return laid_out(
        "omop/condition_occurrence",
        len(found),
        {
            "condition_occurrence_id": _ordinals(found, 4_000_001),
            "person_id": _person_of(population, found),
            "condition_concept_id": "0",
            "condition_start_date": beside(found, population.encounters, "encounter_id")["admit_date"],
            "condition_type_concept_id": _CLAIM,
            "visit_occurrence_id": _visit_of(population, found),
            "condition_source_value": found["icd10cm"],
            "condition_source_concept_id": "0",
        },
    )


def _procedures(population: Population) -> pa.Table:
    done = population.procedures
    return laid_out(
        "omop/procedure_occurrence",
        len(done),
        {
            "procedure_occurrence_id": _ordinals(done, 5_000_001),
            "person_id": _person_of(population, done),
            "procedure_concept_id": "0",
            "procedure_date": done["procedure_date"],
            "procedure_type_concept_id": _CLAIM,
            "quantity": done["units"],
            "visit_occurrence_id": _visit_of(population, done),
            "procedure_source_value": done["cpt"],
            "procedure_source_concept_id": "0",
            "modifier_source_value": done["modifier"],
        },
    )


def _drugs(population: Population) -> pa.Table:
    given = population.drugs
    last = pc.add(given["fill_date"].cast(pa.int32()), pc.subtract(given["days_supply"], 1)).cast(pa.int32())
    return laid_out(
        "omop/drug_exposure",
        len(given),
        {
            "drug_exposure_id": _ordinals(given, 6_000_001),
            "person_id": _person_of(population, given),
            "drug_concept_id": "0",
            "drug_exposure_start_date": given["fill_date"],
            "drug_exposure_end_date": last.cast(pa.date32()),
            "drug_type_concept_id": _CLAIM,
            "days_supply": given["days_supply"],
            "visit_occurrence_id": _visit_of(population, given),
            "drug_source_value": given["ndc"],
            "drug_source_concept_id": "0",
        },
    )


def _deaths(population: Population) -> pa.Table:
    dead = population.patients.filter(pc.is_valid(population.patients["death_date"]))
    return laid_out(
        "omop/death",
        len(dead),
        {
            "person_id": _whole(dead["mrn"]),
            "death_date": dead["death_date"],
            "death_type_concept_id": _RECORD,
            "cause_concept_id": "0",
        },
    )


def _notes(population: Population) -> pa.Table:
    notes = population.notes
    return laid_out(
        "omop/note",
        len(notes),
        {
            "note_id": _ordinals(notes, 7_000_001),
            "person_id": _person_of(population, notes),
            "note_date": notes["note_date"],
            "note_type_concept_id": _RECORD,
            "note_class_concept_id": "0",
            "note_title": notes["note_type"],
            "note_text": notes["note_text"],
            "encoding_concept_id": "0",
            "language_concept_id": "0",
            "visit_occurrence_id": _visit_of(population, notes),
            "note_source_value": notes["note_id"],
        },
    )
