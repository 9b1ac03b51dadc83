"""A site whose officers order reidentification, and releases of which something is led back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sites import PASSPHRASE, TEST_SCRYPT_N
from tiny_sources import REQUESTED, World

from deid.export import Exported
from deid.keys.officers import SigningKey, generate_signing_key
from deid.papers.trust import TrustRoot, add_person, load_trust
from deid.reidentify.answers import Answer
from deid.reidentify.consent import sign_order
from deid.reidentify.order import Order, load_order, write_order
from deid.reidentify.run import read_manifest, reidentify

WHY = "A result in the data is one that somebody must act on today."


class Officers:
    """A world with a privacy officer, a data steward, and somebody who may not."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.site = self.world.site
        self.officer = self.site.officer
        self.steward = self.person("Steward", "data_steward")
        self.stranger = self.person("Stranger", "requester")

    def person(self, name: str, role: str) -> SigningKey:
        """Make a key and add its holder to the trust root."""
        key = generate_signing_key(
            self.site.folder / "keys" / f"{name.lower()}.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N
        )
        public = self.site.folder / "keys" / f"{name.lower()}.pub"
        add_person(self.site.folder / "trust.yaml", name=name, role=role, key=public)
        return key

    @property
    def trust(self) -> TrustRoot:
        """The trust root as it stands."""
        return load_trust(self.site.site.trust)

    def shifting(self, **options: Any) -> Path:
        """Write and sign a policy under which the days of a patient move together."""
        rules: dict[str, Any] = {"sex": "keep", "zip_code": "keep"}
        rules |= {kind: {"pseudonymize": "keyed"} for kind in ("patient_id", "encounter_id")}
        dates = ("birth_date", "admit_date", "discharge_date")
        rules |= {kind: {"shift_date": {"max_days": 30} | options} for kind in dates}
        return self.world.policy({"policy": "own", "version": 1, "basis": "expert_determination", "rules": rules})

    def release(self, **fields: Any) -> tuple[Path, Exported]:
        """Export the sound source; return request and release."""
        tables = fields.pop("tables", REQUESTED)
        request = self.world.request(self.world.source(), tables, **fields)
        return request, self.site.run(request)

    def order(self, exported: Exported, pseudonyms: list[str], **fields: Any) -> Order:
        """Write an order about a release, in a new file."""
        request, release = exported.folder.parent.name, exported.folder.name
        number = len(list(self.site.folder.glob("order*.yaml")))
        given = {"reason": "patient-safety", "why": WHY, "answer": "terminal", "name": f"order-{number}"} | fields
        digest = read_manifest(self.site.site, request, release)[1]
        return write_order(
            self.site.folder / f"order{number}.yaml",
            request=request,
            release=release,
            manifest_sha256=given.pop("manifest_sha256", digest),
            pseudonyms=pseudonyms,
            **given,
        )

    def sign(self, order: Order, *keys: SigningKey, at: datetime | None = None, days: int = 7) -> Order:
        """Sign an order, by default with the two who may."""
        for key in keys or (self.officer, self.steward):
            sign_order(order, key, self.trust, at=at or datetime.now(UTC), days=days)
        return load_order(order.path)

    def answers(self, order: Order, request: Path, **options: Any) -> list[Answer]:
        """Answer an order, and return what is told."""
        told: list[Answer] = []
        reidentify(
            order.path, request, self.site.site, self.site.provider, tell=lambda _, found: told.extend(found), **options
        )
        return told

    def pseudonyms(self, exported: Exported) -> dict[str, str]:
        """Return the released pseudonym of each patient of the sound source, told apart by their sex."""
        rows = self.site.open(exported).read("patients").to_pylist()
        who = {"F": "SENTINEL-PAT-1", "M": "SENTINEL-PAT-2"}
        return {who[row["SEX"]]: row["ID"] for row in rows}
