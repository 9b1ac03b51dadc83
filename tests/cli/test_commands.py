"""The command line: what a person types, what is printed, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from refusals import assert_no_sentinel_on_disk, assert_silent
from sites import PASSPHRASE
from tiny_sources import LIMITED, REQUESTED, SAFE, World

from deid.cli import COMMANDS, main
from deid.keys.recipients import generate_identity

NEXT_YEAR = str((datetime.now(UTC) + timedelta(days=365)).date())
DATA = "data/patients/part-00000.parquet"


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("cli") / "site")


@pytest.fixture
def deid(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """Return a function that runs `deid` with arguments in this process, as somebody at the site."""
    monkeypatch.setenv("DEID_SITE", str(world.folder / "site.yaml"))
    monkeypatch.setenv("DEID_PASSPHRASE", PASSPHRASE.decode())
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["deid", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        assert_silent(err)
        return Ended(code, out, err)

    yield run
    signal.signal(signal.SIGTERM, handler)


def in_a_process(world: World, *arguments: str | Path, **environment: str) -> Ended:
    """Run `deid` as a process of its own."""
    known = os.environ | {"DEID_SITE": str(world.folder / "site.yaml"), "DEID_PASSPHRASE": PASSPHRASE.decode()}
    done = subprocess.run(
        [sys.executable, "-m", "deid", *map(str, arguments)],
        env=known | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def request(world: World, *, policy: str = LIMITED, **fields: str) -> Path:
    """Return a request on the sound source that is in force when this test runs."""
    return world.request(world.source(), REQUESTED, policy=policy, **({"expires": NEXT_YEAR} | fields))


def assert_one_error(ended: Ended, code: int, pattern: str) -> None:
    """Check that a command ended with one error, its hint and nothing else."""
    assert ended.code == code, ended.err
    assert ended.err.count("error: ") == 1
    assert ended.err.count("hint: ") == 1
    assert ended.err.startswith("error: ")
    assert ended.err.rstrip().splitlines()[-1].startswith("hint: ")
    assert "Traceback" not in ended.err
    assert re.search(pattern, ended.err), ended.err


def test_every_command_says_what_it_does(deid: Callable[..., Ended]) -> None:
    """`deid --help` lists every command with a sentence, and every command has a help of its own."""
    overview = deid("--help")
    assert overview.code == 0
    for name, (_, _, text) in COMMANDS.items():
        assert name in overview.out
        assert text.split()[0] in overview.out
        own = deid(name, "--help")
        assert own.code == 0
        assert own.out.startswith(f"Usage: deid {name}")
    assert_usage = deid("no-such-command")
    assert assert_usage.code == 2


def test_help_loads_no_library_of_weight(world: World) -> None:
    """`deid --help` answers at once, because commands are loaded when they are named."""
    code = "import sys, deid.cli; sys.argv = ['deid', '--help']\ntry: deid.cli.main()\nexcept SystemExit: pass\nprint([m for m in ('pyarrow', 'numpy', 'cryptography', 'yaml', 'presidio_analyzer', 'duckdb') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


def test_from_request_to_opened_release(world: World, deid: Callable[..., Ended], tmp_path: Path) -> None:
    """Check, plan, export, verify and open a Limited Data Set; what comes out is the same in every format."""
    study = request(world, request="walkthrough")
    assert "columns of 3 tables" in deid("request", "check", study).out
    shown = deid("plan", study)
    assert (shown.code, "164.514" in shown.out) == (0, True)
    record = json.loads(deid("plan", study, "--json").out)
    assert (record["claimed"], record["earned"]) == ("limited_data_set", "limited_data_set")
    done = deid("export", study)
    assert done.code == 0, done.err
    folder = world.site.site.releases / "walkthrough" / "all"
    assert f"published {folder}" in done.out
    key = world.site.researcher
    assert deid("verify", folder).out.rstrip().endswith("sound")
    proven = json.loads(deid("verify", folder, "--key", key, "--json").out)
    assert (proven["sound"], proven["integrity_proven"], proven["files"]) == (True, True, 3)
    listed = deid("open", folder, "--key", key).out
    assert re.search(r"^patients  \S+ rows$", listed, re.MULTILINE)
    assert "ZIP  string  generalize_zip: zip5" in listed
    for target in ("csv", "parquet", "duckdb"):
        opened = deid("open", folder, "--key", key, "--to", target, "--out", tmp_path / target)
        assert opened.code == 0, opened.err
    csv = pcsv.read_csv(tmp_path / "csv" / "patients.csv")
    parquet = pq.read_table(next((tmp_path / "parquet").rglob("patients*")))
    assert sorted(csv.column("ID").to_pylist()) == sorted(parquet.column("ID").to_pylist())
    again = deid("open", folder, "--key", key, "--to", "csv", "--out", tmp_path / "csv")
    assert_one_error(again, 19, "already exists")


def test_export_as_json_for_programs(world: World, deid: Callable[..., Ended]) -> None:
    """`--json` prints one object with the release, what it earned and its rows."""
    done = deid("export", request(world, request="programs"), "--json", "--release", "first")
    record = json.loads(done.out)
    assert record["earned"] == "limited_data_set"
    assert record["rows"] == {"diagnoses": 2, "encounters": 2, "patients": 2}
    assert record["release"].endswith("programs/first")


def test_signing_at_the_command_line_lets_a_policy_and_a_request_run(world: World, deid: Callable[..., Ended]) -> None:
    """What an officer signs runs; Safe Harbor waits for the statement, and says so."""
    policy = world.folder / "policies" / "mine.yaml"
    policy.write_bytes(world.named_policy(SAFE).read_bytes())
    study = world.request(world.source(), REQUESTED, policy=policy, expires=NEXT_YEAR)
    officer = world.folder / "keys" / "officer.key"
    assert_one_error(deid("export", study), 14, "mine.yaml is not signed")
    assert deid("policy", "check", policy).code == 0
    assert deid("policy", "sign", policy, "--key", officer).code == 0
    assert_one_error(deid("export", study), 14, "not signed")
    assert deid("request", "attest", study, "--key", officer).code == 0
    assert deid("export", study).code == 0
    policy.write_text(policy.read_text().replace("sex: keep", "sex: drop"))
    assert_one_error(deid("export", study, "--release", "second"), 14, "altered after it was signed")


def test_policies_are_shown_and_refused_with_their_paragraphs(world: World, deid: Callable[..., Ended]) -> None:
    """`policy show` names every rule; a policy that claims too much is refused with the paragraph."""
    assert "generalize_zip: zip3" in deid("policy", "show", world.named_policy(SAFE)).out
    bold = world.folder / "policies" / "bold.yaml"
    bold.write_text(world.named_policy(SAFE).read_text().replace("generalize_zip: zip3", "generalize_zip: zip5"))
    assert_one_error(deid("policy", "check", bold), 12, r"164\.514\(b\)\(2\)\(i\)\(B\)")


def test_keys_are_made_and_never_overwritten(world: World, deid: Callable[..., Ended], tmp_path: Path) -> None:
    """A recipient's key pair is private, and a second call does not replace it."""
    key = tmp_path / "mine.key"
    assert deid("keys", "generate", "recipient", key, "--no-passphrase").code == 0
    assert key.stat().st_mode & 0o077 == 0
    held = key.read_bytes()
    assert_one_error(deid("keys", "generate", "recipient", key, "--no-passphrase"), 15, "")
    assert key.read_bytes() == held


