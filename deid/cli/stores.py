"""`deid stores`: what lies at a place, and what of it is deleted."""

from __future__ import annotations

import click

from deid.cli.common import json_option, print_json


@click.group()
def stores() -> None:
    """Show what was delivered to a store, and clean what was not delivered to its end."""


@stores.command("list")
@click.argument("place")
@json_option
def list_(place: str, as_json: bool) -> None:
    """List the releases below PLACE, whole and half-delivered."""
    from deid.stores.leftovers import lying  # noqa: PLC0415
    from deid.stores.place import parse_place  # noqa: PLC0415
    from deid.stores.settings import settings  # noqa: PLC0415

    found = list(lying(settings(), parse_place(place)))
    if as_json:
        told = ("release", "objects", "bytes", "is_whole")
        print_json([{name: getattr(one, name) for name in told} for one in found])
        return
    for one in found:
        state = "whole" if one.is_whole else "half-delivered"
        click.echo(f"{one.release}  {state}  {one.objects:,} objects  {one.bytes:,} bytes")


@stores.command()
@click.argument("place")
@click.argument("request")
@click.argument("name")
@click.option("--at-once", is_flag=True, help="Also objects that are younger than a day.")
def clean(place: str, request: str, name: str, at_once: bool) -> None:
    """Delete what lies of release NAME of REQUEST below PLACE, if it was not delivered to its end."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from deid.stores.leftovers import clean as run  # noqa: PLC0415
    from deid.stores.place import parse_place  # noqa: PLC0415
    from deid.stores.settings import settings  # noqa: PLC0415

    target = parse_place(f"{parse_place(place)}/{request}/{name}")
    click.echo(f"deleted {run(settings(), target, now=datetime.now(UTC), at_once=at_once):,} objects at {target}")
