"""`deid reidentify`: pseudonyms led back to identifiers, on an order that two different people have signed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid.cli.common import PathArgument, open_signing_key, passphrase, site_option
from deid.cli.withdrawing import known_here, take_back, withdraw_options

if TYPE_CHECKING:
    from deid.reidentify.answers import Answer
    from deid.reidentify.order import Order

_order = click.argument("order_path", metavar="ORDER", type=PathArgument)


@click.group()
def reidentify() -> None:
    """Lead pseudonyms back to the identifiers they stand for, on an order that two different people have signed."""


@reidentify.command()
@click.argument("release", metavar="REQUEST/RELEASE")
@click.argument("pseudonyms", nargs=-1, required=True)
@click.option("--reason", required=True, help="patient-safety, incidental-finding, legal-duty, … : docs/formats.")
@click.option("--why", required=True, help="The reason in words; it stays in the order.")
@click.option("--answer", required=True, help="`terminal` for one pseudonym, or the public key (age1…) of the reader.")
@click.option("--kind", default="patient_id", show_default=True, help="What the pseudonyms stand for.")
@click.option("--dates", is_flag=True, help="Tell the patient's date offset too.")
@click.option("--name", help="The order's name; that of its file if not given.")
@click.option("--out", type=PathArgument, required=True, help="Where the order is written.")
@site_option
def draft(
    release: str,
    pseudonyms: tuple[str, ...],
    reason: str,
    why: str,
    answer: str,
    kind: str,
    dates: bool,
    name: str | None,
    out: Path,
    site_path: Path,
) -> None:
    """Write an order about PSEUDONYMS of a release of this site, for two people to read and sign."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.reidentify.order import write_order  # noqa: PLC0415 - loads cryptography
    from deid.reidentify.run import read_manifest  # noqa: PLC0415

    request, _, of = release.partition("/")
    _, digest = read_manifest(load_site(site_path), request, of)
    order = write_order(
        out, name=name or out.stem, request=request, release=of, manifest_sha256=digest, pseudonyms=pseudonyms,
        reason=reason, why=why, answer=answer, kind=kind, dates=dates,
    )  # fmt: skip
    click.echo(f"wrote {out}: {len(order.pseudonyms)} pseudonyms; have two people sign it: deid reidentify sign {out}")


