"""The report on coding quality: each finding on codes that have it and on codes that have not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sites import REPOSITORY, make_site
from tiny_sources import LIMITED, SAFE, World, write_source

from deid.cli import cli
from deid.errors import SourceError
from deid.quality.findings import FINDINGS
from deid.quality.report import Report, to_json, to_markdown
from deid.quality.source import judge_source
from deid.sources import load_dataset

PEOPLE = 12
PATIENTS = {"ID": "patient_id", "BIRTH": "birth_date", "SEX": "sex"}
LINES = {"PATIENT": "patient_id", "ENC": "encounter_id", "DAY": "service_date"}


def judged(
    folder: Path, columns: dict[str, Any], cells: list[str], *, sex: str = "F", birth: str = "1980-01-01"
) -> Report:
    """Judge a source of twelve patients, each with one line of these cells: day of service, then the columns'."""
    patients = "ID BIRTH SEX\n" + "\n".join(f"p{i} {birth} {sex}" for i in range(PEOPLE))
    rows = "\n".join(" ".join([f"p{i}", f"e{i}", *cells]) for i in range(PEOPLE))
    header = " ".join([*LINES, *columns])
    path = write_source(
        folder / "source",
        {"patients": patients, "lines": f"{header}\n{rows}"},
        {"patients": PATIENTS, "lines": LINES | columns},
    )
    (folder / "spill").mkdir()
    return judge_source(load_dataset(path), unit="month", spill=folder / "spill", progress=lambda _what, _rows: None)


def found(report: Report, column: str = "CODE") -> set[str]:
    """Return the findings that all twelve codes of a column have."""
    entry = report.tables["lines"][column]
    assert all(line.total in (0, PEOPLE) for line in entry.findings.values())
    return {name for name, line in entry.findings.items() if line.total == PEOPLE}


# kind | day of service | code | what is found, among what is asserted below it
CODES = [
    ("icd10cm", "2024-03-05", "E11.65", set()),
    ("icd10cm", "2024-03-05", "e1165", set()),
    ("icd10cm", "2014-03-05", "E11.65", {"not_yet"}),
    ("icd10cm", "2024-03-05", "E11", {"not_billable"}),
    ("icd10cm", "2024-03-05", "M8000X", {"unknown"}),
    ("icd10cm", "2024-03-05", "E1", {"malformed"}),
    ("icd10cm", "2024-03-05", "E11.65;I10", {"malformed", "two_codes"}),
    ("icd10cm", "2024-03-05", "E11.65,250.00", {"malformed"}),
    ("icd10cm", "2024-03-05", "25000", {"malformed", "system_mismatch"}),
    ("icd10cm", "2024-03-05", "44054006", {"malformed", "system_mismatch"}),
    ("icd10cm", "2024-03-05", "J18.9", {"unspecified"}),
    ("icd10cm", "2024-03-05", "H66.90", {"unspecified", "laterality_missing"}),
    ("icd9cm", "2014-03-05", "401.1", set()),
    ("icd9cm", "2024-03-05", "401.1", {"retired"}),
    ("icd9cm", "2014-03-05", "8.45", {"malformed", "lost_zeros"}),
    ("icd10pcs", "2024-03-05", "0DTJ4ZZ", set()),
    ("drg", "2024-03-05", "39", {"lost_zeros"}),
    ("drg", "2024-03-05", "039", set()),
    ("revenue_code", "2024-03-05", "450", {"lost_zeros"}),
    ("ndc", "2024-03-05", "0002821501", {"lost_zeros"}),
    ("ndc", "2024-03-05", "00002-8215-01", set()),
    ("loinc", "2024-03-05", "4548-4", set()),
    ("loinc", "2024-03-05", "4548-5", {"malformed"}),
    ("cpt", "2024-03-05", "99213", set()),
    ("place_of_service", "2020-03-05", "10", {"not_yet"}),
]


@pytest.mark.parametrize(("kind", "day", "code", "expected"), CODES, ids=[f"{c[0]}-{c[2]}-{c[1][:4]}" for c in CODES])
def test_codes_are_judged_as_drawn(tmp_path: Path, kind: str, day: str, code: str, expected: set[str]) -> None:
    """A code has the findings drawn beside it, on its day, and no others."""
    code = f'"{code}"' if "," in code else code
    assert found(judged(tmp_path, {"CODE": kind}, [day, code])) - {"duplicate_line"} == expected


