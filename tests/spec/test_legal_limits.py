"""A policy that promises k holds it for everything that is released, or is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from legal_plans import EXPERT, LIMITED, PATIENTS, SAFE_HARBOR, VISITS, broken, plan, rows, ruled

from deid.documents.policy import Basis, Limits, Policy
from deid.documents.request import Schedule
from deid.kinds import KINDS, Group
from deid.legal import judge, require
from deid.transforms import build

B1 = "(b)(1)"
KEEP = build("keep", {})
COUNTED = {"pid": "patient_id", "born": "birth_date", "sex": "sex"}
# Everything that stays with the patient whatever the visit, drawn by hand.
OF_THE_PATIENT = """
    sex race ethnicity marital_status language payer income deceased
    street_address city county precinct zip_code geocode birth_place state country
    birth_date death_date age part_of_year discharge_status
"""


def refused(policy: Policy, *, basis: Basis = Basis.EXPERT_DETERMINATION, **changes: Any) -> list[str]:
    """Return the subjects of what breaks the promise of k."""
    judgment = judge(plan(policy, **{"patients": COUNTED} | changes))
    return [subject for paragraph, subject in broken(judgment, basis) if paragraph == B1]


def test_a_plain_request_keeps_the_promise() -> None:
    """Counted demographics in the population, codes and dates of visits elsewhere."""
    assert refused(EXPERT) == []


def test_k_is_counted_on_a_population_that_is_released() -> None:
    """Without the population table, or with none of its counted columns, k counts nothing."""
    uncounted = plan(EXPERT, patients={"pid": "patient_id"})
    assert broken(judge(uncounted), Basis.EXPERT_DETERMINATION) == [(B1, "request.tables.patients")]
    unasked = replace(uncounted, tables=uncounted.tables[1:])
    assert broken(judge(unasked), Basis.EXPERT_DETERMINATION) == [(B1, "request.tables.patients")]


def test_a_counted_column_that_is_dropped_counts_nothing() -> None:
    """Only what is written is counted."""
    dropped = ruled(EXPERT, birth_date=build("drop", {}), sex=build("drop", {}))
    assert refused(dropped) == ["request.tables.patients"]


@pytest.mark.parametrize("kind", OF_THE_PATIENT.split())
def test_what_belongs_to_the_patient_is_written_in_the_population_alone(kind: str) -> None:
    """A sex, a place or a death on a row of a visit tells apart whom k hides, kept or coarsened."""
    asked: dict[str, Any] = {"visits": VISITS | {"asked": kind}}
    assert refused(ruled(EXPERT, **{kind: build("drop", {})}), **asked) == []
    if kind not in ("street_address", "geocode"):  # the plan lets no direct identifier through
        assert "visits.asked" in refused(ruled(EXPERT, **{kind: KEEP}), **asked)
    assert "visits.asked" not in refused(replace(ruled(LIMITED, **{kind: build("drop", {})}), limits=EXPERT.limits))


def test_a_flag_of_any_meaning_is_counted_or_left_out() -> None:
    """A flag of visits may be the same in all of a patient's, so it leaves where the policy names its column."""
    flagged = {"visits": VISITS | {"open": "indicator"}}
    kept = ruled(EXPERT, indicator=KEEP)
    assert refused(EXPERT, **flagged) == []
    assert refused(kept, **flagged) == ["visits.open"]
    assert refused(replace(EXPERT, columns={"visits.open": KEEP}), **flagged) == []


def test_a_table_of_the_dead_is_refused_by_its_rows() -> None:
    """Who has a row among deaths is dead, though no column of it is written; a visit that ends in death is a visit."""
    deaths = {"pid": "patient_id", "died": "death_date", "cause": "icd10cm"}
    dropping = ruled(EXPERT, death_date=build("drop", {}), icd10cm=build("drop", {}))
    assert refused(dropping, visits=deaths) == ["request.tables.visits"]
    assert refused(dropping, visits=VISITS | {"died": "death_date"}) == []
    free = replace(dropping, limits=Limits(None, (), 0.0))
    assert refused(free, visits=deaths) == []


def test_the_list_of_what_belongs_to_the_patient_is_whole() -> None:
    """Every demographic and every place of the patient is in it."""
    groups = {kind.name for kind in KINDS.values() if kind.group in (Group.PERSON, Group.PLACE)}
    assert groups < set(OF_THE_PATIENT.split())


def test_coarser_is_not_enough_in_another_table() -> None:
    """Bands of birth and prefixes of places repeat beside visits what k was counted without."""
    coarse = ruled(EXPERT, zip_code=build("generalize_zip", {"": "zip3"}))
    assert refused(coarse, visits=VISITS | {"born": "birth_date", "zip": "zip_code"}) == ["visits.born", "visits.zip"]


