"""`deid agreement`: check and sign data-use agreements."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from deid.cli.common import PathArgument, open_signing_key, site_option
from deid.cli.withdrawing import take_back, withdraw_options
from deid.papers.agreement import load_agreement, sign_agreement


@click.group()
def agreement() -> None:
    """Check and sign data-use agreements, under which a Limited Data Set leaves, 45 CFR 164.514(e)(4)."""


@agreement.command()
@click.argument("agreement_path", metavar="AGREEMENT", type=PathArgument)
def check(agreement_path: Path) -> None:
    """Check that AGREEMENT holds what 164.514(e)(4)(ii) asks for."""
    found = load_agreement(agreement_path)
    click.echo(f"{found.id} with {found.recipient}, from {found.begins} to {found.expires}")
    click.echo(f"  for      {', '.join(use.value for use in found.uses)}")
    click.echo(f"  parties  {', '.join(found.parties)}")
    click.echo(f"  users    {', '.join(found.users)}")


@agreement.command()
@click.argument("agreement_path", metavar="AGREEMENT", type=PathArgument)
@click.option("--key", "key_path", required=True, help="The private signing key: a file, or a URI.")
@site_option
def sign(agreement_path: Path, key_path: str, site_path: Path) -> None:
    """Sign that AGREEMENT was made with its recipient; the signature expires with it."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.papers.withdrawal import agreement_held, refuse_withdrawn_text  # noqa: PLC0415

    found = load_agreement(agreement_path)
    refuse_withdrawn_text(agreement_held(found.id, found.digest, agreement_path.parent))
    trust = load_trust(load_site(site_path).trust)
    key = open_signing_key(key_path)
    click.echo(f"signed {sign_agreement(found, key, trust, at=datetime.now(UTC))}")


@agreement.command()
@click.argument("agreement_path", metavar="AGREEMENT", type=PathArgument)
@withdraw_options
def withdraw(agreement_path: Path, key_path: str, reason: str, later: bool, site_path: Path) -> None:
    """Take AGREEMENT back: no Limited Data Set leaves under this text again."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.papers.withdrawal import agreement_held  # noqa: PLC0415

    found, site = load_agreement(agreement_path), load_site(site_path)
    held = agreement_held(found.id, found.digest, agreement_path.parent)
    take_back(held, site, load_trust(site.trust), key_path=key_path, reason=reason, later=later)
