"""Shortcuts past whoever must ask for tables and approve them, each refused before a row is read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from deid.documents.period import parse_period
from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.errors import PlanError, SupersededError, TrustError
from deid.export import export
from deid.keys.officers import SigningKey, generate_signing_key
from deid.papers.actual_knowledge import knowledge_path
from deid.papers.approval import approval_path, approve, sign_request
from deid.papers.authorization import load_recipients
from deid.papers.bound import APPROVED, Proposal, propose
from deid.papers.changes import changes_since
from deid.papers.determination import determination_path
from deid.papers.signing import payload_of, statement_path
from deid.papers.statements import read, seal
from deid.papers.trust import APPROVAL, TrustRoot, add_person, load_trust
from deid.planning.compiler import compile_plan
from deid.sources.description import load_dataset
from deid.tables import proposal as tables
from deid.tables.document import load_tabulation
from deid.tables.run import Tabulated, tabulate
from tests.sites import PASSPHRASE, TEST_SCRYPT_N, TestSite, make_site
from tests.spec.test_table_counts import BLOCK, DESCRIPTION, _source

PEOPLE = "sex,population\nF,5000\nM,5000\n"


@dataclass
class Counter:
    """A site with one approved request for tables, and ways to change either."""

    site: TestSite

    @property
    def request(self) -> Path:
        """The request for tables."""
        return self.site.folder / "counts.yaml"

    @property
    def trust(self) -> TrustRoot:
        """The trust root as it stands."""
        return load_trust(self.site.site.trust)

    def proposal(self) -> Proposal:
        """What an approval would be over as everything stands."""
        asked = load_tabulation(self.request)
        policy, dataset = load_policy(asked.policy), load_dataset(asked.dataset)
        return tables.propose(asked, policy, dataset, tables.own_denominators(asked))

    def approve(
        self, key: SigningKey | None = None, *, at: datetime | None = None, expires: date | None = None
    ) -> None:
        """Approve the tables as they stand, by default as the officer."""
        approve(self.proposal(), key or self.site.officer, self.trust, at=at or datetime.now(UTC), expires=expires)

    def person(self, name: str, role: str) -> SigningKey:
        """Add somebody to the trust root."""
        key = generate_signing_key(self.site.folder / "keys" / f"{name}.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
        add_person(self.site.site.trust, name=name, role=role, key=self.site.folder / "keys" / f"{name}.pub")
        return key

    def trusting(self, text: str) -> None:
        """Add fields to the trust root."""
        path = self.site.site.trust
        path.write_text(path.read_text() + text)

    def change(self, **fields: Any) -> None:
        """Change fields of the request's block `tabulate`."""
        content = yaml.safe_load(self.request.read_text())
        content["tabulate"] |= fields
        self.request.write_text(yaml.safe_dump(content))

    def publish(self, *, name: str = "all", now: datetime | None = None, period: str | None = None) -> Tabulated:
        """Make the tables as everything stands, signing nothing."""
        return tabulate(
            load_tabulation(self.request), self.site.site, self.site.provider, progress=lambda _what, _rows: None,
            name=name if period is None else None, now=now, period=parse_period(period) if period else None,
        )  # fmt: skip

    def refused(self, match: str, *, now: datetime | None = None) -> TrustError:
        """Make the tables, which must be refused and leave nothing more than lay there."""
        before = self.site.leftovers()
        with pytest.raises(TrustError, match=match) as refusal:
            self.publish(name="refused", now=now)
        assert "deid " in refusal.value.hint
        assert self.site.leftovers() == before
        return refusal.value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """Make a site with an approved request for tables; keys are what takes time to make."""
    site = make_site(tmp_path_factory.mktemp("counter") / "site")
    _source(site.folder / "tiny", 1, people=80, visits=300)
    (site.folder / "people.csv").write_text(PEOPLE)
    _ask(site, "public-tables")
    shutil.copytree(site.folder, site.folder.with_name("made"))
    return site


@pytest.fixture
def counter(made: TestSite) -> Counter:
    """Return the site as it was made."""
    shutil.rmtree(made.folder)
    shutil.copytree(made.folder.with_name("made"), made.folder)
    return Counter(made)


def _ask(site: TestSite, policy: str, **block: Any) -> None:
    rates = {"measure": "visits", "by": ["year", "sex"], "rates": True}
    content = {
        "request": "counts",
        "requester": "Somebody",
        "purpose": "A test",
        "policy": str(site.folder / "policies" / f"{policy}.yaml"),
        "dataset": str(site.write("tiny/dataset.yaml", {**DESCRIPTION, "dataset": "tiny"})),
        "expires": "2027-12-31",
        "tabulate": {**BLOCK, "denominators": "people.csv", "tables": {"t": rates}, **block},
    }
    site.ask_for_tables(site.write("counts.yaml", content))


