"""`deid deliver`: a release to a store."""

from __future__ import annotations

from pathlib import Path

import click

from deid.cli.common import PathArgument, json_option, passphrase, print_json, progress_bar, site_option


@click.command()
@click.argument("request_path", metavar="REQUEST", type=PathArgument)
@click.argument("name")
@click.argument("place")
@site_option
@json_option
def deliver(request_path: Path, name: str, place: str, site_path: Path, as_json: bool) -> None:
    """Deliver release NAME of REQUEST to REQUEST/NAME below PLACE, s3://bucket/prefix; given again, it resumes.

    Every object is read back and compared, and the manifest is written last: without it there is no release.
    """
    from datetime import UTC, datetime  # noqa: PLC0415

    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.keys import open_provider  # noqa: PLC0415 - loads cryptography
    from deid.stores.place import parse_place  # noqa: PLC0415
    from deid.stores.sending import deliver as run  # noqa: PLC0415 - loads pyarrow

    target = parse_place(place)
    site = load_site(site_path)
    provider = open_provider(site.keys, passphrase("the site's keys"))
    with progress_bar() as progress:
        done = run(request_path, name, target, site, provider, progress=progress, now=datetime.now(UTC))
    if as_json:
        told = (
            {"place": str(done.place), "objects": done.objects, "sent": done.sent, "sent_bytes": done.sent_bytes}
            if done is not None
            else {}
        )
        print_json({"recalled": done is None, **told})
    elif done is None:
        click.echo("this release was recalled: its notice was delivered, and nothing else")
    else:
        click.echo(
            f"delivered {done.place}\n{done.objects:,} objects, all read back; "
            f"{done.sent:,} of them sent now, {done.sent_bytes:,} bytes"
        )
