"""`deid report`: the report of a release on risk, utility and quality."""

from __future__ import annotations

from pathlib import Path

import click

from deid.cli.common import PathArgument, json_option, release_folder
from deid.errors import ReleaseError, StorageError
from deid.opening.folder import read_small, refuse_recalled
from deid.release.manifest import MANIFEST, from_bytes
from deid.reports import HTML, JSON, RiskReport, from_json, to_html, to_json
from deid.reports.merging import MAX_BYTES, merged
from deid.reports.summary import summary
from deid.sealing.private import write_new
from deid.sinks.read_back import check_digest


@click.command()
@click.argument("release", type=release_folder)
@click.option("--attack", "attack_path", type=PathArgument, help="What `deid attack --json` printed, to be merged in.")
@click.option("--html", "html_path", type=PathArgument, help=f"Write the page to this new file, as {HTML}.")
@click.option("--out", "json_path", type=PathArgument, help=f"Write the report to this new file, as {JSON}.")
@json_option
def report(
    release: Path, attack_path: Path | None, html_path: Path | None, json_path: Path | None, as_json: bool
) -> None:
    """Show the report of RELEASE: ceilings, classes, known codes, who was withheld, and what can still be done.

    The report is checked against the digest in the manifest. Nothing is decrypted, and the release is not changed.
    """
    found = _read(release)
    if attack_path is not None:
        found = merged(found, _attack(attack_path))
    for path, data in ((html_path, to_html(found)), (json_path, to_json(found))):
        if path is not None:
            _write(path, data)
    if as_json:
        click.echo(to_json(found).decode(), nl=False)
    else:
        click.echo("\n".join(summary(found)))


def _read(release: Path) -> RiskReport:
    """Return the report of a release whose manifest lists it, whole and unchanged."""
    refuse_recalled(release)
    manifest = from_bytes(read_small(release, MANIFEST))
    entry = next((document for document in manifest.documents if document.name == JSON), None)
    if entry is None:
        raise ReleaseError(
            f"release {manifest.release} has no {JSON}", hint="it was made before reports were; export it again"
        )
    check_digest(release / JSON, name=JSON, sha256=entry.sha256, size=entry.bytes)
    found = from_json(read_small(release, JSON))
    if found.about.release != manifest.release:
        raise ReleaseError(f"{JSON} and {MANIFEST} belong to different releases", hint="ask the site for it again")
    return found


def _attack(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StorageError(f"cannot read {path.name}: {error.strerror}", hint="name a file that you may read") from None
    if len(data) > MAX_BYTES:
        raise StorageError(f"{path.name} is larger than {MAX_BYTES:,} bytes", hint="give what `deid attack` printed")
    return data


def _write(path: Path, data: bytes) -> None:
    try:
        write_new(path, data)
    except FileExistsError:
        raise StorageError(f"{path.name} is already there", hint="name another file") from None
    except OSError as error:
        raise StorageError(f"cannot write {path.name}: {error.strerror}", hint="name a folder that stands") from None
