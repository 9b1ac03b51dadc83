"""Worker processes that search batches of notes: in order, a few at a time, and one that ends takes no other along.

A worker is a new interpreter with two pipes, so that nothing is inherited by accident and nothing is written to disk.
Texts go to it, offsets come back. A worker that dies or is late is replaced; the notes it had are tried one by one, and
the one it dies of has no answer.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from deid.errors import NotesError
from deid.notes.span import Span
from deid.notes.worker import Answer, Request, receive, send

if TYPE_CHECKING:
    from deid.notes.detector import Known, Note

Found = list[Span] | None

SECONDS = 60.0  # how long a worker may take for any batch, and one second more for each CHARACTERS_A_SECOND
CHARACTERS_A_SECOND = 2_000
CHARACTERS_A_SECOND_WITH_HUB = 100  # the largest models of the hub, on a slow core
IN_FLIGHT = 2  # batches for each worker that are waiting or being searched
# One thread for each worker: numpy would start as many as there are cores in each of them.
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


class _Worker:
    """One process and its pipes."""

    def __init__(self, *, strict: bool, hub: Path | None) -> None:
        run = [sys.executable, "-m", "deid.notes.worker", *(["--strict"] if strict else [])]
        run += [] if hub is None else [f"--hub={hub.absolute()}"]
        self._pace = CHARACTERS_A_SECOND if hub is None else CHARACTERS_A_SECOND_WITH_HUB
        environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        # Its messages go nowhere: a traceback could quote a note.
        self.process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of this package
            run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self._end = weakref.finalize(self, _end, self.process)
        if self._ask(b"") is None:
            raise NotesError(
                "a process that searches notes could not start", hint="try with one process, which says what is wrong"
            )

    def ask(self, notes: Sequence[Note]) -> list[Found] | None:
        """Return the answer for each note; None when the worker is gone, or too late and therefore ended."""
        characters = sum(len(text) for text, _ in notes)
        message = self._ask(_encoded(notes), SECONDS + characters / self._pace)
        if message is None:
            return None
        found = msgspec.msgpack.decode(message, type=Answer).found
        return [None if spans is None else [Span(*span) for span in spans] for spans in found]

    def _ask(self, message: bytes, seconds: float = SECONDS) -> bytes | None:
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(seconds, process.kill)
        late.daemon = True
        late.start()
        try:
            send(process.stdin, message)
            return receive(process.stdout)
        except OSError:
            return None
        finally:
            late.cancel()

    def end(self) -> None:
        """End the process, and wait for it."""
        self._end()


class Pool:
    """`processes` workers, started when they are first needed; `close` ends them."""

    def __init__(self, processes: int, *, strict: bool = False, hub: Path | None = None) -> None:
        self.processes, self.strict, self.hub = processes, strict, hub
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="deid-notes")
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._all: weakref.WeakSet[_Worker] = weakref.WeakSet()
        self._is_closed = False

    def each(self, batches: Iterable[Sequence[Note]]) -> Iterator[Found]:
        """Yield the spans of each note of each batch, in order; None for a note that could not be searched."""
        waiting: deque[Future[list[Found]]] = deque()
        try:
            for batch in batches:
                if len(waiting) >= IN_FLIGHT * self.processes:
                    yield from waiting.popleft().result()
                waiting.append(self._threads.submit(self._search, batch))
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """End every worker; a batch that is being searched has no answer."""
        self._is_closed = True
        for worker in list(self._all):
            worker.end()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _search(self, batch: Sequence[Note]) -> list[Found]:
        found = self._asked(batch)
        if found is None:
            # One more try for each by itself: that a worker ended need not be its note's fault.
            found = [(self._asked([note]) or [None])[0] for note in batch]
        return found

    def _asked(self, batch: Sequence[Note]) -> list[Found] | None:
        """Return the answers of a worker; None when it is gone, and another will take its place."""
        if self._is_closed:
            return None
        worker = self._worker()
        found = worker.ask(batch)
        if found is not None and len(found) == len(batch):
            self._idle.put(worker)
            return found
        worker.end()
        return None

    def _worker(self) -> _Worker:
        with contextlib.suppress(queue.Empty):
            return self._idle.get_nowait()
        worker = _Worker(strict=self.strict, hub=self.hub)
        self._all.add(worker)
        return worker


def _encoded(notes: Sequence[Note]) -> bytes:
    """Return a request for notes: the record of several notes of one patient goes once."""
    numbers: dict[Known, int] = {}
    texts = [(text, -1 if own is None else numbers.setdefault(own, len(numbers))) for text, own in notes]
    records = [(own.values, own.on.isoformat() if own.on is not None else "") for own in numbers]
    try:
        return msgspec.msgpack.encode(Request(texts, records))
    except UnicodeEncodeError:  # half of a pair of UTF-16: no text, but a note all the same
        readable = [(_sayable(text), number) for text, number in texts]
        own_values = [(tuple((kind, _sayable(value)) for kind, value in values), on) for values, on in records]
        return msgspec.msgpack.encode(Request(readable, own_values))


def _sayable(text: str) -> str:
    """Return `text` with a mark for each code point that UTF-8 cannot say, so that every offset stays."""
    return text.encode("utf-8", "replace").decode()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    process.wait()
