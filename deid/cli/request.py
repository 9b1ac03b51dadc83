"""`deid request`: check a request, sign it, approve it, show what changed since, and which papers it still needs.

Requests for releases and for tables are signed and approved alike.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid.cli.common import PathArgument, day_of, json_option, open_signing_key, print_json, site_option
from deid.cli.proposals import asked_at, document_at
from deid.cli.withdrawing import known_here, take_back, withdraw_options

if TYPE_CHECKING:
    from deid.papers.bound import Proposal

_key = click.option("--key", "key_path", required=True, help="The private signing key: a file, or a URI.")
_expires = click.option(
    "--expires", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which the statement holds."
)
_request = click.argument("request_path", metavar="REQUEST", type=PathArgument)


@click.group()
def request() -> None:
    """Check, sign, approve and compare requests, and sign the statement that Safe Harbor needs."""


@request.command()
@_request
@click.option("--period", help="The period of the release: 2026, 2026-Q3 or 2026-10.")
def check(request_path: Path, period: str | None) -> None:
    """Check that REQUEST can run under its policy and earns the basis that the policy claims.

    Of a request for tables, show the plan that an approval is over.
    """
    click.echo("\n".join(asked_at(request_path, period).check()))


@request.command()
@_request
@_key
@site_option
def sign(request_path: Path, key_path: str, site_path: Path) -> None:
    """Sign REQUEST as it stands, as whoever asks for it; any later change to the file undoes the signature."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.approval import sign_request  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.papers.withdrawal import refuse_withdrawn_text, request_held  # noqa: PLC0415

    asked = asked_at(request_path).document
    refuse_withdrawn_text(request_held(asked))
    trust = load_trust(load_site(site_path).trust)
    key = open_signing_key(key_path)
    click.echo(f"signed {sign_request(asked, key, trust, at=datetime.now(UTC))}")


@request.command()
@_request
@_key
@site_option
@_expires
@click.option("--condition", "conditions", help="A condition of the approval, in words; it stands in the statement.")
def approve(
    request_path: Path, key_path: str, site_path: Path, expires: datetime | None, conditions: str | None
) -> None:
    """Approve REQUEST with its policy, description, plan and recipients as they stand; another officer adds to it.

    Tables have no recipients: what is approved is that everybody may read them.
    """
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.approval import approve as sign_approval  # noqa: PLC0415
    from deid.papers.authorization import policy_paper  # noqa: PLC0415
    from deid.papers.paper import Standards  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.papers.withdrawal import refuse_withdrawn_text, request_held  # noqa: PLC0415

    asked = asked_at(request_path)
    asked.check()
    proposal = asked.propose()
    refuse_withdrawn_text(request_held(proposal.asked))
    site, now = load_site(site_path), datetime.now(UTC)
    trust = load_trust(site.trust)
    against = Standards(asked.name, trust, known_here(site), now)
    if (fault := policy_paper(proposal.policy, against).fault) is not None:
        raise fault
    done = sign_approval(
        proposal,
        open_signing_key(key_path),
        trust,
        at=now,
        expires=day_of(expires),
        conditions=conditions,
    )
    _echo_audience(proposal)
    left = done.threshold - len(done.signers)
    click.echo(f"signed {done.path}: approved by {', '.join(done.signers)}")
    if left > 0:
        click.echo(f"{left} more must approve it: deid request approve {request_path} --key KEY")


@request.command()
@_request
@withdraw_options
def withdraw(request_path: Path, key_path: str, reason: str, later: bool, site_path: Path) -> None:
    """Take REQUEST back, with its approval: this text never runs again."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.papers.withdrawal import request_held  # noqa: PLC0415

    site = load_site(site_path)
    held = request_held(document_at(request_path))
    take_back(held, site, load_trust(site.trust), key_path=key_path, reason=reason, later=later)


@request.command()
@_request
@json_option
def diff(request_path: Path, as_json: bool) -> None:
    """Tell in plain words what is no longer as it was when REQUEST was approved; exit code 14 if anything is not."""
    from deid.papers.changes import changes_since  # noqa: PLC0415

    asked = asked_at(request_path)
    changes = changes_since(asked.propose())
    if as_json:
        print_json({"request": asked.name, "changes": changes})
    else:
        click.echo("\n".join(changes) or f"{asked.name} is as it was approved")
    if changes:
        click.get_current_context().exit(14)


@request.command()
@_request
@site_option
@json_option
def status(request_path: Path, site_path: Path, as_json: bool) -> None:
    """Show which papers of REQUEST stand, which lack, were withdrawn or superseded; exit code 14 if not all stand."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.paper import Standards  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415

    asked, site = asked_at(request_path), load_site(site_path)
    papers = asked.papers(site, Standards(asked.name, load_trust(site.trust), known_here(site), datetime.now(UTC)))
    if as_json:
        print_json({"request": asked.name, "papers": [paper.as_record() for paper in papers]})
    else:
        click.echo("\n".join(line for paper in papers for line in paper.lines()))
    if any(paper.fault is not None for paper in papers):
        click.get_current_context().exit(14)


@request.command()
@_request
@_key
@_expires
def attest(request_path: Path, key_path: str, expires: datetime | None) -> None:
    """Sign that nothing is known by which a release of REQUEST could identify anyone, 45 CFR 164.514(b)(2)(ii)."""
    from deid.papers.actual_knowledge import sign_knowledge  # noqa: PLC0415

    proposal = asked_at(request_path).propose()
    written = sign_knowledge(
        request_path,
        open_signing_key(key_path),
        name=proposal.asked.name,
        request_sha256=proposal.asked.digest,
        policy_sha256=proposal.policy.digest,
        dataset_sha256=proposal.dataset_sha256,
        recipients=proposal.recipients or (),
        signed_at=datetime.now(UTC),
        expires=day_of(expires),
    )
    _echo_audience(proposal)
    click.echo(f"signed {written}; it holds for this request, policy and dataset description, and these recipients")


def _echo_audience(proposal: Proposal) -> None:
    """Print whom a signature is for."""
    if proposal.is_public:
        click.echo("audience   public: everybody may read these tables, and nobody can take them back")
    for recipient in proposal.recipients or ():
        click.echo(f"recipient  {recipient.name}  {recipient.key}")
