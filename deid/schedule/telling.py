"""What is told of a due check: a record for programs, lines for people, and the error that ends a command."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from deid.errors import DeidError, ScheduleError
from deid.keys.files import replace_file
from deid.schedule.due import Checked, Problem, State
from deid.sealing.private import FILE

FORMAT = "deid-due/1"


def as_record(checked: Checked) -> dict[str, Any]:
    """Return what docs/formats/schedule.md says of `--json`."""
    return {
        "format": FORMAT,
        "as_of": _instant(checked.as_of),
        "standing": checked.standing,
        "due": [
            {
                "request": each.standing.name,
                "period": each.period.label,
                "since": _instant(each.since),
                "state": each.state.value,
            }
            | ({"until": _instant(each.until)} if each.until is not None else {})
            for each in checked.due
        ],
        "problems": [
            {
                "request": each.request,
                "period": each.period,
                "error": type(each.fault).__name__,
                "exit_code": each.fault.exit_code,
                "message": each.fault.message,
                "hint": each.fault.hint,
            }
            for each in checked.problems
        ],
    }


def as_lines(checked: Checked) -> list[str]:
    """Return it as aligned text."""
    lines = [
        f"{each.standing.name}/{each.period.label}  {each.state.value}"
        + (f" until {each.until:%Y-%m-%d %H:%M} UTC" if each.until is not None else "")
        for each in checked.due
    ]
    return [*lines, f"{checked.standing} standing requests, {len(checked.due)} periods due"]


def stopped(fault: DeidError, as_of: datetime) -> Checked:
    """Return what is told of a run that nothing came of."""
    return Checked(as_of, 0, (), (Problem("", "", fault),))


def write_alerts(path: Path, checked: Checked) -> None:
    """Replace a file by the record, in one step; raise StorageError."""
    replace_file(path, msgspec.json.format(msgspec.json.encode(as_record(checked)), indent=2) + b"\n", mode=FILE)


def require_well(checked: Checked) -> None:
    """Raise ScheduleError where something stands in the way, and name each series and why."""
    if not checked.problems:
        return
    listed = "".join(
        f"\n  - {'/'.join(filter(None, (each.request, each.period))) or 'the site'}: {each.fault.message}"
        for each in checked.problems
    )
    failed = sum(each.state is State.FAILED for each in checked.due)
    raise ScheduleError(
        f"{len(checked.problems)} problems, {failed} periods failed:{listed}",
        hint=f"{checked.problems[0].fault.hint}; other series were not held up",
    )


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
