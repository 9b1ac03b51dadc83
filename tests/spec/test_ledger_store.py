"""The ledger on disk: settled after any kill, and refused when lost, rolled back, forked or changed in any byte."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from deid.errors import DeidError, DisclosureError, KeyFaultError, StorageError
from deid.ledger import (
    Frozen,
    Ledger,
    Publication,
    Rule,
    Series,
    SeriesRules,
    Withheld,
    restore,
    store,
    tagger,
    tags_of,
)
from deid.observing.controls import Chosen, CodeMap
from deid.release.manifest import Manifest, Suppression, Versions, to_bytes

KEY = bytes(range(32))
RULES = SeriesRules(k=3, hold=2, coarsest=None, is_increment=False)
FROZEN = Frozen(
    mode="cumulative",
    k=3,
    columns=(Rule("patients", "SEX", "sex", "keep"),),
    limits_sha256="0" * 64,
    code_lists={"icd10cm": "2026"},
    places=(("patients", "SEX"), ("patients", "BORN")),
    chosen=(Chosen("birth_date", ("year", "drop"), 1),),
)
VECTORS = {("patients", "SEX"): pa.array(["F", None]), ("patients", "BORN"): pa.array([1980, 2000], pa.int32())}
CODES = {
    "icd10cm": CodeMap(
        "icd10cm", pa.array(["A00", "B20"]), pa.array(["A00", None]), pa.array(["code", "chapter"]), "chapter", ("E11",)
    )
}


def series_in(folder: Path, key: bytes = KEY) -> Series:
    """Return the series of a site in one folder."""
    return Series.of("study", "party", state=folder / "state", releases=folder / "releases", key=key)


def manifest_of(ledger: object, name: str) -> bytes:
    """Return the manifest of an empty release with this entry of the ledger."""
    return to_bytes(
        Manifest(
            format="deid-release/1", release=f"study.{name}", profile="portable", created=date(2026, 1, 1),
            request="study", request_sha256="", policy="p", policy_version=1, policy_sha256="", dataset_sha256="",
            basis_claimed="", basis_earned="", tables={}, disclosure=Suppression(0), versions=Versions("0", "0"),
            ledger=ledger,  # type: ignore[arg-type]
        )
    )  # fmt: skip


def publish(series: Series, name: str, people: range, stop: str = "") -> None:
    """Make a release of these people; `stop`: leave the process at this point, by the signal nobody can catch."""

    def at(point: str) -> None:
        if point == stop:
            os.kill(os.getpid(), signal.SIGKILL)

    ledger = Ledger.open(series)
    tags = tags_of(tagger(KEY), pa.array([f"patient {p}" for p in people], pa.string()))
    found = ledger.arrivals(tags, np.array([p % 2 for p in people], np.int32), RULES)
    draft = ledger.entered(
        found,
        frozen=FROZEN,
        vectors=VECTORS,
        codes=CODES,
        withheld=Withheld.nothing(),
        release=name,
        created=date(2026, 1, 1),
        period=None,
    ).printed(tags[found.released], {"sex keep": tags[found.released, 0]})
    with Publication(series) as publication:
        staged = series.releases / f".staging-{name}"
        staged.mkdir(parents=True)
        manifest = manifest_of(draft.entry, name)
        (staged / "manifest.json").write_bytes(manifest)
        at("before")
        draft.prepare(publication, manifest)
        at("pending")
        staged.rename(series.releases / name)
        at("renamed")
    at("confirmed")


def names(series: Series) -> list[str]:
    """Return the releases that the ledger knows, all confirmed."""
    book = Ledger.open(series).book
    entries = book.releases if book else ()
    assert all(entry.confirmed for entry in entries)
    return [entry.release for entry in entries]


@pytest.fixture
def series(tmp_path: Path) -> Series:
    """Return a series with two releases."""
    made = series_in(tmp_path)
    publish(made, "one", range(8))
    publish(made, "two", range(12))
    return made


def test_a_book_is_read_as_it_was_written(series: Series) -> None:
    """Frozen rules, values of classes, maps, patients and fingerprints."""
    book = Ledger.open(series).book
    assert book is not None
    assert book.frozen == FROZEN
    assert {place: values.to_pylist() for place, values in book.vectors.items()} == {
        place: values.to_pylist() for place, values in VECTORS.items()
    }
    found = book.codes["icd10cm"]
    assert (found.codes.to_pylist(), found.items.to_pylist()) == (["A00", "B20"], ["A00", None])
    assert found.declared == ("E11",)
    assert [entry.release for entry in book.releases] == ["one", "two"]
    assert book.prints == ("sex keep",)
    # Eight in two classes of four; of the four newcomers two a class wait.
    assert book.releases[0].movement.released == 8
    assert (book.releases[1].movement.released, book.releases[1].movement.held) == (8, 4)
    assert (book.state.prints[:, 0] == book.state.tags[:, 0])[book.state.arrival == 1].all()


def test_nothing_of_a_patient_lies_in_clear_and_files_are_for_their_owner(series: Series) -> None:
    """No identifier, no tag, no value; modes 0600 and 0700."""
    tag = tagger(KEY).digest(pa.array(["patient 1"])).tobytes()
    for path in series.folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
        data = path.read_bytes() if path.is_file() else b""
        assert not [word for word in (b"patient", b"icd10cm", b"party", tag) if word in data]


def test_another_key_is_refused(series: Series, tmp_path: Path) -> None:
    """The key check tells it apart from damage."""
    with pytest.raises(KeyFaultError):
        Ledger.open(series_in(tmp_path, bytes(32)))


@pytest.mark.parametrize(
    ("point", "known"), [("before", False), ("pending", False), ("renamed", True), ("confirmed", True)]
)
def test_a_killed_run_leaves_neither_a_release_without_entry_nor_the_reverse(
    series: Series, tmp_path: Path, point: str, *, known: bool
) -> None:
    """Killed around the rename; the next open settles it, and the series goes on."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; from pathlib import Path; from test_ledger_store import *; "
    code += f"publish(series_in(Path({str(tmp_path)!r})), 'killed', range(20), {point!r})"
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parent)
    assert done.returncode == -signal.SIGKILL
    assert ("killed" in names(series)) is known
    assert (series.releases / "killed").exists() is known
    publish(series, "next", range(24))
    assert names(series) == ["one", "two", *(["killed"] if known else []), "next"]


