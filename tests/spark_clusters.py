"""Real clusters for tests: Spark's own processes, with the settings that a site needs, and runs in a process of their own."""

from __future__ import annotations

import gzip
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pyspark
from sites import PASSPHRASE, TestSite, make_site
from tiny_sources import write_source

SHIPPED = Path(pyspark.__file__).parent
NEXT_YEAR = str((datetime.now(UTC) + timedelta(days=365)).date())
KINDS = {
    "patients": {"ID": "patient_id", "SEX": "sex", "INCOME": "income"},
    "encounters": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "COST": "charge_amount"},
}
TABLES = {"patients": ["ID", "SEX", "INCOME"], "encounters": ["ENC", "PATIENT", "START", "COST"]}
SENTINELS = (b"SENTINEL-PAT-", b"SENTINEL-ENC-")

# Cuts a source into small parts and exports it on a cluster.
DRIVER = """
import sys
from datetime import date
from functools import partial
from pathlib import Path
from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.documents.site import load_site
from deid.export import export
from deid.keys import open_provider
from deid.planning.compiler import compile_plan
from deid.sources import delimited
from deid.sources.description import load_dataset
from deid.tasks import parts
from deid.spark.cluster import cluster
from deid.tasks.run import TaskRun

site_path, request_path, name, passphrase, master, size, *settings = sys.argv[1:]
delimited.SPLIT_BYTES = parts.TASK_BYTES = int(size)
site, request = load_site(Path(site_path)), load_request(Path(request_path))
plan = compile_plan(request, load_policy(request.policy), load_dataset(request.dataset), release=name, today=date.today())
provider = open_provider(site.keys, passphrase.encode)
with cluster(master, dict(setting.split("=", 1) for setting in settings)) as session:
    export(plan, site, provider, progress=lambda what, rows: None, engine=partial(TaskRun, cluster=session))
"""


