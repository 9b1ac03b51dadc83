"""The engine on Spark for tests: tasks in this process, sealed as they would be on a cluster, and twins of one run."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sites import TestSite

from deid.errors import DeidError
from deid.export import Exported, export
from deid.sources import delimited, parquet
from deid.staged_tables import Run
from deid.tasks import parts
from deid.tasks.run import TaskRun
from deid.tasks.worker import Ticket, answer

# What differs between two runs of one plan by its nature: keys, names of days, and digests of what was encrypted.
OF_ONE_RUN = frozenset(
    {"sha256", "bytes", "files", "documents", "created", "mac", "row_groups", "generated", "payload_sha256"}
)

Engine = Callable[..., Run]


class InProcess:
    """A cluster whose tasks run here, one after the other, last ones first: no order may matter.

    `turns`: what was asked of it, and of how many tasks.
    """

    def __init__(self) -> None:
        self.turns: list[tuple[str, int]] = []

    def run(self, ticket: Ticket, numbers: Sequence[int]) -> Generator[bytes]:
        """Perform the tasks."""
        self.turns.append((ticket.job.name, len(numbers)))
        told = {number: answer(ticket, number) for number in reversed(numbers)}
        yield from (told[number] for number in numbers)


def on(cluster: Any) -> Engine:
    """Return the engine on a cluster."""
    return partial(TaskRun, cluster=cluster)


@contextmanager
def cut_small(size: int = 60, task: int = 0) -> Iterator[None]:
    """Cut text after so many bytes, and Parquet after each row group; a task reads splits of so many bytes."""
    with (
        patch("deid.sources.delimited.SPLIT_BYTES", size),
        patch("deid.sources.parquet.SPLIT_BYTES", size),
        patch.object(parts, "TASK_BYTES", task),
    ):
        yield


def by_tasks(size: int = 3000) -> None:
    """Let every export that names no engine be cut into tasks after so many bytes, until this process ends."""
    delimited.SPLIT_BYTES = parquet.SPLIT_BYTES = size
    parts.TASK_BYTES = 0
    defaults = export.__kwdefaults__
    if defaults is None or defaults["engine"] is not Run:
        raise AssertionError("the engine of an export has another default than this changes")
    defaults["engine"] = on(InProcess())


@dataclass
class Outcome:
    """What came of a run: rows as multisets by table, manifest and report but for what is of one run, or a refusal."""

    rows: dict[str, Counter[str]]
    documents: dict[str, Any]
    counts: tuple[Any, ...]
    refusal: tuple[str, str] | None = None
    files: int = 0


def outcome(site: TestSite, request: Path, engine: Engine, **options: Any) -> Outcome:
    """Run a request on an engine and tell what came of it."""
    plan = site.plan(request, **options)
    if plan.policy.basis == "safe_harbor":
        site.attest(plan)
    try:
        done = export(plan, site.site, site.provider, progress=lambda _what, _rows: None, engine=engine)
    except DeidError as error:
        assert not (site.site.releases / plan.request.name / plan.release).exists()
        return Outcome({}, {}, (), (type(error).__name__, str(error)))
    return told(site, done)


def told(site: TestSite, done: Exported) -> Outcome:
    """Return what a release holds."""
    opened = site.open(done)
    rows = {
        t: Counter(map(repr, opened.read(t).select(opened.read(t).schema.names).to_pylist())) for t in opened.tables
    }
    documents = {
        path.name: of_any_run(json.loads(path.read_text()))
        for path in sorted(done.folder.glob("*.json"))
        if path.name in {"manifest.json", "report.json", "codebook.json", "quality.json"}
    }
    counts = (
        done.rows, done.quarantined, done.suppressed_patients, done.withheld_notes, done.withheld_records,
        done.malformed, done.judgment,
    )  # fmt: skip
    files = len(list((done.folder / "data").glob("*/*")))
    return Outcome(rows, documents, counts, files=files)


def of_any_run(value: Any) -> Any:
    """Return a document without what is of one run."""
    if isinstance(value, dict):
        return {key: of_any_run(held) for key, held in value.items() if key not in OF_ONE_RUN}
    if isinstance(value, list):
        return [of_any_run(held) for held in value]
    return value


def twins(site: TestSite, request: Path, cluster: Any, **options: Any) -> tuple[Outcome, Outcome]:
    """Run a request here and on a cluster, from one and the same state of the site."""
    before = site.folder.with_name(site.folder.name + "-before")
    shutil.copytree(site.folder, before)
    try:
        local = outcome(site, request, Run, **options)
        shutil.rmtree(site.folder)
        shutil.copytree(before, site.folder)
        spark = outcome(site, request, on(cluster), **options)
    finally:
        shutil.rmtree(site.folder)
        before.rename(site.folder)
    return local, spark
