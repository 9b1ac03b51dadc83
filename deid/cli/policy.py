"""`deid policy`: check, show, sign, and have an expert determine the risk."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from deid.cli.common import PathArgument, day_of, json_option, open_signing_key, print_json, site_option
from deid.cli.withdrawing import take_back, withdraw_options
from deid.documents.policy import Policy, load_policy
from deid.kinds import KINDS
from deid.legal.policies import check_policy
from deid.transforms.words import rule_text


@click.group()
def policy() -> None:
    """Check, show and sign policies."""


@policy.command()
@click.argument("policy_path", metavar="POLICY", type=PathArgument)
@json_option
def check(policy_path: Path, as_json: bool) -> None:
    """Prove that every rule of POLICY is allowed on the basis it claims, or say which paragraph each breaks."""
    loaded = load_policy(policy_path)
    findings = check_policy(loaded)
    if as_json:
        print_json({"policy": loaded.name, "basis": loaded.basis.value, "notes": [f.text for f in findings]})
        return
    click.echo(f"{loaded.name} version {loaded.version} claims {loaded.basis.value.replace('_', ' ')}")
    click.echo(f"  {len(loaded.rules)} kinds and {len(loaded.columns)} columns have a rule; every rule is allowed")
    for finding in findings:
        click.echo(f"  - {finding.paragraph}  {finding.subject}: {finding.text}")


@policy.command()
@click.argument("policy_path", metavar="POLICY", type=PathArgument)
def show(policy_path: Path) -> None:
    """Show every rule of POLICY beside the paragraph that names its kind."""
    click.echo("\n".join(_lines(load_policy(policy_path))))


def _lines(policy: Policy) -> list[str]:
    width = max((len(name) for name in (*policy.rules, *policy.columns)), default=0)
    lines = [f"{policy.name} version {policy.version}, claims {policy.basis.value.replace('_', ' ')}"]
    for name, transform in policy.rules.items():
        letter = KINDS[name].safe_harbor
        cited = f"  164.514(b)(2)(i)({letter})" if letter else ""
        lines.append(f"  {name.ljust(width)}  {rule_text(transform)}{cited}")
    lines += [f"  {name.ljust(width)}  {rule_text(transform)}  (column)" for name, transform in policy.columns.items()]
    if policy.limits.k is not None:
        kinds = ", ".join(policy.limits.quasi_identifiers)
        lines.append(f"  k = {policy.limits.k} over {kinds}; at most {100 * policy.limits.suppression:g} % withheld")
    for kind, rungs in policy.limits.recoding.items():
        lines.append(f"  {kind} is recoded by one of: {' > '.join(rule_text(rung) for rung in rungs)}")
    lines += [f"  {name} shows one value of the patient: {take}" for name, take in policy.limits.reduced.items()]
    return lines


@policy.command()
@click.argument("policy_path", metavar="POLICY", type=PathArgument)
@click.option("--key", "key_path", required=True, help="The officer's private signing key: a file, or a URI.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which the signature holds.")
def sign(policy_path: Path, key_path: str, expires: datetime | None) -> None:
    """Sign POLICY as it stands; any later change to the file undoes the signature."""
    from deid.papers.signing import sign_document  # noqa: PLC0415
    from deid.papers.withdrawal import policy_held, refuse_withdrawn_text  # noqa: PLC0415

    loaded = load_policy(policy_path)
    check_policy(loaded)
    refuse_withdrawn_text(policy_held(loaded))
    written = sign_document(
        policy_path,
        open_signing_key(key_path),
        "policy",
        data_digest=loaded.digest,
        name=loaded.name,
        version=str(loaded.version),
        signed_at=datetime.now(UTC),
        expires=day_of(expires),
    )
    click.echo(f"signed {written}")


@policy.command()
@click.argument("policy_path", metavar="POLICY", type=PathArgument)
@click.option("--determination", is_flag=True, help="Take back the expert's determination, and not the policy.")
@withdraw_options
def withdraw(policy_path: Path, determination: bool, key_path: str, reason: str, later: bool, site_path: Path) -> None:
    """Take POLICY back: nothing runs under this text again, whatever request names it."""
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.determination import verify_determination  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415
    from deid.papers.withdrawal import determination_held, policy_held  # noqa: PLC0415

    loaded, site = load_policy(policy_path), load_site(site_path)
    trust, held = load_trust(site.trust), policy_held(loaded)
    if determination:
        verify_determination(loaded, trust, at=datetime.now(UTC))
        held = determination_held(loaded)
    take_back(held, site, trust, key_path=key_path, reason=reason, later=later)


@policy.command()
@click.argument("policy_path", metavar="POLICY", type=PathArgument)
@click.option("--key", "key_path", required=True, help="The expert's private signing key: a file, or a URI.")
@click.option("--document", type=PathArgument, required=True, help="The report with methods and results, kept by you.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The last day on which it holds.")
@site_option
def determine(policy_path: Path, key_path: str, document: Path, expires: datetime, site_path: Path) -> None:
    """Sign, as an expert, that releases under POLICY carry a very small risk, 45 CFR 164.514(b)(1)."""
    import hashlib  # noqa: PLC0415

    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.errors import DocumentError  # noqa: PLC0415
    from deid.papers.determination import sign_determination  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415

    loaded = load_policy(policy_path)
    check_policy(loaded)
    try:
        with document.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DocumentError(f"cannot read {document.name}: {error.strerror}", hint="name the expert's report") from None
    written = sign_determination(
        loaded,
        open_signing_key(key_path),
        load_trust(load_site(site_path).trust),
        document_sha256=digest,
        expires=expires.date(),
        at=datetime.now(UTC),
    )
    click.echo(f"signed {written}")
