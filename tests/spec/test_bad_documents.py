"""Bad documents, names, signatures and keys: one clear error with a hint and an exit code, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from refusals import refused
from sites import PASSPHRASE, TEST_SCRYPT_N, TODAY
from tiny_sources import LIMITED, REQUESTED, SAFE, World

from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.errors import (
    DocumentError,
    KeyFaultError,
    PlanError,
    TrustError,
)
from deid.export import export
from deid.keys.local import open_local
from deid.keys.officers import generate_signing_key
from deid.keys.recipients import generate_identity
from deid.opening import open_release
from deid.papers.signing import sign_document
from deid.papers.trust import add_person
from deid.sources.description import load_dataset

TABLES = REQUESTED | {"encounters": [*REQUESTED["encounters"], "COST"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for all tests of this file."""
    return World(tmp_path_factory.mktemp("bad") / "site")


# Documents


def bomb() -> bytes:
    """Return the anchors that swell to a thousand million laughs."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines).encode()


DOCUMENTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "unknown key": (lambda good: good + b"shedule: monthly\n", "unknown field 'shedule'"),
    "doubled key": (
        lambda good: good + b"\n".join(line for line in good.splitlines() if line[:1].isalpha()),
        "stands twice",
    ),
    "anchor bomb": (lambda _: bomb(), "anchors, aliases and tags"),
    "tag": (lambda good: good + b"extra: !!python/object/apply:os.system ['true']\n", "anchors, aliases and tags"),
    "huge number": (lambda good: good + b"extra: " + b"9" * 5000 + b"\n", "a number of more than 18 characters"),
    "deep lists": (lambda _: b"[" * 200_000, "nested more than 32 deep"),
    "deep maps": (lambda _: b"a: " + b"{a: " * 50_000, "nested more than 32 deep"),
    "deep blocks": (lambda _: b"- " * 100_000, "nested more than 32 deep"),
    "not UTF-8": (lambda good: good + b"# Quixwerble \xff\n", "not UTF-8"),
    "NUL": (lambda good: good + b"a: \0\n", "."),
    "empty": (lambda _: b"", "is empty"),
    "comments only": (lambda _: b"# nothing\n", "is empty"),
    "too large": (lambda good: good + b"#" * 1_000_001, "larger than"),
    "a list": (lambda _: b"- a\n- b\n", "Expected 'object'"),
    "a key that is a list": (lambda good: good + b"? [Quixwerble]\n: 1\n", "a key must be a word"),
    "a source in its place": (lambda _: b"ID,LAST,SSN\nSENTINEL-PAT-1,Quixwerble,917-66-4242\n", "Expected 'object'"),
    "a source that looks like keys": (lambda _: b"SENTINEL-PAT-1,Quixwerble: 917-66-4242\n", "no plain word"),
    "a source with doubled rows": (lambda _: b"Quixwerble 917-66-4242: 1\nQuixwerble 917-66-4242: 1\n", "twice"),
    "a source with quotes": (lambda _: b'"Quixwerble","917-66-4242"\n', "."),
    "a source with tabs": (lambda _: b"SENTINEL-PAT-1\tQuixwerble:\t917-66-4242\n\t- x\n", "."),
}


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("which", ["request", "policy", "dataset"])
def test_a_faulty_document_is_refused(
    world: World, caplog: pytest.LogCaptureFixture, document: str, which: str
) -> None:
    """Requests, policies and descriptions are plain, bounded data, and errors name the file and often the place."""
    dataset = world.source()
    request = world.request(dataset, TABLES)
    load, good = {
        "request": (load_request, request),
        "policy": (load_policy, world.named_policy(LIMITED)),
        "dataset": (load_dataset, dataset),
    }[which]
    path = world.folder / "faulty.yaml"
    change, pattern = DOCUMENTS[document]
    path.write_bytes(change(good.read_bytes()))
    started = datetime.now(UTC)
    with refused(world, DocumentError, pattern, caplog):
        load(path)
    assert datetime.now(UTC) - started < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("request", "../climbed"),
        ("request", "a/b"),
        ("request", "."),
        ("request", "Study"),
        ("request", "a" * 64),
        ("request", ""),
        ("party", "../others"),
        ("party", "outcomes\nothers"),
    ],
)
def test_names_that_climb_or_could_not_be_folders_are_refused(
    world: World, caplog: pytest.LogCaptureFixture, field: str, value: str
) -> None:
    """Names of requests and parties become folder names and domains of pseudonyms."""
    request = world.request(world.source(), TABLES)
    lines = [line for line in request.read_text().splitlines() if not line.startswith(f"{field}:")]
    request.write_text("\n".join([*lines, f"{field}: {value!r}"]))
    with refused(world, DocumentError, f"{field} is a name", caplog):
        world.site.run(request)


@pytest.mark.parametrize("name", ["../../out", "..", ".hidden", "a/b", "x" * 129, "a\0b"])
def test_release_names_that_climb_are_refused(world: World, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """The release's name becomes a folder below the request's."""
    request = world.request(world.source(), TABLES)
    with refused(world, DocumentError, "the release's name", caplog):
        world.site.run(request, name=name)
    assert not list(world.folder.parent.rglob("out"))


@pytest.mark.parametrize(
    "path", ["../secret.csv", "/etc/passwd", "a/../../secret.csv", "C:\\secret.csv", "a\\b.csv", "*/x.csv"]
)
def test_table_paths_that_leave_the_folder_are_refused(
    world: World, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """A description reads below its root and nowhere else."""
    dataset = world.source()
    (dataset.parent.parent / "secret.csv").write_text("ID,BIRTH,LAST,SSN,SEX,ZIP\n")
    dataset.write_text(dataset.read_text().replace("patients.csv", repr(path)))
    with refused(world, DocumentError, "path", caplog):
        world.site.run(world.request(dataset, TABLES))


def test_links_out_of_the_folder_are_refused(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A symbolic link does not lead a description out of its root."""
    dataset = world.source()
    outside = world.folder / "outside.csv"
    (dataset.parent / "patients.csv").rename(outside)
    (dataset.parent / "patients.csv").symlink_to(outside)
    with refused(world, DocumentError, "leads out", caplog):
        world.site.run(world.request(dataset, TABLES))


