"""Signing keys by URI: a sealed file, a key in a PKCS #11 token, a key of AWS KMS. docs/formats/keys.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deid.errors import KeyFaultError
from deid.keys.officers import SigningKey, load_signing_key

Secret = Callable[[], bytes]


def _file(place: str, passphrase: Secret) -> SigningKey:
    return load_signing_key(Path(place), passphrase)


def _token(place: str, pin: Secret) -> SigningKey:
    try:
        from deid.keys.token_signer import open_token_signer  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing("python-pkcs11", "hsm") from None
    return open_token_signer(place, pin)


def _kms(place: str, _secret: Secret) -> SigningKey:
    try:
        from deid.keys.kms_signer import open_kms_signer  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing("boto3", "aws") from None
    return open_kms_signer(place)


SCHEMES: dict[str, Callable[[str, Secret], SigningKey]] = {"file": _file, "pkcs11": _token, "awskms": _kms}


def open_signer(where: str, secret: Secret) -> SigningKey:
    """Open the signing key at a path or URI: `file:PATH`, `pkcs11:...`, `awskms:...`.

    `secret` is called where one is needed: the passphrase of a file, the PIN of a token. Raises KeyFaultError if the
    key is missing, locked, of a kind that may not sign, or two.
    """
    scheme, colon, place = where.partition(":")
    if colon and scheme in SCHEMES:
        return SCHEMES[scheme](place, secret)
    return load_signing_key(Path(where), secret)


def make_token_key(uri: str, pin: Secret) -> SigningKey:
    """Make a signing key in a token, which it can never leave; raise KeyFaultError if there is one of this name."""
    scheme, _, place = uri.partition(":")
    if scheme != "pkcs11":
        raise KeyFaultError("signing keys are made in files and tokens", hint="make a key of KMS by the service's tool")
    try:
        from deid.keys.token_signer import make_token_signer  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing("python-pkcs11", "hsm") from None
    return make_token_signer(place, pin)


def _missing(package: str, extra: str) -> KeyFaultError:
    return KeyFaultError(
        f"this signing key needs the package {package}", hint=f"install it with pip install 'deid[{extra}]'"
    )
