"""Exports in the `columns` profile under every key provider: what is asked of it, and what is left where it fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from key_services import PIN, SCHEMES, Counting, fresh, moto, moto_server  # noqa: F401  # a fixture
from sites import TestSite
from tiny_sources import REQUESTED, World

from deid.errors import DeidError, KeyFaultError
from deid.export import export
from deid.keys import make_provider
from deid.keys.base import KeyProvider
from deid.keys.shredding import shred_release
from deid.opening import open_release

GUARDED = {"create_guard", "wrap_under", "unwrap_under", "destroy_guard", "guards"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site, whose key provider each test exchanges."""
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module", params=SCHEMES)
def provider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> KeyProvider:
    """A provider of every scheme."""
    return fresh(request.param, tmp_path_factory.mktemp("keys"), "site", request)


def under(world: World, provider: Any, folder: Path) -> TestSite:
    """Return the site with another provider, and state and releases of its own."""
    site = replace(world.site.site, state=folder / "state", releases=folder / "releases")
    return replace(world.site, provider=provider, site=site)


def test_a_release_asks_little_of_its_provider(world: World, provider: KeyProvider, tmp_path: Path) -> None:
    """Whatever the number of files: one guard key, a wrap and its proof for each group and the manifest key."""
    counting = Counting(provider)
    site = under(world, counting, tmp_path)
    request = world.request(world.source(), REQUESTED, profile="columns")
    done = site.run(request, name="r1")
    groups = 6  # five families of kinds, and the footer
    assert {name: n for name, n in counting.calls.items() if name in GUARDED} == {
        "create_guard": 1, "wrap_under": groups + 1, "unwrap_under": groups + 1,
    }  # fmt: skip
    assert counting.calls["cmac"] == 2  # patients and encounters
    assert counting.calls["subkey"] <= 8  # crosswalk, ledger, digests and the like: once a run each
    counting.calls.clear()
    opened = open_release(done.folder, [site.researcher], provider=counting)
    tables = {table: opened.read(table) for table in opened.tables}
    assert sum(table.num_rows for table in tables.values()) == 6
    assert counting.calls == {"unwrap_under": groups}


def test_pseudonyms_hold_across_releases_and_providers_differ(
    world: World, provider: KeyProvider, tmp_path: Path
) -> None:
    """Two releases of a series give a patient one pseudonym, wherever its key lives; a shred leaves the other one."""
    site = under(world, provider, tmp_path)
    request = world.request(world.source(), REQUESTED, profile="columns")
    done = [site.run(request, name=name) for name in ("r1", "r2")]

    def patients(folder: Path) -> set[str]:
        opened = open_release(folder, [site.researcher], provider=provider)
        return set(opened.read("patients").column("ID").to_pylist())

    first = patients(done[0].folder)
    assert patients(done[1].folder) == first
    assert len(first) == 2
    shred_release(provider, f"{request.stem}.r1")
    with pytest.raises(KeyFaultError, match="guard key"):
        patients(done[0].folder)
    assert patients(done[1].folder) == first


@pytest.mark.parametrize("failing", ["subkey", "cmac", "create_guard", "wrap_under", "unwrap_under"])
def test_a_provider_that_refuses_stops_the_run(
    world: World, provider: KeyProvider, tmp_path: Path, failing: str
) -> None:
    """Revoked at any moment of the run, the fault is the provider's, and no release, file or guard key is left."""
    before = provider.guards()
    site = under(world, Counting(provider, failing=failing), tmp_path)
    request = world.request(world.source(), REQUESTED, profile="columns")
    with pytest.raises(KeyFaultError, match="denied"):
        site.run(request, name="r1")
    assert site.leftovers() == []
    assert not list(tmp_path.glob("releases/*/r1"))
    assert not list(tmp_path.rglob("*.parquet"))
    assert provider.guards() == before


def test_a_release_that_is_not_published_keeps_no_guard_key(
    world: World, provider: KeyProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the run fails after keys.json was made, the guard key that protects nothing is destroyed."""
    before = provider.guards()
    site = under(world, provider, tmp_path)
    request = world.request(world.source(), REQUESTED, profile="columns")

    def fail(*_: object) -> None:
        raise DeidError("the disk is full", hint="make room")

    monkeypatch.setattr("deid.release.documents.check_envelope", fail)
    with pytest.raises(DeidError, match="disk is full"):
        site.run(request, name="r1")
    assert provider.guards() == before


@pytest.mark.live
def test_a_key_service_that_dies_in_the_middle_of_a_run_stops_it(
    world: World,
    moto: object,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Killed while rows are written, the service is one clear fault, and nothing was published or is left."""
    with moto_server() as server:
        provider = make_provider(server.uri("dies", timeout=1), lambda: PIN)
        site = under(world, provider, tmp_path)
        plan = site.plan(world.request(world.source(), REQUESTED, profile="columns"), name="r1")

        def kill(what: str, rows: int) -> None:
            server.process.kill()
            server.process.wait()

        with pytest.raises(KeyFaultError, match="could not") as caught:
            export(plan, site.site, provider, progress=kill)
        assert "nothing was published" in caught.value.hint
    assert site.leftovers() == []
    assert not list(tmp_path.rglob("*.parquet"))
