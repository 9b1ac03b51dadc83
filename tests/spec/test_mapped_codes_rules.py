"""A ceiling on known codes holds for everything that is released, or the plan is refused; docs/formats/policy.md, Codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from legal_plans import EXPERT, VISITS, broken, plan, ruled

from deid.documents.cohort import parse_cohort
from deid.documents.limits import Adversary, CodeLimits
from deid.documents.policy import Basis, Policy, load_policy
from deid.errors import DocumentError
from deid.kinds import KINDS
from deid.known_codes.code_decision import declared_codes, limits_of, tells_visits
from deid.known_codes.code_sets import set_words, sets_of
from deid.legal import judge
from deid.legal.mapped_codes import tells_codes
from deid.planning.plan import Plan
from deid.schema import Column, Use
from deid.transforms import build

COUNTED = {"pid": "patient_id", "born": "birth_date", "sex": "sex"}
CODES = {"pid": "patient_id", "dx": "icd10cm"}
KEEP, MAP = build("keep", {}), build("map_codes", {})
# Written by hand: what tells what was found or done, beside the kinds that the policy counts.
UNCOUNTED = [
    "snomed",
    "omop_concept",
    "betos",
    "local_code",
    "comorbidity",
    "comorbidity_score",
    "lab_value",
    "code_description",
]
OF_THE_SETTING = ["place_of_service", "admission_type", "encounter_class", "icd_version", "visit_flag", "em_level"]


def counting(*kinds: str, policy: Policy = EXPERT) -> Policy:
    """Return a policy that maps these kinds and no others."""
    limits = replace(policy.limits, codes=CodeLimits(ceiling=0.09, kinds=kinds))
    rules = {kind: KEEP if rule == MAP and kind not in kinds else rule for kind, rule in policy.rules.items()}
    return replace(policy, rules=rules | dict.fromkeys(kinds, MAP), limits=limits)


def refused(policy: Policy = EXPERT, *, lines: dict[str, str] | None = None, **changes: Any) -> list[str]:
    """Return the subjects of what breaks the promise of a ceiling, in a table of codes."""
    return subjects(plan(policy, **{"patients": COUNTED, "visits": {"pid": "patient_id"}, "lines": lines} | changes))


def subjects(compiled: Plan) -> list[str]:
    """Return the subjects of findings under Expert Determination."""
    return [subject for _, subject in broken(judge(compiled), Basis.EXPERT_DETERMINATION)]


def of_use(compiled: Plan, use: Use, name: str = "dx") -> Plan:
    """Return the plan with a column of diagnoses described by a use."""
    tables = tuple(
        replace(t, steps=tuple(
            replace(s, column=replace(s.column, use=use)) if s.column.name == name else s for s in t.steps
        ))
        for t in compiled.tables
    )  # fmt: skip
    return replace(compiled, tables=tables)


def test_codes_beside_their_patient_keep_the_promise() -> None:
    """The shipped policy allows a table of the patient's pseudonym and codes of several kinds."""
    assert refused(lines=CODES | {"proc": "icd10pcs", "drug": "ndc", "vid": "encounter_id"}) == []


def test_what_is_listed_is_mapped_and_what_is_mapped_is_listed() -> None:
    """Neither a listed kind under another rule nor a mapped one without a ceiling is let through."""
    kept = replace(EXPERT, columns={"lines.dx": KEEP})
    assert refused(kept, lines=CODES) == ["lines.dx"]
    assert refused(replace(EXPERT, columns={"lines.dx": build("drop", {})}), lines=CODES) == []
    unlisted = replace(counting("ndc"), columns={"lines.dx": MAP})
    assert refused(unlisted, lines=CODES) == ["lines.dx"]


def test_a_code_is_counted_once() -> None:
    """What the map hides cannot be a quasi-identifier of the vector too."""
    twice = replace(EXPERT, limits=replace(EXPERT.limits, quasi_identifiers=("sex", "birth_date", "icd10cm")))
    assert refused(twice, lines=CODES) == ["lines.dx"]


@pytest.mark.parametrize("kind", UNCOUNTED)
def test_what_tells_codes_and_is_not_counted_is_refused(kind: str) -> None:
    """Beside mapped codes other codes, and what is read from codes, leave only where the policy names the column."""
    lines = CODES | {"asked": kind}
    policy = ruled(EXPERT, **{kind: KEEP})
    assert refused(policy, lines=lines) == ["lines.asked"]
    assert refused(replace(policy, columns={"lines.asked": KEEP}), lines=lines) == []
    assert refused(ruled(EXPERT, **{kind: build("drop", {})}), lines=lines) == []


def test_redacted_notes_tell_codes_in_words() -> None:
    """A note says what the map hides, so beside mapped codes it leaves only where the policy names its column."""
    noted = {"pid": "patient_id", "note": "clinical_note"}
    named = replace(EXPERT, columns={"visits.note": EXPERT.rules["clinical_note"]})
    assert refused(visits=noted, lines=CODES) == ["visits.note"]
    assert refused(named, visits=noted, lines=CODES) == []
    assert refused(visits=noted) == []


