"""`deid request`: check a request, and sign the statement that Safe Harbor needs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from deid import legal
from deid.cli.common import PathArgument, day_of, passphrase
from deid.cli.plan import compile_request


@click.group()
def request() -> None:
    """Check requests, and sign the statement that Safe Harbor needs."""


@request.command()
@click.argument("request_path", metavar="REQUEST", type=PathArgument)
@click.option("--period", help="The period of the release: 2026, 2026-Q3 or 2026-10.")
def check(request_path: Path, period: str | None) -> None:
    """Check that REQUEST can run under its policy and earns the basis that the policy claims."""
    plan = compile_request(request_path, period)
    judgment = legal.require(plan)
    columns = sum(len(planned.written) for planned in plan.tables)
    click.echo(f"{plan.request.name}: {columns} columns of {len(plan.tables)} tables under policy {plan.policy.name}")
    click.echo(judgment.headline)


@request.command()
@click.argument("request_path", metavar="REQUEST", type=PathArgument)
@click.option("--key", "key_path", type=PathArgument, required=True, help="The privacy officer's private signing key.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which the statement holds.")
def attest(request_path: Path, key_path: Path, expires: datetime | None) -> None:
    """Sign that nothing is known by which a release of REQUEST could identify anyone, 45 CFR 164.514(b)(2)(ii)."""
    from deid.actual_knowledge import sign_knowledge  # noqa: PLC0415
    from deid.keys.officers import load_signing_key  # noqa: PLC0415 - only where something is signed
    from deid.keys.recipients import load_recipient  # noqa: PLC0415

    plan = compile_request(request_path, None)
    recipients = [load_recipient(path) for path in plan.request.recipients]
    written = sign_knowledge(
        request_path,
        load_signing_key(key_path, passphrase("the signing key")),
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
