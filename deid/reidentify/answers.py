"""What is told of an order, and to whom: the reader of one key, or a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from deid.errors import ReleaseError
from deid.keys.files import read_public, write_private
from deid.keys.recipients import Identity, open_envelope, seal_envelope
from deid.reidentify.order import Order

FORMAT: Literal["deid-answer/1"] = "deid-answer/1"
_MAX_BYTES = 16 * 2**20


class Found(StrEnum):
    """What came of a search."""

    TOLD = "told"
    NEVER_GIVEN = "never given"
    NOT_IN_SOURCE = "not in the source"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is told of one pseudonym; its repr shows nothing of it.

    `offset_days` was added to each of the patient's dates; None where it is not asked for, or dates are not shifted.
    """

    pseudonym: str = field(repr=False)
    outcome: Found
    identifier: str | None = field(default=None, repr=False)
    offset_days: int | None = field(default=None, repr=False)


class _Told(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    pseudonym: str
    outcome: str
    identifier: str | None = None
    offset_days: int | None = None


class _Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["deid-answer/1"]
    order: str
    order_sha256: str
    release: str
    kind: str
    answers: list[_Told]


def write_answers(path: Path, order: Order, answers: Sequence[Answer]) -> None:
    """Write the answers to the new file `path`, sealed to the order's reader; raise KeyFaultError, StorageError.

    Nothing is written in clear on the way: the envelope is made in memory.
    """
    assert order.recipient is not None  # an order without a reader is answered to a terminal
    write_private(path, seal_envelope(_record(order, answers), [order.recipient]))


def read_answers(path: Path, identity: Identity) -> tuple[Answer, ...]:
    """Open answers that were sealed to a reader; raise KeyFaultError for another's, ReleaseError for damaged ones."""
    data = open_envelope(read_public(path, limit=_MAX_BYTES), [identity])
    try:
        told = msgspec.json.decode(data, type=_Answers).answers
        return tuple(Answer(t.pseudonym, Found(t.outcome), t.identifier, t.offset_days) for t in told)
    except (msgspec.MsgspecError, ValueError):
        raise ReleaseError(f"{path.name} holds no answers", hint="give the file that `run` wrote") from None


def as_lines(answers: Sequence[Answer]) -> list[str]:
    """Return answers for a terminal."""
    lines = []
    for answer in answers:
        told = _plain(answer.identifier) if answer.identifier is not None else answer.outcome.value
        lines.append(f"{answer.pseudonym}  {told}")
        if answer.offset_days is not None:
            lines.append(f"  dates were moved by {answer.offset_days:+d} days: subtract that from a released date")
    return lines


def _plain(text: str) -> str:
    """Return an identifier without what could steer the terminal."""
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in text)


def _record(order: Order, answers: Sequence[Answer]) -> bytes:
    told = [_Told(a.pseudonym, a.outcome.value, a.identifier, a.offset_days) for a in answers]
    record = _Answers(FORMAT, order.name, order.digest, f"{order.request}/{order.release}", order.kind, told)
    return msgspec.json.encode(record, order="sorted")
