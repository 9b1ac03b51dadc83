"""How a signed statement lies on disk: a DSSE envelope around one canonical spelling of what was stated.

docs/formats/trust.md, "Statement", is the specification. Whose signatures count is decided in deid.papers.signing.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from securesystemslib.dsse import Envelope

from deid.errors import TrustError
from deid.keys.files import replace_file
from deid.keys.officers import SigningKey

PAYLOAD_TYPE = "application/vnd.deid.statement+json"
MAX_BYTES = 256 * 1024
MAX_SIGNATURES = 64
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Payload(msgspec.Struct, forbid_unknown_fields=True):
    """What is under the signatures; `signed_at` is RFC 3339 in UTC, whole seconds."""

    type: str
    name: str
    version: str
    sha256: str
    signed_at: str
    expires: date | None
    terms: dict[str, str]

    def instant(self, document: str) -> datetime:
        """Return when it was signed; raise TrustError if that is not spelled as it must be."""
        try:
            return datetime.strptime(self.signed_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            raise TrustError(f"the statement over {document} has no proper time", hint="have it signed again") from None


class _Signature(msgspec.Struct, forbid_unknown_fields=True):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    payload: str
    payloadType: str  # noqa: N815  # DSSE's spelling
    signatures: list[_Signature]


def is_digest(text: str) -> bool:
    """Whether `text` is a SHA-256 as it is written in statements."""
    return _DIGEST.fullmatch(text) is not None


def spelled(instant: datetime) -> str:
    """Return an instant as statements write it; raise ValueError if it has no time zone."""
    return utc(instant).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc(instant: datetime) -> datetime:
    """Return an instant in UTC; raise ValueError if it has no time zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC)


def seal(path: Path, key: SigningKey, payload: Payload) -> None:
    """Write `payload`, signed with `key`, to `path`, in one step; raise StorageError if it cannot be written."""
    envelope = Envelope(_canonical(payload), PAYLOAD_TYPE, {})
    envelope.sign(key.signer)
    write(path, envelope)


def write(path: Path, envelope: Envelope) -> None:
    """Write an envelope to `path`, in one step; raise StorageError if it cannot be written."""
    replace_file(path, msgspec.json.format(msgspec.json.encode(envelope.to_dict()), indent=2) + b"\n")


def read(path: Path, document: str) -> tuple[Envelope, Payload]:
    """Return what lies at `path`, its signatures not yet verified; raise TrustError for anything malformed."""
    data = _read_bytes(path, document)
    try:
        outer = msgspec.json.decode(data, type=_Envelope)
        if outer.payloadType != PAYLOAD_TYPE or not 1 <= len(outer.signatures) <= MAX_SIGNATURES:
            raise _malformed(path)
        envelope = Envelope.from_dict(msgspec.to_builtins(outer))
        payload = msgspec.json.decode(envelope.payload, type=Payload)
    except TrustError:
        raise
    except Exception:  # noqa: BLE001  # whatever the parsers raise, an envelope they stumble over is not trusted
        raise _malformed(path) from None
    # One statement, one spelling: no doubled key, escape or space can make two readers see different things.
    if _canonical(payload) != envelope.payload or not is_digest(payload.sha256):
        raise _malformed(path)
    payload.instant(document)
    return envelope, payload


def _read_bytes(path: Path, document: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise TrustError(
            f"{document} is not signed: there is no {path.name} beside it",
            hint="have a privacy officer read it and sign it: `deid policy sign`, for requests `deid request attest`",
        ) from None
    except OSError as error:
        raise TrustError(f"cannot read {path.name}: {error.strerror}", hint="check who may read it") from None
    if len(data) > MAX_BYTES:
        raise TrustError(f"{path.name} is larger than {MAX_BYTES:,} bytes", hint="have the document signed again")
    return data


def _malformed(path: Path) -> TrustError:
    return TrustError(
        f"{path.name} is not a well-formed signed statement", hint="restore it, or have the document signed again"
    )


def _canonical(payload: Payload) -> bytes:
    text = json.dumps(msgspec.to_builtins(payload), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii")
