"""`deid open` and `deid verify`: what a recipient does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid.cli.common import PathArgument, json_option, passphrase, print_json, release_folder, site_option
from deid.errors import ReleaseError

if TYPE_CHECKING:
    from deid.audit import AuditLog
    from deid.keys.base import KeyProvider
    from deid.papers.trust import TrustRoot

FORMATS = ("parquet", "csv", "duckdb", "meds", "omop")
_PROVEN = "integrity proven by the key; who sent it is not: whoever has the public key could have made it"
_DIGESTS = "digests only: no key was given, so files and manifest may both have been exchanged"

_OWN = "integrity proven by the key"
_NO_KEY = "no key was given, so nothing was decrypted"

_trust = click.option("--trust", "trust_path", type=PathArgument, help="Your trust root: its site must have signed.")
_site_key = click.option("--site-key", type=PathArgument, help="The public key of the site that must have signed.")


@click.command("open")
@click.argument("release", type=release_folder)
@click.option("--key", "key_paths", type=PathArgument, multiple=True, help="A recipient's private key file.")
@click.option("--to", "target_format", type=click.Choice(FORMATS), help="Convert to this format.")
@click.option("--out", type=PathArgument, help="The new folder, or file (duckdb).")
@click.option("--vocabulary", type=PathArgument, help="Your folder of Athena's CONCEPT.csv, for omop.")
@click.option("--with-site", is_flag=True, help="Also open with the site's own keys (the columns profile).")
@_trust
@_site_key
@site_option
def open_(
    release: Path,
    key_paths: tuple[Path, ...],
    target_format: str | None,
    out: Path | None,
    vocabulary: Path | None,
    with_site: bool,
    trust_path: Path | None,
    site_key: Path | None,
    site_path: Path,
) -> None:
    """Open RELEASE with a private key: show what it holds, or convert it with --to and --out."""
    from deid.audit.events import EventKind  # noqa: PLC0415 - loads cryptography
    from deid.audit.site import record_release  # noqa: PLC0415
    from deid.opening import CONVERTERS, open_release, to_omop  # noqa: PLC0415 - loads pyarrow

    if vocabulary is not None and target_format != "omop":
        raise click.UsageError("--vocabulary goes with --to omop")
    site = _Site.open(site_path, release) if with_site else None
    trust = _sender(trust_path, site_key)
    provider = site.provider if site else None
    opened = open_release(release, key_paths, passphrase("the private key"), provider=provider, trust=trust)
    if site is not None:
        record_release(site.log, EventKind.RELEASE_OPENED, release, opened.manifest)
    if target_format is None:
        for table in opened.tables:
            click.echo(f"{table}  {opened.manifest.tables[table].rows} rows")
            for column in opened.manifest.tables[table].columns:
                click.echo(f"  {column.name}  {column.type}  {column.transform}")
        return
    if out is None:
        raise click.UsageError("--to needs --out, a name that does not exist yet")
    if vocabulary is not None:
        to_omop.convert(opened, out, vocabulary=vocabulary)
    else:
        CONVERTERS[target_format](opened, out)
    click.echo(f"wrote {out}, for this user alone; it is no longer encrypted: keep it where the agreement allows")


@click.command()
@click.argument("release", type=release_folder)
@click.option("--key", "key_paths", type=PathArgument, multiple=True, help="A recipient's private key file.")
@click.option("--with-site", is_flag=True, help="Verify with the site's own keys (the columns profile).")
@_trust
@_site_key
@site_option
@json_option
def verify(
    release: Path,
    key_paths: tuple[Path, ...],
    with_site: bool,
    trust_path: Path | None,
    site_key: Path | None,
    site_path: Path,
    as_json: bool,
) -> None:
    """Check RELEASE: every digest, nothing missing or added and, with a private key, that every value decrypts.

    A key proves that nothing was changed since the release was made; who made it is proven by the
    site's signature, with --trust or --site-key.
    """
    from deid.audit.events import EventKind  # noqa: PLC0415 - loads cryptography
    from deid.audit.site import record_release  # noqa: PLC0415
    from deid.keys.recipients import load_identity  # noqa: PLC0415
    from deid.opening import verify_release  # noqa: PLC0415 - loads pyarrow
    from deid.opening.folder import read_small  # noqa: PLC0415
    from deid.release.manifest import MANIFEST, from_bytes  # noqa: PLC0415

    identities = [load_identity(path, passphrase("the private key")) for path in key_paths]
    site = _Site.open(site_path, release) if with_site else None
    trust = _sender(trust_path, site_key)
    found = verify_release(release, identities, provider=site.provider if site else None, trust=trust)
    if site is not None:
        manifest = from_bytes(read_small(release, MANIFEST))
        outcome = "passed" if found.is_sound else "failed"
        record_release(site.log, EventKind.RELEASE_VERIFIED, release, manifest, outcome=outcome)
    if as_json:
        record = {
            "release": found.release,
            "sound": found.is_sound,
            "integrity_proven": found.integrity_proven,
            "sender_proven": bool(found.signers),
            "files": found.files,
            "rows": found.rows,
            "faults": [fault.message for fault in found.faults],
        }
        print_json(record)
    else:
        proof = _PROVEN if found.integrity_proven else _DIGESTS
        if found.signers:
            proof = f"signed by {', '.join(found.signers)}; " + (_OWN if found.integrity_proven else _NO_KEY)
        click.echo(f"{found.release}: {found.tables} tables, {found.files} files, {found.rows:,} rows\n{proof}")
    if found.faults:
        listed = "".join(f"\n  - {fault.message}" for fault in found.faults)
        raise ReleaseError(f"release {found.release} is not sound:{listed}", hint=found.faults[0].hint)
    if not as_json:
        click.echo("sound")


def _sender(trust_path: Path | None, site_key: Path | None) -> TrustRoot | None:
    """Return whom the recipient trusts to sign releases, None where that is not asked."""
    from deid.papers.trust import load_trust, trust_in_site  # noqa: PLC0415 - loads cryptography

    if trust_path is not None and site_key is not None:
        raise click.UsageError("give --trust or --site-key, not both")
    if trust_path is not None:
        return load_trust(trust_path)
    return trust_in_site(site_key) if site_key is not None else None


@dataclass(frozen=True, slots=True)
class _Site:
    """The site's own keys, and the log in which it is entered that they opened something."""

    provider: KeyProvider
    log: AuditLog

    @classmethod
    def open(cls, path: Path, release: Path) -> _Site:
        """Open them for a release; raise ReleaseError where this site took it back."""
        from deid.audit.site import site_log  # noqa: PLC0415 - loads cryptography
        from deid.documents.site import load_site  # noqa: PLC0415
        from deid.keys import open_provider  # noqa: PLC0415
        from deid.recall.gate import refuse_recalled_release  # noqa: PLC0415

        site = load_site(path)
        provider = open_provider(site.keys, passphrase("the site's keys"))
        log = site_log(site, provider)
        refuse_recalled_release(release, site, log)
        return cls(provider, log)
