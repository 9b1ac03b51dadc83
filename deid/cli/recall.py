"""`deid recall`: releases taken back, who has what, and certificates that copies are destroyed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid.cli.common import PathArgument, json_option, open_signing_key, passphrase, print_json, site_option, today

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deid.audit import AuditLog
    from deid.documents.site import Site
    from deid.keys.base import KeyProvider
    from deid.papers.trust import TrustRoot
    from deid.recall.holdings import Holding
    from deid.recall.papers import Notice
    from deid.recall.run import Done

_notice = click.argument("notice_path", metavar="NOTICE", type=PathArgument)
_key = click.option("--key", "key_path", required=True, help="The signer's private signing key: a file, or a URI.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_DAY = click.DateTime(["%Y-%m-%d"])
_REASONS = "disclosure, wrong-recipient, wrong-data, withdrawn-consent, withdrawn-approval or other."


@click.group()
def recall() -> None:
    """Take releases back: mark, shred and notify; list who has what; take in certificates of destruction."""


@recall.command()
@click.argument("releases", metavar="REQUEST/RELEASE", nargs=-1, required=True)
@click.option("--reason", required=True, help=_REASONS)
@click.option("--why", required=True, help="In words, for whoever has the release; nothing of a patient.")
@click.option("--ask", "asks", multiple=True, help="Who certifies destruction, by name in the trust root; repeatable.")
@click.option("--increments", is_flag=True, help="Releases hold only what is new, and no ledger says so.")
@click.option("--name", help="The recall's name; made of request, release and day if not given.")
@click.option("--out", type=PathArgument, required=True, help="Where the notice is written.")
@site_option
def draft(
    releases: tuple[str, ...],
    reason: str,
    why: str,
    asks: tuple[str, ...],
    increments: bool,
    name: str | None,
    out: Path,
    site_path: Path,
) -> None:
    """Write the notice that takes releases of one request back, with every later one that holds their rows."""
    from deid.keys.files import write_public  # noqa: PLC0415 - loads cryptography
    from deid.recall.drafting import Reason  # noqa: PLC0415
    from deid.recall.drafting import draft as draft_notice  # noqa: PLC0415
    from deid.recall.papers import encode  # noqa: PLC0415
    from deid.recall.register import register  # noqa: PLC0415

    site, provider, log, trust = _open(site_path)
    known = register(log, site)
    names = [(request, release) for request, _, release in (one.partition("/") for one in releases)]
    notice = draft_notice(
        site, provider, known, trust, names, Reason(reason, why), created=today(), asks=asks, increments=increments,
        recall=name,
    )  # fmt: skip
    write_public(out, encode(notice))
    _show(notice)
    if tables := sorted(one.subject for one in known.releases if one.is_tables and one.request != notice.request):
        click.echo(f"tables of this site, counted from sources and not from releases: {', '.join(tables)}", err=True)
        click.echo("hint: recall those that were counted from the same wrong or withdrawn rows, by name", err=True)
    click.echo(f"wrote {out}; have it signed: deid recall sign {out}")


@recall.command()
@_notice
@_key
@_yes
def sign(notice_path: Path, key_path: str, yes: bool) -> None:
    """Show NOTICE and sign it, as somebody who may take releases back."""
    from deid.papers.signing import countersign, sign_document, statement_path  # noqa: PLC0415
    from deid.papers.trust import RECALL  # noqa: PLC0415
    from deid.recall.papers import VERSION, Notice, digest_of, load  # noqa: PLC0415

    notice, data = load(notice_path, Notice)
    _show(notice)
    if not yes:
        click.confirm("Keys are destroyed on this word, for good. Sign", abort=True, err=True)
    key = open_signing_key(key_path)
    written = statement_path(notice_path)
    if written.exists():  # where the trust root asks for several
        countersign(written, key, data_digest=digest_of(data))
    else:
        sign_document(
            notice_path, key, RECALL, data_digest=digest_of(data), name=notice.recall, version=VERSION,
            signed_at=datetime.now(UTC),
        )  # fmt: skip
    click.echo(f"signed {written}")


@recall.command()
@_notice
@_yes
@site_option
def run(notice_path: Path, yes: bool, site_path: Path) -> None:
    """Carry NOTICE out: mark its releases, destroy their keys, and put the notice into their folders."""
    from deid.recall.papers import Notice, load  # noqa: PLC0415
    from deid.recall.run import recall as carry_out  # noqa: PLC0415

    site, provider, log, trust = _open(site_path)
    if not yes:
        _show(load(notice_path, Notice)[0])
        click.confirm("Nobody will be able to undo this. Recall", abort=True, err=True)
    _tell([carry_out(notice_path, site, provider, log, trust)], provider)


@recall.command()
@site_option
def finish(site_path: Path) -> None:
    """Do what is left of recalls that were marked: after a crash, or while the key provider was out of reach."""
    from deid.recall.run import finish as go_on  # noqa: PLC0415

    site, provider, log, trust = _open(site_path)
    _tell(go_on(site, provider, log, trust), provider)


@recall.command()
@_notice
@click.option("--trust", "trust_path", type=PathArgument, required=True, help="A trust root with the site's officer.")
def check(notice_path: Path, trust_path: Path) -> None:
    """Show NOTICE, or the RECALLED.json of a release, and whether the site's officer signed it; needs no site."""
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.recall.papers import Notice, digest_of, load  # noqa: PLC0415
    from deid.recall.run import verify_notice  # noqa: PLC0415

    notice, data = load(notice_path, Notice)
    held = verify_notice(notice_path, digest_of(data), notice.recall, load_trust(trust_path), at=datetime.now(UTC))
    _show(notice)
    click.echo(f"signed by {', '.join(held.signers)} on {held.signed_at:%Y-%m-%d}")


