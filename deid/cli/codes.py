"""`deid codes`: the code systems and lists at hand, and lists that a site adds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import click

from deid.cli.common import PathArgument, json_option, print_json, site_option
from deid.codes import CODE_SYSTEMS
from deid.codes.added import systems_with
from deid.codes.adding import add_list
from deid.codes.base import CodeSystem
from deid.codes.list_reader import Layout
from deid.codes.page import day_of, described
from deid.documents.site import load_site

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def codes() -> None:
    """Show the code systems and lists of codes at hand, and add lists to the site."""


@codes.command("list")
@site_option
@json_option
@click.pass_context
def list_(context: click.Context, site_path: Path, as_json: bool) -> None:
    """Show every code system: its levels, and each list with release, number of codes, days and source.

    Without a site file only what is shipped is shown.
    """
    named = context.get_parameter_source("site_path") is not click.core.ParameterSource.DEFAULT
    systems: Mapping[str, CodeSystem] = CODE_SYSTEMS
    if named or site_path.exists():
        systems = systems_with(load_site(site_path).codes)
    if as_json:
        print_json([_described(system) for system in systems.values()])
        return
    for system in systems.values():
        click.echo(f"{system.name}  {system.title}")
        click.echo(f"  levels  {', '.join(level.name for level in system.levels)}")
        for each in system.lists:
            click.echo(f"  list    {described(each)}")
        if not system.lists:
            click.echo("  list    none: codes are known by form alone")


@codes.command()
@click.argument("file", type=PathArgument)
@site_option
@click.option("--system", required=True, type=click.Choice(list(CODE_SYSTEMS)), help="Whose codes they are.")
@click.option("--release", required=True, help="What to call the release.")
@click.option("--first", required=True, type=_DAY, help="The first day for which it holds.")
@click.option("--last", type=_DAY, help="The last day; else it holds until the next complete release begins.")
@click.option("--column", help="The column of the codes: a name, a number, or characters such as 7-13.")
@click.option("--billable", help="A column that says 1 for codes to be reported and 0 for headings.")
@click.option("--delimiter", default=",", show_default=True, help="One character, or `tab`.")
@click.option("--skip", type=click.IntRange(0), default=0, help="Lines at the beginning that are not read.")
@click.option("--partial", is_flag=True, help="The file does not hold all valid codes.")
def add(
    file: Path,
    site_path: Path,
    system: str,
    release: str,
    first: datetime,
    last: datetime | None,
    column: str | None,
    billable: str | None,
    delimiter: str,
    skip: int,
    partial: bool,
) -> None:
    """Add the codes of FILE to the site's lists; descriptors and everything else of the file are left behind."""
    path, read = add_list(
        load_site(site_path).codes,
        file,
        system=system,
        release=release,
        first=first.date(),
        last=last.date() if last is not None else None,
        layout=Layout(column, billable, "\t" if delimiter == "tab" else delimiter, skip),
        partial=partial,
    )
    click.echo(f"wrote {path}: {len(read.codes):,} codes")
    if read.repeated or read.empty:
        click.echo(f"left out: {read.repeated:,} repeated, {read.empty:,} empty")


def _described(system: CodeSystem) -> dict[str, object]:
    return {
        "system": system.name,
        "title": system.title,
        "kinds": system.kinds,
        "levels": [level.name for level in system.levels],
        "lists": [
            {
                "release": each.release,
                "source": each.source,
                "codes": each.codes,
                "first": day_of(each.first),
                "last": day_of(each.last),
                "complete": each.complete,
            }
            for each in system.lists
        ],
    }
