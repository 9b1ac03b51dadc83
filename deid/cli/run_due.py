"""`deid run-due`: make the releases that are due."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid.audit.receipts import require_signer
from deid.cli.common import PathArgument, passphrase, print_json, progress_bar, site_signer, workers_option
from deid.cli.due import places_of, schedule_options
from deid.documents.site import Site, load_site
from deid.errors import DeidError
from deid.keys import open_provider
from deid.papers.trust import load_trust
from deid.schedule.running import Keys, Runner
from deid.schedule.telling import as_lines, as_record, require_well, stopped, write_alerts

if TYPE_CHECKING:
    from deid.keys.officers import SigningKey


@click.command("run-due")
@schedule_options
@click.option("--again", is_flag=True, help="Try at once what failed lately.")
@click.option("--alerts", type=PathArgument, help="A file that is replaced by what --json prints.")
@workers_option
def run_due(
    places: tuple[Path, ...],
    site_path: Path,
    as_of: datetime | None,
    as_json: bool,
    again: bool,
    alerts: Path | None,
    workers: int,
) -> None:
    """Make the releases of the standing REQUESTS, files or folders, that are due, each of them once."""
    try:
        site = load_site(site_path)
        keys = Keys(lambda: open_provider(site.keys, passphrase("the site's keys")), lambda: _signer(site))
        with progress_bar() as progress:
            runner = Runner(site, keys, progress, workers=workers, again=again)
            done = runner.run(places_of(places, site_path), as_of)
    except DeidError as fault:
        if alerts is not None:  # or those of an earlier run would go on saying that all is well
            write_alerts(alerts, stopped(fault, as_of or datetime.now(UTC)))
        raise
    if alerts is not None:
        write_alerts(alerts, done)
    if as_json:
        print_json(as_record(done))
    else:
        click.echo("\n".join(as_lines(done)))
    require_well(done)


def _signer(site: Site) -> SigningKey | None:
    signing = site_signer(site)
    if signing is not None:
        require_signer(signing, load_trust(site.trust))
    return signing
