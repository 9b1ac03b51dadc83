"""The benchmark beside peers: its page says what was measured, and tells plainly what was not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sites import REPOSITORY

COMMAND = REPOSITORY / "benchmarks" / "peers.py"
ROWS, PATIENTS = 3_700_000, 205_000


@pytest.fixture(scope="module")
def peers() -> Iterator[Any]:
    """Return the parts of the benchmark that need no peer."""
    sys.path.insert(0, str(REPOSITORY / "benchmarks"))
    try:
        from peers import environments, growth, page, results, running, targets

        yield SimpleNamespace(
            environments=environments, growth=growth, page=page, results=results, running=running, targets=targets
        )
    finally:
        sys.path.remove(str(REPOSITORY / "benchmarks"))


def made(peers: Any, section: str, tool: str, work: str, size: int, **figures: Any) -> Any:
    """Return a result; rows and patients are in proportion to the size."""
    base = peers.results.Result(
        section, tool, work, size, "c0ffee", count=size * ROWS // 1_000_000, unit="rows",
        patients=size * PATIENTS // 1_000_000,
    )  # fmt: skip
    return replace(base, **figures)


def cells(page: str, *begins: str) -> list[str]:
    """Return the cells of the one line of the page's tables that begins so."""
    start = "| " + " | ".join(begins) + " |"
    (line,) = [line for line in page.splitlines() if line.startswith(start)]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_job_is_told_by_the_median_of_its_seconds_and_its_highest_peak(peers: Any) -> None:
    """Three rounds give one line: medians of CPU and wall, the highest peak, and the rate that follows."""
    rounds = [
        made(peers, "tables", "deid", "safe-harbor", 1_000_000, round=n, cpu=cpu, wall=cpu / 2, peak=peak)
        for n, (cpu, peak) in enumerate([(9.0, 400.0), (10.0, 500.0), (30.0, 450.0)])
    ]
    page = peers.page.render(rounds, "c0ffee", "a machine")
    assert cells(page, f"{ROWS:,}", "deid", "safe-harbor")[3:7] == ["10.00", "5.00", "500", "370,000"]


def test_a_peer_is_held_against_the_export_of_the_same_rows(peers: Any) -> None:
    """The ratio of a peer is of rates on the same rows under the same policy, never of those of another size."""
    results = [
        made(peers, "tables", "floor", "safe-harbor", 1_000_000, cpu=8.0),
        made(peers, "tables", "deid", "safe-harbor", 1_000_000, cpu=10.0),
        made(peers, "tables", "deid", "safe-harbor", 100_000, cpu=1.6),
        made(peers, "tables", "pandas script", "safe-harbor", 1_000_000, cpu=25.0),
        made(peers, "tables", "pandas script", "safe-harbor", 100_000, cpu=2.4),
    ]
    page = peers.page.render(results, "c0ffee", "a machine")
    assert cells(page, f"{ROWS:,}", "pandas script", "safe-harbor")[-1] == "2.5"
    assert cells(page, f"{ROWS // 10:,}", "pandas script", "safe-harbor")[-1] == "1.5"
    assert cells(page, f"{ROWS:,}", "deid", "safe-harbor")[-2:] == ["1.25", ""]
    assert cells(page, f"{ROWS:,}", "floor", "safe-harbor")[-2:] == ["", ""]


@pytest.mark.parametrize(("seconds", "said"), [(14.0, "met"), (14.1, "MISSED")])
def test_a_target_is_met_up_to_its_limit_and_missed_beyond(peers: Any, seconds: float, said: str) -> None:
    """An export of 1.4 times the floor is within its target, one of more is not; other targets are not measured."""
    results = [
        made(peers, "tables", "floor", "safe-harbor", 1_000_000, cpu=10.0),
        made(peers, "tables", "deid", "safe-harbor", 1_000_000, cpu=seconds),
    ]
    told = {target.what: target.cells[3] for target in peers.targets.told_targets(results)}
    assert told.pop("export CPU over the floor, safe-harbor") == said
    assert set(told.values()) == {"not measured"}


@pytest.mark.parametrize(("peak", "said"), [(623.0, "met"), (624.5, "MISSED")])
def test_memory_is_held_against_the_bytes_of_its_patients(peers: Any, peak: float, said: str) -> None:
    """The limit of memory is 600 MiB and the bytes that the page on memory states, for each patient of the source."""
    result = made(peers, "growth", "deid", "safe-harbor", 1_000_000, peak=peak, cpu=1.0, wall=1.0)
    (line,) = [target for target in peers.targets.told_targets([result]) if target.what.startswith("peak")]
    assert (line.is_met, line.cells[3]) == (said == "met", said)


def test_two_workers_are_held_against_one_at_the_same_size(peers: Any) -> None:
    """Twice as fast by the clock is within the target of 1.7, and is told as two."""
    results = [
        made(peers, "growth", "deid", "safe-harbor", 1_000_000, workers=workers, cpu=10.0, wall=10.0 / workers)
        for workers in (1, 2)
    ]
    (line,) = [
        t for t in peers.targets.told_targets(results) if t.what == "wall time of one worker over two, safe-harbor"
    ]
    assert (line.measured, line.is_met) == ("2.00 times at 1,000,000 encounters", True)


