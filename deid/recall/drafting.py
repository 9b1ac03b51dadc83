"""Which releases a recall takes back: those that are named, and every later one that holds their rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from deid.documents.site import Site
from deid.errors import DeidError, DocumentError, ReleaseError
from deid.keys.base import KeyProvider
from deid.ledger.site import series_of
from deid.ledger.store import open_ledger
from deid.opening.folder import read_small
from deid.papers.trust import DESTRUCTION, TrustRoot
from deid.recall.papers import Asked, Notice, Profile, Recalled, do_of
from deid.recall.register import Known, Register, folder_of
from deid.release.manifest import MANIFEST, Manifest, from_bytes

Named = tuple[str, str]  # of a request, and of a release within it


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: one of the reasons of the audit log, and in words."""

    code: str
    why: str


def draft(
    site: Site,
    provider: KeyProvider,
    known: Register,
    trust: TrustRoot,
    names: Sequence[Named],
    reason: Reason,
    *,
    created: date,
    asks: Sequence[str] = (),
    increments: bool = False,
    recall: str | None = None,
) -> Notice:
    """Return the notice that takes releases of one request back, and what is derived of them.

    `asks`: names in the trust root, of people who may sign certificates of destruction. `increments`: that releases
    hold only what is new, where no ledger tells. Raises ReleaseError for a release that the audit log does not know,
    DocumentError for what cannot stand in one notice.
    """
    if len({request for request, _ in names}) != 1:
        raise DocumentError("a notice is about one request", hint="draft a notice for each request")
    found = [_known(known, *name) for name in names]
    parties = {one.party for one in found if one.party}
    if len(parties) > 1:
        raise DocumentError("the releases went to different parties", hint="draft a notice for each party")
    party = min(parties, default="")
    later = derived(site, provider, known, found, increments=increments)
    listed = [_recalled(site, one, "named") for one in found] + [_recalled(site, one, "later") for one in later]
    releases = tuple(listed)
    return Notice(
        format="deid-recall/1",
        recall=recall or _name(found[0], created),
        site=site.name,
        request=found[0].request,
        party=party,
        created=created,
        reason=reason.code,
        why=reason.why,
        increments=increments,
        releases=releases,
        asks=tuple(sorted({_asked(trust, name) for name in asks})),
        do=do_of(releases),
    )


def derived(
    site: Site, provider: KeyProvider, known: Register, named: Sequence[Known], *, increments: bool
) -> list[Known]:
    """Return every later release of the request and party that holds rows of these, in order.

    Raises ReleaseError where `increments` is claimed and the series ledger says otherwise.
    """
    request = named[0].request
    parties = {one.party for one in known.releases if one.request == request and one.party}
    modes = {_mode(site, provider, request, party) for party in parties}
    if increments and modes & {"cumulative"}:
        raise ReleaseError(
            f"the releases of {request} are no increments: its ledger says that each holds all those before",
            hint="draft the notice without --increments",
        )
    tables = [one for one in named if one.is_tables]
    begun = tables if increments or modes == {"increment"} else named
    chosen = {(one.subject, one.sha256) for one in named}
    return [
        one
        for one in known.releases
        if one.request == request
        and (one.subject, one.sha256) not in chosen
        and any(_is_later(site, one, first) for first in begun)
    ]


def require_complete(site: Site, provider: KeyProvider, known: Register, notice: Notice) -> None:
    """Raise ReleaseError where a notice misses what is derived by now, or names what the audit log does not know."""
    by_digest = {(one.release, one.sha256): one for one in known.releases if one.request == notice.request}
    if notice.site != site.name:
        raise ReleaseError("the notice is of another site", hint="draft it at the site that made the releases")
    listed = []
    for one in notice.releases:
        found = by_digest.get((one.release, one.manifest_sha256))
        if found is None:
            raise ReleaseError(
                f"the notice names a release {notice.request}/{one.release} that the audit log does not know by its "
                "manifest",
                hint="draft the notice at the site that made the release",
            )
        now = _recalled(site, found, one.because)
        if now.profile != "unknown" and now != one:  # the signer was shown another form, or other recipients
            raise ReleaseError(
                f"the notice tells {one.release} other than it lies there", hint="draft it again, and have it signed"
            )
        listed.append(found)
    # Of all that it lists, whichever it calls named: what is derived of a later one is derived too.
    later = derived(site, provider, known, listed, increments=notice.increments)
    if missing := [one.release for one in later if one.sha256 not in notice.digests]:
        raise ReleaseError(
            f"the notice lacks {', '.join(missing)} of {notice.request}, derived from what it takes back",
            hint="draft it again, and have it signed: releases were made since, or it was cut",
        )
    if notice.party != min({one.party for one in listed if one.party}, default=""):
        raise ReleaseError("the notice names another party than the audit log", hint="draft it again")


def manifest_of(site: Site, known: Known) -> Manifest | None:
    """Return the manifest of a release that lies at the site; None of tables, and where it does not lie there."""
    folder = folder_of(site, known)
    if folder is None or known.is_tables:
        return None
    try:
        return from_bytes(read_small(folder, MANIFEST))
    except ReleaseError:
        return None


def _known(known: Register, request: str, release: str) -> Known:
    found = known.of(request, release)
    if found is None:
        raise ReleaseError(
            f"the audit log knows no release {request}/{release}", hint="name it as `deid recall list` does"
        )
    return found


def _is_later(site: Site, one: Known, first: Known) -> bool:
    if one.is_tables != first.is_tables or (one.party and first.party and one.party != first.party):
        return False
    if not (one.was_found and first.was_found):
        return one.number > first.number
    # Both lay there when the log began, which entered them by name: their days tell, and a doubt counts as later.
    ours, theirs = manifest_of(site, first), manifest_of(site, one)
    return ours is None or theirs is None or theirs.created >= ours.created


def _mode(site: Site, provider: KeyProvider, request: str, party: str) -> str:
    """Return what the series ledger says of its releases, "" where there is none that can be read."""
    series = series_of(site, provider, request, party)
    with contextlib.suppress(DeidError):  # a doubt is a cumulative series
        if any(series.folder.glob("generation-*")) and (book := open_ledger(series).book) is not None:
            return book.frozen.mode
    return ""


def _recalled(site: Site, known: Known, because: str) -> Recalled:
    manifest = manifest_of(site, known)
    profile: Profile = "tables" if known.is_tables else manifest.profile if manifest is not None else "unknown"
    recipients: Iterable[str] = manifest.recipients if manifest is not None else ()
    return Recalled(
        known.release, known.sha256, profile, "named" if because == "named" else "later", tuple(sorted(set(recipients)))
    )


def _asked(trust: TrustRoot, name: str) -> Asked:
    able = {key.keyid for key in trust.signers_for(DESTRUCTION)}
    for person in trust.people:
        if person.name == name and person.key.keyid in able:
            return Asked(person.name, person.key.keyid)
    raise DocumentError(
        f"nobody of the name {name!r} may certify destruction by {trust.path.name}",
        hint=f"add them in one of the roles: {', '.join(trust.may_sign.get(DESTRUCTION, ())) or 'none'}",
    )


def _name(first: Known, created: date) -> str:
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in first.release.lower())
    return f"{first.request[:24]}-{plain[:24]}-{created:%Y%m%d}".strip("-")