@reidentify.command()
@_order
@click.option("--key", "key_path", required=True, help="The signer's private signing key: a file, or a URI.")
@click.option("--days", type=click.IntRange(1, 31), default=7, show_default=True, help="How long it holds.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@site_option
def sign(order_path: Path, key_path: str, days: int, yes: bool, site_path: Path) -> None:
    """Show ORDER and sign it; the first signature sets the last day, the second goes beside it."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.reidentify.consent import sign_order  # noqa: PLC0415
    from deid.reidentify.order import load_order  # noqa: PLC0415

    order = load_order(order_path)
    _show(order)
    if not yes:
        click.confirm("You answer for this. Sign", abort=True, err=True)
    key = open_signing_key(key_path)
    written = sign_order(order, key, load_trust(load_site(site_path).trust), at=datetime.now(UTC), days=days)
    click.echo(f"signed {written}")


@reidentify.command()
@_order
@site_option
def check(order_path: Path, site_path: Path) -> None:
    """Show ORDER, and whether two people's signatures hold."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.reidentify.consent import require_consent  # noqa: PLC0415
    from deid.reidentify.order import load_order  # noqa: PLC0415

    order = load_order(order_path)
    _show(order)
    site = load_site(site_path)
    consent = require_consent(order, load_trust(site.trust), known_here(site), at=datetime.now(UTC))
    click.echo(f"holds: signed by {' and '.join(consent.statement.signers)}, until {consent.statement.expires}")


@reidentify.command()
@_order
@withdraw_options
def withdraw(order_path: Path, key_path: str, reason: str, later: bool, site_path: Path) -> None:
    """Take ORDER back: it is answered no more."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.reidentify.consent import held_of  # noqa: PLC0415
    from deid.reidentify.order import load_order  # noqa: PLC0415

    site = load_site(site_path)
    held = held_of(load_order(order_path))
    take_back(held, site, load_trust(site.trust), key_path=key_path, reason=reason, later=later)


@reidentify.command()
@_order
@click.option("--request", "request_path", type=PathArgument, required=True, help="The request of the release.")
@click.option("--candidates", type=PathArgument, help="Identifiers, one a line, in the place of the source.")
@click.option("--out", type=PathArgument, help="Where the sealed answer is written, if the order names a key.")
@site_option
def run(order_path: Path, request_path: Path, candidates: Path | None, out: Path | None, site_path: Path) -> None:
    """Answer ORDER: to this terminal, or into a file that the reader's key alone opens.

    Every pseudonym is entered in the audit log before anything is told.
    """
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.keys import open_provider  # noqa: PLC0415
    from deid.reidentify.answers import as_lines, write_answers  # noqa: PLC0415
    from deid.reidentify.order import load_order  # noqa: PLC0415
    from deid.reidentify.run import reidentify as answer_order  # noqa: PLC0415

    site = load_site(site_path)
    _check_way(load_order(order_path), out)

    def tell(order: Order, answers: Sequence[Answer]) -> None:
        _check_way(order, out)  # the order may have been another one a moment ago
        if out is None:
            click.echo("\n".join(as_lines(answers)))
            return
        write_answers(out, order, answers)
        told = sum(answer.identifier is not None for answer in answers)
        click.echo(f"wrote {out}: {told} of {len(answers)} found; only the reader's key opens it")

    provider = open_provider(site.keys, passphrase("the site's keys"))
    answer_order(order_path, request_path, site, provider, tell=tell, candidates=candidates)


@reidentify.command()
@click.argument("answer_path", metavar="ANSWER", type=PathArgument)
@click.option("--identity", type=PathArgument, required=True, help="The reader's private key file.")
def read(answer_path: Path, identity: Path) -> None:
    """Show the sealed ANSWER of an order at this terminal, with its reader's private key."""
    from deid.keys.recipients import load_identity  # noqa: PLC0415
    from deid.reidentify.answers import as_lines, read_answers  # noqa: PLC0415

    _require_terminal()
    answers = read_answers(answer_path, load_identity(identity, passphrase("the private key")))
    click.echo("\n".join(as_lines(answers)))


def _require_terminal() -> None:
    from deid.errors import KeyFaultError  # noqa: PLC0415

    if not sys.stdout.isatty():
        raise KeyFaultError(
            "answers are shown at a terminal, and this is none",
            hint="run it at a terminal; for a file, order the answer for the public key of its reader",
        )


def _check_way(order: Order, out: Path | None) -> None:
    """Raise KeyFaultError unless the answer can go where the order says."""
    from deid.errors import KeyFaultError  # noqa: PLC0415

    if order.recipient is None and out is not None:
        raise KeyFaultError("the order is answered to a terminal, and not into a file", hint="leave out --out")
    if order.recipient is None:
        _require_terminal()
    if order.recipient is not None and (out is None or out.exists()):
        raise KeyFaultError(
            "the order is answered into a new file, and none is named", hint="name one that is not there by --out"
        )


def _show(order: Order) -> None:
    click.echo(f"order   {order.name}: {len(order.pseudonyms)} of {order.kind} in {order.request}/{order.release}")
    click.echo(f"reason  {order.reason}: {order.why}")
    click.echo(f"answer  {'to a terminal' if order.recipient is None else f'to {order.recipient.key}'}")
    if order.dates:
        click.echo("dates   the patients' date offsets are told too")
    for text in order.pseudonyms[:20]:
        click.echo(f"  {text}")
    if len(order.pseudonyms) > 20:
        click.echo(f"  and {len(order.pseudonyms) - 20} more")
