"""What is written into a release beside its tables: codebook, packages, reports, manifest, and the envelope of keys."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deid import reports
from deid.checks.verification import check_envelope
from deid.documents.request import Profile
from deid.keys.base import KeyProvider
from deid.keys.officers import SigningKey
from deid.keys.recipients import Recipient, count_stanzas, seal_envelope
from deid.legal import Judgment
from deid.observing.decision import Decision
from deid.papers.signing import Statement, payload_of
from deid.papers.statements import seal
from deid.papers.trust import MANIFEST as MANIFEST_STATEMENT
from deid.planning.plan import Plan
from deid.quality.report import JSON, MARKDOWN, Report, to_json, to_markdown
from deid.release import writing as release
from deid.release.codebook import CODEBOOK, codebook
from deid.release.manifest import ENVELOPE, KEYS, MAC, MANIFEST, SIGNATURE, LedgerEntry, to_bytes
from deid.release.writing import TableFacts
from deid.reports.model import RiskReport
from deid.sealing.private import sync_folder, write_new
from deid.segments.words import notices
from deid.sinks.release_keys import ReleaseKeys
from deid.sources import Source


def write_documents(
    plan: Plan,
    judgment: Judgment,
    decision: Decision,
    facts: Mapping[str, TableFacts],
    told: RiskReport,
    quality: Report | None,
    quarantined: Mapping[str, int],
    source: Source,
    keys: ReleaseKeys,
    recipients: Sequence[Recipient],
    folder: Path,
    now: datetime,
    provider: KeyProvider,
    ledger: LedgerEntry | None,
    statements: Sequence[Statement] = (),
    signing: SigningKey | None = None,
) -> bytes:
    """Write codebook, data package, manifest, its authentication and the envelope; return the manifest.

    With the key by which the site signs, its signature over the manifest is written last.
    """
    # A plain digest of identified bytes would let anyone who knows most of a file test guesses at the rest.
    digest_key = provider.subkey("source-digest", keys.release)
    texts = {
        CODEBOOK: codebook(plan, decision, facts, keys.release).encode(),
        **release.packages(plan, judgment, facts, release=keys.release, created=now.date()),
    }
    texts |= notices(plan)
    texts |= {reports.JSON: reports.to_json(told), reports.HTML: reports.to_html(told)}
    if quality is not None and quality.tables:
        texts |= {JSON: to_json(quality), MARKDOWN: to_markdown(quality).encode()}
    manifest = to_bytes(
        release.build_manifest(
            plan,
            judgment,
            decision,
            facts,
            release=keys.release,
            aad=keys.aad,
            created=now.date(),
            source=source,
            seal=lambda digest: hmac.digest(digest_key, digest.encode(), "sha256").hex(),
            quarantined=quarantined,
            recipients=[hashlib.sha256(recipient.key.encode()).hexdigest() for recipient in recipients],
            documents=[release.document_entry(file, data) for file, data in texts.items()],
            ledger=ledger,
            statements=statements,
        )
    )
    texts[MANIFEST] = manifest
    texts[MAC] = keys.manifest_mac(manifest).encode() + b"\n"
    texts[ENVELOPE] = seal_envelope(keys.payload(), recipients)
    if plan.request.profile is Profile.COLUMNS:
        texts[KEYS] = keys.keys_file()
    check_envelope(count_stanzas(texts[ENVELOPE]), len(recipients))
    for file, data in texts.items():
        write_new(folder / file, data)
    if signing is not None:
        digest = hashlib.sha256(manifest).hexdigest()
        stated = payload_of(MANIFEST_STATEMENT, plan.request.name, keys.release, digest, datetime.now(UTC), None, None)
        seal(folder / SIGNATURE, signing, stated)
    sync_folder(folder)
    return manifest
