"""A request's own signature and its approval: who may give them, over what, and whether they hold.

docs/formats/approval.md is the specification.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from deid.errors import TrustError
from deid.keys.files import replace_file
from deid.keys.officers import SigningKey
from deid.papers.bound import BOUND, AskedFor, Proposal, bound, record_of
from deid.papers.signing import Asked, Statement, countersign, payload_of, sign_document, verify, verify_document
from deid.papers.statements import Payload, read, seal, utc
from deid.papers.trust import APPROVAL, REQUEST, Person, TrustRoot

VERSION = "1"  # requests have no version of their own; their digest tells one from another
CONDITIONS, RECORD, STATEMENT = "conditions", "record_sha256", "statement"


def approval_path(request: Path) -> Path:
    """Return where the approval of `request` lies."""
    return request.with_name(f"{request.name}.approval.dsse.json")


def record_path(request: Path) -> Path:
    """Return where the record of what was approved lies."""
    return request.with_name(f"{request.name}.approved.json")


def signer_of(trust: TrustRoot, key: SigningKey, statement_type: str) -> Person:
    """Return whose key it is; raise TrustError unless the trust root lets its holder sign statements of this type."""
    person, roles = trust.person(key.keyid), trust.may_sign.get(statement_type, ())
    if person is None:
        raise TrustError(
            f"this key is of nobody whom {trust.path.name} trusts",
            hint="check whose it is, and add a person with `deid keys generate officer KEY --name NAME --role ROLE "
            f"--trust {trust.path.name}`, or an entry under `people`",
        )
    if person.role not in roles:
        raise TrustError(
            f"{person.name} has the role {person.role}, which may not sign a statement of the type {statement_type}",
            hint=f"have it signed in one of the roles: {', '.join(roles) or 'none; see may_sign in the trust root'}",
        )
    return person


def sign_request(request: AskedFor, key: SigningKey, trust: TrustRoot, *, at: datetime) -> Path:
    """Sign a request as it stands, as whoever asks for it; return the path of the statement.

    Raises TrustError if the key is of nobody who may ask.
    """
    signer_of(trust, key, REQUEST)
    return sign_document(
        request.path, key, REQUEST, data_digest=request.digest, name=request.name, version=VERSION, signed_at=at
    )


def verify_request(request: AskedFor, trust: TrustRoot, *, at: datetime) -> Statement:
    """Return the statement of whoever asks; raise TrustError unless it holds."""
    try:
        return verify_document(request.path, request.digest, trust, REQUEST, name=request.name, version=VERSION, at=at)
    except TrustError as error:
        raise TrustError(
            error.message,
            hint=f"whoever asks reads it and signs it: `deid request sign {request.path.name} --key KEY`",
        ) from None


@dataclass(frozen=True, slots=True)
class Approved:
    """What came of an approval: who has signed by now, and how many are needed."""

    path: Path
    signers: tuple[str, ...]
    threshold: int


def approve(
    proposal: Proposal,
    key: SigningKey,
    trust: TrustRoot,
    *,
    at: datetime,
    expires: date | None = None,
    conditions: str | None = None,
) -> Approved:
    """Approve a proposal, or add a signature to an approval that is over just the same.

    Raises TrustError for a key that may not approve, of whoever asked, or that has approved already; and where an
    approval with another expiry or other conditions lies there that this one would throw away.
    """
    request = proposal.asked
    asked = verify_request(request, trust, at=at)
    person = signer_of(trust, key, APPROVAL)
    if person.name in asked.signers:
        raise TrustError(
            f"{person.name} asked for {request.name}, and nobody approves what they ask for",
            hint="have it approved by somebody else",
        )
    record = record_of(proposal)
    terms = bound(proposal) | {STATEMENT: proposal.statement, RECORD: hashlib.sha256(record).hexdigest()}
    path = approval_path(request.path)
    standing = _standing(path, request, terms, at)
    if standing is not None:
        _join(path, standing, key, expires, conditions, request.digest)
    else:
        terms |= {CONDITIONS: conditions} if conditions else {}
        replace_file(record_path(request.path), record)
        seal(path, key, payload_of(APPROVAL, request.name, VERSION, request.digest, at, expires, terms))
    envelope, _ = read(path, request.path.name)
    people = (trust.person(keyid) for keyid in envelope.signatures)
    return Approved(path, tuple(each.name for each in people if each is not None), trust.threshold(APPROVAL))


def verify_approval(proposal: Proposal, trust: TrustRoot, asked: Statement, *, at: datetime) -> Statement:
    """Return the approval of a proposal; raise TrustError unless it is over just this, and enough others signed it.

    `asked`: the verified statement of the request, whose signers do not count here.
    """
    request = proposal.asked
    hint = f"an officer reads `{proposal.shown_by}`, then `deid request approve {request.path.name} --key KEY`"
    path = approval_path(request.path)
    if not path.exists():
        raise TrustError(f"{request.path.name} is not approved: there is no {path.name} beside it", hint=hint)
    try:
        statement = verify(
            path, Asked(request.path.name, APPROVAL, request.digest, request.name, VERSION, at, asked.signers), trust
        )
    except TrustError as error:
        raise TrustError(f"no approval of {request.path.name} holds: {error.message}", hint=hint) from None
    drifted = drift(statement.terms, bound(proposal))
    if drifted or statement.terms.get(STATEMENT) != proposal.statement:
        what = " and ".join(drifted) or "what was stated"
        raise TrustError(
            f"{request.path.name} is not as it was approved: {what} changed since",
            hint=f"`deid request diff {request.path.name}` tells what; then {hint}",
        )
    return statement


def drift(terms: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what is no longer as it was approved, in words; empty where all of it is."""
    return [words for term, words in BOUND.items() if terms.get(term) != now.get(term)]


def _standing(path: Path, request: AskedFor, terms: Mapping[str, str], at: datetime) -> Payload | None:
    """Return the approval that lies there if it is over the same and in force, so that it may be added to."""
    try:
        _, payload = read(path, request.path.name)
    except TrustError:
        return None
    is_same = payload.type == APPROVAL and (payload.sha256, payload.name) == (request.digest, request.name)
    is_same = is_same and {term: text for term, text in payload.terms.items() if term != CONDITIONS} == terms
    over = payload.expires is not None and utc(at).date() > payload.expires
    return payload if is_same and not over else None


def _join(
    path: Path, standing: Payload, key: SigningKey, expires: date | None, conditions: str | None, digest: str
) -> None:
    envelope, _ = read(path, path.name)
    if key.keyid in envelope.signatures:
        raise TrustError(
            f"{path.name} carries the signature of this key already",
            hint="one person counts once: another one approves; to sign other terms, remove the file first",
        )
    if expires not in (None, standing.expires) or conditions not in (None, standing.terms.get(CONDITIONS)):
        raise TrustError(
            f"{path.name} was signed with another expiry or other conditions",
            hint="approve it as it stands, without --expires and --condition; or remove the file and begin anew",
        )
    countersign(path, key, data_digest=digest)
