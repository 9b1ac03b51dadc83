"""A statement that something stands on: verified, and held against what was withdrawn and what was let through.

`deid.papers.authorization` says which papers a plan needs; docs/formats/trust.md specifies what each is held against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deid.audit.log import AuditLog
from deid.documents.site import Site
from deid.errors import SupersededError, TrustError, WithdrawnError
from deid.papers.approval import CONDITIONS
from deid.papers.register import Register, enter, enter_withdrawal, register
from deid.papers.signing import Statement
from deid.papers.trust import TrustRoot
from deid.papers.withdrawal import Held, Withdrawal, read_withdrawal, refuse_withdrawn


@dataclass(frozen=True, slots=True)
class Paper:
    """A statement that a plan needs: its type, the roles that may sign it, and either it or what is wrong with it.

    `held`: what a withdrawal of it would be over, None where its document was not found; `withdrawal`: the one that
    lies beside it, be it over this text or an earlier one.
    """

    type: str
    roles: tuple[str, ...]
    statement: Statement | None
    fault: TrustError | None
    held: Held | None = None
    withdrawal: Withdrawal | None = None

    @property
    def state(self) -> str:
        """Whether it stands, was withdrawn, is superseded, or lacks."""
        if self.fault is None:
            return "stands"
        if isinstance(self.fault, WithdrawnError):
            return "withdrawn"
        return "superseded" if isinstance(self.fault, SupersededError) else "lacks"

    def lines(self) -> list[str]:
        """Return what a person reads of it."""
        if self.statement is None or self.fault is not None:
            fault, roles = self.fault, ", ".join(self.roles) or "nobody"
            told = [f"{self.state.ljust(7)} {self.type}  may be signed by: {roles}"]
            return told + ([f"          {fault.message}", f"          {fault.hint}"] if fault is not None else [])
        until = f", until {self.statement.expires}" if self.statement.expires is not None else ""
        conditions = self.statement.terms.get(CONDITIONS)
        told = [f"stands  {self.type}  by {', '.join(self.statement.signers)}{until}"]
        return told + ([f"          on condition: {conditions}"] if conditions else [])

    def as_record(self) -> dict[str, Any]:
        """Return what programs read of it."""
        made = self.statement if self.fault is None else None
        return {
            "type": self.type,
            "stands": made is not None,
            "state": self.state,
            "roles": list(self.roles),
            "signers": list(made.signers) if made is not None else [],
            "expires": made.expires if made is not None else None,
            "conditions": made.terms.get(CONDITIONS) if made is not None else None,
            "lacks": self.fault.message if self.fault is not None else None,
            "hint": self.fault.hint if self.fault is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Standards:
    """What papers are held against: whose word counts, what the log knows of documents, and the instant."""

    request: str
    trust: TrustRoot
    known: Register
    at: datetime


def paper_of(
    kind: str,
    against: Standards,
    check: Callable[[], Statement],
    of: Callable[[Statement | None], Held | None] = lambda _: None,
) -> Paper:
    """Return a paper: verified, then held against what was withdrawn and what was let through; `of`: see Paper.held."""
    roles = against.trust.may_sign.get(kind, ())
    made, fault, found = None, None, None
    try:
        made = check()
    except TrustError as error:
        fault = error
    held = of(made)
    try:
        if held is not None:
            found = read_withdrawal(held, against.trust, at=against.at)
            refuse_withdrawn(held, found, made)
            against.known.refuse_withdrawn(held, made)
        if made is not None:
            against.known.refuse_superseded(against.request, made)
    except TrustError as error:
        fault = error
    return Paper(kind, roles, made, fault, held, found)


def let_through(papers: Sequence[Paper], against: Standards, log: AuditLog) -> tuple[Statement, ...]:
    """Return the statements of papers that all stand, entered in the log; raise the first fault of one that does not.

    Withdrawals are entered before anything is raised, so that removing one brings nothing back.
    """
    for paper in papers:
        if paper.withdrawal is not None and paper.held is not None:
            enter_withdrawal(log, paper.withdrawal, paper.held, against.trust, against.known)
    # What was withdrawn is told before what lacks: nothing that is signed now would help.
    for paper in sorted(papers, key=lambda paper: paper.state != "withdrawn"):
        if paper.fault is not None:
            raise paper.fault
    made = tuple(paper.statement for paper in papers if paper.statement is not None)
    enter(log, against.request, made, against.trust, against.known)
    return made


def held_of(papers: Sequence[Paper]) -> tuple[tuple[Held, Statement], ...]:
    """Return what of papers that stand could be withdrawn, each with the statement that it stands on."""
    return tuple((p.held, p.statement) for p in papers if p.held is not None and p.statement is not None)


def require_not_withdrawn(
    papers: Sequence[tuple[Held, Statement]], site: Site, trust: TrustRoot, *, at: datetime, log: AuditLog
) -> None:
    """Raise TrustError where a document was withdrawn since it was let through: asked again before a release leaves."""
    known = register(log, site)
    for held, made in papers:
        found = read_withdrawal(held, trust, at=at)
        if found is not None:
            enter_withdrawal(log, found, held, trust, known)
        refuse_withdrawn(held, found, made)
        known.refuse_withdrawn(held, made)
