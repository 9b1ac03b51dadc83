"""Every code of ICD-10-CM and ICD-9-CM, held against what other implementations make of it; skipped without them.

`pip install -c constraints.txt -e '.[dev,build-codes]'` installs them.
"""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deid.codes import comorbidity
from deid.codes.conditions import AHRQ_CONDITIONS
from deid.codes.tables import load_table, pack

pytestmark = pytest.mark.live

# pycomorb's names of AHRQ's conditions, in the order of the conditions here.
PYCOMORB = (
    "Acquired immune deficiency syndrome", "Alcohol abuse", "Anemias due to other nutritional deficiencies",
    "Autoimmune conditions", "Chronic blood loss anemia (iron deficiency)", "Leukemia", "Lymphoma", "Metastatic cancer",
    "Solid tumor without metastasis, in situ", "Solid tumor without metastasis, malignant", "Cerebrovascular disease",
    "Coagulopathy", "Dementia", "Depression", "Diabetes with chronic complications",
    "Diabetes without chronic complications", "Drug abuse", "Heart failure", "Hypertension, complicated",
    "Hypertension, uncomplicated", "Liver disease, mild", "Liver disease, moderate to severe",
    "Chronic pulmonary disease", "Neurological disorders affecting movement", "Other neurological disorders",
    "Seizures and epilepsy", "Obesity", "Paralysis", "Peripheral vascular disease", "Psychoses",
    "Pulmonary circulation disease", "Renal failure, moderate", "Renal failure, severe", "Hypothyroidism",
    "Other thyroid disorders", "Peptic ulcer disease", "Valvular disease", "Weight loss",
)  # fmt: skip


DIAGNOSIS = re.compile(r"[0-9]{3}|V[0-9]{2}|E[0-9]{3}|[A-Z][0-9][0-9AB]")  # ICD-9-CM procedures begin with two digits


def codes_of(table: str) -> list[str]:
    """Return every diagnosis code of a list that ships with the package, without dots."""
    codes = load_table(table).rows.column("code").to_pylist()
    return [code.replace(".", "") for code in codes if code and DIAGNOSIS.match(code)]


def test_each_code_has_the_measures_that_elixhauser_ahrq_reads() -> None:
    """AHRQ's workbook, read by another program, marks the same measures at the same codes, and none elsewhere."""
    mapper: Any = pytest.importorskip("elixhauser_ahrq.mapper").ElixhauserMapper()
    codes = sorted({*codes_of("icd10cm"), *mapper.lookup})
    bits, _ = comorbidity.elixhauser(pa.array(codes), "icd10cm")
    places = comorbidity.elixhauser_table().places
    for code, found in zip(codes, bits.tolist(), strict=True):
        theirs = {name for name, yes in mapper.lookup.get(code, {}).items() if yes}
        assert {name for name, place in places.items() if found >> place & 1} == theirs, code


def test_visits_have_the_conditions_that_elixhauser_ahrq_finds() -> None:
    """Random visits, all present on admission, without a metastasis, whose exclusions that package widens."""
    mapper: Any = pytest.importorskip("elixhauser_ahrq.mapper").ElixhauserMapper()
    drawn = random.Random(1)
    pool = sorted(code for code, flags in mapper.lookup.items() if not flags["CANCER_METS"])
    for _ in range(500):
        codes = drawn.choices(pool, k=drawn.randint(2, 8))
        theirs = mapper.map_patient_diagnoses(codes, ["Y"] * len(codes))
        measured, exempt = comorbidity.elixhauser(pa.array(codes[1:]), "icd10cm")
        present = comorbidity.on_admission(measured, exempt, pa.array(["Y"] * len(measured)))
        shown = comorbidity.elixhauser_shown(np.bitwise_or.reduce(present).reshape(1))
        ours = {condition.raw[0] for name, condition in AHRQ_CONDITIONS.items() if shown[name][0]}
        assert {"CBVD_POA" if name == "CBVD" else name for name, yes in theirs.items() if yes} == ours, codes


@pytest.mark.parametrize(("system", "version"), [("icd10cm", "icd10"), ("icd9cm", "icd9")])
def test_each_code_shows_the_charlson_conditions_that_pycomorb_finds(system: Any, version: str) -> None:
    """Quan's lists, as another program carries them, agree for every code of both revisions."""
    pycomorb: Any = pytest.importorskip("pycomorb.CharlsonComorbidityIndex")
    pl: Any = pytest.importorskip("polars")
    codes = codes_of(system)
    frame = pl.DataFrame({"id": codes, "code": codes, "age": [0] * len(codes)})
    table = pycomorb.CharlsonComorbidityIndex(frame, icd_version=version, implementation="quan", return_categories=True)
    order = {code: at for at, code in enumerate(table["id"].to_list())}
    categories = [name for name in table.columns if name not in ("id", "Age", "Age Score") and "Charlson" not in name]
    ours = comorbidity.charlson_shown(comorbidity.charlson(pa.array(codes), system))
    assert len(categories) == len(ours)
    places = np.array([order[code] for code in codes])
    by_size = {name: table[name].cast(pl.Boolean).to_numpy()[places] for name in categories}
    for name, flags in ours.items():
        assert any(np.array_equal(flags, theirs) for theirs in by_size.values()), name
    scores = table["Charlson Comorbidity Index"].to_numpy()[places]
    assert np.array_equal(comorbidity.charlson_score(comorbidity.charlson(pa.array(codes), system), "1987"), scores)


def test_each_code_shows_the_elixhauser_conditions_that_pycomorb_finds() -> None:
    """Pycomorb reads AHRQ's programs and not its workbook, and counts every diagnosis as present.

    It shortens AHRQ's codes to beginnings, so that headings and codes of later years show what AHRQ never listed: they
    are left out here.
    """
    pycomorb: Any = pytest.importorskip("pycomorb.ElixhauserComorbidityIndex")
    pl: Any = pytest.importorskip("polars")
    all_codes = codes_of("icd10cm")
    table = comorbidity.elixhauser_table()
    known = np.isin(pack(pa.array(all_codes)), table.codes)
    listed = {code for code, is_known in zip(all_codes, known, strict=True) if is_known}
    headings = {code[:length] for code in all_codes for length in range(3, len(code))}
    codes = [
        code
        for code in all_codes
        if code in listed or not (code in headings or any(code[:length] in listed for length in range(3, len(code))))
    ]
    frame = pl.DataFrame({"id": codes, "code": codes, "year": [2026] * len(codes)})
    found = pycomorb.ElixhauserComorbidityIndex(
        frame, implementation="ahrq_icd10", weights="ahrq", year_col="year", return_categories=True
    )
    order = {code: at for at, code in enumerate(found["id"].to_list())}
    places = np.array([order[code] for code in codes])
    measured, exempt = comorbidity.elixhauser(pa.array(codes), "icd10cm")
    shown = comorbidity.elixhauser_shown(comorbidity.on_admission(measured, exempt, pa.array(["Y"] * len(codes))))
    for ours, theirs in zip(AHRQ_CONDITIONS, PYCOMORB, strict=True):
        assert np.array_equal(shown[ours], found[theirs].cast(pl.Boolean).to_numpy()[places]), ours
    assert len(codes) > 70_000
