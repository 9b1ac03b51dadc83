"""`deid schedule`: write what starts `deid run-due` by itself."""

from __future__ import annotations

import getpass
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from deid.cli.common import PathArgument, site_option
from deid.cli.due import places_of
from deid.errors import StorageError


@click.group()
def schedule() -> None:
    """Write what starts `deid run-due` by itself: units of systemd, or a line of a crontab. Nothing is installed."""


def _start_options(command: Any) -> Any:
    for option in (
        click.option("--passphrase-file", type=PathArgument, help="A file with the passphrase, for its user alone."),
        click.option("--alerts", type=PathArgument, help="The file for what stands in the way."),
        site_option,
        click.argument("places", metavar="[REQUESTS]...", type=PathArgument, nargs=-1),
    ):
        command = option(command)
    return command


@schedule.command()
@_start_options
@click.option("--out", type=PathArgument, required=True, help="The folder in which the two files are written.")
@click.option("--user", help="Who runs the service.  [default: you]")
@click.option("--on-calendar", default="hourly", show_default=True, help="When it looks; systemd.time(7).")
def systemd(out: Path, user: str | None, on_calendar: str, **told: Any) -> None:
    """Write a service and a timer that look for what is due."""
    from deid.schedule.units import NAME, service, timer  # noqa: PLC0415

    texts = {
        f"{NAME}.service": service(_start(**told), user=user or getpass.getuser()),
        f"{NAME}.timer": timer(on_calendar=on_calendar),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / name).write_text(text)
    except OSError as error:
        raise StorageError(f"the units cannot be written: {error.strerror}", hint="name another folder") from None
    click.echo(f"wrote {' and '.join(texts)} into {out}")
    click.echo(f"install: copy them into /etc/systemd/system, then `systemctl enable --now {NAME}.timer`")


@schedule.command()
@_start_options
@click.option("--minute", type=click.IntRange(0, 59), default=17, show_default=True, help="Of every hour.")
def crontab(minute: int, **told: Any) -> None:
    """Print the line of a crontab that looks for what is due."""
    from deid.schedule.units import crontab as line  # noqa: PLC0415

    click.echo(line(_start(**told), minute=minute))


def _start(places: tuple[Path, ...], site_path: Path, alerts: Path | None, passphrase_file: Path | None) -> Any:
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.schedule.units import Start  # noqa: PLC0415

    beside = Path(sys.executable).with_name("deid")
    program = beside if beside.exists() else Path(shutil.which("deid") or sys.argv[0])
    return Start(
        program=program.absolute(),
        site_path=site_path.resolve(),
        site=load_site(site_path),
        places=tuple(place.resolve() for place in places_of(places, site_path)),
        alerts=alerts.absolute() if alerts is not None else None,
        passphrase=passphrase_file.absolute() if passphrase_file is not None else None,
    )
