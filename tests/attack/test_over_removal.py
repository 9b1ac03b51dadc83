"""What must survive does: codes, amounts, years and medicine, patient by patient, counted without any crosswalk."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from attack.inputs import SAMPLE_INPUTS, SAMPLES, Run, generated, run, smallest_class, spans_of
from attack.kept import Lists, lists, of_release, read_as
from attack.kept_codes import SAMPLE_CODES, Case, different
from attack.leaks import EXPERT, LIMITED, SAFE_HARBOR, Basis, tokens
from attack.raw_sources import rows_of
from sites import TODAY, TestSite, expert_without_ceiling, make_site

from deid.synthetic import generate, write_claims_csv

NAMED = {source.name.removeprefix("sample-"): source for source in SAMPLE_INPUTS}
CLAIMS, SYNTHEA, RIF, FHIR, OMOP = (NAMED[name] for name in ("claims", "synthea", "rif", "fhir", "omop"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """One site for all releases of this module."""
    return make_site(tmp_path_factory.mktemp("kept") / "site")


@pytest.fixture(scope="module")
def released(site: TestSite) -> Callable[[Any, Basis], Run]:
    """Releases of the samples, each made once."""
    made: dict[tuple[str, str], Run] = {}

    def release(source: Any, basis: Basis) -> Run:
        if (source.name, basis.name) not in made:
            made[source.name, basis.name] = run(site, source, basis)
        return made[source.name, basis.name]

    return release


@functools.cache
def _day(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%d-%b-%Y"):
        try:
            return datetime.strptime(text[:11].partition("T")[0], form).date()  # noqa: DTZ007 - only its day
        except ValueError:
            continue
    return None


def of_source(rows: list[dict[str, str]], patient: str, column: str, like: pa.DataType, basis: Basis) -> Lists:
    """Return the lists of a raw column, its cells read as the released type says; of dates, what the basis leaves."""
    is_date = _day(next((row[column] for row in rows if row[column]), "")) is not None

    def read(text: str) -> str | None:
        text = (text or "").strip()
        if not text:
            return None
        if is_date and (day := _day(text)) is not None:
            return str(day if basis is LIMITED else day.year)
        return read_as(text, like)

    return lists((row[patient], read(row[column])) for row in rows)


_DX = [f"ICD_DGNS_CD{n}" for n in range(1, 26)]


@dataclass(frozen=True)
class Part:
    """One table of a sample: its file, patient column, compared columns, encounter key and first day."""

    table: str
    file: str
    patient: str
    columns: str
    encounter: str = ""
    day: str = ""


KEPT: dict[str, tuple[Part, ...]] = {
    CLAIMS.name: (
        Part("patients", "patients.csv.gz", "patient_id", "sex race ethnicity marital_status state"),
        Part(
            "encounters",
            "encounters.csv.gz",
            "patient_id",
            "encounter_class drg discharge_status payer total_charge admit_date",
            "encounter_id",
            "admit_date",
        ),
        Part("diagnoses", "diagnoses.csv.gz", "patient_id", "icd10cm sequence present_on_admission", "encounter_id"),
        Part(
            "procedures",
            "procedures.csv.gz",
            "patient_id",
            "cpt modifier icd10pcs revenue_code units charge line",
            "encounter_id",
            "procedure_date",
        ),
        Part("drugs", "drugs.csv.gz", "patient_id", "ndc days_supply charge fill_date", "encounter_id", "fill_date"),
    ),
    SYNTHEA.name: (
        Part("patients", "patients.csv", "Id", "GENDER RACE ETHNICITY STATE HEALTHCARE_EXPENSES INCOME"),
        Part(
            "encounters",
            "encounters.csv",
            "PATIENT",
            "CODE ENCOUNTERCLASS REASONCODE TOTAL_CLAIM_COST PAYER_COVERAGE START",
            "Id",
            "START",
        ),
        Part("conditions", "conditions.csv", "PATIENT", "CODE", "ENCOUNTER", "START"),
        Part("procedures", "procedures.csv", "PATIENT", "CODE BASE_COST REASONCODE", "ENCOUNTER", "START"),
        Part("medications", "medications.csv", "PATIENT", "CODE TOTALCOST DISPENSES", "ENCOUNTER", "START"),
        Part("claims", "claims.csv", "PATIENTID", "DIAGNOSIS1 DIAGNOSIS2 STATUS1", "APPOINTMENTID", "SERVICEDATE"),
    ),
    RIF.name: (
        Part("beneficiaries", "beneficiary.csv", "BENE_ID", "BENE_SEX_IDENT_CD BENE_RACE_CD STATE_CODE BENE_ESRD_IND"),
        Part(
            "inpatient_claims",
            "inpatient.csv",
            "BENE_ID",
            " ".join(["CLM_DRG_CD REV_CNTR HCPCS_CD CLM_PMT_AMT", *_DX]),
            day="CLM_ADMSN_DT",
        ),
        Part(
            "outpatient_claims",
            "outpatient.csv",
            "BENE_ID",
            " ".join(["REV_CNTR HCPCS_CD CLM_TOT_CHRG_AMT", *_DX]),
            day="CLM_FROM_DT",
        ),
        Part(
            "carrier_claims",
            "carrier.csv",
            "BENE_ID",
            "HCPCS_CD BETOS_CD LINE_ICD_DGNS_CD LINE_ALOWD_CHRG_AMT CLM_FROM_DT",
            day="CLM_FROM_DT",
        ),
    ),
    OMOP.name: (
        Part("person", "person.csv", "person_id", "gender_concept_id race_concept_id ethnicity_source_value"),
        Part(
            "visit_occurrence",
            "visit_occurrence.csv",
            "person_id",
            "visit_concept_id discharged_to_source_value visit_start_date",
            "visit_occurrence_id",
            "visit_start_date",
        ),
        Part(
            "condition_occurrence",
            "condition_occurrence.csv",
            "person_id",
            "condition_source_value condition_concept_id condition_start_date",
            "visit_occurrence_id",
            "condition_start_date",
        ),
        Part(
            "procedure_occurrence",
            "procedure_occurrence.csv",
            "person_id",
            "procedure_source_value modifier_source_value quantity",
            "visit_occurrence_id",
            "procedure_date",
        ),
        Part(
            "drug_exposure",
            "drug_exposure.csv",
            "person_id",
            "drug_source_value drug_exposure_start_date",
            "visit_occurrence_id",
            "drug_exposure_start_date",
        ),
    ),
}
CASES = [(source, basis) for source in (CLAIMS, SYNTHEA, RIF, OMOP) for basis in (SAFE_HARBOR, LIMITED)]
FOLDERS = {CLAIMS.name: "claims", SYNTHEA.name: "synthea", RIF.name: "cms_rif", OMOP.name: "omop"}
VISITS = frozenset({"encounters", "visit_occurrence"})
LAST_WHOLE_YEAR = TODAY.year - 1


def expected(source: Any, basis: Basis) -> dict[str, list[dict[str, str]]]:
    """Return the raw rows that must be in a release, by table.

    That is all of them; but Safe Harbor takes whole calendar years only, so what began in the running year waits, as do
    the rows of encounters that did. Patients are all who have a row left.
    """
    delimiter = "|" if source is RIF else ","
    parts = KEPT[source.name]
    rows = {part.table: list(rows_of(SAMPLES / FOLDERS[source.name] / part.file, delimiter)) for part in parts}
    if basis is LIMITED:
        return rows
    late = {row[p.encounter] for p in parts if p.table in VISITS for row in rows[p.table] if _late(row, p)}
    left: set[str] = set()
    for part in parts[1:]:
        rows[part.table] = [r for r in rows[part.table] if not _late(r, part) and r.get(part.encounter) not in late]
        left |= {row[part.patient] for row in rows[part.table]}
    rows[parts[0].table] = [row for row in rows[parts[0].table] if row[parts[0].patient] in left]
    return rows


def _late(row: dict[str, str], part: Part) -> bool:
    day = _day(row[part.day]) if part.day else None
    return day is not None and day.year > LAST_WHOLE_YEAR


@pytest.mark.parametrize(("source", "basis"), CASES, ids=[f"{s.name}-{b.name}" for s, b in CASES])
def test_every_code_and_amount_stays_with_its_patient(
    released: Callable[[Any, Basis], Run], source: Any, basis: Basis
) -> None:
    """Rows are those of the source, and so are the lists of codes, amounts and dates, over all patients."""
    done = released(source, basis)
    rows = expected(source, basis)
    population = KEPT[source.name][0].table
    assert {table: max(0, len(held) - done.tables[table].num_rows) for table, held in rows.items()} == dict.fromkeys(
        rows, 0
    ), "rows are missing"
    for part in KEPT[source.name]:
        content = done.tables[part.table]
        for column in part.columns.split():
            kept = of_release(content, part.patient, column)
            like = content.schema.field(column).type
            wanted = of_source(rows[part.table], part.patient, column, like, basis)
            where = f"{part.table}.{column}"
            # Patients without any visit may be there or not; every other table is exactly what the source holds.
            assert not wanted - kept if part.table == population else kept == wanted, where


@pytest.mark.parametrize("case", SAMPLE_CODES, ids=lambda case: case.source.name)
def test_codes_of_messages_and_documents_stay_with_their_patient(
    released: Callable[[Any, Basis], Run], site: TestSite, case: Case
) -> None:
    """Every code and amount that the raw files hold, patient by patient, is in the release, and no other."""
    assert different(case, released(case.source, LIMITED), site, LIMITED) == []


def test_kept_codes_are_many(released: Callable[[Any, Basis], Run]) -> None:
    """The comparison is about something: thousands of codes, and a different list for most patients."""
    table = released(CLAIMS, SAFE_HARBOR).tables["diagnoses"]
    assert table.num_rows > 5_000
    assert len(of_release(table, "patient_id", "icd10cm")) > 500


def test_one_lost_code_is_noticed(released: Callable[[Any, Basis], Run]) -> None:
    """One code missing, or moved to another patient, changes the lists."""
    table = released(SYNTHEA, SAFE_HARBOR).tables["conditions"]
    whole = of_release(table, "PATIENT", "CODE")
    assert of_release(table.slice(1), "PATIENT", "CODE") != whole
    patients = table["PATIENT"].to_pylist()
    patients[0] = next(other for other in patients if other != patients[0])
    moved = table.set_column(table.column_names.index("PATIENT"), "PATIENT", pa.array(patients))
    assert of_release(moved, "PATIENT", "CODE") != whole


def test_birth_years_stay_but_those_over_89(released: Callable[[Any, Basis], Run]) -> None:
    """Each birth year is in the release, and one stands for all who reach 90 before the request expires, in 2027."""
    born = Counter(int(row["birth_date"][:4]) for row in expected(CLAIMS, SAFE_HARBOR)["patients"])
    closed = Counter({2027 - 90: sum(times for year, times in born.items() if year <= 2027 - 90)})
    open_years = Counter({year: times for year, times in born.items() if year > 2027 - 90})
    found = Counter(released(CLAIMS, SAFE_HARBOR).tables["patients"]["birth_date"].to_pylist())
    assert not (closed + open_years) - found
    assert min(found) == 2027 - 90
    assert closed.total() > 10
    assert len(open_years) > 60


def _coded(file: str, system: str, basis: Basis) -> Iterator[tuple[str, str | None]]:
    """Yield patient and first code of a system for each resource that must be in a release."""
    folder = SAMPLES / "fhir_bulk"

    def resources(name: str) -> Iterator[dict[str, Any]]:
        for line in (folder / f"{name}.000.ndjson").read_text().splitlines():
            yield json.loads(line)

    def late(resource: dict[str, Any], *members: str) -> bool:
        starts = [(resource.get(member) or {}).get("start", "") for member in members]
        return basis is SAFE_HARBOR and any(start[:4] > str(LAST_WHOLE_YEAR) for start in starts)

    gone = {f"Encounter/{e['id']}" for e in resources("Encounter") if late(e, "period")}
    for resource in resources(file):
        if resource["encounter"]["reference"] in gone or late(resource, "performedPeriod", "onsetPeriod"):
            continue
        codes = [c["code"] for c in resource["code"]["coding"] if c["system"] == system]
        yield resource["subject"]["reference"], codes[0] if codes else None


FHIR_CODES = [
    ("Condition", "conditions", "icd10cm", "http://hl7.org/fhir/sid/icd-10-cm"),
    ("Procedure", "procedures", "cpt", "http://www.ama-assn.org/go/cpt"),
]


@pytest.mark.parametrize("basis", [SAFE_HARBOR, LIMITED], ids=lambda basis: basis.name)
@pytest.mark.parametrize(("file", "table", "column", "system"), FHIR_CODES, ids=[c[0] for c in FHIR_CODES])
def test_codes_of_fhir_resources_stay_with_their_patient(
    released: Callable[[Any, Basis], Run], file: str, table: str, column: str, system: str, basis: Basis
) -> None:
    """Diagnoses of Condition and procedures of Procedure are all there; a missing onset is no reason to go."""
    wanted = lists(_coded(file, system, basis))
    assert of_release(released(FHIR, basis).tables[table], "patient_id", column) == wanted
    assert sum(len(codes) * times for codes, times in wanted.items()) > 100


EXPERT_TABLES = {
    "patients": ["patient_id", "birth_date", "sex", "race"],
    "encounters": ["patient_id", "encounter_id", "encounter_class", "drg"],
    "diagnoses": ["patient_id", "encounter_id", "icd10cm"],
    "procedures": ["patient_id", "encounter_id", "cpt"],
    "drugs": ["patient_id", "encounter_id", "ndc"],
}


# The sections of CPT by their numbers, told by how their released names begin; all of surgery is one here.
_AREAS = {"Evaluati": "99", "Patholog": "8", "Medicine": "9", "Radiolog": "7", "Surgery": "1-6"}


def category(code: str) -> str:
    """Return the category of an ICD-10-CM code."""
    return code.replace(".", "")[:3]


def product(code: str) -> str:
    """Return labeler and product of an NDC of eleven digits."""
    return f"{code[:5]}-{code[5:9]}"


def area(code: str) -> str:
    """Return the letter of a HCPCS code, or what tells the section of a CPT code."""
    if code[0].isalpha():
        return f"HCPCS {code[0]}"
    if code >= "99202":
        return "99"
    return code[0] if code[0] in "789" else "1-6"


def test_under_k_anonymity_the_codes_of_all_others_stay(site: TestSite) -> None:
    """Who is not withheld keeps every code at the policy's level; who is withheld is gone whole, and few are."""
    done = run(site, CLAIMS, Basis(expert_without_ceiling(site).stem), tables=EXPERT_TABLES)
    withheld = done.exported.suppressed_patients
    patients = done.raw.rows["patients"]
    assert done.tables["patients"].num_rows == patients - withheld
    assert withheld <= 0.05 * patients
    # What is too fine for so few is left out whole by the recoding; sex has one rule, so it is always there.
    shown = [name for name in EXPERT_TABLES["patients"][1:] if name in done.tables["patients"].column_names]
    assert "sex" in shown
    assert smallest_class(done.tables["patients"], shown) >= 11
    for file, column, level in (
        ("diagnoses", "icd10cm", category),
        ("procedures", "cpt", area),
        ("drugs", "ndc", product),
    ):
        rows = rows_of(SAMPLES / "claims" / f"{file}.csv.gz")
        source = lists((row["patient_id"], level(row[column])) for row in rows)
        held = done.tables[file]
        cells = [
            _AREAS.get(cell[:8].rstrip(":"), cell) if file == "procedures" else cell
            for cell in held[column].to_pylist()
        ]
        kept = lists(zip(held["patient_id"].to_pylist(), cells, strict=True))
        assert not kept - source
        assert sum((source - kept).values()) <= withheld
        assert sum(kept.values()) > 1_000