@recall.command()
@_notice
@_key
@click.option("--recipient", "recipients", type=PathArgument, multiple=True, help="A public key it was sealed to.")
@click.option("--on", "day", type=_DAY, required=True, help="The day on which everything was destroyed.")
@click.option("--how", required=True, help="In words, with backups and what was opened or derived.")
@click.option("--out", type=PathArgument, required=True, help="Where the certificate is written.")
def destroyed(
    notice_path: Path, key_path: str, recipients: tuple[Path, ...], day: datetime, how: str, out: Path
) -> None:
    """Write and sign the certificate that the copies NOTICE is about are destroyed; a recipient's command."""
    import hashlib  # noqa: PLC0415

    from deid.keys.recipients import load_recipient  # noqa: PLC0415
    from deid.recall.certificates import write_certificate  # noqa: PLC0415
    from deid.recall.papers import Notice, digest_of, load  # noqa: PLC0415

    notice, data = load(notice_path, Notice)
    key = open_signing_key(key_path)
    prints = [hashlib.sha256(load_recipient(path).key.encode()).hexdigest() for path in recipients]
    paper = write_certificate(
        out, notice, digest_of(data), key, recipients=prints, destroyed_on=day.date(), how=how, at=datetime.now(UTC)
    )
    click.echo(f"wrote {out} and its statement, over {len(paper.releases)} releases: send both to the site")


@recall.command()
@click.argument("certificate", type=PathArgument)
@site_option
def certify(certificate: Path, site_path: Path) -> None:
    """Take in a CERTIFICATE of destruction, whose statement lies beside it."""
    from deid.recall.certificates import certify as take_in  # noqa: PLC0415

    site, _, log, trust = _open(site_path)
    done = take_in(certificate, site, log, trust)
    click.echo(f"{done.mark.notice.recall}: {len(done.certificate.releases)} releases certified destroyed")
    click.echo("note: this is somebody's word; what was shown stays shown in the ledger")


