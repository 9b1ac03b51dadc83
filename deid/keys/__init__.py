"""Where master keys live. A new provider is one file here and one line in PROVIDERS and in MAKERS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deid.errors import KeyFaultError
from deid.keys.base import KeyProvider
from deid.keys.local import LocalProvider, generate_provider, open_local

Passphrase = Callable[[], bytes]
Opener = Callable[[str, Path, Passphrase], KeyProvider]


def _local(place: str, folder: Path, passphrase: Passphrase) -> KeyProvider:
    return open_local(folder / place, passphrase)


def _make_local(place: str, folder: Path, passphrase: Passphrase) -> KeyProvider:
    return generate_provider(folder / place, passphrase())


def _token(place: str, _folder: Path, passphrase: Passphrase) -> KeyProvider:
    try:
        from deid.keys.hsm import open_hsm  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing("python-pkcs11", "hsm") from None
    return open_hsm(place, passphrase)


def _make_token(place: str, _folder: Path, passphrase: Passphrase) -> KeyProvider:
    try:
        from deid.keys.hsm import generate_hsm  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing("python-pkcs11", "hsm") from None
    return generate_hsm(place, passphrase)


def _kms(place: str, _folder: Path, _passphrase: Passphrase) -> KeyProvider:
    try:
        from deid.keys.aws_kms import open_kms  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing("boto3", "aws") from None
    return open_kms(place)


def _make_kms(place: str, _folder: Path, _passphrase: Passphrase) -> KeyProvider:
    try:
        from deid.keys.aws_kms import generate_kms  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing("boto3", "aws") from None
    return generate_kms(place)


PROVIDERS: dict[str, Opener] = {
    LocalProvider.scheme: _local,
    "pkcs11": _token,
    "aws_kms": _kms,
}
MAKERS: dict[str, Opener] = {
    LocalProvider.scheme: _make_local,
    "pkcs11": _make_token,
    "aws_kms": _make_kms,
}


def open_provider(uri: str, passphrase: Passphrase, *, folder: Path = Path()) -> KeyProvider:
    """Open the key provider named by a URI such as `local:keys/site.key`.

    A relative path is read from `folder`. `passphrase` is called only if the provider needs one: the passphrase of a
    key file, the PIN of a token. Raises KeyFaultError for an unknown scheme, a missing or damaged key, or a wrong
    passphrase.
    """
    return _of(PROVIDERS, uri, passphrase, folder)


def make_provider(uri: str, passphrase: Passphrase, *, folder: Path = Path()) -> KeyProvider:
    """Make the master keys of a new provider where its URI says; raise KeyFaultError if there are any."""
    return _of(MAKERS, uri, passphrase, folder)


def _of(openers: dict[str, Opener], uri: str, passphrase: Passphrase, folder: Path) -> KeyProvider:
    scheme, colon, place = uri.partition(":")
    if not colon or not place or scheme not in openers:
        # What follows the scheme is not shown: somebody may have put a secret there.
        raise KeyFaultError(
            f"cannot open a key provider of the scheme {scheme[:32]!r}: "
            f"expected <scheme>:<place>, with a scheme of {', '.join(openers)}",
            hint="for example local:keys/site.key, made by `deid keys generate`",
        )
    return openers[scheme](place, folder, passphrase)


def _missing(package: str, extra: str) -> KeyFaultError:
    return KeyFaultError(
        f"this key provider needs the package {package}", hint=f"install it with pip install 'deid[{extra}]'"
    )
