"""A signed word that takes a document back before its time; docs/formats/trust.md, "Withdrawal", is the specification.

What lies beside a document and cannot be relied on stops it too: nobody knows whether somebody meant it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from securesystemslib.exceptions import VerificationError

from deid.audit.events import WITHDRAWALS
from deid.documents.policy import Policy
from deid.errors import TrustError, WithdrawnError
from deid.keys.officers import SigningKey
from deid.papers.approval import VERSION, signer_of
from deid.papers.bound import AskedFor
from deid.papers.signing import Asked, Statement, countersign, payload_of, verify
from deid.papers.statements import Payload, read, seal, spelled
from deid.papers.trust import AGREEMENT, DETERMINATION, POLICY, REIDENTIFICATION, REQUEST, WITHDRAWAL, TrustRoot

OF, REASON = "of", "reason"
# Type of what is taken back -> what it is called in messages. A request's approval goes with it.
CALLED: Mapping[str, str] = {
    POLICY: "policy",
    REQUEST: "request",
    AGREEMENT: "agreement",
    DETERMINATION: "determination",
    REIDENTIFICATION: "order",
}
_SUFFIX = ".withdrawn.dsse.json"


@dataclass(frozen=True, slots=True)
class Held:
    """What a withdrawal may be over: type, name and version of a document, and the digest (hex) of what was signed.

    `path`: beside which file the withdrawal lies.
    """

    type: str
    name: str
    version: str
    digest: str
    path: Path

    @property
    def withdrawal(self) -> Path:
        """Where its withdrawal lies."""
        return self.path.with_name(f"{self.path.name}{_SUFFIX}")

    @property
    def words(self) -> str:
        """What it is called in messages."""
        return f"the {CALLED[self.type]} {self.path.name}"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal that holds: of which type of document, why, and whether it is over the text that was asked for."""

    of: str
    reason: str
    statement: Statement
    is_over: bool


def policy_held(policy: Policy) -> Held:
    """Return what takes a policy back is over."""
    return Held(POLICY, policy.name, str(policy.version), policy.digest, policy.path)


def request_held(request: AskedFor) -> Held:
    """Return what takes a request back, with its approval, is over."""
    return Held(REQUEST, request.name, VERSION, request.digest, request.path)


def agreement_held(name: str, digest: str, folder: Path) -> Held:
    """Return what takes an agreement of the site's folder back is over."""
    return Held(AGREEMENT, name, VERSION, digest, folder / f"{name}.yaml")


def order_held(name: str, digest: str, path: Path) -> Held:
    """Return what takes an order of reidentification back is over."""
    return Held(REIDENTIFICATION, name, VERSION, digest, path)


def determination_held(policy: Policy) -> Held:
    """Return what takes back the determinations over a policy is over: its text, up to the instant of it."""
    path = policy.path.with_name(f"{policy.path.name}.determination")
    return Held(DETERMINATION, policy.name, str(policy.version), policy.digest, path)


def takes_back(held: Held, instant: str, made: Statement | None) -> bool:
    """Whether a withdrawal over this text, signed at an instant, takes back what stands on a statement.

    A text is taken back for ever; of determinations over one text, those that were signed up to then.
    """
    return held.type != DETERMINATION or made is None or spelled(made.signed_at) <= instant


def withdraw(held: Held, key: SigningKey, trust: TrustRoot, *, reason: str, at: datetime) -> Path:
    """Take a document back, or add a signature where the trust root asks for several; return the path of the statement.

    `reason`: a word of `deid.audit.events.WITHDRAWALS`. Raises TrustError for a key that may not, for one that has
    signed it already, and for another reason than the first signer's.
    """
    signer_of(trust, key, WITHDRAWAL)
    if reason not in WITHDRAWALS:
        raise TrustError("that is no reason of a withdrawal", hint=f"one of {', '.join(WITHDRAWALS)}")
    path, terms = held.withdrawal, {OF: held.type, REASON: reason}
    standing = _standing(held, trust)
    if standing is None:
        seal(path, key, payload_of(WITHDRAWAL, held.name, held.version, held.digest, at, None, terms))
        return path
    envelope, _ = read(path, held.path.name)
    if key.keyid in envelope.signatures:
        raise TrustError(f"{held.words} was withdrawn by this key already", hint="nothing more is needed")
    if standing.terms != terms:
        raise TrustError(f"{held.words} was withdrawn for another reason", hint="sign it with the reason that it has")
    countersign(path, key, data_digest=held.digest)
    return path


