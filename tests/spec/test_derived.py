"""Measures read from codes, as a request asks for them and a release delivers them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from refusals import refused
from sites import REPOSITORY
from tiny_sources import COLUMNS, DIAGNOSES, ENCOUNTERS, EXPERT, LIMITED, SAFE, SOUND, World

from deid.errors import DocumentError, PlanError, SourceError
from deid.observing import workshop
from deid.planning import prerequisites
from deid.sealing.spill import SpillFile
from deid.sources.description import load_dataset
from deid.visits.derive import GROUPS

MARKED = DIAGNOSES | {"SEQ": "sequence_number", "POA": "present_on_admission"}
TABLES = {
    **SOUND,
    "diagnoses": """
        PATIENT        ENC            DX     SEQ POA
        SENTINEL-PAT-1 SENTINEL-ENC-1 I50.9  1   Y
        SENTINEL-PAT-1 SENTINEL-ENC-1 E11.22 2   Y
        SENTINEL-PAT-1 SENTINEL-ENC-1 B20    3   N
        SENTINEL-PAT-2 SENTINEL-ENC-2 I10    1   -
    """,
}
ASKED = {"patients": ["ID"], "encounters": ["ENC", "PATIENT", "COST"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site."""
    return World(tmp_path_factory.mktemp("derived") / "site")


def visits(world: World, dataset: Path, derive: list[str], **fields: Any) -> list[dict[str, Any]]:
    """Return the released visits in the order of their cost, the highest first."""
    rows = world.released(dataset, fields.pop("tables", ASKED), derive=derive, **fields)["encounters"]
    return sorted(rows, key=lambda row: -float(row["COST"]))


def source(world: World, **changed: Any) -> Path:
    """Return a source whose diagnoses have ranks and indicators."""
    columns = COLUMNS | {"diagnoses": MARKED} | changed.pop("columns", {})
    return world.source_of(TABLES | changed, columns)


def test_a_group_stands_for_one_column_a_condition_and_a_condition_for_itself(world: World) -> None:
    """`charlson` gives seventeen columns; a single condition may be asked for by its name alone."""
    dataset = source(world)
    both = visits(world, dataset, ["charlson", "elixhauser_aids"])
    assert list(both[0])[3:] == [*GROUPS["charlson"], "elixhauser_aids"]
    assert (both[0]["charlson_hiv_aids"], both[0]["elixhauser_aids"], both[1]["charlson_hiv_aids"]) == (
        "yes",
        "yes",
        "no",
    )
    assert list(visits(world, dataset, ["elixhauser_heart_failure"])[0])[3:] == ["elixhauser_heart_failure"]


def test_the_principal_diagnosis_is_no_comorbidity_of_elixhauser(world: World) -> None:
    """The failing heart was what the visit was for: Charlson counts it, AHRQ does not."""
    first, second = visits(
        world, source(world), ["charlson_congestive_heart_failure", "elixhauser_heart_failure", "charlson_score"]
    )
    assert (first["charlson_congestive_heart_failure"], first["elixhauser_heart_failure"]) == ("yes", "no")
    assert (first["charlson_score"], second["charlson_score"], second["elixhauser_heart_failure"]) == (9, 0, None)


def test_each_column_has_a_step_a_rule_and_a_meaning(world: World) -> None:
    """Plan and codebook name every condition with its kind, the policy's transform and its definition."""
    request = world.request(source(world), ASKED, derive=["elixhauser_without_poa", "charlson_score"])
    steps = {step.column.name: step for step in world.site.plan(request).table("encounters").written}  # type: ignore[union-attr]
    assert {steps[name].column.kind.name for name in GROUPS["elixhauser_without_poa"]} == {"comorbidity"}
    assert steps["charlson_score"].column.kind.name == "comorbidity_score"
    folder = world.site.run(request).folder
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = next(c for c in manifest["tables"]["encounters"]["columns"] if c["name"] == "elixhauser_aids")
    assert (entry["transform"], entry["domain"], entry["kind"]) == ("keep", "yes or no", "comorbidity")
    assert "secondary diagnosis" in entry["meaning"]


