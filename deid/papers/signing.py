"""Signed statements over documents: DSSE envelopes by securesystemslib, against a trust root.

A statement holds when its envelope is well formed, enough people who may have signed it did, and it is of the type,
over the bytes, and for the name and version that were asked for; when it was not signed in the future and has not
expired. docs/formats/trust.md is the specification.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError

from deid.errors import TrustError
from deid.keys.officers import SigningKey
from deid.papers.statements import Payload, is_digest, read, seal, spelled, utc, write
from deid.papers.trust import STATEMENT_TYPES, TrustRoot

CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed, of which document, and by whom.

    `sha256` is the document's digest in hex; `signed_at` is in UTC; `expires` is the last day it holds, or None.
    `signers` are the names from the trust root whose signatures were counted.
    `digest`: SHA-256 (hex) of what they signed.
    """

    type: str
    name: str
    version: str
    sha256: str
    signed_at: datetime
    expires: date | None
    terms: Mapping[str, str]
    signers: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a statement must say to count for the document at hand.

    `without`: names of people whose signatures do not count, for instance whoever asks, under an approval.
    """

    document: str
    type: str
    sha256: str
    name: str
    version: str
    at: datetime
    without: tuple[str, ...] = ()


def statement_path(document: Path) -> Path:
    """Return where the signed statement over `document` lies."""
    return document.with_name(f"{document.name}.dsse.json")


def sign_document(
    path: Path,
    key: SigningKey,
    statement_type: str,
    *,
    data_digest: str,
    name: str,
    version: str,
    signed_at: datetime,
    expires: date | None = None,
    terms: Mapping[str, str] | None = None,
) -> Path:
    """Sign the document at `path` and return the path of the statement, which replaces an earlier one.

    `data_digest` is the SHA-256 (hex) of the bytes that were read, checked and shown to the signer; the file is not
    read again, so nothing can be slipped under the signature. `signed_at` carries a time zone.
    Raises TrustError for an unknown type or a digest that is none, StorageError if the statement cannot be written.
    """
    written = statement_path(path)
    seal(written, key, payload_of(statement_type, name, version, data_digest, signed_at, expires, terms))
    return written


def countersign(statement: Path, key: SigningKey, *, data_digest: str) -> None:
    """Add a signature to the statement at `statement`, for types that need several.

    `data_digest` is that of the document as the signer read it. Raises TrustError if the statement is over another.
    """
    envelope, payload = read(statement, statement.name)
    _require_digest(payload, data_digest, statement.name)
    envelope.sign(key.signer)
    write(statement, envelope)


def verify_document(
    path: Path, data_digest: str, trust: TrustRoot, statement_type: str, *, name: str, version: str, at: datetime
) -> Statement:
    """Return the statement over the document at `path`; raise TrustError unless it holds at the instant `at`.

    `data_digest` is the SHA-256 (hex) of the bytes that were parsed, so that a file changed since is not run; `name`
    and `version` are what was parsed from them. `at` carries a time zone.
    """
    asked = Asked(path.name, statement_type, data_digest, name, version, at)
    return verify(statement_path(path), asked, trust)


def verify(path: Path, asked: Asked, trust: TrustRoot) -> Statement:
    """Return the statement that lies at `path`; raise TrustError unless it says what was asked, and holds."""
    envelope, payload = read(path, asked.document)
    # Signatures first: nothing that an unknown hand wrote decides what is said about the rest.
    signers = _verify_signatures(envelope, asked.document, trust, asked.type, asked.without)
    if payload.type != asked.type:
        raise TrustError(
            f"the statement over {asked.document} is of the type {payload.type!r}; {asked.type!r} was expected",
            hint="sign the document for this purpose",
        )
    _require_digest(payload, asked.sha256, asked.document)
    if (payload.name, payload.version) != (asked.name, asked.version):
        raise TrustError(
            f"the statement over {asked.document} is about {payload.name!r} version {payload.version!r}; "
            f"the document is {asked.name!r} version {asked.version!r}",
            hint="have it read and signed again",
        )
    _require_in_force(payload, asked)
    return Statement(
        type=payload.type,
        name=payload.name,
        version=payload.version,
        sha256=payload.sha256,
        signed_at=payload.instant(asked.document),
        expires=payload.expires,
        terms=payload.terms,
        signers=signers,
        digest=hashlib.sha256(envelope.payload).hexdigest(),
    )


def _require_in_force(payload: Payload, asked: Asked) -> None:
    now = utc(asked.at)
    # A statement from the future was not made by a person at that time; a clock may be a few minutes off.
    if payload.instant(asked.document) > now + CLOCK_SKEW:
        raise TrustError(
            f"the signature on {asked.document} is dated {payload.signed_at}, which is in the future",
            hint="check the clocks of the signer's machine and of this one, and have it signed again",
        )
    if payload.expires is not None and now.date() > payload.expires:
        raise TrustError(
            f"the signature on {asked.document} expired on {payload.expires}", hint="have it read and signed again"
        )


def _verify_signatures(
    envelope: Envelope, document: str, trust: TrustRoot, statement_type: str, without: tuple[str, ...]
) -> tuple[str, ...]:
    threshold = trust.threshold(statement_type)
    # Taken out before they are counted: counting stops as soon as enough signatures hold.
    excluded = {person.key.keyid for person in trust.people if person.name in without}
    keys = [key for key in trust.signers_for(statement_type) if key.keyid not in excluded]
    able = {key.keyid for key in keys}
    people = [person for keyid in envelope.signatures if (person := trust.person(keyid))]
    if not people:
        raise TrustError(
            f"{document} is signed by nobody in {trust.path.name}",
            hint="have it signed by somebody the trust root names, or add the signer's key after checking whose it is",
        )
    if all(person.key.keyid in excluded for person in people):
        raise TrustError(
            f"{document} has no {statement_type} but of whoever asked for it",
            hint="have it signed by somebody else: nobody approves what they ask for",
        )
    if not any(person.key.keyid in able for person in people):
        roles = ", ".join(sorted({person.role for person in people}))
        raise TrustError(
            f"{document} is signed in the role {roles}, which may not sign a {statement_type}",
            hint=f"have it signed in one of the roles: {', '.join(trust.may_sign.get(statement_type, ())) or 'none'}",
        )
    try:
        accepted = envelope.verify(keys, threshold)
    except (VerificationError, ValueError):
        raise TrustError(
            f"{document} does not carry {threshold} valid signature(s) of people who may sign a {statement_type}",
            hint="the document or a signature was altered, or signatures are missing: have it signed again",
        ) from None
    return tuple(person.name for person in trust.people if person.key.keyid in accepted)


def _require_digest(payload: Payload, data_digest: str, document: str) -> None:
    if payload.sha256 != data_digest:
        raise TrustError(
            f"{document} was altered after it was signed: its digest is not the one in the statement",
            hint="restore the signed text, or have the new text read and signed",
        )


def payload_of(
    statement_type: str,
    name: str,
    version: str,
    sha256: str,
    signed_at: datetime,
    expires: date | None,
    terms: Mapping[str, str] | None,
) -> Payload:
    """Return what is signed; raise TrustError for an unknown type, or a digest that is none."""
    if statement_type not in STATEMENT_TYPES:
        raise TrustError(f"{statement_type!r} is not a type of statement", hint=f"one of {', '.join(STATEMENT_TYPES)}")
    if not is_digest(sha256):
        raise TrustError("a digest is not 64 hex digits", hint="give the SHA-256 of the document's bytes")
    return Payload(statement_type, name, version, sha256, spelled(signed_at), expires, dict(terms or {}))
