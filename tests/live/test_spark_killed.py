"""A driver that is killed while tasks write: no half release, nothing in clear, and the next run sweeps what is left."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None, reason="Spark is not installed"
)
pytestmark = [pytest.mark.live, pytest.mark.long, needs_spark]


def test_a_killed_driver_leaves_no_half_release(tmp_path: Path) -> None:
    """No folder stands under the release's name, no file holds an identifier, and the next run is whole."""
    import psutil
    from spark_clusters import SENTINELS, end, make_ward, until

    ward = make_ward(tmp_path, rows=150_000)
    driver = ward.start("local[2]", "first")
    until(lambda: len(ward.attempts()) >= 3 or driver.poll() is not None, "tasks that write")
    assert driver.poll() is None
    end(psutil.Process(driver.pid))
    driver.communicate()
    releases = ward.site.site.releases / "ward"
    left = [path for path in releases.rglob("*") if path.is_file()]
    assert not (releases / "first").exists()
    assert any("tasks" in path.parts for path in left)
    assert not [path for path in left if any(word in path.read_bytes() for word in SENTINELS)]
    ward.finish(ward.start("local[2]", "first"))
    ward.check("first")
