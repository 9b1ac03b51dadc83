"""Reading ahead and writing behind: a step of a run in a thread of its own, a bounded number of batches from the next.

Arrow and numpy let go of the interpreter while they work, so that parsing, transforming, compressing and encrypting
share the cores. Order is kept: what comes out is what would come out in one thread, to the byte.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")
_DEPTH = 4  # batches that wait; each is as large as a batch of the source


def ahead(items: Iterator[Item], *, is_apart: bool, depth: int = _DEPTH) -> Iterator[Item]:
    """Yield the items in their order, worked out in a thread of their own where `is_apart`, else as they are asked for.

    At most `depth` items wait. What the thread raises is raised here, after the items before it. Whoever stops reading
    closes this generator, which ends the thread and closes `items`.
    """
    return _Ahead(items, depth).read() if is_apart else items


class _Ahead(Generic[Item]):
    def __init__(self, items: Iterator[Item], depth: int) -> None:
        self._items = items
        self._waiting: queue.Queue[tuple[Item] | BaseException | None] = queue.Queue(depth)
        self._is_over = threading.Event()

    def read(self) -> Generator[Item]:
        thread = threading.Thread(target=self._work, name="deid-ahead")
        thread.start()
        try:
            while (found := self._waiting.get()) is not None:
                if isinstance(found, BaseException):
                    raise found
                yield found[0]
        finally:
            self._is_over.set()
            while thread.is_alive():
                self._empty()
                thread.join(0.01)
            self._empty()

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._put((item,)):
                    break
        except BaseException as error:  # noqa: BLE001 - raised again where the items are read
            self._put(error)
        else:
            self._put(None)
        finally:
            if isinstance(self._items, Generator):
                self._items.close()

    def _put(self, item: tuple[Item] | BaseException | None) -> bool:
        """Let an item wait for its reader; return whether there still is one.

        A run that was ended leaves its generators open. Then the main thread is over, and the process waits for this
        one: as a daemon it would be cut off inside of Arrow, which aborts the process.
        """
        while not self._is_over.is_set() and threading.main_thread().is_alive():
            try:
                self._waiting.put(item, timeout=0.05)
            except queue.Full:
                continue
            return True
        return False

    def _empty(self) -> None:
        while True:
            try:
                self._waiting.get_nowait()
            except queue.Empty:
                return


class Behind:
    """One task at a time, behind its caller's back where `is_apart`; what it raises is raised at the next call."""

    def __init__(self, *, is_apart: bool) -> None:
        self._is_apart = is_apart
        self._thread: threading.Thread | None = None
        self._fault: BaseException | None = None

    def start(self, task: Callable[[], None]) -> None:
        """Begin a task when the one before is done; raise what that one raised."""
        self.settle()
        if not self._is_apart:
            task()
            return
        self._thread = threading.Thread(target=self._run, args=(task,), name="deid-behind")
        self._thread.start()

    def settle(self) -> None:
        """Wait for the task that runs, if any; raise what it raised."""
        self.wait()
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wait()

    def wait(self) -> None:
        """Wait for the task that runs, whatever becomes of it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001 - raised again by the next call
            self._fault = error
