"""Signed statements over documents: DSSE envelopes by securesystemslib, against a trust root.

A statement holds when its envelope is well formed, it is of the type asked for, its digest is that of the bytes that
were read, it has not expired, and enough people who may have signed it. docs/formats/trust.md is the specification.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError

from deid.errors import TrustError
from deid.keys.files import replace_file
from deid.keys.officers import SigningKey
from deid.trust import NO_ACTUAL_KNOWLEDGE, STATEMENT_TYPES, TrustRoot

PAYLOAD_TYPE = "application/vnd.deid.statement+json"
MAX_BYTES = 256 * 1024
MAX_SIGNATURES = 64
NO_KNOWLEDGE = (
    "The covered entity does not have actual knowledge that the information could be used alone or in combination "
    "with other information to identify an individual who is a subject of the information."
)
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed, of which document, and by whom.

    `sha256` is the document's digest in hex; `signed_at` is in UTC; `expires` is the last day it holds, or None.
    `signers` are the names from the trust root whose signatures were counted.
    """

    type: str
    name: str
    version: str
    sha256: str
    signed_at: datetime
    expires: date | None
    terms: Mapping[str, str]
    signers: tuple[str, ...]


class _Statement(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    name: str
    version: str
    sha256: str
    signed_at: str
    expires: date | None
    terms: dict[str, str]


class _Signature(msgspec.Struct, forbid_unknown_fields=True):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    payload: str
    payloadType: str  # noqa: N815  # DSSE's spelling
    signatures: list[_Signature]


def statement_path(document: Path) -> Path:
    """Return where the signed statement over `document` lies."""
    return document.with_name(f"{document.name}.dsse.json")


def knowledge_path(request: Path) -> Path:
    """Return where the no-actual-knowledge statement over `request` lies."""
    return request.with_name(f"{request.name}.knowledge.dsse.json")


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
    raw = _raw(statement_type, name, version, data_digest, signed_at, expires, terms)
    return _sign(statement_path(path), key, raw)


def countersign(statement: Path, key: SigningKey, *, data_digest: str) -> None:
    """Add a signature to the statement at `statement`, for types that need several.

    `data_digest` is that of the document as the signer read it. Raises TrustError if the statement is over another.
    """
    envelope, raw = _read(statement, statement.name)
    _require_digest(raw, data_digest, statement.name)
    envelope.sign(key.signer)
    _write(statement, envelope)


def verify_document(path: Path, data_digest: str, trust: TrustRoot, statement_type: str, *, at: datetime) -> Statement:
    """Return the statement over the document at `path`; raise TrustError unless it holds at the instant `at`.

    `data_digest` is the SHA-256 (hex) of the bytes that were parsed, so that a file changed since is not run.
    `at` carries a time zone.
    """
    return _verify(statement_path(path), path.name, data_digest, trust, statement_type, at)


def sign_knowledge(
    request: Path,
    key: SigningKey,
    *,
    name: str,
    request_sha256: str,
    policy_sha256: str,
    dataset_sha256: str,
    signed_at: datetime,
    expires: date | None = None,
) -> Path:
    """Sign, beside the request, that nothing is known by which the release would identify (164.514(b)(2)(ii)).

    The statement binds the request, the policy and the dataset description by their digests.
    """
    terms = _knowledge_terms(request_sha256, policy_sha256, dataset_sha256)
    raw = _raw(NO_ACTUAL_KNOWLEDGE, name, "1", request_sha256, signed_at, expires, terms)
    return _sign(knowledge_path(request), key, raw)


def verify_knowledge(
    request: Path, trust: TrustRoot, *, request_sha256: str, policy_sha256: str, dataset_sha256: str, at: datetime
) -> Statement:
    """Return the no-actual-knowledge statement; raise TrustError unless it binds these three digests and holds."""
    path = knowledge_path(request)
    statement = _verify(path, request.name, request_sha256, trust, NO_ACTUAL_KNOWLEDGE, at)
    if statement.terms != _knowledge_terms(request_sha256, policy_sha256, dataset_sha256):
        raise TrustError(
            f"the no-actual-knowledge statement of {request.name} is over another policy or dataset description",
            hint="have the privacy officer read what changed and sign a new statement",
        )
    return statement


def _knowledge_terms(request_sha256: str, policy_sha256: str, dataset_sha256: str) -> dict[str, str]:
    return {
        "statement": NO_KNOWLEDGE,
        "request_sha256": request_sha256,
        "policy_sha256": policy_sha256,
        "dataset_sha256": dataset_sha256,
    }


def _verify(
    path: Path, document: str, data_digest: str, trust: TrustRoot, statement_type: str, at: datetime
) -> Statement:
    envelope, raw = _read(path, document)
    # Signatures first: nothing that an unknown hand wrote decides what is said about the rest.
    signers = _verify_signatures(envelope, document, trust, statement_type)
    if raw.type != statement_type:
        raise TrustError(
            f"the statement over {document} is of the type {raw.type!r}; {statement_type!r} was expected",
            hint="sign the document for this purpose",
        )
    _require_digest(raw, data_digest, document)
    if raw.expires is not None and _utc(at).date() > raw.expires:
        raise TrustError(f"the signature on {document} expired on {raw.expires}", hint="have it read and signed again")
    return Statement(
        type=raw.type,
        name=raw.name,
        version=raw.version,
        sha256=raw.sha256,
        signed_at=_instant(raw.signed_at, document),
        expires=raw.expires,
        terms=raw.terms,
        signers=signers,
    )


def _verify_signatures(envelope: Envelope, document: str, trust: TrustRoot, statement_type: str) -> tuple[str, ...]:
    keys, threshold = trust.signers_for(statement_type), trust.threshold(statement_type)
    able = {key.keyid for key in keys}
    people = [person for keyid in envelope.signatures if (person := trust.person(keyid))]
    if not people:
        raise TrustError(
            f"{document} is signed by nobody in {trust.path.name}",
            hint="have it signed by somebody the trust root names, or add the signer's key after checking whose it is",
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


def _require_digest(raw: _Statement, data_digest: str, document: str) -> None:
    if raw.sha256 != data_digest:
        raise TrustError(
            f"{document} was altered after it was signed: its digest is not the one in the statement",
            hint="restore the signed text, or have the new text read and signed",
        )


def _read(path: Path, document: str) -> tuple[Envelope, _Statement]:
    data = _read_bytes(path, document)
    try:
        outer = msgspec.json.decode(data, type=_Envelope)
        if outer.payloadType != PAYLOAD_TYPE or not 1 <= len(outer.signatures) <= MAX_SIGNATURES:
            raise _malformed(path)
        envelope = Envelope.from_dict(msgspec.to_builtins(outer))
        raw = msgspec.json.decode(envelope.payload, type=_Statement)
    except TrustError:
        raise
    except Exception:  # noqa: BLE001  # whatever the parsers raise, an envelope they stumble over is not trusted
        raise _malformed(path) from None
    # One statement, one spelling: no doubled key, escape or space can make two readers see different things.
    if _canonical(raw) != envelope.payload or not _DIGEST.fullmatch(raw.sha256):
        raise _malformed(path)
    _instant(raw.signed_at, document)
    return envelope, raw


def _read_bytes(path: Path, document: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise TrustError(
            f"{document} is not signed: there is no {path.name} beside it",
            hint="have a privacy officer read it and sign it with `deid policy sign`",
        ) from None
    except OSError as error:
        raise TrustError(f"cannot read {path.name}: {error.strerror}", hint="check who may read it") from None
    if len(data) > MAX_BYTES:
        raise TrustError(f"{path.name} is larger than {MAX_BYTES:,} bytes", hint="have the document signed again")
    return data


def _malformed(path: Path) -> TrustError:
    return TrustError(
        f"{path.name} is not a well-formed signed statement", hint="restore it, or have the document signed again"
    )


def _raw(
    statement_type: str,
    name: str,
    version: str,
    sha256: str,
    signed_at: datetime,
    expires: date | None,
    terms: Mapping[str, str] | None,
) -> _Statement:
    if statement_type not in STATEMENT_TYPES:
        raise TrustError(f"{statement_type!r} is not a type of statement", hint=f"one of {', '.join(STATEMENT_TYPES)}")
    if not _DIGEST.fullmatch(sha256):
        raise TrustError("a digest is not 64 hex digits", hint="give the SHA-256 of the document's bytes")
    written = _utc(signed_at).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _Statement(statement_type, name, version, sha256, written, expires, dict(terms or {}))


def _sign(path: Path, key: SigningKey, raw: _Statement) -> Path:
    envelope = Envelope(_canonical(raw), PAYLOAD_TYPE, {})
    envelope.sign(key.signer)
    _write(path, envelope)
    return path


def _write(path: Path, envelope: Envelope) -> None:
    replace_file(path, msgspec.json.format(msgspec.json.encode(envelope.to_dict()), indent=2) + b"\n")


def _canonical(raw: _Statement) -> bytes:
    return json.dumps(msgspec.to_builtins(raw), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode(
        "ascii"
    )


def _instant(text: str, document: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise TrustError(f"the statement over {document} has no proper time", hint="have it signed again") from None


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC)