@pytest.mark.parametrize(("told", "code", "lies"), [("9", "E1165", True), ("0", "E1165", False), ("10", "4019", True)])
def test_a_revision_that_lies_is_found(tmp_path: Path, told: str, code: str, lies: bool) -> None:
    """A code known to one revision alone, beside a column that tells the other, is a mismatch."""
    report = judged(tmp_path, {"CODE": "icd_any", "VERSION": "icd_version"}, ["2014-03-05", code, told])
    assert ("system_mismatch" in found(report)) is lies


@pytest.mark.parametrize(("sex", "conflict"), [("F", True), ("M", False), ("U", False)])
def test_a_code_of_the_other_sex_is_found(tmp_path: Path, sex: str, conflict: bool) -> None:
    """Disease of the prostate in a woman's record is a conflict, in a man's it is none."""
    report = judged(tmp_path, {"CODE": "icd10cm"}, ["2023-03-05", "N40.0"], sex=sex)
    assert ("sex_conflict" in found(report)) is conflict


@pytest.mark.parametrize(("birth", "conflict"), [("1990-01-01", False), ("1950-01-01", True)])
def test_a_code_of_another_age_is_found(tmp_path: Path, birth: str, conflict: bool) -> None:
    """A delivery is a conflict at seventy-three, and none at thirty-three."""
    report = judged(tmp_path, {"CODE": "icd10cm"}, ["2023-03-05", "O80"], birth=birth)
    assert ("age_conflict" in found(report)) is conflict


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("E11.9", "I10", set()),
        ("-", "I10", {"principal_missing"}),
        ("F02.80", "I10", {"principal_manifestation"}),
        ("Z00.00", "I10", set()),
        ("W19.XXXA", "I10", {"principal_unacceptable"}),
    ],
)
def test_the_first_diagnosis_is_judged(tmp_path: Path, first: str, second: str, expected: set[str]) -> None:
    """A first diagnosis is there, is no manifestation, and is one that may stand first."""
    columns = {"PRINCIPAL_DX": {"kind": "icd10cm", "use": "principal"}, "DX_2": "icd10cm"}
    report = judged(tmp_path, columns, ["2023-03-05", first, second])
    assert {name for name in found(report, "PRINCIPAL_DX") if name.startswith("principal")} == expected
    assert not {name for name in found(report, "DX_2") if name.startswith("principal")}


@pytest.mark.parametrize(("drg", "expected"), [("039", {"principal_unacceptable"}), ("-", set())])
def test_medicares_list_of_first_diagnoses_is_for_hospital_stays(tmp_path: Path, drg: str, expected: set[str]) -> None:
    """An examination may begin an office visit, and may not be what a patient was admitted for."""
    columns = {"DX": {"kind": "icd10cm", "use": "principal"}, "DRG": "drg"}
    report = judged(tmp_path, columns, ["2023-03-05", "Z00.00", drg])
    assert {name for name in found(report, "DX") if name.startswith("principal")} == expected


@pytest.mark.parametrize(
    ("kind", "use", "code", "expected"),
    [
        ("icd9cm", None, "4019", {"unspecified"}),
        ("icd9cm", "procedure", "4019", set()),
        ("icd9cm", None, "401", {"not_billable"}),
        ("icd9cm", "procedure", "401", {"not_billable"}),
        ("icd9cm", "procedure", "E8840", {"malformed", "system_mismatch"}),
        ("icd_any", None, "6029", {"unspecified", "sex_conflict"}),
        ("icd_any", "procedure", "6029", set()),
        ("icd_any", "procedure", "60299", {"malformed"}),
    ],
)
def test_procedures_are_not_judged_as_diagnoses(
    tmp_path: Path, kind: str, use: str | None, code: str, expected: set[str]
) -> None:
    """Digits of a column that holds procedures have no sex of a diagnosis with the same digits."""
    columns = {"CODE": {"kind": kind} | ({"use": use} if use else {})}
    assert found(judged(tmp_path, columns, ["2014-03-05", code])) == expected


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("place_of_service", "1"),
        ("place_of_service", "0131"),
        ("discharge_status", "A"),
        ("provider_specialty", "08"),
        ("provider_specialty", "Cardiology"),
    ],
)
def test_cells_of_another_vocabulary_are_not_judged(tmp_path: Path, kind: str, code: str) -> None:
    """Halves of types of bill, CMS's own codes and words stand in columns of these kinds by right."""
    report = judged(tmp_path, {"CODE": kind}, ["2024-03-05", code])
    assert report.tables["lines"]["CODE"].codes.total == 0
    assert found(report) == set()