def test_what_was_asked_for_and_approved_is_published(counter: Counter) -> None:
    """The approved tables come, of all days and of one period: an approval is over no period."""
    assert counter.publish().folder.is_dir()
    assert counter.publish(period="2024").folder.name == "2024"


def test_nobody_asked(counter: Counter) -> None:
    """Tables that nobody signed a request for are refused, whoever approved them."""
    statement_path(counter.request).unlink()
    counter.refused("counts.yaml is not signed")


def test_nobody_approved(counter: Counter) -> None:
    """Tables under a signed policy that nobody approved are refused."""
    approval_path(counter.request).unlink()
    assert "deid request check counts.yaml" in counter.refused("counts.yaml is not approved").hint


def test_the_request_changed_since(counter: Counter) -> None:
    """One more total undoes the signature; signed anew it still lacks the approval."""
    counter.change(least_place=5)
    counter.refused("altered after it was signed")
    sign_request(load_tabulation(counter.request), counter.site.requester, counter.trust, at=datetime.now(UTC))
    counter.refused("no approval of counts.yaml holds")
    approval_path(counter.request).unlink()
    counter.approve()
    counter.publish()


def _policy(counter: Counter) -> None:
    path = counter.site.folder / "policies" / "public-tables.yaml"
    path.write_text(path.read_text() + "\n# one more line\n")
    counter.site.determine(load_policy(counter.site.sign(path)))


def _description(counter: Counter) -> None:
    path = counter.site.folder / "tiny" / "dataset.yaml"
    path.write_text(path.read_text() + "\n# one more line\n")


def _denominators(counter: Counter) -> None:
    (counter.site.folder / "people.csv").write_text(PEOPLE.replace("5000", "6000"))


@pytest.mark.parametrize(
    ("change", "what", "told"),
    [
        (_policy, "the policy", "the policy: its bytes differ, and no field of it does"),
        (_description, "the dataset description", "the dataset description: its bytes differ"),
        (_denominators, "the plan", "the plan: denominators is sha256:"),
    ],
)
def test_drift_asks_again(counter: Counter, change: Callable[[Counter], None], what: str, told: str) -> None:
    """Policy, description and population table are bound: a change, signed or not, asks again, and diff tells of it."""
    change(counter)
    counter.refused(f"not as it was approved: {what} changed since")
    (line,) = changes_since(counter.proposal())
    assert line.startswith(told)
    counter.approve()
    counter.publish()


def test_what_the_program_makes_of_the_documents_is_bound(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same documents read into another plan of tables, as by another version, need a new approval."""
    monkeypatch.setattr("deid.tables.proposal.rule_text", lambda rule: f"{rule.name}: otherwise")
    counter.refused("not as it was approved: the plan changed since")
    assert "the plan: tables.t.by.sex.sex is keep: otherwise, and was keep" in changes_since(counter.proposal())


def test_an_approval_that_ran_out(counter: Counter) -> None:
    """An approval holds to its last day, and not on the next."""
    now = datetime.now(UTC)
    approval_path(counter.request).unlink()
    counter.approve(expires=now.date())
    counter.refused("expired", now=now + timedelta(days=1))


def test_nobody_approves_what_they_ask_for(counter: Counter) -> None:
    """Where officers may ask too, the signature of whoever asks counts for nothing."""
    counter.trusting(
        "may_sign: {policy: [privacy_officer], request: [privacy_officer], approval: [privacy_officer],\n"
        "  expert-determination: [expert]}\n"
    )
    asked = load_tabulation(counter.request)
    sign_request(asked, counter.site.officer, counter.trust, at=datetime.now(UTC))
    counter.refused("no approval but of whoever asked")
    approval_path(counter.request).unlink()
    with pytest.raises(TrustError, match="nobody approves what they ask for"):
        counter.approve()


def test_too_few(counter: Counter) -> None:
    """Under a threshold of two one officer is one, however often; a second one completes it."""
    second = counter.person("Second", "data_steward")
    counter.trusting("threshold: {approval: 2}\n")
    counter.refused("does not carry 2 valid signature")
    with pytest.raises(TrustError, match="carries the signature of this key already"):
        counter.approve()
    counter.approve(second)
    counter.publish()


def test_roles_that_may_not(counter: Counter) -> None:
    """A requester approves no tables, and an expert asks for none."""
    with pytest.raises(TrustError, match="which may not sign a statement of the type approval"):
        counter.approve(counter.site.requester)
    with pytest.raises(TrustError, match="which may not sign a statement of the type request"):
        sign_request(load_tabulation(counter.request), counter.site.expert, counter.trust, at=datetime.now(UTC))


def _release(counter: Counter) -> Proposal:
    """Have a release of the same name approved, to a party that is called public."""
    path = counter.site.request(
        counter.site.folder / "tiny" / "dataset.yaml", {"people": ["sex"]}, request="release", party="public"
    )
    plan = counter.site.plan(path)
    return propose(plan, load_recipients(plan))


def test_the_approval_of_a_release_is_none_of_tables(counter: Counter) -> None:
    """Not as a file, and not where an officer signed the tables' own digests for recipients instead of everybody."""
    release = _release(counter)
    tables_approval, kept = approval_path(counter.request), approval_path(counter.request).read_bytes()
    tables_approval.write_bytes(approval_path(release.asked.path).read_bytes())
    counter.refused("altered after it was signed")
    tables_approval.unlink()
    as_release = replace(counter.proposal(), recipients=())
    approve(as_release, counter.site.officer, counter.trust, at=datetime.now(UTC))
    counter.refused("not as it was approved: the recipients' keys and whom it is for changed since")
    tables_approval.write_bytes(kept)
    counter.publish()


def test_the_approval_of_tables_is_none_of_a_release(counter: Counter) -> None:
    """An officer who approved that everybody may read counts has approved no rows for anybody."""
    release = _release(counter)
    approval_path(release.asked.path).unlink()
    as_tables = replace(release, recipients=None)
    approve(as_tables, counter.site.officer, counter.trust, at=datetime.now(UTC))
    loaded = load_request(release.asked.path)
    plan = compile_plan(
        loaded, load_policy(loaded.policy), load_dataset(loaded.dataset), release="one", today=date(2026, 11, 22)
    )
    with pytest.raises(TrustError, match="not as it was approved: the recipients' keys and whom it is for changed"):
        export(plan, counter.site.site, counter.site.provider, progress=lambda _what, _rows: None)
    assert counter.site.leftovers() == []


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("audience", "outcomes"),
        ("audience", None),
        ("statement", "I approve."),
        ("statement", APPROVED),
        ("plan_sha256", None),
    ],
)
def test_every_term_is_needed(counter: Counter, term: str, value: str | None) -> None:
    """An approval for another audience, with another sentence, or without a digest, is none, whoever signed it."""
    path, asked = approval_path(counter.request), load_tabulation(counter.request)
    _, payload = read(path, path.name)
    terms = {name: text for name, text in payload.terms.items() if name != term} | ({term: value} if value else {})
    now = datetime.now(UTC)
    seal(path, counter.site.officer, payload_of(APPROVAL, asked.name, "1", asked.digest, now, None, terms))
    counter.refused("not as it was approved")


