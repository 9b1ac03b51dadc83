"""A small real site for tests: keys, an officer, a researcher, signed policies, and a way to run a request on it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from deid.documents.period import parse_period
from deid.documents.policy import Basis, Policy, load_policy
from deid.documents.request import load_request
from deid.documents.site import Site, load_site
from deid.errors import DeidError
from deid.export import Exported, export
from deid.keys.base import KeyProvider
from deid.keys.local import generate_provider
from deid.keys.officers import SigningKey, generate_signing_key
from deid.keys.recipients import generate_identity
from deid.opening import OpenedRelease, open_release
from deid.papers.actual_knowledge import sign_knowledge
from deid.papers.agreement import UNDERTAKINGS, load_agreement, sign_agreement
from deid.papers.approval import approval_path, approve, sign_request
from deid.papers.authorization import load_recipients
from deid.papers.bound import propose
from deid.papers.determination import sign_determination
from deid.papers.signing import sign_document
from deid.papers.trust import add_person, load_trust
from deid.planning.compiler import compile_plan
from deid.planning.plan import Plan
from deid.sources.description import load_dataset
from deid.tables import proposal as tables_proposal
from deid.tables.document import load_tabulation
from deid.tables.run import Tabulated, tabulate
from deid.tables.tabulation import Tabulation

TEST_SCRYPT_N = 2**14
PASSPHRASE = b"correct horse"
REPOSITORY = Path(__file__).resolve().parents[1]
POLICIES = REPOSITORY / "policies"
SHARED = REPOSITORY.parent / "shared"
TODAY = date(2026, 11, 22)


@dataclass(frozen=True)
class TestSite:
    """A site in one folder, with everything a test needs to run requests and open what comes of them."""

    __test__ = False

    folder: Path
    site: Site
    provider: KeyProvider
    officer: SigningKey
    researcher: Path
    requester: SigningKey
    expert: SigningKey

    def sign(self, policy: Path) -> Path:
        """Sign the policy at `policy` as the officer."""
        loaded = load_policy(policy)
        sign_document(
            policy,
            self.officer,
            "policy",
            data_digest=loaded.digest,
            name=loaded.name,
            version=str(loaded.version),
            signed_at=datetime.now(UTC),
        )
        return policy

    def write(self, name: str, content: dict[str, Any]) -> Path:
        """Write a YAML document below the site's folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def request(self, dataset: Path, tables: dict[str, list[str]], **fields: Any) -> Path:
        """Write a request with sound defaults; `fields` override and add, None removes; returns its path."""
        name = fields.pop("request", "study")
        content: dict[str, Any] = {
            "request": name,
            "requester": "A researcher",
            "purpose": "research on outcomes",
            "protocol": "IRB-1",
            "policy": str(self.folder / "policies" / "limited-data-set.yaml"),
            "dataset": str(dataset),
            "tables": tables,
            "party": "outcomes",
            "recipients": [str(self.researcher.with_suffix(".pub"))],
            "expires": "2027-12-31",
            "agreement": "DUA-1",
        }
        content |= fields
        path = self.write(f"{name}.yaml", {key: value for key, value in content.items() if value is not None})
        with suppress(DeidError):  # a test's request need not be one that can run
            self.plan(path)
        return path

    def approve(self, plan: Plan) -> None:
        """Have a plan asked for and approved anew, whatever was signed before, with what its basis needs beside."""
        now, trust = datetime.now(UTC), load_trust(self.site.trust)
        if plan.policy.basis is Basis.LIMITED_DATA_SET and plan.request.agreement:
            self.agree(plan.request.agreement, plan.request.party)
        if plan.policy.basis is Basis.EXPERT_DETERMINATION:
            self.determine(plan.policy)
        approval_path(plan.request.path).unlink(missing_ok=True)
        sign_request(plan.request, self.requester, trust, at=now)
        approve(propose(plan, load_recipients(plan)), self.officer, trust, at=now)

    def ask_for_tables(self, path: Path) -> Tabulation:
        """Have a request for tables signed and approved anew as it stands, with what its policy's basis needs."""
        asked = load_tabulation(path)
        policy, dataset = load_policy(asked.policy), load_dataset(asked.dataset)
        proposal = tables_proposal.propose(asked, policy, dataset, tables_proposal.own_denominators(asked))
        now, trust = datetime.now(UTC), load_trust(self.site.trust)
        if policy.basis is Basis.EXPERT_DETERMINATION:
            self.determine(policy)
        if policy.basis is Basis.SAFE_HARBOR:
            sign_knowledge(
                path, self.officer, name=asked.name, request_sha256=asked.digest, policy_sha256=policy.digest,
                dataset_sha256=dataset.digest, recipients=(), signed_at=now,
            )  # fmt: skip
        approval_path(path).unlink(missing_ok=True)
        sign_request(asked, self.requester, trust, at=now)
        approve(proposal, self.officer, trust, at=now)
        return asked

    def tabulate(self, path: Path, *, name: str | None = None) -> Tabulated:
        """Have a request for tables signed and approved as it stands, and make its tables."""
        return tabulate(
            self.ask_for_tables(path), self.site, self.provider, progress=lambda _what, _rows: None, name=name
        )

    def determine(self, policy: Policy) -> None:
        """Have an expert determine the risk under a policy."""
        now = datetime.now(UTC)
        last, trust = now.date() + timedelta(days=365), load_trust(self.site.trust)
        sign_determination(policy, self.expert, trust, document_sha256="0" * 64, expires=last, at=now)

    def agree(self, name: str, party: str, **fields: Any) -> None:
        """Make and sign a data-use agreement, or take one more party into it; `fields` override."""
        path = self.site.agreements / f"{name}.yaml"
        parties = yaml.safe_load(path.read_text())["parties"] if path.exists() else []
        if not fields and party in parties:
            return
        content = {
            "agreement": name,
            "recipient": "An institute",
            "users": ["A researcher"],
            "uses": ["research", "public_health", "operations"],
            "parties": [*parties, party],
            "begins": date(2026, 1, 1),
            "expires": date(2099, 12, 31),
            "undertakes": list(UNDERTAKINGS),
        }
        path = self.write(f"agreements/{name}.yaml", content | fields)
        sign_agreement(load_agreement(path), self.officer, load_trust(self.site.trust), at=datetime.now(UTC))

    def plan(self, request: Path, *, period: str | None = None, name: str | None = None, today: date = TODAY) -> Plan:
        """Compile a request, and have it approved as it stands where it can be."""
        loaded = load_request(request)
        plan = compile_plan(
            loaded,
            load_policy(loaded.policy),
            load_dataset(loaded.dataset),
            period=parse_period(period) if period else None,
            release=name,
            today=today,
        )
        with suppress(DeidError):
            self.approve(plan)
        return plan

    def attest(self, plan: Plan) -> None:
        """Sign the statement of no actual knowledge over a plan's request."""
        sign_knowledge(
            plan.request.path,
            self.officer,
            name=plan.request.name,
            request_sha256=plan.request.digest,
            policy_sha256=plan.policy.digest,
            dataset_sha256=plan.dataset.digest,
            recipients=load_recipients(plan),
            signed_at=datetime.now(UTC),
        )

    def run(self, request: Path, *, name: str | None = None, period: str | None = None) -> Exported:
        """Run a request, attesting first where the policy is Safe Harbor."""
        plan = self.plan(request, period=period, name=name)
        if plan.policy.basis == "safe_harbor":
            self.attest(plan)
        return export(plan, self.site, self.provider, progress=lambda _what, _rows: None)

    def open(self, exported: Exported) -> OpenedRelease:
        """Open a release with the researcher's key."""
        return open_release(exported.folder, [self.researcher])

    def tables(self, request: Path, **options: Any) -> dict[str, pa.Table]:
        """Run a request and return what the researcher reads."""
        opened = self.open(self.run(request, **options))
        return {table: opened.read(table) for table in opened.tables}

    def leftovers(self) -> list[str]:
        """Return every file of releases, staging, quarantine and spill, relative to the site's folder."""
        places = (self.site.releases, self.site.state / "quarantine", self.site.state / "spill")
        return sorted(str(p.relative_to(self.folder)) for place in places for p in place.rglob("*") if p.is_file())


