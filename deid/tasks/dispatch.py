"""What the driver has for tasks of one turn: a folder of attempts, a one-time key, and a cluster that performs them."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import deid
from deid.keys.base import KEY_BYTES
from deid.tasks.attempts import end_attempts, make_tasks_folder
from deid.tasks.faults import error_of
from deid.tasks.job import Answer
from deid.tasks.shipping import Shipment, open_answer, ship
from deid.tasks.worker import Ticket


class Performs(Protocol):
    """What performs tasks: a Spark cluster, or processes of this machine."""

    def run(self, ticket: Ticket, numbers: Sequence[int]) -> Generator[bytes]:
        """Run tasks and yield the sealed answer of exactly one attempt of each, in the order of numbers.

        Once the generator is closed no attempt runs any more that could be waited for.
        """
        ...


@dataclass(frozen=True, slots=True)
class Dispatch:
    """`tasks`: the folder of attempts, at the same path wherever tasks run. `key`: 32 bytes, of this turn alone."""

    cluster: Performs = field(repr=False)
    tasks: Path
    key: bytes = field(repr=False)
    _turns: list[Generator[Answer]] = field(default_factory=list, repr=False)

    def ship(self, content: object, name: str, instead: Mapping[int, object] | None = None) -> Shipment:
        """Seal what tasks need; see deid.tasks.shipping.ship."""
        return ship(content, self.key, name, self.tasks, instead)

    def answers(self, job: Shipment, numbers: Sequence[int], known: Shipment | None = None) -> Iterator[Answer]:
        """Perform tasks and yield their answers in the order of numbers; raise the fault of the first that has one."""
        turn = self._answers(Ticket(deid.__version__, self.key, job, known), numbers)
        self._turns.append(turn)
        return turn

    def _answers(self, ticket: Ticket, numbers: Sequence[int]) -> Generator[Answer]:
        with closing(self.cluster.run(ticket, numbers)) as told:
            for number, sealed in zip(numbers, told, strict=True):
                answer: Answer = open_answer(sealed, self.key, number, self.tasks)
                if answer.fault is not None:
                    raise error_of(answer.fault)
                yield answer

    def end(self) -> None:
        """Wait until no task runs any more, whoever still wanted its answer."""
        for turn in self._turns:
            turn.close()


def fresh_key() -> bytes:
    """Return the one-time key of a turn."""
    return os.urandom(KEY_BYTES)


@contextmanager
def dispatching(cluster: Performs, staging: Path) -> Iterator[Dispatch]:
    """Yield what gives out tasks that write below a staging folder; when it ends, nothing of attempts is left there."""
    dispatch = Dispatch(cluster, make_tasks_folder(staging.resolve()), fresh_key())
    try:
        yield dispatch
    finally:
        dispatch.end()  # a task that still wrote would be in the way of whoever removes the staging folder
    end_attempts(staging)