@pytest.mark.parametrize(
    ("fields", "arguments", "code", "pattern"),
    [
        ({"expires": "2020-01-01"}, (), 12, "expired on 2020-01-01"),
        ({"agreement": ""}, (), 12, r"164\.514\(e\)\(4\)"),
        ({}, ("--release", "../../out"), 11, "the release's name"),
        ({}, ("--period", "2026-13"), 11, "not a period"),
        ({}, ("--site", "/nowhere/site.yaml"), 11, "cannot read site.yaml"),
    ],
)
def test_what_cannot_run_ends_with_its_code(
    world: World,
    deid: Callable[..., Ended],
    fields: dict[str, str],
    arguments: tuple[str, ...],
    code: int,
    pattern: str,
) -> None:
    """Each family of faults has its exit code, one line of error, and a hint."""
    before = world.site.leftovers()
    assert_one_error(deid("export", request(world, **fields), *arguments), code, pattern)
    assert world.site.leftovers() == before


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (lambda text: text.replace("1987-03-29", "1987-02-30"), "1 rows: BIRTH is not a valid date"),
        (lambda text: text.replace("Quixwerble,", ""), "more or fewer cells"),
        (lambda text: text.replace("BIRTH", "BORN"), "BIRTH is missing"),
    ],
)
def test_bad_cells_are_told_by_column_and_count_in_a_process_of_its_own(
    world: World, change: Callable[[str], str], pattern: str
) -> None:
    """Nothing of a cell reaches standard output or standard error, and the code is that of the source's faults."""
    dataset = world.source()
    file = dataset.parent / "patients.csv"
    file.write_text(change(file.read_text()))
    study = world.request(dataset, REQUESTED, expires=NEXT_YEAR)
    ended = in_a_process(world, "export", study)
    assert_one_error(ended, 13, pattern)
    assert_silent(ended.out + ended.err)
    assert_no_sentinel_on_disk(world)


