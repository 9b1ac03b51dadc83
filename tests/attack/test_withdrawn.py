"""Documents that were taken back, or in whose place newer ones came: none of them runs, whatever is put back or removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from desks import TODAY, Desk
from reidentifying import Officers
from schedules import faults, make_clinic, month, told
from sites import REPOSITORY
from tiny_sources import EXPERT

from deid.audit.site import renew, site_log
from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.documents.site import Site
from deid.errors import AuditError, StorageError, SupersededError, TrustError, WithdrawnError
from deid.export import export
from deid.keys.officers import SigningKey
from deid.papers.agreement import load_agreement, sign_agreement
from deid.papers.approval import approval_path, sign_request
from deid.papers.authorization import papers_of, policy_paper
from deid.papers.determination import sign_determination
from deid.papers.paper import Standards
from deid.papers.register import register_without_keys
from deid.papers.signing import payload_of, statement_path
from deid.papers.statements import seal
from deid.papers.trust import WITHDRAWAL, TrustRoot, load_trust
from deid.papers.withdrawal import (
    Held,
    agreement_held,
    determination_held,
    order_held,
    policy_held,
    request_held,
    withdraw,
)
from deid.planning.plan import Plan
from deid.reidentify import run
from deid.stores.place import parse_place
from deid.stores.sending import deliver
from deid.tables.run import tabulate

LATER = timedelta(minutes=2)  # of another second, and within what clocks may differ


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Make a desk with an approved request."""
    desk = Desk(tmp_path_factory.mktemp("desk") / "site")
    desk.keep()
    return desk


@pytest.fixture
def desk(made: Desk) -> Desk:
    """Return the desk as it was made."""
    return made.begin()


def take_back(held: Held, key: SigningKey, trust: TrustRoot, reason: str = "too-lax") -> Path:
    """Withdraw a document at this moment."""
    return withdraw(held, key, trust, reason=reason, at=datetime.now(UTC))


def _policy(desk: Desk) -> Held:
    return policy_held(desk.plan().policy)


def _request(desk: Desk) -> Held:
    return request_held(desk.plan().request)


def _agreement(desk: Desk) -> Held:
    agreement = load_agreement(desk.site.site.agreements / "DUA-1.yaml")
    return agreement_held(agreement.id, agreement.digest, desk.site.site.agreements)


def _determination(desk: Desk) -> Held:
    desk.request = desk.world.request(desk.dataset, {"patients": ["ID", "SEX"]}, request="determined", policy=EXPERT)
    policy = desk.plan().policy
    desk.site.plan(desk.request)
    return determination_held(policy)


def entered(desk: Desk, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Return subject and details of the log's entries of a kind."""
    found: list[tuple[str, dict[str, Any]]] = []
    site_log(desk.site.site, desk.site.provider).verify(
        seen=lambda entry, _: found.append((entry.subject, dict(entry.details))) if entry.kind == kind else None
    )
    return found


@pytest.mark.parametrize("of", [_policy, _request, _agreement, _determination])
def test_a_withdrawn_document_is_refused_and_stays_so(desk: Desk, of: Callable[[Desk], Held]) -> None:
    """Refused with its withdrawal beside it, and after that was removed: the log has it, with neither name nor text."""
    held = of(desk)
    written = take_back(held, desk.site.officer, desk.trust)
    assert isinstance(desk.refused("was withdrawn by Officer on .*too-lax"), WithdrawnError)
    written.unlink()
    assert isinstance(desk.refused("was withdrawn on .*: the audit log says so"), WithdrawnError)
    ((_, told_),) = entered(desk, "document-withdrawn")
    assert (told_["type"], told_["sha256"], told_["reason"]) == (held.type, held.digest, "too-lax")
    assert told_["signers"] == desk.site.officer.keyid


def test_renewing_the_log_brings_nothing_back(desk: Desk) -> None:
    """What can be read of a log that was set aside is known on, though its first entry is gone and nothing holds."""
    written = take_back(_request(desk), desk.site.officer, desk.trust)
    desk.refused("was withdrawn by")
    written.unlink()
    (segment,) = (desk.site.site.state / "audit").glob("segment-*")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([b"{}\n", *lines[1:]]))
    renew(desk.site.site, desk.site.provider)
    desk.refused("was withdrawn on .*: the audit log says so")


