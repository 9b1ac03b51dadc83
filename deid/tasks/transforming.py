"""One task: read a split, transform it by the plan and the frozen decision, and write it below the attempt's folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from deid.documents.request import OnBadRow
from deid.errors import SourceError
from deid.keys.prf import BatchCmac
from deid.ledger.joins import Prints
from deid.notes.redactor import Redactor
from deid.observing.foreseen import foreseen
from deid.observing.rows import Rows
from deid.patients.positions import Patients
from deid.pipeline import output_schema, transform
from deid.planning.needs import columns_written
from deid.planning.plan import TablePlan
from deid.quality.judge import Judge
from deid.release.quarantine import BadRowsKept
from deid.reports.source_side import SourceSide
from deid.row_tallies import Redaction, RowTallies
from deid.sinks.encrypted_parquet import Sizes, TableWriter
from deid.sources import open_source
from deid.tasks.job import Answer, Given, Job, Known, Part

# A task gives one file, however large, whose number is that of the part.
_ONE_FILE = Sizes(file_rows=2**62, file_bytes=2**62)


def perform(job: Job, known: Known | None, number: int, attempt: Path) -> Answer:
    """Perform one task of a job in the folder of its attempt; `known` once the population was written.

    Raises DeidError as the local engine does. Bad rows are told in the answer: only all parts tell how many there are.
    """
    part = job.parts[number]
    planned = job.plan.table(part.table)
    if planned is None:
        raise AssertionError("a task was made for a table that is not in the plan")
    rows, tallies, bad_rows = (
        _rows(job),
        _tallies(job, known),
        BadRowsKept(refuses=job.plan.request.on_bad_row is OnBadRow.REFUSE),
    )
    patients, seen = len(job.decision.patients), 0
    _begin_pseudonyms(job.decision.patients, known)
    with Redactor(processes=1) as redactor:
        redact = Redaction(job.plan, job.decision, redactor, BatchCmac(job.surrogates))
        columns = columns_written(planned, job.decision.rows)
        with _writer(job, planned, part, attempt) as writer:
            read = rows.read(planned.table, columns, part.splits, met=part.met)
            for batch in foreseen(read, planned, job.decision.pseudonyms):
                _require_known(job, planned, patients)
                bad_rows.take(batch)
                done = transform(job.plan, planned, job.decision, batch, redact)
                tallies.see(planned, job.decision, batch, done)
                writer.write(done.batch)
                seen += len(batch)
            files = writer.close()
    left_out = job.screen.rows.get(part.table, Counter()) if job.screen is not None else Counter()
    return Answer(
        number,
        attempt.name,
        rows=seen,
        files=files,
        reasons=rows.reasons[part.table],
        left_out=Counter(left_out),
        withheld_notes=redact.withheld,
        given=_looked_up(job.decision.patients, known),
        bad_rows=bad_rows.state(),
        **_states(tallies),
    )


def _begin_pseudonyms(patients: Patients, known: Known | None) -> None:
    """Know the pseudonyms that the population's tasks told, and no others: each task tells what it looked up itself."""
    patients.forget_given()
    if known is not None:
        patients.give(*known.given)


def _looked_up(patients: Patients, known: Known | None) -> Given:
    positions, pseudonyms = patients.given()
    if known is None:
        return positions, pseudonyms
    fresh = ~np.isin(positions, known.given[0], assume_unique=True)
    return positions[fresh], pseudonyms[fresh]


def _rows(job: Job) -> Rows:
    """Return the way to read rows; what it has counted before, in another task of this process, is forgotten."""
    rows = Rows(open_source(job.plan.dataset), job.plan.dataset, job.decision.patients, job.screen)
    rows.links = dict(job.links)
    rows.also = dict(job.also)
    return rows


def _tallies(job: Job, known: Known | None) -> RowTallies:
    judge = Judge(job.plan.dataset, job.judged, job.unit, job.systems)
    source_side = SourceSide(job.plan, job.decision.patients, tagger=job.tagger)
    if known is not None:
        judge.know(known.sex, known.birth)
        source_side.lost, source_side.is_continued = known.lost, known.is_continued
    prints = Prints(job.prints, len(job.decision.patients)) if job.prints is not None else None
    return RowTallies(judge, source_side, prints)


def _states(tallies: RowTallies) -> dict[str, Any]:
    return {
        "judge": tallies.judge.state(),
        "source_side": tallies.source_side.state(),
        "prints": tallies.prints.state() if tallies.prints is not None else None,
        "empties": tallies.empties.state(),
    }


def _writer(job: Job, planned: TablePlan, part: Part, attempt: Path) -> TableWriter:
    keys = job.keys.opened()
    schema = output_schema(planned)
    return TableWriter(attempt, part.table, schema, keys, sizes=_ONE_FILE, first=part.number)


def _require_known(job: Job, planned: TablePlan, patients: int) -> None:
    """Raise SourceError where the population has patients whom the driver did not meet: nothing is decided on them."""
    if len(job.decision.patients) != patients:
        raise SourceError(
            f"{planned.table.name}: the source changed between the first and the second read",
            hint="run again when nothing writes to the source; what was staged is discarded",
        )
