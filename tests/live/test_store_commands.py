"""`deid deliver`, `deid stores`, and the commands that read a release from a store, as somebody types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sites import PASSPHRASE
from stores import Fault, Store, store  # noqa: F401  # a fixture
from tiny_sources import REQUESTED, World

from deid.audit.events import EventKind
from deid.audit.log import AuditLog
from deid.audit.site import audit_folder
from deid.cli import main
from deid.release.manifest import MANIFEST, RECALL

pytestmark = pytest.mark.live


class Ended(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Deid = Callable[..., Ended]


@pytest.fixture
def deid(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Deid]:
    """Return a function that runs `deid` in this process, in a site's folder."""
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    def run(folder: Path, *arguments: str | Path) -> Ended:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("DEID_PASSPHRASE", PASSPHRASE.decode())
        monkeypatch.setattr(sys, "argv", ["deid", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *capfd.readouterr())

    yield run
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a site with release r1 of request `study`."""
    world = World(tmp_path_factory.mktemp("stores") / "site")
    world.site.run(world.request(world.source(), REQUESTED, request="study"), name="r1")
    return world


def test_a_release_is_delivered_and_read_where_it_lies(store: Store, site: World, deid: Deid, tmp_path: Path) -> None:  # noqa: F811
    """Delivered, listed, verified, opened and attacked by its place; the log tells where it went."""
    there = f"s3://{(bucket := store.bucket())}/out"
    release = f"{there}/study/r1"
    done = deid(site.folder, "deliver", "study.yaml", "r1", there, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["place"] == release
    again = deid(site.folder, "deliver", "study.yaml", "r1", there)
    assert "0 of them sent now" in again.stdout
    listed = json.loads(deid(site.folder, "stores", "list", there, "--json").stdout)
    assert [(one["release"], one["is_whole"]) for one in listed] == [("study/r1", True)]
    verified = deid(site.folder, "verify", release, "--key", "researcher.key", "--json")
    assert json.loads(verified.stdout)["sound"]
    opened = deid(site.folder, "open", release, "--key", "researcher.key", "--to", "csv", "--out", tmp_path / "clear")
    assert opened.returncode == 0, opened.stderr
    assert list((tmp_path / "clear").rglob("*.csv"))
    attacked = deid(
        site.folder, "attack", release, "--identity", "researcher.key", "--request", "study.yaml",
        "--targets", "1", "--only", "parrot", "--json",
    )  # fmt: skip
    assert json.loads(attacked.stdout)["release"] == "study.r1", attacked.stderr
    key = site.site.provider.subkey("audit")
    told: list[tuple[str, str]] = []

    def seen(entry: object, _hash: str) -> None:
        if (kind := getattr(entry, "kind")) in {EventKind.DELIVERY_STARTED, EventKind.RELEASE_DELIVERED}:  # noqa: B009
            told.append((kind, getattr(entry, "details")["place"]))  # noqa: B009

    AuditLog.open(audit_folder(site.site.site), key=key).verify(seen=seen)
    assert told == [(EventKind.DELIVERY_STARTED, release), (EventKind.RELEASE_DELIVERED, release)] * 2
    notice = site.site.site.releases / "study" / "r1" / RECALL
    notice.write_text("{}")
    recalled = deid(site.folder, "deliver", "study.yaml", "r1", there, "--json")
    notice.unlink()
    store.client.delete_object(Bucket=bucket, Key=f"out/study/r1/{RECALL}")
    assert json.loads(recalled.stdout) == {"recalled": True}
    store.put(bucket, "out/study/r1/report.html", b"")
    damaged = deid(site.folder, "verify", release)
    assert damaged.returncode == 16
    assert "report.html" in damaged.stderr


def test_what_cannot_be_delivered_is_told_with_its_exit_code(store: Store, site: World, deid: Deid) -> None:  # noqa: F811
    """A place that is none, a bucket that is not there, a release that is not there, and a half-delivered one."""
    assert deid(site.folder, "deliver", "study.yaml", "r1", "s3://me:hunter2@bucket").returncode == 11
    absent = deid(site.folder, "deliver", "study.yaml", "r1", "s3://deid-no-such-bucket")
    assert absent.returncode == 22
    assert "no such bucket" in absent.stderr
    there = f"s3://{(bucket := store.bucket())}"
    assert deid(site.folder, "deliver", "study.yaml", "r9", there).returncode == 16
    assert store.keys(bucket) == []
    store.put(bucket, "study/r1/codebook.md", b"half")
    half = deid(site.folder, "verify", f"{there}/study/r1")
    assert half.returncode == 16
    assert "half-delivered" in half.stderr
    assert deid(site.folder, "stores", "clean", there, "study", "r1").returncode == 16
    assert deid(site.folder, "stores", "clean", there, "study", "r1", "--at-once").returncode == 0
    assert store.keys(bucket) == []


@pytest.mark.parametrize("put", [2, *(pytest.param(at, marks=pytest.mark.long) for at in (0, 1, 3, 5, 7, 9, 11))])
def test_a_delivery_that_is_killed_is_resumed(store: Store, site: World, deid: Deid, put: int) -> None:  # noqa: F811
    """Kill -9 while the store writes: no release, or a whole one; the same command then sends what is missing, once."""
    bucket = store.bucket()
    command = [sys.executable, "-m", "deid", "deliver", "study.yaml", "r1", f"s3://{bucket}/out"]
    environment = os.environ | {"DEID_PASSPHRASE": PASSPHRASE.decode()}
    child: list[subprocess.Popen[bytes]] = []
    met: list[str] = []

    def kill(method: str, path: str, _number: int) -> Fault | None:
        met.extend([path] if method == "PUT" else [])
        is_due = method == "PUT" and (len(met) == put or (put == 0 and path.endswith(MANIFEST)))
        return Fault(then=child[0].kill) if is_due else None

    with store.failing(kill):
        child.append(subprocess.Popen(command, cwd=site.folder, env=environment, stderr=subprocess.DEVNULL))
        assert child[0].wait(60) == -signal.SIGKILL
    before = store.keys(bucket)
    whole = f"out/study/r1/{MANIFEST}" in before
    assert whole == (put == 0)
    assert (deid(site.folder, "verify", f"s3://{bucket}/out/study/r1").returncode == 0) == whole
    done = json.loads(deid(site.folder, "deliver", "study.yaml", "r1", f"s3://{bucket}/out", "--json").stdout)
    assert done["sent"] == done["objects"] - len(before)
    assert len(store.keys(bucket)) == done["objects"]
    assert deid(site.folder, "verify", f"s3://{bucket}/out/study/r1", "--key", "researcher.key").returncode == 0
