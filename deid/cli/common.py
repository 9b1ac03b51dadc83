"""What commands share: options, passphrases, dates, progress, and how JSON is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from deid.errors import KeyFaultError

if TYPE_CHECKING:
    from deid.documents.site import Site
    from deid.keys.officers import SigningKey

PathArgument = click.Path(path_type=Path)
MAX_PASSPHRASE = 4096
PASSPHRASE, PASSPHRASE_FILE, SITE = "DEID_PASSPHRASE", "DEID_PASSPHRASE_FILE", "DEID_SITE"
PASSPHRASE_FD = "DEID_PASSPHRASE_FD"  # noqa: S105  # the name of a variable

site_option = click.option(
    "--site",
    "site_path",
    type=PathArgument,
    envvar=SITE,
    default=Path("site.yaml"),
    show_default=True,
    help=f"The site file; {SITE} in the environment says the same.",
)
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), default=min(2, os.cpu_count() or 1), show_default=True,
    help="1 does one thing after another; more read ahead and write behind, and search notes in so many processes.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def release_folder(value: str) -> Path:
    """Return the folder of a release; one at a place in a store is fetched for as long as the command runs."""
    from deid.stores.place import is_place, parse_place  # noqa: PLC0415

    if not is_place(value):
        return Path(value)
    from deid.stores.fetching import fetched  # noqa: PLC0415 - loads pyarrow

    return click.get_current_context().with_resource(fetched(parse_place(value)))


def today() -> date:
    """Return the day, in UTC."""
    return datetime.now(UTC).date()


def day_of(value: datetime | None) -> date | None:
    """Return the day of an option that names one."""
    return value.date() if value is not None else None


def passphrase(what: str, *, confirm: bool = False) -> Callable[[], bytes]:
    """Return a function that gets a passphrase: from a file, descriptor or variable of the environment, or a prompt."""

    def get() -> bytes:
        if PASSPHRASE_FD in os.environ:
            return _passphrase_descriptor(os.environ[PASSPHRASE_FD])
        if PASSPHRASE_FILE in os.environ:
            return _passphrase_file(Path(os.environ[PASSPHRASE_FILE]))
        if PASSPHRASE in os.environ:
            return os.environ[PASSPHRASE].encode()
        if not sys.stdin.isatty():
            raise KeyFaultError(
                f"the passphrase of {what} is needed", hint=f"set {PASSPHRASE_FILE} to a file that only you may read"
            )
        typed: str = click.prompt(f"Passphrase of {what}", hide_input=True, confirmation_prompt=confirm, err=True)
        return typed.encode()

    return get


def open_signing_key(where: str) -> SigningKey:
    """Open the signing key that `--key` names: a file's path, or the URI of a file, a token or a key service."""
    from deid.keys.signers import open_signer  # noqa: PLC0415 - loads cryptography

    return open_signer(where, passphrase("the signing key"))


def site_signer(site: Site) -> SigningKey | None:
    """Open the key by which the site signs, None where its file names none."""
    from deid.keys.site_signing import open_site_signer  # noqa: PLC0415 - loads cryptography

    return open_site_signer(site.signing, passphrase("the site's signing key")) if site.signing is not None else None


@cache  # a pipe gives what it holds once, and a command may need it twice
def _passphrase_descriptor(number: str) -> bytes:
    """Return what an open file descriptor gives, to its end."""
    try:
        with open(int(number), "rb", closefd=False) as file:
            data = file.read(MAX_PASSPHRASE + 1)
    except (OSError, ValueError):
        data = b""
    if not 0 < len(data) <= MAX_PASSPHRASE:
        raise KeyFaultError(
            f"{PASSPHRASE_FD} names no descriptor that gives a passphrase", hint="for instance 3, with 3< file"
        )
    return data


def _passphrase_file(path: Path) -> bytes:
    """Return what stands in a file, whose line end is taken off where any passphrase's is: when it is used."""
    from deid.keys.files import read_private  # noqa: PLC0415 - its package loads cryptography

    try:
        return read_private(path, limit=MAX_PASSPHRASE)  # refused if others may read it, as the key files are
    except KeyFaultError as error:
        raise KeyFaultError(f"{PASSPHRASE_FILE}: {error.message}", hint=error.hint) from None


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int], None]]:
    """Yield a function of (what is done, rows more); it draws on a terminal and is silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _what, _rows: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} rows"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, rows: int) -> None:
            if what not in tasks:
                for other in tasks.values():
                    bar.update(other, total=bar.tasks[other].completed)
                tasks[what] = bar.add_task(what, total=None)
            bar.update(tasks[what], advance=rows)

        yield show
        for task in tasks.values():
            bar.update(task, total=bar.tasks[task].completed)
