"""What must survive does: codes, amounts, years and medicine, patient by patient, counted without any crosswalk."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from attack.inputs import SAMPLE_INPUTS, SAMPLES, Run, generated, run, smallest_class, spans_of
from attack.leaks import EXPERT, LIMITED, SAFE_HARBOR, Basis, tokens
from attack.raw_sources import rows_of
from deid.synthetic import generate, write_claims_csv
from sites import TestSite, make_site

CLAIMS, SYNTHEA, RIF, FHIR = SAMPLE_INPUTS
Lists = Counter[tuple[str, ...]]


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


def lists(pairs: Iterable[tuple[str, str | None]]) -> Lists:
    """Return how many patients have each sorted list of values; a patient without any counts too."""
    held: dict[str, list[str]] = defaultdict(list)
    for patient, value in pairs:
        held[patient] += [value] if value else []
    return Counter(tuple(sorted(values)) for values in held.values())


def of_release(table: pa.Table, patient: str, column: str) -> Lists:
    """Return the lists of a released column; numbers in one spelling."""
    return lists(zip(table[patient].to_pylist(), map(_spelled, table[column].to_pylist()), strict=True))


def _spelled(value: Any) -> str | None:
    return None if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def of_source(rows: Iterable[dict[str, str]], patient: str, column: str, like: pa.DataType) -> Lists:
    """Return the lists of a raw column, its cells read as the released type says."""

    def read(text: str) -> str | None:
        text = (text or "").strip()
        if not text:
            return None
        if pa.types.is_floating(like):
            return _spelled(float(text))
        return str(int(float(text))) if pa.types.is_integer(like) else text

    return lists((row[patient], read(row[column])) for row in rows)


_DX = [f"ICD_DGNS_CD{n}" for n in range(1, 26)]
KEPT: dict[str, list[tuple[str, str, str, str]]] = {  # file, table, patient column, columns
    CLAIMS.name: [
        ("patients.csv.gz", "patients", "patient_id", "sex race ethnicity marital_status state"),
        ("encounters.csv.gz", "encounters", "patient_id", "encounter_class drg discharge_status payer total_charge"),
        ("diagnoses.csv.gz", "diagnoses", "patient_id", "icd10cm sequence present_on_admission"),
        ("procedures.csv.gz", "procedures", "patient_id", "cpt modifier icd10pcs revenue_code units charge line"),
        ("drugs.csv.gz", "drugs", "patient_id", "ndc days_supply charge"),
    ],
    SYNTHEA.name: [
        ("patients.csv", "patients", "Id", "GENDER RACE ETHNICITY STATE HEALTHCARE_EXPENSES INCOME"),
        ("encounters.csv", "encounters", "PATIENT", "CODE ENCOUNTERCLASS REASONCODE TOTAL_CLAIM_COST PAYER_COVERAGE"),
        ("conditions.csv", "conditions", "PATIENT", "CODE"),
        ("procedures.csv", "procedures", "PATIENT", "CODE BASE_COST REASONCODE"),
        ("medications.csv", "medications", "PATIENT", "CODE TOTALCOST DISPENSES"),
        ("claims.csv", "claims", "PATIENTID", "DIAGNOSIS1 DIAGNOSIS2 STATUS1 OUTSTANDING1"),
    ],
    RIF.name: [
        ("beneficiary.csv", "beneficiaries", "BENE_ID", "BENE_SEX_IDENT_CD BENE_RACE_CD STATE_CODE A_MO_CNT"),
        ("inpatient.csv", "inpatient_claims", "BENE_ID", " ".join(["CLM_DRG_CD REV_CNTR HCPCS_CD CLM_PMT_AMT", *_DX])),
        ("outpatient.csv", "outpatient_claims", "BENE_ID", " ".join(["REV_CNTR HCPCS_CD CLM_TOT_CHRG_AMT", *_DX])),
        ("carrier.csv", "carrier_claims", "BENE_ID", "HCPCS_CD BETOS_CD LINE_ICD_DGNS_CD LINE_ALOWD_CHRG_AMT"),
    ],
}
CASES = [(source, basis) for source in SAMPLE_INPUTS[:3] for basis in (SAFE_HARBOR, LIMITED)]
FOLDERS = {CLAIMS.name: "claims", SYNTHEA.name: "synthea", RIF.name: "cms_rif"}


@pytest.mark.parametrize(("source", "basis"), CASES, ids=[f"{s.name}-{b.name}" for s, b in CASES])
def test_every_code_and_amount_stays_with_its_patient(
    released: Callable[[Any, Basis], Run], source: Any, basis: Basis
) -> None:
    """Row counts are those of the source, and so are the lists of codes and amounts, over all patients."""
    done = released(source, basis)
    assert done.exported.rows == {table: done.raw.rows[table] for table in done.exported.rows}
    for file, table, patient, columns in KEPT[source.name]:
        rows = list(rows_of(SAMPLES / FOLDERS[source.name] / file, "|" if source is RIF else ","))
        for column in columns.split():
            content = done.tables[table]
            kept = of_release(content, patient, column)
            assert kept == of_source(rows, patient, column, content.schema.field(column).type), f"{table}.{column}"
            assert sum(kept.values()) == len({row[patient] for row in rows})


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


def _day(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%d-%b-%Y"):
        try:
            return datetime.strptime(text[:11].split("T")[0], form).date()  # noqa: DTZ007 - only its day
        except ValueError:
            continue
    return None


DATES = [
    (CLAIMS, "encounters.csv.gz", "encounters", "patient_id", "admit_date"),
    (CLAIMS, "drugs.csv.gz", "drugs", "patient_id", "fill_date"),
    (SYNTHEA, "encounters.csv", "encounters", "PATIENT", "START"),
    (RIF, "carrier.csv", "carrier_claims", "BENE_ID", "CLM_FROM_DT"),
    (CLAIMS, "patients.csv.gz", "patients", "patient_id", "birth_date"),
]


@pytest.mark.parametrize(("source", "file", "table", "patient", "column"), DATES, ids=[f"{d[2]}.{d[4]}" for d in DATES])
def test_years_stay_under_safe_harbor_and_days_in_a_limited_data_set(
    released: Callable[[Any, Basis], Run], source: Any, file: str, table: str, patient: str, column: str
) -> None:
    """Each patient's years are the source's, those that tell an age over 89 raised to one; days stay as they were."""
    rows = list(rows_of(SAMPLES / FOLDERS[source.name] / file, "|" if source is RIF else ","))
    days = [(row[patient], _day(row[column])) for row in rows]
    floor = 2027 - 90  # the request expires in 2027
    years = lists((who, str(max(day.year, floor)) if day else None) for who, day in days)
    assert of_release(released(source, SAFE_HARBOR).tables[table], patient, column) == years
    whole = lists((who, str(day) if day else None) for who, day in days)
    assert of_release(released(source, LIMITED).tables[table], patient, column) == whole


def _coded(path: Path, *members: str, system: str) -> Iterator[tuple[str, str | None]]:
    """Yield patient and first code of a system for each resource of a file."""
    for line in path.read_text().splitlines():
        resource = json.loads(line)
        node = resource
        for member in members:
            node = node.get(member, {})
        codings = node.get("coding", [])
        who = (resource.get("subject") or resource.get("patient"))["reference"]
        yield who, next((coding["code"] for coding in codings if coding.get("system") == system), None)


def test_codes_of_fhir_resources_stay_with_their_patient(released: Callable[[Any, Basis], Run]) -> None:
    """Diagnoses of Condition and procedures of Procedure are all there."""
    folder = SAMPLES / "fhir_bulk"
    for basis in (SAFE_HARBOR, LIMITED):
        tables = released(FHIR, basis).tables
        for file, table, column, system in (
            ("Condition", "conditions", "icd10cm", "http://hl7.org/fhir/sid/icd-10-cm"),
            ("Procedure", "procedures", "cpt", "http://www.ama-assn.org/go/cpt"),
        ):
            source = lists(_coded(folder / f"{file}.000.ndjson", "code", system=system))
            assert of_release(tables[table], "patient_id", column) == source
            assert sum(len(codes) * times for codes, times in source.items()) > 100


EXPERT_TABLES = {
    "patients": ["patient_id", "birth_date", "sex"],
    "encounters": ["patient_id", "encounter_id", "encounter_class", "drg"],
    "diagnoses": ["patient_id", "encounter_id", "icd10cm"],
    "procedures": ["patient_id", "encounter_id", "cpt"],
    "drugs": ["patient_id", "encounter_id", "ndc"],
}


def test_under_k_anonymity_the_codes_of_all_others_stay(site: TestSite) -> None:
    """Who is not withheld keeps every code at the policy's level; who is withheld is gone whole, and few are."""
    done = run(site, CLAIMS, EXPERT, tables=EXPERT_TABLES)
    withheld = done.exported.suppressed_patients
    patients = done.raw.rows["patients"]
    assert done.tables["patients"].num_rows == patients - withheld
    assert withheld <= 0.05 * patients
    assert smallest_class(done.tables["patients"], ["birth_date", "sex"]) >= 11
    for file, column, digits in (("diagnoses", "icd10cm", 3), ("procedures", "cpt", 3), ("drugs", "ndc", 9)):
        rows = rows_of(SAMPLES / "claims" / f"{file}.csv.gz")
        source = lists((row["patient_id"], row[column].replace(".", "")[:digits]) for row in rows)
        kept = of_release(done.tables[file], "patient_id", column)
        assert not kept - source
        assert sum((source - kept).values()) <= withheld
        assert sum(kept.values()) > 1_000


MEDICINE = frozenset(
    "metformin lisinopril atorvastatin amlodipine albuterol prednisone levothyroxine furosemide sertraline insulin "
    "glucose creatinine troponin lactate hypertension diabetes fever pain nausea cough palpitations headache "
    "dizziness fatigue numbness swelling chest abdominal knee penicillin shellfish exam plan assessment nightly daily "
    "cardiology catheter ultrasound mg units".split()
)


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
    assert not {word: count - kept[word] for word, count in of_medicine.items() if kept[word] < 0.98 * count}
    assert (outside & kept).total() >= 0.95 * outside.total()