@dataclass
class Ward:
    """A site with one source of visits, and the environment in which Spark finds its settings."""

    site: TestSite
    request: Path
    environment: dict[str, str]
    rows: int

    def start(self, master: str, name: str, *settings: str, size: int = 200_000) -> subprocess.Popen[str]:
        """Start an export on a cluster in a process of its own."""
        self.site.plan(self.request, name=name)
        arguments = [
            str(self.site.folder / "site.yaml"),
            str(self.request),
            name,
            PASSPHRASE.decode(),
            master,
            str(size),
        ]
        return subprocess.Popen(
            [sys.executable, "-c", DRIVER, *arguments, *settings],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def finish(self, driver: subprocess.Popen[str]) -> str:
        """Wait for an export that must end well, and return what it and Spark said."""
        said, _ = driver.communicate(timeout=240)
        assert driver.returncode == 0, said[-3000:]
        return said

    def check(self, name: str) -> None:
        """Hold a release to the source: every row once, and nothing of the run left beside it."""
        release = self.site.site.releases / "ward" / name
        from deid.opening import open_release

        opened = open_release(release, [self.site.researcher])
        costs = opened.read("encounters")["COST"].to_pylist()
        assert sorted(costs) == [float(n) for n in range(self.rows)]
        assert {path.name for path in release.parent.iterdir() if not path.name.startswith(".")} >= {name}
        assert not [path for path in release.rglob("*") if "tasks" in path.name]
        assert not list(release.parent.glob(".staging-*"))

    def attempts(self) -> set[str]:
        """Return the folders of attempts that stand in a staging folder now."""
        found = (self.site.site.releases / "ward").glob(".staging-*/tasks/*-*")
        return {path.name for path in found}

    def leaks(self, said: str, *folders: Path) -> list[str]:
        """Return where an identifier, or a word of the source, stands in what Spark said and left."""
        places = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        texts = {"output": said.encode()} | {str(path): path.read_bytes() for path in places}
        return [place for place, text in texts.items() if any(word in text for word in SENTINELS)]


def make_ward(folder: Path, *, patients: int = 200, rows: int = 60_000, is_uneven: bool = False) -> Ward:
    """Make a site, a source, a signed request, and Spark's settings in a folder that only its owner may read.

    `is_uneven`: most visits lie in a compressed file, which cannot be cut, so that one task takes longer than others.
    """
    site = make_site(folder / "site")
    dataset = write_source(folder / "source", dict.fromkeys(KINDS, "X"), KINDS)
    people = [f"SENTINEL-PAT-{n},{'FM'[n % 2]},{n}\n" for n in range(patients)]
    visits = [f"SENTINEL-ENC-{n},SENTINEL-PAT-{n % patients},2025-0{n % 9 + 1}-11,{n}\n" for n in range(rows)]
    (dataset.parent / "patients.csv").write_text("".join(["ID,SEX,INCOME\n", *people]))
    head = "ENC,PATIENT,START,COST\n"
    if is_uneven:
        dataset.write_text(dataset.read_text().replace("encounters.csv", "encounters-*"))
        for number in range(24):
            some = visits[number * 2_000 : (number + 1) * 2_000]
            (dataset.parent / f"encounters-{number:02d}.csv").write_text("".join([head, *some]))
        rest = "".join([head, *visits[48_000:]]).encode()
        (dataset.parent / "encounters-z.csv.gz").write_bytes(gzip.compress(rest))
    else:
        (dataset.parent / "encounters.csv").write_text("".join([head, *visits]))
    request = site.request(dataset, TABLES, request="ward", expires=NEXT_YEAR)
    return Ward(site, request, _environment(folder), rows)


def _environment(folder: Path) -> dict[str, str]:
    home = folder / "spark"
    home.mkdir()
    for part in SHIPPED.iterdir():  # so that what a cluster writes into its home does not land among packages
        (home / part.name).symlink_to(part)
    settings = folder / "conf"
    settings.mkdir(mode=0o700)
    events = folder / "events"
    events.mkdir()
    (settings / "spark-defaults.conf").write_text(
        f"""spark.authenticate true
spark.authenticate.secret {secrets.token_hex(32)}
spark.network.crypto.enabled true
spark.io.encryption.enabled true
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.executor.memory 512m
spark.eventLog.enabled true
spark.eventLog.compress false
spark.eventLog.dir {events.as_uri()}
spark.local.dir {folder / "local"}
"""
    )
    (settings / "spark-defaults.conf").chmod(0o600)
    return os.environ | {
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(settings),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOG_DIR": str(folder / "logs"),
        "PYSPARK_PYTHON": sys.executable,
    }


@contextmanager
def standalone(ward: Ward, workers: int = 2) -> Iterator[tuple[str, list[psutil.Process]]]:
    """Yield the URL of a standalone cluster and the processes of its workers; all are ended afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"spark://127.0.0.1:{port}"
    run = [str(SHIPPED / "bin" / "spark-class")]
    deploy = "org.apache.spark.deploy"
    started: list[psutil.Process] = []

    def start(*arguments: str, host: str) -> psutil.Process:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = ward.environment | {"SPARK_LOCAL_IP": host}
        started.append(psutil.Popen([*run, *arguments, "--host", host, "--webui-port", "0"], env=environment, **quiet))
        return started[-1]

    try:
        start(f"{deploy}.master.Master", "--port", str(port), host="127.0.0.1")
        until(lambda: _answers(port), "a master that answers")
        work = Path(ward.environment["SPARK_HOME"]).parent / "work"
        # Each at an address of its own: Spark tries no task a second time on the host where it runs.
        made = [
            start(f"{deploy}.worker.Worker", url, "--cores", "1", "--memory", "1g", "--work-dir", str(work / str(n)),
                  host=f"127.0.0.{n + 1}")
            for n in range(workers)
        ]  # fmt: skip
        yield url, made
    finally:
        for process in started:
            end(process)


def end(process: psutil.Process) -> None:
    """Kill a process that a test started, and its children, by their ids."""
    try:
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=20)


def until(holds: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Wait until something holds."""
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last, f"waited in vain for {what}"
        time.sleep(0.02)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