@pytest.mark.parametrize(
    ("kind", "day", "code", "expected"),
    [
        ("drg", "2012-03-05", "765", set()),
        ("drg", "2019-03-05", "765", {"unknown"}),
        ("drg", "2012-03-05", "018", set()),
        ("drg", "2019-03-05", "018", {"not_yet"}),
        ("place_of_service", "1999-03-05", "10", set()),
        ("icd10cm", "1899-03-05", "E11.65", {"not_yet"}),
        ("icd9cm", "2200-03-05", "401.1", {"retired"}),
    ],
)
def test_lists_judge_the_days_that_they_know(
    tmp_path: Path, kind: str, day: str, code: str, expected: set[str]
) -> None:
    """Before the first day of a list nobody can say whether a code was valid, unless the system began with it."""
    assert found(judged(tmp_path, {"CODE": kind}, [day, code], birth="-")) == expected


def test_numbered_columns_are_told_together(tmp_path: Path) -> None:
    """Columns of a block are filled from the first on: subtracted, they would tell visits with few diagnoses."""
    columns = {f"DX{n}": "icd10cm" for n in range(1, 4)} | {"OTHER2": "icd10cm", "POS1": "place_of_service"}
    report = judged(tmp_path, columns, ["2024-03-05", "E1", "I10", "-", "I10", "11"])
    entries = report.tables["lines"]
    assert list(entries) == ["DX{1..3}", "OTHER2", "POS1"]
    assert entries["DX{1..3}"].codes.total == 2 * PEOPLE
    assert entries["DX{1..3}"].findings["malformed"].total == PEOPLE


def test_a_table_without_codes_in_a_column_is_told_in_a_line(tmp_path: Path) -> None:
    """Empty columns and columns without findings take no lines of the table that is read."""
    columns = {"NONE": "icd10cm", "GOOD": "icd10cm", "BAD": "icd10cm"}
    text = to_markdown(judged(tmp_path, columns, ["2024-03-05", "-", "I10", "E1"]))
    assert "No codes of their systems: `NONE`." in text
    assert "No findings, codes: `GOOD` 12." in text
    assert text.count("`BAD`") == text.count("| `") == 1
    assert "- ICD-10-CM: all codes billable" in text


def test_a_column_that_is_absent_by_right_is_not_missed(tmp_path: Path) -> None:
    """Where a description lets columns be absent, the first day that is there is the day of service."""
    path = write_source(
        tmp_path / "source",
        {
            "patients": "ID BIRTH SEX\n" + "\n".join(f"p{i} 1980-01-01 F" for i in range(PEOPLE)),
            "lines": "PATIENT START CODE\n" + "\n".join(f"p{i} 2014-03-05 I10" for i in range(PEOPLE)),
        },
        {
            "patients": PATIENTS,
            "lines": {
                "PATIENT": "patient_id",
                "DATE": "service_date",
                "START": "service_date",
                "CODE": "icd10cm",
                "OTHER": "icd10cm",
            },
        },
    )
    text = path.read_text().replace("  lines:\n", "  lines:\n    optional_columns: true\n")
    path.write_text(text)
    report = judge_source(load_dataset(path), unit="year", spill=tmp_path, progress=lambda _what, _rows: None)
    assert list(report.tables["lines"]) == ["CODE"]
    assert report.tables["lines"]["CODE"].findings["not_yet"].periods == {"2014": PEOPLE}


def test_a_claim_number_in_the_population_names_no_visit(tmp_path: Path) -> None:
    """A person may carry the number of a claim without being a part of it."""
    path = write_source(
        tmp_path / "source",
        {
            "patients": "ID BIRTH SEX CASE\n" + "\n".join(f"p{i} 1980-01-01 F c{i}" for i in range(PEOPLE)),
            "encounters": "ENC PATIENT DAY DRG\n" + "\n".join(f"c{i} p{i} 2024-03-05 039" for i in range(PEOPLE)),
        },
        {
            "patients": PATIENTS | {"CASE": "claim_id"},
            "encounters": {"ENC": "claim_id", "PATIENT": "patient_id", "DAY": "service_date", "DRG": "drg"},
        },
    )
    report = judge_source(load_dataset(path), unit="year", spill=tmp_path, progress=lambda _what, _rows: None)
    assert report.tables["encounters"]["DRG"].codes.total == PEOPLE