@pytest.mark.parametrize("kind", OF_THE_SETTING)
def test_where_somebody_was_seen_stays(kind: str) -> None:
    """The setting of a visit is no code of the patient."""
    assert refused(ruled(EXPERT, **{kind: KEEP}), lines=CODES | {"asked": kind}) == []


def test_every_kind_of_codes_is_decided() -> None:
    """A new kind of codes tells codes unless somebody writes here that it does not."""
    silent = {*OF_THE_SETTING, "discharge_status", "present_on_admission"}
    of_codes = {name for name, kind in KINDS.items() if kind.group.name == "CODE"}
    assert {name for name in of_codes if not tells_codes(KINDS[name])} == of_codes & silent


@pytest.mark.parametrize("kind", ["sequence_number", "present_on_admission"])
def test_order_and_presence_are_refused_beside_mapped_codes(kind: str) -> None:
    """What tells which code came first is refused in a table of mapped codes, and stays elsewhere."""
    policy = ruled(EXPERT, **{kind: KEEP})
    assert refused(policy, lines=CODES | {"asked": kind}) == ["lines.asked"]
    assert refused(policy, lines=CODES, visits={"pid": "patient_id", "asked": kind}) == []


def test_a_column_of_principal_diagnoses_is_refused() -> None:
    """A mapped column that tells the role of its codes is refused; one of procedures is not."""
    compiled = plan(EXPERT, patients=COUNTED, visits={"pid": "patient_id"}, lines=CODES)
    assert subjects(compiled) == []
    assert subjects(of_use(compiled, "principal")) == ["lines.dx"]
    assert subjects(of_use(compiled, "procedure")) == []


WIDE = {"pid": "patient_id", "dx1": "icd10cm", "dx2": "icd10cm", "dx3": "icd10cm"}


def test_wide_rows_of_codes_are_let_through_as_sets() -> None:
    """Columns of one system in a row leave as a set, of which each column is told in the manifest's words."""
    compiled = plan(EXPERT, patients=COUNTED, visits={"pid": "patient_id"}, lines=WIDE | {"drug": "ndc"})
    assert subjects(compiled) == []
    assert [[step.column.name for step in steps] for steps in sets_of(compiled.tables[2])] == [["dx1", "dx2", "dx3"]]
    told = [bool(set_words(compiled.tables[2], step)) for step in compiled.tables[2].steps]
    assert told == [False, True, True, True, False]


def test_a_part_of_a_series_is_refused() -> None:
    """Who sees the first two columns of three alone knows which codes come first; the policy may answer for that."""
    asked = {"patients": tuple(COUNTED), "visits": ("pid",), "lines": ("pid", "dx1", "dx2")}
    tables = {"patients": COUNTED, "visits": {"pid": "patient_id"}, "lines": WIDE}
    assert subjects(plan(EXPERT, **tables, tables=asked)) == ["request.tables.lines"]
    assert subjects(plan(EXPERT, **tables, tables=asked | {"lines": ("pid", "dx1")})) == ["request.tables.lines"]
    answered = replace(EXPERT, columns={"lines.dx1": MAP, "lines.dx2": MAP})
    assert subjects(plan(answered, **tables, tables=asked)) == []


@pytest.mark.parametrize("names", [("HCPCS_1ST_MDFR_CD", "HCPCS_2ND_MDFR_CD"), ("mod_a", "mod_B"), ("m.1.x", "m.2.x")])
def test_ordinals_and_letters_are_numbers_too(names: tuple[str, str]) -> None:
    """The first modifier alone is a part of a series, however its columns are counted; with the second it is a set."""
    lines = {"pid": "patient_id"} | dict.fromkeys(names, "modifier")
    compiled = plan(EXPERT, patients=COUNTED, visits={"pid": "patient_id"}, lines=lines)
    assert subjects(compiled) == []
    assert [[step.column.name for step in own] for own in sets_of(compiled.tables[2])] == [list(names)]
    alone = {"patients": tuple(COUNTED), "visits": ("pid",), "lines": ("pid", names[0])}
    compiled = plan(EXPERT, patients=COUNTED, visits={"pid": "patient_id"}, lines=lines, tables=alone)
    assert subjects(compiled) == ["request.tables.lines"]


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [("icd_version", "v1", "v2"), ("service_date", "day1", "day2"), ("charge_amount", "p_1", "p_2")],
)
def test_what_goes_by_the_number_of_a_code_is_refused(kind: str, first: str, second: str) -> None:
    """Versions, dates and amounts beside the codes of the same numbers tell their places; under other names they stay."""
    assert refused(lines=WIDE | {first: kind, second: kind}) == [f"lines.{first}", f"lines.{second}"]
    assert refused(lines=WIDE | {"one": kind, "other": kind}) == []
    answered = replace(EXPERT, columns={f"lines.{name}": EXPERT.rules[kind] for name in (first, second)})
    assert refused(answered, lines=WIDE | {first: kind, second: kind}) == []


