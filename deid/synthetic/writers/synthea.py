"""Synthea's CSV layout: six of its files, with SNOMED CT and RxNorm codes instead of ICD-10-CM, CPT and NDC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.synthetic import reference
from deid.synthetic.population import Population
from deid.synthetic.writers.delimited import DelimitedFile, Dialect
from deid.synthetic.writers.tables import beside, laid_out, mapped, uuids

_CLASSES = {"ambulatory": "ambulatory", "emergency": "emergency", "inpatient": "inpatient", "outpatient": "outpatient",
            "virtual": "virtual", "home": "home"}  # fmt: skip
_VISITS = {
    "ambulatory": ("185345009", "Encounter for symptom"),
    "emergency": ("50849002", "Emergency room admission (procedure)"),
    "inpatient": ("183452005", "Emergency hospital admission (procedure)"),
    "outpatient": ("185347001", "Encounter for problem (procedure)"),
    "virtual": ("448337001", "Telemedicine consultation with patient (procedure)"),
    "home": ("439708006", "Home visit (procedure)"),
}
_DESCRIPTION = "dataset: synthea-sample\nformat: synthea_csv\nconfirmed: true\n"
_MOST_CODES = 8  # diagnoses that Synthea's claims have room for


def write_synthea_csv(population: Population, folder: Path) -> None:
    """Write a population in Synthea's layout, with its `dataset.yaml`, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    conditions = _conditions(population)
    tables = {
        "patients": _patients(population),
        "encounters": _encounters(population, conditions),
        "conditions": _condition_file(conditions),
        "procedures": _procedures(population),
        "medications": _medications(population),
        "claims": _claims(population, conditions),
    }
    for name, table in tables.items():
        with DelimitedFile(folder / f"{name}.csv", Dialect()) as file:
            file.append(table)
    (folder / "dataset.yaml").write_text(_DESCRIPTION, encoding="utf-8")


def _patients(population: Population) -> pa.Table:
    people = population.patients
    fips = {(entry.state, entry.county): entry.fips for entry in reference.places()}
    names = {state: entry.name for state, entry in reference.states().items()}
    where = zip(people["state"].to_pylist(), people["county"].to_pylist(), strict=True)
    rng = np.random.default_rng(len(people))
    mrn = people["mrn"]
    return laid_out("synthea/patients", len(people), {
        "Id": uuids(people["patient_id"], role="patient"),
        "BIRTHDATE": people["birth_date"],
        "DEATHDATE": people["death_date"],
        "SSN": people["ssn"],
        "DRIVERS": pc.binary_join_element_wise("S999", pc.utf8_slice_codeunits(mrn, 0, 5), ""),
        "PASSPORT": pc.binary_join_element_wise("X", mrn, "X", ""),
        "PREFIX": mapped(people["sex"], {"F": "Ms.", "M": "Mr."}),
        "FIRST": people["first_name"],
        "LAST": people["last_name"],
        "MAIDEN": people["maiden_name"],
        "MARITAL": mapped(people["marital_status"], {"M": "M", "S": "S", "D": "D", "W": "W"}),
        "RACE": pc.fill_null(people["race"], "other"),
        "ETHNICITY": pc.fill_null(people["ethnicity"], "nonhispanic"),
        "GENDER": people["sex"],
        "BIRTHPLACE": pc.binary_join_element_wise(people["city"], mapped(people["state"], names), "US", "  "),
        "ADDRESS": people["street_address"],
        "CITY": people["city"],
        "STATE": mapped(people["state"], names),
        "COUNTY": pc.binary_join_element_wise(people["county"], "County", " "),
        "FIPS": pa.array([fips[state, county] for state, county in where]),
        "ZIP": pc.utf8_slice_codeunits(people["zip_code"], 0, 5),
        "LAT": _decimals(25 + 23 * rng.random(len(people)), 12),
        "LON": _decimals(-124 + 55 * rng.random(len(people)), 12),
        "HEALTHCARE_EXPENSES": _decimals(200_000 * rng.random(len(people)), 2),
        "HEALTHCARE_COVERAGE": _decimals(900_000 * rng.random(len(people)), 2),
        "INCOME": pa.array((180_000 * rng.random(len(people)) ** 2).astype(np.int64)),
    })  # fmt: skip


