"""The law as a table, drawn by hand from 45 CFR 164.514: kind by transform by basis.

Each line reads: these kinds | may leave after these transforms | break this after a keyed code | break this otherwise.
Nothing here is computed from the code that judges; a wrong line there fails here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from deid.documents.policy import Basis
from deid.kinds import KINDS
from deid.legal import verdict
from deid.legal.table import VARIANTS, kinds_page, legal_table
from deid.transforms import TRANSFORMS, Transform, build

ROOT = Path(__file__).resolve().parents[2]

FORMS: dict[str, Transform] = {
    "drop": build("drop", {}),
    "keep": build("keep", {}),
    "random": build("pseudonymize", {"method": "random"}),
    "keyed": build("pseudonymize", {"method": "keyed"}),
    "shift": build("shift_date", {"max_days": 365}),
    "shift7": build("shift_date", {"max_days": 364, "multiple_of": 7}),
    "week": build("generalize_date", {"to": "week"}),
    "week90": build("generalize_date", {"to": "week", "floor_age": 90}),
    "month": build("generalize_date", {"to": "month"}),
    "month90": build("generalize_date", {"to": "month", "floor_age": 90}),
    "quarter": build("generalize_date", {"to": "quarter"}),
    "quarter90": build("generalize_date", {"to": "quarter", "floor_age": 90}),
    "year": build("generalize_date", {"to": "year"}),
    "year90": build("generalize_date", {"to": "year", "floor_age": 90}),
    "year80": build("generalize_date", {"to": "year", "floor_age": 80}),
    "band": build("generalize_date", {"to": "year", "width": 20}),
    "band90": build("generalize_date", {"to": "year", "width": 20, "floor_age": 90}),
    "age91": build("generalize_age", {"top": 91}),
    "age90": build("generalize_age", {"top": 90}),
    "age90by5": build("generalize_age", {"top": 90, "width": 5}),
    "age80": build("generalize_age", {"top": 80}),
    "zip5": build("generalize_zip", {"to": "zip5"}),
    "zip3": build("generalize_zip", {"to": "zip3"}),
    "prefix1": build("generalize_code", {"prefix": 1}),
    "prefix3": build("generalize_code", {"prefix": 3}),
    "rolled": build("roll_up", {"level": "code"}),
    "rolled3": build("roll_up", {"level": "category"}),
    "mapped": build("map_codes", {}),
    "top": build("top_code", {"at": 89}),
    "bottom": build("bottom_code", {"at": 1990}),
    "round": build("round", {"to": 10}),
    "redact": build("redact_note", {}),
}

UNLISTED = """
    state country sex race ethnicity marital_status language payer income deceased
    icd10cm icd10pcs icd10 icd9cm icd_any icd_version cpt hcpcs modifier ndc rxnorm cvx loinc snomed drg revenue_code
    place_of_service discharge_status admission_type encounter_class present_on_admission betos omop_concept
    provider_specialty facility_state charge_amount count unit length_of_stay readmission
    comorbidity comorbidity_score visit_flag em_level
    sequence_number indicator part2
"""

SAFE_HARBOR = f"""
    person_name relative_name employer_name                 | drop                            | c1 | A
    clinical_note free_text code_description                | drop                            | A  | A
    street_address city county precinct geocode birth_place | drop                            | c1 | B
    facility_place                                          | drop                            | c1 | B
    facility_name                                           | drop random                     | c1 | B
    zip_code                                                | drop zip3                       | c1 | B
    birth_date service_date admit_date discharge_date       | drop year90 year80 band90       | c1 | C
    record_date year                                        | drop year90 year80 band90       | c1 | C
    death_date                                              | drop year90 year80 band90 year band | c1 | C
    age                                                     | drop age90 age90by5 age80       | c1 | C
    part_of_year lab_value                                  | drop                            | c1 | C
    phone facility_phone                                    | drop                            | c1 | D
    fax                                                     | drop                            | c1 | E
    email                                                   | drop                            | c1 | F
    ssn                                                     | drop                            | c1 | G
    mrn                                                     | drop random                     | c1 | H
    member_id                                               | drop random                     | c1 | I
    account_number                                          | drop random                     | c1 | J
    license_number                                          | drop                            | c1 | K
    vehicle_id                                              | drop                            | c1 | L
    device_id                                               | drop                            | c1 | M
    url                                                     | drop                            | c1 | N
    ip_address                                              | drop                            | c1 | O
    biometric                                               | drop                            | c1 | P
    photo                                                   | drop                            | c1 | Q
    patient_id encounter_id claim_id unique_id              | drop random                     | c1 | R
    npi provider_id facility_id provider_name               | drop random                     | c1 | R
    local_code unneeded                                     | drop                            | c1 | R
    {" ".join(UNLISTED.split())}                            | every                           | c1 | -
