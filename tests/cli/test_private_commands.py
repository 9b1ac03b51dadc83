"""The command line where secrets and trust meet a person: passphrase files, recalls, statements, what is claimed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sites import PASSPHRASE
from tiny_sources import REQUESTED, SAFE, World

from deid.cli.common import MAX_PASSPHRASE, passphrase
from deid.errors import KeyFaultError
from deid.keys.recipients import generate_identity

NEXT_YEAR = str((datetime.now(UTC) + timedelta(days=365)).date())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("cli") / "site")


def deid(world: World, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `deid` as a process of its own, under the site's passphrase unless the environment given says another way."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("DEID_")}
    known |= {"DEID_SITE": str(world.folder / "site.yaml")} | (environment or {"DEID_PASSPHRASE": PASSPHRASE.decode()})
    command = [sys.executable, "-m", "deid", *map(str, arguments)]
    return subprocess.run(
        command, env=known, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )


def passphrase_file(path: Path, data: bytes, mode: int = 0o600) -> Path:
    """Write a passphrase file of some mode."""
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_passphrase_file_that_others_may_read_is_refused(world: World, tmp_path: Path, mode: int) -> None:
    """The passphrase opens the keys, so its file is held to the rule of the key files."""
    file = passphrase_file(tmp_path / "passphrase", PASSPHRASE, mode)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEID_PASSPHRASE_FILE", str(file))
        with pytest.raises(KeyFaultError, match="DEID_PASSPHRASE_FILE: passphrase may be read by others") as caught:
            passphrase("the site's keys")()
        assert "chmod 600" in caught.value.hint
        file.chmod(0o400)
        assert passphrase("the site's keys")() == PASSPHRASE


@pytest.mark.parametrize(
    ("made", "pattern"),
    [
        (lambda path: path.symlink_to("nowhere"), "cannot read passphrase"),
        (lambda path: path.mkdir(), "cannot read passphrase"),
        (lambda path: passphrase_file(path, b"x" * (MAX_PASSPHRASE + 1)), "larger than"),
        (lambda path: path.symlink_to("/dev/null"), "not a file"),
    ],
)
def test_what_is_no_passphrase_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Any, pattern: str
) -> None:
    """A wrong path is told as what it is, with the variable that named it."""
    made(tmp_path / "passphrase")
    monkeypatch.setenv("DEID_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    with pytest.raises(KeyFaultError, match=f"DEID_PASSPHRASE_FILE: .*{pattern}"):
        passphrase("the site's keys")()


def test_a_passphrase_file_is_read_as_typed(world: World, tmp_path: Path) -> None:
    """One line end at its end is an editor's, not the passphrase's; a second one is part of it."""
    officer, policy = world.folder / "keys" / "officer.key", world.named_policy(SAFE)
    for data, code in ((PASSPHRASE + b"\n", 0), (PASSPHRASE + b"\r\n", 0), (PASSPHRASE + b"\n\n", 15), (b"\n", 15)):
        file = passphrase_file(tmp_path / "passphrase", data)
        ended = deid(world, "policy", "sign", policy, "--key", officer, DEID_PASSPHRASE_FILE=str(file))
        assert ended.returncode == code, ended.stderr


def test_verify_claims_no_more_than_it_proves_and_a_recall_stops_it(world: World, tmp_path: Path) -> None:
    """With a key integrity is proven and the sender is not; a recalled release is neither verified nor converted."""
    request = world.request(world.source(), REQUESTED, expires=NEXT_YEAR)
    folder, key = world.site.run(request).folder, world.site.researcher
    shown = deid(world, "verify", folder, "--key", key)
    assert shown.returncode == 0, shown.stderr
    assert "integrity proven by the key; who sent it is not" in shown.stdout
    assert "digests only" in deid(world, "verify", folder).stdout
    found = json.loads(deid(world, "verify", folder, "--key", key, "--json").stdout)
    assert (found["sound"], found["integrity_proven"], found["sender_proven"]) == (True, True, False)
    (folder / "RECALLED.json").write_text("{}")
    to_csv = ("open", folder, "--key", key, "--to", "csv", "--out", tmp_path / "out")
    for command in (("verify", folder), ("verify", folder, "--key", key), ("open", folder, "--key", key), to_csv):
        ended = deid(world, *command)
        assert (ended.returncode, ended.stdout) == (16, "")
        assert "recalled" in ended.stderr
        assert "do not use the data" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_attest_shows_whose_keys_it_binds(world: World, tmp_path: Path) -> None:
    """The officer sees the keys that the statement is about, and the run refuses any other."""
    generate_identity(tmp_path / "one.key", tmp_path / "one.pub", None)
    generate_identity(tmp_path / "two.key", tmp_path / "two.pub", None)
    recipients = [str(tmp_path / "one.pub")]
    request = world.request(world.source(), REQUESTED, policy=SAFE, expires=NEXT_YEAR, recipients=recipients)
    signed = deid(world, "request", "attest", request, "--key", world.folder / "keys" / "officer.key")
    assert signed.returncode == 0, signed.stderr
    assert (tmp_path / "one.pub").read_text().strip() in signed.stdout
    (tmp_path / "one.pub").write_bytes((tmp_path / "two.pub").read_bytes())
    ended = deid(world, "export", request)
    assert ended.returncode == 14
    assert "recipients' keys" in ended.stderr