def test_nothing_runs_where_the_memory_is_damaged(desk: Desk) -> None:
    """A log from which the withdrawal was cut runs nothing, and leaves nothing."""
    desk.run()
    take_back(_policy(desk), desk.site.officer, desk.trust)
    desk.refused("was withdrawn")
    (segment,) = (desk.site.site.state / "audit").glob("segment-*")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(line for line in lines if b"document-withdrawn" not in line))
    before = desk.site.leftovers()
    with pytest.raises(AuditError):
        desk.run("two")
    assert desk.site.leftovers() == before


def _forged(desk: Desk, held: Held) -> None:
    terms = {"of": held.type, "reason": "other"}
    payload = payload_of(WITHDRAWAL, held.name, held.version, held.digest, datetime.now(UTC), None, terms)
    seal(held.withdrawal, desk.site.requester, payload)


def _spoiled(desk: Desk, held: Held) -> None:
    take_back(held, desk.site.officer, desk.trust)
    held.withdrawal.write_bytes(held.withdrawal.read_bytes().replace(b"=", b"A", 1)[:-9])


def _of_another(desk: Desk, held: Held) -> None:
    other = _request(desk)
    take_back(other, desk.site.officer, desk.trust).rename(held.withdrawal)


def _that_ends(desk: Desk, held: Held) -> None:
    terms = {"of": held.type, "reason": "other"}
    now = datetime.now(UTC)
    payload = payload_of(WITHDRAWAL, held.name, held.version, held.digest, now, (now + timedelta(days=9)).date(), terms)
    seal(held.withdrawal, desk.site.officer, payload)


def _dangling(desk: Desk, held: Held) -> None:
    held.withdrawal.symlink_to(desk.site.folder / "nowhere")


@pytest.mark.parametrize("make", [_forged, _spoiled, _of_another, _that_ends, _dangling])
def test_a_withdrawal_that_does_not_hold_stops_the_run(desk: Desk, make: Callable[[Desk, Held], None]) -> None:
    """Nobody's withdrawal withdraws nothing, and yet nothing runs until somebody has looked at it."""
    held = _policy(desk)
    make(desk, held)
    fault = desk.refused("a withdrawal lies beside the policy .*does not hold")
    assert held.withdrawal.name in fault.hint
    assert entered(desk, "document-withdrawn") == []
    held.withdrawal.unlink()
    desk.run()


def test_who_may_not_withdraw_is_told_so(desk: Desk) -> None:
    """The command refuses the requester, a reason in free words, and one person who would count twice."""
    held = _request(desk)
    with pytest.raises(TrustError, match="may not sign a statement of the type withdrawal"):
        take_back(held, desk.site.requester, desk.trust)
    with pytest.raises(TrustError, match="no reason of a withdrawal"):
        take_back(held, desk.site.officer, desk.trust, "because of Mrs. Quixwerble")
    assert not held.withdrawal.exists()
    second = desk.person("Second", "data_steward")
    desk.trusting("threshold: {withdrawal: 2}\n")
    take_back(held, desk.site.officer, desk.trust)
    desk.refused("does not hold: .*does not carry 2 valid")
    with pytest.raises(TrustError, match="by this key already"):
        take_back(held, desk.site.officer, desk.trust)
    take_back(held, second, desk.trust)
    desk.refused("was withdrawn by .*Officer")


def test_a_forged_withdrawal_is_replaced_and_not_joined(desk: Desk) -> None:
    """Nobody who may not chooses under which reason, or since when, an officer takes a document back."""
    held = _policy(desk)
    _forged(desk, held)
    take_back(held, desk.site.officer, desk.trust, "misuse")
    desk.refused("was withdrawn by Officer on .*misuse")


def test_a_new_text_comes_back_by_new_signatures(desk: Desk) -> None:
    """The withdrawal of the old text lies beside the new one, which runs once it is signed and approved."""
    take_back(_request(desk), desk.site.officer, desk.trust)
    content = yaml.safe_load(desk.request.read_text()) | {"purpose": "a smaller study"}
    desk.request.write_text(yaml.safe_dump(content))
    desk.refused("altered after it was signed")
    desk.site.plan(desk.request)
    desk.run()
    assert len(entered(desk, "document-withdrawn")) == 1


