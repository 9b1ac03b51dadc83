"""A standalone cluster of Spark's own processes, of whose two workers one is killed while it writes."""

from __future__ import annotations

import importlib.util
import shutil
import time
from pathlib import Path

import pytest

needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None, reason="Spark is not installed"
)
pytestmark = [pytest.mark.live, pytest.mark.long, needs_spark]
# A task is tried a second time, beside itself, as soon as another one is done.
EAGER = (
    "spark.speculation=true", "spark.speculation.interval=20ms", "spark.speculation.multiplier=0.01",
    "spark.speculation.quantile=0.1", "spark.speculation.minTaskRuntime=1ms",
    "spark.speculation.efficiency.enabled=false",
)  # fmt: skip


def test_a_worker_that_is_killed_costs_neither_a_row_nor_doubles_one(tmp_path: Path) -> None:
    """What the killed worker had begun is done by the other, and what it left is not in the release."""
    from spark_clusters import end, make_ward, standalone, until

    ward = make_ward(tmp_path, rows=150_000)
    with standalone(ward) as (url, workers):
        driver = ward.start(url, "first")
        until(lambda: len(ward.attempts()) >= 4 or driver.poll() is not None, "tasks that write")
        assert driver.poll() is None
        end(workers[0])
        said = ward.finish(driver)
        ward.check("first")
        assert ward.leaks(said, tmp_path / "events", tmp_path / "local", tmp_path / "work") == []
        # What is left of the cluster makes the next release.
        ward.finish(ward.start(url, "second"))
        ward.check("second")


def test_of_attempts_that_run_beside_each_other_one_is_taken(tmp_path: Path) -> None:
    """With speculation more attempts begin than there are tasks, and every row is released once."""
    from spark_clusters import make_ward, standalone

    ward = make_ward(tmp_path, rows=250_000, is_uneven=True)
    with standalone(ward) as (url, _workers):
        driver = ward.start(url, "first", *EAGER, size=60_000)
        seen: set[str] = set()
        while driver.poll() is None:
            seen |= ward.attempts()
            time.sleep(0.01)
        ward.finish(driver)
    ward.check("first")
    events = b"".join(path.read_bytes() for path in (tmp_path / "events").rglob("events_*"))
    assert b'"Speculative":true' in events
    assert len(seen) > len({name.partition("-")[0] for name in seen}) > 3