@pytest.mark.parametrize("nth", range(1, 40, 3))
def test_a_commit_killed_at_any_operation_on_files_is_settled(series: Series, tmp_path: Path, nth: int) -> None:
    """Whichever file is about to be opened, renamed, removed or made when the blow falls."""
    code = f"""
import os, signal, sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from test_ledger_store import *
met = 0
def audit(what, arguments):
    global met
    if what in ("os.rename", "open", "os.remove", "os.rmdir", "os.mkdir") and "/study" in str(arguments[0]):
        met += 1
        if met == {nth}:
            os.kill(os.getpid(), signal.SIGKILL)
series = series_in(Path({str(tmp_path)!r}))
sys.addaudithook(audit)
publish(series, "killed", range(20))
"""
    subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parent)
    assert ("killed" in names(series)) is (series.releases / "killed").exists()
    shutil.rmtree(series.releases / ".staging-killed", ignore_errors=True)
    publish(series, "next", range(24))
    assert names(series)[-1] == "next"


def test_a_failed_rename_discards_the_entry(series: Series) -> None:
    """A fault after the pending commit leaves the ledger as it was."""
    (series.releases / "three").write_bytes(b"in the way")
    with pytest.raises(OSError, match=r"."):
        publish(series, "three", range(20))
    (series.releases / "three").unlink()
    assert names(series) == ["one", "two"]


def test_two_runs_of_one_series_cannot_both_be_entered(series: Series) -> None:
    """The second was decided upon a state that is no longer the newest."""
    ledger = Ledger.open(series)
    tags = tags_of(tagger(KEY), pa.array([f"patient {p}" for p in range(8)]))
    found = ledger.arrivals(tags, np.zeros(8, np.int32), RULES)
    draft = ledger.entered(
        found,
        frozen=FROZEN,
        vectors=VECTORS,
        codes=CODES,
        withheld=Withheld.nothing(),
        release="late",
        created=date(2026, 1, 1),
        period=None,
    )
    publish(series, "three", range(12))
    with pytest.raises(StorageError, match="another release"), Publication(series) as publication:
        draft.prepare(publication, b"")
    assert names(series) == ["one", "two", "three"]


