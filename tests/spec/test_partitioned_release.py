"""A table in folders: which columns may name them, which values have one, and how files are bound to theirs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml
from legal_plans import EXPERT, LIMITED, PATIENTS, SAFE_HARBOR, VISITS, plan
from partitioned import BY_YEAR, REST, TABLES, folders_of, people_by_year, study
from sites import TODAY
from tiny_sources import World

from deid import legal
from deid.cli.plan import as_lines, as_record
from deid.documents.policy import Basis, load_policy
from deid.documents.request import Schedule, Series, load_request
from deid.errors import DocumentError, PlanError, ReleaseError, VerificationError
from deid.opening import open_release
from deid.papers.authorization import load_recipients
from deid.papers.bound import plan_entry, propose
from deid.papers.changes import changes_since
from deid.planning.compiler import compile_plan
from deid.release import partitions
from deid.release.manifest import from_bytes, to_bytes
from deid.release.partitions import Holders, choose
from deid.sources.description import load_dataset

YEARS = {2020: 20, 2021: 12, 2022: 6, 2023: 6}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("partitioned") / "site")


@pytest.fixture(scope="module")
def release(world: World) -> Path:
    """Return a release whose encounters stand in folders."""
    return world.site.run(study(world, YEARS)).folder


def visits(**more: str) -> dict[str, str]:
    """Return the columns of a table of visits, with more of them."""
    return VISITS | more


@pytest.mark.parametrize(
    ("policy", "columns", "column", "why"),
    [
        (SAFE_HARBOR, visits(city="city"), "city", "the policy does not release it"),
        (LIMITED, VISITS, "start", "no list of at most 100"),
        (SAFE_HARBOR, visits(zip="zip_code"), "zip", "no list of at most 100"),
        (SAFE_HARBOR, VISITS, "dx", "kind icd10cm is no year, place or group of people"),
        (SAFE_HARBOR, VISITS, "vid", "kind encounter_id is no year, place or group of people"),
        (SAFE_HARBOR, visits(sex="sex"), "sex", "no list of at most 100"),
        (SAFE_HARBOR, visits(by_start="sex"), "start", "there is a column by_start"),
        (SAFE_HARBOR, {"vid": "encounter_id", "start": "service_date"}, "start", "patients are counted in each folder"),
        (SAFE_HARBOR, {"pid": "patient_id", "first day": "service_date"}, "first day", "folder names hold letters"),
    ],
)
def test_a_column_that_may_not_name_folders_is_refused(
    policy: Any, columns: dict[str, str], column: str, why: str
) -> None:
    """Only a short list of values that anybody knows, released by the plan and of no illness, stands in clear."""
    with pytest.raises(PlanError, match=why) as refused:
        plan(policy, visits=columns, partition_by={"visits": column})
    assert refused.value.hint


def test_a_column_whose_rule_the_run_chooses_names_no_folders() -> None:
    """What an approver cannot read beforehand does not stand in clear."""
    with pytest.raises(PlanError, match="the run chooses its rule"):
        plan(EXPERT, patients=PATIENTS, partition_by={"patients": "born"})


def test_a_series_that_holds_everything_so_far_has_no_folders() -> None:
    """By how much a folder grew would be read by everybody; increments are let through."""
    for changes in ({"schedule": Schedule.YEARLY}, {"period": "2025"}):
        with pytest.raises(PlanError, match="by how much each folder grows"):
            plan(partition_by={"visits": "start"}, **changes)
        assert plan(partition_by={"visits": "start"}, series=Series.INCREMENT, **changes).tables[1].folders


def test_only_columns_that_are_asked_for_name_folders(world: World) -> None:
    """A table or column that the request does not name is refused when the request is read."""
    for partition_by in ({"encounters": "COST"}, {"visits": "START"}):
        request = world.request(world.source(), TABLES, partition_by=partition_by)
        with pytest.raises(DocumentError, match="cannot stand in folders"):
            load_request(request)


def test_whatever_the_basis_safe_harbor_must_let_the_column_stand(world: World) -> None:
    """Years of an agreement's Limited Data Set that tell an age over 89 leave within it, and never in names."""
    content = yaml.safe_load(world.named_policy("limited-data-set").read_text())
    content["rules"]["service_date"] = {"generalize_date": "year"}
    policy = load_policy(world.policy(content))
    assert legal.require(plan(policy, agreement="DUA")).earned is Basis.LIMITED_DATA_SET
    with pytest.raises(PlanError, match="its values would name folders, which everybody reads"):
        legal.require(plan(policy, agreement="DUA", partition_by={"visits": "start"}))
    content["rules"]["service_date"] = {"generalize_date": "year", "floor_age": 90}
    legal.require(plan(load_policy(world.policy(content)), agreement="DUA", partition_by={"visits": "start"}))


