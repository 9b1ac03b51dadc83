"""Makes the table of MS-DRGs: days, categories and types from the versions of the grouper that CMS published."""

from __future__ import annotations

import json
import lzma
from datetime import date

import pyarrow as pa

from deid.codes.building.medicare import NEXT_DAY
from deid.codes.building.packages import Packages, version
from deid.codes.building.spans import day_columns, words
from deid.codes.building.writing import PUBLISHED, Facts, with_facts

# First day of each version (CMS, MS-DRG Classifications and Software).
VERSIONS = {
    "v36": date(2018, 10, 1),
    "v37": date(2019, 10, 1),
    "v38": date(2020, 10, 1),
    "v39": date(2021, 10, 1),
    "v40": date(2022, 10, 1),
    "v41": date(2023, 10, 1),
    "v41.1": date(2024, 4, 1),
    "v42": date(2024, 10, 1),
    "v42.1": date(2025, 4, 1),
    "v43": date(2025, 10, 1),
    "v43.1": date(2026, 4, 1),
}
LAST = date(2026, 9, 30)
_BEFORE_ALL = "019"  # the groups up to here are assigned before any Major Diagnostic Category


def build_drg(packages: Packages) -> pa.Table:
    """Return the table."""
    versions = {name: _groups(packages, name) for name in VERSIONS}
    latest = {code: group for groups in versions.values() for code, group in groups.items()}
    codes = sorted(latest)
    billable = {code: _days(code, versions) for code in codes}
    columns = {
        "code": pa.array(codes, pa.string()),
        **day_columns(codes, billable, {}),
        "mdc": words(latest[code][0] for code in codes),
        "type": words(latest[code][1] for code in codes),
    }
    facts = Facts(
        title="MS-DRG",
        release=f"versions {next(iter(VERSIONS))[1:]} to {list(VERSIONS)[-1][1:]}",
        source=f"CMS, MS-DRG Definitions Manual, Appendix A; as in {version('drgpy')}",
        license=f"{PUBLISHED}; the package: Apache-2.0",
        codes=len(codes),
        first=VERSIONS["v36"],
        last=LAST,
        files=dict(packages.digests),
    )
    return with_facts(columns, facts)


def _groups(packages: Packages, name: str) -> dict[str, tuple[str, str | None]]:
    """Return the category and the type of each group of a version."""
    path = packages.path("drgpy", f"drgpy/runtime_data/{name}.json.xz")
    found = json.loads(lzma.decompress(path.read_bytes()))["drgmap"]
    return {code: (group["mdc"] or _no_category(code), _kind(group)) for code, group in found.items()}


def _no_category(code: str) -> str:
    return "PRE" if code <= _BEFORE_ALL else "ALL"


def _kind(group: dict[str, bool]) -> str | None:
    if group["is_surgical"]:
        return "surgical"
    return "medical" if group["is_medical"] else None


def _days(code: str, versions: dict[str, dict[str, tuple[str, str | None]]]) -> tuple[tuple[date, date], ...]:
    """Return the spans of days on which a version knew a group."""
    spans: list[tuple[date, date]] = []
    starts = list(VERSIONS.values())
    ends = [*(start - NEXT_DAY for start in starts[1:]), LAST]
    for groups, first, last in zip(versions.values(), starts, ends, strict=True):
        if code not in groups:
            continue
        if spans and spans[-1][1] + NEXT_DAY == first:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return tuple(spans)
