"""Answers an order: consent, release and method first, then the search, then the log, and only then whoever asked."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from deid.audit.events import Event, EventKind
from deid.audit.log import AuditLog
from deid.audit.site import site_log
from deid.crosswalks.crosswalk import Crosswalk
from deid.crosswalks.frozen import tagger
from deid.crosswalks.reversing import tags_of
from deid.documents.period import parse_period
from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.documents.site import Site
from deid.errors import AuditError, DocumentError, PlanError, ReleaseError, StorageError
from deid.keys.base import KeyProvider
from deid.keys.key_checks import steady_cmac
from deid.keys.prf import Bytes, offsets
from deid.observing.decision import OFFSETS, Pseudonyms
from deid.papers.register import enter_withdrawal, register
from deid.papers.trust import load_trust
from deid.papers.withdrawal import Withdrawal
from deid.planning.compiler import compile_plan
from deid.planning.plan import Plan
from deid.reidentify.answers import Answer, Found
from deid.reidentify.consent import held_of, require_consent
from deid.reidentify.marks import Marks, surrogate_bytes
from deid.reidentify.order import Order, load_order
from deid.reidentify.search import methods_of, of_list, of_source
from deid.release.manifest import MANIFEST, MAX_BYTES, Manifest, from_bytes
from deid.sources.description import load_dataset

Tell = Callable[[Order, Sequence[Answer]], None]
_NOBODY = "none"


def reidentify(
    order_path: Path,
    request_path: Path,
    site: Site,
    provider: KeyProvider,
    *,
    tell: Tell,
    candidates: Path | None = None,
    at: datetime | None = None,
) -> None:
    """Answer an order by calling `tell`, after every outcome is committed to the audit log.

    `candidates`: a list of identifiers in the place of the source. `at`: the instant at which signatures must hold.
    Raises TrustError where two people have not signed it, and what else stands in the way; it is entered as refused.
    """
    order = load_order(order_path)
    log = site_log(site, provider)
    signers: tuple[str, ...] = ()
    try:
        # Before anything is opened: without two signatures not even whether there is such a release is told.
        signers = _signers(order, site, log, at or datetime.now(UTC))
        plan = _plan(order, request_path, site)
        answers = _answers(order, plan, site, provider, candidates)
        _signers(order, site, log, at or datetime.now(UTC))  # it may have been withdrawn while the source was read
    except BaseException:  # an interrupt or a defect too: whoever tried is on record
        with contextlib.suppress(AuditError, StorageError):
            _enter(log, order, signers, ["refused"] * len(order.pseudonyms))
        raise
    _enter(log, order, signers, ["told" if a.outcome is Found.TOLD else "unknown" for a in answers])
    tell(order, answers)


def _signers(order: Order, site: Site, log: AuditLog, at: datetime) -> tuple[str, ...]:
    trust, known = load_trust(site.trust), register(log, site)

    def enter(found: Withdrawal) -> None:
        enter_withdrawal(log, found, held_of(order), trust, known)

    return require_consent(order, trust, known, at=at, met=enter).keys


def read_manifest(site: Site, request: str, release: str) -> tuple[Manifest, str]:
    """Return the manifest of a release of the site, and its SHA-256 (hex); raise ReleaseError."""
    path = site.releases / request / release / MANIFEST
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError:
        raise ReleaseError(
            f"there is no release {request}/{release} at this site", hint="name it by the folders below `releases`"
        ) from None
    return from_bytes(data), hashlib.sha256(data).hexdigest()


def _plan(order: Order, request_path: Path, site: Site) -> Plan:
    """Return the plan that the release was made by, as far as pseudonyms and offsets go; raise DeidError."""
    manifest, digest = read_manifest(site, order.request, order.release)
    if digest != order.manifest_sha256:
        raise ReleaseError(
            f"release {order.request}/{order.release} is not the one that the order is about",
            hint="its manifest has another digest: draft the order again, and have it signed",
        )
    request = load_request(request_path)
    policy = load_policy(request.policy)
    if request.name != order.request or policy.digest != manifest.policy_sha256:
        raise DocumentError(
            f"release {order.request}/{order.release} was made for another request, or under another policy",
            hint="the policy says by which method pseudonyms were made: give the documents as they were then",
        )
    period = parse_period(manifest.period) if manifest.period else None
    plan = compile_plan(request, policy, load_dataset(request.dataset), period=period, today=manifest.created)
    if not methods_of(plan, order.kind):
        raise PlanError(
            f"release {order.request}/{order.release} has no pseudonyms of the kind {order.kind}",
            hint="see the release's codebook",
        )
    return plan


def _answers(
    order: Order, plan: Plan, site: Site, provider: KeyProvider, candidates: Path | None
) -> tuple[Answer, ...]:
    answers = tuple(Answer(text, Found.NOT_IN_SOURCE) for text in order.pseudonyms)
    for method in sorted(methods_of(plan, order.kind)):
        looked = _random if method == "random" else _keyed
        ids = of_list(candidates) if candidates is not None else of_source(plan, order.kind)
        found = looked(order, plan, site, provider, ids)
        answers = tuple(b if a.identifier is None else a for a, b in zip(answers, found, strict=True))
    return _with_offsets(order, plan, site, provider, answers)


def _random(order: Order, plan: Plan, site: Site, provider: KeyProvider, ids: Iterable[pa.Array]) -> Iterator[Answer]:
    key = provider.subkey("crosswalk")
    domain = Pseudonyms(plan.request.name, plan.request.party, None, {}).domain_of(order.kind)
    given, tags = tags_of(site.state / "crosswalk", key, domain, surrogate_bytes(order.pseudonyms))
    rows = np.flatnonzero(given)
    found = Marks(tagger(key, domain), tags[rows]).find(ids) if len(rows) else []
    told = dict(zip(rows.tolist(), found, strict=True))
    for number, text in enumerate(order.pseudonyms):
        yield _answer(text, told.get(number), Found.NOT_IN_SOURCE if given[number] else Found.NEVER_GIVEN)


def _keyed(order: Order, plan: Plan, site: Site, provider: KeyProvider, ids: Iterable[pa.Array]) -> Iterator[Answer]:
    cmac = steady_cmac(provider, site.state / "keys")("pseudonym", plan.request.name, plan.request.party, order.kind)
    found = Marks(cmac, surrogate_bytes(order.pseudonyms)).find(ids)
    for text, identifier in zip(order.pseudonyms, found, strict=True):
        yield _answer(text, identifier, Found.NOT_IN_SOURCE)


def _answer(pseudonym: str, identifier: str | None, otherwise: Found) -> Answer:
    return Answer(pseudonym, Found.TOLD if identifier is not None else otherwise, identifier)


def _with_offsets(
    order: Order, plan: Plan, site: Site, provider: KeyProvider, answers: Sequence[Answer]
) -> tuple[Answer, ...]:
    shift = plan.shift
    if not order.dates or shift is None or not any(answer.identifier for answer in answers):
        return tuple(answers)
    told = [answer for answer in answers if answer.identifier is not None]
    ids = pa.array([answer.identifier for answer in told], pa.string())
    drawn = _offset_bits(plan, site, provider, ids, method=shift.method)
    days = offsets(drawn, max_days=shift.max_days, multiple_of=shift.multiple_of).tolist()
    by_pseudonym = {answer.pseudonym: day for answer, day in zip(told, days, strict=True)}
    return tuple(replace(answer, offset_days=by_pseudonym.get(answer.pseudonym)) for answer in answers)


def _offset_bits(plan: Plan, site: Site, provider: KeyProvider, ids: pa.Array, *, method: str) -> Bytes:
    """Return what each patient's offset is made of: a digest, or the bits that were drawn."""
    series = plan.request.name, plan.request.party
    if method == "keyed":
        return steady_cmac(provider, site.state / "keys")(OFFSETS, *series).digest(ids)
    domain, key = Pseudonyms(*series, None, {}).domain_of(OFFSETS), provider.subkey("crosswalk")
    with Crosswalk.open(site.state / "crosswalk", key, spill=site.state / "spill") as crosswalk:
        # Nobody is shown to it, so nothing is drawn and nothing committed.
        return crosswalk.freeze().surrogates(domain, tagger(key, domain).digest(ids))


def _enter(log: AuditLog, order: Order, signers: Sequence[str], outcomes: Sequence[str]) -> None:
    now = datetime.now(UTC)
    details = {"order_sha256": order.digest, "signers": ",".join(signers) or _NOBODY, "reason": order.reason}
    log.append_all(
        [
            Event(now, EventKind.REIDENTIFIED, order.request, {"pseudonym": log.pseudonym(t), "outcome": o, **details})
            for t, o in zip(order.pseudonyms, outcomes, strict=True)
        ]
    )