def test_a_lost_ledger_stops_the_series(series: Series) -> None:
    """Releases lie there; what they told is not known any more."""
    shutil.rmtree(series.folder)
    with pytest.raises(DisclosureError, match="no ledger"):
        Ledger.open(series)
    assert not series.folder.exists()


def test_a_ledger_that_was_put_back_stops_the_series(series: Series, tmp_path: Path) -> None:
    """The newest release names a later generation."""
    shutil.copytree(series.folder, tmp_path / "old")
    publish(series, "three", range(20))
    shutil.rmtree(series.folder)
    shutil.copytree(tmp_path / "old", series.folder)
    with pytest.raises(DisclosureError, match="older copy was put back"):
        Ledger.open(series)


def test_a_forked_ledger_stops_the_series(series: Series, tmp_path: Path) -> None:
    """Continued from one copy here and another there: a release lies there that this one never made."""
    shutil.copytree(series.folder, tmp_path / "other")
    publish(series, "three", range(20))
    shutil.move(series.releases / "three", tmp_path / "three")
    shutil.rmtree(series.folder)
    shutil.copytree(tmp_path / "other", series.folder)
    publish(series, "three", range(18))
    assert names(series) == ["one", "two", "three"]
    shutil.rmtree(series.releases / "three")
    shutil.move(tmp_path / "three", series.releases / "three")
    with pytest.raises(DisclosureError, match="does not know release three"):
        Ledger.open(series)


def test_a_release_made_without_a_ledger_stops_the_series(series: Series) -> None:
    """Nobody knows who is in it."""
    (series.releases / "stray").mkdir()
    (series.releases / "stray" / "manifest.json").write_bytes(manifest_of(None, "stray"))
    with pytest.raises(DisclosureError, match="without a ledger"):
        Ledger.open(series)


def test_every_changed_byte_of_the_current_generation_is_noticed(tmp_path: Path) -> None:
    """Of CURRENT, of the index, and of each sealed part."""
    series = series_in(tmp_path)
    publish(series, "one", range(8))
    current = max(series.folder.glob("generation-*"))
    changed = 0
    for path in [series.folder / "CURRENT", *current.iterdir()]:
        good = path.read_bytes()
        # The SHA-256 of every part is compared as a whole: each 7th byte and both ends stand for the others.
        for at in sorted({*range(0, len(good), 7), *range(min(80, len(good))), len(good) - 1}):
            path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
            with pytest.raises(DeidError):
                Ledger.open(series)
            changed += 1
        path.write_bytes(good[:-1])
        with pytest.raises(DeidError):
            Ledger.open(series)
        path.write_bytes(good)
    assert changed > 500
    assert names(series) == ["one"]


def test_a_damaged_ledger_is_restored_from_the_generation_before(series: Series) -> None:
    """The pending generation of the newest release holds the same state; what is damaged is set aside, not removed."""
    current = max(series.folder.glob("generation-*"))
    for path in current.iterdir():
        path.write_bytes(b"damaged")
    (series.folder / "CURRENT").write_bytes(b"damaged")
    with pytest.raises(StorageError):
        Ledger.open(series)
    restore(series)
    assert names(series) == ["one", "two"]
    assert list(series.folder.glob("set-aside-*"))
    publish(series, "three", range(20))


def test_no_generation_is_restored_that_does_not_know_every_release(series: Series) -> None:
    """Those before the newest release would forget who was in it."""
    for path in sorted(series.folder.glob("generation-*"))[-2:]:
        shutil.rmtree(path)
    with pytest.raises(DisclosureError, match="no kept generation"):
        restore(series)


def test_six_generations_are_kept(series: Series) -> None:
    """Older ones are removed, or a series would fill the disk."""
    for number in range(4):
        publish(series, f"more{'x' * number}", range(12))
    assert len(list(series.folder.glob("generation-*"))) == store.KEPT
