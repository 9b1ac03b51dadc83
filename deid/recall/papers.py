"""The notice, the resumption and the certificate of destruction: canonical JSON, each with a statement beside it."""

from __future__ import annotations

import hashlib
import re
from datetime import date
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from deid.audit.events import RECALLS
from deid.errors import DocumentError

MAX_BYTES = 4 * 2**20
VERSION = "1"  # of the statements
NOTICE, RESUMPTION_FILE = "notice.json", "resumption.json"
Profile = Literal["columns", "portable", "tables", "unknown"]
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FEWEST, _MOST = 20, 2000
_DO = {
    "columns": "Stop using this release. Its keys are destroyed. Destroy whatever was opened, converted or derived.",
    "portable": "Stop using this release. The site cannot make it unreadable: you hold its key. Destroy every copy, "
    "the key envelope, and whatever was opened, converted or derived, and certify it.",
    "tables": "Stop using and passing on these tables, take them down where you published them, and certify it.",
    "unknown": "Stop using this release. Destroy every copy, and whatever was opened, converted or derived, and "
    "certify it.",
}


class Recalled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One release of a notice; `recipients` are fingerprints of public keys."""

    release: str
    manifest_sha256: str
    profile: Profile
    because: Literal["named", "later"]
    recipients: tuple[str, ...]


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """Somebody whose certificate counts, by the id of a signing key."""

    name: str
    keyid: str


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which releases are taken back, why, and what is asked of those who have them."""

    format: Literal["deid-recall/1"]
    recall: str
    site: str
    request: str
    party: str
    created: date
    reason: str
    why: str
    increments: bool
    releases: tuple[Recalled, ...]
    asks: tuple[Asked, ...]
    do: dict[str, str]

    @property
    def digests(self) -> frozenset[str]:
        """The digests of the manifests of everything that is taken back."""
        return frozenset(one.manifest_sha256 for one in self.releases)


class Resumption(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The word that a recalled series goes on under a policy; `how` in words."""

    format: Literal["deid-resumption/1"]
    recall: str
    notice_sha256: str
    request: str
    policy_sha256: str
    how: str


class Destruction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate that the copies of some recipients are destroyed."""

    format: Literal["deid-destruction/1"]
    recall: str
    notice_sha256: str
    releases: tuple[str, ...]
    recipients: tuple[str, ...]
    destroyed_on: date
    how: str


Paper = TypeVar("Paper", Notice, Resumption, Destruction)


def do_of(releases: tuple[Recalled, ...]) -> dict[str, str]:
    """Return what is asked, by the profiles that are there."""
    return {profile: _DO[profile] for profile in sorted({one.profile for one in releases})}


def encode(paper: Notice | Resumption | Destruction) -> bytes:
    """Return the bytes of a document; raise DocumentError if it does not hold."""
    _check(paper)
    return msgspec.json.format(msgspec.json.encode(paper, order="sorted"), indent=2) + b"\n"


def digest_of(data: bytes) -> str:
    """Return the SHA-256 (hex) of a document."""
    return hashlib.sha256(data).hexdigest()


def load(path: Path, kind: type[Paper]) -> tuple[Paper, bytes]:
    """Read a document; raise DocumentError for anything that does not follow its format to the byte."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"cannot read {path.name}: {error.strerror}", hint="check the path") from None
    return decode(data, kind, path.name), data


def decode(data: bytes, kind: type[Paper], name: str) -> Paper:
    """Return the document that `data` holds; raise DocumentError."""
    try:
        paper = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        paper = None
    # One document, one spelling: no second reader sees another one under the same signature.
    if paper is None or encode(paper) != data:
        raise DocumentError(
            f"{name} is not a document of this kind", hint="`deid recall` writes them; do not edit them"
        )
    return paper


def _check(paper: Notice | Resumption | Destruction) -> None:
    if not _NAME.fullmatch(paper.recall):
        raise _fault("the name of a recall is small letters, digits and hyphens, at most 63")
    text = paper.why if isinstance(paper, Notice) else paper.how
    if len(text.strip()) < _FEWEST or len(text) > _MOST or not text.replace("\n", " ").isprintable():
        raise _fault(f"the reason in words has {_FEWEST} to {_MOST:,} printable characters")
    if isinstance(paper, Notice):
        _check_notice(paper)
        return
    digests = [paper.notice_sha256]
    if isinstance(paper, Resumption):
        digests.append(paper.policy_sha256)
        if not _NAME.fullmatch(paper.request):
            raise _fault("the request has no proper name")
    else:
        digests += [*paper.releases, *paper.recipients]
        if not paper.releases:
            raise _fault("it names no release")
        if any(list(listed) != sorted(set(listed)) for listed in (paper.releases, paper.recipients)):
            raise _fault("releases and recipients are listed once each, sorted")
    _check_digests(digests)


def _check_notice(notice: Notice) -> None:
    if notice.reason not in RECALLS:
        raise _fault(f"the reason is one of {', '.join(RECALLS)}")
    if not _NAME.fullmatch(notice.request) or not (notice.party == "" or _NAME.fullmatch(notice.party)):
        raise _fault("request or party has no proper name")
    if not any(one.because == "named" for one in notice.releases):
        raise _fault("a notice names a release")
    if any(not _RELEASE.fullmatch(one.release) for one in notice.releases):
        raise _fault("a release has no proper name")
    if len({(one.release, one.manifest_sha256) for one in notice.releases}) != len(notice.releases):
        raise _fault("a release stands twice")
    # Which words ask is not fixed here: a later deid, with other words, has to read what was signed before.
    if list(notice.asks) != sorted(set(notice.asks)) or set(notice.do) != {one.profile for one in notice.releases}:
        raise _fault("who is asked, or what, is not as a draft writes it")
    _check_digests(
        [one.manifest_sha256 for one in notice.releases]
        + [key for one in notice.releases for key in one.recipients]
        + [asked.keyid for asked in notice.asks]
    )


def _check_digests(digests: list[str]) -> None:
    if not all(map(_DIGEST.fullmatch, digests)):
        raise _fault("a digest is not 64 hex digits")


def _fault(what: str) -> DocumentError:
    return DocumentError(f"the document does not hold: {what}", hint="docs/formats/recall.md tells its fields")
