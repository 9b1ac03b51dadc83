"""A cluster of two executors on this machine: rows once each, nothing said of anybody, and settings that are asked for."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None, reason="Spark is not installed"
)
pytestmark = [pytest.mark.live, pytest.mark.long, needs_spark]
MASTER = "local-cluster[2,1,1024]"


def test_two_executors_release_every_row_once_and_say_nothing_of_anybody(tmp_path: Path) -> None:
    """Every row is there once, and no log, event or disk of Spark shows an identifier."""
    from spark_clusters import make_ward

    ward = make_ward(tmp_path)
    said = ward.finish(ward.start(MASTER, "first"))
    ward.check("first")
    assert ward.leaks(said, tmp_path / "events", tmp_path / "local", tmp_path / "spark" / "work") == []
    events = b"".join(path.read_bytes() for path in (tmp_path / "events").rglob("events_*"))
    assert b"SparkListenerTaskEnd" in events
    assert b"MapInArrow" in events


def test_a_cluster_without_encryption_is_refused_by_name(tmp_path: Path) -> None:
    """A setting that would let keys lie on a disk in clear stops the run before anything is staged."""
    from spark_clusters import make_ward

    ward = make_ward(tmp_path, patients=3, rows=9)
    driver = ward.start(MASTER, "first", "spark.io.encryption.enabled=false")
    said, _ = driver.communicate(timeout=240)
    assert driver.returncode
    assert "spark.io.encryption.enabled" in said
    assert not (ward.site.site.releases / "ward" / "first").exists()