_MEDICINE = """
metformin lisinopril atorvastatin amlodipine albuterol prednisone levothyroxine furosemide sertraline insulin glucose
creatinine troponin lactate hypertension diabetes fever pain nausea cough palpitations headache dizziness fatigue
numbness swelling chest abdominal knee penicillin shellfish exam plan assessment nightly daily cardiology catheter
ultrasound mg units
"""
MEDICINE = frozenset(_MEDICINE.split())


def test_redacted_notes_keep_their_medicine(site: TestSite, tmp_path: Path) -> None:
    """Redaction takes out what identifies: clinical words stay, and nearly all other words do."""
    made = generate(23, 400, notes=0.05)
    write_claims_csv(made, tmp_path / "source")
    tables = {"patients": ["patient_id", "sex"], "notes": ["patient_id", "note_id", "note_text"]}
    done = run(site, generated(tmp_path / "source"), EXPERT, tables=tables)
    assert done.exported.suppressed_patients == 0
    released = [text for text in done.tables["notes"]["note_text"].to_pylist() if text]
    assert len(released) == made.notes.num_rows > 50
    outside: Counter[str] = Counter()
    for text, spans in spans_of(made):
        at = 0
        for start, end in [*sorted(spans), (len(text), len(text))]:
            outside.update(tokens(text[at:start]))
            at = max(at, end)
    kept = Counter(token for text in released for token in tokens(text))
    of_medicine = {word: count for word, count in outside.items() if word in MEDICINE}
    assert len(of_medicine) > 25
    lost = {word: count - kept[word] for word, count in of_medicine.items() if kept[word] < count}
    assert sum(lost.values()) <= 0.01 * sum(of_medicine.values()), lost
    assert (outside & kept).total() >= 0.95 * outside.total()
