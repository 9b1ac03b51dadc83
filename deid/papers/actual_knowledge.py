"""The officer's statement of no actual knowledge over a request, 45 CFR 164.514(b)(2)(ii); docs/formats/trust.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from deid.errors import TrustError
from deid.keys.officers import SigningKey
from deid.keys.recipients import Recipient, recipients_digest
from deid.papers.signing import Asked, Statement, payload_of, verify
from deid.papers.statements import seal
from deid.papers.trust import NO_ACTUAL_KNOWLEDGE, TrustRoot

NO_KNOWLEDGE = (
    "The covered entity does not have actual knowledge that the information could be used alone or in combination "
    "with other information to identify an individual who is a subject of the information."
)
_REQUEST_VERSION = "1"  # requests have no version of their own; their digest tells one from another


def knowledge_path(request: Path) -> Path:
    """Return where the no-actual-knowledge statement over `request` lies."""
    return request.with_name(f"{request.name}.knowledge.dsse.json")


def sign_knowledge(
    request: Path,
    key: SigningKey,
    *,
    name: str,
    request_sha256: str,
    policy_sha256: str,
    dataset_sha256: str,
    recipients: Sequence[Recipient],
    signed_at: datetime,
    expires: date | None = None,
) -> Path:
    """Sign, beside the request, that nothing is known by which the release would identify (164.514(b)(2)(ii)).

    The statement binds the request, the policy, the dataset description and the recipients' public keys, but no
    period: one statement serves every release of a standing request.
    """
    written = knowledge_path(request)
    terms = _terms(request_sha256, policy_sha256, dataset_sha256, recipients)
    seal(
        written,
        key,
        payload_of(NO_ACTUAL_KNOWLEDGE, name, _REQUEST_VERSION, request_sha256, signed_at, expires, terms),
    )
    return written


def verify_knowledge(
    request: Path,
    trust: TrustRoot,
    *,
    name: str,
    request_sha256: str,
    policy_sha256: str,
    dataset_sha256: str,
    recipients: Sequence[Recipient],
    at: datetime,
) -> Statement:
    """Return the no-actual-knowledge statement; raise TrustError unless it binds just these and holds.

    The request names its recipients by path only: without their keys in the statement, a file exchanged after the
    officer signed would send the release to somebody of whom the officer knew nothing.
    """
    asked = Asked(request.name, NO_ACTUAL_KNOWLEDGE, request_sha256, name, _REQUEST_VERSION, at)
    statement = verify(knowledge_path(request), asked, trust)
    if statement.terms != _terms(request_sha256, policy_sha256, dataset_sha256, recipients):
        raise TrustError(
            f"the no-actual-knowledge statement of {request.name} is over another policy, dataset description or set "
            "of recipients' keys",
            hint="have the privacy officer read what changed and sign a new statement with `deid request attest`",
        )
    return statement


def _terms(
    request_sha256: str, policy_sha256: str, dataset_sha256: str, recipients: Sequence[Recipient]
) -> dict[str, str]:
    return {
        "statement": NO_KNOWLEDGE,
        "request_sha256": request_sha256,
        "policy_sha256": policy_sha256,
        "dataset_sha256": dataset_sha256,
        "recipients_sha256": recipients_digest(recipients),
    }
