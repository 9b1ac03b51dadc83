"""The scanner's own lists name every column that a built-in description calls identifying.

The lists were written from the formats' data dictionaries and never from the descriptions; here they are compared, so
that a column added to one is not forgotten in the other.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from attack.raw_sources import DESYNPUF, IDR, OMOP, RIF, SYNTHEA, Layout

from deid.kinds import KINDS, Kind, Role, Value
from deid.sources.spelling import built_in

LAYOUTS: dict[str, Layout] = {
    "cms_idr": IDR,
    "cms_rif": RIF,
    "desynpuf": DESYNPUF,
    "omop_cdm": OMOP,
    "synthea_csv": SYNTHEA,
}
PLACES = frozenset({"street_address", "city", "county", "zip_code", "geocode", "birth_place"})
PROVIDERS = frozenset({"npi", "provider_id", "facility_id"})
# What the scanner need not know: numbers of payers' contractors and plans, a title such as Mrs., and years.
PASSED_OVER = {
    "synthea_csv": {"PREFIX", "SUFFIX", "START_YEAR", "END_YEAR"},
    "cms_rif": {"CARR_LINE_PRCNG_LCLTY_CD", "FI_NUM", "CARR_NUM", "PLAN_PBP_REC_NUM"},
    "cms_idr": {"CLM_SBMTR_CNTRCT_PBP_NUM"},
}


def is_identifying(kind: Kind) -> bool:
    """Whether values of the kind tell who somebody is, where, or on which day."""
    direct = kind.role is Role.DIRECT and kind.value is not Value.NOTE
    return direct or kind.value is Value.DATE or kind.name in PLACES | PROVIDERS


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_identifying_column_is_known_to_the_scanner(name: str) -> None:
    """Each column of each table about patients whose kind identifies stands in the list of the format."""
    described = built_in(name)
    missing = []
    for table, columns in described.columns.items():
        if described.raw.tables[table].reference:
            continue
        patterns = [pattern for each in LAYOUTS[name].get(table, {}).values() for pattern in each.split()]
        missing += [
            f"{table}.{column}"
            for column, spec in columns.items()
            if is_identifying(KINDS[spec.kind])
            and not spec.parts
            and column not in PASSED_OVER.get(name, ())
            and not any(fnmatchcase(column, pattern) for pattern in patterns)
        ]
    assert missing == []


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_what_the_scanner_knows_no_description_calls_harmless(name: str) -> None:
    """No column in the list is a code, an amount or a flag to the description: such would leave as it is."""
    described = built_in(name)
    wrong = [
        f"{table}.{column}"
        for table, classes in LAYOUTS[name].items()
        for column, spec in described.columns[table].items()
        for pattern in " ".join(classes.values()).split()
        if fnmatchcase(column, pattern)
        and not described.raw.tables[table].reference
        and not _is_guarded(KINDS[spec.kind])
    ]
    assert wrong == []


def _is_guarded(kind: Kind) -> bool:
    return is_identifying(kind) or kind.safe_harbor is not None