@pytest.mark.parametrize("kind", ["charge_amount", "indicator", "unit", "count", "em_level", "encounter_class"])
def test_the_population_delivers_what_k_counts_and_no_more(kind: str) -> None:
    """A column of any role tells patients of one class apart, a flag and a unit as well."""
    extra: dict[str, Any] = {"patients": COUNTED | {"asked": kind}}
    policy = ruled(EXPERT, **{kind: KEEP})
    assert refused(policy, **extra) == ["patients.asked"]
    counting = replace(policy, limits=replace(EXPERT.limits, quasi_identifiers=("birth_date", "sex", kind)))
    assert refused(counting, **extra) == []


def test_pseudonyms_of_the_patient_are_not_counted_and_those_of_providers_are() -> None:
    """A patient's own numbers group nobody; a family doctor's pseudonym sorts patients like the doctor's number."""
    assert refused(EXPERT, patients=COUNTED | {"mrn": "mrn", "member": "member_id"}) == []
    keyed = ruled(EXPERT, **dict.fromkeys(("npi", "facility_id"), build("pseudonymize", {"method": "keyed"})))
    assert refused(keyed, patients=COUNTED | {"doctor": "npi", "home": "facility_id"}) == [
        "patients.doctor",
        "patients.home",
    ]


@pytest.mark.parametrize("schedule", Schedule)
def test_k_is_promised_for_every_schedule(schedule: Schedule) -> None:
    """The ledger counts over the union of the releases."""
    assert refused(EXPERT, schedule=schedule) == []
    free = replace(ruled(EXPERT, icd10cm=KEEP), limits=Limits(None, (), 0.0))
    assert refused(free, schedule=schedule) == []


@pytest.mark.parametrize("policy", [SAFE_HARBOR, LIMITED])
def test_a_promise_is_kept_on_whatever_basis(policy: Policy) -> None:
    """A Safe Harbor policy that writes k is refused like an expert's where k would not hold; without k it is not."""
    promising = replace(policy, limits=replace(EXPERT.limits, codes=None))
    ageless = {name: kind for name, kind in VISITS.items() if kind != "age"}
    extra: dict[str, Any] = {
        "patients": COUNTED | {"asked": "indicator"},
        "visits": ageless | {"sex": "sex"},
        "agreement": "DUA-7",
    }
    assert refused(promising, basis=policy.basis, **extra) == ["patients.asked", "visits.sex"]
    require(plan(policy, **extra))


@pytest.mark.parametrize(
    ("predicate", "is_told"),
    [
        ({"income": {"from": 200000}}, True),
        ({"language": ["nav"]}, True),
        ({"state": ["MA"]}, True),
        ({"zip_code": ["02139"]}, True),
        ({"zip_code": ["021*"]}, False),
        ({"sex": ["F"]}, False),
        ({"birth_date": {"to": "2008-12-31"}}, False),
        ({"icd10cm": ["E11"]}, False),
        ({"encounter_class": ["emergency"]}, False),
    ],
)
def test_a_cohort_by_what_the_policy_drops_tells_it_of_everybody(predicate: dict[str, Any], is_told: bool) -> None:
    """Who is in a cohort of one income has that income, released or not."""
    found = refused(EXPERT, cohort=rows(predicate))
    assert found == (["request.cohort"] if is_told else [])


def test_a_cohort_by_a_dropped_birth_date_or_a_finer_place_tells_it_too() -> None:
    """A rule that is missing or coarser than the predicate releases less than the cohort tells."""
    unborn = ruled(EXPERT, birth_date=build("drop", {}))
    assert refused(unborn, cohort=rows({"birth_date": {"from": "1980-01-01"}})) == ["request.cohort"]
    unruled = replace(EXPERT, rules={kind: rule for kind, rule in EXPERT.rules.items() if kind != "income"})
    assert refused(unruled, cohort=rows({"income": {"from": 1}})) == ["request.cohort"]
    prefixes = ruled(EXPERT, zip_code=build("generalize_zip", {"": "zip3"}))
    assert refused(prefixes, cohort=rows({"zip_code": ["02139"]})) == ["request.cohort"]
    assert refused(prefixes, cohort=rows({"zip_code": ["021*"]})) == []


def test_the_population_of_the_sample_stays_useful() -> None:
    """The expert's policy still releases counted demographics, codes, years, stays, charges, and notes without codes."""
    visits = {"pid": "patient_id", "vid": "encounter_id", "in": "admit_date", "drg": "drg", "stay": "length_of_stay",
              "again": "readmission", "dx": "icd10cm", "paid": "charge_amount"}  # fmt: skip
    patients = PATIENTS | {"race": "race", "died": "death_date", "payer": "payer"}
    require(plan(EXPERT, patients=patients, visits=visits))
    del visits["dx"], visits["drg"]
    require(plan(EXPERT, patients=patients, visits=visits | {"note": "clinical_note"}))