def make_site(folder: Path) -> TestSite:
    """Make a site with all three policies signed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "keys").mkdir(mode=0o700)
    provider = generate_provider(folder / "keys" / "site.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    officer = generate_signing_key(folder / "keys" / "officer.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    add_person(folder / "trust.yaml", name="Officer", role="privacy_officer", key=folder / "keys" / "officer.pub")
    requester = generate_signing_key(folder / "keys" / "requester.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    add_person(folder / "trust.yaml", name="Asker", role="requester", key=folder / "keys" / "requester.pub")
    expert = generate_signing_key(folder / "keys" / "expert.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    add_person(folder / "trust.yaml", name="Expert", role="expert", key=folder / "keys" / "expert.pub")
    generate_identity(folder / "researcher.key", folder / "researcher.pub", None)
    (folder / "site.yaml").write_text("site: test\nkeys: local:keys/site.key\ntrust: trust.yaml\n")
    made = TestSite(
        folder, load_site(folder / "site.yaml"), provider, officer, folder / "researcher.key", requester, expert
    )
    (folder / "policies").mkdir()
    for policy in sorted(POLICIES.glob("*.yaml")):
        copy = folder / "policies" / policy.name
        copy.write_bytes(policy.read_bytes())
        made.sign(copy)
    return made


def expert_with_notes(site: TestSite, column: str = "notes.note_text") -> Path:
    """Write and sign expert-k11 with a column of notes that leaves, redacted, beside mapped codes."""
    path = site.folder / "policies" / "expert-notes.yaml"
    if not path.exists():
        content = yaml.safe_load((POLICIES / "expert-k11.yaml").read_text())
        own = {"policy": "expert-notes", "columns": {column: content["rules"]["clinical_note"]}}
        site.sign(site.write("policies/expert-notes.yaml", content | own))
    return path


def answering_for_rejoins(site: TestSite, policy: str = "expert-k11") -> Path:
    """Sign a policy of the site again as one that lets a party have many releases of the same patients."""
    path = site.folder / "policies" / f"{policy}.yaml"
    content = yaml.safe_load(path.read_text())
    content["limits"]["risk"] = content["limits"].get("risk", {}) | {"rejoin": 1.0}
    return site.sign(site.write(f"policies/{policy}.yaml", content))


def expert_without_ceiling(site: TestSite) -> Path:
    """Write and sign expert-k11 with categories in the place of mapped codes: for what a few patients must deliver."""
    path = site.folder / "policies" / "expert-categories.yaml"
    if not path.exists():
        content = yaml.safe_load((POLICIES / "expert-k11.yaml").read_text())
        kept = {"icd10pcs": {"roll_up": "operation"}, "cpt": {"roll_up": "section"}, "ndc": {"roll_up": "product"}}
        own = {kind: kept.get(kind, {"generalize_code": 3}) for kind in content["limits"].pop("codes")["kinds"]}
        own["loinc"] = {"roll_up": "code"}
        content["limits"]["risk"] = {"rejoin": 1.0}
        site.write(
            "policies/expert-categories.yaml",
            content | {"policy": "expert-categories", "rules": content["rules"] | own},
        )
        site.sign(path)
    return path
