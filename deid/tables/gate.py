"""Whether tables may be made: the papers of their request, held by the gate that releases pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deid.audit.log import AuditLog
from deid.documents.policy import Basis
from deid.documents.site import Site
from deid.papers.authorization import papers_for
from deid.papers.bound import Proposal
from deid.papers.paper import Paper, Standards, held_of, let_through
from deid.papers.register import register
from deid.papers.signing import Statement
from deid.papers.trust import TrustRoot
from deid.papers.withdrawal import Held


@dataclass(frozen=True, slots=True)
class AuthorizedTables:
    """Tables that may be made: every statement that they stand on, and what of it could be withdrawn meanwhile."""

    statements: tuple[Statement, ...]
    held: tuple[tuple[Held, Statement], ...]


def authorize(proposal: Proposal, site: Site, trust: TrustRoot, *, at: datetime, log: AuditLog) -> AuthorizedTables:
    """Return what tables stand on that may be made; raise TrustError for those that may not.

    Every signature is verified over the bytes that were read: the policy's, that of whoever asks, the approval, which
    binds all of the proposal, and what the policy's basis needs. Raises AuditError where the log is damaged.
    """
    against = Standards(proposal.asked.name, trust, register(log, site), at)
    papers = papers_of_tables(proposal, against)
    return AuthorizedTables(let_through(papers, against, log), held_of(papers))


def papers_of_tables(proposal: Proposal, against: Standards) -> list[Paper]:
    """Return every paper that tables need, each with its statement or with what is wrong with it."""
    # Under Safe Harbor nobody may know how the rest identifies, 164.514(b)(2)(ii): of tables as of rows.
    return papers_for(proposal, against, needs_statement=proposal.policy.basis is Basis.SAFE_HARBOR)
