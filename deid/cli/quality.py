"""`deid quality`: what is wrong with the codes of a source."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from deid.cli.common import PathArgument, json_option, progress_bar
from deid.codes import CODE_SYSTEMS
from deid.codes.added import systems_with
from deid.errors import StorageError
from deid.quality.judge import Unit
from deid.quality.report import JSON, MARKDOWN, Report, to_json, to_markdown
from deid.quality.source import judge_source
from deid.sealing.private import write_new
from deid.sources.description import load_dataset


@click.command()
@click.argument("dataset_path", metavar="DATASET", type=PathArgument)
@click.option("--by", "unit", type=click.Choice(["month", "year"]), default="month", show_default=True)
@click.option("--out", type=PathArgument, help=f"A folder that stands, for {JSON} and {MARKDOWN}.")
@click.option("--codes", type=PathArgument, help="A folder of code lists that `deid codes add` made.")
@json_option
def quality(dataset_path: Path, unit: Unit, out: Path | None, codes: Path | None, as_json: bool) -> None:
    """Judge the codes that a DATASET description names: malformed, unknown, retired on the day, and more.

    Counts only: no code, no cell and nothing that concerns one to ten patients is shown.
    """
    dataset = load_dataset(dataset_path)
    # What spills is sealed under a key that lives in this process.
    with tempfile.TemporaryDirectory(prefix="deid-") as spill, progress_bar() as progress:
        systems = CODE_SYSTEMS if codes is None else systems_with(codes)
        report = judge_source(dataset, unit=unit, spill=Path(spill), progress=progress, systems=systems)
    if out is not None:
        _write(report, out)
    click.echo(to_json(report).decode() if as_json else to_markdown(report), nl=False)


def _write(report: Report, folder: Path) -> None:
    for name, data in ((JSON, to_json(report)), (MARKDOWN, to_markdown(report).encode())):
        try:
            write_new(folder / name, data)
        except FileExistsError:
            raise StorageError(f"{folder / name} is already there", hint="name another folder") from None
        except OSError as error:
            raise StorageError(f"cannot write {name}: {error.strerror}", hint="name a folder that stands") from None