def test_a_policy_leaves_a_single_condition_out(world: World) -> None:
    """A rule for one column stands instead of the kind's: HIV is dropped, the rest stays."""
    policy = yaml.safe_load(world.named_policy(LIMITED).read_text())
    policy["columns"] = {"encounters.elixhauser_aids": "drop"}
    rows = visits(world, source(world), ["elixhauser_without_poa"], policy=world.policy(policy))
    assert len(rows[0]) == 3 + len(GROUPS["elixhauser_without_poa"]) - 1
    assert "elixhauser_aids" not in rows[0]


def test_expert_k11_drops_comorbidities_and_keeps_flags(world: World) -> None:
    """Comorbidities come of full codes, and its policy releases categories."""
    request = world.request(source(world), ASKED, policy=EXPERT, derive=["charlson", "charlson_score", "inpatient"])
    steps = {step.column.name: step for step in world.site.plan(request).table("encounters").steps}  # type: ignore[union-attr]
    assert steps["charlson_dementia"].output is None
    assert steps["charlson_score"].output is None
    assert steps["inpatient"].output is not None


def test_no_code_is_delivered_with_what_it_shows(world: World) -> None:
    """Diagnoses that are read for a flag and not asked for are in no table of the release."""
    released = world.released(source(world), ASKED, derive=["charlson", "inpatient"])
    assert sorted(released) == ["encounters", "patients"]
    assert "E11.22" not in str(released)


# Refusals


@pytest.mark.parametrize(
    ("derive", "message"),
    [
        (["elixhauser_hart_failure"], "no measure elixhauser_hart_failure .did you mean elixhauser_heart_failure"),
        (["heart_failure"], "no measure heart_failure .did you mean elixhauser_heart_failure"),
        (["frailty"], "there are charlson, elixhauser, elixhauser_without_poa, age_at_visit.*and single conditions"),
        (["charlson", "charlson_dementia"], "encounters.charlson_dementia: two output columns"),
        (
            ["telehealth", "specialty"],
            "specialty needs a column of kind provider_specialty in encounters or in a table",
        ),
    ],
)
def test_what_cannot_be_derived_is_refused_with_the_next_best(
    world: World, caplog: pytest.LogCaptureFixture, derive: list[str], message: str
) -> None:
    """An unknown name is answered with names that are like it, a missing column with its kinds."""
    with refused(world, PlanError, message, caplog):
        visits(world, source(world), derive)


