"""`deid ledger`: what the series of a request has told, whether its ledger is sound, and how to get one back."""

from __future__ import annotations

from pathlib import Path

import click

from deid.audit.events import EventKind
from deid.audit.site import record, site_log
from deid.cli.common import PathArgument, json_option, passphrase, print_json, site_option
from deid.documents.request import load_request
from deid.documents.site import load_site
from deid.errors import DisclosureError, StorageError
from deid.keys import open_provider
from deid.ledger.figures import SeriesFigures, figures, verified
from deid.ledger.site import series_of
from deid.ledger.store import Held, Series, open_ledger, restore

_request = click.argument("request_path", metavar="REQUEST", type=PathArgument)


@click.group()
def ledger() -> None:
    """Show, verify and restore the ledger that holds the releases of a request together."""


@ledger.command()
@_request
@site_option
@json_option
def show(request_path: Path, site_path: Path, as_json: bool) -> None:
    """Show releases, classes, and how many patients are held, have left or are excluded."""
    told = _told(open_ledger(series := _series(request_path, site_path)), series)
    if as_json:
        print_json(told)
    else:
        click.echo("\n".join(as_lines(told)))


@ledger.command()
@_request
@site_option
def verify(request_path: Path, site_path: Path) -> None:
    """Open every kept generation, hold it against its predecessor and the releases, and count joint k."""
    series = _series(request_path, site_path)
    held = open_ledger(series)
    told = _told(held, series)
    faults = verified(series, held)
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise StorageError(
            f"the ledger of request {series.request} is not sound:{listed}",
            hint="the current generation can be used; make a backup, or see `deid ledger restore`",
        )
    click.echo(f"sound: {len(told.releases)} releases, joint k {told.joint_k}, generation {told.generation}")


@ledger.command("restore")
@_request
@site_option
@click.option("--generation", type=click.IntRange(0), help="This kept generation instead of the newest whole one.")
def restore_(request_path: Path, site_path: Path, generation: int | None) -> None:
    """Make the newest kept generation that is whole and knows all releases the current one; others are set aside."""
    request, site = load_request(request_path), load_site(site_path)
    provider = open_provider(site.keys, passphrase("the site's keys"))
    log = site_log(site, provider)
    held = restore(series_of(site, provider, request.name, request.party), generation)
    record(log, EventKind.LEDGER_RESTORED, f"{request.name}/{request.party}", generation=held.generation)
    number = len(held.book.releases) if held.book else 0
    click.echo(f"restored: generation {held.generation}, {number} releases")


def as_lines(told: SeriesFigures) -> list[str]:
    """Return the figures of a series as text."""
    lines = [
        f"series      {told.request} for {told.party}, {told.mode}, k = {told.k}, generation {told.generation}",
        f"joint k     {told.joint_k} over {told.classes} classes and {told.arrival_groups} arrival groups",
        f"patients    {told.released} released, {told.held} held, {told.left} left, {told.excluded} excluded",
        f"withheld    {told.withheld_pairs} pairs of class and code",
    ]
    for release in told.releases:
        moved = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in release.movement.items() if count)
        lines.append(f"release {release.number:<3} {release.release}, {release.created}: {moved}")
        if release.codes_union is not None:
            lines.append(f"  codes     mean chance over all releases {100 * release.codes_union:.2f} %")
        for found in release.joins:
            by = f"by {', '.join(found.kinds) or 'nothing'}"
            lines.append(
                f"  to join   {found.request} for {found.party}: exact {100 * found.exact:.1f} %, "
                f"at most {100 * found.at_most:.1f} %, {by}"
            )
            if found.is_own and isinstance(found.among_few, float) and isinstance(found.joint_few, float):
                lines.append(
                    f"            the same party: {100 * found.among_few:.1f} % are among fewer than {told.k} in what "
                    f"both tell; joined, {100 * found.joint_few:.0f} % would be in classes of fewer than {told.k}"
                )
    return lines


def _series(request_path: Path, site_path: Path) -> Series:
    request, site = load_request(request_path), load_site(site_path)
    provider = open_provider(site.keys, passphrase("the site's keys"))
    return series_of(site, provider, request.name, request.party)


def _told(held: Held, series: Series) -> SeriesFigures:
    if held.book is None:
        raise DisclosureError(
            f"request {series.request} has no release that a ledger knows", hint="the first release under k makes one"
        )
    return figures(held.book, held.generation)
