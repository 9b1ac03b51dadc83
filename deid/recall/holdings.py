"""Who has what: by party and key, every release, its form, its keys, its recall and the certificates of destruction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from deid.documents.site import Site
from deid.keys.base import KeyProvider
from deid.recall.certificates import certificates
from deid.recall.drafting import manifest_of
from deid.recall.marks import marks
from deid.recall.papers import Recalled
from deid.recall.register import Known, Register
from deid.release.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Holding:
    """One release in one recipient's hands.

    `party` is empty and `key` (a fingerprint) too where nothing tells it any more, or the release is of tables.
    `form`: `columns`, `portable`, `tables`, or `unknown` where it does not lie at the site. `keys`: `stand`,
    `destroyed`, or `theirs` where the site has none to destroy. `recall`: by which it was taken back; `certified`: on
    which day the copies of this recipient were destroyed, by a certificate. `places`: in stores, to whether the notice
    lies there.
    """

    party: str
    key: str
    request: str
    release: str
    form: str
    keys: str
    recall: str | None
    certified: date | None
    places: tuple[tuple[str, bool], ...]


def holdings(site: Site, provider: KeyProvider, known: Register) -> list[Holding]:
    """Return what every recipient holds, by party and key; raise KeyFaultError or StorageError."""
    standing = {guard.release for guard in provider.guards()}
    recalls = _recalls(site, known)
    found = [holding for one in known.releases for holding in _of(site, one, known, standing, recalls)]
    return sorted(found, key=lambda holding: (holding.party, holding.key, holding.request, holding.release))


@dataclass(frozen=True, slots=True)
class _Recalls:
    names: dict[str, str]  # by manifest digest
    listed: dict[str, Recalled]
    certified: dict[tuple[str, str], date]  # by manifest digest and fingerprint


def _recalls(site: Site, known: Register) -> _Recalls:
    found = _Recalls({}, {}, {})
    for mark in marks(site):
        for one in mark.notice.releases:
            found.names[one.manifest_sha256] = mark.notice.recall
            found.listed[one.manifest_sha256] = one
        for paper in certificates(mark, known):
            for sha256 in paper.releases:
                for key in paper.recipients or ("",):
                    found.certified[sha256, key] = paper.destroyed_on
    return found


def _of(site: Site, one: Known, known: Register, standing: set[str], recalls: _Recalls) -> list[Holding]:
    manifest = manifest_of(site, one)
    listed = recalls.listed.get(one.sha256)  # by the notice, where the release does not lie here any more
    stands = f"{one.request}.{one.release}" in standing
    form = _form(one, manifest, listed, is_guarded=stands or one.subject in known.shredded)
    keys = "stand" if stands else "destroyed" if form == "columns" else "theirs"
    recall = recalls.names.get(one.sha256)
    if recall is None and one.sha256 in known.recalled:
        recall = "named by the audit log, and gone from the state"
    recipients = manifest.recipients if manifest is not None else listed.recipients if listed is not None else ()
    return [
        Holding(
            one.party, key, one.request, one.release, form, keys, recall, recalls.certified.get((one.sha256, key)),
            tuple(sorted(known.places.get(one.sha256, {}).items())),
        )
        for key in (sorted(set(recipients)) or [""])
    ]  # fmt: skip


def _form(one: Known, manifest: Manifest | None, listed: Recalled | None, *, is_guarded: bool) -> str:
    if one.is_tables:
        return "tables"
    if manifest is not None:
        return manifest.profile
    if is_guarded:
        return "columns"
    return listed.profile if listed is not None else "unknown"