"""

LIMITED_DATA_SET = f"""
    person_name relative_name employer_name      | drop              | i    | i
    clinical_note free_text code_description     | drop              | i    | i
    street_address precinct geocode birth_place  | drop              | ii   | ii
    phone                                        | drop              | iii  | iii
    fax                                          | drop              | iv   | iv
    email                                        | drop              | v    | v
    ssn                                          | drop              | vi   | vi
    patient_id mrn                               | drop random keyed | -    | vii
    unneeded                                     | drop              | vii  | vii
    member_id                                    | drop random keyed | -    | viii
    account_number                               | drop random keyed | -    | ix
    license_number                               | drop              | x    | x
    vehicle_id                                   | drop              | xi   | xi
    device_id                                    | drop              | xii  | xii
    url                                          | drop              | xiii | xiii
    ip_address                                   | drop              | xiv  | xiv
    biometric                                    | drop              | xv   | xv
    photo                                        | drop              | xvi  | xvi
    encounter_id claim_id unique_id              | every             | -    | -
    city county zip_code                         | every             | -    | -
    birth_date death_date service_date           | every             | -    | -
    admit_date discharge_date record_date        | every             | -    | -
    year age part_of_year lab_value              | every             | -    | -
    local_code                                   | every             | -    | -
    npi provider_id provider_name facility_id    | every             | -    | -
    facility_name facility_place facility_phone  | every             | -    | -
    {" ".join(UNLISTED.split())}                 | every             | -    | -
"""

# What no basis may claim: only what is struck here is refused under Expert Determination too.
NEVER = """
    patient_id person_name relative_name employer_name phone fax email ssn | drop random keyed | - | x
    mrn member_id account_number license_number vehicle_id device_id url   | drop random keyed | - | x
    ip_address biometric photo encounter_id claim_id unique_id             | drop random keyed | - | x
    street_address geocode                                                 | drop random keyed | - | x
    clinical_note free_text                                                | drop redact       | x | x
    unneeded                                                               | drop              | x | x
"""


def read(table: str) -> dict[str, tuple[set[str], str, str]]:
    """Read a drawn table: kind -> (allowed forms, broken by a keyed code, broken otherwise)."""
    rules: dict[str, tuple[set[str], str, str]] = {}
    for line in table.strip().splitlines():
        kinds, allowed, keyed, otherwise = (part.strip() for part in line.split("|"))
        for kind in kinds.split():
            assert kind not in rules, f"{kind} is drawn twice"
            rules[kind] = (set(allowed.split()), keyed, otherwise)
    return rules


def expected(rule: tuple[set[str], str, str], form: str) -> str:
    """Return what the drawn rule says of one form: "-" for allowed, else the broken letter or numeral."""
    allowed, keyed, otherwise = rule
    if form in allowed:
        return "-"
    if form == "keyed":
        return keyed
    return "-" if "every" in allowed else otherwise


def broken(kind: str, form: str, basis: Basis) -> list[str]:
    """Return the paragraphs that break `basis`."""
    return [finding.paragraph for finding in verdict(KINDS[kind], FORMS[form]) if basis in finding.breaks]


def spelled(numeral: str, prefix: str) -> list[str]:
    """Return the paragraph as findings spell it."""
    if numeral == "-":
        return []
    return ["164.514(c)(1)"] if numeral == "c1" else [f"{prefix}({numeral})"]


def test_every_kind_and_every_transform_stands_in_the_tables() -> None:
    """No kind and no transform can be added without a line of law."""
    assert set(read(SAFE_HARBOR)) == set(KINDS)
    assert set(read(LIMITED_DATA_SET)) == set(KINDS)
    assert {form.name for form in FORMS.values()} == set(TRANSFORMS)
    assert {form.name for form in VARIANTS.values()} == set(TRANSFORMS)


@pytest.mark.parametrize("kind", KINDS)
def test_safe_harbor_allows_what_the_table_allows(kind: str) -> None:
    """Safe Harbor allows a column, or names the letter it breaks, exactly as drawn."""
    rule = read(SAFE_HARBOR)[kind]
    for form in FORMS:
        assert broken(kind, form, Basis.SAFE_HARBOR) == spelled(expected(rule, form), "164.514(b)(2)(i)"), form


@pytest.mark.parametrize("kind", KINDS)
def test_a_limited_data_set_allows_what_the_table_allows(kind: str) -> None:
    """A Limited Data Set allows a column, or names the numeral it breaks, exactly as drawn."""
    rule = read(LIMITED_DATA_SET)[kind]
    for form in FORMS:
        assert broken(kind, form, Basis.LIMITED_DATA_SET) == spelled(expected(rule, form), "164.514(e)(2)"), form


@pytest.mark.parametrize("kind", KINDS)
def test_an_expert_is_never_shown_a_direct_identifier(kind: str) -> None:
    """Under Expert Determination only direct identifiers and untouched free text are refused by this toolkit."""
    rule = read(NEVER).get(kind, ({"every"}, "-", "-"))
    for form in FORMS:
        assert bool(broken(kind, form, Basis.EXPERT_DETERMINATION)) == (expected(rule, form) == "x"), form


@pytest.mark.parametrize(("name", "page"), [("legal-table.md", legal_table), ("kinds.md", kinds_page)])
def test_the_reference_pages_are_current(name: str, page: object) -> None:
    """The pages say what the code does; `python -m deid.legal.table` writes them anew."""
    assert callable(page)
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == page()
