"""The recoding is chosen by the run: the least loss that keeps k, the class's values and nothing finer, or a refusal."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from legal_plans import SAFE_HARBOR, broken, plan
from recodings import AGES, BIRTHS, people, recoding_policy
from sites import POLICIES
from tiny_sources import World

from deid import legal
from deid.cli.plan import as_lines, as_record
from deid.documents.policy import Basis, load_policy
from deid.errors import DeidError, DisclosureError, DocumentError, PlanError
from deid.transforms import build

PATIENTS = {"patients": ["ID", "BIRTH", "SEX"]}
WITH_VISITS = PATIENTS | {"encounters": ["ENC", "PATIENT", "COST"]}
CLOSE = [(f"{year}-05-05", sex) for year in (1981, 1983, 1987) for sex in "FM"]  # within ten years, in two of five


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for the module."""
    return World(tmp_path_factory.mktemp("recoding") / "site")


def vectors(rows: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    """Count what patients show, their pseudonyms aside."""
    return Counter(tuple(value for name, value in row.items() if name != "ID") for row in rows)


def refused(world: World, source: Path, tables: dict[str, list[str]], **fields: Any) -> DeidError:
    """Return the refusal of a run, after checking that nothing was left behind."""
    before = world.site.leftovers()
    with pytest.raises(DeidError) as found:
        world.released(source, tables, **fields)
    assert world.site.leftovers() == before
    assert found.value.hint
    return found.value


def test_the_finest_rung_leaves_where_it_reaches_k(world: World) -> None:
    """Three of one five-year band and sex are enough for k = 3."""
    source = people(world, [("1981-05-05", "F")] * 3 + [("1986-05-05", "M")] * 3)
    found = world.released(source, PATIENTS, policy=recoding_policy(world))
    assert vectors(found["patients"]) == {(1980, "F"): 3, (1985, "M"): 3}


def test_no_more_is_coarsened_than_k_needs(world: World) -> None:
    """Three women and three men of one decade, in two bands of five years, are shown by decade and sex."""
    found = world.released(people(world, CLOSE), PATIENTS, policy=recoding_policy(world))
    assert vectors(found["patients"]) == {(1980, "F"): 3, (1980, "M"): 3}


def test_a_dropped_column_is_not_written_and_every_document_tells_the_rung(world: World) -> None:
    """Births too far apart are left out: of the table, the manifest's columns, the codebook and the data package."""
    source = people(world, [(f"{year}-05-05", "F") for year in (1941, 1963, 1985)])
    done = world.site.run(world.request(source, PATIENTS, policy=recoding_policy(world)))
    opened = world.site.open(done)
    assert opened.read("patients").column_names == ["ID", "SEX"]
    manifest = json.loads((done.folder / "manifest.json").read_bytes())
    assert [column["name"] for column in manifest["tables"]["patients"]["columns"]] == ["ID", "SEX"]
    disclosure = manifest["disclosure"]
    assert disclosure["recoded"]["patients.BIRTH"] == {"rule": "drop", "rung": 4, "rungs": 4}
    assert disclosure["recoded"]["patients.SEX"] == {"rule": "keep", "rung": 1, "rungs": 2}
    assert (disclosure["classes"], disclosure["smallest"], disclosure["loss"]) == (1, "1-10", 0.5)
    assert disclosure["patients_released"] == "1-10"
    codebook = (done.folder / "codebook.md").read_text()
    assert "`patients.BIRTH` is recoded by rule 4 of 4: drop" in codebook
    assert "Left out by the policy: `BIRTH`" in codebook
    package = json.loads((done.folder / "datapackage.json").read_bytes())
    fields = [field["name"] for resource in package["resources"] for field in resource["schema"]["fields"]]
    assert fields == ["ID", "SEX"]


def test_withholding_a_few_may_cost_less_than_coarsening_all(world: World) -> None:
    """One patient of nineteen is withheld with all rows, if the policy allows it, and the rest keep their band."""
    source = people(world, [("1981-05-05", "F")] * 18 + [("1941-05-05", "F")])
    sharp = recoding_policy(world, suppression=0.1)
    found = world.released(source, WITH_VISITS, policy=sharp)
    assert vectors(found["patients"]) == {(1980, "F"): 18}
    assert len(found["encounters"]) == 18
    found = world.released(source, WITH_VISITS, policy=recoding_policy(world))
    assert vectors(found["patients"]) == {("F",): 19}
    assert len(found["encounters"]) == 19


def test_the_plan_prints_the_ladder_before_a_row_is_read(world: World) -> None:
    """Every rung stands there, from fine to coarse, and the columns that are reduced."""
    policy = recoding_policy(
        world, quasi_identifiers=["birth_date", "sex", "age"], reduced={"age_at_visit": "first"},
        recoding={"birth_date": [*BIRTHS, "drop"], "age": AGES},
    )  # fmt: skip
    compiled = world.site.plan(world.request(people(world, CLOSE), WITH_VISITS, policy=policy, derive=["age_at_visit"]))
    judgment = legal.require(compiled)
    told = "\n".join(as_lines(compiled, judgment))
    assert "generalize_date: year, width: 5, floor_age: 90 > generalize_date: year, width: 10" in told
    assert "encounters.age_at_visit: first" in told
    (column,) = [c for c in as_record(compiled, judgment)["tables"]["encounters"] if c["column"] == "age_at_visit"]
    assert column["rungs"] == [f"generalize_age: 90, width: {width}" for width in (5, 10, 20)]
    assert column["reduced"] == "first"


def test_nulls_are_a_value_that_counts(world: World) -> None:
    """Two patients without a birth date are not hidden by three who have one, whatever their band."""
    known, unknown = [("1981-05-05", "F")] * 3, [("-", "F")] * 2
    found = world.released(people(world, known + unknown), PATIENTS, policy=recoding_policy(world))
    assert vectors(found["patients"]) == {("F",): 5}
    found = world.released(people(world, known + unknown * 2), PATIENTS, policy=recoding_policy(world))
    assert vectors(found["patients"]) == {(1980, "F"): 3, (None, "F"): 4}


def test_all_alike_stay_as_they_are_and_all_unlike_lose_what_sets_them_apart(world: World) -> None:
    """Identical patients leave at the finest rungs; where no two are alike every column that parts them goes."""
    alike = world.released(people(world, [("1981-05-05", "F")] * 5), PATIENTS, policy=recoding_policy(world))
    assert vectors(alike["patients"]) == {(1980, "F"): 5}
    source = people(world, [(f"{1900 + 21 * i}-05-05", sex) for i, sex in enumerate(["F", "M", "U", "X"])])
    unlike = world.released(source, PATIENTS, policy=recoding_policy(world))
    assert vectors(unlike["patients"]) == {(): 4}


def test_a_kind_with_rules_of_its_own_column_is_not_searched(world: World) -> None:
    """What a policy writes for one column stands above the ladder of its kind."""
    policy = recoding_policy(world)
    document = policy.read_text() + "columns:\n  patients.BIRTH: {generalize_date: {to: year, width: 20}}\n"
    policy.write_text(document)
    world.site.sign(policy)
    found = world.released(people(world, [("1981-05-05", "F")] * 3), PATIENTS, policy=policy)
    assert vectors(found["patients"]) == {(1980, "F"): 3}
    compiled = world.site.plan(world.request(people(world, CLOSE), PATIENTS, policy=policy))
    assert list(compiled.ladders) == [("patients", "SEX")]


# What cannot be


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_patients_than_k_are_refused(world: World, count: int) -> None:
    """Not even everybody in one class is enough, so no rung helps."""
    source = people(world, [("1981-05-05", "F")] * count)
    assert isinstance(refused(world, source, PATIENTS, policy=recoding_policy(world)), DisclosureError)


def test_nobody_is_released_as_empty_tables(world: World) -> None:
    """A cohort that nobody is in, or a source of nobody, tells nothing of anybody."""
    fields = {"cohort": {"patients": {"any": [{"sex": ["X"]}]}}}
    found = world.released(people(world, CLOSE), WITH_VISITS, policy=recoding_policy(world), **fields)
    assert found == {"patients": [], "encounters": []}
    assert world.released(people(world, []), PATIENTS, policy=recoding_policy(world)) == {"patients": []}


def test_rungs_that_do_not_hold_one_another_are_refused(world: World) -> None:
    """Bands of seven years part what bands of five hold."""
    sevens = {"generalize_date": {"to": "year", "width": 7, "floor_age": 90}}
    policy = recoding_policy(world, recoding={"birth_date": [BIRTHS[0], sevens]})
    source = people(world, [(f"{year}-05-05", "F") for year in range(1980, 1990)])
    found = refused(world, source, PATIENTS, policy=policy)
    assert "patients.BIRTH" in found.message
    assert "width: 7" in found.message
    assert "1980" not in found.message + str(found.hint)


@pytest.mark.parametrize(
    ("ladder", "words"),
    [
        ({"birth_date": ["drop", BIRTHS[2]]}, r"birth_date, rung 1 \(drop\)"),
        ({"birth_date": [BIRTHS[0], {"pseudonymize": "keyed"}]}, r"birth_date, rung 2 \(pseudonymize\)"),
        ({"sex": ["keep", {"generalize_zip": "zip3"}]}, r"sex, rung 2 \(generalize_zip\)"),
    ],
)
def test_a_rung_that_cannot_be_is_named_when_the_plan_is_made(world: World, ladder: dict[str, Any], words: str) -> None:
    """Kind, rung and rule, before a row is read."""
    request = world.request(people(world, CLOSE), PATIENTS, policy=recoding_policy(world, recoding=ladder))
    with pytest.raises(PlanError, match=words):
        world.site.plan(request)


@pytest.mark.parametrize(
    "limits",
    [
        {"recoding": {"birth_date": [BIRTHS[0]]}},
        {"recoding": {"race": ["keep", "drop"]}},
        {"k": None},
        {"k": None, "recoding": None, "reduced": {"encounters.CLASS": "most"}},
        {"k": 1},
        {"suppression": 1.5},
    ],
)
def test_limits_that_contradict_themselves_are_refused_with_the_policy(world: World, limits: dict[str, Any]) -> None:
    """One rung is no ladder, what is recoded is counted, and no k leaves nothing to choose by."""
    with pytest.raises(DocumentError):
        recoding_policy(world, **limits)


def test_every_rung_must_be_allowed_on_the_claimed_basis() -> None:
    """The finest is not always the worst: a coarser rung without a floor tells an age over 89."""
    fine = build("generalize_date", {"": "year", "floor_age": 90})
    bare = build("generalize_date", {"": "year", "width": 10})
    limits = replace(SAFE_HARBOR.limits, k=3, quasi_identifiers=("birth_date", "sex", "zip_code"))
    visits = {"pid": "patient_id", "vid": "encounter_id", "dx": "icd10cm"}

    def judged(*rungs: Any) -> list[tuple[str, str]]:
        policy = replace(SAFE_HARBOR, limits=replace(limits, recoding={"birth_date": rungs}))
        return broken(legal.judge(plan(policy, visits=visits)), Basis.SAFE_HARBOR)

    assert judged(fine, build("drop", {})) == []
    assert ("(b)(2)(i)(C)", "patients.born") in judged(fine, bare)


def test_the_shipped_policy_recodes() -> None:
    """Its ladders are counted, and it names no rung twice."""
    limits = load_policy(POLICIES / "expert-k11.yaml").limits
    assert set(limits.recoding) <= set(limits.quasi_identifiers)
    assert all(len(set(rungs)) == len(rungs) > 1 for rungs in limits.recoding.values())


def test_notes_tell_a_recoded_kind_no_finer_than_its_columns(world: World) -> None:
    """By the coarsest of the rule for notes and the rungs chosen; by nothing where the two cannot be compared."""
    years = [{"generalize_date": {"to": "year", "floor_age": 90}}, BIRTHS[1], "drop"]
    for own, chosen, expected in (
        (years[0], 1, years[1]),
        (years[1], 0, years[1]),
        (years[0], 2, "drop"),
        ("keep", 0, "drop"),
    ):
        policy = recoding_policy(world, rules={"birth_date": own}, recoding={"birth_date": years})
        compiled = world.site.plan(world.request(people(world, CLOSE), PATIENTS, policy=policy))
        rung = compiled.ladders["patients", "BIRTH"][chosen]
        told = compiled.with_rules({("patients", "BIRTH"): rung}).policy.rules["birth_date"]
        options = {} if isinstance(expected, str) else expected["generalize_date"]
        assert told == build("drop" if expected == "drop" else "generalize_date", options)


def test_rows_that_are_set_aside_count_nowhere(world: World) -> None:
    """A patient with an impossible birth date is quarantined, and neither hides nor reveals the others."""
    source = people(world, [("1981-05-05", "F")] * 3 + [("1987-02-30", "F")])
    policy = recoding_policy(world, reduced={"encounters.COST": "first"})
    asked = PATIENTS | {"encounters": ["ENC", "PATIENT", "COST"]}
    found = world.released(source, asked, policy=policy, on_bad_row="quarantine")
    assert vectors(found["patients"]) == {(1980, "F"): 3}
    assert len(found["encounters"]) == 3
    few = recoding_policy(world, k=4, reduced={"encounters.COST": "first"})
    assert isinstance(refused_with_quarantine(world, source, asked, few), DisclosureError)


def refused_with_quarantine(world: World, source: Path, asked: dict[str, list[str]], policy: Path) -> DeidError:
    """Return the refusal of a run that sets bad rows aside."""
    with pytest.raises(DeidError) as found:
        world.released(source, asked, policy=policy, on_bad_row="quarantine")
    return found.value
