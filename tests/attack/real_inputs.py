"""The real inputs: what becomes of every file of the folder, and how each input is described and read for itself.

`FILES` names every file. One that is not named there fails tests/live/test_real_inputs.py, until somebody has said
that it is read, refused and why, or about no patient.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pcsv
from attack.inputs import (
    INPUTS,
    REFERENCE,
    STAYS,
    Input,
    Run,
    built_in,
    collect_rif,
    generated,
    named,
    run,
    smallest_class,
    wide,
)
from attack.known_codes import Kind, TwoCodes, classes_shown, gathered, mentions_of, two_codes
from attack.leaks import EXPERT, Basis
from attack.raw_ccda import collect_ccda
from attack.raw_hl7v2 import collect_hl7v2
from attack.raw_sources import DESYNPUF, IDR, SYNTHEA, Raw, collect_fhir, collect_text, header_of, rows_of
from attack.raw_x12 import collect_x12
from sites import TestSite, expert_with_notes

from deid.schema import DatasetDescription
from deid.sources import load_dataset, spelling
from deid.synthetic import Population, generate, write_claims_csv

_IDR_FILES = {
    "beneficiaries": "SYNTHETIC_BENE_HSTRY.csv",
    "claims": "SYNTHETIC_CLM.csv",
    "claim_lines": "SYNTHETIC_CLM_LINE.csv",
    "prescription_lines": "SYNTHETIC_CLM_LINE_RX.csv",
    "claim_codes": "SYNTHETIC_CLM_PROD.csv",
}
_FIRST_LINES = {"beneficiaries": "beneficiary_2008.csv", "inpatient": "inpatient.csv"}
_RIF_CLAIMS = {
    "inpatient.csv": "inpatient_claims", "outpatient.csv": "outpatient_claims", "carrier.csv": "carrier_claims",
    "snf.csv": "snf_claims", "hha.csv": "hha_claims", "hospice.csv": "hospice_claims", "dme.csv": "dme_claims",
    "pde.csv": "part_d_events", "beneficiary_history.csv": "beneficiary_history",
}  # fmt: skip
_SYNTHEA = (
    "patients encounters conditions procedures medications observations allergies careplans immunizations devices "
    "supplies imaging_studies claims claims_transactions payer_transitions"
)
_LOST = r"segment 23: SV1 stands outside of its loop, 2400"


@dataclass(frozen=True)
class Fate:
    """What becomes of one file.

    `read`: the input it is read with; `table`: the one table it is, where a file is a table. `refused`: why, and
    `says`: what the error says. `nobody`: why it is about no patient.
    """

    read: str = ""
    table: str = ""
    refused: str = ""
    says: str = ""
    nobody: str = ""


def _read(source: str, names: str) -> dict[str, Fate]:
    return {name: Fate(read=source) for name in names.split()}


def _tables(source: str, files: dict[str, str]) -> dict[str, Fate]:
    return {file: Fate(read=source, table=table) for file, table in files.items()}


_BY_FOLDER: dict[str, dict[str, Fate]] = {
    ".": {
        "README.md": Fate(nobody="tells what the folder holds"),
        "MANIFEST.json": Fate(nobody="lists the files, their sources and digests"),
    },
    "synthea_csv": _tables("synthea-csv", {f"{table}.csv": table for table in _SYNTHEA.split()})
    | {
        "organizations.csv": Fate(nobody="places of care"),
        "providers.csv": Fate(nobody="clinicians"),
        "payers.csv": Fate(nobody="insurers"),
    },
    "cms_rif": _tables("cms-rif-2015", {"beneficiary_2015.csv": "beneficiaries"} | _RIF_CLAIMS)
    | _tables("cms-rif-2020", {"beneficiary_2020.csv": "beneficiaries"}),
    "cms_rif_samhsa": _tables("cms-rif-samhsa", {"inpatient.txt": "inpatient_claims", "carrier.txt": "carrier_claims"}),
    "cms_idr": _tables("cms-idr", {file: table for table, file in _IDR_FILES.items()}),
    "desynpuf": _tables("desynpuf", {file: table for table, file in _FIRST_LINES.items()}),
    "fhir_bulk": _read(
        "fhir-bulk",
        "Patient.000.ndjson Encounter.000.ndjson Condition.000.ndjson Procedure.000.ndjson "
        "DocumentReference.000.ndjson MedicationRequest.000.ndjson AllergyIntolerance.000.ndjson "
        "Immunization.000.ndjson",
    )
    | {
        "Organization.000.ndjson": Fate(nobody="places of care"),
        "Practitioner.000.ndjson": Fate(nobody="clinicians"),
        "Location.000.ndjson": Fate(nobody="places of care"),
    },
    "synthea_fhir": _read("synthea-bundle", "Temika453.json"),
    "fhir_carin_eob": _read(
        "carin-eob",
        "eobReadInpatient.json eobReadOutpatient.json eobReadCarrier.json eobReadPde.json "
        "eobReadByPatientWithSamhsa.json coverageSearchByPatientId.json",
    ),
    "x12": _read("x12", " ".join(f"sample_837_{number}.txt" for number in range(11)))
    | {
        f"sample_837_{number}.txt": Fate(
            refused="a service (SV1) stands outside of any line, for its LX is missing; and SE01 says 24 where 25 segments stand",
            says=_LOST,
        )
        for number in (11, 12)
    },
    "hl7v2": _read(
        "hl7v2",
        "ADT-A01-01.hl7 ADT-A03-01.hl7 ADT-A08-01.hl7 ADT-A40-01.hl7 ADT01-23.hl7 ADT04-251.hl7 DFT-P03-01.hl7 "
        "DFT-P03-02.hl7 BAR-P01-01.hl7 ORU-R01-01.hl7 VXU-V04-01.hl7 MDM-T02-01.hl7",
    ),
    "ccda": _read("ccda", "CCD.xml Discharge_Summary.xml History_and_Physical.xml Operative_Note.xml"),
}
FILES: dict[str, Fate] = {
    name if folder == "." else f"{folder}/{name}": fate
    for folder, files in _BY_FOLDER.items()
    for name, fate in files.items()
}


def _samhsa(site: TestSite) -> Path:
    """Bring the claims of one beneficiary together with a row for that beneficiary, which the extract lacks."""
    root = site.folder / "samhsa"
    if not root.exists():
        root.mkdir()
        for name in ("inpatient.txt", "carrier.txt"):
            shutil.copyfile(INPUTS / "cms_rif_samhsa" / name, root / name)
        columns = header_of(INPUTS / "cms_rif" / "beneficiary_2015.csv", "|")
        row = {
            "DML_IND": "INSERT",
            "BENE_ID": "567834",
            "BENE_BIRTH_DT": "04-JUL-1951",
            "BENE_SRNM_NAME": "Quillfeather",
            "BENE_GVN_NAME": "Ottoline",
            "BENE_ZIP_CD": "50309",
            "BENE_CRNT_HIC_NUM": "T55567834A",
            "MBI_NUM": "1S00E00QQ55",
            "RFRNC_YR": "2016",
            "AGE": "65",
        }
        cells = [row.get(column, "") for column in columns]
        (root / "beneficiary.csv").write_text("|".join(columns) + "\n" + "|".join(cells) + "\n")
    return built_in("samhsa", "cms_rif", root, inpatient_claims="inpatient.txt", carrier_claims="carrier.txt")(site)


def _explanations(site: TestSite) -> Path:
    """Copy the Blue Button answers and describe them.

    They get a day where they say that a field is to be ignored, and the outpatient claim another number than that of
    the doctor in the carrier claim.
    """
    root = site.folder / "blue-button"
    if not root.exists():
        root.mkdir()
        for file in (INPUTS / "fhir_carin_eob").glob("*.json"):
            text = re.sub(r'("created"\s*:\s*)"IGNORED_FIELD"', r'\1"2016-03-09"', file.read_text(encoding="utf-8"))
            text = text.replace("1234567890", "6123457890") if "Outpatient" in file.name else text
            (root / file.name).write_text(text, encoding="utf-8")
    content = {"dataset": "blue-button", "format": "carin_eob", "root": str(root), "population": "beneficiaries"}
    return site.write("datasets/blue-button.yaml", content)


def _claims(site: TestSite) -> Path:
    """Copy the X12 files that are read; two of the folder are refused."""
    root = site.folder / "x12"
    if not root.exists():
        root.mkdir()
        for path, fate in FILES.items():
            if fate.read == "x12":
                shutil.copyfile(INPUTS / path, root / Path(path).name)
    return site.write("datasets/x12.yaml", {"dataset": "x12", "format": "x12_837", "root": str(root), "files": "*.txt"})


def _messages(site: TestSite) -> Path:
    """Describe the messages; only one of twelve ends a visit, so every message with a visit counts as one."""
    content = {"dataset": "messages", "format": "hl7v2_messages", "root": str(INPUTS / "hl7v2")}
    return site.write("datasets/messages.yaml", content | {"encounters": "visit_events"})


# Of the documents: one names no visit at all, and entries without a day cannot be told from those of this year.
_OF_NO_VISIT = {
    "patients": 1, "identities": 1, "relatives": 4, "documents": 1, "procedures": 3, "results": 1, "vital_signs": 9,
    "social_history": 1, "notes": 23,
}  # fmt: skip


def _rif(_: TestSite, **other: str) -> Raw:
    return collect_rif(INPUTS / "cms_rif", **other)


REAL_INPUTS = (
    Input(
        "synthea-csv",
        built_in("synthea", "synthea_csv", INPUTS / "synthea_csv"),
        lambda _: collect_text(SYNTHEA, named(INPUTS / "synthea_csv", SYNTHEA)),
        title="Synthea CSV",
    ),
    *(
        Input(
            f"cms-rif-{year}",
            built_in(f"rif{year}", "cms_rif", INPUTS / "cms_rif", beneficiaries=f"beneficiary_{year}.csv"),
            partial(_rif, beneficiaries=f"beneficiary_{year}.csv"),
            STAYS,
            title=f"CMS RIF, beneficiaries of {year} and all claims",
        )
        for year in (2015, 2020)
    ),
    Input(
        "cms-rif-samhsa",
        _samhsa,
        lambda site: collect_rif(
            site.folder / "samhsa", inpatient_claims="inpatient.txt", carrier_claims="carrier.txt"
        ),
        STAYS,
        title="CMS RIF, one beneficiary with many codes",
    ),
    Input(
        "cms-idr",
        built_in("idr", "cms_idr", INPUTS / "cms_idr", **_IDR_FILES),
        lambda _: collect_text(IDR, {table: INPUTS / "cms_idr" / file for table, file in _IDR_FILES.items()}),
        bad={"claim_codes": 7},  # of a claim that stands there under another type
        again={"beneficiaries": 3},
        title="CMS IDR",
    ),
    Input(
        "desynpuf",
        built_in("puf", "desynpuf", INPUTS / "desynpuf", **_FIRST_LINES),
        lambda _: collect_text(DESYNPUF, {table: INPUTS / "desynpuf" / file for table, file in _FIRST_LINES.items()}),
        frozenset({"inpatient.CLM_UTLZTN_DAY_CNT"}),
        bad={"inpatient": 192},  # the first lines of each file are not about the same people
        title="DE-SynPUF, first lines of two files",
    ),
    Input(
        "fhir-bulk",
        built_in("fhir", "us_core_bulk", INPUTS / "fhir_bulk"),
        lambda _: collect_fhir(INPUTS / "fhir_bulk"),
        title="FHIR bulk, US Core",
    ),
    Input(
        "synthea-bundle",
        built_in("bundle", "us_core_json", INPUTS / "synthea_fhir"),
        lambda _: collect_fhir(INPUTS / "synthea_fhir"),
        title="FHIR transaction bundle, US Core",
    ),
    Input(
        "carin-eob",
        _explanations,
        lambda site: collect_fhir(site.folder / "blue-button"),
        again={"beneficiaries": 5},
        title="FHIR explanations of benefit, CARIN",
    ),
    Input(
        "x12",
        _claims,
        lambda site: collect_x12(site.folder / "x12"),
        again={"patients": 12},  # test claims, most of them of one member
        title="X12 837, professional and institutional",
    ),
    Input(
        "hl7v2",
        _messages,
        lambda _: collect_hl7v2(INPUTS / "hl7v2"),
        again={"patients": 6},
        # A merge without a visit, and a document of a visit without a day.
        unseen={"documents": 1, "identities": 2, "visit_events": 1},
        title="HL7 v2 messages",
    ),
    Input(
        "ccda",
        built_in("ccda", "ccda_r21", INPUTS / "ccda"),
        lambda _: collect_ccda(INPUTS / "ccda"),
        bad={"social_history": 1},  # it ends on the 31st of April
        again={"patients": 2},
        unseen=_OF_NO_VISIT,
        title="C-CDA documents",
    ),
)
NAMED = {source.name: source for source in REAL_INPUTS}

_READERS: dict[str, tuple[Callable[[Path], Raw], str]] = {
    "fhir-bulk": (collect_fhir, "us_core_bulk"),
    "synthea-bundle": (collect_fhir, "us_core_json"),
    "carin-eob": (collect_fhir, "carin_eob"),
    "x12": (collect_x12, "x12_837"),
    "hl7v2": (collect_hl7v2, "hl7v2_messages"),
    "ccda": (collect_ccda, "ccda_r21"),
}


@cache
def records_in(path: str) -> dict[str, int]:
    """Return how many rows of each table a file holds, counted by the independent reader of its format.

    Of the product it takes the names of the tables alone: some readers count what is of no table, too.
    """
    fate = FILES[path]
    if fate.table:
        delimiter = "|" if fate.read.startswith("cms-rif") else ","
        return {fate.table: sum(1 for _ in rows_of(INPUTS / path, delimiter))}
    collect, format_ = _READERS[fate.read]
    described = spelling.built_in(format_).columns
    return {table: rows for table, rows in collect(INPUTS / path).rows.items() if table in described}


def described_alone(site: TestSite, path: str) -> DatasetDescription:
    """Return a description of one file alone, or of the input whose one table it is."""
    fate, file = FILES[path], INPUTS / path
    if fate.table:
        return load_dataset(NAMED[fate.read].describe(site))
    format_ = _READERS[fate.read][1] if fate.read else "x12_837"
    content: dict[str, Any] = {"dataset": "alone", "format": format_, "root": str(file.parent)}
    if format_ != "us_core_bulk":  # there each type of resource has a file of its own
        content["files"] = file.name
    if format_ == "carin_eob":
        content["population"] = "coverages" if "coverage" in path else "beneficiaries"
    return load_dataset(site.write(f"alone/{file.name}.yaml", content))


_PUF_FILES = {
    "beneficiaries": "DE1_0_2008_Beneficiary_Summary_File_Sample_1.csv",
    "inpatient": "DE1_0_2008_to_2010_Inpatient_Claims_Sample_1.csv",
}
_PUF_ROOT = REFERENCE / "desynpuf_sample1"

DESYNPUF_INPUT = Input(
    "desynpuf",
    built_in("desynpuf", "desynpuf", _PUF_ROOT, **_PUF_FILES),
    lambda _: collect_text(DESYNPUF, {table: _PUF_ROOT / file for table, file in _PUF_FILES.items()}),
    title="DE-SynPUF sample 1, 2008, inpatient claims",
)


@dataclass(frozen=True)
class Large:
    """A run under k-anonymity with codes under a ceiling, with what was counted anew on what was opened.

    `withheld` was computed from the source, by the recoding that the release shows; `codes` by an attack on it.
    """

    source: Input
    done: Run
    vector: str
    patients: int
    smallest: int
    withheld: int
    codes: TwoCodes
    made: Population | None = None
    basis: Basis = EXPERT


EXPIRES = 2027
_WORDS = {
    "BENE_DEATH_DT": "year of death", "BENE_SEX_IDENT_CD": "sex", "BENE_RACE_CD": "race",
    "death_date": "year of death", "sex": "sex", "race": "race", "ethnicity": "ethnicity",
}  # fmt: skip
_BORN = ("BENE_BIRTH_DT", "birth_date")
_DIED = ("BENE_DEATH_DT", "death_date")


def band(day: str, width: int) -> str:
    """Return the band of a birth day (year first), those who reach 90 before the request expires as one."""
    year = max(int(day[:4]), EXPIRES - 90)
    return str(year - year % width)


def _width(years: Iterable[int | None]) -> int:
    """Return the widest band that all released years of birth are the first of."""
    there = {year for year in years if year is not None}
    return max(width for width in (5, 10, 20) if not any(year % width for year in there))


def _measured(
    source: Input, done: Run, key: str, vector: Sequence[str], raw: Iterable[dict[str, str]], codes: Sequence[_Codes]
) -> Large:
    """Count classes anew, compute who must be withheld from the source, and attack what was opened.

    `vector`: the quasi-identifiers that were asked for; of the rest of the population table nothing tells patients
    apart. `codes`: where codes stand, in the source and in the release.
    """
    table = done.tables[done.population]
    shown = [name for name in vector if name in table.column_names]
    width = next((_width(table[name].to_pylist()) for name in shown if name in _BORN), 0)

    def recoded(name: str, cell: str) -> str:
        return band(cell, width) if name in _BORN else cell[:4] if name in _DIED else cell

    classes = {row[key]: tuple(recoded(name, row[name]) for name in shown) for row in raw}
    withheld = sum(times for times in Counter(classes.values()).values() if times < 11)
    attacked = two_codes(
        gathered(*(mentions_of(each.source(), each.patient, each.visit, each.columns) for each in codes)),
        classes,
        gathered(*(mentions_of(done.tables[each.table], each.patient, each.visit, each.columns) for each in codes)),
        classes_shown(table, key, shown),
    )
    told = ", ".join(f"birth in bands of {width} years" if name in _BORN else _WORDS[name] for name in shown)
    return Large(source, done, told, len(classes), smallest_class(table, shown), withheld, attacked)


@dataclass(frozen=True)
class _Codes:
    """A table of codes: its file, and the columns of patient, visit and codes, called alike in the release."""

    table: str
    file: Path
    patient: str
    visit: str
    columns: Mapping[str, Kind]

    def source(self) -> pa.Table:
        """Return the raw table, every cell as text."""
        names = [self.patient, self.visit, *self.columns]
        options = pcsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=names)
        return pcsv.read_csv(self.file, convert_options=options)


_PUF_CODES = (
    {f"ICD9_DGNS_CD_{n}": Kind("icd9cm") for n in range(1, 11)}
    | {f"ICD9_PRCDR_CD_{n}": Kind("icd9cm", "procedure") for n in range(1, 7)}
    | {"CLM_DRG_CD": Kind("drg")}
)  # the columns of HCPCS codes are empty
# What tells order or role of codes, and a length beside two dates, which tells days.
_PUF_LEFT_OUT = {"SEGMENT", "ADMTNG_ICD9_DGNS_CD", "CLM_UTLZTN_DAY_CNT"}


def desynpuf_under_k11(site: TestSite, _: Path) -> Large:
    """Release ten thousand Medicare beneficiaries with their inpatient claims, in classes of eleven or more."""
    tables = wide(DESYNPUF_INPUT.describe(site))
    tables = {name: tables[name] for name in ("beneficiaries", "inpatient")}
    vector = ["BENE_BIRTH_DT", "BENE_DEATH_DT", "BENE_SEX_IDENT_CD", "BENE_RACE_CD"]
    tables["beneficiaries"] = ["DESYNPUF_ID", *vector]  # the policy's k counts nothing else of a patient
    tables["inpatient"] = [name for name in tables["inpatient"] if name not in _PUF_LEFT_OUT]
    done = run(site, DESYNPUF_INPUT, EXPERT, tables=tables)
    codes = _Codes("inpatient", _PUF_ROOT / _PUF_FILES["inpatient"], "DESYNPUF_ID", "CLM_ID", _PUF_CODES)
    raw = rows_of(_PUF_ROOT / _PUF_FILES["beneficiaries"])
    return _measured(DESYNPUF_INPUT, done, "DESYNPUF_ID", vector, raw, [codes])


_GENERATED_CODES: dict[str, dict[str, Kind]] = {
    "encounters": {"drg": Kind("drg")},
    "diagnoses": {"icd10cm": Kind("icd10cm")},
    "procedures": {name: Kind(name) for name in ("cpt", "modifier", "icd10pcs", "revenue_code")},
    "drugs": {"ndc": Kind("ndc")},
}
# The policy keeps no count of the first; the others tell the order of codes.
_GENERATED_LEFT_OUT = {
    "patients": {"language", "marital_status", "contact_relation"},
    "encounters": {"payer"},  # the patient's, and not among what k counts
    "diagnoses": {"sequence", "present_on_admission"},
    "procedures": {"line"},
}


def generated_under_k11(site: TestSite, folder: Path, patients: int) -> Large:
    """Release a generated population with coded visits and some notes, in classes of eleven or more."""
    made = generate(11, patients, notes=0.01)
    write_claims_csv(made, folder / "source")
    source = generated(folder / "source")
    tables = {
        table: [name for name in names if name not in _GENERATED_LEFT_OUT.get(table, ())]
        for table, names in wide(source.describe(site)).items()
    }
    # Notes beside mapped codes: the policy names their column.
    basis = Basis(expert_with_notes(site).stem)
    done = run(site, source, basis, tables=tables, derive=["readmitted_30d"])
    codes = [
        _Codes(table, folder / "source" / f"{table}.csv", "patient_id", "encounter_id", columns)
        for table, columns in _GENERATED_CODES.items()
    ]
    vector = ["birth_date", "death_date", "sex", "race", "ethnicity", "zip_code"]
    raw = rows_of(folder / "source" / "patients.csv")
    return replace(_measured(source, done, "patient_id", vector, raw, codes), made=made, basis=basis)


def fifty_thousand_under_k11(site: TestSite, folder: Path) -> Large:
    """Release fifty thousand generated patients; some minutes."""
    return generated_under_k11(site, folder, 50_000)


NOTES = ("notes.note_text",)  # of the generated population
LARGE = (desynpuf_under_k11, fifty_thousand_under_k11)
