"""A worker of `deid.notes.pool`: reads batches of notes on standard input, writes where their identifiers are.

It writes nothing else anywhere: not to a terminal, not to disk. It ends when its input does.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from deid.notes.known import KnownIdentifiers

LENGTH = 8  # bytes that say how long the message after them is


Record = tuple[tuple[tuple[str, str], ...], str]  # a patient's identifiers, and the day that tells who is over 89


class Request(msgspec.Struct, array_like=True):
    """Notes of one batch, each a text and the number of its patient's record; each record once. -1: no record."""

    notes: list[tuple[str, int]]
    records: list[Record]


class Answer(msgspec.Struct, array_like=True):
    """For each note its spans as (start, end, kind, rule), or None where the search failed."""

    found: list[list[tuple[int, int, str, str]] | None]


def send(stream: IO[bytes], data: bytes) -> None:
    """Write one message."""
    stream.write(len(data).to_bytes(LENGTH, "big"))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Read one message; None at the end of the stream, or where it was cut."""
    head = stream.read(LENGTH)
    if len(head) < LENGTH:
        return None
    length = int.from_bytes(head, "big")
    data = stream.read(length)
    return data if len(data) == length else None


def main() -> None:
    """Answer requests until there are no more; an empty one, with an empty answer, asks for everything to be loaded."""
    # A core file would hold notes in clear; Ctrl-C is for the process that started this one.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # What a library prints must not be taken for an answer.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    hub = next((Path(one.removeprefix("--hub=")) for one in sys.argv[1:] if one.startswith("--hub=")), None)
    _serve(requests, answers, strict="--strict" in sys.argv[1:], hub=hub)


def _serve(requests: IO[bytes], answers: IO[bytes], *, strict: bool, hub: Path | None) -> None:
    from deid.notes.detector import Detector  # noqa: PLC0415 - after standard output is out of reach

    detector = Detector(strict=strict, hub=hub)
    decoder = msgspec.msgpack.Decoder(Request)
    while (message := receive(requests)) is not None:
        if not message:
            detector.load()
            send(answers, b"")
            continue
        request = decoder.decode(message)
        records = [_identifiers(record) for record in request.records]
        batch = [(text, records[number] if number >= 0 else None) for text, number in request.notes]
        found = [
            None if spans is None else [(s.start, s.end, s.kind, s.rule) for s in spans]
            for spans in detector.searched(batch)
        ]
        send(answers, msgspec.msgpack.encode(Answer(found)))


@lru_cache(maxsize=64)
def _identifiers(record: Record) -> KnownIdentifiers:
    """Return the identifiers of a patient, made ready once for the notes that follow one another."""
    from deid.notes.known import KnownIdentifiers  # noqa: PLC0415 - as above

    values, on = record
    return KnownIdentifiers(values, on=date.fromisoformat(on) if on else None)


if __name__ == "__main__":
    main()
