"""`deid keys`: generate, list, rotate, check and shred keys, and hand one column group's key to a reader's program."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid.cli.common import PathArgument, json_option, open_signing_key, passphrase, print_json, site_option
from deid.errors import KeyFaultError

if TYPE_CHECKING:
    from deid.audit import AuditLog
    from deid.documents.site import Site
    from deid.keys.base import KeyProvider
    from deid.keys.shredding import Shredded

_URIS = ("local:", "pkcs11:", "aws_kms:")


@click.group()
def keys() -> None:
    """Generate, list, rotate, check and shred keys."""


@keys.group()
def generate() -> None:
    """Generate a key; private halves are readable by their owner only and never overwrite anything."""


@generate.command()
@click.argument("place")
def site(place: str) -> None:
    """Make the master keys of a site in PLACE: a new file under a passphrase, or the URI of a token or key service."""
    from deid.keys import make_provider  # noqa: PLC0415 - loads cryptography

    uri = place if place.startswith(_URIS) else f"local:{place}"
    is_file = uri.startswith("local:")
    provider = make_provider(uri, passphrase("the site's keys", confirm=is_file))
    click.echo(f"site keys  {place if is_file else provider.scheme}\nprovider   {provider.provider_id}")


@generate.command()
@click.argument("place")
@click.option("--name", required=True, help="Whose key it is.")
@click.option("--role", default="privacy_officer", show_default=True, help="What the person may sign as.")
@click.option("--trust", "trust_path", type=PathArgument, help="A trust root to add the person to.")
@click.option("--out", type=PathArgument, help="Where the public key of a token goes: a new file.")
def officer(place: str, name: str, role: str, trust_path: Path | None, out: Path | None) -> None:
    """Make a signing key in PLACE: a new file, with its public half in the suffix .pub, or the URI of a token."""
    from deid.keys.officers import generate_signing_key, write_public_key  # noqa: PLC0415
    from deid.keys.signers import make_token_key  # noqa: PLC0415
    from deid.papers.trust import add_person  # noqa: PLC0415

    if place.startswith("pkcs11:"):
        if out is None:
            raise click.UsageError("a key in a token needs --out, a file for its public half")
        public, private = out, "in the token"
        key = make_token_key(place, passphrase("the token"))
        write_public_key(out, key)
    else:
        if out is not None:
            raise click.UsageError("--out goes with a token; the public half of a file lies beside it")
        public, private = Path(place).with_suffix(".pub"), place
        key = generate_signing_key(Path(place), passphrase("the signing key", confirm=True)())
    click.echo(f"private key  {private}\npublic key   {public}\nkey id       {key.keyid}")
    if trust_path is not None:
        add_person(trust_path, name=name, role=role, key=public)
        click.echo(f"{name} is now trusted as {role} in {trust_path}")


@keys.command("public")
@click.option("--key", "key_path", required=True, help="A signing key: a file, or a URI.")
@click.option("--out", type=PathArgument, required=True, help="The new file.")
def public_(key_path: str, out: Path) -> None:
    """Write the public half of a signing key, for a trust root."""
    from deid.keys.officers import write_public_key  # noqa: PLC0415

    key = open_signing_key(key_path)
    write_public_key(out, key)
    click.echo(f"public key   {out}\nkey id       {key.keyid}")


@generate.command()
@click.argument("path", type=PathArgument)
@click.option("--no-passphrase", is_flag=True, help="Do not lock the private key with a passphrase.")
def recipient(path: Path, no_passphrase: bool) -> None:
    """Make a recipient's key pair in PATH and PATH with the suffix .pub; send the .pub to the site."""
    from deid.keys.recipients import generate_identity  # noqa: PLC0415

    secret = None if no_passphrase else passphrase("the private key", confirm=True)()
    made = generate_identity(path, path.with_suffix(".pub"), secret)
    click.echo(f"private key  {path}\npublic key   {path.with_suffix('.pub')}\n{made.key}")


@keys.command("list")
@site_option
@json_option
def list_(site_path: Path, as_json: bool) -> None:
    """List the guard keys of `columns` releases that stand at the site's key provider."""
    _, provider = _open(site_path)
    guards = provider.guards()
    if as_json:
        print_json({"provider": provider.provider_id, "scheme": provider.scheme, "guards": guards})
        return
    click.echo(f"{provider.scheme} {provider.provider_id}: {len(guards)} guard keys")
    for guard in guards:
        click.echo(f"{guard.created}  {guard.release}  of {guard.series}  {guard.id}")


@keys.command()
@click.argument("request", required=False)
@site_option
def rotate(request: str | None, site_path: Path) -> None:
    """Give every `columns` release, or those of REQUEST, a new guard key; no data are written anew."""
    from deid.audit.events import EventKind  # noqa: PLC0415
    from deid.audit.site import record, site_log  # noqa: PLC0415
    from deid.keys.shredding import columns_releases, read_keys, rotate_release  # noqa: PLC0415

    site, provider = _open(site_path)
    log = site_log(site, provider)
    standing = provider.guards()
    ids = {guard.id for guard in standing}
    for folder in columns_releases(site.releases):
        if request is None or folder.parent.name == request:
            if read_keys(folder).guard not in ids:
                click.echo(f"{folder.parent.name}.{folder.name}: left alone, it has no guard key: shredded, or lost")
                continue
            done = rotate_release(folder, provider, standing)
            subject = f"{folder.parent.name}/{folder.name}"
            record(log, EventKind.KEY_ROTATED, subject, purpose="guard", keys=len(done.destroyed))
            click.echo(f"{done.release}: new guard key {done.guard}, {len(done.destroyed)} destroyed")


