"""`deid due`: which periods of standing requests are due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from deid.cli.common import PathArgument, json_option, print_json, site_option

EXPORTS = "exports"  # the folder beside the site file that is looked at where none is named


class Instant(click.ParamType):  # type: ignore[type-arg]  # older versions of click have no parameter
    """An instant: a day, at its beginning in UTC, or a time of ISO 8601 with its offset."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the instant in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail("write a day or an instant: 2026-11-23, 2026-11-23T06:00:00Z", param, ctx)
        if at.tzinfo is None and len(value) > len("2026-11-23"):
            self.fail("write the offset of the time: 2026-11-23T06:00:00Z", param, ctx)
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)


def schedule_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what `deid due` and `deid run-due` share."""
    for option in (
        json_option,
        click.option("--as-of", type=Instant(), help="The instant for which it is asked, never in the future."),
        site_option,
        click.argument("places", metavar="[REQUESTS]...", type=PathArgument, nargs=-1),
    ):
        command = option(command)
    return command


def places_of(places: tuple[Path, ...], site_path: Path) -> list[Path]:
    """Return the files and folders that are looked at."""
    return list(places) or [site_path.resolve().parent / EXPORTS]


@click.command()
@schedule_options
def due(places: tuple[Path, ...], site_path: Path, as_of: datetime | None, as_json: bool) -> None:
    """Show which periods of the standing REQUESTS, files or folders, are due. No key and no row is read."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.schedule.due import check  # noqa: PLC0415 - loads cryptography
    from deid.schedule.telling import as_lines, as_record, require_well  # noqa: PLC0415

    now = datetime.now(UTC)
    found = check(load_site(site_path), places_of(places, site_path), as_of or now, now=now)
    if as_json:
        print_json(as_record(found))
    else:
        click.echo("\n".join(as_lines(found)))
    require_well(found)
