"""A data-use agreement, 45 CFR 164.514(e)(4): what it must hold, and whether it covers a request.

docs/formats/agreement.md is the specification.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import msgspec

from deid.documents.reading import Document, load
from deid.documents.request import Use
from deid.errors import DocumentError, TrustError
from deid.keys.officers import SigningKey
from deid.papers.approval import signer_of
from deid.papers.signing import Statement, sign_document, verify_document
from deid.papers.statements import utc
from deid.papers.trust import AGREEMENT, TrustRoot
from deid.planning.plan import Plan

VERSION = "1"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PURPOSES = (Use.RESEARCH, Use.PUBLIC_HEALTH, Use.OPERATIONS)  # 164.514(e)(3); no other may have a Limited Data Set
# What the recipient must undertake, 164.514(e)(4)(ii)(C)(1) to (5).
UNDERTAKINGS = ("no_other_use", "safeguards", "reports_other_use", "binds_agents", "no_identification_no_contact")


@dataclass(frozen=True, slots=True)
class Agreement:
    """A parsed agreement; `digest` is the SHA-256 (hex) of its file, `expires` the last day on which it is in force."""

    id: str
    recipient: str
    users: tuple[str, ...]
    uses: tuple[Use, ...]
    parties: tuple[str, ...]
    begins: date
    expires: date
    path: Path
    digest: str


class _Agreement(msgspec.Struct, forbid_unknown_fields=True):
    agreement: str
    recipient: str
    users: list[str]
    uses: list[Use]
    parties: list[str]
    begins: date
    expires: date
    undertakes: list[str]


def load_agreement(path: Path) -> Agreement:
    """Read the agreement at `path`; raise DocumentError for one that lacks what 164.514(e)(4)(ii) asks for."""
    document = load(path)
    raw = document.into(_Agreement)
    if not _ID.fullmatch(raw.agreement) or path.stem != raw.agreement:
        raise document.fault(
            "an agreement's file is called as the agreement is",
            at="$.agreement",
            hint="letters, digits, dots, hyphens: `agreement: DUA-1` in DUA-1.yaml",
        )
    _check_filled(document, raw)
    if forbidden := [use.value for use in raw.uses if use not in _PURPOSES]:
        raise document.fault(
            f"a Limited Data Set is not for {forbidden[0]}, 164.514(e)(3)",
            at="$.uses",
            hint=f"one of {', '.join(use.value for use in _PURPOSES)}",
        )
    if lacking := [term for term in UNDERTAKINGS if term not in raw.undertakes]:
        raise document.fault(
            f"the recipient does not undertake {lacking[0]}, 164.514(e)(4)(ii)(C)",
            at="$.undertakes",
            hint=f"an agreement holds all of {', '.join(UNDERTAKINGS)}",
        )
    if raw.begins > raw.expires:
        raise document.fault("the agreement ends before it begins", at="$.expires", hint="exchange begins and expires")
    return Agreement(
        id=raw.agreement,
        recipient=raw.recipient,
        users=tuple(raw.users),
        uses=tuple(raw.uses),
        parties=tuple(raw.parties),
        begins=raw.begins,
        expires=raw.expires,
        path=path,
        digest=document.digest,
    )


def _check_filled(document: Document, raw: _Agreement) -> None:
    for name, value in (
        ("recipient", [raw.recipient]),
        ("users", raw.users),
        ("uses", raw.uses),
        ("parties", raw.parties),
    ):
        if not value or not all(str(each).strip() for each in value):
            raise document.fault(
                f"{name} is empty", at=f"$.{name}", hint="docs/formats/agreement.md shows an agreement"
            )


def sign_agreement(agreement: Agreement, key: SigningKey, trust: TrustRoot, *, at: datetime) -> Path:
    """Sign that an agreement was made with its recipient; raise TrustError for a key that may not."""
    signer_of(trust, key, AGREEMENT)
    return sign_document(
        agreement.path, key, AGREEMENT, data_digest=agreement.digest, name=agreement.id, version=VERSION,
        signed_at=at, expires=agreement.expires,
    )  # fmt: skip


def verify_agreement(plan: Plan, folder: Path, trust: TrustRoot, *, at: datetime) -> Statement:
    """Return the statement over the agreement that a request names; raise TrustError unless it covers the request.

    `folder`: the site's agreements. It must be signed, in force at `at`, with this party, for this use.
    """
    request, name = plan.request, (plan.request.agreement or "").strip()
    if not _ID.fullmatch(name):
        raise TrustError(
            f"{request.path.name} names no data-use agreement of the site",
            hint="write `agreement: ID`, where agreements/ID.yaml is the agreement; docs/formats/agreement.md",
        )
    path = folder / f"{name}.yaml"
    how = f"write {path.name} in {folder}, then `deid agreement sign {path} --key KEY`"
    try:
        agreement = load_agreement(path)
        statement = verify_document(path, agreement.digest, trust, AGREEMENT, name=name, version=VERSION, at=at)
    except (DocumentError, TrustError) as error:
        raise TrustError(
            f"{request.path.name} has no data-use agreement in force, 164.514(e)(4): {error.message}", hint=how
        ) from None
    today = utc(at).date()
    if not agreement.begins <= today <= agreement.expires:
        why = f"agreement {name} is in force from {agreement.begins} to {agreement.expires}"
    elif request.party not in agreement.parties:
        why = f"agreement {name} is not with the party {request.party}"
    elif request.use is not None and request.use not in agreement.uses:
        why = f"agreement {name} is not for {request.use.value}"
    else:
        return statement
    raise TrustError(
        f"{request.path.name} has no data-use agreement in force, 164.514(e)(4): {why}",
        hint=f"make an agreement that covers it: {how}",
    )
