"""One task of the verification: read one file of a release back, decrypt it, and check and note what it holds."""

from __future__ import annotations

from pathlib import Path

from deid.reports.release_side import ReleaseSide
from deid.reports.source_side import SourceSide
from deid.sinks.read_back import read_back
from deid.tasks.job import Answer, CheckingJob


def perform(job: CheckingJob, number: int, attempt: Path) -> Answer:
    """Perform one task: read one file back, and return what the checks and the report noted of it; raise DeidError."""
    table, file = job.parts[number]
    planned = job.plan.table(table)
    if planned is None:
        raise AssertionError("a file of a table was written that is not in the plan")
    source = SourceSide(job.plan, job.decision.patients, tagger=job.tagger)
    source.merge(job.source_side)
    source.lost, source.is_continued = job.lost, job.is_continued
    back = ReleaseSide(job.plan, source, job.decision.controls.codes)
    back.know(job.people)
    notes, seen = [], 0
    for batch in read_back(Path(job.folder), [file], job.keys.opened()):
        left_out = job.left_out.note(planned, batch) if job.left_out is not None else None
        notes.append((job.checks.note(planned, batch), left_out))
        back.see(planned, batch)
        seen += batch.num_rows
    return Answer(number, attempt.name, rows=seen, notes=tuple(notes), release_side=back.state())
