"""Bad files of every format at the command line: exit code, one error, its hint, and nothing of a cell."""

from __future__ import annotations

import gzip
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from bad_files import BAD_EXPORTS, CASES, RELEASED
from damage import CANARIES, OMOP, assert_silent_about, within
from refusals import assert_no_sentinel_on_disk
from sites import PASSPHRASE
from tiny_sources import World

from deid.cli import main

NEXT_YEAR = str((datetime.now(UTC) + timedelta(days=365)).date())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site for all commands of this module."""
    return World(tmp_path_factory.mktemp("files") / "site")


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def deid(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """Return a function that runs `deid` with arguments in this process; whatever it spills lies in tmp_path/spill."""
    monkeypatch.setenv("DEID_SITE", str(world.folder / "site.yaml"))
    monkeypatch.setenv("DEID_PASSPHRASE", PASSPHRASE.decode())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spill"))
    (tmp_path / "spill").mkdir()
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    def run(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["deid", *map(str, arguments)])
        code = 0
        try:
            with within():
                main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return Ended(code, *capfd.readouterr())

    yield run
    assert list((tmp_path / "spill").iterdir()) == []
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
        signal.signal(number, handler)


def assert_one_error(ended: Ended, code: int) -> None:
    """Check that a command ended with one error and its hint, and said nothing of a cell."""
    assert ended.code == code, ended.err
    assert ended.err.startswith("error: ")
    assert ended.err.count("error: ") == ended.err.count("hint: ") == 1
    assert ended.err.rstrip().splitlines()[-1].startswith("hint: ")
    assert "Traceback" not in ended.err
    assert [canary for canary in CANARIES if canary in ended.err + ended.out] == []


@pytest.mark.parametrize("case", sorted(CASES))
def test_quality_of_a_bad_file_ends_with_the_same_message(
    deid: Callable[..., Ended], tmp_path: Path, case: str
) -> None:
    """`deid quality` ends with 13, one error and its hint, and without a spilled byte."""
    sample, change, _ = CASES[case]
    if sample is OMOP:
        pytest.skip("persons have no codes, so their table is not judged")
    ended = deid("quality", sample.write(tmp_path / "source", change(sample.sound)), "--out", tmp_path)
    if ended.code == 0:  # a fault of a part that holds no code
        assert_silent_about(sample, ended.out + ended.err)
    else:
        assert_one_error(ended, 13)
        assert sample.file in ended.err or "in any of" in ended.err
    assert (tmp_path / "quality.json").exists() == (ended.code == 0)


@pytest.mark.parametrize("case", sorted(BAD_EXPORTS))
def test_export_of_a_bad_file_ends_with_its_code(
    deid: Callable[..., Ended], world: World, tmp_path: Path, case: str
) -> None:
    """`deid export` ends with 13, one error and its hint, and the site is as it was."""
    sample, change = BAD_EXPORTS[case]
    request = world.request(sample.write(tmp_path / "source"), RELEASED[sample.format], expires=NEXT_YEAR)
    (tmp_path / "source" / sample.file).write_bytes(change(sample.sound))
    before = world.site.leftovers()
    assert_one_error(deid("export", request), 13)
    assert world.site.leftovers() == before
    assert_no_sentinel_on_disk(world)


CODE_FILES: dict[str, tuple[bytes, tuple[str, ...], int]] = {
    "names for codes": (b"99213\nQuixwerble\n", (), 13),
    "a number of a person": (b"917-66-4242\n", (), 13),
    "empty": (b"", (), 13),
    "blank": (b"\n \r\n", (), 13),
    "compressed": (gzip.compress(b"99213\n" * 99), (), 13),
    "UTF-16": ("99213\n".encode("utf-16"), (), 13),
    "a line without end": (b"9" * (2 << 20), (), 13),
    "no such column": (b"code,name\n99213,Quixwerble\n", ("--column", "cpt"), 13),
    "a column beyond the last": (b"99213,Quixwerble\n", ("--column", "3"), 13),
    "a column of no number": (b"99213,Quixwerble\n", ("--column", "0"), 13),
    "a column of many digits": (b"99213,Quixwerble\n", ("--column", "9" * 30), 13),
    "characters of many digits": (b"99213\n", ("--column", f"{'9' * 30}-{'9' * 31}"), 13),
    "characters backwards": (b"99213\n", ("--column", "9-3"), 11),
    "an open quote": (b'code,name\n99213,"Quixwerble\n99214,x\n', ("--column", "code"), 13),
    "a field of many letters": (b"code,name\n99213," + b"Q" * 200_000 + b"\n", ("--column", "code"), 13),
    "two letters for a delimiter": (b"99213\n", ("--delimiter", "::"), 11),
    "no letter for a delimiter": (b"99213\n", ("--delimiter", ""), 11),
    "a release that climbs": (b"99213\n", ("--release", "../../Quix"), 11),
    "a release of many letters": (b"99213\n", ("--release", "9" * 5_000), 11),
    "days backwards": (b"99213\n", ("--last", "1999-01-01"), 11),
    "more lines to skip than there are": (b"99213\n", ("--skip", "999999999"), 13),
}


@pytest.mark.parametrize("case", sorted(CODE_FILES))
def test_a_bad_list_of_codes_is_refused(deid: Callable[..., Ended], world: World, tmp_path: Path, case: str) -> None:
    """`deid codes add` says what is wrong and where, quotes no line, and adds nothing."""
    data, options, code = CODE_FILES[case]
    (tmp_path / "list.txt").write_bytes(data)
    given = ["--system", "cpt", "--release", "2026", "--first", "2026-01-01", *options]
    assert_one_error(deid("codes", "add", tmp_path / "list.txt", *given), code)
    assert not list(world.site.site.codes.rglob("*.parquet"))


@pytest.mark.parametrize("kind", ["a folder", "a link to itself", "nothing"])
def test_a_list_of_codes_that_is_no_file_is_refused(
    deid: Callable[..., Ended], world: World, tmp_path: Path, kind: str
) -> None:
    """What cannot be opened as a file is a fault of storage, with the system's reason."""
    path = tmp_path / "list.txt"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a link to itself":
        path.symlink_to(path.name)
    given = ["--system", "cpt", "--release", "2026", "--first", "2026-01-01"]
    assert_one_error(deid("codes", "add", path, *given), 19)
    assert not list(world.site.site.codes.rglob("*.parquet"))
