"""`deid crosswalk`: whether the crosswalk is whole, copies of it, and the way back from one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid.cli.common import PathArgument, json_option, passphrase, print_json, site_option

if TYPE_CHECKING:
    from deid.documents.site import Site
    from deid.keys.base import KeyProvider


@click.group()
def crosswalk() -> None:
    """Verify, copy and restore the crosswalk, which keeps who was given which random pseudonym."""


@crosswalk.command()
@site_option
@json_option
def verify(site_path: Path, as_json: bool) -> None:
    """Open every partition that is kept, and hold the newest generation against what is remembered and logged."""
    from deid.crosswalks.site import verify_crosswalk  # noqa: PLC0415 - loads pyarrow

    held = verify_crosswalk(*_opened(site_path))
    if as_json:
        print_json(held)
        return
    click.echo(f"sound: generation {held.generation}, {sum(held.domains.values())} entries")
    for name, count in sorted(held.domains.items()):
        click.echo(f"  {name}  {count}")


@crosswalk.command()
@click.argument("out", type=PathArgument)
@site_option
@json_option
def export(out: Path, site_path: Path, as_json: bool) -> None:
    """Write a sealed copy of the newest generation into the new file OUT.

    It opens with the site's key provider alone: keep a backup of that elsewhere, for either is worth nothing without
    the other.
    """
    from deid.crosswalks.site import export_crosswalk  # noqa: PLC0415

    done = export_crosswalk(*_opened(site_path), out)
    if as_json:
        print_json(done)
    else:
        click.echo(f"wrote {out}: generation {done.generation}, {done.entries} entries, SHA-256 {done.sha256}")


@crosswalk.command()
@click.argument("copy", type=PathArgument, required=False)
@click.option("--generation", type=click.IntRange(1), help="In the place of COPY: a generation that the folder keeps.")
@click.option("--older", is_flag=True, help="Though newer ones are known: who came since gets another pseudonym.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@site_option
def restore(copy: Path | None, generation: int | None, older: bool, yes: bool, site_path: Path) -> None:
    """Make COPY the crosswalk of the site; what lies there is set aside in its folder."""
    from deid.crosswalks.site import restore_crosswalk  # noqa: PLC0415

    if (copy is None) == (generation is None):
        raise click.UsageError("give either a COPY or a --generation")
    site, provider = _opened(site_path)
    if not yes:
        click.confirm("The crosswalk that lies there is set aside. Restore", abort=True, err=True)
    done = restore_crosswalk(site, provider, copy, generation=generation, older=older)
    click.echo(f"restored: generation {done.generation}, {done.entries} entries")


def _opened(site_path: Path) -> tuple[Site, KeyProvider]:
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.keys import open_provider  # noqa: PLC0415 - loads cryptography

    site = load_site(site_path)
    return site, open_provider(site.keys, passphrase("the site's keys"))
