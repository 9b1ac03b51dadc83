"""Tasks in processes of this machine, as a cluster runs them: one at a time in each, in any order."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deid.errors import StorageError

if TYPE_CHECKING:
    from deid.tasks.worker import Ticket


@dataclass(frozen=True, slots=True)
class Processes:
    """Processes that perform tasks until their run ends."""

    pool: ProcessPoolExecutor = field(repr=False)

    def run(self, ticket: Ticket, numbers: Sequence[int]) -> Generator[bytes]:
        """Run tasks and yield the sealed answer of each, in the order of numbers, while later ones still run.

        The ticket, with the run's key, goes through a pipe and nowhere else. Raises StorageError where a process ended.
        """
        found = deque[Future[bytes]]()
        try:
            found.extend(self.pool.submit(_answer, ticket, number) for number in numbers)
            while found:
                yield found.popleft().result()
        except BrokenProcessPool:
            raise StorageError(
                "a worker's process ended before its task did",
                hint="the system may have ended it for want of memory: run with fewer workers",
            ) from None
        finally:
            # Who takes no more answers wants no more tasks begun, and none that still writes.
            wait([one for one in found if not one.cancel()])


@contextmanager
def processes(count: int) -> Iterator[Processes]:
    """Yield so many processes, which end with the block; what they hold of a run ends with them."""
    # Started afresh and not forked: this process has threads, whose locks a fork would copy in any state.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context)
    try:
        for _ in range(count):  # they load what they need while the run still opens its papers
            pool.submit(_begin)
        yield Processes(pool)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    import deid.tasks.worker  # noqa: F401, PLC0415 - in the worker's process alone


def _answer(ticket: Ticket, number: int) -> bytes:
    from deid.tasks.worker import answer  # noqa: PLC0415 - in the worker's process alone

    return answer(ticket, number)
