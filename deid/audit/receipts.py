"""Receipts: the head of an audit log, signed by the site and kept elsewhere; docs/formats/audit.md, "Receipt"."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from deid.audit.chain import Head
from deid.audit.entries import stamp
from deid.errors import AuditError, TrustError
from deid.keys.files import replace_file
from deid.keys.officers import SigningKey
from deid.papers.signing import sign_document, verify_document
from deid.papers.trust import AUDIT_HEAD, SITE, TrustRoot

FORMAT = "deid-audit-receipt/1"
SUFFIX = ".audit.json"
_MAX_BYTES = 16 * 1024
_ENCODER = msgspec.json.Encoder(order="sorted")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at: str
    entries: int
    format: str
    head: str
    log: str
    site: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A head that somebody keeps; `signers` are the names from the trust root that signed it.

    `is_beside`: it lies beside a release of the site itself.
    """

    head: Head
    site: str
    at: str
    signers: tuple[str, ...] = ()
    is_beside: bool = False


def receipt_path(releases: Path, request: str, release: str) -> Path:
    """Return where the receipt of a release lies: beside its folder."""
    return releases / request / f"{release}{SUFFIX}"


def write_receipt(path: Path, head: Head, key: SigningKey, *, site: str, at: datetime) -> Receipt:
    """Write a receipt to `path`, and its statement beside it; raise StorageError."""
    raw = _File(stamp(at), head.entries, FORMAT, head.hash, head.log, site)
    data = _ENCODER.encode(raw)
    digest = hashlib.sha256(data).hexdigest()
    # Its statement first: whoever is killed in between leaves no receipt that nobody has signed.
    sign_document(path, key, AUDIT_HEAD, data_digest=digest, name=head.log, version=str(head.entries), signed_at=at)
    replace_file(path, data)
    return Receipt(head, site, raw.at)


def load_receipt(path: Path, trust: TrustRoot, *, at: datetime) -> Receipt:
    """Read a receipt; raise AuditError where it is none, TrustError unless its statement holds at the instant `at`."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES)
        raw = msgspec.json.decode(data, type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise _unreadable(path) from None
    if raw.format != FORMAT or raw.entries < 1 or _ENCODER.encode(raw) != data:
        raise _unreadable(path)
    digest = hashlib.sha256(data).hexdigest()
    statement = verify_document(path, digest, trust, AUDIT_HEAD, name=raw.log, version=str(raw.entries), at=at)
    return Receipt(Head(raw.log, raw.entries, raw.head), raw.site, raw.at, statement.signers)


def require_signer(key: SigningKey, trust: TrustRoot) -> None:
    """Raise TrustError unless the trust root lets this key sign heads: its receipts would hold nowhere."""
    if key.keyid not in {known.keyid for known in trust.signers_for(AUDIT_HEAD)}:
        raise TrustError(
            f"the site's signing key may not sign an {AUDIT_HEAD} by {trust.path.name}",
            hint=f"add it: `deid keys generate officer PATH --name SITE --role {SITE} --trust {trust.path.name}`",
        )


def _unreadable(path: Path) -> AuditError:
    return AuditError(f"{path.name} cannot be read as a receipt of an audit log", hint="take it from where it was sent")
