"""Verifying by tasks: what tasks wrote, other tasks read back, and the driver takes what they noted, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

from deid.checks.verification import Progress, ReadBack, Verification, population_first, require_rows, verify_table
from deid.choices.checking import LeftOutCheck, seen_by
from deid.ledger.run import SeriesRun
from deid.observing.decision import Decision
from deid.planning.plan import Plan, TablePlan
from deid.reports.release_side import ReleaseSide
from deid.reports.source_side import SourceSide
from deid.sinks.encrypted_parquet import WrittenFile
from deid.sinks.read_back import read_back
from deid.sinks.release_keys import ReleaseKeys
from deid.tasks.dispatch import Dispatch
from deid.tasks.job import Answer, CheckingJob
from deid.tasks.task_keys import TaskKeys


def verify_by_tasks(
    plan: Plan,
    decision: Decision,
    folder: Path,
    written: Mapping[str, Sequence[WrittenFile]],
    keys: ReleaseKeys,
    progress: Progress,
    series: SeriesRun | None,
    back: ReleaseSide,
    left_out: LeftOutCheck | None,
    dispatching: AbstractContextManager[Dispatch],
    source: SourceSide,
) -> ReadBack:
    """Verify as deid.checks.verification.verify_staged does: the population here, files of other tables by tasks."""
    checks = Verification(plan, decision, series)
    others = [planned for planned in population_first(plan) if planned.table.name != plan.dataset.population]
    for planned in plan.tables:
        if planned not in others:
            batches = read_back(folder, written[planned.table.name], keys)
            verify_table(checks, planned, batches, written[planned.table.name], progress, seen_by(back.see, left_out))
    parts = tuple((planned.table.name, file) for planned in others for file in written[planned.table.name])
    if not parts:
        return checks.finish()
    mapped = decision.mapped
    # What only the whole is held against stays here, and no pseudonym is looked up any more.
    whole = (decision.pseudonyms.codes, *((mapped.coded, mapped.tied, mapped.dates) if mapped is not None else ()))
    with dispatching as dispatch:
        job = CheckingJob(
            plan=plan,
            decision=decision,
            checks=checks.for_tasks(),
            left_out=left_out,
            source_side=source.codes_state(),
            tagger=source.tagger,
            lost=source.lost,
            is_continued=source.is_continued,
            people=back.people(),
            keys=TaskKeys.of(keys),
            folder=str(folder.resolve()),
            tasks=str(dispatch.tasks),
            parts=parts,
        )
        shipped = dispatch.ship(job, "checking", {id(one): None for one in whole if one is not None})
        answers = dispatch.answers(shipped, range(len(parts)))
        for planned in others:
            files = written[planned.table.name]
            found = _taken(planned, islice(answers, len(files)), checks, back, left_out, progress)
            require_rows(planned.table.name, files, found)
    return checks.finish()


def _taken(
    planned: TablePlan,
    answers: Iterator[Answer],
    checks: Verification,
    back: ReleaseSide,
    left_out: LeftOutCheck | None,
    progress: Progress,
) -> int:
    """Take what tasks noted of the files of one table, in their order; return how many rows there were."""
    found = 0
    progress(f"verifying {planned.table.name}", 0)
    for answer in answers:
        for note, own in answer.notes:
            checks.take(planned, note)
            if left_out is not None:
                left_out.take(own)
        back.merge(answer.release_side)
        found += answer.rows
        progress(f"verifying {planned.table.name}", answer.rows)
    return found
