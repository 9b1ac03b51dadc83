"""`deid recall` as an officer, a site and a recipient type it."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

from click.testing import CliRunner, Result
from recalling import HOW, WHY, Recalling
from sites import PASSPHRASE

from deid.cli import cli
from deid.errors import DeidError


class Typed:
    """A site with two releases, and what somebody types in its folder."""

    def __init__(self, folder: Path) -> None:
        self.made = Recalling(folder)
        self.folder = folder
        self.request = self.made.request(profile="columns")
        self.first, self.second = self.made.export(self.request, "r1", "r2")
        self.series = self.first.parent.name

    def well(self, *arguments: str | Path) -> str:
        """Run `deid`, which has to go well, and return what it prints."""
        done = self._run(*arguments)
        assert done.exception is None, done.exception
        return done.stdout

    def badly(self, code: int, *arguments: str | Path) -> str:
        """Run `deid`, which has to be refused with an exit code, and return what it says."""
        fault = self._run(*arguments).exception
        assert isinstance(fault, DeidError), fault
        assert fault.exit_code == code
        return fault.message

    def _run(self, *arguments: str | Path) -> Result:
        with contextlib.chdir(self.folder):
            return CliRunner().invoke(cli, list(map(str, arguments)), env={"DEID_PASSPHRASE": PASSPHRASE.decode()})


def test_a_release_is_recalled_from_draft_to_certificate(tmp_path: Path) -> None:
    """Drafted, signed, carried out; then every way back in is refused, the recipient certifies, and the list tells it."""
    typed = Typed(tmp_path / "site")
    copy = Path(shutil.copytree(typed.second, tmp_path / "copy"))
    name = f"{typed.series}/r1"
    words = ["--reason", "disclosure", "--why", WHY, "--ask", "Recipient", "--name", "gone", "--out", "notice.json"]
    assert "r2  columns, derived" in typed.well("recall", "draft", name, *words)
    assert "not signed" in typed.badly(14, "recall", "run", "notice.json", "--yes")
    typed.well("recall", "sign", "notice.json", "--key", "keys/officer.key", "--yes")
    told = typed.well("recall", "run", "notice.json", "--yes")
    assert "shredded r1: 1 guard keys" in told
    assert "shredded r2: 1 guard keys" in told

    for release in (typed.second, copy):
        for command in (["open"], ["verify"], ["attack", "--request", typed.request.name]):
            refused = typed.badly(16, command[0], release, *command[1:], *(["--with-site"] * (len(command) == 1)))
            assert "was recalled" in refused
    assert "was recalled" in typed.badly(16, "verify", typed.second)
    assert "stands still" in typed.badly(16, "export", typed.request.name, "--release", "r3")
    assert "signed by Officer" in typed.well("recall", "check", typed.first / "RECALLED.json", "--trust", "trust.yaml")

    made = ["--recipient", "researcher.pub", "--on", "2026-11-01", "--how", HOW, "--out", "destroyed.json"]
    asked = typed.badly(14, "recall", "destroyed", "notice.json", "--key", "keys/other.key", *made)
    assert "does not ask" in asked
    typed.well("recall", "destroyed", "notice.json", "--key", "keys/recipient.key", *made)
    assert "2 releases certified destroyed" in typed.well("recall", "certify", "destroyed.json")
    listed = typed.well("recall", "list")
    assert f"outcomes, key {typed.made.fingerprint[:16]}" in listed
    assert f"{name}: columns, keys destroyed, recalled by gone, certified destroyed 2026-11-01" in listed
    held = json.loads(typed.well("recall", "list", "--json"))["holdings"]
    assert {(one["release"], one["keys"], one["recall"]) for one in held} == {
        ("r1", "destroyed", "gone"),
        ("r2", "destroyed", "gone"),
    }

    word = ["--policy", "policies/limited-data-set.yaml", "--how", HOW]
    assert "may not say" in typed.badly(14, "recall", "resume", "gone", "--key", "keys/recipient.key", *word)
    typed.well("recall", "resume", "gone", "--key", "keys/officer.key", *word)
    typed.well("export", typed.request.name, "--release", "r3")
    assert "recalled gone" in typed.well("recall", "finish")
    assert typed.well("audit", "verify")


def test_keys_of_a_copy_are_not_handed_out(tmp_path: Path) -> None:
    """`deid keys unwrap` refuses a copy of a release that is marked, though its notice does not lie there."""
    typed = Typed(tmp_path / "site")
    copy = Path(shutil.copytree(typed.first, tmp_path / "copy"))
    group = next(iter(json.loads((copy / "keys.json").read_bytes())["groups"]))
    assert typed.well("keys", "unwrap", copy, group)
    typed.made.recall(typed.first)
    assert "was recalled by" in typed.badly(16, "keys", "unwrap", copy, group)
