"""The block `schedule` of a request as it is written, and the calendar that it says."""

from __future__ import annotations

import msgspec

from deid.documents.period import Period, parse_period
from deid.documents.reading import Document
from deid.errors import DocumentError
from deid.schedule.calendar import MOST_DELAY, Calendar, Every, Late, is_of, require_zone


class Block(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of docs/formats/schedule.md, as they are written."""

    every: Every
    first: str | int  # a year without quotes is a number
    time_zone: str
    late: Late
    until: str | int | None = None
    delay: int = 0


def calendar_of(document: Document, block: Block, *, is_cumulative: bool) -> Calendar:
    """Return the calendar that a block says; raise DocumentError with the place of what cannot be."""
    first = _period(document, block.every, str(block.first), "first")
    until = _period(document, block.every, str(block.until), "until") if block.until is not None else None
    if until is not None and until.first < first.first:
        raise document.fault("until is before first", at="$.schedule.until", hint="exchange them")
    if not 0 <= block.delay <= MOST_DELAY:
        raise document.fault(
            f"delay is not 0 to {MOST_DELAY} days", at="$.schedule.delay", hint="write whole days, for instance 10"
        )
    try:
        require_zone(block.time_zone)
    except DocumentError as error:
        raise document.fault(error.message, at="$.schedule.time_zone", hint=error.hint) from None
    if is_cumulative is not (block.late is Late.NEXT):
        raise document.fault(
            "late records come with the next release of a cumulative series, and an increment leaves them out",
            at="$.schedule.late",
            hint="write `late: next` with `series: cumulative`, or `late: left_out` with `series: increment`",
        )
    return Calendar(
        block.every,
        first.label,
        until.label if until is not None else None,
        block.time_zone,
        block.delay,
        block.late,
    )


def _period(document: Document, every: Every, label: str, field: str) -> Period:
    try:
        period = parse_period(label)
    except DocumentError as error:
        raise document.fault(error.message, at=f"$.schedule.{field}", hint=error.hint) from None
    if not is_of(every, period):
        raise document.fault(
            f"{field} is no {every}", at=f"$.schedule.{field}", hint="write it as docs/formats/schedule.md does"
        )
    return period
