"""Whether a plan may run: its judgment, the statements over what it was compiled from, and the keys it is sealed to.

The one gate, of releases and of published tables: nothing runs on a document that is unsigned, altered, expired,
withdrawn, superseded, not approved or approved otherwise. What it lets through, and the withdrawals that it meets, it
enters in the audit log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from deid import legal
from deid.audit.log import AuditLog
from deid.documents.policy import Basis, Policy
from deid.documents.site import Site
from deid.errors import PlanError
from deid.keys.recipients import Recipient, load_recipient
from deid.legal import Judgment
from deid.papers.actual_knowledge import verify_knowledge
from deid.papers.agreement import verify_agreement
from deid.papers.approval import verify_approval, verify_request
from deid.papers.bound import Proposal, propose
from deid.papers.determination import verify_determination
from deid.papers.paper import Paper, Standards, held_of, let_through, paper_of
from deid.papers.register import register
from deid.papers.signing import Statement, verify_document
from deid.papers.trust import AGREEMENT, APPROVAL, DETERMINATION, NO_ACTUAL_KNOWLEDGE, POLICY, REQUEST, TrustRoot
from deid.papers.withdrawal import Held, agreement_held, determination_held, policy_held, request_held
from deid.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Authorized:
    """A plan that may run: its judgment, every statement that it stands on, and what could be withdrawn meanwhile."""

    judgment: Judgment
    statements: tuple[Statement, ...]
    held: tuple[tuple[Held, Statement], ...] = ()


def authorize(
    plan: Plan, site: Site, trust: TrustRoot, recipients: Sequence[Recipient], *, at: datetime, log: AuditLog
) -> Authorized:
    """Return what a plan stands on that may run; raise PlanError or TrustError for one that may not.

    Every signature is verified over the bytes that were compiled: the policy's, that of whoever asks, and the
    approval, which binds request, policy, description, plan and the keys of these recipients. A Safe Harbor release
    needs the officer's signed statement of no actual knowledge, 45 CFR 164.514(b)(2)(ii), over the same; a Limited Data
    Set a data-use agreement in force, (e)(4); Expert Determination the expert's word, (b)(1)(i). Raises AuditError
    where the log, which remembers what was withdrawn and superseded, is damaged.
    """
    if not plan.dataset.confirmed:
        raise PlanError(
            f"the description of dataset {plan.dataset.name} is a draft that nobody has confirmed",
            hint="read it, correct the kinds, and remove the line `confirmed: false`",
        )
    judgment = legal.require(plan)
    against = Standards(plan.request.name, trust, register(log, site), at)
    papers = papers_of(plan, site, recipients, against)
    statements = let_through(papers, against, log)
    return Authorized(judgment, statements, held_of(papers))


def papers_of(plan: Plan, site: Site, recipients: Sequence[Recipient], against: Standards) -> list[Paper]:
    """Return every paper that a plan needs, each with its statement or with what is wrong with it."""

    def agreement(against: Standards) -> Paper:
        return paper_of(
            AGREEMENT, against, lambda: verify_agreement(plan, site.agreements, against.trust, at=against.at),
            lambda made: agreement_held(made.name, made.sha256, site.agreements) if made is not None else None,
        )  # fmt: skip

    judgment = legal.judge(plan)
    return papers_for(
        propose(plan, recipients),
        against,
        needs_statement=judgment.needs_statement,
        agreement=agreement if judgment.needs_agreement else None,
    )


def papers_for(
    proposal: Proposal,
    against: Standards,
    *,
    needs_statement: bool,
    agreement: Callable[[Standards], Paper] | None = None,
) -> list[Paper]:
    """Return every paper that a proposal needs: of its policy, of whoever asks and approves, and of its basis.

    `needs_statement`: that nothing is known by which anybody could be identified; `agreement`: gives the paper of the
    data-use agreement where one is needed.
    """

    def gathered(against: Standards) -> list[Paper]:
        papers = _asked_and_approved(proposal, against)
        papers += [agreement(against)] if agreement is not None else []
        return papers + _of_basis(proposal, against, needs_statement=needs_statement)

    papers = gathered(against)
    if met := [paper.withdrawal for paper in papers if paper.withdrawal is not None]:
        # One over another text than the one that lies there now takes back what was signed before it, too.
        return gathered(replace(against, known=against.known.knowing(met)))
    return papers


def _asked_and_approved(proposal: Proposal, against: Standards) -> list[Paper]:
    trust, at = against.trust, against.at
    policy = policy_paper(proposal.policy, against)
    asked_for = request_held(proposal.asked)
    request = paper_of(REQUEST, against, lambda: verify_request(proposal.asked, trust, at=at), lambda _: asked_for)
    asked = request.statement if request.state != "withdrawn" else None  # a request takes its approval with it
    if asked is not None:  # without it nobody knows whose approval would not count
        approval = paper_of(APPROVAL, against, lambda: verify_approval(proposal, trust, asked, at=at))
    else:
        approval = Paper(APPROVAL, trust.may_sign.get(APPROVAL, ()), None, request.fault)
    return [policy, request, approval]


def _of_basis(proposal: Proposal, against: Standards, *, needs_statement: bool) -> list[Paper]:
    policy, papers = proposal.policy, []
    if policy.basis is Basis.EXPERT_DETERMINATION:
        papers.append(
            paper_of(
                DETERMINATION, against, lambda: verify_determination(policy, against.trust, at=against.at),
                lambda _: determination_held(policy),
            )
        )  # fmt: skip
    if needs_statement:
        papers.append(
            paper_of(NO_ACTUAL_KNOWLEDGE, against, lambda: verify_no_knowledge(proposal, against.trust, at=against.at))
        )
    return papers


def policy_paper(policy: Policy, against: Standards) -> Paper:
    """Return the paper of a policy: its signature, or what is wrong with it."""
    return paper_of(
        POLICY, against, lambda: verify_policy(policy, against.trust, at=against.at), lambda _: policy_held(policy)
    )


def verify_policy(policy: Policy, trust: TrustRoot, *, at: datetime) -> Statement:
    """Return the statement over a policy; raise TrustError unless it holds."""
    return verify_document(
        policy.path, policy.digest, trust, POLICY, name=policy.name, version=str(policy.version), at=at
    )


def verify_no_knowledge(proposal: Proposal, trust: TrustRoot, *, at: datetime) -> Statement:
    """Return the statement of no actual knowledge over a proposal; raise TrustError unless it binds just this."""
    return verify_knowledge(
        proposal.asked.path,
        trust,
        name=proposal.asked.name,
        request_sha256=proposal.asked.digest,
        policy_sha256=proposal.policy.digest,
        dataset_sha256=proposal.dataset_sha256,
        recipients=proposal.recipients or (),
        at=at,
    )


def load_recipients(plan: Plan) -> list[Recipient]:
    """Return the recipients' public keys; raise KeyFaultError for one that is missing, malformed or named twice."""
    return [load_recipient(path) for path in plan.request.recipients]