@keys.command()
@site_option
@json_option
def check(site_path: Path, as_json: bool) -> None:
    """Check that the key provider answers, and that the keys of every `columns` release open."""
    from deid.keys.shredding import State, check_release, columns_releases, read_keys  # noqa: PLC0415

    site, provider = _open(site_path)
    probe = bytes(range(32))
    if provider.unwrap("check", provider.wrap("check", probe)) != probe:
        raise KeyFaultError("the key provider gave back another key than it was given", hint="do not use it")
    folders = list(columns_releases(site.releases))
    standing = provider.guards()
    found = [check_release(folder, provider, standing) for folder in folders]
    named = {read_keys(folder).guard for folder in folders}
    idle = [guard for guard in standing if guard.id not in named]
    if as_json:
        releases = [{"release": one.release, "state": one.state.value, "why": one.why} for one in found]
        print_json({"provider": provider.provider_id, "releases": releases, "idle": idle})
    else:
        click.echo(f"{provider.scheme} {provider.provider_id}: wraps and unwraps")
        for one in found:
            click.echo(f"{one.release}: {one.state.value}{f' ({one.why})' if one.why else ''}")
        for guard in idle:
            click.echo(f"guard key {guard.id} of {guard.release} guards no release that lies here")
    if bad := [one.release for one in found if one.state is State.REFUSED]:
        raise KeyFaultError(f"the keys of {', '.join(bad)} do not open", hint="fetch their keys.json from a backup")


@keys.group()
def shred() -> None:
    """Destroy keys, so that `columns` releases can be read by nobody, wherever copies lie."""


@shred.command("release")
@click.argument("request")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@site_option
def shred_release_(request: str, name: str, yes: bool, site_path: Path) -> None:
    """Destroy the guard key of the release NAME of REQUEST; nobody can undo this."""
    from deid.audit.site import site_log  # noqa: PLC0415
    from deid.keys.shredding import read_keys, shred_release  # noqa: PLC0415

    site, provider = _open(site_path)
    folder = site.releases / request / name
    if folder.is_dir():
        read_keys(folder)  # a portable release is refused here, with what can be done instead
    _ask(f"the release {request}.{name}", yes)
    log = site_log(site, provider)  # opened before: what it cannot take is not destroyed
    _tell(log, f"{request}/{name}", [shred_release(provider, f"{request}.{name}")])


@shred.command("series")
@click.argument("request")
@click.argument("party")
@click.option("--yes", is_flag=True, help="Do not ask.")
@site_option
def shred_series_(request: str, party: str, yes: bool, site_path: Path) -> None:
    """Destroy the guard keys of all releases of REQUEST to PARTY; nobody can undo this."""
    from deid.audit.site import site_log  # noqa: PLC0415
    from deid.keys.shredding import shred_series  # noqa: PLC0415

    site, provider = _open(site_path)
    _ask(f"every release of {request} to {party}", yes)
    log = site_log(site, provider)
    _tell(log, request, shred_series(provider, f"{request}/{party}"))


@keys.command()
@click.argument("release", type=PathArgument)
@click.argument("group")
@site_option
def unwrap(release: Path, group: str, site_path: Path) -> None:
    """Write the key of one column GROUP of RELEASE into a pipe, for a reader such as Spark; never to a terminal."""
    from deid.audit.site import site_log  # noqa: PLC0415
    from deid.keys.keys_file import open_kek  # noqa: PLC0415
    from deid.keys.shredding import read_keys  # noqa: PLC0415
    from deid.opening.folder import refuse_recalled  # noqa: PLC0415
    from deid.recall.gate import refuse_recalled_release  # noqa: PLC0415

    if sys.stdout.isatty():
        raise KeyFaultError("a key is not written to a terminal", hint="let the reader's program run this command")
    refuse_recalled(release)
    file = read_keys(release)
    found, provider = _open(site_path)
    refuse_recalled_release(release, found, site_log(found, provider))
    kek = open_kek(provider, file, group)
    click.echo(f"{file.release} {kek.id} {base64.b64encode(kek.key).decode()}")


def _open(site_path: Path) -> tuple[Site, KeyProvider]:
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.keys import open_provider  # noqa: PLC0415 - loads cryptography

    found = load_site(site_path)
    return found, open_provider(found.keys, passphrase("the site's keys"))


def _ask(what: str, yes: bool) -> None:
    if not yes:
        click.confirm(f"Nobody will be able to read {what} again, in any copy. Shred", abort=True, err=True)


def _tell(log: AuditLog, subject: str, done: list[Shredded] | tuple[Shredded, ...]) -> None:
    from deid.audit.events import EventKind  # noqa: PLC0415
    from deid.audit.site import record  # noqa: PLC0415

    record(log, EventKind.KEY_SHREDDED, subject, purpose="guard", keys=sum(len(one.guards) for one in done))
    for one in done:
        click.echo(f"shredded {one.release} of {one.series}: {len(one.guards)} guard keys destroyed")
    click.echo(f"note: {done[0].means}\nnote: what was opened or converted before is not reached by this")
