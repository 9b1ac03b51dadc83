"""An expert's determination over a policy, 45 CFR 164.514(b)(1); docs/formats/agreement.md, "Expert determination"."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from deid.documents.policy import Policy
from deid.errors import TrustError
from deid.keys.officers import SigningKey
from deid.papers.approval import signer_of
from deid.papers.signing import Asked, Statement, payload_of, verify
from deid.papers.statements import is_digest, seal, utc
from deid.papers.trust import DETERMINATION, TrustRoot

DETERMINED = (
    "Applying generally accepted statistical and scientific principles and methods, I have determined that the risk "
    "is very small that releases under this policy could be used, alone or in combination with other reasonably "
    "available information, by an anticipated recipient to identify an individual who is a subject of the "
    "information. The methods and results that justify it are in the document named here."
)


def determination_path(policy: Path) -> Path:
    """Return where the determination over `policy` lies."""
    return policy.with_name(f"{policy.name}.determination.dsse.json")


def sign_determination(
    policy: Policy, key: SigningKey, trust: TrustRoot, *, document_sha256: str, expires: date, at: datetime
) -> Path:
    """Sign a determination over a policy as it stands, beside it.

    `document_sha256`: of the document with methods and results, 164.514(b)(1)(ii), which the site keeps. `expires`:
    its last day; a determination holds for a time, since what others know grows. Raises TrustError.
    """
    signer_of(trust, key, DETERMINATION)
    if expires < utc(at).date():
        raise TrustError("the determination would have expired already", hint="give a later day with --expires")
    terms = {"statement": DETERMINED, "document_sha256": document_sha256}
    path = determination_path(policy.path)
    seal(path, key, payload_of(DETERMINATION, policy.name, str(policy.version), policy.digest, at, expires, terms))
    return path


def verify_determination(policy: Policy, trust: TrustRoot, *, at: datetime) -> Statement:
    """Return the determination over a policy; raise TrustError unless an expert signed it and it has not expired."""
    name = policy.path.name
    command = f"deid policy determine {name} --key KEY --document REPORT --expires DAY"
    hint = f"an expert determines the risk and signs: `{command}`"
    path = determination_path(policy.path)
    if not path.exists():
        raise TrustError(f"no expert has signed a determination over {name}, 164.514(b)(1)", hint=hint)
    asked = Asked(name, DETERMINATION, policy.digest, policy.name, str(policy.version), at)
    try:
        statement = verify(path, asked, trust)
    except TrustError as error:
        raise TrustError(f"no determination over {name} holds: {error.message}", hint=hint) from None
    sound = statement.terms.get("statement") == DETERMINED and is_digest(statement.terms.get("document_sha256", ""))
    if not sound or statement.expires is None:
        raise TrustError(f"the determination over {name} lacks its sentence, its document or its expiry", hint=hint)
    return statement
