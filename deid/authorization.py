"""Whether a plan may run: its judgment, the statements over what it was compiled from, and the keys it is sealed to.

The one gate: nothing runs on a document that is unsigned, altered, expired, not approved or approved otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deid import legal
from deid.actual_knowledge import verify_knowledge
from deid.errors import PlanError, TrustError
from deid.keys.recipients import Recipient, load_recipient
from deid.legal import Judgment
from deid.papers.agreement import verify_agreement
from deid.papers.approval import CONDITIONS, verify_approval, verify_request
from deid.papers.determination import verify_determination
from deid.plan import Plan
from deid.policy import Basis, Policy
from deid.signing import Statement, verify_document
from deid.site import Site
from deid.trust import AGREEMENT, APPROVAL, DETERMINATION, NO_ACTUAL_KNOWLEDGE, POLICY, REQUEST, TrustRoot


@dataclass(frozen=True, slots=True)
class Paper:
    """A statement that a plan needs: its type, the roles that may sign it, and either it or what is wrong with it."""

    type: str
    roles: tuple[str, ...]
    statement: Statement | None
    fault: TrustError | None

    def lines(self) -> list[str]:
        """Return what a person reads of it."""
        if self.statement is None or self.fault is not None:
            fault, roles = self.fault, ", ".join(self.roles) or "nobody"
            told = [f"lacks   {self.type}  may be signed by: {roles}"]
            return told + ([f"          {fault.message}", f"          {fault.hint}"] if fault is not None else [])
        until = f", until {self.statement.expires}" if self.statement.expires is not None else ""
        conditions = self.statement.terms.get(CONDITIONS)
        told = [f"stands  {self.type}  by {', '.join(self.statement.signers)}{until}"]
        return told + ([f"          on condition: {conditions}"] if conditions else [])

    def as_record(self) -> dict[str, Any]:
        """Return what programs read of it."""
        made = self.statement
        return {
            "type": self.type,
            "stands": made is not None,
            "roles": list(self.roles),
            "signers": list(made.signers) if made is not None else [],
            "expires": made.expires if made is not None else None,
            "conditions": made.terms.get(CONDITIONS) if made is not None else None,
            "lacks": self.fault.message if self.fault is not None else None,
            "hint": self.fault.hint if self.fault is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Authorized:
    """A plan that may run: its judgment, and every statement that it stands on."""

    judgment: Judgment
    statements: tuple[Statement, ...]


def authorize(plan: Plan, site: Site, trust: TrustRoot, recipients: Sequence[Recipient], *, at: datetime) -> Authorized:
    """Return what a plan stands on that may run; raise PlanError or TrustError for one that may not.

    Every signature is verified over the bytes that were compiled: the policy's, that of whoever asks, and the
    approval, which binds request, policy, description, plan and the keys of these recipients. A Safe Harbor release
    needs the officer's signed statement of no actual knowledge, 45 CFR 164.514(b)(2)(ii), over the same; a Limited Data
    Set a data-use agreement in force, (e)(4); Expert Determination the expert's word, (b)(1)(i).
    """
    if not plan.dataset.confirmed:
        raise PlanError(
            f"the description of dataset {plan.dataset.name} is a draft that nobody has confirmed",
            hint="read it, correct the kinds, and remove the line `confirmed: false`",
        )
    judgment = legal.require(plan)
    papers = papers_of(plan, site, trust, recipients, at=at)
    for paper in papers:
        if paper.fault is not None:
            raise paper.fault
    return Authorized(judgment, tuple(paper.statement for paper in papers if paper.statement is not None))


def papers_of(
    plan: Plan, site: Site, trust: TrustRoot, recipients: Sequence[Recipient], *, at: datetime
) -> list[Paper]:
    """Return every paper that a plan needs, each with its statement or with what is wrong with it."""
    policy = _paper(POLICY, trust, lambda: verify_policy(plan.policy, trust, at=at))
    request = _paper(REQUEST, trust, lambda: verify_request(plan.request, trust, at=at))
    asked = request.statement
    papers = [policy, request]
    if asked is not None:  # without it nobody knows whose approval would not count
        papers.append(_paper(APPROVAL, trust, lambda: verify_approval(plan, recipients, trust, asked, at=at)))
    else:
        papers.append(Paper(APPROVAL, trust.may_sign.get(APPROVAL, ()), None, request.fault))
    judgment = legal.judge(plan)
    if judgment.needs_agreement:
        papers.append(_paper(AGREEMENT, trust, lambda: verify_agreement(plan, site.agreements, trust, at=at)))
    if judgment.claimed is Basis.EXPERT_DETERMINATION:
        papers.append(_paper(DETERMINATION, trust, lambda: verify_determination(plan.policy, trust, at=at)))
    if judgment.needs_statement:
        papers.append(_paper(NO_ACTUAL_KNOWLEDGE, trust, lambda: verify_no_knowledge(plan, trust, recipients, at=at)))
    return papers


def _paper(kind: str, trust: TrustRoot, check: Callable[[], Statement]) -> Paper:
    roles = trust.may_sign.get(kind, ())
    try:
        return Paper(kind, roles, check(), None)
    except TrustError as fault:
        return Paper(kind, roles, None, fault)


def verify_policy(policy: Policy, trust: TrustRoot, *, at: datetime) -> Statement:
    """Return the statement over a policy; raise TrustError unless it holds."""
    return verify_document(
        policy.path, policy.digest, trust, POLICY, name=policy.name, version=str(policy.version), at=at
    )


def verify_no_knowledge(plan: Plan, trust: TrustRoot, recipients: Sequence[Recipient], *, at: datetime) -> Statement:
    """Return the statement of no actual knowledge over a plan; raise TrustError unless it binds just this."""
    return verify_knowledge(
        plan.request.path,
        trust,
        name=plan.request.name,
        request_sha256=plan.request.digest,
        policy_sha256=plan.policy.digest,
        dataset_sha256=plan.dataset.digest,
        recipients=recipients,
        at=at,
    )


def load_recipients(plan: Plan) -> list[Recipient]:
    """Return the recipients' public keys; raise KeyFaultError for one that is missing, malformed or named twice."""
    return [load_recipient(path) for path in plan.request.recipients]
