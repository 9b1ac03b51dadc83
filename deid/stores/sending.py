"""`deid deliver`: a release of this site that may leave, and whose manifest the audit log names, on its way to a place.

The log is told before the first object is written and after the last, so that a recall knows every place that may have
one, a delivery that was killed too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from deid.audit import AuditLog
from deid.audit.events import EventKind
from deid.audit.site import record, site_log
from deid.documents.period import parse_period
from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.documents.site import Site
from deid.errors import DocumentError, ReleaseError
from deid.keys.base import KeyProvider
from deid.opening.folder import faults_in, read_small
from deid.papers.authorization import authorize, load_recipients
from deid.papers.trust import load_trust
from deid.planning.compiler import compile_plan
from deid.recall.gate import refuse_recalled_release
from deid.release.manifest import MANIFEST, RECALL, RELEASE_ID, Manifest, from_bytes
from deid.sources.description import load_dataset
from deid.stores.delivery import Delivered, Delivery, Progress
from deid.stores.place import Place
from deid.stores.settings import settings


def deliver(
    request_path: Path, name: str, place: Place, site: Site, provider: KeyProvider, *, progress: Progress, now: datetime
) -> Delivered | None:
    """Bring release `name` of a request to REQUEST/NAME below a place, or what of it is missing there.

    None where the release was recalled and its notice was brought there. Raises DocumentError, PlanError or TrustError
    where the request may not run now, ReleaseError, AuditError, StoreError.
    """
    if not RELEASE_ID.fullmatch(name):
        raise ReleaseError("a release's name holds letters, digits, dots, underscores and hyphens", hint="see releases")
    reached = settings()  # before anything is opened: whether there is a store to deliver to
    request = load_request(request_path)
    folder = site.releases / request.name / name
    data = read_small(folder, MANIFEST)
    manifest = from_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    subject = f"{request.name}/{name}"
    log = site_log(site, provider)
    _require_known(log, subject, digest)
    target = place.below(request.name, name)
    told: dict[str, str | int] = {"manifest_sha256": digest, "place": str(target)}
    delivery = Delivery(reached, folder, manifest, target)
    if _bring_notice(delivery, folder, log, subject, told):
        return None
    refuse_recalled_release(folder, site, log)  # marked, and its notice not there yet
    _authorize(request_path, name, manifest, site, log, now)
    for fault in faults_in(folder, manifest):
        raise fault
    record(log, EventKind.DELIVERY_STARTED, subject, **told)
    done = delivery.run(progress)
    record(log, EventKind.RELEASE_DELIVERED, subject, **told, objects=done.objects, sent=done.sent)
    refuse_recalled_release(folder, site, log)  # recalled meanwhile: delivering again brings the notice there
    # Recalled while it was on its way: who did that did not find it delivered yet.
    return None if _bring_notice(delivery, folder, log, subject, told) else done


def _bring_notice(delivery: Delivery, folder: Path, log: AuditLog, subject: str, told: Mapping[str, str | int]) -> bool:
    """Bring the notice of a recalled release to where it lies; return whether it was recalled."""
    if not (folder / RECALL).exists():
        return False
    delivery.recall()
    record(log, EventKind.RECALL_DELIVERED, subject, **told)
    return True


def _require_known(log: AuditLog, subject: str, digest: str) -> None:
    """Raise ReleaseError unless the log, which holds, names this manifest: the site made it and nobody changed it."""
    known: set[str] = set()

    def seen(entry: object, _hash: str) -> None:
        kind, of, details = (getattr(entry, name) for name in ("kind", "subject", "details"))
        if of == subject and kind in {EventKind.RELEASE_PREPARED, EventKind.RELEASE_FOUND}:
            known.add(str(details["manifest_sha256"]))

    log.verify(seen=seen)
    if digest not in known:
        raise ReleaseError(
            f"the audit log does not name the manifest of release {subject}",
            hint="it was exchanged, or another site made it; `deid audit verify` tells more. Nothing was sent",
        )


def _authorize(request_path: Path, name: str, manifest: Manifest, site: Site, log: AuditLog, now: datetime) -> None:
    """Raise unless the request may run today: what was withdrawn or ran out since the release is not handed on."""
    request = load_request(request_path)
    # The source may lie in another store, which these credentials do not reach, and nothing of it is read.
    policy, dataset = load_policy(request.policy), load_dataset(request.dataset, away=True)
    found = (request.digest, policy.digest, dataset.digest)
    if found != (manifest.request_sha256, manifest.policy_sha256, manifest.dataset_sha256):
        raise DocumentError(
            f"release {manifest.release} was made for another request, or under another policy or description",
            hint="give the documents as they were then: their digests stand in manifest.json",
        )
    period = parse_period(manifest.period) if manifest.period else None
    plan = compile_plan(request, policy, dataset, period=period, release=name, today=now.date())
    authorize(plan, site, load_trust(site.trust), load_recipients(plan), at=now, log=log)
