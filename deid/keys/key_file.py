"""A small secret in a file under a passphrase: scrypt and AES-256-GCM, one JSON object (docs/formats/keys.md)."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from deid.errors import KeyFaultError
from deid.keys.base import KEY_BYTES, NONCE_BYTES
from deid.keys.files import clean_passphrase, read_private, replace_file, write_private

PRODUCTION_N = 2**17
SMALLEST_N = 2**14
LARGEST_N = 2**20
MAX_BYTES = 4096
_SALT_BYTES = 16
_ID = re.compile(r"[0-9a-f]{32}")


class _Sealed(msgspec.Struct, forbid_unknown_fields=True):
    deid_sealed: int
    kind: str
    id: str
    scrypt_n: int
    scrypt_r: int
    scrypt_p: int
    salt: str
    nonce: str
    sealed: str


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """What a sealed file held: its id (32 hex digits, no secret) and the payload, which `repr` does not show."""

    id: str
    payload: bytes
    stretched: bytes  # the passphrase after scrypt: the file can be sealed again without asking

    def __repr__(self) -> str:
        return f"Secret(id={self.id!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")


def write_sealed(path: Path, *, kind: str, payload: bytes, passphrase: bytes, scrypt_n: int = PRODUCTION_N) -> Secret:
    """Seal `payload` into the new file `path`; raise KeyFaultError if it exists or the passphrase is empty."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(NONCE_BYTES)
    header = _Sealed(1, kind, os.urandom(16).hex(), scrypt_n, 8, 1, _text(salt), _text(nonce), "")
    _check_parameters(path, header)
    key = _stretch(clean_passphrase(passphrase), salt, scrypt_n)
    header.sealed = _text(AESGCM(key).encrypt(nonce, payload, _associated(header)))
    write_private(path, msgspec.json.encode(header) + b"\n")
    return Secret(header.id, payload, key)


def read_sealed(path: Path, *, kind: str, passphrase: Callable[[], bytes], size: int) -> Secret:
    """Return the payload of `size` bytes; raise KeyFaultError if file, kind or passphrase do not fit.

    `passphrase` is asked for only once the file is found to be whole.
    """
    header = _parse(path, kind=kind)
    salt = _binary(path, header.salt)
    if len(salt) != _SALT_BYTES:
        raise _damaged(path)
    return _opened(path, header, _stretch(clean_passphrase(passphrase()), salt, header.scrypt_n), size)


def reread_sealed(path: Path, secret: Secret, *, kind: str) -> Secret:
    """Return what a sealed file holds now, which another process may have replaced; its passphrase is the same."""
    return _opened(path, _parse(path, kind=kind), secret.stretched, len(secret.payload))


def replace_sealed(path: Path, secret: Secret, payload: bytes, *, kind: str) -> Secret:
    """Seal another payload in the place of a file, in one step, under the same id, passphrase and salt."""
    header = _parse(path, kind=kind)
    nonce = os.urandom(NONCE_BYTES)
    header.nonce = _text(nonce)
    header.sealed = _text(AESGCM(secret.stretched).encrypt(nonce, payload, _associated(header)))
    replace_file(path, msgspec.json.encode(header) + b"\n", mode=0o600)
    return Secret(header.id, payload, secret.stretched)


def _opened(path: Path, header: _Sealed, key: bytes, size: int) -> Secret:
    nonce, sealed = _binary(path, header.nonce), _binary(path, header.sealed)
    if len(nonce) != NONCE_BYTES:
        raise _damaged(path)
    try:
        payload = AESGCM(key).decrypt(nonce, sealed, _associated(header))
    except InvalidTag:
        raise KeyFaultError(
            f"{path.name} does not open with this passphrase",
            hint="try the passphrase again; if it is right, the file was altered: restore it from a backup",
        ) from None
    if len(payload) != size:
        raise _damaged(path)
    return Secret(header.id, payload, key)


def _parse(path: Path, *, kind: str) -> _Sealed:
    data = read_private(path, limit=MAX_BYTES)
    try:
        header = msgspec.json.decode(data, type=_Sealed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _damaged(path) from None
    if header.deid_sealed != 1 or not _ID.fullmatch(header.id):
        raise _damaged(path)
    if header.kind != kind:
        raise KeyFaultError(f"{path.name} is not a {kind} file", hint=f"give a file of the kind {kind}")
    _check_parameters(path, header)
    return header


def _check_parameters(path: Path, header: _Sealed) -> None:
    # Before any work is done: a file must not be able to ask for a terabyte of memory, or for no work at all.
    n = header.scrypt_n
    if not (SMALLEST_N <= n <= LARGEST_N and n & (n - 1) == 0 and header.scrypt_r == 8 and header.scrypt_p == 1):
        raise KeyFaultError(
            f"{path.name} states scrypt parameters out of bounds: expected N from 2^14 to 2^20, r 8 and p 1",
            hint="the file was altered or made by another program: restore it from a backup",
        )


def _associated(header: _Sealed) -> bytes:
    fields = {name: value for name, value in msgspec.structs.asdict(header).items() if name != "sealed"}
    return msgspec.json.encode(fields, order="sorted")


def _stretch(passphrase: bytes, salt: bytes, n: int) -> bytes:
    return Scrypt(salt=salt, length=KEY_BYTES, n=n, r=8, p=1).derive(passphrase)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _binary(path: Path, text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise _damaged(path) from None
    if _text(data) != text:  # base64 has spare bits at its end: one value, one spelling
        raise _damaged(path)
    return data


def _damaged(path: Path) -> KeyFaultError:
    return KeyFaultError(
        f"{path.name} is damaged or is not a sealed key file", hint="give the right file, or restore it from a backup"
    )
