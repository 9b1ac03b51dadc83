"""`deid segments`: which classes of rows a policy can leave out, and by which codes they are told."""

from __future__ import annotations

from datetime import date

import click

from deid.cli.common import json_option, print_json
from deid.errors import DocumentError
from deid.segments.ranges import VERSION, Range, digest
from deid.segments.ranges import segments as by_codes
from deid.segments.rules import MINORS, PART2

_EPOCH = date(1970, 1, 1).toordinal()
_OTHERS = {
    MINORS: "by age on the day of the row, under 18 unless the policy says another",
    PART2: "by a column of kind part2, never by codes",
}


@click.group()
def segments() -> None:
    """Show the sensitive segments that a policy can leave out."""


@segments.command("list")
@click.argument("segment", required=False)
@json_option
def list_(segment: str | None, as_json: bool) -> None:
    """Show every segment, or the ranges of codes of one SEGMENT."""
    known = by_codes()
    if segment is not None and segment not in (*known, *_OTHERS):
        raise DocumentError(
            f"there is no segment {segment!r}", hint=f"segments are {', '.join(sorted((*known, *_OTHERS)))}"
        )
    chosen = [segment] if segment is not None else sorted((*known, *_OTHERS))
    if as_json:
        told = {name: _OTHERS.get(name) or [_entry(one) for one in known[name]] for name in chosen}
        print_json({"version": VERSION, "sha256": digest(), "segments": told})
        return
    for name in chosen:
        if name in _OTHERS:
            click.echo(f"{name}: {_OTHERS[name]}")
        elif segment is None:
            systems = dict.fromkeys(one.system for one in known[name])
            click.echo(f"{name}: {len(known[name])} ranges of codes in {', '.join(systems)}")
        else:
            click.echo("\n".join(_line(one) for one in known[name]))
    if segment is None:
        click.echo(f"ranges {VERSION}, sha256 {digest()}")


def _line(one: Range) -> str:
    span = one.first if one.first == one.last else f"{one.first} to {one.last}"
    days = "".join(f", {word} {day}" for word, day in zip(("since", "until"), _days(one), strict=True) if day)
    return f"{one.system:17} {span:15} {one.what}{days}"


def _entry(one: Range) -> dict[str, str | None]:
    since, until = _days(one)
    return {"system": one.system, "first": one.first, "last": one.last, "since": since, "until": until}


def _days(one: Range) -> tuple[str | None, str | None]:
    return (
        date.fromordinal(one.since + _EPOCH).isoformat() if one.since > -_EPOCH else None,
        date.fromordinal(one.until + _EPOCH).isoformat() if one.until < date.max.toordinal() - _EPOCH else None,
    )
