"""`deid keys` as a person types it: lists, checks, rotates, shreds, and hands a key to a pipe."""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from key_services import PIN, make_token, softhsm
from sites import PASSPHRASE
from tiny_sources import REQUESTED, World

from deid.cli import cli
from deid.errors import DeidError, KeyFaultError, ReleaseError
from deid.keys.keys_file import open_kek
from deid.keys.shredding import read_keys
from deid.opening import open_release


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A site with two `columns` releases of one series, a portable one, and one of another series."""
    world = World(tmp_path / "site")
    source = world.source()
    for name, fields in (
        ("study", {"profile": "columns"}),
        ("other", {"profile": "columns"}),
        ("plain", {}),
    ):
        request = world.request(source, REQUESTED, request=name, **fields)
        for release in ("r1", "r2") if name == "study" else ("r1",):
            world.site.run(request, name=release)
    return world


def process(folder: Path, *arguments: str, code: int = 0, **more: Any) -> str:
    """Run `deid keys` in a process of its own, check its exit code, and return what it printed."""
    environment = {**os.environ, "DEID_PASSPHRASE": PASSPHRASE.decode(), **more.pop("environment", {})}
    command = [sys.executable, "-m", "deid", "keys", *arguments]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, **more)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def deid(folder: Path, *arguments: str, fault: type[DeidError] | None = None) -> str:
    """Run `deid keys` in this process; return what it printed, or what the fault that it ends in says."""
    command = ["keys", *arguments]
    if arguments[0] != "unwrap":
        command += ["--site", str(folder / "site.yaml")]
    ended = CliRunner().invoke(cli, command, env={"DEID_PASSPHRASE": PASSPHRASE.decode()})
    if fault is not None:
        assert isinstance(ended.exception, fault), ended.output
        return str(ended.exception)
    assert ended.exit_code == 0, ended.output + repr(ended.exception)
    return ended.output


def test_keys_through_their_life(world: World) -> None:
    """Listed and checked, rotated, shredded one and then the series, checked again: each says what stands."""
    listed = json.loads(deid(world.folder, "list", "--json"))
    assert [guard["release"] for guard in listed["guards"]] == ["study.r1", "study.r2", "other.r1"]
    assert {guard["series"] for guard in listed["guards"]} == {"study/outcomes", "other/outcomes"}
    assert deid(world.folder, "check").count(": opens") == 3
    assert deid(world.folder, "rotate", "study").count("new guard key") == 2
    after = json.loads(deid(world.folder, "list", "--json"))
    assert len(after["guards"]) == 3
    assert len({guard["id"] for guard in [*listed["guards"], *after["guards"]]}) == 5
    told = deid(world.folder, "shred", "release", "study", "r1", "--yes")
    assert "backup of the key file" in told
    assert "opened or converted before" in told
    checked = deid(world.folder, "check")
    assert "study.r1: no guard key: shredded, or lost" in checked
    assert "study.r2: opens" in checked
    deid(world.folder, "shred", "series", "study", "outcomes", "--yes")
    assert "other.r1: opens" in deid(world.folder, "check")
    assert deid(world.folder, "rotate").count("left alone") == 2
    assert "no guard key" in deid(world.folder, "shred", "series", "study", "outcomes", "--yes", fault=KeyFaultError)
    opened = open_release(world.site.site.releases / "other" / "r1", [], provider=world.site.provider)
    assert opened.read("patients").num_rows == 2


def test_a_portable_release_is_not_shredded(world: World) -> None:
    """It is refused, with what can be done instead, and nothing was destroyed."""
    assert "deid recall" in deid(world.folder, "shred", "release", "plain", "r1", "--yes", fault=ReleaseError)
    assert len(json.loads(deid(world.folder, "list", "--json"))["guards"]) == 3


def test_nothing_is_shredded_without_a_yes(world: World) -> None:
    """Without the option, and without a person who agrees, every guard key stands."""
    command = ["keys", "shred", "release", "study", "r1", "--site", str(world.folder / "site.yaml")]
    for typed in ("n\n", ""):
        ended = CliRunner().invoke(cli, command, input=typed, env={"DEID_PASSPHRASE": PASSPHRASE.decode()})
        assert ended.exit_code == 1
    assert len(json.loads(deid(world.folder, "list", "--json"))["guards"]) == 3


def test_a_group_key_goes_into_a_pipe_and_never_to_a_terminal(world: World) -> None:
    """The line holds release, KEK id and KEK; a terminal, an unknown group, a recalled release are refused."""
    folder = world.site.site.releases / "study" / "r1"
    release, kek, key = process(world.folder, "unwrap", str(folder), "footer").split()
    expected = open_kek(world.site.provider, read_keys(folder), "footer")
    assert (release, kek, base64.b64decode(key)) == ("study.r1", expected.id, expected.key)
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "deid", "keys", "unwrap", str(folder), "footer"]
    environment = {**os.environ, "DEID_PASSPHRASE": PASSPHRASE.decode()}
    ended = subprocess.run(
        command, cwd=world.folder, env=environment, stdout=terminal, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(terminal)
    os.close(main)
    assert ended.returncode == 15
    assert "terminal" in ended.stderr
    site = ["--site", str(world.folder / "site.yaml")]
    assert "no key of the column group" in deid(world.folder, "unwrap", str(folder), "x", *site, fault=KeyFaultError)
    (folder / "RECALLED.json").write_text("{}")
    assert "recalled" in deid(world.folder, "unwrap", str(folder), "footer", *site, fault=ReleaseError)


def test_a_passphrase_comes_from_an_open_descriptor(world: World) -> None:
    """DEID_PASSPHRASE_FD goes before the rest; one that is not open, empty or no number is a key fault."""
    for given, code in ((PASSPHRASE, 0), (b"", 15)):
        read, write = os.pipe()
        os.write(write, given)
        os.close(write)
        environment = {"DEID_PASSPHRASE_FD": str(read), "DEID_PASSPHRASE": "wrong as well"}
        process(world.folder, "list", code=code, environment=environment, pass_fds=(read,))
        os.close(read)
    for number in ("77",):
        process(world.folder, "list", code=15, environment={"DEID_PASSPHRASE_FD": number})


@pytest.mark.live
def test_a_site_with_a_token_is_made_and_checked(tmp_path: Path) -> None:
    """`generate site` takes a token's URI, the PIN comes from the environment, and neither output nor site holds it."""
    environment = make_token(tmp_path) | {"DEID_PASSPHRASE": PIN.decode()}
    uri = f"pkcs11:token=deid;object=site?module-path={softhsm()}"
    made = process(tmp_path, "generate", "site", uri, environment=environment)
    (tmp_path / "site.yaml").write_text(f"site: test\nkeys: {uri}\ntrust: trust.yaml\n")
    checked = process(tmp_path, "check", environment=environment)
    assert "wraps and unwraps" in checked
    assert "never overwritten" in process(tmp_path, "generate", "site", uri, environment=environment, code=15)
    process(tmp_path, "generate", "site", f"{uri}&pin-value={PIN.decode()}", environment=environment, code=15)
    assert PIN.decode() not in made + checked
