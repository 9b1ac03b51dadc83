"""Shortcuts past whoever must ask and approve, each refused before a row is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from desks import TODAY, Desk
from sites import PASSPHRASE, TEST_SCRYPT_N
from tiny_sources import EXPERT, REQUESTED, SAFE

from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.errors import DocumentError, TrustError
from deid.export import export
from deid.keys.officers import generate_signing_key
from deid.keys.recipients import generate_identity
from deid.papers.actual_knowledge import knowledge_path
from deid.papers.agreement import UNDERTAKINGS, load_agreement
from deid.papers.approval import approval_path, sign_request
from deid.papers.determination import determination_path, sign_determination
from deid.papers.signing import statement_path


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


def test_what_was_asked_for_and_approved_runs(desk: Desk) -> None:
    """The approved request runs, and its manifest names who signed policy, request and approval."""
    done = export(desk.plan(), desk.site.site, desk.site.provider, progress=lambda _what, _rows: None)
    told = {made.type: made.signers for made in desk.site.open(done).manifest.statements}
    officer = ("Officer",)
    assert told == {"policy": officer, "request": ("Asker",), "approval": officer, "agreement": officer}


def test_nobody_asked(desk: Desk) -> None:
    """A request that nobody signed is refused."""
    statement_path(desk.request).unlink()
    desk.refused("asked.yaml is not signed")


def test_nobody_approved(desk: Desk) -> None:
    """A request that nobody approved is refused."""
    approval_path(desk.request).unlink()
    desk.refused("asked.yaml is not approved")


def test_another_statement_in_the_place_of_the_approval(desk: Desk) -> None:
    """The request's own signature put in the place of the approval is refused, and so is the reverse."""
    own, approval = statement_path(desk.request), approval_path(desk.request)
    kept = approval.read_bytes()
    approval.write_bytes(own.read_bytes())
    desk.refused("no approval of asked.yaml holds")
    approval.write_bytes(kept)
    own.write_bytes(kept)
    desk.refused("role privacy_officer, which may not sign a request")


def test_an_approval_of_another_request(desk: Desk) -> None:
    """The approval of another request is none of this one."""
    other = desk.world.request(desk.dataset, REQUESTED, request="other")
    approval_path(desk.request).write_bytes(approval_path(other).read_bytes())
    desk.refused("altered after it was signed")


def _more(content: dict[str, object]) -> None:
    content["purpose"] = "something else"


def test_the_request_changed_since(desk: Desk) -> None:
    """One changed field of the request undoes its signature; signed anew, it still lacks the approval."""
    content = yaml.safe_load(desk.request.read_text())
    _more(content)
    desk.request.write_text(yaml.safe_dump(content))
    desk.refused("altered after it was signed")
    sign_request(load_request(desk.request), desk.site.requester, desk.trust, at=datetime.now(UTC))
    desk.refused("no approval of asked.yaml holds")
    approval_path(desk.request).unlink()
    desk.approve()
    export(desk.plan(), desk.site.site, desk.site.provider, progress=lambda _what, _rows: None)


def _policy(desk: Desk) -> None:
    path = desk.plan().policy.path
    path.write_text(path.read_text() + "\n# one more line\n")
    desk.site.sign(path)


def _description(desk: Desk) -> None:
    desk.dataset.write_text(desk.dataset.read_text() + "\n# one more line\n")


def _recipients(desk: Desk) -> None:
    folder = desk.site.folder
    generate_identity(folder / "new.key", folder / "new.pub", None)
    desk.site.researcher.with_suffix(".pub").write_bytes((folder / "new.pub").read_bytes())


@pytest.mark.parametrize(
    ("change", "what"),
    [(_policy, "the policy"), (_description, "the dataset description"), (_recipients, "the recipients' keys")],
)
def test_drift_asks_again(desk: Desk, change: Callable[[Desk], None], what: str) -> None:
    """Policy, description and recipients' keys are bound: a change to one, signed or not, asks for a new approval."""
    change(desk)
    desk.refused(f"not as it was approved: {what} changed since")
    desk.approve()
    export(desk.plan(), desk.site.site, desk.site.provider, progress=lambda _what, _rows: None)