def test_a_line_that_repeats_another_is_found(tmp_path: Path) -> None:
    """Of two equal lines of one visit one is a duplicate; equal lines of two visits are none."""
    patients = "ID BIRTH SEX\n" + "\n".join(f"p{i} 1980-01-01 F" for i in range(PEOPLE))
    once = [f"p{i} e{i} 2024-03-05 99213" for i in range(PEOPLE)]
    other = [f"p{i} f{i} 2024-03-05 99213" for i in range(PEOPLE)]
    rows = "\n".join(line for pair in zip(once, once, other, strict=True) for line in pair)
    path = write_source(
        tmp_path / "source",
        {"patients": patients, "lines": f"PATIENT ENC DAY CODE\n{rows}"},
        {"patients": PATIENTS, "lines": LINES | {"CODE": "cpt"}},
    )
    report = judge_source(load_dataset(path), unit="year", spill=tmp_path, progress=lambda _what, _rows: None)
    assert report.tables["lines"]["CODE"].findings["duplicate_line"].total == PEOPLE
    assert report.tables["lines"]["CODE"].codes.total == 3 * PEOPLE


def test_codes_without_a_day_are_judged_by_their_visit(tmp_path: Path) -> None:
    """A diagnosis table without a date takes the first day of the visit that it names, each patient's own number."""
    patients = "ID BIRTH SEX\n" + "\n".join(f"p{i} 1980-01-01 F" for i in range(2 * PEOPLE))
    # Every patient has a visit 1: in 2014 for the first twelve, in 2024 for the others.
    visits = "\n".join(f"1 p{i} {2014 if i < PEOPLE else 2024}-03-05" for i in range(2 * PEOPLE))
    codes = "\n".join(f"p{i} 1 401.1" for i in range(2 * PEOPLE))
    path = write_source(
        tmp_path / "source",
        {"patients": patients, "encounters": f"ENC PATIENT DAY\n{visits}", "codes": f"PATIENT ENC CODE\n{codes}"},
        {
            "patients": PATIENTS,
            "encounters": {"ENC": "encounter_id", "PATIENT": "patient_id", "DAY": "service_date"},
            "codes": {"PATIENT": "patient_id", "ENC": "encounter_id", "CODE": "icd9cm"},
        },
    )
    report = judge_source(load_dataset(path), unit="year", spill=tmp_path, progress=lambda _what, _rows: None)
    entry = report.tables["codes"]["CODE"]
    assert entry.codes.periods == {"2014": PEOPLE, "2024": PEOPLE}
    assert entry.findings["retired"].periods == {"2024": PEOPLE}


def test_few_patients_are_never_told(tmp_path: Path) -> None:
    """A finding of eleven rows of one patient, or of ten patients, is a range at most."""
    patients = "ID BIRTH SEX\n" + "\n".join(f"p{i} 1980-01-01 F" for i in range(40))
    rows = [f"p0 e{i} 2024-03-05 E1" for i in range(30)]
    rows += [f"p{i} e{i} 2024-03-05 I10" for i in range(1, 40)]
    path = write_source(
        tmp_path / "source",
        {"patients": patients, "lines": "PATIENT ENC DAY CODE\n" + "\n".join(rows)},
        {"patients": PATIENTS, "lines": LINES | {"CODE": "icd10cm"}},
    )
    report = judge_source(load_dataset(path), unit="month", spill=tmp_path, progress=lambda _what, _rows: None)
    entry = report.tables["lines"]["CODE"]
    assert (entry.codes.total, entry.findings["malformed"].total) == (69, "1-10")
    assert not entry.findings["malformed"].periods
    assert "30" not in to_markdown(report)
    assert b"30" not in to_json(report).replace(b"2030", b"")


def test_a_source_without_codes_is_refused(tmp_path: Path) -> None:
    """There is nothing to judge where no column is described as codes."""
    path = write_source(tmp_path / "s", {"patients": "ID BIRTH SEX\np1 1980-01-01 F"}, {"patients": PATIENTS})
    with pytest.raises(SourceError, match="no column of codes"):
        judge_source(load_dataset(path), unit="month", spill=tmp_path, progress=lambda _what, _rows: None)


