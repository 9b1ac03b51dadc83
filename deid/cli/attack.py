"""`deid attack`: a red team let loose on a release before anybody else is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deid.cli.common import (
    PathArgument,
    json_option,
    passphrase,
    print_json,
    progress_bar,
    release_folder,
    site_option,
)

if TYPE_CHECKING:
    from deid.opening import OpenedRelease
    from deid.planning.plan import Plan


@click.command()
@click.argument("release", type=release_folder)
@click.option("--identity", type=PathArgument, multiple=True, help="A recipient's private key file.")
@click.option("--request", "request_path", type=PathArgument, required=True, help="The request it was made for.")
@site_option
@click.option("--targets", type=click.IntRange(1), default=1_000, show_default=True, help="How many are looked for.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Decides who and what is known.")
@click.option("--voters", type=PathArgument, help="A voter list: CSV or Parquet, columns named by kinds.")
@click.option("--earlier", type=release_folder, help="A release of an earlier month of the same series.")
@click.option("--other", type=release_folder, help="A release that another recipient has.")
@click.option("--other-request", type=PathArgument, help="The request that the other one was made for.")
@click.option("--only", multiple=True, help="Let only this attacker loose; may be given several times.")
@json_option
def attack(
    release: Path,
    identity: tuple[Path, ...],
    request_path: Path,
    site_path: Path,
    targets: int,
    seed: int,
    voters: Path | None,
    earlier: Path | None,
    other: Path | None,
    other_request: Path | None,
    only: tuple[str, ...],
    as_json: bool,
) -> None:
    """Attack RELEASE with what outsiders know, and hold what comes of it against the policy's ceilings.

    The site's own source tells what outsiders know, its keys who is who; neither leaves this process, and no attacker
    sees the second. Fails where an attack went beyond a ceiling, or found what no release may tell.
    """
    from deid.attacks import ATTACKERS  # noqa: PLC0415 - loads pyarrow
    from deid.audit.events import EventKind  # noqa: PLC0415
    from deid.audit.site import record_release, site_log  # noqa: PLC0415
    from deid.documents.site import load_site  # noqa: PLC0415
    from deid.errors import DisclosureError  # noqa: PLC0415
    from deid.keys import open_provider  # noqa: PLC0415
    from deid.opening import open_release  # noqa: PLC0415
    from deid.recall.gate import refuse_recalled_release  # noqa: PLC0415
    from deid.red_team import Other, Verdict  # noqa: PLC0415
    from deid.red_team import attack as run_attack  # noqa: PLC0415
    from deid.red_team.report import as_record, as_text  # noqa: PLC0415
    from deid.red_team.voters import read_voters  # noqa: PLC0415

    if unknown := sorted(set(only) - set(ATTACKERS)):
        raise click.UsageError(f"there is no attacker {unknown[0]!r}; there are {', '.join(ATTACKERS)}")
    if (other is None) != (other_request is None):
        raise click.UsageError("--other and --other-request go together")
    site = load_site(site_path)
    provider = open_provider(site.keys, passphrase("the site's keys"))
    log = site_log(site, provider)

    def opened(folder: Path) -> OpenedRelease:
        refuse_recalled_release(folder, site, log)
        return open_release(folder, identity, passphrase("the private key"), provider=provider)

    held = opened(release)
    plan = plan_of(request_path, held)
    before = _before(opened(earlier), held) if earlier is not None else None
    second = None
    if other is not None and other_request is not None:
        theirs = _beside(opened(other), held)
        second = Other(theirs, plan_of(other_request, theirs))
    with progress_bar() as progress:
        scored = run_attack(
            held,
            plan,
            site,
            provider,
            progress=progress,
            targets=targets,
            seed=seed,
            voters=read_voters(voters) if voters is not None else None,
            earlier=before,
            other=second,
            attackers=[ATTACKERS[name] for name in only] or None,
        )
    bad = sorted({figure.attacker for figure in scored.figures if figure.verdict is Verdict.FAILED})
    failed = {"failed": ",".join(bad)} if bad else {}
    record_release(
        log,
        EventKind.RELEASE_ATTACKED,
        release,
        held.manifest,
        outcome=scored.verdict.value,
        targets=scored.targets,
        **failed,
    )
    if as_json:
        print_json(as_record(scored, held.manifest))
    else:
        click.echo(as_text(scored, held.manifest))
    if scored.verdict is Verdict.FAILED:
        raise DisclosureError(
            f"release {held.manifest.release} does not withstand: {', '.join(bad)}",
            hint="do not hand it on, recall it if it was, and see above what to do; then make another release",
        )


def _before(earlier: OpenedRelease, held: OpenedRelease) -> OpenedRelease:
    """Return an earlier release; raise ReleaseError for one that is none of this series, or not earlier."""
    from deid.attacks.rules import last_day  # noqa: PLC0415
    from deid.errors import ReleaseError  # noqa: PLC0415

    if earlier.manifest.request != held.manifest.request:
        raise ReleaseError(
            f"release {earlier.manifest.release} is of another request than {held.manifest.release}",
            hint="--earlier takes a release of an earlier month of the same series; others go with --other",
        )
    if last_day(earlier.manifest) >= last_day(held.manifest):
        raise ReleaseError(
            f"release {earlier.manifest.release} is not earlier than {held.manifest.release}",
            hint="give the release of the later period first, and the one before it with --earlier",
        )
    return earlier


def _beside(other: OpenedRelease, held: OpenedRelease) -> OpenedRelease:
    """Return another recipient's release; raise ReleaseError for one of another source, or the same one."""
    from deid.errors import ReleaseError  # noqa: PLC0415

    if other.manifest.dataset_sha256 != held.manifest.dataset_sha256:
        raise ReleaseError(
            f"release {other.manifest.release} is of another source than {held.manifest.release}",
            hint="--other takes a release of the same source, under the same description",
        )
    if other.manifest == held.manifest:
        raise ReleaseError(
            f"release {other.manifest.release} is the one that is attacked",
            hint="--other takes a release that another recipient has",
        )
    return other


def plan_of(request_path: Path, opened: OpenedRelease) -> Plan:
    """Return the plan by which a release was made; raise DocumentError where request or policy are other ones."""
    from deid.documents.period import parse_period  # noqa: PLC0415
    from deid.documents.policy import load_policy  # noqa: PLC0415
    from deid.documents.request import load_request  # noqa: PLC0415
    from deid.errors import DocumentError  # noqa: PLC0415
    from deid.planning.compiler import compile_plan  # noqa: PLC0415
    from deid.sources.description import load_dataset  # noqa: PLC0415

    manifest = opened.manifest
    request = load_request(request_path)
    policy, dataset = load_policy(request.policy), load_dataset(request.dataset)
    found = (request.digest, policy.digest, dataset.digest)
    if found != (manifest.request_sha256, manifest.policy_sha256, manifest.dataset_sha256):
        raise DocumentError(
            f"release {manifest.release} was made for another request, or under another policy or description",
            hint="give the documents as they were then: their digests stand in manifest.json",
        )
    period = parse_period(manifest.period) if manifest.period else None
    return compile_plan(request, policy, dataset, period=period, today=manifest.created)
