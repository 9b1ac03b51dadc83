"""A site that takes releases back: its officer, a recipient who certifies, and releases of one series."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sites import PASSPHRASE, TEST_SCRYPT_N
from tiny_sources import REQUESTED, World

from deid.audit import AuditLog, Entry
from deid.audit.site import site_log
from deid.keys.officers import SigningKey, generate_signing_key
from deid.papers.signing import sign_document
from deid.papers.trust import RECALL, TrustRoot, add_person, load_trust
from deid.recall.certificates import Certified, certify, write_certificate
from deid.recall.drafting import Reason, draft
from deid.recall.papers import Notice, digest_of, encode, load
from deid.recall.register import Register, register
from deid.recall.run import Done, recall

WHY = "Rows of another hospital were exported by mistake."
HOW = "Deleted from the server and both backups, and the key file with them."


class Recalling:
    """A world with a privacy officer, a recipient who may certify, and another one who is not asked."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.site = self.world.site
        self.recipient = self.person("Recipient", "recipient")
        self.other = self.person("Other", "recipient")
        self._source = self.world.source()
        self._notices = 0

    def person(self, name: str, role: str) -> SigningKey:
        """Make a key and add its holder to the trust root."""
        keys = self.site.folder / "keys"
        key = generate_signing_key(keys / f"{name.lower()}.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
        add_person(self.site.folder / "trust.yaml", name=name, role=role, key=keys / f"{name.lower()}.pub")
        return key

    @property
    def trust(self) -> TrustRoot:
        """The trust root as it stands."""
        return load_trust(self.site.site.trust)

    @property
    def log(self) -> AuditLog:
        """The audit log."""
        return site_log(self.site.site, self.site.provider)

    @property
    def known(self) -> Register:
        """What the log knows."""
        return register(self.log, self.site.site)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the researcher's public key."""
        return hashlib.sha256(self.site.researcher.with_suffix(".pub").read_text().strip().encode()).hexdigest()

    def request(self, **fields: Any) -> Path:
        """Write a request over the sound source."""
        return self.world.request(self._source, REQUESTED, **fields)

    def export(self, request: Path, *names: str) -> list[Path]:
        """Run a request once for each name; return the folders."""
        return [self.site.run(request, name=name).folder for name in names]

    def series(self, *names: str, **fields: Any) -> list[Path]:
        """Export releases of a new request, `columns` unless another profile is given."""
        return self.export(self.request(**({"profile": "columns"} | fields)), *names)

    def draft(self, *folders: Path, asks: Sequence[str] = ("Recipient",), **fields: Any) -> Notice:
        """Draft the notice about releases."""
        names = [(folder.parent.name, folder.name) for folder in folders]
        reason = Reason(fields.pop("reason", "disclosure"), fields.pop("why", WHY))
        return draft(
            self.site.site, self.site.provider, self.known, self.trust, names, reason, created=datetime.now(UTC).date(), asks=asks,
            **fields,
        )  # fmt: skip

    def sign(self, notice: Notice, key: SigningKey | None = None) -> Path:
        """Write a notice and sign it, by default as the officer."""
        self._notices += 1
        path = self.site.folder / f"notice{self._notices}.json"
        data = encode(notice)
        path.write_bytes(data)
        sign_document(
            path, key or self.site.officer, RECALL, data_digest=digest_of(data), name=notice.recall, version="1",
            signed_at=datetime.now(UTC),
        )  # fmt: skip
        return path

    def run(self, notice: Path) -> Done:
        """Carry a notice out."""
        return recall(notice, self.site.site, self.site.provider, self.log, self.trust)

    def recall(self, *folders: Path, **fields: Any) -> Done:
        """Draft, sign and carry out the notice about releases; nothing may be left undone."""
        done = self.run(self.sign(self.draft(*folders, **fields)))
        assert not done.failed
        return done

    def certificate(self, done: Done, key: SigningKey | None = None, **fields: Any) -> Path:
        """Write a certificate over what a recall took back, by default as the recipient who is asked."""
        path = self.site.folder / "certificate.json"
        notice, data = load(done.mark.path, Notice)
        given: dict[str, Any] = {
            "recipients": [self.fingerprint],
            "destroyed_on": datetime.now(UTC).date(),
            "how": HOW,
        } | fields
        write_certificate(path, notice, digest_of(data), key or self.recipient, at=datetime.now(UTC), **given)
        return path

    def certify(self, certificate: Path) -> Certified:
        """Take a certificate in."""
        return certify(certificate, self.site.site, self.log, self.trust)

    def entries(self, *kinds: str) -> list[Entry]:
        """Return the entries of these kinds."""
        found: list[Entry] = []
        self.log.verify(seen=lambda entry, _: found.append(entry))
        return [entry for entry in found if entry.kind in kinds]
