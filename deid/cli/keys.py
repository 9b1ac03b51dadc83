"""`deid keys`: generate keys for a site, an officer or a recipient."""

from __future__ import annotations

from pathlib import Path

import click

from deid.cli.common import PathArgument, passphrase


@click.group()
def keys() -> None:
    """Generate keys for a site, an officer or a recipient."""


@keys.group()
def generate() -> None:
    """Generate a key; private halves are readable by their owner only and never overwrite anything."""


@generate.command()
@click.argument("path", type=PathArgument)
def site(path: Path) -> None:
    """Make the master keys of a site in PATH, protected by a passphrase."""
    from deid.keys.local import generate_provider  # noqa: PLC0415 - loads cryptography

    generate_provider(path, passphrase("the site's keys", confirm=True)())
    click.echo(f"site keys  {path}")


@generate.command()
@click.argument("path", type=PathArgument)
@click.option("--name", required=True, help="Whose key it is.")
@click.option("--role", default="privacy_officer", show_default=True, help="What the person may sign as.")
@click.option("--trust", "trust_path", type=PathArgument, help="A trust root to add the person to.")
def officer(path: Path, name: str, role: str, trust_path: Path | None) -> None:
    """Make a signing key in PATH and PATH with the suffix .pub."""
    from deid.keys.officers import generate_signing_key  # noqa: PLC0415
    from deid.trust import add_person  # noqa: PLC0415

    key = generate_signing_key(path, passphrase("the signing key", confirm=True)())
    click.echo(f"private key  {path}\npublic key   {path.with_suffix('.pub')}\nkey id       {key.keyid}")
    if trust_path is not None:
        add_person(trust_path, name=name, role=role, key=path.with_suffix(".pub"))
        click.echo(f"{name} is now trusted as {role} in {trust_path}")


@generate.command()
@click.argument("path", type=PathArgument)
@click.option("--no-passphrase", is_flag=True, help="Do not lock the private key with a passphrase.")
def recipient(path: Path, no_passphrase: bool) -> None:
    """Make a recipient's key pair in PATH and PATH with the suffix .pub; send the .pub to the site."""
    from deid.keys.recipients import generate_identity  # noqa: PLC0415

    secret = None if no_passphrase else passphrase("the private key", confirm=True)()
    made = generate_identity(path, path.with_suffix(".pub"), secret)
    click.echo(f"private key  {path}\npublic key   {path.with_suffix('.pub')}\n{made.key}")