def _decimals(values: np.ndarray[tuple[int], np.dtype[np.float64]], places: int) -> pa.Array:
    return pa.array([f"{value:.{places}f}" for value in values.tolist()])


def _encounters(population: Population, conditions: pa.Table) -> pa.Table:
    stays = population.encounters
    half = pc.divide(stays["total_charge"].cast(pa.float64()), 2.0)
    reason = conditions.filter(pc.equal(conditions["sequence"], 1))
    reason = beside(stays, reason, "encounter_id")
    return laid_out("synthea/encounters", len(stays), {
        "Id": uuids(stays["encounter_id"], role="encounter"),
        "START": _moment(stays["admit_date"], stays["npi"]),
        "STOP": _moment(stays["discharge_date"], stays["npi"], hours=2),
        "PATIENT": uuids(stays["patient_id"], role="patient"),
        "ORGANIZATION": uuids(stays["facility_id"], role="organization"),
        "PROVIDER": uuids(stays["npi"], role="provider"),
        "PAYER": uuids(stays["payer"], role="payer"),
        "ENCOUNTERCLASS": mapped(stays["encounter_class"], _CLASSES),
        "CODE": mapped(stays["encounter_class"], {name: code for name, (code, _) in _VISITS.items()}),
        "DESCRIPTION": mapped(stays["encounter_class"], {name: text for name, (_, text) in _VISITS.items()}),
        "BASE_ENCOUNTER_COST": "85.55",
        "TOTAL_CLAIM_COST": stays["total_charge"],
        "PAYER_COVERAGE": pa.array([f"{value:.2f}" for value in half.to_pylist()]),
        "REASONCODE": reason["snomed"],
        "REASONDESCRIPTION": reason["description"],
    })  # fmt: skip


def _moment(days: pa.ChunkedArray, seed: pa.ChunkedArray, *, hours: int = 0) -> pa.Array:
    """Return times of day written as Synthea does; the clock of one provider is always the same."""
    number = pc.utf8_slice_codeunits(seed, 5, 9).cast(pa.int64())
    minutes = pc.add(pc.subtract(number, pc.multiply(pc.divide(number, 600), 600)), 360 + 60 * hours)
    moment = pc.add(days.cast(pa.timestamp("s")), pc.multiply(minutes, 60).cast(pa.duration("s")))
    return pc.strftime(moment, "%Y-%m-%dT%H:%M:%SZ")


def _conditions(population: Population) -> pa.Table:
    """Return the diagnoses that have a SNOMED CT concept, each concept once in an encounter."""
    drawn = population.diagnoses
    drawn = drawn.append_column("day", beside(drawn, population.encounters, "encounter_id")["admit_date"])
    codes, texts = _translations(drawn["icd10cm"], reference.disorders())
    table = drawn.append_column("snomed", codes).append_column("description", texts)
    table = table.filter(pc.is_valid(table["snomed"]))
    keys = pc.binary_join_element_wise(table["encounter_id"], table["snomed"], " ")
    coded = keys.combine_chunks().dictionary_encode().indices.to_numpy()
    _, first = np.unique(coded, return_index=True)
    table = table.take(pa.array(np.sort(first)))
    starts = np.flatnonzero(np.r_[True, _changes(table["encounter_id"])])
    sequence = np.arange(len(table)) - np.repeat(starts, np.diff(np.r_[starts, len(table)])) + 1
    at = table.column_names.index("sequence")
    return table.set_column(at, "sequence", pa.array(sequence.astype(np.int32)))


