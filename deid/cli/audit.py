"""`deid audit`: what the audit log holds, whether it is whole, and receipts of its head."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid.cli.common import PathArgument, json_option, passphrase, print_json, site_option, site_signer
from deid.errors import KeyFaultError

if TYPE_CHECKING:
    from deid.audit import AuditLog, Entry, Verified
    from deid.documents.site import Site
    from deid.keys.base import KeyProvider

_DAY = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.group()
def audit() -> None:
    """Show and verify the log of what the site did, and make receipts of its head."""


@audit.command()
@site_option
@click.option("--kind", "kinds", multiple=True, help="Entries of this kind only; may be given several times.")
@click.option("--subject", help="Entries about this subject, or below it: `outcomes` or `outcomes/2026-10`.")
@click.option("--since", type=_DAY, help="Entries from this day or instant on, UTC.")
@click.option("--until", type=_DAY, help="Entries before this day or instant, UTC.")
@click.option("--last", type=click.IntRange(1), help="The newest so many of them only.")
@json_option
def show(
    site_path: Path,
    kinds: tuple[str, ...],
    subject: str | None,
    since: datetime | None,
    until: datetime | None,
    last: int | None,
    as_json: bool,
) -> None:
    """Show entries in their order. The chain is verified on the way, tags are not: for that, `deid audit verify`."""
    from deid.audit import EventKind, verify  # noqa: PLC0415 - loads cryptography
    from deid.audit.site import audit_folder  # noqa: PLC0415
    from deid.documents.site import load_site  # noqa: PLC0415

    if unknown := sorted(set(kinds) - set(EventKind)):
        raise click.UsageError(f"there is no kind {unknown[0]!r}; there are {', '.join(EventKind)}")
    wanted: deque[Entry] = deque(maxlen=last)
    begin, end = _instant(since), _instant(until)

    def seen(entry: Entry, _hash: str) -> None:
        if kinds and entry.kind not in kinds:
            return
        if subject is not None and entry.subject != subject and not entry.subject.startswith(f"{subject}/"):
            return
        if (begin is None or entry.at >= begin) and (end is None or entry.at < end):
            wanted.append(entry)

    verify(audit_folder(load_site(site_path)), key=None, seen=seen)
    if as_json:
        print_json(list(wanted))
    else:
        click.echo("\n".join(_lines(list(wanted))) or "no such entry")


@audit.command()
@site_option
@click.option("--receipt", "receipts", type=PathArgument, multiple=True, help="A receipt that was kept elsewhere.")
@click.option("--chain-only", is_flag=True, help="Without the site's keys: chain, receipts and releases only.")
@json_option
def verify(site_path: Path, receipts: tuple[Path, ...], chain_only: bool, as_json: bool) -> None:
    """Find any edit, deletion, reordering, truncation or fork, and any release that the log does not know.

    The receipts that lie beside the releases are taken too. Whoever can write to the site's disk can put all of it
    back as it was: only a receipt that was kept elsewhere shows that.
    """
    from deid.audit.site import known_receipts, verify_site  # noqa: PLC0415
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415

    site = load_site(site_path)
    key = None if chain_only else _provider(site).subkey("audit")
    verified = verify_site(site, key, known_receipts(site, load_trust(site.trust), receipts))
    if as_json:
        print_json(verified)
    else:
        click.echo("\n".join(_told(verified)))


@audit.command()
@site_option
@click.option("--out", type=PathArgument, required=True, help="Where the receipt is written; its statement beside it.")
def receipt(site_path: Path, out: Path) -> None:
    """Sign the head of the log, for somebody who keeps it where the site cannot write."""
    from deid.audit.receipts import require_signer  # noqa: PLC0415
    from deid.audit.site import sign_head  # noqa: PLC0415
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415

    site = load_site(site_path)
    key = site_signer(site)
    if key is None:
        raise KeyFaultError(
            "the site has no signing key", hint="make one and name it in site.yaml: `signing: file:PATH`"
        )
    require_signer(key, load_trust(site.trust))
    made = sign_head(_log(site), key, out, site)
    click.echo(f"wrote {out}: entry {made.head.entries}, {made.head.hash}; send it with {out.name}.dsse.json")


@audit.command()
@site_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def renew(site_path: Path, yes: bool) -> None:
    """Set a damaged log aside, and begin another that names it."""
    from deid.audit.site import renew as renew_log  # noqa: PLC0415
    from deid.documents.site import load_site  # noqa: PLC0415

    site = load_site(site_path)
    if not yes:
        click.confirm("The log ends here, and another begins. Renew", abort=True, err=True)
    log, aside = renew_log(site, _provider(site))
    click.echo(f"set aside as {aside.name}: keep it for whoever examines it; the new log is {log.head.log}")


def _lines(entries: list[Entry]) -> Iterator[str]:
    """Give entries as a table; `<` marks an instant before that of the entry above."""
    if not entries:
        return
    widths = [max(len(str(value)) for value in column) for column in zip(*map(_cells, entries), strict=True)]
    newest = ""
    for entry in entries:
        n, at, kind, subject = _cells(entry)
        mark = "<" if at < newest else " "
        details = " ".join(f"{name}={value}" for name, value in entry.details.items())
        yield f"{n:>{widths[0]}} {at}{mark} {kind:<{widths[2]}} {subject:<{widths[3]}} {details}".rstrip()
        newest = at


def _cells(entry: Entry) -> tuple[str, str, str, str]:
    return str(entry.n), entry.at, entry.kind, entry.subject


def _told(verified: Verified) -> Iterator[str]:
    head = verified.head
    how = "numbers, chain, tags" if verified.is_tagged else "numbers and chain, without tags"
    yield f"whole: {head.entries} entries, {verified.segments} segments, {how}; {verified.receipts} receipts"
    yield f"log    {head.log}, from {verified.began} to {verified.newest}"
    yield f"head   {head.hash}"
    if (before := verified.follows) is not None:
        yield f"note: it follows log {before.log}, which was set aside; {before.entries} entries of that held"
        yield f"note: {verified.older_receipts} receipts beside releases are of logs that were set aside"
    if verified.receipts == 0:
        yield "note: without a receipt nothing shows that everything was put back as it was"
    if verified.torn:
        yield f"note: {verified.torn} bytes at the end were never committed; the next run heals it"
    if verified.clock_back:
        yield f"note: the clock went back at entries {', '.join(map(str, verified.clock_back))}; order is by number"
    for release in verified.unpublished:
        yield f"note: release {release} was prepared, and its run ended before it said that it was published"


def _instant(value: datetime | None) -> str | None:
    from deid.audit.entries import stamp  # noqa: PLC0415

    return stamp(value.replace(tzinfo=UTC)) if value is not None else None


def _provider(site: Site) -> KeyProvider:
    from deid.keys import open_provider  # noqa: PLC0415 - loads cryptography

    return open_provider(site.keys, passphrase("the site's keys"))


def _log(site: Site) -> AuditLog:
    from deid.audit.site import site_log  # noqa: PLC0415

    return site_log(site, _provider(site))
