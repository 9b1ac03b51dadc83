"""`deid request`: check a request, sign it, approve it, show what changed since, and which papers it still needs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from deid import legal
from deid.cli.common import PathArgument, day_of, json_option, open_signing_key, print_json, site_option
from deid.cli.plan import compile_request
from deid.cli.withdrawing import known_here, take_back, withdraw_options

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
    """Check that REQUEST can run under its policy and earns the basis that the policy claims."""
    plan = compile_request(request_path, period)
    judgment = legal.require(plan)
    columns = sum(len(planned.written) for planned in plan.tables)
    click.echo(f"{plan.request.name}: {columns} columns of {len(plan.tables)} tables under policy {plan.policy.name}")
    click.echo(judgment.headline)


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

    plan = compile_request(request_path, None)
    refuse_withdrawn_text(request_held(plan.request))
    trust = load_trust(load_site(site_path).trust)
    key = open_signing_key(key_path)
    click.echo(f"signed {sign_request(plan.request, key, trust, at=datetime.now(UTC))}")


@request.command()
@_request
@_key
@site_option
@_expires
@click.option("--condition", "conditions", help="A condition of the approval, in words; it stands in the statement.")
def approve(
    request_path: Path, key_path: str, site_path: Path, expires: datetime | None, conditions: str | None
) -> None:
    """Approve REQUEST with its policy, description, plan and recipients as they stand; another officer adds to it."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.approval import approve as sign_approval  # noqa: PLC0415
    from deid.papers.authorization import load_recipients, policy_paper  # noqa: PLC0415
    from deid.papers.paper import Standards  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.papers.withdrawal import refuse_withdrawn_text, request_held  # noqa: PLC0415

    plan = compile_request(request_path, None)
    legal.require(plan)
    refuse_withdrawn_text(request_held(plan.request))
    site, now = load_site(site_path), datetime.now(UTC)
    trust = load_trust(site.trust)
    against = Standards(plan.request.name, trust, known_here(site), now)
    if (fault := policy_paper(plan.policy, against).fault) is not None:
        raise fault
    recipients = load_recipients(plan)
    done = sign_approval(
        plan,
        recipients,
        open_signing_key(key_path),
        trust,
        at=now,
        expires=day_of(expires),
        conditions=conditions,
    )
    for recipient in recipients:
        click.echo(f"recipient  {recipient.name}  {recipient.key}")
    left = done.threshold - len(done.signers)
    click.echo(f"signed {done.path}: approved by {', '.join(done.signers)}")
    if left > 0:
        click.echo(f"{left} more must approve it: deid request approve {request_path} --key KEY")


@request.command()
@_request
@withdraw_options
def withdraw(request_path: Path, key_path: str, reason: str, later: bool, site_path: Path) -> None:
    """Take REQUEST back, with its approval: this text never runs again."""
    from deid.documents.request import load_request  # noqa: PLC0415
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.papers.withdrawal import request_held  # noqa: PLC0415

    site = load_site(site_path)
    held = request_held(load_request(request_path))
    take_back(held, site, load_trust(site.trust), key_path=key_path, reason=reason, later=later)


@request.command()
@_request
@json_option
def diff(request_path: Path, as_json: bool) -> None:
    """Tell in plain words what is no longer as it was when REQUEST was approved; exit code 14 if anything is not."""
    from deid.papers.authorization import load_recipients  # noqa: PLC0415
    from deid.papers.changes import changes_since  # noqa: PLC0415

    plan = compile_request(request_path, None)
    changes = changes_since(plan, load_recipients(plan))
    if as_json:
        print_json({"request": plan.request.name, "changes": changes})
    else:
        click.echo("\n".join(changes) or f"{plan.request.name} is as it was approved")
    if changes:
        click.get_current_context().exit(14)


@request.command()
@_request
@site_option
@json_option
def status(request_path: Path, site_path: Path, as_json: bool) -> None:
    """Show which papers of REQUEST stand, which lack, were withdrawn or superseded; exit code 14 if not all stand."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.authorization import load_recipients, papers_of  # noqa: PLC0415
    from deid.papers.paper import Standards  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415

    plan = compile_request(request_path, None)
    site = load_site(site_path)
    against = Standards(plan.request.name, load_trust(site.trust), known_here(site), datetime.now(UTC))
    papers = papers_of(plan, site, load_recipients(plan), against)
    if as_json:
        print_json({"request": plan.request.name, "papers": [paper.as_record() for paper in papers]})
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
    from deid.keys.recipients import load_recipient  # noqa: PLC0415
    from deid.papers.actual_knowledge import sign_knowledge  # noqa: PLC0415

    plan = compile_request(request_path, None)
    recipients = [load_recipient(path) for path in plan.request.recipients]
    written = sign_knowledge(
        request_path,
        open_signing_key(key_path),
        name=plan.request.name,
        request_sha256=plan.request.digest,
        policy_sha256=plan.policy.digest,
        dataset_sha256=plan.dataset.digest,
        recipients=recipients,
        signed_at=datetime.now(UTC),
        expires=day_of(expires),
    )
    for recipient in recipients:
        click.echo(f"recipient  {recipient.name}  {recipient.key}")
    click.echo(f"signed {written}; it holds for this request, policy and dataset description, and these recipients")
