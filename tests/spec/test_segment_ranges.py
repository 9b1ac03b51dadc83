"""The ranges of codes of sensitive segments: what they hold, on which days, held against public lists."""

from __future__ import annotations

import csv
import re
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from sites import REPOSITORY, SHARED

from deid.cells.days import NO_DAY, number_of
from deid.kinds import KINDS
from deid.schema import Column
from deid.segments.page import segments_page
from deid.segments.ranges import Range, segments, told

CODES = REPOSITORY / "deid" / "codes" / "data"
CLAIMS = SHARED / "inputs" / "cms_rif_samhsa"
LISTS = sorted((SHARED / "inputs").glob("**/security_labels.yml"))
# By which CMS' Beneficiary FHIR Data server withholds claims: security_labels.yml, a work of the US government.
WITHHELD = {
    "cpt": """4320F 99408 99409 0078U H0005 H0006 H0007 H0008 H0009 H0010 H0011 H0012 H0013 H0014 H0015 H0020 H0034 H0047
        H0050 H2035 H2036 S9475 T1006 T1007 T1008 T1009 T1010 T1011 T1012 G2011 G2067 G2068 G2069 G2070 G2071 G2072
        G2073 G2074 G2075 G2076 G2077 G2078 G2079 G2080 G2086 G2087 G2088 G9562 G9578 G9584 G9621 J0570 M1034 M1035
        Q9991 Q9992 G2172 G1028 G2215 G2216 G0137 G0532 G0533 G0534 G0535 G0536""",
    "drg": "895 896 897",
    "icd10cm": """F10.10 F10.99 F10.129 F11.20 F11.23 F12.988 F13.20 F14.14 F15.980 F16.983 F18.17 F18.988 F19.222 F19.99
        F55.0 F55.8 R78.0 Z71.41 Z71.51""",
    "icd10pcs": "HZ2ZZZZ HZ30ZZZ HZ31ZZZ HZ86ZZZ HZ99ZZZ",
    "icd9cm": """291 291.0 291.81 291.9 292 292.84 292.9 303 303.00 303.93 304 304.00 304.93 305 305.0 305.03 305.2 305.93
        790.3 V65.42""",
    "icd9cm procedure": "94.45 94.46 94.53 94.54",
}


def column(kind: str) -> Column:
    """Return a column of a kind, or of procedures of it."""
    name, _, use = kind.partition(" ")
    return Column("c", KINDS[name], use="procedure" if use else None)


def belongs(segment: str, kind: str, *codes: str | None, on: date | None = None) -> list[bool]:
    """Return which codes belong to a segment on a day, or without one."""
    day = number_of(on) if on is not None else NO_DAY
    days = np.full(len(codes), day, np.int32)
    found = told(segment, column(kind), pa.array(codes, pa.string()), days)
    assert (
        found.tolist() == told(segment, column(kind), pa.array(codes, pa.string()).dictionary_encode(), days).tolist()
    )
    return found.tolist()


@pytest.mark.parametrize("kind", WITHHELD)
def test_what_cms_withholds_is_substance_use(kind: str) -> None:
    """Every code of CMS' list, on a day on which it is in force."""
    codes = WITHHELD[kind].split()
    assert all(belongs("substance_use", kind, *codes, on=date(2025, 6, 1)))


@pytest.mark.skipif(not LISTS, reason="the public list is not here")
def test_the_public_list_is_covered_whole() -> None:
    """Each code of CMS' whole list on its own days."""
    kinds = {"icd-10-cm": "icd10cm", "ICD10": "icd10pcs", "icd-9-cm": "icd9cm", "ICD9": "icd9cm procedure",
             "cpt": "cpt", "HCPCSReleaseCodeSets": "cpt", "MS-DRG-Classifications-and-Software": "drg"}  # fmt: skip
    missed = []
    for entry in yaml.safe_load(LISTS[0].read_text()):
        last = str(entry["endDate"])
        on = date(2025, 6, 1) if last.startswith("9999") else date(2005, 6, 1)
        kind = kinds[entry["system"].rpartition("/")[2]]
        if not belongs("substance_use", kind, str(entry["code"]), on=on)[0]:
            missed.append((kind, entry["code"]))
    assert not missed


@pytest.mark.skipif(not CLAIMS.is_dir(), reason="the public claims are not here")
@pytest.mark.parametrize("name", ["inpatient", "carrier"])
def test_every_claim_that_cms_made_for_substance_use_is_told(name: str) -> None:
    """CMS' test claims each hold one of the listed codes, under a flag of the revision that may lie."""
    with (CLAIMS / f"{name}.txt").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, delimiter="|"))
    columns = [c for c in rows[0] if re.search(r"DGNS_(E_)?CD\d*$", c)]
    found = np.zeros(len(rows), bool)
    for one in columns:
        found |= told("substance_use", column("icd_any"), pa.array([row[one] or None for row in rows]), None)
    claims = {row["CLM_ID"] for row in rows}
    assert {row["CLM_ID"] for row, hit in zip(rows, found, strict=True) if hit} == claims
    assert len(claims) == 120


