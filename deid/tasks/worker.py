"""What runs in a worker's process: tasks come in as numbers, answers go out sealed, and no fault is told in clear.

Everything that a task needs is sealed under the one-time key of the run, which comes in the ticket; see ADR 0032.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

import deid
from deid.engine.memory import give_back_large_arrays
from deid.errors import DeidError
from deid.tasks import checking, noting, transforming
from deid.tasks.attempts import begin_attempt
from deid.tasks.faults import fault_of
from deid.tasks.job import Answer, CheckingJob, Job, Known, NotingJob
from deid.tasks.shipping import Shipment, seal_answer, unship

TASK, ANSWER = "task", "answer"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What lets a process take part in a run: its version and one-time key, and what was sealed under it."""

    version: str
    key: bytes = field(repr=False)
    job: Shipment
    known: Shipment | None = None


class Held(Protocol):
    """What holds a ticket: a broadcast variable of Spark."""

    @property
    def value(self) -> Ticket:
        """The ticket."""
        ...


def answers(held: Held, numbers: Sequence[int]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that Spark calls with batches of places in `numbers`, and that answers for each, sealed."""
    return partial(_answered, held, numbers)


def _answered(held: Held, numbers: Sequence[int], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for place in batch.column(0).to_pylist():
            number = numbers[place]
            sealed = answer(held.value, number)
            yield pa.record_batch([pa.array([number]), pa.array([sealed], pa.binary())], names=[TASK, ANSWER])


class TaskDefectError(RuntimeError):
    """A task failed in a way that nobody foresaw; Spark tries it again, and its logs may show this text."""


def answer(ticket: Ticket, number: int) -> bytes:
    """Perform a task and return its answer, sealed; raise TaskDefectError for what nobody foresaw."""
    place = ""
    try:
        done, attempt = _performed(ticket, number)
        return seal_answer(done, ticket.key, number, attempt)
    except Exception as error:  # noqa: BLE001 - what it says may quote a cell; only where it was raised is told
        place = fault_of(error).message
    raise TaskDefectError(place)


def _performed(ticket: Ticket, number: int) -> tuple[Answer, Path | None]:
    try:
        _require_version(ticket)
        give_back_large_arrays()
        job: Job | NotingJob | CheckingJob = _opened(ticket.job, ticket.key)
        known: Known | None = _opened(ticket.known, ticket.key) if ticket.known is not None else None
        attempt = begin_attempt(Path(job.tasks), number)
        if isinstance(job, NotingJob):
            return noting.perform(job, number, attempt), attempt
        if isinstance(job, CheckingJob):
            return checking.perform(job, number, attempt), attempt
        return transforming.perform(job, known, number, attempt), attempt
    except DeidError as error:  # the same whoever tries it again, so it is an answer
        return Answer(number, "", fault=fault_of(error)), None


def _require_version(ticket: Ticket) -> None:
    if ticket.version != deid.__version__:
        raise DeidError(
            f"a worker has deid {deid.__version__}, the driver {ticket.version}",
            hint="install the same version wherever tasks run",
        )


@lru_cache(maxsize=2)  # one run at a time in a process: its job, and what the population told
def _opened(shipment: Shipment, key: bytes) -> Any:
    return unship(shipment, key)
