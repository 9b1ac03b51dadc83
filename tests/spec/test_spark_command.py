"""`deid export --engine spark`: the option, the site's settings, and a release made through the command."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sites import PASSPHRASE
from tiny_sources import REQUESTED, World

from deid.documents.site import load_site
from deid.errors import DocumentError
from deid.spark.cluster import cluster

NEXT_YEAR = str((datetime.now(UTC) + timedelta(days=365)).date())
needs_spark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None, reason="Spark is not installed"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("command") / "site")


def deid(world: World, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `deid` as a process of its own."""
    known = os.environ | {"DEID_SITE": str(world.folder / "site.yaml"), "DEID_PASSPHRASE": PASSPHRASE.decode()}
    command = [sys.executable, "-m", "deid", *map(str, arguments)]
    return subprocess.run(command, env=known, capture_output=True, text=True, check=False, timeout=300)


def request(world: World) -> Path:
    """Return a request that is in force when this test runs."""
    return world.request(world.source(), REQUESTED, expires=NEXT_YEAR)


def test_a_cluster_is_named_for_spark_alone(world: World) -> None:
    """--master without --engine spark is refused, so that nobody takes a local run for one on the cluster."""
    ended = deid(world, "export", request(world), "--master", "spark://head:7077")
    assert ended.returncode == 11
    assert "--engine spark" in ended.stderr


def test_settings_stand_in_the_site_file_and_secrets_do_not(world: World) -> None:
    """Settings are read by name; one that names a secret is refused before Spark is started."""
    path = world.folder / "site.yaml"
    other = path.with_name("spark-site.yaml")
    other.write_text(path.read_text() + 'spark: {spark.master: "local[2]", spark.authenticate.secret: hush}\n')
    site = load_site(other)
    assert site.spark["spark.master"] == "local[2]"
    assert load_site(path).spark == {}
    if importlib.util.find_spec("pyspark") is not None:
        with pytest.raises(DocumentError, match="secret"), cluster(None, site.spark):
            pass


@pytest.mark.long
@needs_spark
def test_the_command_makes_a_release_on_spark(world: World) -> None:
    """A master in the site file is enough; the release stands, and opens."""
    path = world.folder / "site.yaml"
    before = path.read_text()
    path.write_text(before + 'spark: {spark.master: "local[2]"}\n')
    try:
        ended = deid(world, "export", request(world), "--engine", "spark")
    finally:
        path.write_text(before)
    assert ended.returncode == 0, ended.stderr
    assert "published" in ended.stdout
    assert "SENTINEL" not in ended.stdout + ended.stderr


def test_the_command_publishes_by_processes(world: World) -> None:
    """`--engine processes` publishes what is asked for, with no Spark at hand."""
    ended = deid(world, "export", request(world), "--engine", "processes")
    assert ended.returncode == 0, ended.stderr
    assert "published" in ended.stdout