def refuse_withdrawn(held: Held, found: Withdrawal | None, made: Statement | None) -> None:
    """Raise WithdrawnError where the withdrawal beside a document takes it back; `made`: what it stands on."""
    if found is None or not found.is_over or not takes_back(held, spelled(found.statement.signed_at), made):
        return
    by = found.statement
    raise WithdrawnError(
        f"{held.words} was withdrawn by {', '.join(by.signers)} on {by.signed_at:%Y-%m-%d} ({found.reason})",
        hint=COME_BACK[held.type],
    )


def _standing(held: Held, trust: TrustRoot) -> Payload | None:
    """Return the withdrawal of this very text that lies there, if somebody who may has signed it.

    Another's is not joined but replaced: nobody who may not chooses the instant or the reason that is signed.
    """
    try:
        envelope, payload = read(held.withdrawal, held.path.name)
        envelope.verify(trust.signers_for(WITHDRAWAL), 1)
    except (TrustError, VerificationError, ValueError):
        return None
    return payload if (payload.type, payload.sha256) == (WITHDRAWAL, held.digest) else None


def read_withdrawal(held: Held, trust: TrustRoot, *, at: datetime) -> Withdrawal | None:
    """Return the withdrawal that lies beside a document, None where there is none.

    Raises TrustError for one that is malformed, or not signed by enough people who may.
    """
    path = held.withdrawal
    if not os.path.lexists(path):
        return None
    try:
        return _verified(held, trust, at)
    except TrustError as error:
        raise TrustError(
            f"a withdrawal lies beside {held.words}, and it does not hold: {error.message}",
            hint="nothing runs until it is known who put it there. Where it was meant: `deid "
            f"{_COMMANDS[held.type]} withdraw` by somebody who may; where it was not, or it is of an earlier text: "
            f"move {path.name} away",
        ) from None


def _verified(held: Held, trust: TrustRoot, at: datetime) -> Withdrawal:
    _, told = read(held.withdrawal, held.path.name)
    # Of another text it holds too, and concerns this one no more; so it is verified for what it says it is over.
    asked = Asked(held.withdrawal.name, WITHDRAWAL, told.sha256, told.name, told.version, at)
    made = verify(held.withdrawal, asked, trust)
    is_sound = made.terms.keys() == {OF, REASON} and made.terms[OF] == held.type and made.expires is None
    if not is_sound or made.terms[REASON] not in WITHDRAWALS:
        raise TrustError("it says other than a withdrawal of this document does", hint="have it withdrawn anew")
    return Withdrawal(held.type, made.terms[REASON], made, made.sha256 == held.digest)


def refuse_withdrawn_text(held: Held) -> None:
    """Raise TrustError before a text is signed that was withdrawn, by whomever: the signature would count for nothing.

    What is raised here saves a signer's time; what protects is the gate.
    """
    if not os.path.lexists(held.withdrawal):
        return
    _, payload = read(held.withdrawal, held.path.name)
    if payload.sha256 == held.digest:
        raise WithdrawnError(f"{held.words} was withdrawn ({held.withdrawal.name})", hint=COME_BACK[held.type])


COME_BACK: Mapping[str, str] = {
    POLICY: "this text never runs again: change it, raise its `version`, `deid policy sign`, and have the requests "
    "under it approved anew by `deid request approve`",
    REQUEST: "this text never runs again: write what is asked for now, then `deid request sign` and "
    "`deid request approve`",
    AGREEMENT: "this text counts no more: write what was agreed since, then `deid agreement sign`",
    DETERMINATION: "have an expert determine the risk anew: `deid policy determine`",
    REIDENTIFICATION: "this order is answered no more: draft another by `deid reidentify draft`, and have it signed",
}
_COMMANDS: Mapping[str, str] = {
    POLICY: "policy",
    REQUEST: "request",
    AGREEMENT: "agreement",
    DETERMINATION: "policy",
    REIDENTIFICATION: "reidentify",
}
