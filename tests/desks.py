"""A site with one approved request, and everybody who may sign for it or against it."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sites import PASSPHRASE, TEST_SCRYPT_N
from tiny_sources import REQUESTED, World

from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.errors import TrustError
from deid.export import Exported, export
from deid.keys.officers import SigningKey, generate_signing_key
from deid.papers.approval import approve
from deid.papers.authorization import load_recipients
from deid.papers.bound import propose
from deid.papers.trust import TrustRoot, add_person, load_trust
from deid.planning.compiler import compile_plan
from deid.planning.plan import Plan
from deid.sources.description import load_dataset

TODAY = date(2026, 11, 22)
_MADE = "made"  # the folder of a desk as it was made, beside it


class Desk:
    """A site, a request that was asked for and approved, and ways to change either."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.site = self.world.site
        self.dataset = self.world.source()
        self.request = self.world.request(self.dataset, REQUESTED, request="asked")

    @property
    def trust(self) -> TrustRoot:
        """The trust root as it stands."""
        return load_trust(self.site.site.trust)

    def plan(self, release: str = "one") -> Plan:
        """Compile the request as it stands, and sign nothing."""
        loaded = load_request(self.request)
        return compile_plan(
            loaded, load_policy(loaded.policy), load_dataset(loaded.dataset), release=release, today=TODAY
        )

    def person(self, name: str, role: str) -> SigningKey:
        """Add somebody to the trust root."""
        key = generate_signing_key(self.site.folder / "keys" / f"{name}.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
        add_person(self.site.site.trust, name=name, role=role, key=self.site.folder / "keys" / f"{name}.pub")
        return key

    def trusting(self, text: str) -> None:
        """Add fields to the trust root."""
        path = self.site.site.trust
        path.write_text(path.read_text() + text)

    def approve(
        self, key: SigningKey | None = None, *, at: datetime | None = None, expires: date | None = None
    ) -> None:
        """Approve the request as it stands, by default as the officer."""
        plan = self.plan()
        now = at or datetime.now(UTC)
        approve(propose(plan, load_recipients(plan)), key or self.site.officer, self.trust, at=now, expires=expires)

    def run(self, release: str = "one", *, now: datetime | None = None) -> Exported:
        """Run the request as it stands."""
        return export(
            self.plan(release), self.site.site, self.site.provider, progress=lambda _what, _rows: None, now=now
        )

    def refused(self, match: str, *, now: datetime | None = None) -> TrustError:
        """Run the request, which must be refused and leave nothing more than lay there."""
        before = self.site.leftovers()
        with pytest.raises(TrustError, match=match) as refusal:
            self.run("refused", now=now)
        assert "deid " in refusal.value.hint
        assert self.site.leftovers() == before
        return refusal.value

    def keep(self) -> None:
        """Keep the folder as it is, for `begin`."""
        shutil.copytree(self.site.folder, self.site.folder.with_name(_MADE))

    def begin(self) -> Desk:
        """Put the folder back as it was kept; keys are what takes time to make."""
        shutil.rmtree(self.site.folder)
        shutil.copytree(self.site.folder.with_name(_MADE), self.site.folder)
        self.request = self.site.folder / "asked.yaml"
        return self