def _changes(column: pa.ChunkedArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    codes = column.combine_chunks().dictionary_encode().indices.to_numpy()
    return np.asarray(codes[1:] != codes[:-1])


def _translations(codes: pa.ChunkedArray, concepts: tuple[reference.Concept, ...]) -> tuple[pa.Array, pa.Array]:
    found = {code: reference.concept_of(code, concepts) for code in codes.unique().to_pylist()}
    known = {code: concept for code, concept in found.items() if concept is not None}
    return (
        mapped(codes, {code: concept.code for code, concept in known.items()}),
        mapped(codes, {code: concept.description for code, concept in known.items()}),
    )


def _condition_file(conditions: pa.Table) -> pa.Table:
    return laid_out("synthea/conditions", len(conditions), {
        "START": conditions["day"],
        "PATIENT": uuids(conditions["patient_id"], role="patient"),
        "ENCOUNTER": uuids(conditions["encounter_id"], role="encounter"),
        "CODE": conditions["snomed"],
        "DESCRIPTION": conditions["description"],
    })  # fmt: skip


def _procedures(population: Population) -> pa.Table:
    lines = population.procedures
    codes, texts = _translations(lines["cpt"], reference.acts())
    lines = lines.append_column("snomed", codes).append_column("description", texts)
    lines = lines.filter(pc.is_valid(lines["snomed"]))
    stays = beside(lines, population.encounters, "encounter_id")
    return laid_out("synthea/procedures", len(lines), {
        "START": _moment(lines["procedure_date"], stays["npi"]),
        "STOP": _moment(lines["procedure_date"], stays["npi"], hours=1),
        "PATIENT": uuids(lines["patient_id"], role="patient"),
        "ENCOUNTER": uuids(lines["encounter_id"], role="encounter"),
        "CODE": lines["snomed"],
        "DESCRIPTION": lines["description"],
        "BASE_COST": lines["charge"],
    })  # fmt: skip


def _medications(population: Population) -> pa.Table:
    drugs = population.drugs
    stays = beside(drugs, population.encounters, "encounter_id")
    listed = reference.drugs()
    stop = pc.add(drugs["fill_date"].cast(pa.timestamp("s")), _days(drugs["days_supply"])).cast(pa.date32())
    return laid_out("synthea/medications", len(drugs), {
        "START": _moment(drugs["fill_date"], stays["npi"]),
        "STOP": _moment(stop, stays["npi"]),
        "PATIENT": uuids(drugs["patient_id"], role="patient"),
        "PAYER": uuids(stays["payer"], role="payer"),
        "ENCOUNTER": uuids(drugs["encounter_id"], role="encounter"),
        "CODE": mapped(drugs["ndc"], {drug.ndc: drug.rxnorm for drug in listed}),
        "DESCRIPTION": mapped(drugs["ndc"], {drug.ndc: drug.name for drug in listed}),
        "BASE_COST": drugs["charge"],
        "PAYER_COVERAGE": "0.00",
        "DISPENSES": "1",
        "TOTALCOST": drugs["charge"],
    })  # fmt: skip


def _days(count: pa.ChunkedArray) -> pa.Array:
    return pc.multiply(count.cast(pa.int64()), 86_400).cast(pa.duration("s"))


def _claims(population: Population, conditions: pa.Table) -> pa.Table:
    stays = population.encounters
    visit = uuids(stays["encounter_id"], role="encounter")
    provider = uuids(stays["npi"], role="provider")
    begin, end = _moment(stays["admit_date"], stays["npi"]), _moment(stays["discharge_date"], stays["npi"], hours=2)
    known: dict[str, pa.Array | pa.ChunkedArray | str] = {
        "Id": uuids(stays["encounter_id"], role="claim"),
        "PATIENTID": uuids(stays["patient_id"], role="patient"),
        "PROVIDERID": provider,
        "PRIMARYPATIENTINSURANCEID": uuids(stays["payer"], role="payer"),
        "APPOINTMENTID": visit,
        "CURRENTILLNESSDATE": begin,
        "SERVICEDATE": begin,
        "SUPERVISINGPROVIDERID": provider,
    }
    known |= dict.fromkeys(("DEPARTMENTID", "PATIENTDEPARTMENTID"), "1")
    known |= dict.fromkeys(("STATUS1", "STATUS2", "STATUSP"), "CLOSED")
    known |= dict.fromkeys(("OUTSTANDING1", "OUTSTANDING2", "OUTSTANDINGP"), "0")
    known |= dict.fromkeys(("LASTBILLEDDATE1", "LASTBILLEDDATE2", "LASTBILLEDDATEP"), end)
    known |= dict.fromkeys(("HEALTHCARECLAIMTYPEID1", "HEALTHCARECLAIMTYPEID2"), "2")
    for number in range(1, _MOST_CODES + 1):
        nth = conditions.filter(pc.equal(conditions["sequence"], number))
        known[f"DIAGNOSIS{number}"] = beside(stays, nth, "encounter_id")["snomed"]
    return laid_out("synthea/claims", len(stays), known)
