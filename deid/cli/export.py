"""`deid export`: run a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from deid.audit.receipts import require_signer
from deid.cli.common import (
    PathArgument,
    json_option,
    passphrase,
    print_json,
    progress_bar,
    site_option,
    site_signer,
    workers_option,
)
from deid.cli.plan import compile_request
from deid.documents.site import Site, load_site
from deid.errors import DocumentError
from deid.export import Exported
from deid.export import export as run_export
from deid.keys import open_provider
from deid.legal.judgment import HEADLINES
from deid.papers.trust import load_trust
from deid.release.manifest import RELEASE_ID
from deid.release.small_counts import shown
from deid.staged_tables import Run


@click.command()
@click.argument("request_path", metavar="REQUEST", type=PathArgument)
@site_option
@click.option("--period", help="The period of this release: 2026, 2026-Q3 or 2026-10.")
@click.option("--release", "name", help="The name of this release.  [default: the period, or `all`]")
@workers_option
@click.option("--engine", type=click.Choice(["local", "processes", "spark"]), default="local", show_default=True,
              help="Where tables are written: here, by tasks in --workers processes, or on Spark.")  # fmt: skip
@click.option("--master", help="The cluster's URL, as `spark://host:7077`.  [default: `spark.master` of the site file]")
@json_option
def export(
    request_path: Path,
    site_path: Path,
    period: str | None,
    name: str | None,
    workers: int,
    engine: str,
    master: str | None,
    as_json: bool,
) -> None:
    """Run a REQUEST and publish an encrypted release; nothing is left behind if anything fails."""
    if name is not None and not RELEASE_ID.fullmatch(name):
        raise DocumentError(
            "the release's name holds other than letters, digits, dots, underscores and hyphens",
            hint="names become folder names",
        )
    plan = compile_request(request_path, period, name)
    site = load_site(site_path)
    provider = open_provider(site.keys, passphrase("the site's keys"))
    signing = site_signer(site)
    if signing is not None:
        require_signer(signing, load_trust(site.trust))
    if master is not None and engine != "spark":
        raise DocumentError("--master names a Spark cluster, and the engine is another", hint="add `--engine spark`")
    with engine_of(engine, master, site, workers) as run, progress_bar() as progress:
        done = run_export(plan, site, provider, progress=progress, workers=workers, signing=signing, engine=run)
    if as_json:
        print_json(
            {
                "release": str(done.folder),
                "earned": done.judgment.earned.value,
                "rows": done.rows,
                "quarantined": {table: shown(rows) for table, rows in done.quarantined.items()},
                "patients_suppressed": shown(done.suppressed_patients),
                "notes_withheld": shown(done.withheld_notes),
                "records_withheld": shown(done.withheld_records),
                "cells_malformed": dict(done.malformed),
            }
        )
    else:
        click.echo("\n".join(summary(done)))


@contextmanager
def engine_of(name: str, master: str | None, site: Site, workers: int) -> Iterator[Callable[..., Run]]:
    """Yield what makes the run: tables are written here, or by tasks elsewhere, whose processes end with the block."""
    if name == "local":
        yield Run
        return
    from deid.tasks.run import TaskRun  # noqa: PLC0415

    if name == "processes":
        from deid.engine.processes import processes  # noqa: PLC0415

        with processes(workers) as pool:
            yield partial(TaskRun, cluster=pool)
        return
    from deid.spark.cluster import cluster  # noqa: PLC0415 - PySpark is an extra

    with cluster(master, site.spark) as session:
        yield partial(TaskRun, cluster=session)


def summary(done: Exported) -> list[str]:
    """Return what a person wants to know of a finished run."""
    claimed = done.judgment.claimed
    lines = [f"published {done.folder}", f"basis     {claimed.value.replace('_', ' ')}: {HEADLINES[claimed]}"]
    lines += [f"  {rows:>12,} rows  {table}" for table, rows in done.rows.items()]
    lines += [f"  {shown(rows):>12} rows of {table} quarantined" for table, rows in done.quarantined.items()]
    if done.suppressed_patients:
        lines.append(f"  {shown(done.suppressed_patients):>12} patients withheld to reach k")
    if done.withheld_notes:
        lines.append(f"  {shown(done.withheld_notes):>12} notes withheld because they could not be redacted safely")
    lines += [
        f"  {cells or 'some':>12} cells of {column} left empty: malformed" for column, cells in done.malformed.items()
    ]
    if done.withheld_records:
        lines.append(f"  {shown(done.withheld_records):>12} records withheld: they carry what is not described")
    return lines
