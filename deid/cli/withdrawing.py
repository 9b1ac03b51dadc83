"""What `withdraw` does, of whatever kind of document; the commands stand beside those that sign it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from deid.audit.events import WITHDRAWALS
from deid.cli.common import open_signing_key, passphrase, site_option

if TYPE_CHECKING:
    from deid.documents.site import Site
    from deid.papers.register import Register
    from deid.papers.trust import TrustRoot
    from deid.papers.withdrawal import Held

_key = click.option("--key", "key_path", required=True, help="The private signing key: a file, or a URI.")
_reason = click.option("--reason", type=click.Choice(WITHDRAWALS), required=True, help="Why; it stands in messages.")
_later = click.option(
    "--later", is_flag=True, help="Do not open the site's keys: the next run enters it in the audit log."
)


def withdraw_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every `withdraw` takes."""
    for option in (site_option, _later, _reason, _key):
        command = option(command)
    return command


def known_here(site: Site) -> Register:
    """Return what the audit log tells whoever has no key; where this user may not read it, say so, and nothing.

    For commands that tell or sign: what runs asks the log itself, and stops where it cannot be read.
    """
    from deid.errors import StorageError  # noqa: PLC0415
    from deid.papers.register import Register, register_without_keys  # noqa: PLC0415

    try:
        return register_without_keys(site)
    except StorageError as error:
        click.echo(f"{error.message}: what it calls withdrawn or superseded is not told here", err=True)
        return Register({}, {}, {}, {}, frozenset())


def take_back(held: Held, site: Site, trust: TrustRoot, *, key_path: str, reason: str, later: bool) -> None:
    """Sign a withdrawal, enter it in the audit log unless it is for later, and say what holds from now on."""
    from deid.papers.statements import read  # noqa: PLC0415
    from deid.papers.trust import WITHDRAWAL  # noqa: PLC0415
    from deid.papers.withdrawal import withdraw  # noqa: PLC0415

    _keep_earlier(held, site, trust, later=later)
    key = open_signing_key(key_path)
    written = withdraw(held, key, trust, reason=reason, at=datetime.now(UTC))
    left = trust.threshold(WITHDRAWAL) - len(read(written, written.name)[0].signatures)
    if left > 0:
        click.echo(f"signed {written}: {left} more must sign it; nothing runs on {held.words} until then, nor after")
        return
    click.echo(f"signed {written}: {held.words} is withdrawn ({reason})")
    if not later:
        _enter(held, site, trust)
        click.echo("entered in the audit log: removing the file does not bring it back")
    else:
        click.echo("the next run at the site enters it in the audit log; until then, who removes the file undoes it")


def _keep_earlier(held: Held, site: Site, trust: TrustRoot, *, later: bool) -> None:
    """See to it that a withdrawal of an earlier text, which this one takes the place of, is in the log."""
    from deid.errors import TrustError  # noqa: PLC0415
    from deid.papers.withdrawal import read_withdrawal  # noqa: PLC0415

    try:
        found = read_withdrawal(held, trust, at=datetime.now(UTC))
    except TrustError:
        return  # nobody's word; the new one takes its place
    if found is None or found.is_over:
        return
    if (held.type, found.statement.sha256) in known_here(site).withdrawn:
        return
    if later:
        raise TrustError(
            f"{held.withdrawal.name} takes an earlier text back, and the audit log does not have it yet",
            hint="withdraw without --later, at the site, so that both are entered",
        )
    _enter(held, site, trust)


def _enter(held: Held, site: Site, trust: TrustRoot) -> None:
    from deid.audit.site import site_log  # noqa: PLC0415 - opens the site's keys
    from deid.keys import open_provider  # noqa: PLC0415
    from deid.papers.register import enter_withdrawal, register  # noqa: PLC0415
    from deid.papers.withdrawal import read_withdrawal  # noqa: PLC0415

    found = read_withdrawal(held, trust, at=datetime.now(UTC))
    if found is not None:
        log = site_log(site, open_provider(site.keys, passphrase("the site's keys")))
        enter_withdrawal(log, found, held, trust, register(log, site))
