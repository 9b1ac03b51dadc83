"""`deid audit` as somebody types it."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from audit_logs import event
from sites import PASSPHRASE, TEST_SCRYPT_N, make_site
from tiny_sources import World

from deid.audit import EventKind
from deid.audit.site import audit_folder, site_log
from deid.cli import main
from deid.keys.officers import generate_signing_key
from deid.papers.trust import add_person


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that signs, with some entries."""
    folder = tmp_path_factory.mktemp("audit") / "site"
    site = make_site(folder)
    generate_signing_key(folder / "keys" / "site-signing.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    add_person(folder / "trust.yaml", name="Site", role="site", key=folder / "keys" / "site-signing.pub")
    path = folder / "site.yaml"
    path.write_text(path.read_text() + "signing: file:keys/site-signing.key\n")
    site_log(site.site, site.provider).append_all([event(number) for number in (0, 1, 3, 2)])
    return folder


class Ended(NamedTuple):
    """How the command ended."""

    returncode: int
    stdout: str
    stderr: str


Deid = Callable[..., Ended]


@pytest.fixture
def deid(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Deid]:
    """Return a function that runs `deid` in this process, in a site's folder."""
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    def run(folder: Path, *arguments: str | Path, command: str = "audit") -> Ended:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("DEID_PASSPHRASE", PASSPHRASE.decode())
        monkeypatch.setattr(sys, "argv", ["deid", command, *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *capfd.readouterr())

    yield run
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
        signal.signal(number, handler)


def test_entries_are_shown_by_kind_subject_and_time(deid: Deid, made: Path) -> None:
    """Filters narrow what is shown; an instant before that of the entry above is marked."""
    everything = deid(made, "show").stdout.splitlines()
    assert len(everything) == 5
    assert [line.split()[2] for line in everything] == ["log-begun"] + ["release-verified"] * 4
    assert [("<" in line) for line in everything] == [False, True, False, False, True]
    shown = json.loads(deid(made, "show", "--kind", "release-verified", "--subject", "study/r3", "--json").stdout)
    assert [entry["n"] for entry in shown] == [4]
    within = deid(made, "show", "--since", "2026-11-01T08:01:00", "--until", "2026-11-01T08:03:00", "--json")
    assert [entry["n"] for entry in json.loads(within.stdout)] == [3, 5]
    assert [entry["n"] for entry in json.loads(deid(made, "show", "--last", "2", "--json").stdout)] == [4, 5]
    assert deid(made, "show", "--subject", "stud").stdout == "no such entry\n"
    assert deid(made, "show", "--kind", "nothing").returncode == 2


def test_a_whole_log_and_its_receipt_are_confirmed_and_a_damaged_one_is_refused(
    deid: Deid, made: Path, tmp_path: Path
) -> None:
    """A receipt is made, holds, and finds what was cut; a changed byte exits with 21; renewing goes on."""
    folder = tmp_path / "site"
    shutil.copytree(made, folder)
    receipt = tmp_path / "kept.json"
    done = deid(folder, "receipt", "--out", str(receipt))
    assert (done.returncode, done.stderr) == (0, "")
    old = tmp_path / "old"
    shutil.copytree(folder / "state", old)
    whole = deid(folder, "verify", "--receipt", str(receipt))
    assert whole.returncode == 0
    assert whole.stdout.startswith("whole: 6 entries, 1 segments, numbers, chain, tags; 1 receipts")
    assert "note: the clock went back at entries 2, 5" in whole.stdout
    told = json.loads(deid(folder, "verify", "--chain-only", "--json").stdout)
    assert (told["head"]["entries"], told["is_tagged"]) == (6, False)

    shutil.rmtree(folder / "state")
    shutil.copytree(made / "state", folder / "state")
    assert deid(folder, "verify").returncode == 0
    cut = deid(folder, "verify", "--receipt", str(receipt))
    assert cut.returncode == 0  # the receipt is of entry 5, which is there

    shutil.rmtree(folder / "state")
    old.rename(folder / "state")
    (segment,) = (folder / "state" / "audit").glob("segment-*")
    segment.write_bytes(segment.read_bytes().replace(b'"passed"', b'"failed"', 1))
    for command in (["verify"], ["verify", "--chain-only"], ["show"], ["receipt", "--out", str(tmp_path / "x")]):
        refused = deid(folder, *command)
        assert refused.returncode == 21, command
        assert refused.stderr.startswith("error: the audit log was edited: entry ")
    renewed = deid(folder, "renew", "--yes")
    assert (renewed.returncode, renewed.stderr) == (0, "")
    assert deid(folder, "verify").returncode == 0
    assert deid(folder, "verify", "--receipt", str(receipt)).returncode == 21


def test_a_site_without_a_log_or_key_says_so(deid: Deid, tmp_path: Path) -> None:
    """Nothing is made by asking, and a receipt needs a key that the trust root names."""
    site = make_site(tmp_path / "site")
    missing = deid(site.folder, "show")
    assert (missing.returncode, missing.stdout) == (21, "")
    assert not audit_folder(site.site).exists()
    assert deid(site.folder, "receipt", "--out", "x").returncode == 15
    generate_signing_key(site.folder / "own.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    (site.folder / "site.yaml").write_text((site.folder / "site.yaml").read_text() + "signing: file:own.key\n")
    assert deid(site.folder, "receipt", "--out", "x").returncode == 14


def kinds_of(folder: Path, deid: Deid) -> list[tuple[str, str]]:
    """Return kinds and subjects of the entries of a site."""
    return [(entry["kind"], entry["subject"]) for entry in json.loads(deid(folder, "show", "--json").stdout)]


def test_what_the_site_does_with_a_release_is_entered(deid: Deid, tmp_path: Path) -> None:
    """Export, verification and opening with the site's keys, rotation and shredding each leave their entry."""
    world = World(tmp_path / "site")
    folder = world.site.folder
    dataset = world.source_of({"patients": "ID SEX"}, {"patients": {"ID": "patient_id", "SEX": "sex"}})
    (dataset.parent / "patients.csv").write_text("ID,SEX\n" + "".join(f"p{n},F\n" for n in range(30)))
    request = world.site.request(dataset, {"patients": ["ID", "SEX"]}, profile="columns")
    for command, *arguments in (
        ("export", request),
        ("verify", folder / "releases" / "study" / "all", "--with-site"),
        ("open", folder / "releases" / "study" / "all", "--with-site"),
        ("keys", "rotate"),
        ("keys", "shred", "release", "study", "all", "--yes"),
    ):
        done = deid(folder, *arguments, command=command)
        assert (done.returncode, "error" in done.stderr) == (0, False), (command, done.stderr)
    found = kinds_of(folder, deid)
    assert found[0] == (EventKind.LOG_BEGUN, "audit")
    assert [kind for kind, _ in found[1:]] == [
        EventKind.RUN_STARTED,
        EventKind.DOCUMENT_SIGNED,
        EventKind.DOCUMENT_SIGNED,
        EventKind.DOCUMENT_APPROVED,
        EventKind.DOCUMENT_SIGNED,
        EventKind.RELEASE_PREPARED,
        EventKind.RELEASE_PUBLISHED,
        EventKind.RELEASE_VERIFIED,
        EventKind.RELEASE_OPENED,
        EventKind.KEY_ROTATED,
        EventKind.KEY_SHREDDED,
    ]
    papers = {"study", "study/limited-data-set", "study/DUA-1"}
    assert {subject for _, subject in found[1:]} - papers == {"study/all"}
    assert deid(folder, "verify").returncode == 0