def test_a_later_determination_over_the_same_policy_counts(desk: Desk) -> None:
    """What the expert took back is what was signed then, not the policy."""
    held = _determination(desk)
    take_back(held, desk.site.expert, desk.trust, "new-knowledge")
    desk.refused("was withdrawn by Expert")
    policy, now = desk.plan().policy, datetime.now(UTC)
    sign_determination(
        policy,
        desk.site.expert,
        desk.trust,
        document_sha256="1" * 64,
        expires=TODAY + timedelta(days=9),
        at=now + LATER,
    )
    assert states(desk) == {"expert-determination": "stands", "policy": "stands", "request": "stands"}


def states(desk: Desk) -> dict[str, str]:
    """Return what becomes of the papers that anybody signs."""
    plan, site = desk.plan(), desk.site.site
    against = Standards(plan.request.name, desk.trust, register_without_keys(site), datetime.now(UTC))
    papers = {paper.type: paper.state for paper in papers_of(plan, site, [], against)}
    return {kind: state for kind, state in sorted(papers.items()) if kind != "approval"}


def test_a_withdrawal_in_mid_run_stops_the_release(desk: Desk) -> None:
    """What is withdrawn while rows are read is seen before anything is published."""
    held = _policy(desk)

    def progress(_what: str, rows: int) -> None:
        if rows and not held.withdrawal.exists():
            take_back(held, desk.site.officer, desk.trust, "misuse")

    with pytest.raises(WithdrawnError, match=r"was withdrawn by Officer on .*misuse"):
        export(desk.plan(), desk.site.site, desk.site.provider, progress=progress)
    assert desk.site.leftovers() == []
    assert len(entered(desk, "document-withdrawn")) == 1


class Kept:
    """Documents with their signatures, as they were at a time, to be put back."""

    def __init__(self, *paths: Path) -> None:
        self._bytes = {path: path.read_bytes() for path in _with_signatures(paths)}

    def put_back(self) -> None:
        """Put every file back as it was."""
        for path, data in self._bytes.items():
            path.write_bytes(data)


