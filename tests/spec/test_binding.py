"""What the signatures bind in a real run: exchange any of it after the officer signed, and nothing is released."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tiny_sources import LIMITED, REQUESTED, SAFE, World

from deid.errors import TrustError
from deid.export import export
from deid.keys.recipients import generate_identity
from deid.papers.signing import sign_document
from deid.planning.plan import Plan
from deid.sources.description import load_dataset

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("binding") / "site")


def run(world: World, plan: Plan, *, now: datetime | None = None) -> Path:
    """Run a plan as it stands, without signing anything; return the release's folder."""
    return export(plan, world.site.site, world.site.provider, progress=lambda _what, _rows: None, now=now).folder


def attested(world: World, recipients: list[Path], **fields: object) -> Plan:
    """Return the plan of a Safe Harbor request whose statement of no actual knowledge is signed."""
    names = [str(path) for path in recipients]
    request = world.request(world.source(), REQUESTED, policy=SAFE, recipients=names, **fields)
    plan = world.site.plan(request)
    world.site.attest(plan)
    return plan


def test_a_recipient_s_key_exchanged_after_the_statement_is_refused(world: World, tmp_path: Path) -> None:
    """The request's text is the same, but its key file holds another key now: no release is sealed to a stranger."""
    paths = [tmp_path / "one.pub", tmp_path / "two.pub"]
    for path in paths:
        generate_identity(path.with_suffix(".key"), path, None)
    plan = attested(world, paths)
    before = world.site.leftovers()
    signed = paths[1].read_bytes()
    generate_identity(tmp_path / "stranger.key", tmp_path / "stranger.pub", None)
    paths[1].write_bytes((tmp_path / "stranger.pub").read_bytes())
    with pytest.raises(TrustError, match="recipients' keys"):
        run(world, plan)
    assert world.site.leftovers() == before
    paths[1].write_bytes(signed)
    assert run(world, plan).is_dir()


def test_one_statement_serves_every_release_of_a_request(world: World) -> None:
    """Neither the release's name nor its period is bound: a standing request needs no officer every month."""
    plan = attested(world, [world.site.researcher.with_suffix(".pub")])
    again = world.site.plan(plan.request.path, name="again")
    assert run(world, plan).parent == run(world, again).parent


@pytest.mark.parametrize("change", [{"name": "other"}, {"version": "7"}])
def test_a_policy_signed_under_another_name_or_version_does_not_run(world: World, change: dict[str, str]) -> None:
    """The statement's name and version are compared with what was parsed from the policy."""
    policy = world.folder / "policies" / f"renamed-{next(iter(change))}.yaml"
    policy.write_bytes(world.named_policy(LIMITED).read_bytes())
    plan = world.site.plan(world.request(world.source(), REQUESTED, policy=policy))
    stated = {"name": plan.policy.name, "version": str(plan.policy.version)} | change
    digest, officer = plan.policy.digest, world.site.officer
    sign_document(policy, officer, "policy", data_digest=digest, signed_at=datetime.now(UTC), **stated)
    with pytest.raises(TrustError, match="the document is"):
        run(world, plan)
    world.site.sign(policy)
    assert run(world, plan).is_dir()


def test_a_run_before_its_policy_was_signed_is_refused(world: World) -> None:
    """A clock set back, or a statement dated ahead, does not run."""
    plan = world.site.plan(world.request(world.source(), REQUESTED))
    with pytest.raises(TrustError, match="in the future"):
        run(world, plan, now=datetime.now(UTC) - timedelta(days=1))


def test_the_digest_of_a_description_covers_the_built_in_one_below_it() -> None:
    """Two lines that name a format are not all that says which column is what: both files are bound."""
    path = REPOSITORY / "samples" / "synthea" / "dataset.yaml"
    shelf = REPOSITORY / "deid" / "sources" / "descriptions" / "synthea_csv.yaml"
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (path, shelf)]
    dataset = load_dataset(path)
    assert dataset.format == "synthea_csv"
    assert dataset.digest == hashlib.sha256("".join(digests).encode()).hexdigest()


def test_the_digest_of_a_description_of_its_own_is_that_of_its_file(world: World) -> None:
    """Without a built-in description the digest is what `sha256sum` prints."""
    path = world.source()
    assert load_dataset(path).digest == hashlib.sha256(path.read_bytes()).hexdigest()
