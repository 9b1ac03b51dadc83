"""The signatures of an order: two different people, each of whom may, and a last day; docs/formats/reidentification.md.

45 CFR 164.514(c)(2) forbids to disclose the mechanism for re-identification; nobody here uses it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from deid.errors import TrustError
from deid.keys.officers import SigningKey
from deid.papers.register import Register
from deid.papers.signing import Statement, countersign, sign_document, statement_path, verify_document
from deid.papers.statements import read, utc
from deid.papers.trust import REIDENTIFICATION, TrustRoot
from deid.papers.withdrawal import (
    Held,
    Withdrawal,
    order_held,
    read_withdrawal,
    refuse_withdrawn,
    refuse_withdrawn_text,
)
from deid.reidentify.order import Order

MAX_DAYS = 31
_LEAST = 2
_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Consent:
    """A statement that holds, and the ids of its signers' keys."""

    statement: Statement
    keys: tuple[str, ...]


def sign_order(order: Order, key: SigningKey, trust: TrustRoot, *, at: datetime, days: int) -> Path:
    """Sign an order, or add a signature to those there are; return the path of the statement.

    `days`: how long it holds, 1 to 31; what the first signer said counts. Raises TrustError for a key that may not
    sign, or that has signed it already, or a statement over another text.
    """
    if key.keyid not in {able.keyid for able in trust.signers_for(REIDENTIFICATION)}:
        raise TrustError(
            "this key may not sign an order of reidentification",
            hint=f"{trust.path.name} says who may: {', '.join(trust.may_sign.get(REIDENTIFICATION, ())) or 'nobody'}",
        )
    refuse_withdrawn_text(held_of(order))
    if not 1 <= days <= MAX_DAYS:
        raise TrustError(f"an order holds for 1 to {MAX_DAYS} days", hint="sign it again when it is needed longer")
    path = statement_path(order.path)
    if not path.exists():
        expires = utc(at).date() + timedelta(days=days)
        return sign_document(
            order.path, key, REIDENTIFICATION, data_digest=order.digest, name=order.name, version=_VERSION,
            signed_at=at, expires=expires,
        )  # fmt: skip
    envelope, _ = read(path, order.path.name)
    if key.keyid in envelope.signatures:
        raise TrustError("this key has signed the order already", hint="the second signature is another person's")
    countersign(path, key, data_digest=order.digest)
    return path


def held_of(order: Order) -> Held:
    """Return what a withdrawal of an order is over."""
    return order_held(order.name, order.digest, order.path)


def require_consent(
    order: Order,
    trust: TrustRoot,
    known: Register,
    *,
    at: datetime,
    met: Callable[[Withdrawal], None] = lambda _: None,
) -> Consent:
    """Return the consent of an order; raise TrustError unless two different people's holds at the instant `at`.

    It holds no more once somebody who may has withdrawn it, which is seen beside it and in `known`; `met` takes the
    withdrawal that lies beside it, before anything is raised.
    """
    held = held_of(order)
    found = read_withdrawal(held, trust, at=at)
    if found is not None:
        met(found)
    refuse_withdrawn(held, found, None)
    known.refuse_withdrawn(held, None)
    statement = verify_document(
        order.path, order.digest, trust, REIDENTIFICATION, name=order.name, version=_VERSION, at=at
    )
    # The trust root says so too; here it does not depend on how that is written or read.
    keys = tuple(sorted(person.key.keyid for person in trust.people if person.name in statement.signers))
    if len(set(statement.signers)) < _LEAST or len(set(keys)) < _LEAST:
        raise TrustError(
            f"{order.path.name} carries one person's signature; it takes two", hint="have a second person sign it"
        )
    if statement.terms:
        raise TrustError(f"the statement over {order.path.name} has terms", hint="have it signed again")
    _require_short(order, statement.expires, statement.signed_at)
    return Consent(statement, keys)


def _require_short(order: Order, expires: date | None, signed_at: datetime) -> None:
    if expires is None or expires > utc(signed_at).date() + timedelta(days=MAX_DAYS):
        raise TrustError(
            f"the signatures on {order.path.name} hold for more than {MAX_DAYS} days",
            hint="sign it by `deid reidentify sign`, which gives it a last day",
        )