def test_an_older_request_put_back_is_superseded(counter: Counter) -> None:
    """Both signatures of the earlier text hold still; the later one was let through."""
    paths = [counter.request, statement_path(counter.request), approval_path(counter.request)]
    kept = {path: path.read_bytes() for path in paths}
    counter.publish(name="one")
    counter.change(least_place=5)
    later = datetime.now(UTC) + timedelta(minutes=2)
    sign_request(load_tabulation(counter.request), counter.site.requester, counter.trust, at=later)
    approval_path(counter.request).unlink()
    counter.approve(at=later)
    counter.publish(name="two")
    for path, data in kept.items():
        path.write_bytes(data)
    assert isinstance(counter.refused("the request counts is superseded"), SupersededError)


def test_expert_determination_needs_the_expert(counter: Counter) -> None:
    """Tables that claim an expert's word are refused without it, and after its last day."""
    path = determination_path(counter.site.folder / "policies" / "public-tables.yaml")
    counter.refused("expired", now=datetime.now(UTC) + timedelta(days=400))
    path.unlink()
    counter.refused("no expert has signed a determination")


def test_safe_harbor_needs_the_word_that_nothing_is_known(counter: Counter) -> None:
    """Tables under Safe Harbor are refused without the officer's statement, 164.514(b)(2)(ii)."""
    rules = {"service_date": {"generalize_date": "year"}, "sex": "keep"}
    content = {"policy": "safe", "version": 1, "basis": "safe_harbor", "rules": rules}
    counter.site.sign(counter.site.write("policies/safe.yaml", content))
    _ask(counter.site, "safe", ages=[], codes={})
    knowledge_path(counter.request).rename(counter.request.with_name("kept"))
    counter.refused("is not signed")
    counter.request.with_name("kept").rename(knowledge_path(counter.request))
    counter.publish()


def test_no_signature_lets_through_what_the_policy_does_not_allow(counter: Counter) -> None:
    """A request that has expired, or a draft of a description, makes no tables, though everything is signed."""
    with pytest.raises(PlanError, match="the request has expired"):
        counter.publish(now=datetime(2028, 1, 1, tzinfo=UTC))
    description = counter.site.folder / "tiny" / "dataset.yaml"
    description.write_text(description.read_text().replace("confirmed: true", "confirmed: false"))
    approval_path(counter.request).unlink()
    counter.approve()
    with pytest.raises(PlanError, match="nobody has confirmed"):
        counter.publish()