@pytest.mark.parametrize("system", ["icd10cm", "icd10pcs", "icd9cm", "drg"])
def test_every_range_holds_a_code_that_was_ever_valid(system: str) -> None:
    """Of the bundled lists; a range without one would be a slip."""
    rows = pq.read_table(CODES / f"{system}.parquet")
    codes = pa.array(rows[rows.schema.names[0]].cast(pa.string()).to_pylist())
    for segment, ranges in segments().items():
        for one in ranges:
            if one.system == system and not (system == "drg" and one.until < number_of(date(2008, 1, 1))):
                texts = np.array(codes.to_pylist())
                assert any(_holds(one, text) for text in texts), (segment, one)


def _holds(one: Range, text: str) -> bool:
    code = text.replace(".", "")
    return len(code) >= len(one.first) and one.first <= code[: len(one.first)] and code[: len(one.last)] <= one.last


def test_ends_and_spellings_of_a_range() -> None:
    """Dots, blanks and case do not matter; nicotine, headings above a range and other systems are outside."""
    assert belongs("substance_use", "icd10cm", "f11.20", "F1120", " F11.20 ", "F17.210", "F1", None, "E11.9", "F55") == [
        True, True, True, False, False, False, False, True]  # fmt: skip
    assert belongs("substance_use", "icd9cm", "305", "305.0", "305.1", "3051", "305.20", "F11.20") == [
        True, True, False, False, True, True]  # fmt: skip
    assert belongs("hiv", "icd_any", "042", "B20", "V08", "V08.0XXA") == [True, True, True, False]
    assert belongs("reproductive_health", "icd10cm", "O80", "V22.0XXA", "Z37.0", "Z40.00") == [True, False, True, False]
    assert belongs("reproductive_health", "icd_any procedure", "10D00Z0", "10.0", "72.1") == [True, False, True]
    assert belongs("mental_health", "icd10pcs", "GZB0ZZZ", "HZ30ZZZ") == [True, False]
    assert belongs("hiv", "hcpcs", "86701", "J0741") == [True, True]
    assert belongs("mental_health", "revenue_code", "114", "0114", "0120") == [True, True, False]
    assert belongs("hiv", "ndc", "00000-0000-00") == [False]


@pytest.mark.parametrize(("segment", "kind", "spelled"), [
    ("substance_use", "drg", ("897", "0897", "897.0", "897V38", "MS-DRG 897")),
    ("substance_use", "revenue_code", ("906", "0906", "906.0")),
    ("substance_use", "icd10cm", ("ICD10:F11.20", "I10|F11.20", "F11.20/I10", "I10; f11.20", "^F11.20^")),
    ("hiv", "icd9cm", ("042", "42", "42.0")),
    ("hiv", "icd10cm", ("042", "42")),
    ("substance_use", "place_of_service", ("58", "58.0")),
    ("substance_use", "modifier", ("HF", "hf")),
    ("mental_health", "discharge_status", ("65",)),
])  # fmt: skip
def test_a_code_belongs_however_it_is_spelled(segment: str, kind: str, spelled: tuple[str, ...]) -> None:
    """With a version, another's name or other codes beside it, as a fraction, and without its leading zeros."""
    assert belongs(segment, kind, *spelled) == [True] * len(spelled)
    values = pa.array([*spelled, "Z", None]).dictionary_encode()
    assert told(segment, column(kind), values, np.full(len(values), NO_DAY, np.int32)).tolist() == [
        *[True] * len(spelled), False, False]  # fmt: skip


def test_a_category_of_procedures_is_not_hiv() -> None:
    """Two digits are one where the column says that it holds procedures."""
    assert belongs("hiv", "icd9cm procedure", "42", "42.1") == [False, False]


def test_a_number_belongs_on_the_days_on_which_it_means_the_segment() -> None:
    """DRG 488 was HIV until MS-DRG made it a knee; without a day it may be either, and belongs."""
    old, new = date(2006, 1, 1), date(2020, 1, 1)
    assert belongs("hiv", "drg", "488", "0975", on=old) == [True, False]
    assert belongs("hiv", "drg", "488", "0975", on=new) == [False, True]
    assert belongs("hiv", "drg", "488", "975") == [True, True]
    assert belongs("hiv", "icd10cm", "Z29.81", on=date(2023, 9, 30)) == [False]
    assert belongs("hiv", "icd10cm", "Z29.81", on=date(2023, 10, 1)) == [True]
    assert told("hiv", column("drg"), pa.array(["488", "975"]), None).tolist() == [False, False]


def test_the_page_is_current() -> None:
    """docs/reference/segments.md is what the ranges say."""
    assert Path(REPOSITORY / "docs" / "reference" / "segments.md").read_text(encoding="utf-8") == segments_page()


@pytest.mark.parametrize(("segment", "category"), [("substance_use", "20"), ("hiv", "25"), ("mental_health", "19"),
                                                   ("reproductive_health", "14")])  # fmt: skip
def test_the_groups_of_a_segment_are_those_of_its_major_diagnostic_category(segment: str, category: str) -> None:
    """Of MS-DRG, whose list tells the category of each group: no group more, and none less."""
    rows = pq.read_table(CODES / "drg.parquet", columns=["code", "mdc"]).to_pylist()
    found = belongs(segment, "drg", *(row["code"] for row in rows), on=date(2020, 1, 1))
    assert {r["code"] for r, hit in zip(rows, found, strict=True) if hit} == {
        row["code"] for row in rows if row["mdc"] == category
    }
