"""Folders of a release, attacked: none tells of few patients, none has a name that the plan did not announce."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml
from legal_plans import plan
from partitioned import REST, folders_of, study
from sites import TestSite, expert_without_ceiling, make_site
from tiny_sources import World

from deid.attacks.base import Trace
from deid.attacks.knowledge import Knowledge
from deid.attacks.released import Released
from deid.attacks.side_channels import SideChannels
from deid.errors import DisclosureError
from deid.opening import OpenedRelease
from deid.release import partitions
from deid.release.manifest import FILE_NAME
from deid.synthetic import generate, write_claims_parquet

TABLES = {
    "patients": ["patient_id", "sex"],
    "encounters": ["patient_id", "encounter_id", "admit_date", "encounter_class"],
}
LEAST = 11


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the description of a source of 400 generated patients."""
    folder = tmp_path_factory.mktemp("source")
    write_claims_parquet(generate(7, 400, notes=0.0), folder)
    return folder / "dataset.yaml"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """Return a site."""
    return make_site(tmp_path_factory.mktemp("site") / "site")


def traces(opened: OpenedRelease) -> Iterator[tuple[str, int, int]]:
    """Yield what lies beside the cells: scenario, found, looked at; of what is not part of what a release may tell."""
    nothing: Any = None  # this attacker knows nobody
    known: Knowledge = nothing
    for belief in SideChannels().attack(Released(opened), known):
        if isinstance(belief, Trace) and not belief.allowed:
            yield belief.scenario, belief.found, belief.looked_at


def test_folders_tell_of_no_few_and_have_announced_names(site: TestSite, source: Path) -> None:
    """Each folder's patients are counted from its own rows, and its name looked up in the plan that was approved."""
    policy = str(site.folder / "policies" / "safe-harbor.yaml")
    request = site.request(source, TABLES, policy=policy, partition_by={"encounters": "admit_date"})
    folders = next(table.folders for table in site.plan(request).tables if table.folders is not None)
    opened = site.open(site.run(request))
    people: dict[str, set[str]] = {}
    years: dict[str, set[int | None]] = {}
    table = opened.read("encounters", ["patient_id", "admit_date"]).to_pylist()
    for file in opened.manifest.tables["encounters"].files:
        match = FILE_NAME.fullmatch(file.name)
        assert match is not None
        assert match["column"] == "admit_date"
        own, table = table[: int(file.rows)], table[int(file.rows) :]
        people.setdefault(match["value"], set()).update(row["patient_id"] for row in own)
        years.setdefault(match["value"], set()).update(row["admit_date"] for row in own)
    assert len(people) > 2
    assert people.keys() <= {*folders.values, REST}
    assert min(map(len, people.values())) >= LEAST
    assert all(len(own) > 1 if value == REST else own == {int(value)} for value, own in years.items())
    found = {scenario: (count, looked_at) for scenario, count, looked_at in traces(opened)}
    assert found.pop("folders") == (0, len(people))
    assert {count for count, _ in found.values()} == {0}


def test_an_attacker_finds_folders_of_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown able to succeed: where every value has a folder and nothing is counted again, the small ones are found."""
    world = World(tmp_path / "site")
    monkeypatch.setattr(partitions, "choose", lambda *_: tuple(range(100)))
    monkeypatch.setattr(partitions._Table, "_check", lambda *_: None)
    opened = world.site.open(world.site.run(study(world, {2020: 30, 2021: 10, 2022: 1})))
    found = {scenario: (count, looked_at) for scenario, count, looked_at in traces(opened)}
    assert found["folders"] == (2, 3)


@pytest.mark.parametrize("policy", ["safe-harbor", "expert"])
def test_what_a_folder_grew_by_is_not_shown(tmp_path: Path, policy: str) -> None:
    """A later release that holds everything so far is refused, and without folders it is made."""
    world = World(tmp_path / "site")
    own = expert_without_ceiling(world.site) if policy == "expert" else policy
    request = study(world, {2020: 40, 2021: 30}, policy=own)
    assert len(folders_of(world.site.run(request, name="first").folder)) == 2
    before = world.site.leftovers()
    with pytest.raises(DisclosureError, match="by how much each folder grew"):
        world.site.run(request, name="second")
    assert world.site.leftovers() == before
    content = yaml.safe_load(request.read_text())
    del content["partition_by"]
    request.write_text(yaml.safe_dump(content, sort_keys=False))
    assert all(name.startswith("part-") for name in folders_of(world.site.run(request, name="second").folder))


def test_a_ledger_tells_of_releases_that_lie_elsewhere(tmp_path: Path) -> None:
    """Folders are refused where the series goes on, though no other release lies beside the one that is staged."""
    for is_continued in (False, True):
        made = plan(partition_by={"visits": "start"})
        staging = tmp_path / str(is_continued) / ".staging"
        staging.mkdir(parents=True)
        with pytest.raises(DisclosureError) if is_continued else nullcontext():
            partitions.refuse_growth(made, staging, is_continued=is_continued)
