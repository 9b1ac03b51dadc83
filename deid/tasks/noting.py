"""One task of the first reading: read a part of a table, and note what its observers keep of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from deid.observing.noting import Noting
from deid.observing.rows import Rows
from deid.release.quarantine import BadRowsKept
from deid.sources import open_source
from deid.tasks.job import Answer, NotingJob


def perform(job: NotingJob, number: int, attempt: Path) -> Answer:
    """Perform one task: what was noted of each batch, by observer, in the order of rows; raise DeidError."""
    part = job.parts[number]
    watched = job.watched[part.table]
    rows = Rows(open_source(job.plan.dataset), job.plan.dataset, job.decision.patients, job.screen)
    rows.links, rows.also = dict(job.links), dict(job.also)
    bad_rows = BadRowsKept(refuses=job.refuses or watched.is_planned)
    observers = [observer for observer in watched.observers if isinstance(observer, Noting)]
    notes, seen = [], 0
    for batch in rows.read(watched.table, watched.columns, part.splits):
        bad_rows.take(batch)
        notes.append(tuple(observer.note(batch) for observer in observers))
        seen += len(batch)
    left_out = job.screen.rows.get(part.table, Counter()) if job.screen is not None else Counter()
    return Answer(
        number,
        attempt.name,
        rows=seen,
        reasons=rows.reasons[part.table],
        left_out=Counter(left_out),
        bad_rows=bad_rows.state(),
        notes=tuple(notes),
    )