@pytest.mark.parametrize(("use", "refused_as"), [("principal", []), ("admitting", ["lines.dx1"])])
def test_the_first_of_a_series_may_be_the_principal_diagnosis(use: Use, refused_as: list[str]) -> None:
    """In the set nothing marks the principal diagnosis; other roles, and one under a name of its own, are refused."""
    compiled = plan(EXPERT, patients=COUNTED, visits={"pid": "patient_id"}, lines=WIDE)
    assert subjects(of_use(compiled, use, "dx1")) == refused_as
    alone = plan(EXPERT, patients=COUNTED, visits={"pid": "patient_id"}, lines=WIDE | {"dx": "icd10cm"})
    assert subjects(of_use(alone, "principal")) == ["lines.dx"]


def test_codes_without_their_patient_are_refused() -> None:
    """Without the pseudonym nobody could attack again what was released."""
    compiled = plan(EXPERT, patients=COUNTED, visits={"pid": "patient_id"}, lines=CODES)
    alone = replace(compiled.tables[2], steps=compiled.tables[2].steps[1:])
    assert subjects(replace(compiled, tables=(*compiled.tables[:2], alone))) == ["request.tables.lines"]


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({}, False),
        ({"vid": "encounter_id"}, True),
        ({"cid": "claim_id"}, True),
        ({"day": "part_of_year"}, True),  # a quarter
        ({"day": "record_date"}, False),  # a year
        ({"paid": "charge_amount"}, True),
        ({"doctor": "provider_specialty"}, True),
        ({"drug": "ndc"}, True),  # two codes in one row
    ],
)
def test_a_release_tells_visits_by_what_stands_beside_codes(beside: dict[str, str], told: bool) -> None:
    """Whatever may differ between visits of a year tells which codes stand together, and adds the adversary of a visit."""
    by = ruled(EXPERT, part_of_year=KEEP)
    compiled = plan(by, patients=COUNTED, visits={"pid": "patient_id"}, lines=CODES | beside)
    limits, grouped = limits_of(compiled)
    assert tells_visits(compiled) is grouped is told
    assert (Adversary.VISIT in limits.adversaries) is told


def test_one_code_a_visit_tells_no_visit() -> None:
    """A code in the encounters table, one row a visit, does not tell which codes stand together."""
    visits = {"pid": "patient_id", "vid": "encounter_id", "start": "service_date", "drg": "drg"}
    assert not tells_visits(plan(EXPERT, patients=COUNTED, visits=visits, lines=CODES))
    assert tells_visits(plan(EXPERT, patients=COUNTED, visits={**visits, "dx": "icd10cm"}))


def test_a_study_declares_its_codes_or_those_of_its_cohort() -> None:
    """Declared codes are the request's, else the cohort's, of the systems that are mapped."""
    cohort = parse_cohort({"patients": {"any": [{"icd10cm": ["E10", "E11"]}, {"icd10cm": "E13"}, {"sex": ["F"]}]}})
    compiled = plan(EXPERT, patients=COUNTED, visits=VISITS | {"years": "unit"}, cohort=cohort)
    assert declared_codes(compiled) == {"icd10cm": ("E10", "E11", "E13")}
    request = replace(compiled.request, study_codes={"icd10cm": ("I10",), "ndc": ("00002*",)})
    assert declared_codes(replace(compiled, request=request)) == {"icd10cm": ("I10",)}


@pytest.mark.parametrize(
    ("rules", "codes", "message"),
    [
        ({"icd10cm": "map_codes"}, None, "limits.codes does not name it"),
        ({"icd10cm": "keep"}, ["icd10cm"], "its rule is not map_codes"),
        ({}, ["icd10cm"], "its rule is not map_codes"),
        ({"npi": {"pseudonymize": "keyed"}}, ["npi"], "no map serves npi"),
        ({"sex": "keep"}, ["sex"], "no map serves sex"),
    ],
)
def test_a_policy_that_contradicts_itself_is_no_policy(
    tmp_path: Path, rules: dict[str, Any], codes: list[str] | None, message: str
) -> None:
    """A kind is mapped if and only if the ceiling names it, and only where a map serves it."""
    limits: dict[str, Any] = {"k": 11} | ({"codes": {"kinds": codes}} if codes else {})
    path = tmp_path / "policy.yaml"
    content = {"policy": "p", "version": 1, "basis": "expert_determination", "rules": rules, "limits": limits}
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(DocumentError, match=message):
        load_policy(path)


def test_kinds_of_persons_are_not_mapped() -> None:
    """Neither a provider's specialty nor a patient's sex is a code that a map serves."""
    for kind in ("provider_specialty", "sex", "npi", "encounter_id"):
        with pytest.raises(Exception, match="map_codes cannot serve"):
            MAP.output(Column("c", KINDS[kind]))
