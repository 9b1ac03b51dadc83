"""`deid choices`: the site's lists of patients who opted out or consented."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TextIO

import click

from deid.choices.bias import as_lines, read_bias_report
from deid.choices.lists import ChoiceList, ListKind
from deid.choices.logged import enter_adopted, enter_change, enter_forgotten, known_lists
from deid.choices.store import ChoiceStore
from deid.choices.unknown import unknown_numbers
from deid.cli.common import PathArgument, day_of, json_option, passphrase, print_json, site_option, today
from deid.documents.request import Use
from deid.documents.site import Site, load_site
from deid.errors import DocumentError
from deid.keys import open_provider
from deid.keys.base import KeyProvider
from deid.release.small_counts import shown
from deid.sources.description import load_dataset

_name = click.argument("name", metavar="LIST")
_numbers = click.option(
    "--from",
    "numbers",
    type=click.File(),
    default="-",
    help="A file of numbers, one a line.  [default: standard input]",
)
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def choices() -> None:
    """Keep the sealed lists of patients who opted out or consented."""


@choices.command()
@_name
@site_option
@_numbers
@click.option("--consent", is_flag=True, help="A list of consent instead of opt-outs, where the list is new.")
@click.option("--dataset", help="The dataset in whose numbers a new list is written.  [default: every dataset]")
@click.option("--use", "uses", multiple=True, type=click.Choice([u.value for u in Use]), help="For this use alone.")
@click.option(
    "--part2", is_flag=True, help="Consent to the release of records of 42 CFR Part 2, where the list is new."
)
@click.option("--since", type=_DAY, help="The first day on which the choice holds.  [default: today]")
@click.option("--until", type=_DAY, help="The last day on which the choice holds.  [default: none]")
def add(
    name: str,
    site_path: Path,
    numbers: TextIO,
    consent: bool,
    dataset: str | None,
    uses: tuple[str, ...],
    part2: bool,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Add the patient numbers on standard input to a LIST, which is made if there is none."""
    site, provider = _opened(site_path)
    store = ChoiceStore.of(site, provider)
    found = store.find(name)
    if found is not None and (consent or dataset or uses or part2):
        raise DocumentError(
            f"list {name} is there, and what it holds for does not change", hint="add to it, or name another list"
        )
    if part2 and not consent:
        raise DocumentError("Part 2 records are released by consent", hint="write --consent beside --part2")
    kind = ListKind.CONSENT if consent else ListKind.OPT_OUT
    before = found or ChoiceList(name, kind, dataset, tuple(Use(use) for use in uses), part2)
    after = before.added(numbers.read().splitlines(), day_of(since) or today(), day_of(until))
    _write(site, provider, before, after)


@choices.command()
@_name
@site_option
@_numbers
def remove(name: str, site_path: Path, numbers: TextIO) -> None:
    """Remove the patient numbers on standard input from a LIST."""
    site, provider = _opened(site_path)
    before = ChoiceStore.of(site, provider).find(name)
    if before is None:
        raise DocumentError(f"there is no list {name}", hint="`deid choices list` names every list")
    _write(site, provider, before, before.removed(numbers.read().splitlines()))


@choices.command("list")
@site_option
@json_option
def list_(site_path: Path, as_json: bool) -> None:
    """Show every list: what it holds for, its version, and how many numbers."""
    lists = known_lists(*_opened(site_path)).lists
    told = [
        {
            "list": one.name,
            "kind": one.kind.value,
            "dataset": one.dataset,
            "uses": [use.value for use in one.uses],
            "part2": one.part2,
            "version": one.version,
            "numbers": shown(one.rows.num_rows),
        }
        for one in lists
    ]
    if as_json:
        print_json(told)
        return
    for one in lists:
        uses = ", ".join(use.value for use in one.uses) or "every use"
        part2 = ", Part 2 records" if one.part2 else ""
        click.echo(
            f"{one.name}: {one.kind.value} for {uses}{part2}, of {one.dataset or 'every dataset'}, version "
            f"{one.version}, {shown(one.rows.num_rows)} numbers"
        )


@choices.command()
@site_option
@click.option("--dataset", "description", type=PathArgument, help="A dataset description: count unknown numbers.")
def check(site_path: Path, description: Path | None) -> None:
    """Check that every list is as it was written, and with --dataset that its population knows every number."""
    lists = known_lists(*_opened(site_path)).lists
    if description is None:
        click.echo(f"sound: {len(lists)} lists")
        return
    dataset = load_dataset(description)
    for one in lists:
        if one.covers(dataset.name):
            unknown = unknown_numbers(dataset, one)
            click.echo(
                f"{one.name}: {shown(unknown)} of {shown(one.rows.num_rows)} numbers are unknown to {dataset.name}"
            )


@choices.command()
@click.argument("request")
@click.argument("release")
@site_option
@json_option
def report(request: str, release: str, site_path: Path, as_json: bool) -> None:
    """Show what was left out of a RELEASE of a REQUEST, both by name, of whom; it is for the site alone."""
    told = read_bias_report(load_site(site_path), request, release)
    if as_json:
        print_json(told)
    else:
        click.echo("\n".join(as_lines(told)))


@choices.command()
@_name
@site_option
def adopt(name: str, site_path: Path) -> None:
    """Take a LIST that was brought back as it lies there for the right one."""
    site, provider = _opened(site_path)
    found = ChoiceStore.of(site, provider).adopt(name)
    enter_adopted(site, provider, found)
    click.echo(f"adopted: {name}, version {found.version}, {shown(found.rows.num_rows)} numbers")


@choices.command()
@_name
@site_option
def forget(name: str, site_path: Path) -> None:
    """Stop asking for a LIST whose file is gone for good: its patients are released again."""
    site, provider = _opened(site_path)
    ChoiceStore.of(site, provider).forget(name)
    enter_forgotten(site, provider, name)
    click.echo(f"forgotten: {name}")


def _opened(site_path: Path) -> tuple[Site, KeyProvider]:
    site = load_site(site_path)
    return site, open_provider(site.keys, passphrase("the site's keys"))


def _write(site: Site, provider: KeyProvider, before: ChoiceList, after: ChoiceList) -> None:
    digest = ChoiceStore.of(site, provider).write(after)
    enter_change(site, provider, before, after, digest)
    click.echo(f"{after.name}: {after.kind.value}, version {after.version}, {shown(after.rows.num_rows)} numbers")
