"""URIs of key providers beyond a path: `pkcs11:` (RFC 7512) and `aws_kms:`; strict, and without any secret in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deid.errors import KeyFaultError

_OBJECT = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")
_KEY = re.compile(r"alias/(?!aws/)[A-Za-z0-9/_-]{1,200}")
_PIN = frozenset({"pin-value", "pin-source"})
DEFAULT_TIMEOUT = 10


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where a token's keys are: the module, the token's label and serial number, the name of the provider's keys."""

    module: Path
    token: str
    name: str
    serial: str | None = None


@dataclass(frozen=True, slots=True)
class KmsPlace:
    """Where a KMS key is; `region`, `endpoint` and `profile` are the SDK's where they are None; `timeout` seconds."""

    key: str
    region: str | None = None
    endpoint: str | None = None
    profile: str | None = None
    timeout: int = DEFAULT_TIMEOUT

    @property
    def mac_key(self) -> str:
        """The alias of the key that subkeys are derived with."""
        return f"{self.key}-mac"


def token_place(place: str) -> TokenPlace:
    """Read what follows `pkcs11:`; raise KeyFaultError for anything but token, serial, object and module-path."""
    path, _, query = place.partition("?")
    fields = _fields("pkcs11", [*path.split(";"), *query.split("&")], {"token", "serial", "object", "module-path"})
    module = Path(fields.get("module-path", ""))
    name = fields.get("object", "")
    if not fields.get("token") or not module.is_absolute() or not _OBJECT.fullmatch(name):
        raise _strange(
            "pkcs11", "it needs token, object (a-z0-9._-, at most 32) and an absolute module-path",
            "pkcs11:token=LABEL;object=NAME?module-path=/usr/lib/softhsm/libsofthsm2.so",
        )  # fmt: skip
    return TokenPlace(module, fields["token"], name, fields.get("serial"))


def kms_place(place: str) -> KmsPlace:
    """Read what follows `aws_kms:`; raise KeyFaultError for a key that is no alias, or an endpoint in clear."""
    key, _, query = place.partition("?")
    fields = _fields("aws_kms", query.split("&"), {"region", "endpoint", "profile", "timeout"})
    region, endpoint, timeout = fields.get("region"), fields.get("endpoint"), fields.get("timeout", "10")
    if (
        not _KEY.fullmatch(key)
        or (region is not None and not _REGION.fullmatch(region))
        or not (timeout.isascii() and timeout.isdigit() and 1 <= int(timeout[:4]) <= 60)
    ):
        raise _strange(
            "aws_kms", "it needs an alias, and a sound region and timeout", "aws_kms:alias/NAME?region=us-east-1"
        )
    if endpoint is not None:
        _check_endpoint(endpoint)
    return KmsPlace(key, region, endpoint, fields.get("profile"), int(timeout))


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    sound = parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host))
    if not sound or not host or parts.username or parts.password or parts.query or parts.fragment:
        raise _strange(
            "aws_kms", "an endpoint is https, or http on this machine, without user, password or query",
            "aws_kms:alias/NAME?endpoint=https://kms.example.org",
        )  # fmt: skip


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _fields(scheme: str, parts: Iterable[str], known: set[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in filter(None, parts):
        name, equals, value = part.partition("=")
        if name in _PIN:
            raise _strange(scheme, "a PIN does not belong into it", "set DEID_PASSPHRASE_FILE, or type it when asked")
        if not equals or not value or name not in known or name in fields:
            # The name is not shown: somebody may have put a secret in the wrong place.
            raise _strange(
                scheme,
                f"it may hold {', '.join(sorted(known))}, each once, and nothing else",
                "see docs/formats/keys.md",
            )
        fields[name] = unquote(value)
    return fields


def _strange(scheme: str, why: str, hint: str) -> KeyFaultError:
    return KeyFaultError(f"the URI of a key provider that begins {scheme}: is refused: {why}", hint=hint)