def test_the_wrong_passphrase_and_no_passphrase(world: World) -> None:
    """Neither opens the site's keys; without a terminal nothing waits for an answer."""
    study = request(world)
    assert_one_error(in_a_process(world, "export", study, DEID_PASSPHRASE="guess"), 15, "passphrase")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DEID_")}
    done = subprocess.run(
        [sys.executable, "-m", "deid", "export", str(study), "--site", str(world.folder / "site.yaml")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )
    assert_one_error(Ended(done.returncode, done.stdout, done.stderr), 15, "passphrase of the site's keys is needed")


def test_the_wrong_recipient_cannot_open(world: World, deid: Callable[..., Ended], tmp_path: Path) -> None:
    """A stranger's key opens nothing."""
    deid("export", request(world, request="not-yours"))
    generate_identity(tmp_path / "stranger.key", tmp_path / "stranger.pub", None)
    folder = world.site.site.releases / "not-yours" / "all"
    for command in (("open", folder), ("verify", folder)):
        assert_one_error(deid(*command, "--key", tmp_path / "stranger.key"), 15, "")


def flipped(folder: Path, other: Path) -> None:
    """Flip one bit."""
    data = bytearray((folder / DATA).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / DATA).write_bytes(data)


def swapped(folder: Path, other: Path) -> None:
    """Put the same table of another release in its place."""
    (folder / DATA).write_bytes((other / DATA).read_bytes())


def cut(folder: Path, other: Path) -> None:
    """Cut the end off."""
    (folder / DATA).write_bytes((folder / DATA).read_bytes()[:-40])


def plaintext(folder: Path, other: Path) -> None:
    """Put a readable file in its place."""
    pq.write_table(pa.table({"ID": ["a"], "BIRTH": ["b"], "SEX": ["c"], "ZIP": ["d"]}), folder / DATA)


def added(folder: Path, other: Path) -> None:
    """Add a file."""
    (folder / "extra.parquet").write_bytes(b"PAR1")


def gone(folder: Path, other: Path) -> None:
    """Remove a file."""
    (folder / DATA).unlink()


def manifest(folder: Path, other: Path) -> None:
    """Change the manifest."""
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"limited_data_set"', '"safe_harbor"'))


def envelope(folder: Path, other: Path) -> None:
    """Put another release's envelope in its place."""
    (folder / "envelope.age").write_bytes((other / "envelope.age").read_bytes())


@pytest.mark.parametrize("attack", [flipped, swapped, cut, plaintext, added, gone, manifest, envelope])
def test_a_tampered_release_is_refused(
    world: World, deid: Callable[..., Ended], tmp_path: Path, attack: Callable[[Path, Path], None]
) -> None:
    """A bit, a swap, a cut, a file in clear: `open` and `verify` refuse, and nothing is converted."""
    study = request(world, request=f"attacked-{attack.__name__}")
    for name in ("one", "two"):
        assert deid("export", study, "--release", name).code == 0
    folder = world.site.site.releases / study.stem / "one"
    attack(folder, folder.with_name("two"))
    key = world.site.researcher
    assert_one_error(deid("verify", folder, "--key", key), 16, "")
    opened = deid("open", folder, "--key", key, "--to", "csv", "--out", tmp_path / "out")
    assert_one_error(opened, 16, "")
    assert not list(tmp_path.iterdir())


def test_a_terminated_run_removes_what_it_staged(world: World) -> None:
    """SIGTERM, which schedulers send, ends a run as Ctrl-C does: nothing published, nothing left."""
    rows = [f"p{i} 1980-01-01 A {i} F 02139" for i in range(60_000)]
    dataset = world.source(patients="\n".join(["ID BIRTH LAST SSN SEX ZIP", *rows]), encounters="ENC PATIENT START STOP CLASS COST", diagnoses="PATIENT ENC DX")  # fmt: skip
    study = world.request(dataset, REQUESTED, expires=NEXT_YEAR, request="terminated")
    before = world.site.leftovers()
    environment = os.environ | {"DEID_SITE": str(world.folder / "site.yaml"), "DEID_PASSPHRASE": PASSPHRASE.decode()}
    process = subprocess.Popen(
        [sys.executable, "-m", "deid", "export", str(study)], env=environment, stderr=subprocess.PIPE, text=True
    )
    folder = world.site.site.releases / "terminated"
    while process.poll() is None and not list(folder.glob(".staging-*/data/*")):
        time.sleep(0.002)
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert (process.returncode, "interrupted" in err) == (130, True)
    assert world.site.leftovers() == before


def test_an_internal_fault_is_told_without_its_text(
    deid: Callable[..., Ended], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of defense: an exception that nobody expected is told by its type and line, never by its words."""

    def broken(_path: Path) -> None:
        raise ValueError("cannot parse Quixwerble 917-66-4242")

    monkeypatch.setattr("deid.cli.plan.load_request", broken)
    ended = deid("plan", request(world))
    assert_one_error(ended, 70, "internal fault: ValueError at test_commands.py:")