def test_the_command_writes_both_reports(tmp_path: Path) -> None:
    """`deid quality` prints the report and writes it for programs and for reading; a second time is refused."""
    arguments = ["quality", str(REPOSITORY / "samples" / "claims" / "dataset.yaml"), "--out", str(tmp_path)]
    ran = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    assert ran.exit_code == 0
    assert json.loads(ran.stdout) == json.loads((tmp_path / "quality.json").read_bytes())
    assert "## diagnoses" in (tmp_path / "quality.md").read_text()
    assert json.loads(ran.stdout)["tables"]["diagnoses"]["icd10cm"]["codes"]["total"] > 10_000
    assert CliRunner().invoke(cli, arguments).exit_code != 0


def test_the_format_page_lists_every_finding() -> None:
    """docs/formats/quality.md has a line for each finding of the registry, and no others."""
    page = (REPOSITORY / "docs" / "formats" / "quality.md").read_text()
    section = page.partition("## Findings")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == list(FINDINGS)


@pytest.mark.parametrize(("policy", "unit"), [(LIMITED, "month"), (SAFE, "year")])
def test_every_release_carries_its_report(tmp_path: Path, policy: str, unit: str) -> None:
    """A release lists quality.json among its documents, by months or by years as its basis lets."""
    site = make_site(tmp_path / "site")
    request = site.request(
        REPOSITORY / "samples" / "claims" / "dataset.yaml",
        {"patients": ["patient_id", "sex"], "procedures": ["patient_id", "cpt", "procedure_date"]},
        policy=str(site.folder / "policies" / f"{policy}.yaml"),
    )
    folder = site.run(request).folder
    report = json.loads((folder / "quality.json").read_bytes())
    assert report["unit"] == unit
    assert set(report["tables"]) == {"procedures"}
    width = len("2024-01") if unit == "month" else len("2024")
    periods = report["tables"]["procedures"]["cpt"]["codes"]["periods"]
    assert {len(period) for period in periods} <= {width, len("unknown")}
    listed = {entry["name"] for entry in json.loads((folder / "manifest.json").read_bytes())["documents"]}
    assert {"quality.json", "quality.md"} <= listed


def test_a_release_judges_only_what_it_releases(tmp_path: Path) -> None:
    """Codes of patients outside the cohort, and columns that are not asked for, are not counted."""
    world = World(tmp_path / "site")
    released = world.site.run(world.request(world.source(), {"patients": ["ID"], "diagnoses": ["PATIENT", "DX"]}))
    report = json.loads((released.folder / "quality.json").read_bytes())
    assert report["tables"] == {"diagnoses": {"DX": report["tables"]["diagnoses"]["DX"]}}
    assert report["tables"]["diagnoses"]["DX"]["codes"]["total"] == "1-10"


def test_manifest_and_report_tell_no_small_count_together(tmp_path: Path) -> None:
    """Many malformed codes of one patient are counted in no document of a release, nor are the nulls they become."""
    world = World(tmp_path / "site")
    people = "ID BIRTH SEX\n" + "\n".join(f"p{i} 1980-01-01 F" for i in range(40))
    rows = ["p0 E1"] * 37 + [f"p{i} I10" for i in range(1, 40)]
    source = world.source_of(
        {"patients": people, "codes": "PATIENT CODE\n" + "\n".join(rows)},
        {"patients": PATIENTS, "codes": {"PATIENT": "patient_id", "CODE": "icd10cm"}},
    )
    released = world.site.run(world.request(source, {"patients": ["ID"], "codes": ["PATIENT", "CODE"]}))
    manifest = json.loads((released.folder / "manifest.json").read_bytes())
    report = json.loads((released.folder / "quality.json").read_bytes())
    assert manifest["malformed"] == {"codes.CODE": "1-10"}
    assert [column.get("nulls") for column in manifest["tables"]["codes"]["columns"]] == [0, None]
    assert report["tables"]["codes"]["CODE"]["findings"]["malformed"]["total"] == "1-10"
    assert released.malformed == {"codes.CODE": "1-10"}
    texts = [report["tables"], manifest["malformed"], manifest["tables"]["codes"]["columns"]]
    assert "37" not in json.dumps(texts)
    assert "37" not in (released.folder / "codebook.md").read_text()
