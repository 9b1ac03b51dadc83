"""What a file asks for, be it a release or tables, as the commands of `deid request` need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid import legal
from deid.cli.common import today
from deid.cli.plan import compile_request
from deid.documents.policy import load_policy
from deid.documents.reading import load
from deid.documents.request import load_request
from deid.sources.description import load_dataset

if TYPE_CHECKING:
    from deid.documents.site import Site
    from deid.papers.bound import AskedFor, Proposal
    from deid.papers.paper import Paper, Standards


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, compiled.

    `check` returns what a person reads of it, and raises what stands in its way; `propose` returns what an approval
    would be over, for which recipients' keys must be at hand; `papers` holds that against a site.
    """

    document: AskedFor
    check: Callable[[], list[str]]
    propose: Callable[[], Proposal]
    papers: Callable[[Site, Standards], list[Paper]]

    @property
    def name(self) -> str:
        """The name of the request."""
        return self.document.name


def document_at(path: Path) -> AskedFor:
    """Read a request for a release or for tables, and nothing that it names; raise DocumentError."""
    from deid.tables.document import load_tabulation  # noqa: PLC0415 - loads numpy

    return load_tabulation(path) if _is_for_tables(path) else load_request(path)


def asked_at(path: Path, period: str | None = None) -> Asked:
    """Read a request for a release or for tables, with all that it names; raise DocumentError or PlanError."""
    if not _is_for_tables(path):
        return _release(path, period)
    if period is not None:
        raise click.UsageError("a request for tables is approved for all its periods; leave --period out")
    return _tables(path)


def _is_for_tables(path: Path) -> bool:
    content = load(path).content
    return isinstance(content, dict) and "tabulate" in content


def _release(path: Path, period: str | None) -> Asked:
    from deid.papers.authorization import load_recipients, papers_of  # noqa: PLC0415 - loads cryptography
    from deid.papers.bound import propose  # noqa: PLC0415

    plan = compile_request(path, period)

    def check() -> list[str]:
        judgment = legal.require(plan)
        columns = sum(len(planned.written) for planned in plan.tables)
        told = f"{plan.request.name}: {columns} columns of {len(plan.tables)} tables under policy {plan.policy.name}"
        return [told, judgment.headline]

    return Asked(
        plan.request,
        check,
        lambda: propose(plan, load_recipients(plan)),
        lambda site, against: papers_of(plan, site, load_recipients(plan), against),
    )


def _tables(path: Path) -> Asked:
    from deid.tables.document import load_tabulation  # noqa: PLC0415
    from deid.tables.gate import papers_of_tables  # noqa: PLC0415
    from deid.tables.proposal import lines, own_denominators, propose, require  # noqa: PLC0415

    asked = load_tabulation(path)
    policy, dataset = load_policy(asked.policy), load_dataset(asked.dataset)
    proposal = propose(asked, policy, dataset, own_denominators(asked))

    def check() -> list[str]:
        require(asked, policy, dataset, on=today())
        return lines(proposal)

    return Asked(asked, check, lambda: proposal, lambda _site, against: papers_of_tables(proposal, against))