def test_comorbidities_need_diagnoses(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A source without diagnoses, or with procedures alone, is refused before a row is read."""
    none = {name: text for name, text in SOUND.items() if name != "diagnoses"}
    with refused(world, PlanError, "charlson needs a column of kind icd10cm or icd10 or icd9cm or icd_any", caplog):
        visits(world, world.source_of(none, COLUMNS), ["charlson"])
    procedures = {"diagnoses": DIAGNOSES | {"DX": {"kind": "icd_any", "use": "procedure"}}}
    with refused(world, PlanError, "charlson needs a column", caplog):
        visits(world, world.source_of(SOUND, COLUMNS | procedures), ["charlson"])
    nine = {"diagnoses": DIAGNOSES | {"DX": "icd9cm"}}
    with refused(world, PlanError, "elixhauser_aids needs a column of kind icd10cm or icd_any", caplog):
        visits(world, world.source_of(SOUND, COLUMNS | nine), ["elixhauser_aids"])


def test_what_needs_the_indicator_is_refused_without_one(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Eighteen of Elixhauser's conditions would be empty everywhere; the others can be asked for as a group."""
    dataset = world.source()
    with refused(world, PlanError, "present_on_admission .*ask for elixhauser_without_poa", caplog):
        visits(world, dataset, ["elixhauser"])
    with refused(world, PlanError, "elixhauser_coagulopathy needs a column of kind present_on_admission", caplog):
        visits(world, dataset, ["elixhauser_coagulopathy"])
    assert visits(world, dataset, ["elixhauser_without_poa"])[0]["elixhauser_diabetes_without_complications"] == "yes"


def test_a_policy_without_a_rule_for_the_kind_is_refused(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A flag is a quasi-identifier: nobody who was not asked lets it leave."""
    policy = yaml.safe_load(world.named_policy(LIMITED).read_text())
    del policy["rules"]["visit_flag"]
    with refused(world, PlanError, "encounters.inpatient: the policy has no rule for kind visit_flag", caplog):
        visits(world, source(world), ["inpatient"], policy=world.policy(policy))


def test_use_is_written_for_icd_codes_only(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A CPT code that is said to be a procedure is a misunderstanding."""
    columns = COLUMNS | {"encounters": ENCOUNTERS | {"CLASS": {"kind": "cpt", "use": "procedure"}}}
    with refused(world, DocumentError, "`use` is written for ICD codes", caplog):
        load_dataset(world.source_of(SOUND, columns))


# Where codes stand


def test_codes_of_the_encounters_table_itself_count_with_those_of_repeated_rows(world: World) -> None:
    """Claims with one row for each line: header diagnoses in every row, revenue codes in one of them."""
    columns = {
        "patients": COLUMNS["patients"],
        "encounters": {
            "CLM": "claim_id",
            "PATIENT": "patient_id",
            "START": "admit_date",
            "COST": "charge_amount",
            "PRINCIPAL": {"kind": "icd_any", "use": "principal"},
            "DX1": {"kind": "icd_any", "use": "principal"},
            "DX2": "icd_any",
            "PROC": {"kind": "icd_any", "use": "procedure"},
            "REV": "revenue_code",
        },
    }
    tables = {
        "patients": SOUND["patients"],
        "encounters": """
            CLM PATIENT        START      COST PRINCIPAL DX1   DX2    PROC  REV
            C1  SENTINEL-PAT-1 2025-07-23 40   I50.9     I50.9 E11.22 428.0 0300
            C1  SENTINEL-PAT-1 2025-07-23 30   I50.9     I50.9 E11.22 428.0 0450
            C1  SENTINEL-PAT-2 2025-07-23 20   4280      4280  -      042   0120
            -   SENTINEL-PAT-2 2025-07-23 10   -         -     042    -     0456
        """,
    }
    dataset = world.source_of(tables, columns)
    asked = {"patients": ["ID"], "encounters": ["CLM", "PATIENT", "COST"]}
    derive = ["charlson_congestive_heart_failure", "charlson_hiv_aids", "elixhauser_aids", "emergency", "inpatient",
              "elixhauser_diabetes_with_complications"]  # fmt: skip
    rows = [list(row.values())[3:] for row in visits(world, dataset, derive, tables=asked)]
    assert rows == [
        ["yes", "no", "no", "yes", "no", "yes"],
        ["yes", "no", "no", "yes", "no", "yes"],
        ["yes", "no", None, "no", "yes", None],
        ["no", "yes", None, "no", "no", None],
    ]


def test_a_source_without_numbers_of_visits_is_read_once(world: World) -> None:
    """Where every visit is one row with its own codes, nothing has to be observed."""
    columns = {"patients": COLUMNS["patients"], "encounters": {**ENCOUNTERS, "ENC": "unneeded", "DX": "icd10cm"}}
    tables = SOUND | {
        "encounters": """
            ENC PATIENT        START      STOP       CLASS COST DX
            1   SENTINEL-PAT-1 2025-07-23 2025-07-25 IMP   20   E11.9
            1   SENTINEL-PAT-1 2025-07-23 2025-07-25 AMB   10   I10
        """
    }
    tables = {name: tables[name] for name in columns}
    dataset = world.source_of(tables, columns)
    asked = {"patients": ["ID"], "encounters": ["PATIENT", "COST"]}
    derive = ["charlson_diabetes_without_complications", "inpatient"]
    plan = world.site.plan(world.request(dataset, asked, derive=derive))
    assert not prerequisites.observed_first(plan)
    assert [list(row.values())[2:] for row in visits(world, dataset, derive, tables=asked)] == [
        ["yes", "yes"],
        ["no", "no"],
    ]


def test_claims_of_another_table_with_a_class_of_their_own_are_no_rows_of_this_one(world: World) -> None:
    """Each table of claims numbers its own; a table of lines has no class, and names the claim that it belongs to."""
    claims = {"CLM": "claim_id", "PATIENT": "patient_id", "CLASS": "encounter_class", "COST": "charge_amount"}
    columns = {
        "patients": COLUMNS["patients"],
        "encounters": claims,
        "outpatient": claims | {"DX": "icd10cm"},
        "lines": {"CLM": "claim_id", "PATIENT": "patient_id", "DX": "icd10cm"},
    }
    tables = {
        "patients": SOUND["patients"],
        "encounters": "CLM PATIENT CLASS COST\n1 SENTINEL-PAT-1 60 10",
        "outpatient": "CLM PATIENT CLASS COST DX\n1 SENTINEL-PAT-1 40 10 B20",
        "lines": "CLM PATIENT DX\n1 SENTINEL-PAT-1 E11.9\n1 SENTINEL-PAT-2 C78.7",
    }
    asked = {"patients": ["ID"], "encounters": ["CLM", "PATIENT", "COST"]}
    derive = ["charlson_hiv_aids", "charlson_diabetes_without_complications", "charlson_metastatic_solid_tumor"]
    rows = visits(world, world.source_of(tables, columns), derive, tables=asked)
    assert [list(row.values())[3:] for row in rows] == [["no", "yes", "no"]]


def test_diagnoses_that_reach_the_patient_by_a_link_count_without_being_asked_for(world: World) -> None:
    """A table of codes with no patient of its own is linked through the visits, and read for their flags alone."""
    columns = COLUMNS | {"diagnoses": {"ENC": "encounter_id", "DX": "icd10cm"}}
    tables = SOUND | {"diagnoses": "ENC DX\nSENTINEL-ENC-1 E11.9\nSENTINEL-ENC-2 B20"}
    dataset = world.source_of(tables, columns, links={"diagnoses": {"to": "encounters", "on": "ENC"}})
    rows = visits(world, dataset, ["charlson_hiv_aids", "charlson_score"])
    assert [list(row.values())[3:] for row in rows] == [["no", 1], ["yes", 6]]


def test_a_block_of_codes_is_read_with_the_revisions_and_indicators_that_follow_it(world: World) -> None:
    """As many columns speak of the codes one by one, a single one of all."""
    columns = {
        "patients": COLUMNS["patients"],
        "encounters": ENCOUNTERS
        | dict.fromkeys(["DX1", "DX2"], "icd_any")
        | dict.fromkeys(["V1", "V2"], "icd_version")
        | dict.fromkeys(["P1", "P2"], "present_on_admission"),
    }
    header = "ENC PATIENT START STOP CLASS COST DX1 DX2 V1 V2 P1 P2"
    visit = "SENTINEL-PAT-1 2025-07-23 2025-07-25 IMP"
    rows = [
        f"1 {visit} 40 I50.9 D68.9 0 0 Y N",
        f"2 {visit} 30 D68.9 I50.9 0 0 Y N",
        f"3 {visit} 20 E0300 - 9 - - -",
        f"4 {visit} 10 E030 - 0 9 - -",
    ]
    tables = {"patients": SOUND["patients"], "encounters": "\n".join([header, *rows])}
    derive = ["elixhauser_heart_failure", "elixhauser_coagulopathy", "elixhauser_hypothyroidism"]
    found = visits(world, world.source_of(tables, columns), derive)
    assert [list(row.values())[3:] for row in found] == [
        ["yes", "no", "no"], ["no", "yes", "no"], [None, None, None], [None, None, "yes"],
    ]  # fmt: skip


def test_a_row_that_cannot_be_read_tells_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A bad row of diagnoses is refused, or set aside and counted; its code shows nothing then."""
    bad = TABLES["diagnoses"].replace("B20    3  ", "B20    x  ")
    with refused(world, SourceError, "SEQ is not a valid integer", caplog):
        visits(world, source(world, diagnoses=bad), ["elixhauser_aids"])
    dataset = source(world, diagnoses=bad)
    request = world.request(dataset, ASKED, derive=["elixhauser_aids"], on_bad_row="quarantine")
    done = world.site.run(request)
    assert done.quarantined == {"diagnoses": 1}
    assert set(world.site.open(done).read("encounters").column("elixhauser_aids").to_pylist()) == {"no"}


def test_a_cohort_of_rows_chooses_visits_and_not_what_they_show(world: World) -> None:
    """The visit that one diagnosis chose is described by all of its diagnoses."""
    rows = visits(
        world, source(world), ["charlson_hiv_aids", "charlson_score"], cohort={"rows": {"all": [{"icd10cm": ["E11"]}]}}
    )
    assert [list(row.values())[3:] for row in rows] == [["yes", 9]]


def test_what_grows_with_visits_spills_sealed_and_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for a few visits in memory, thousands get the same flags, and nothing of theirs stays on disk."""
    monkeypatch.setattr(workshop, "_SEALED", 16384)
    sealed: list[int] = []
    append = SpillFile.append
    monkeypatch.setattr(
        SpillFile, "append", lambda file, data, context: sealed.append(1) or append(file, data, context=context)
    )
    codes = ("E11.9", "B20", "C78.7", "I10")
    encounters = ["ENC PATIENT START STOP CLASS COST"]
    diagnoses = ["PATIENT ENC DX"]
    for i in range(1500):
        encounters.append(f"e{i} SENTINEL-PAT-1 2025-07-23 2025-07-25 AMB {i}")
        diagnoses += [f"SENTINEL-PAT-1 e{i} {codes[i % 4]}", f"SENTINEL-PAT-1 e{1499 - i} {codes[i % 3]}"]
    tables = {**SOUND, "encounters": "\n".join(encounters), "diagnoses": "\n".join(diagnoses)}
    rows = visits(
        world, world.source(**{k: tables[k] for k in tables}), ["charlson_hiv_aids", "charlson_metastatic_solid_tumor"]
    )
    expected = []
    for i in reversed(range(1500)):
        seen = {codes[i % 4], codes[(1499 - i) % 3]}
        expected.append(["yes" if "B20" in seen else "no", "yes" if "C78.7" in seen else "no"])
    assert [list(row.values())[3:] for row in rows] == expected
    assert len(sealed) > 10
    assert not list((world.site.site.state / "spill").rglob("*"))


def test_every_measure_is_derived_from_the_samples(world: World) -> None:
    """The sample of claims gives both answers for conditions that are common, and a level for emergency visits."""
    dataset = REPOSITORY / "samples" / "claims" / "dataset.yaml"
    asked = {"patients": ["patient_id"], "encounters": ["patient_id", "encounter_id", "encounter_class"]}
    derive = ["charlson", "charlson_score", "elixhauser", "telehealth", "emergency", "inpatient", "em_level"]
    rows = world.released(dataset, asked, derive=derive, policy=SAFE)["encounters"]
    assert {row["charlson_chronic_pulmonary_disease"] for row in rows} == {"yes", "no"}
    assert {row["elixhauser_heart_failure"] for row in rows} == {"yes", "no", None}
    assert all((row["encounter_class"] == "virtual") <= (row["telehealth"] == "yes") for row in rows)
    assert all((row["encounter_class"] == "inpatient") <= (row["inpatient"] == "yes") for row in rows)
    assert {row["em_level"] for row in rows if row["emergency"] == "yes"} >= {"3", "4", "5"}