@recall.command()
@click.argument("name", metavar="RECALL")
@_key
@click.option("--policy", "policy_path", type=PathArgument, required=True, help="The policy under which it goes on.")
@click.option("--how", required=True, help="In words: what was put right, and why later releases may leave.")
@click.option("--until", type=_DAY, help="The last day on which this holds.  [default: none]")
@site_option
def resume(name: str, key_path: str, policy_path: Path, how: str, until: datetime | None, site_path: Path) -> None:
    """Sign that the series which RECALL stopped goes on, under a policy."""
    from deid.documents.policy import load_policy  # noqa: PLC0415
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.recall.resuming import resume as write_resumption  # noqa: PLC0415

    site = load_site(site_path)
    key = open_signing_key(key_path)
    policy = load_policy(policy_path)
    last = until.date() if until is not None else None
    mark = write_resumption(
        site, name, policy, key, load_trust(site.trust), how=how, at=datetime.now(UTC), expires=last
    )
    click.echo(f"{mark.notice.request} goes on under policy {policy.name} version {policy.version}")


@recall.command("list")
@click.option("--request", help="Only releases of this request.")
@site_option
@json_option
def list_(request: str | None, site_path: Path, as_json: bool) -> None:
    """List who holds which release, by party and key, and what became of it."""
    from deid.recall.holdings import holdings  # noqa: PLC0415
    from deid.recall.register import register  # noqa: PLC0415

    site, provider, log, _ = _open(site_path)
    found = [one for one in holdings(site, provider, register(log, site)) if request in (None, one.request)]
    if as_json:
        print_json({"holdings": found})
        return
    click.echo("\n".join(_lines(found)) or "nothing was released")


def _lines(found: Sequence[Holding]) -> list[str]:
    lines, last = [], None
    for one in found:
        if (one.party, one.key) != last:
            last = one.party, one.key
            lines.append(f"{one.party or 'party not known'}, key {one.key[:16] or 'not known'}")
        told = [one.form, f"keys {one.keys}"]
        told += [f"recalled by {one.recall}"] if one.recall else []
        if one.recall:
            told.append(f"certified destroyed {one.certified}" if one.certified else "no certificate of destruction")
        told += [f"at {place}, {'with' if notified else 'without'} the notice" for place, notified in one.places]
        lines.append(f"  {one.request}/{one.release}: {', '.join(told)}")
    return lines


def _show(notice: Notice) -> None:
    click.echo(f"recall   {notice.recall} of {notice.request}, to {notice.party or 'a party that nothing tells'}")
    click.echo(f"reason   {notice.reason}: {notice.why}")
    for one in notice.releases:
        click.echo(f"  {one.release}  {one.profile}{'' if one.because == 'named' else ', derived: a later release'}")
    for profile, text in notice.do.items():
        click.echo(f"{profile:<8} {text}")
    asked = ", ".join(f"{one.name} ({one.keyid[:16]})" for one in notice.asks) or "nobody: no certificate will count"
    click.echo(f"asked for certificates: {asked}")


def _tell(done: Sequence[Done], provider: KeyProvider) -> None:
    for one in filter(lambda each: each.is_accepted, done):
        click.echo(f"recalled {one.mark.notice.recall}; send what lies in {one.mark.folder} to who has the releases")
        for release, keys in one.shredded:
            click.echo(f"  shredded {release}: {keys} guard keys destroyed")
        for folder in one.notified:
            click.echo(f"  notice in {folder}")
        for profile in sorted({each.profile for each in one.mark.notice.releases} & {"portable", "tables"}):
            click.echo(f"  {profile}: cannot be taken back; ask for certificates of destruction")
    if any(one.shredded for one in done):
        click.echo(f"note: {provider.destroyed_means}")
    if failed := [fault for one in done for fault in one.failed]:
        for fault in failed[1:]:
            click.echo(f"also: {fault.message}", err=True)
        raise failed[0]


def _open(site_path: Path) -> tuple[Site, KeyProvider, AuditLog, TrustRoot]:
    from deid.audit.site import site_log  # noqa: PLC0415 - loads cryptography
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.keys import open_provider  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415

    site = load_site(site_path)
    provider = open_provider(site.keys, passphrase("the site's keys"))
    return site, provider, site_log(site, provider), load_trust(site.trust)
