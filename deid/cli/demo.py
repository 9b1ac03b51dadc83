"""`deid demo`: a whole site in one folder, from keys to an opened release."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid.cli.common import PathArgument, progress_bar
from deid.cli.export import summary
from deid.cli.plan import as_lines, compile_request
from deid.documents.policy import Basis
from deid.errors import StorageError
from deid.keys.base import KeyProvider
from deid.keys.officers import SigningKey, generate_signing_key

if TYPE_CHECKING:
    from deid.documents.policy import Policy
    from deid.papers.trust import TrustRoot

REQUESTS = ("diabetes-encounters", "emergency-visits")
TABLES = "diabetes-by-county"
DEMO_SCRYPT_N = 2**15  # the demo's passphrase is random and thrown away, so it needs no costly stretching


@click.command()
@click.option("--folder", type=PathArgument, default=Path("demo"), show_default=True, help="A folder to make.")
@click.option("--project", type=PathArgument, default=Path(), help="Where samples/, policies/ and exports/ lie.")
def demo(folder: Path, project: Path) -> None:
    """Make a site, an officer and a researcher, export the samples, and open the release."""
    if folder.exists():
        raise StorageError(f"{folder} is already there", hint="remove it, or name another with --folder")
    for needed in ("samples", "policies", "exports"):
        if not (project / needed).is_dir():
            raise StorageError(f"there is no {needed}/ folder here", hint="run this in a checkout, or use --project")
        shutil.copytree(project / needed, folder / needed, ignore=shutil.ignore_patterns("releases", "*.dsse.json"))
    provider, officer, asker, expert, signing = _people(folder)
    for policy in sorted((folder / "policies").glob("*.yaml")):
        _sign_policy(policy, officer)
    for name in REQUESTS:
        _run(folder, folder / "exports" / f"{name}.yaml", provider, officer, asker, expert, signing)
    _approve_tables(folder, officer, asker, expert)
    click.echo(f"\nEverything is in {folder}/. Try: deid plan {folder}/exports/{REQUESTS[0]}.yaml")


def _people(folder: Path) -> tuple[KeyProvider, SigningKey, SigningKey, SigningKey, SigningKey]:
    """Make the keys of the site, its officer, who asks, an expert, and what the site signs with."""
    from deid.keys.local import generate_provider  # noqa: PLC0415
    from deid.keys.recipients import generate_identity  # noqa: PLC0415
    from deid.papers.trust import add_person  # noqa: PLC0415

    for place in (folder / "keys", folder / "exports" / "keys"):
        place.mkdir(mode=0o700, exist_ok=True)
    passphrase = secrets.token_urlsafe(24).encode()
    (folder / "keys" / "passphrase").touch(mode=0o600)
    (folder / "keys" / "passphrase").write_bytes(passphrase)
    provider = generate_provider(folder / "keys" / "site.key", passphrase, scrypt_n=DEMO_SCRYPT_N)
    officer = generate_signing_key(folder / "keys" / "officer.key", passphrase, scrypt_n=DEMO_SCRYPT_N)
    add_person(folder / "trust.yaml", name="Demo Officer", role="privacy_officer", key=folder / "keys" / "officer.pub")
    asker = generate_signing_key(folder / "keys" / "requester.key", passphrase, scrypt_n=DEMO_SCRYPT_N)
    add_person(folder / "trust.yaml", name="Demo Researcher", role="requester", key=folder / "keys" / "requester.pub")
    expert = generate_signing_key(folder / "keys" / "expert.key", passphrase, scrypt_n=DEMO_SCRYPT_N)
    add_person(folder / "trust.yaml", name="Demo Expert", role="expert", key=folder / "keys" / "expert.pub")
    signing = generate_signing_key(folder / "keys" / "site-signing.key", passphrase, scrypt_n=DEMO_SCRYPT_N)
    add_person(folder / "trust.yaml", name="Demo Site", role="site", key=folder / "keys" / "site-signing.pub")
    generate_identity(folder / "researcher.key", folder / "exports" / "keys" / "researcher.pub", None)
    (folder / "site.yaml").write_text(
        "site: demo\nkeys: local:keys/site.key\ntrust: trust.yaml\nsigning: file:keys/site-signing.key\n"
    )
    click.echo(f"made a site, an officer who may sign, and a researcher's key in {folder}/")
    return provider, officer, asker, expert, signing


def _sign_policy(path: Path, officer: SigningKey) -> None:
    from deid.documents.policy import load_policy  # noqa: PLC0415
    from deid.legal.policies import check_policy  # noqa: PLC0415
    from deid.papers.signing import sign_document  # noqa: PLC0415

    policy = load_policy(path)
    check_policy(policy)
    sign_document(
        path,
        officer,
        "policy",
        data_digest=policy.digest,
        name=policy.name,
        version=str(policy.version),
        signed_at=datetime.now(UTC),
    )
    click.echo(f"checked and signed policy {policy.name}")


def _run(
    folder: Path,
    request: Path,
    provider: KeyProvider,
    officer: SigningKey,
    asker: SigningKey,
    expert: SigningKey,
    signing: SigningKey,
) -> None:
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.export import export  # noqa: PLC0415
    from deid.opening import CONVERTERS, open_release  # noqa: PLC0415
    from deid.papers.actual_knowledge import sign_knowledge  # noqa: PLC0415
    from deid.papers.approval import approve, sign_request  # noqa: PLC0415
    from deid.papers.authorization import load_recipients  # noqa: PLC0415
    from deid.papers.bound import propose  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415

    plan = compile_request(request, None)
    click.echo("")
    if plan.policy.basis is Basis.SAFE_HARBOR:
        sign_knowledge(
            request,
            officer,
            name=plan.request.name,
            request_sha256=plan.request.digest,
            policy_sha256=plan.policy.digest,
            dataset_sha256=plan.dataset.digest,
            recipients=load_recipients(plan),
            signed_at=datetime.now(UTC),
        )
    from deid import legal  # noqa: PLC0415

    click.echo("\n".join(as_lines(plan, legal.judge(plan))))
    site = load_site(folder / "site.yaml")
    trust, now = load_trust(site.trust), datetime.now(UTC)
    if plan.policy.basis is Basis.EXPERT_DETERMINATION:
        _determine(folder, plan.policy, expert, trust)
    sign_request(plan.request, asker, trust, at=now)
    approve(propose(plan, load_recipients(plan)), officer, trust, at=now)
    click.echo("asked for by the researcher and approved by the officer")
    with progress_bar() as progress:
        done = export(plan, site, provider, progress=progress, signing=signing)
    click.echo("\n".join(summary(done)))
    opened = open_release(done.folder, [folder / "researcher.key"])
    target = folder / "opened" / plan.request.name
    target.parent.mkdir(mode=0o700, exist_ok=True)
    CONVERTERS["csv"](opened, target)
    click.echo(f"opened with the researcher's key into {target}/")


def _determine(folder: Path, policy: Policy, expert: SigningKey, trust: TrustRoot) -> None:
    from deid.papers.determination import sign_determination  # noqa: PLC0415

    report = b"A stand-in for an expert's report, for made-up patients: it determines nothing.\n"
    (folder / "expert-report.txt").write_bytes(report)
    digest, now = hashlib.sha256(report).hexdigest(), datetime.now(UTC)
    last = now.date() + timedelta(days=365)
    sign_determination(policy, expert, trust, document_sha256=digest, expires=last, at=now)


def _approve_tables(folder: Path, officer: SigningKey, asker: SigningKey, expert: SigningKey) -> None:
    """Have the request for tables signed and approved, so that `deid tabulate` may be tried."""
    from deid.cli.proposals import asked_at  # noqa: PLC0415
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.papers.approval import approve, sign_request  # noqa: PLC0415
    from deid.papers.trust import load_trust  # noqa: PLC0415

    trust, now = load_trust(load_site(folder / "site.yaml").trust), datetime.now(UTC)
    proposal = asked_at(folder / "exports" / f"{TABLES}.yaml").propose()
    _determine(folder, proposal.policy, expert, trust)
    sign_request(proposal.asked, asker, trust, at=now)
    approve(proposal, officer, trust, at=now)
    click.echo(f"\ntables {TABLES} are asked for and approved, and not made: deid tabulate makes them")
