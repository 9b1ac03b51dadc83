"""The order: which pseudonyms of which release, why, and who gets the answer; docs/formats/reidentification.md."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from deid.audit.events import REASONS
from deid.documents.reading import Document, load, parse
from deid.keys.files import write_private
from deid.keys.recipients import Recipient, seal_envelope
from deid.kinds import KINDS

TERMINAL = "terminal"
PATIENT = "patient_id"
MAX_PSEUDONYMS = 10_000
_MIN_WHY = 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PSEUDONYM = re.compile(r"[a-z2-7]{16}")


@dataclass(frozen=True, slots=True)
class Order:
    """A parsed order; `digest` is the SHA-256 (hex) of its file, `recipient` None where a terminal gets the answer."""

    name: str
    request: str
    release: str
    manifest_sha256: str
    kind: str
    pseudonyms: tuple[str, ...] = field(repr=False)
    reason: str
    why: str = field(repr=False)
    dates: bool
    recipient: Recipient | None
    path: Path
    digest: str


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    reidentification: int
    order: str
    request: str
    release: str
    manifest_sha256: str
    pseudonyms: list[str]
    reason: str
    why: str
    answer: str
    kind: str = PATIENT
    dates: bool = False


def load_order(path: Path) -> Order:
    """Read the order at `path`; raise DocumentError."""
    return _build(load(path))


def write_order(
    path: Path,
    *,
    name: str,
    request: str,
    release: str,
    manifest_sha256: str,
    pseudonyms: Sequence[str],
    reason: str,
    why: str,
    answer: str,
    kind: str = PATIENT,
    dates: bool = False,
) -> Order:
    """Write a new order, mode 0600, and return it; raise DocumentError if it does not hold, KeyFaultError if it exists.

    The file is for its owner alone: the sentence may tell of a patient.
    """
    fields = {
        "reidentification": 1,
        "order": name,
        "request": request,
        "release": release,
        "manifest_sha256": manifest_sha256,
        "kind": kind,
        "pseudonyms": list(pseudonyms),
        "reason": reason,
        "why": why,
        "dates": dates,
        "answer": answer,
    }
    # JSON values are YAML values, quoted whatever they hold.
    data = "".join(f"{key}: {json.dumps(value)}\n" for key, value in fields.items()).encode()
    order = _build(parse(path, data))  # read back before it is written
    write_private(path, data)
    return order


def _build(document: Document) -> Order:
    raw = document.into(_Order)
    if raw.reidentification != 1:
        raise document.fault("this is not version 1 of an order", at="$.reidentification", hint="write 1")
    for at, text in (("order", raw.order), ("request", raw.request), ("release", raw.release)):
        if not _NAME.fullmatch(text):
            raise document.fault(
                f"{at} is not a name", at=f"$.{at}", hint="letters, digits, dots, underscores and hyphens"
            )
    if not _DIGEST.fullmatch(raw.manifest_sha256):
        raise document.fault(
            "manifest_sha256 is not 64 hex digits", at="$.manifest_sha256", hint="`deid reidentify draft` writes it"
        )
    if raw.kind not in KINDS or not KINDS[raw.kind].is_identifier_code:
        raise document.fault("the kind has no pseudonyms", at="$.kind", hint="patient_id, encounter_id, claim_id …")
    if raw.reason not in REASONS:
        raise document.fault("the reason is none of those", at="$.reason", hint=f"one of {', '.join(REASONS)}")
    if len(raw.why.split()) < 3 or len(raw.why.strip()) < _MIN_WHY:
        raise document.fault(
            f"the reason in words has fewer than {_MIN_WHY} characters",
            at="$.why",
            hint="write what it is for, so that a third person understands it",
        )
    if not raw.why.replace("\n", "").isprintable():  # it is shown to who signs, and could hide what they sign
        raise document.fault("the reason in words holds what does not print", at="$.why", hint="write plain text")
    _check_pseudonyms(document, raw)
    if raw.dates and raw.kind != PATIENT:
        raise document.fault("offsets are of patients", at="$.dates", hint=f"leave it out, or ask for {PATIENT}")
    return Order(
        raw.order, raw.request, raw.release, raw.manifest_sha256, raw.kind, tuple(raw.pseudonyms), raw.reason,
        raw.why, raw.dates, _recipient(document, raw), document.path, document.digest,
    )  # fmt: skip


def _check_pseudonyms(document: Document, raw: _Order) -> None:
    if not 1 <= len(raw.pseudonyms) <= MAX_PSEUDONYMS:
        raise document.fault(
            f"an order has 1 to {MAX_PSEUDONYMS:,} pseudonyms", at="$.pseudonyms", hint="write several orders"
        )
    for number, text in enumerate(raw.pseudonyms):
        if not _PSEUDONYM.fullmatch(text):
            raise document.fault(
                "this is not a pseudonym", at=f"$.pseudonyms[{number}]", hint="16 characters of a-z and 2-7"
            )
    if len(set(raw.pseudonyms)) < len(raw.pseudonyms):
        raise document.fault("a pseudonym stands twice", at="$.pseudonyms", hint="write each once")


def _recipient(document: Document, raw: _Order) -> Recipient | None:
    if raw.answer == TERMINAL:
        if len(raw.pseudonyms) > 1:
            raise document.fault(
                "a list is not answered to a terminal", at="$.answer", hint="name the key of who reads it, age1…"
            )
        return None
    recipient = Recipient("the answer's reader", raw.answer)
    try:
        seal_envelope(b"", [recipient])  # refuses whatever is no sound public key
    except Exception:  # noqa: BLE001 - whatever stands there, it is no key
        raise document.fault(
            "the answer goes to a terminal or to a public key", at="$.answer", hint="write `terminal` or age1…"
        ) from None
    return recipient