def _with_signatures(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        yield from (each for each in path.parent.glob(f"{path.name}*") if each.is_file())


def version(desk: Desk, number: int, remark: str = "") -> None:
    """Raise the version of the desk's policy, and have it signed and approved, later than what is approved now."""
    path = desk.plan().policy.path
    content = yaml.safe_load(path.read_text()) | {"version": number}
    path.write_text(yaml.safe_dump(content) + remark)
    desk.site.sign(path)
    anew(desk, number)


def anew(desk: Desk, turn: int) -> None:
    """Have the request approved as it stands, seconds later for each turn."""
    approval_path(desk.request).unlink(missing_ok=True)
    desk.approve(at=datetime.now(UTC) + timedelta(seconds=20 * turn))


def test_an_older_policy_put_back_is_superseded(desk: Desk) -> None:
    """With the approval that it had, with one signed since, and as another text under the version that ran."""
    policy = desk.plan().policy.path
    old = Kept(policy, desk.request)
    desk.run("one")
    version(desk, 2)
    desk.run("two")
    new = Kept(policy, desk.request)
    old.put_back()
    assert isinstance(desk.refused("version 1 of policy .* is superseded"), SupersededError)
    anew(desk, 3)
    desk.refused("version 1 of policy .* is superseded: request asked has been let through under version 2")
    version(desk, 2, "# the old rules\n")
    desk.refused("another text of policy limited-data-set version 2")
    new.put_back()
    desk.run("three")


def test_a_run_that_failed_does_not_use_up_a_version(desk: Desk) -> None:
    """A text that nothing was published under may be mended under its number; the version before stays superseded."""
    old = Kept(desk.plan().policy.path, desk.request)
    desk.run("one")
    version(desk, 2, "# with a slip\n")
    slip = Kept(desk.plan().policy.path, desk.request)

    def failing(_what: str, _rows: int) -> None:
        raise OSError("the disk is full")

    with pytest.raises(StorageError):
        export(desk.plan("two"), desk.site.site, desk.site.provider, progress=failing)
    mended = "# mended\n"
    old.put_back()
    desk.refused("version 1 of policy .* is superseded")
    version(desk, 2, mended)
    desk.run("three")
    slip.put_back()
    anew(desk, 3)
    desk.refused("published under another text of policy limited-data-set version 2")


def test_another_request_stays_under_the_version_it_was_approved_with(desk: Desk) -> None:
    """A version is superseded for the request that ran under a later one, and for no other."""
    own = desk.site.folder / "policies" / "own.yaml"
    own.write_bytes(desk.plan().policy.path.read_bytes())
    desk.site.sign(own)
    other = desk.world.request(desk.dataset, {"patients": ["ID"]}, request="other", policy=own)
    version(desk, 2)
    desk.run()
    desk.request = other
    desk.run()
    known = register_without_keys(desk.site.site)
    old = Standards("asked", desk.trust, known, datetime.now(UTC))
    assert policy_paper(load_policy(own), old).state == "superseded"


def test_an_older_request_put_back_with_its_signatures_is_superseded(desk: Desk) -> None:
    """Both signatures of the earlier text hold still; the later one was let through."""
    old = Kept(desk.request)
    desk.run("one")
    content = yaml.safe_load(desk.request.read_text()) | {"tables": {"patients": ["ID", "SEX"]}}
    desk.request.write_text(yaml.safe_dump(content))
    sign_request(load_request(desk.request), desk.site.requester, desk.trust, at=datetime.now(UTC) + LATER)
    anew(desk, 1)
    desk.run("two")
    old.put_back()
    assert isinstance(desk.refused("the request asked is superseded"), SupersededError)


def test_an_older_request_does_not_come_back_when_the_newer_one_is_withdrawn(desk: Desk) -> None:
    """The newer text never ran; taking it back takes back whatever was signed under its name until then."""
    old = Kept(desk.request)
    content = yaml.safe_load(desk.request.read_text()) | {"purpose": "another study"}
    desk.request.write_text(yaml.safe_dump(content))
    desk.site.plan(desk.request)
    at = datetime.now(UTC) + LATER
    written = withdraw(_request(desk), desk.site.officer, desk.trust, reason="error", at=at)
    old.put_back()
    desk.refused("the request asked is superseded")
    written.unlink()
    desk.refused("the request asked is superseded")
    sign_request(load_request(desk.request), desk.site.requester, desk.trust, at=at)
    approval_path(desk.request).unlink()
    desk.approve(at=at)
    desk.run()


def test_an_earlier_approval_or_agreement_does_not_bring_back_what_it_allowed(desk: Desk) -> None:
    """An approval without the conditions of the later one, and an agreement with more users, are superseded."""
    agreement = desk.site.site.agreements / "DUA-1.yaml"
    approved, agreed = Kept(approval_path(desk.request)), Kept(agreement)
    desk.run("one")
    anew(desk, 1)
    agreement.write_text(agreement.read_text().replace("A researcher", "Another researcher"))
    sign_agreement(load_agreement(agreement), desk.site.officer, desk.trust, at=datetime.now(UTC) + LATER)
    desk.run("two")
    later = Kept(approval_path(desk.request))
    approved.put_back()
    desk.refused("the approval asked is superseded")
    later.put_back()
    agreed.put_back()
    desk.refused("the agreement DUA-1 is superseded")


def test_what_was_let_through_is_entered_once(desk: Desk) -> None:
    """Each statement that a run stood on is in the log by its digest and its signers' keys; a second run adds none."""
    desk.run("one")
    signed, approved = entered(desk, "document-signed"), entered(desk, "document-approved")
    assert [(subject, told_["type"]) for subject, told_ in signed] == [
        ("asked/limited-data-set", "policy"),
        ("asked", "request"),
        ("asked/DUA-1", "agreement"),
    ]
    assert [told_["signers"] for _, told_ in approved] == [desk.site.officer.keyid]
    desk.run("two")
    assert (entered(desk, "document-signed"), entered(desk, "document-approved")) == (signed, approved)


def test_a_withdrawn_standing_request_stops_itself_alone(tmp_path: Path) -> None:
    """Its month fails with an alert of its own, and the other series is made."""
    clinic = make_clinic(tmp_path)
    stopped = clinic.standing("heart")
    clinic.standing("lungs")
    site = clinic.world.site
    take_back(request_held(load_request(stopped)), site.officer, load_trust(site.site.trust), "no-longer-needed")
    done = clinic.run()
    assert faults(done) == [("heart", month(1), "WithdrawnError")]
    assert told(done) == [("heart", month(1), "failed"), ("lungs", month(1), "published")]
    assert clinic.made() == [f"lungs/{month(1)}"]


def test_a_release_is_not_delivered_under_a_withdrawn_policy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate of deliveries is that of runs; nothing is sent, and the log has no delivery."""
    pytest.importorskip("boto3")
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://localhost:9", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    desk.run("one")
    take_back(_policy(desk), desk.site.officer, desk.trust)
    with pytest.raises(WithdrawnError, match="was withdrawn by Officer"):
        deliver(
            desk.request, "one", parse_place("s3://bucket/there"), desk.site.site, desk.site.provider,
            progress=lambda _what, _count: None, now=datetime.now(UTC),
        )  # fmt: skip
    assert entered(desk, "delivery-started") == []
    assert len(entered(desk, "document-withdrawn")) == 1


@pytest.mark.parametrize("of", ["policy", "request", "determination"])
def test_no_tables_are_made_on_withdrawn_documents(desk: Desk, of: str) -> None:
    """Neither with the withdrawal beside the document nor after it was removed; nothing lies below the releases."""
    content = yaml.safe_load((REPOSITORY / "exports" / "diabetes-by-county.yaml").read_text())
    policy = desk.site.folder / "policies" / "public-tables.yaml"
    content |= {"policy": str(policy), "dataset": str(REPOSITORY / "samples" / "claims" / "dataset.yaml")}
    asked = desk.site.ask_for_tables(desk.site.write("tables.yaml", content))
    loaded = load_policy(policy)
    held = {"policy": policy_held(loaded), "request": request_held(asked), "determination": determination_held(loaded)}
    written = take_back(held[of], desk.site.officer, desk.trust)
    for match in ("was withdrawn by Officer", "the audit log says so"):
        with pytest.raises(WithdrawnError, match=match):
            tabulate(asked, desk.site.site, desk.site.provider, progress=lambda _what, _rows: None)
        written.unlink(missing_ok=True)
    assert desk.site.leftovers() == []


def test_a_withdrawn_order_is_answered_no_more(tmp_path: Path) -> None:
    """Two signatures stand, and nobody is led back; each try is on record, and removing the withdrawal changes nothing."""
    officers = Officers(tmp_path / "site")
    request, done = officers.release()
    order = officers.sign(officers.order(done, [next(iter(officers.pseudonyms(done).values()))]))
    assert officers.answers(order, request)
    written = take_back(order_held(order.name, order.digest, order.path), officers.steward, officers.trust, "error")
    for gone in (False, True):
        if gone:
            written.unlink()
        with pytest.raises(WithdrawnError):
            officers.answers(order, request)
    assert outcomes(officers.site.site, officers) == ["told", "refused", "refused"]


def test_an_order_withdrawn_in_mid_search_is_not_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is withdrawn while the source is read is seen before anybody is told."""
    officers = Officers(tmp_path / "site")
    request, done = officers.release()
    order = officers.sign(officers.order(done, [next(iter(officers.pseudonyms(done).values()))]))
    held, reading = order_held(order.name, order.digest, order.path), run.of_source

    def withdrawn_meanwhile(plan: Plan, kind: str) -> Iterator[pa.Array]:
        take_back(held, officers.steward, officers.trust, "error")
        yield from reading(plan, kind)

    monkeypatch.setattr(run, "of_source", withdrawn_meanwhile)
    with pytest.raises(WithdrawnError):
        officers.answers(order, request)
    assert outcomes(officers.site.site, officers) == ["refused"]


def outcomes(site: Site, officers: Officers) -> list[str]:
    """Return what the log says of orders."""
    found: list[str] = []
    site_log(site, officers.site.provider).verify(
        seen=lambda entry, _: found.append(str(entry.details["outcome"])) if entry.kind == "reidentified" else None
    )
    return found


def test_the_log_holds_no_word_of_a_document(desk: Desk) -> None:
    """Subjects are names of documents; a name with other characters stands as a digest."""
    path = desk.plan().policy.path
    content = yaml.safe_load(path.read_text()) | {"policy": "Limited, for Mrs. Quixwerble"}
    path.write_text(yaml.safe_dump(content))
    desk.site.sign(path)
    anew(desk, 1)
    desk.run()
    assert "Quixwerble" not in json.dumps(entered(desk, "document-signed"))
    assert statement_path(path).exists()
