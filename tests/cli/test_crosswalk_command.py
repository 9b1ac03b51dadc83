"""`deid crosswalk` and `deid reidentify` as somebody types them."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from reidentifying import WHY, Officers
from sites import PASSPHRASE
from tiny_sources import SAFE, SENTINELS

from deid.audit.site import site_log
from deid.errors import StorageError
from deid.reidentify.order import load_order


class Typed:
    """A site with a release under random pseudonyms, and what somebody types in its folder."""

    def __init__(self, folder: Path) -> None:
        self.officers = Officers(folder)
        self.folder = folder
        self.request, self.done = self.officers.release(policy=SAFE)
        self.name = f"{self.done.folder.parent.name}/{self.done.folder.name}"
        self.given = self.officers.pseudonyms(self.done)

    def deid(self, *arguments: str | Path, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
        """Run `deid` in the site's folder."""
        return subprocess.run(
            [sys.executable, "-m", "deid", *map(str, arguments)],
            cwd=self.folder,
            env=os.environ | {"DEID_PASSPHRASE": PASSPHRASE.decode()},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    def kinds(self) -> list[str]:
        """The kinds of entries of the audit log, oldest first."""
        found: list[str] = []
        site = self.officers.site
        site_log(site.site, site.provider).verify(seen=lambda entry, _: found.append(entry.kind))
        return found

    def at_a_terminal(self, *arguments: str | Path) -> str:
        """Run `deid` with a terminal as its standard output, and return what is read there."""
        ours, theirs = pty.openpty()
        try:
            done = self.deid(*arguments, stdout=theirs)
            assert done.returncode == 0, done.stderr
            return os.read(ours, 65536).decode()
        finally:
            os.close(ours)
            os.close(theirs)


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    """One site for all of it."""
    return Typed(tmp_path_factory.mktemp("typed") / "site")


def test_a_lost_crosswalk_comes_back_from_a_copy(typed: Typed, tmp_path: Path) -> None:
    """Verified, copied, lost, refused, restored: each says what it did, and the log has copy and restore."""
    sound = typed.deid("crosswalk", "verify")
    assert sound.stdout.startswith("sound: generation 1, 4 entries\n")
    copied = typed.deid("crosswalk", "export", tmp_path / "copy", "--json")
    assert json.loads(copied.stdout)["generation"] == 1
    shutil.rmtree(typed.folder / "state" / "crosswalk")
    lost = typed.deid("crosswalk", "verify")
    assert lost.returncode == 19
    assert typed.deid("crosswalk", "restore", tmp_path / "copy").returncode == 130  # nobody has said yes
    restored = typed.deid("crosswalk", "restore", tmp_path / "copy", "--yes")
    assert restored.stdout == "restored: generation 1, 4 entries\n"
    assert typed.kinds()[-2:] == ["crosswalk-exported", "crosswalk-restored"]


def test_an_old_folder_is_known_to_the_log(typed: Typed, tmp_path: Path) -> None:
    """Folder and remembered head put back together: the log knows the generation that a run has used, and says so."""
    state = typed.folder / "state"

    def copied(from_: Path, to: Path) -> None:
        shutil.rmtree(to / "crosswalk", ignore_errors=True)
        shutil.copytree(from_ / "crosswalk", to / "crosswalk")
        shutil.copy(from_ / "crosswalk.head", to / "crosswalk.head")

    copied(state, tmp_path)
    typed.officers.release(policy=SAFE)  # another request: its patients come to the crosswalk
    copied(tmp_path, state)
    with pytest.raises(StorageError, match="2 is known to exist"):
        typed.officers.release(policy=SAFE)
    found = typed.deid("crosswalk", "verify")
    assert (found.returncode, "the audit log knows 2" in found.stderr) == (19, True)
    typed.deid("crosswalk", "restore", "--generation", "1", "--older", "--yes")
    typed.officers.release(policy=SAFE)


def test_a_pseudonym_is_led_back_at_a_terminal_alone(typed: Typed) -> None:
    """Drafted, signed by two, checked, and answered to a terminal; a pipe, a file and one signature get nothing."""
    order = typed.folder / "safety.yaml"
    pseudonym = typed.given["SENTINEL-PAT-1"]
    draft = ("reidentify", "draft", typed.name, pseudonym, "--reason", "patient-safety", "--why", WHY)
    assert typed.deid(*draft, "--answer", "terminal", "--out", order).returncode == 0
    assert order.stat().st_mode & 0o077 == 0
    run = ("reidentify", "run", order, "--request", typed.request)
    typed.officers.sign(load_order(order), typed.officers.officer)
    assert typed.deid("reidentify", "check", order).returncode == 14
    steward = typed.folder / "keys" / "steward.key"
    assert typed.deid("reidentify", "sign", order, "--key", steward, "--yes").returncode == 0
    checked = typed.deid("reidentify", "check", order)
    assert "holds: signed by" in checked.stdout
    assert WHY in checked.stdout
    refused = typed.deid(*run)
    assert (refused.returncode, refused.stdout) == (15, "")
    assert not any(text in refused.stderr for text in (*SENTINELS, pseudonym))
    assert "reidentified" not in typed.kinds()
    assert typed.at_a_terminal(*run).split() == [pseudonym, "SENTINEL-PAT-1"]
    assert typed.kinds()[-1] == "reidentified"


def test_a_list_is_answered_into_a_sealed_file(typed: Typed) -> None:
    """What is printed names no patient, and without a new file to write nothing is done."""
    key = typed.officers.site.researcher.with_suffix(".pub").read_text().strip()
    order, out = typed.officers.order(typed.done, list(typed.given.values()), answer=key), typed.folder / "answer.age"
    run = ("reidentify", "run", typed.officers.sign(order).path, "--request", typed.request)
    assert typed.deid(*run).returncode == 15
    done = typed.deid(*run, "--out", out)
    assert (done.stdout, done.stderr) == (f"wrote {out}: 2 of 2 found; only the reader's key opens it\n", "")
    assert b"SENTINEL" not in out.read_bytes()
    read = ("reidentify", "read", out, "--identity", typed.officers.site.researcher)
    piped = typed.deid(*read)
    assert (piped.returncode, piped.stdout) == (15, "")
    assert dict(line.split() for line in typed.at_a_terminal(*read).splitlines()) == {
        pseudonym: who for who, pseudonym in typed.given.items()
    }