def test_the_plan_tells_what_stands_in_clear() -> None:
    """Page, JSON and what an approver signs name column, values and patients; without folders none of them changes."""
    made = plan(EXPERT, partition_by={"visits": "start"})
    told = next(line for line in as_lines(made, legal.judge(made)) if "stand in clear" in line)
    assert "by start" in told
    assert "2020, 2021, 2022" in told
    assert "at least 11 patients" in told
    folders = plan_entry(made)["folders"]["visits"]
    assert (folders["column"], folders["least"], len(folders["values"])) == ("start", 11, 100)
    assert as_record(made, legal.judge(made))["partition_by"]["visits"] == folders
    assert "folders" not in plan_entry(plan(EXPERT))


def test_states_are_those_of_the_postal_service() -> None:
    """A state that is kept names folders by its two letters; names typed in full go with the rest."""
    made = plan(visits=visits(state="state"), partition_by={"visits": "state"})
    folders = made.tables[1].folders
    assert folders is not None
    assert {"MA", "PR", "DC"} <= set(folders.values)
    assert all(len(value) == 2 for value in folders.values)


def held(*counts: int, shared: int = 0) -> Holders:
    """Return holders of values, the last of them null; the first `shared` patients have every value."""
    found, start = Holders(len(counts) - 1), shared
    for number, count in enumerate(counts):
        own = [*range(shared), *range(start, start + count)] if count else []
        start += count
        tags = np.array(own, np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
        found.add(tags, np.full(len(own), number, np.int64))
    return found


@pytest.mark.parametrize(
    ("counts", "own"),
    [
        ((20, 11, 0), (0, 1)),  # nothing is left
        ((20, 30, 6, 6, 0), (0, 1)),  # what is left is enough, and of two values
        ((20, 30, 10, 0), (1,)),  # one small value is never alone: the smallest folder joins it
        ((20, 30, 6, 4, 0), (1,)),  # two, of too few patients
        ((20, 30, 50), (1,)),  # nulls are one value too
        ((20, 3, 0), ()),  # all in one
        ((5, 6, 7), ()),
        ((0, 0, 0), ()),
    ],
)
def test_small_values_join_the_rest(counts: tuple[int, ...], own: tuple[int, ...]) -> None:
    """A value has a folder if eleven have it, and what is left is as large and of at least two values."""
    assert choose(held(*counts), 11) == own


def test_the_rest_is_counted_by_patients() -> None:
    """Eleven rows of values that the same eight patients have are eight patients."""
    assert choose(held(20, 1, 1, 0, shared=8), 11) == ()
    assert choose(held(20, 2, 2, 0, shared=8), 11) == (0,)


def test_values_have_folders_and_columns_stay(world: World, release: Path) -> None:
    """Years with enough patients have a folder, the others share one, and each row still tells its year."""
    assert folders_of(release) == {"by_START=2020", "by_START=2021", f"by_START={REST}"}
    assert all(name.startswith("part-") for name in folders_of(release, "patients"))
    assert {path.stat().st_mode & 0o777 for path in release.rglob("*") if path.is_dir()} == {0o755}
    table = open_release(release, [world.site.researcher]).read("encounters")
    found = table.column("START").to_pylist()
    assert {year: found.count(year) for year in YEARS} == {year: 2 * count for year, count in YEARS.items()}


def test_the_manifest_tells_the_column(release: Path) -> None:
    """`partitioned_by` stands where a table is in folders, and nowhere else; the codebook tells it to people."""
    tables = json.loads((release / "manifest.json").read_bytes())["tables"]
    assert tables["encounters"]["partitioned_by"] == "START"
    assert "partitioned_by" not in tables["patients"]
    assert "in folders by START" in (release / "codebook.md").read_text()


def test_a_manifest_with_a_file_in_another_folder_is_refused(release: Path) -> None:
    """Names of folders are those of the column that the manifest tells, which is one of the table's."""
    data = (release / "manifest.json").read_bytes()
    assert to_bytes(from_bytes(data)) == data
    for changed in (
        data.replace(b'"partitioned_by": "START"', b'"partitioned_by": "CLASS"'),
        data.replace(b"by_START=2020", b"by_CLASS=2020"),
        data.replace(b"by_START=", b"by_SENT=").replace(b'"partitioned_by": "START"', b'"partitioned_by": "SENT"'),
    ):
        with pytest.raises(ReleaseError, match="in another folder"):
            from_bytes(changed)
    with pytest.raises(ReleaseError, match="outside data"):
        from_bytes(data.replace(b"by_START=2020", b"../START=2020"))


def test_a_file_opens_in_its_own_folder_only(world: World, release: Path) -> None:
    """The folder is bound into the encryption: a file that stands in the place of another folder's is refused."""
    opened = open_release(release, [world.site.researcher])
    one, other, _ = (file.name for file in opened.manifest.tables["encounters"].files)
    copy = world.folder / "copy"
    shutil.copytree(release, copy)
    (copy / other).chmod(0o600)
    shutil.copy(copy / one, copy / other)
    properties = opened.keys.file_decryption_properties("encounters", other.removeprefix("data/encounters/"))
    with pytest.raises(OSError, match="AAD"):
        pq.ParquetFile(copy / other, decryption_properties=properties)


def test_a_filter_by_the_column_leaves_folders_unread(world: World, release: Path) -> None:
    """What a recipient scans for one year is that year's folder, and the rest's where the year may be in it."""
    dataset = open_release(release, [world.site.researcher]).dataset("encounters")
    for year, files in ((2020, 2), (2022, 1)):
        wanted = ds.field("START") == year
        assert len(list(dataset.get_fragments(wanted))) == files
        assert dataset.to_table(filter=wanted).num_rows == 2 * YEARS[year]


def test_where_no_value_has_enough_patients_there_are_no_folders(world: World) -> None:
    """The table stands as it would without `partition_by`."""
    found = folders_of(world.site.run(study(world, {2020: 12, 2021: 3})).folder)
    assert all(name.startswith("part-") for name in found)


def test_folders_of_the_columns_profile(world: World) -> None:
    """Files whose columns have keys of their own stand in folders too."""
    done = world.site.run(study(world, YEARS, profile="columns"))
    opened = open_release(done.folder, [world.site.researcher], provider=world.site.provider)
    assert len(opened.manifest.tables["encounters"].files) == 3
    assert opened.read("encounters").num_rows == 2 * sum(YEARS.values())


def test_folders_of_the_population(world: World) -> None:
    """The table of the patients themselves may stand in folders, and is checked as ever; one year of birth is one."""
    request = world.request(
        people_by_year(world, YEARS),
        TABLES | {"patients": ["ID", "BIRTH", "SEX"]},
        policy="safe-harbor",
        partition_by={"patients": "BIRTH"} | BY_YEAR,
    )
    done = world.site.run(request)
    assert folders_of(done.folder, "patients") == {"by_BIRTH=1970"}
    assert len(folders_of(done.folder)) == 3
    assert world.site.open(done).read("patients").num_rows == sum(YEARS.values())


def test_folders_after_the_approval_are_told(world: World) -> None:
    """What was approved without folders is not what would be done; the difference is told in plain words."""
    request = study(world, YEARS, partition_by=None)
    content = yaml.safe_load(request.read_text())
    request.write_text(yaml.safe_dump(content | {"partition_by": BY_YEAR}, sort_keys=False))
    loaded = load_request(request)
    made = compile_plan(loaded, load_policy(loaded.policy), load_dataset(loaded.dataset), today=TODAY)
    told = [line for line in changes_since(propose(made, load_recipients(made))) if line.startswith("the plan")]
    assert len(told) == 1
    assert told[0].startswith("the plan: encounters stands in folders by START, each of 11 patients or more, named 19")
    assert told[0].endswith("2026, 2027, and stood in no folders")


@pytest.mark.parametrize(
    ("years", "broken", "why"),
    [
        (
            YEARS,
            {"choose": lambda holders, _: tuple(np.flatnonzero(holders.counts()[:-1]).tolist())},
            "too few patients",
        ),
        (YEARS, {"_rows": lambda batch, _: batch}, "does not hold what its name says"),
        ({2020: 20, 2021: 20}, {"choose": lambda *_: (92,)}, "does not hold what its name says"),  # 2021 alone is left
        ({2020: 20, 2021: 20}, {"_rows": lambda batch, _: batch.slice(0, 0)}, "does not hold|other rows"),
        ({2020: 40}, {"_rows": lambda batch, _: batch.slice(0, 30)}, "other rows than the table"),
    ],
)
def test_a_folder_of_few_or_other_rows_is_never_published(
    world: World, monkeypatch: pytest.MonkeyPatch, years: dict[int, int], broken: dict[str, Any], why: str
) -> None:
    """What was written is counted again: whatever is wrong with folders ends the run and leaves nothing."""
    request = study(world, years)
    before = world.site.leftovers()
    for name, way in broken.items():
        monkeypatch.setattr(partitions, name, way)
    with pytest.raises(VerificationError, match=why):
        world.site.run(request)
    assert world.site.leftovers() == before
