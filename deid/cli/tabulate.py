"""`deid tabulate`: public-health tables whose small cells nobody can work out."""

from __future__ import annotations

from pathlib import Path

import click

from deid.cli.common import PathArgument, json_option, passphrase, print_json, progress_bar, site_option
from deid.documents.period import parse_period
from deid.documents.site import load_site
from deid.keys import open_provider
from deid.release.small_counts import shown
from deid.tables.document import load_tabulation
from deid.tables.run import Tabulated, restore
from deid.tables.run import tabulate as run_tables


@click.command()
@click.argument("request_path", metavar="REQUEST", type=PathArgument)
@site_option
@click.option("--period", help="Only what lies within this period: 2026, 2026-Q3 or 2026-10.")
@click.option("--release", "name", help="The name of these tables.  [default: the period, or `all`]")
@click.option(
    "--restore",
    "is_restoring",
    is_flag=True,
    help="Make no tables: take the newest sound copy of what was published of the dataset before.",
)
@json_option
def tabulate(
    request_path: Path, site_path: Path, period: str | None, name: str | None, is_restoring: bool, as_json: bool
) -> None:
    """Make the tables of a REQUEST and publish them in clear; nothing is left behind if anything fails.

    The request must be signed and approved: `deid request`.

    Counts of few patients are hidden, with what would give them away, and an audit proves that it is enough.
    """
    asked = load_tabulation(request_path)
    within = parse_period(period) if period else None
    site = load_site(site_path)
    provider = open_provider(site.keys, passphrase("the site's keys"))
    if is_restoring:
        generation = restore(asked, site, provider)
        click.echo(f"restored: generation {generation} of what was published; it knows every table below the releases")
        click.echo("and the audit log names no later one")
        return
    with progress_bar() as progress:
        done = run_tables(asked, site, provider, progress=progress, period=within, name=name)
    if as_json:
        print_json(
            {
                "release": str(done.folder),
                "tables": {table: {"cells": n, "marked": marked} for table, (n, marked) in done.cells.items()},
                "primary": done.primary,
                "small_differences": done.gaps,
                "secondary": done.protected.secondary,
                "secondary_at_least": done.protected.fewest,
                "narrowest_interval": done.protected.narrowest,
                "totals_in_one_cell": done.telling,
                "not_audited_with": list(done.unaudited),
                "source_begins": str(done.begin) if done.begin else None,
                "look_back_passed_over": shown(done.passed_over),
                "rows_left_out": shown(done.left_out),
            }
        )
    else:
        click.echo("\n".join(summary(done)))


def summary(done: Tabulated) -> list[str]:
    """Return what a person wants to know of finished tables."""
    lines = [f"published {done.folder}"]
    lines += [f"  {n:>12,} cells  {table}, {marked:,} of them marked" for table, (n, marked) in done.cells.items()]
    lines.append(
        f"  {done.primary:>12,} small cells, {done.protected.secondary:,} more hidden to protect them "
        f"(no safe choice hides fewer than {done.protected.fewest:,})"
    )
    if done.gaps:
        lines.append(f"  {done.gaps:>12,} small differences or sums of cells, protected like small cells")
    for attacker, width in done.protected.narrowest.items():
        if width is not None:
            lines.append(
                f"  {width:>12,} counts: the narrowest interval left to the {attacker} attacker, both ends apart"
            )
    if done.telling:
        lines.append(f"  {done.telling:>12,} totals lie in one cell: whoever is in the total is in that cell; weigh it")
    if done.unaudited:
        lines.append(f"  not audited together with the tables of {', '.join(done.unaudited)}: an officer weighs both")
    if done.begin:
        lines.append(f"  {done.begin!s:>12} the source begins, as incidence takes it; visits before it are passed over")
    if done.passed_over:
        lines.append(
            f"  {shown(done.passed_over):>12} visits with codes passed over by incidence: before that day, or a birth"
        )
    if done.left_out:
        lines.append(f"  {shown(done.left_out):>12} bad rows left out")
    return lines