def test_a_straight_line_is_drawn_on_as_it_is(peers: Any) -> None:
    """Of 2 microseconds a row, 100 bytes a patient and 1 CPU second and 300 MiB at the start, a billion rows follow."""
    figures = [
        peers.results.Figures(
            1, 1 + 2e-6 * rows, 2e-6 * rows, 300 + 100 * (rows // 10) / 2**20, rows, "rows", rows // 10, None, 0
        )
        for rows in (1_000_000, 10_000_000, 40_000_000)
    ]
    found = peers.growth.slope(figures)
    assert found.microseconds == pytest.approx(2.0)
    assert found.bytes_a_patient == pytest.approx(100)
    assert (found.patients, found.rows) == (100_000_000, 40_000_000)
    assert found.cpu_hours == pytest.approx(2001 / 3600)
    assert found.hours == pytest.approx(2000 / 3600)
    assert found.gib == pytest.approx((300 + 1e10 / 2**20) / 1024)


def test_one_size_alone_gives_no_slope(peers: Any) -> None:
    """Nothing is drawn on from a single point, and the page says what is missing."""
    result = made(peers, "growth", "deid", "safe-harbor", 1_000_000, cpu=1.0, wall=1.0, peak=1.0)
    assert peers.growth.slope([peers.results.summed_up([result])]) is None
    assert "Two sizes at least must be measured." in peers.page.render([result], "c0ffee", "a machine")


def test_a_missing_peer_is_told_on_the_page_until_it_is_measured(peers: Any) -> None:
    """A peer that could not be had has its reason on the page; one that was measured afterwards has its figures."""
    missing = made(peers, "fhir", "cumulus-etl", "scrub", 1_200, absent="no checkout was named")
    there = made(peers, "fhir", "cumulus-etl", "scrub", 1_200, cpu=1.0)
    assert "- cumulus-etl, fhir, 1,200: no checkout was named" in peers.page.render([missing], "c0ffee", "a machine")
    assert "Nothing was left out." in peers.page.render([missing, there], "c0ffee", "a machine")


@pytest.mark.long
def test_a_peer_that_cannot_be_installed_is_one_line_and_stops_nothing(peers: Any, tmp_path: Path) -> None:
    """No such package: what comes back is a line that names the peer, and no environment is held for complete."""
    peer = peers.environments.Peer("nobody", (str(tmp_path / "no-such-package.whl"),), "by_pandas.py", ())
    said = peers.environments.ready(peer, tmp_path)
    assert isinstance(said, str)
    assert said.startswith("nobody could not be installed: ")
    assert "\n" not in said
    assert not (tmp_path / "nobody" / "installed.json").exists()


def test_without_a_checkout_the_scrubber_is_left_out_in_plain_words(tmp_path: Path) -> None:
    """The command ends well without it, says why on the screen and on the page, and keeps that for the page."""
    results = tmp_path / "results.jsonl"
    command = [sys.executable, str(COMMAND), "--only", "fhir", "--tools", "cumulus-etl", "--commit", "c0ffee"]
    command += ["--results", str(results), "--sources", str(tmp_path), "--environments", str(tmp_path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    reason = "cumulus-etl is on no package index; --cumulus names a checkout of it"
    assert f"left out: fhir, cumulus-etl, scrub, 1,200: {reason}" in said
    assert f"- cumulus-etl, fhir, 1,200: {reason}" in said
    assert reason in results.read_text()


def test_an_interrupted_run_goes_on_where_it_stopped(peers: Any, tmp_path: Path) -> None:
    """What is on disk is not measured again at the same commit, a line cut short is, and other commits are apart."""
    path = tmp_path / "results.jsonl"
    done = made(peers, "x12", "deid", "read", 100, cpu=1.0)
    peers.results.Book(path).add([done, replace(done, round=1)])
    path.write_bytes(path.read_bytes()[:-20])
    book = peers.results.Book(path)
    assert book.has(done.job, 0, "c0ffee")
    assert not book.has(done.job, 1, "c0ffee")
    assert not book.has(done.job, 0, "decaf")
    book.add([replace(done, round=1)])
    assert peers.results.Book(path).has(done.job, 1, "c0ffee")


HOLDS = """
import json, subprocess, sys
subprocess.run([sys.executable, "-c", "import time; held = bytearray(b'1') * (150 << 20); time.sleep(1.5)"], check=True)
print(json.dumps([{"cpu": 1.0, "wall": 1.0, "peak": 1.0}]))
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads what Linux tells of processes")
def test_the_peak_counts_what_children_hold(peers: Any) -> None:
    """A job whose child holds 150 MiB has a peak of that at least, whatever the job says of itself."""
    (figures,) = peers.running.run([sys.executable, "-c", HOLDS])
    assert figures["peak"] > 150


def test_a_failed_job_is_told_by_its_error_and_all_that_follows(peers: Any) -> None:
    """The line with the error is told with its hint, not the trace before it."""
    failing = "class MadeError(Exception): pass\nraise MadeError('what is wrong\\nhint: what helps')"
    with pytest.raises(peers.running.JobFailedError, match=r"^MadeError: what is wrong hint: what helps$"):
        peers.running.run([sys.executable, "-c", failing])