def test_what_the_program_makes_of_the_documents_is_bound(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same documents compiled into another plan, as by another version, need a new approval."""
    monkeypatch.setattr("deid.papers.bound.rule_text", lambda rule: f"{rule.name}: otherwise")
    desk.refused("not as it was approved: the plan changed since")


def test_an_approval_that_ran_out(desk: Desk) -> None:
    """An approval holds to its last day, and not on the next."""
    now = datetime.now(UTC)
    approval_path(desk.request).unlink()
    desk.approve(expires=now.date())
    desk.refused("expired", now=now + timedelta(days=1))


def test_an_approval_from_the_future(desk: Desk) -> None:
    """An approval that is dated later than now is refused."""
    approval_path(desk.request).unlink()
    desk.approve(at=datetime.now(UTC) + timedelta(days=2))
    desk.refused("in the future")


def test_nobody_approves_what_they_ask_for(desk: Desk) -> None:
    """Where officers may ask too, the signature of whoever asks counts for nothing, also if it was added by hand."""
    desk.trusting("may_sign: {policy: [privacy_officer], request: [privacy_officer], approval: [privacy_officer]}\n")
    second = desk.person("Second", "privacy_officer")
    approval = approval_path(desk.request)
    approval.unlink()
    sign_request(load_request(desk.request), second, desk.trust, at=datetime.now(UTC))
    with pytest.raises(TrustError, match="nobody approves what they ask for"):
        desk.approve(second)
    desk.approve()
    # The officer's approval stands there; now the officer signs the request too.
    sign_request(load_request(desk.request), desk.site.officer, desk.trust, at=datetime.now(UTC))
    desk.refused("no approval but of whoever asked")


def test_one_officer_twice_is_one(desk: Desk) -> None:
    """Under a threshold of two one officer is one, however often; a second one completes it, in either order."""
    second = desk.person("Second", "data_steward")
    desk.trusting("threshold: {approval: 2}\n")
    desk.refused("does not carry 2 valid signature")
    with pytest.raises(TrustError, match="carries the signature of this key already"):
        desk.approve()
    desk.approve(second)
    export(desk.plan(), desk.site.site, desk.site.provider, progress=lambda _what, _rows: None)


def test_a_second_officer_cannot_change_the_terms_of_the_first(desk: Desk) -> None:
    """Another expiry or condition than the first officer signed is refused, not put in their place."""
    second = desk.person("Second", "data_steward")
    before = approval_path(desk.request).read_bytes()
    with pytest.raises(TrustError, match="another expiry or other conditions"):
        desk.approve(second, expires=TODAY + timedelta(days=9))
    assert approval_path(desk.request).read_bytes() == before


def test_roles_that_may_not(desk: Desk) -> None:
    """A requester approves nothing, a stranger signs nothing."""
    with pytest.raises(TrustError, match="which may not sign a statement of the type approval"):
        desk.approve(desk.site.requester)
    stranger = generate_signing_key(desk.site.folder / "s.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    with pytest.raises(TrustError, match="of nobody whom"):
        sign_request(load_request(desk.request), stranger, desk.trust, at=datetime.now(UTC))


def test_safe_harbor_needs_the_word_beside_the_approval(tmp_path: Path) -> None:
    """An approved Safe Harbor request without the statement of no actual knowledge is refused."""
    desk = Desk(tmp_path / "site")
    desk.request = desk.world.request(desk.dataset, {"patients": ["ID"]}, request="safe", policy=SAFE)
    desk.plan()
    knowledge_path(desk.request).unlink(missing_ok=True)
    desk.refused("is not signed")


def test_a_limited_data_set_without_an_agreement(desk: Desk) -> None:
    """No agreement, an unsigned one and one altered after it was signed: no Limited Data Set leaves."""
    path = desk.site.site.agreements / "DUA-1.yaml"
    kept = path.read_text()
    path.unlink()
    desk.refused("no data-use agreement in force.*cannot read DUA-1.yaml")
    path.write_text(kept.replace("An institute", "Another one"))
    desk.refused("no data-use agreement in force.*altered after it was signed")
    path.write_text(kept)
    statement_path(path).unlink()
    desk.refused("no data-use agreement in force.*not signed")


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"begins": date(2020, 1, 1), "expires": date(2020, 12, 31)}, "expired on 2020-12-31"),
        ({"begins": date(2098, 1, 1)}, "in force from 2098-01-01"),
        ({"parties": ["somebody-else"]}, "not with the party outcomes"),
    ],
    ids=["lapsed", "not yet", "of another party"],
)
def test_an_agreement_that_does_not_cover(desk: Desk, fields: dict[str, object], match: str) -> None:
    """An agreement that lapsed, has not begun or is with others counts for nothing, signed as it is."""
    desk.site.agree("DUA-1", "outcomes", **fields)
    desk.refused(match)


def test_an_agreement_for_another_use(desk: Desk) -> None:
    """A request for public health does not run on an agreement for research."""
    desk.request = desk.world.request(desk.dataset, REQUESTED, request="asked", use="public_health")
    desk.site.agree("DUA-1", "outcomes", uses=["research"])
    desk.refused("not for public_health")


@pytest.mark.parametrize("lacking", UNDERTAKINGS)
def test_an_agreement_holds_every_undertaking(desk: Desk, lacking: str) -> None:
    """Each undertaking of 164.514(e)(4)(ii)(C) must be there before an officer can sign."""
    path = desk.site.site.agreements / "DUA-1.yaml"
    content = yaml.safe_load(path.read_text())
    content["undertakes"].remove(lacking)
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(DocumentError, match=f"does not undertake {lacking}"):
        load_agreement(path)


def test_expert_determination_without_an_expert(desk: Desk) -> None:
    """No determination, one over another text of the policy, or one that ran out: nothing leaves on that basis."""
    desk.request = desk.world.request(desk.dataset, {"patients": ["ID", "SEX"]}, request="determined", policy=EXPERT)
    plan = desk.plan()
    path, now = determination_path(plan.policy.path), datetime.now(UTC)
    desk.refused("expired", now=now + timedelta(days=400))
    kept = path.read_bytes()
    path.unlink()
    desk.refused("no expert has signed a determination")
    path.write_bytes(approval_path(desk.request).read_bytes())
    desk.refused("no determination over .* holds")
    path.write_bytes(kept)
    _policy(desk)
    desk.refused("not as it was approved: the policy")
    approval_path(desk.request).unlink()
    desk.approve()
    desk.refused("no determination over .* holds.*altered after it was signed")


def test_an_officer_is_no_expert(desk: Desk) -> None:
    """Whoever runs the privacy office cannot sign what only an expert can know."""
    policy = load_policy(desk.world.named_policy(EXPERT))
    with pytest.raises(TrustError, match="may not sign a statement of the type expert-determination"):
        sign_determination(
            policy, desk.site.officer, desk.trust, document_sha256="0" * 64, expires=TODAY + timedelta(days=9),
            at=datetime.now(UTC),
        )  # fmt: skip
