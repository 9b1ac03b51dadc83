"""This project's jobs and the floors, each done in a process of its own; only the work itself is timed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from structured import cpu, forget_peak, peak_mib, prepare_export, prepare_floor

from peers.jobs import BY_PROCESSES, ON_SPARK
from peers.running import children

SUPPRESSION = 0.05
K = 11


def work(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Do one job and return its figures."""
    return DO[job["section"]](job)


def timed(do: Callable[[], Any], **more: Any) -> dict[str, Any]:
    """Return what a piece of work takes."""
    forget_peak()
    start, wall = cpu(), time.perf_counter()
    do()
    return {"cpu": cpu() - start, "wall": time.perf_counter() - wall, "peak": peak_mib()} | more


def tables(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Do the floor, or the export, of the claims tables under a policy."""
    asked = {"source": job["source"], "out": job["out"], "policy": job["work"], "workers": job["workers"]}
    if job["tool"] == BY_PROCESSES:
        return [timed(by_processes(asked))]
    if job["tool"] == ON_SPARK:
        return [on_spark(asked)]
    return [timed(prepare_floor(asked) if job["tool"] == "floor" else prepare_export(asked))]


def by_processes(asked: dict[str, Any]) -> Callable[[], None]:
    """Return the export with its tables shared out among processes, which begin and end within it."""
    from deid.engine.processes import processes

    return in_tasks(asked, lambda: processes(asked["workers"]))


def on_spark(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of an export on a session whose JVM and workers have begun, and have imported what they run.

    CPU seconds are of this process and everything below it, those that ended meanwhile too.
    """
    from deid.spark.cluster import cluster

    with cluster(f"local[{asked['workers']}]", {}) as begun:
        export = in_tasks(asked, lambda: nullcontext(begun))

        def imported(batches: Any) -> Any:
            import deid.tasks.worker  # noqa: F401

            yield from batches

        begun.session.range(0, 100, 1, asked["workers"]).mapInArrow(imported, "id long").collect()
        before = below(os.getpid())
        told = timed(export)
        return told | {"cpu": below(os.getpid()) - before}


def below(pid: int) -> float:
    """Return the CPU seconds of a process, of what lives below it, and of what they waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(below(child) for child in children(pid))


def in_tasks(asked: dict[str, Any], begin: Callable[[], AbstractContextManager[Any]]) -> Callable[[], None]:
    """Return the export by tasks on what `begin` begins within it, and ends."""
    from deid.tasks.run import TaskRun

    clusters: list[Any] = []
    export = prepare_export(
        asked | {"workers": 1}, engine=lambda *given, **more: TaskRun(*given, cluster=clusters[0], **more)
    )

    def do() -> None:
        with begin() as cluster:
            clusters.append(cluster)
            export()

    return do


def notes(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Export tables with redacted notes under an expert's policy: keyed pseudonyms, years, ZIP3."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
    from sites import make_site

    from deid.export import export
    from peers.sources import NOTES

    site = make_site(Path(job["out"]))
    year: dict[str, Any] = {"generalize_date": "year", "floor_age": 90}
    rules: dict[str, Any] = {"patient_id": {"pseudonymize": "keyed"}, "encounter_id": {"pseudonymize": "keyed"}}
    rules |= {kind: dict(year) for kind in ("birth_date", "admit_date", "discharge_date", "service_date")}
    rules |= {"sex": "keep", "zip_code": {"generalize_zip": "zip3"}, "clinical_note": "redact_note"}
    policy = site.write(
        "own/notes.yaml", {"policy": "notes", "version": 1, "basis": "expert_determination", "rules": rules}
    )
    dataset = Path(job["source"]) / "dataset.yaml"
    plan = site.plan(site.request(dataset, NOTES, policy=str(site.sign(policy)), agreement=None))
    kept: list[Any] = []

    def do() -> None:
        kept.append(export(plan, site.site, site.provider, progress=lambda _w, _r: None, workers=job["workers"]))

    figures = timed(do)
    return [figures | {"value": float(kept[0].withheld_notes)}]


def fhir(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Export FHIR bulk files with every column that the policy lets pass."""
    from fhir import export_figures

    told = export_figures({"source": job["source"], "out": job["out"], "policy": job["work"]})
    return [{"cpu": told["cpu"], "wall": told["wall"], "peak": told["peak"], "count": int(told["resources"])}]


def x12(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Read X12 837 files, every table and column, or split them at their separators."""
    from formats import data_files, own_reading, split

    source = Path(job["source"])
    files = data_files(source)
    do = split(files, "x12_837") if job["tool"] == "floor" else own_reading(source)
    return [timed(do, count=sum(file.read_bytes().count(b"CLM*") for file in files))]


def risk(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Measure k, l and t of a table, and search for the best recoding to k."""
    import disclosure

    table = str(Path(job["source"]) / "people.parquet")
    found = [
        {"work": name, "cpu": seconds, "wall": seconds, "peak": 0.0, "value": value}
        for name, (value, seconds) in disclosure.measure(table).items()
    ]
    start = time.perf_counter()
    told = disclosure.search(table, SUPPRESSION)
    seconds = told["count"] + told["search"]
    wall = time.perf_counter() - start
    found.append({"work": "search", "cpu": seconds, "wall": wall, "peak": told["peak"], "value": told["loss"]})
    return found


DO: dict[str, Callable[[dict[str, Any]], list[dict[str, Any]]]] = {
    "tables": tables, "growth": tables, "notes": notes, "fhir": fhir, "x12": x12, "risk": risk,
}  # fmt: skip
