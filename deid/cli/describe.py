"""`deid describe`: draft a dataset description."""

from __future__ import annotations

from pathlib import Path

import click

from deid.cli.common import PathArgument
from deid.describing.describe import draft
from deid.errors import StorageError


@click.command()
@click.argument("paths", metavar="SOURCE...", nargs=-1, required=True, type=PathArgument)
@click.option("--name", default="dataset", show_default=True, help="What to call the dataset.")
@click.option("--out", type=PathArgument, help="A new file to write; standard output without it.")
def describe(paths: tuple[Path, ...], name: str, out: Path | None) -> None:
    """Draft a description of delimited or Parquet files from names and a sample, for a person to confirm.

    No value is quoted. Kinds that are guesses end in a question mark; nothing runs on a draft until a person has
    settled each of them and removed `confirmed: false`.
    """
    text = draft(paths, name=name)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise StorageError(f"{out} is already there", hint="name a new file") from None
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error.strerror}", hint="check the folder") from None
    unsure = text.count("?\n") + text.count("? ")
    click.echo(f"wrote {out}; {unsure} kinds are guesses: read every line before you confirm it")