def test_a_recipient_file_that_is_no_key_is_not_quoted(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A source named by mistake as a recipient's key is refused without a word of it."""
    dataset = world.source()
    request = world.request(dataset, TABLES, recipients=[str(dataset.parent / "patients.csv")])
    with refused(world, KeyFaultError, "", caplog):
        world.site.run(request)


# What must be signed, agreed and in force


def test_an_expired_request_does_not_run(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The last day is in force; the day after is not."""
    dataset = world.source()
    world.site.plan(world.request(dataset, TABLES, expires=str(TODAY)))
    with refused(world, PlanError, "expired on", caplog):
        world.site.run(world.request(dataset, TABLES, expires=str(TODAY - timedelta(days=1))))


def own_policy(world: World, name: str) -> Path:
    """Return an unsigned copy of the Limited Data Set policy."""
    path = world.folder / "policies" / f"{name}.yaml"
    path.write_bytes(world.named_policy(LIMITED).read_bytes())
    return path


def signed_by(path: Path, key: Any, *, expires: date | None = None) -> Path:
    """Sign a policy with a key."""
    policy = load_policy(path)
    sign_document(path, key, "policy", data_digest=policy.digest, name=policy.name, version="1", signed_at=datetime.now(UTC), expires=expires)  # fmt: skip
    return path


def untrusted(world: World, name: str) -> Path:
    """Return a policy signed by somebody whom the trust root does not know."""
    key = generate_signing_key(world.folder / "keys" / f"{name}.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    return signed_by(own_policy(world, name), key)


def unable(world: World, name: str) -> Path:
    """Return a policy signed by somebody whose role may not sign policies."""
    key = generate_signing_key(world.folder / "keys" / f"{name}.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    add_person(world.site.site.trust, name="Researcher", role="researcher", key=world.folder / "keys" / f"{name}.pub")
    return signed_by(own_policy(world, name), key)


def altered(world: World, name: str) -> Path:
    """Return a policy that was changed after it was signed."""
    path = world.site.sign(own_policy(world, name))
    path.write_text(path.read_text() + "# a remark\n")
    return path


def expired(world: World, name: str) -> Path:
    """Return a policy whose signature held until yesterday."""
    return signed_by(own_policy(world, name), world.site.officer, expires=datetime.now(UTC).date() - timedelta(days=1))


def swapped(world: World, name: str) -> Path:
    """Return a policy beside the statement over another."""
    path = own_policy(world, name)
    statement = world.named_policy(SAFE).with_name("safe-harbor.yaml.dsse.json")
    path.with_name(f"{path.name}.dsse.json").write_bytes(statement.read_bytes())
    return path


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (own_policy, "is not signed"),
        (altered, "altered after it was signed"),
        (untrusted, "signed by nobody in"),
        (unable, "may not sign"),
        (expired, "expired on"),
        (swapped, "altered after it was signed"),
    ],
)
def test_a_policy_that_no_officer_vouches_for_does_not_run(
    world: World, caplog: pytest.LogCaptureFixture, make: Callable[[World, str], Path], pattern: str
) -> None:
    """A policy runs on a signature in force over its very bytes, of somebody who may sign policies."""
    policy = make(world, f"policy-{make.__name__}")
    with refused(world, TrustError, pattern, caplog):
        world.site.run(world.request(world.source(), TABLES, policy=policy))


@pytest.mark.parametrize("change", ["none", "request", "dataset", "another"])
def test_safe_harbor_needs_the_statement_over_this_very_request(
    world: World, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    """No statement, one over a request or description that changed since, or one over another request: refused."""
    dataset = world.source()
    request = world.request(dataset, TABLES, policy=SAFE)
    plan = world.site.plan(request)
    if change == "another":
        other = world.site.plan(world.request(dataset, TABLES, policy=SAFE))
        world.site.attest(other)
        statement = other.request.path.with_name(f"{other.request.path.name}.knowledge.dsse.json")
        request.with_name(f"{request.name}.knowledge.dsse.json").write_bytes(statement.read_bytes())
    elif change != "none":
        world.site.attest(plan)
        changed = request if change == "request" else dataset
        changed.write_text(changed.read_text() + "# changed\n")
    with refused(world, TrustError, "statement|signed|altered", caplog):
        export(world.site.plan(request), world.site.site, world.site.provider, progress=lambda _what, _rows: None)


@pytest.mark.parametrize("agreement", [None, "", "  "])
def test_a_limited_data_set_needs_an_agreement(
    world: World, caplog: pytest.LogCaptureFixture, agreement: str | None
) -> None:
    """Without a reference to a data-use agreement nothing leaves under 164.514(e)."""
    with refused(world, PlanError, r"164\.514\(e\)\(4\)", caplog):
        world.site.run(world.request(world.source(), TABLES, agreement=agreement))


def test_nothing_runs_on_a_draft(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A description that nobody confirmed does not run."""
    dataset = world.source()
    dataset.write_text("confirmed: false\n" + dataset.read_text())
    with refused(world, PlanError, "draft", caplog):
        world.site.run(world.request(dataset, TABLES))


def test_wrong_passphrase_and_wrong_recipient(world: World, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Neither the site's keys nor a release opens for somebody else."""
    with refused(world, KeyFaultError, "passphrase", caplog):
        open_local(world.folder / "keys" / "site.key", lambda: b"guess")
    done = world.site.run(world.request(world.source(), TABLES))
    generate_identity(tmp_path / "other.key", tmp_path / "other.pub", None)
    with refused(world, KeyFaultError, "", caplog):
        open_release(done.folder, [tmp_path / "other.key"])
