"""Spark reads a `columns` release through the Java client in `java/`, built here, and only what the provider allows."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_releases import columns, visits
from sites import PASSPHRASE, REPOSITORY, TestSite, make_site

from deid.keys.shredding import shred_release

pytestmark = [pytest.mark.live, pytest.mark.long]

# One session for all reads: a JVM takes seconds to come up. Reads what it is told on each line, prints what came of it.
SPARK = """
import json, sys
from pyspark.sql import SparkSession

classes, command, release = sys.argv[1:]
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.driver.extraClassPath", classes)
    .config("spark.ui.enabled", "false")
    .config("spark.hadoop.parquet.crypto.factory.class", "org.apache.parquet.crypto.keytools.PropertiesDrivenCryptoFactory")
    .config("spark.hadoop.parquet.encryption.kms.client.class", "org.deid.parquet.DeidKmsClient")
    .config("spark.hadoop.parquet.encryption.cache.lifetime.seconds", "0")
    .config("spark.hadoop.deid.keys.command", command)
    .config("spark.hadoop.deid.keys.release", release)
    .getOrCreate()
)
for line in sys.stdin:
    wanted = json.loads(line)
    try:
        rows = spark.read.parquet(wanted["path"]).select(wanted["columns"]).collect()
        print("ANSWER", json.dumps([[str(cell) for cell in row] for row in rows]), flush=True)
    except Exception:
        print("ANSWER", json.dumps("failed"), flush=True)
"""


def jars() -> Path:
    """Return pyspark's jars, or skip: it is no dependency, 500 MB and a JVM."""
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None or shutil.which("javac") is None:
        pytest.skip("needs pyspark and a JDK")
    return Path(found.origin).parent / "jars"


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, compiled against the jars that pyspark ships, with every warning an error."""
    out = tmp_path_factory.mktemp("classes")
    sources = sorted((REPOSITORY / "java").rglob("*.java"))
    command = ["javac", "-Xlint:all,-classfile,-processing,-path", "-Werror", "-cp", f"{jars()}/*", "-d", str(out)]
    subprocess.run([*command, *map(str, sources)], check=True)
    return out


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """A site with a local provider."""
    return make_site(tmp_path_factory.mktemp("site"))


def test_spark_reads_what_the_provider_opens(classes: Path, site: TestSite, tmp_path: Path) -> None:
    """Columns come back; a file of another release is refused, and after the shred, in the same JVM, every file is.

    parquet-java's cache of clients is off: with it, a client that is kept forgets its keys after 60 seconds.
    """
    made = columns(tmp_path / "release", site.provider, "spark.r1")
    other = columns(tmp_path / "other", site.provider, "spark.r2")
    data = made.folder / "data" / "encounters"
    command = f"{sys.executable} -m deid keys unwrap --site {site.folder / 'site.yaml'}"
    environment = {**os.environ, "DEID_PASSPHRASE": PASSPHRASE.decode()}
    arguments = [sys.executable, "-c", SPARK, str(classes), command, str(made.folder)]
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        arguments, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
    )

    def ask(path: Path, *names: str) -> object:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps({"path": str(path), "columns": names}), file=process.stdin, flush=True)
        for line in process.stdout:
            if line.startswith("ANSWER "):
                return json.loads(line.removeprefix("ANSWER "))
        raise AssertionError("Spark ended")

    try:
        expected = sorted([str(row["patient_id"]), str(row["admit_date"])] for row in visits().to_pylist())
        found = ask(data, "patient_id", "admit_date")
        assert isinstance(found, list), found
        assert sorted(found) == expected
        assert ask(other.folder / "data" / "encounters", "patient_id") == "failed"
        assert "do not open" in (tmp_path / "log").read_text()
        assert "KeyAccessDeniedException" not in (tmp_path / "log").read_text()
        shred_release(site.provider, "spark.r1")
        assert ask(data, "patient_id") == "failed"
        assert "KeyAccessDeniedException" in (tmp_path / "log").read_text()
    finally:
        process.communicate(timeout=60)  # the end of its input ends it, and Spark with it
        log.close()
