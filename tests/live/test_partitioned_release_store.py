"""A release in folders on its way to a store and back: a sign `=` in the names of objects hinders nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from partitioned import REST, study
from sites import PASSPHRASE
from stores import Store, store  # noqa: F401  # a fixture
from tiny_sources import World

from deid.cli.deliver import deliver
from deid.cli.opening import verify
from deid.cli.stores import stores

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a site with release r1 of request `by-year`, as the environment names it."""
    world = World(tmp_path_factory.mktemp("stores") / "site")
    world.site.run(study(world, {2020: 20, 2021: 12, 2022: 6, 2023: 6}, request="by-year"), name="r1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEID_SITE", str(world.folder / "site.yaml"))
        patch.setenv("DEID_PASSPHRASE", PASSPHRASE.decode())
        yield world


def run(command: object, *arguments: str | Path) -> Result:
    """Run a command; its errors are raised."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_folders_lie_in_a_store_as_they_do_on_a_disk(store: Store, site: World) -> None:  # noqa: F811
    """Delivered, listed, and verified where it lies; what is left of half a delivery is known for ours and deleted."""
    there = f"s3://{(bucket := store.bucket())}"
    assert run(deliver, site.folder / "by-year.yaml", "r1", there).exit_code == 0
    assert f"by-year/r1/data/encounters/by_START={REST}/part-00000.parquet" in store.keys(bucket)
    listed = json.loads(run(stores, "list", there, "--json").output)
    assert [(one["release"], one["is_whole"]) for one in listed] == [("by-year/r1", True)]
    verified = run(verify, f"{there}/by-year/r1", "--key", site.site.researcher, "--json")
    assert json.loads(verified.output)["sound"]
    store.client.delete_object(Bucket=bucket, Key="by-year/r1/manifest.json")
    assert run(stores, "clean", there, "by-year", "r1", "--at-once").exit_code == 0
    assert store.keys(bucket) == []
