"""Whether a plan may run: its judgment, the signatures over what it was compiled from, and the keys it is sealed to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from deid import legal
from deid.actual_knowledge import verify_knowledge
from deid.errors import PlanError
from deid.keys.recipients import Recipient, load_recipient
from deid.legal import Judgment
from deid.plan import Plan
from deid.signing import verify_document
from deid.trust import TrustRoot


def authorize(plan: Plan, trust: TrustRoot, recipients: Sequence[Recipient], *, at: datetime) -> Judgment:
    """Return the judgment of a plan that may run; raise PlanError or TrustError for one that may not.

    The policy's signature is verified over the bytes that were compiled. A Safe Harbor release needs the officer's
    signed statement of no actual knowledge, 45 CFR 164.514(b)(2)(ii), over this request, policy and description, and
    over the keys of these recipients, who know what they know.
    """
    if not plan.dataset.confirmed:
        raise PlanError(
            f"the description of dataset {plan.dataset.name} is a draft that nobody has confirmed",
            hint="read it, correct the kinds, and remove the line `confirmed: false`",
        )
    judgment = legal.require(plan)
    verify_document(
        plan.policy.path,
        plan.policy.digest,
        trust,
        "policy",
        name=plan.policy.name,
        version=str(plan.policy.version),
        at=at,
    )
    if judgment.needs_statement:
        verify_knowledge(
            plan.request.path,
            trust,
            name=plan.request.name,
            request_sha256=plan.request.digest,
            policy_sha256=plan.policy.digest,
            dataset_sha256=plan.dataset.digest,
            recipients=recipients,
            at=at,
        )
    return judgment


def load_recipients(plan: Plan) -> list[Recipient]:
    """Return the recipients' public keys; raise KeyFaultError for one that is missing, malformed or named twice."""
    return [load_recipient(path) for path in plan.request.recipients]
