"""Keys of the people who sign documents: in a sealed file, a token or a key service (docs/formats/keys.md)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.signer import CryptoSigner, Signer, SSlibKey  # type: ignore[attr-defined]  # no __all__

from deid.errors import KeyFaultError
from deid.keys.base import KEY_BYTES
from deid.keys.files import public_half, read_public, write_public
from deid.keys.key_file import PRODUCTION_N, read_sealed, write_sealed

KIND = "signing-key"
MAX_BYTES = 16 * 1024
MIN_RSA = 2048  # bits; NIST SP 800-131A disallows less
_CURVES = {SECP256R1: "ecdsa-sha2-nistp256", SECP384R1: "ecdsa-sha2-nistp384"}


class SigningKey:
    """What signs: an Ed25519 key in memory, or a signer whose key lies elsewhere.

    Shows nothing but its key id and cannot be pickled.
    """

    __slots__ = ("_signer",)

    def __init__(self, held: bytes | Signer) -> None:
        self._signer = CryptoSigner(Ed25519PrivateKey.from_private_bytes(held)) if isinstance(held, bytes) else held

    @property
    def public(self) -> SSlibKey:
        """The public half."""
        key = self._signer.public_key
        assert isinstance(key, SSlibKey)
        return key

    @property
    def keyid(self) -> str:
        """64 hex digits that name the key in a trust root."""
        return str(self.public.keyid)

    @property
    def signer(self) -> Signer:
        """What securesystemslib signs with."""
        return self._signer

    @property
    def pem(self) -> bytes:
        """The public half in PEM."""
        text: str = self.public.keyval["public"]
        if self.public.keytype != "ed25519":
            return text.encode()
        raw = Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
        return raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def __repr__(self) -> str:
        return f"SigningKey(keyid={self.keyid!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key cannot be pickled or copied")


def generate_signing_key(path: Path, passphrase: bytes, *, scrypt_n: int = PRODUCTION_N) -> SigningKey:
    """Make a new Ed25519 key: sealed in the new file `path`, its public half beside it with the suffix `.pub`.

    Raises KeyFaultError if a file exists or the passphrase is empty, StorageError if one cannot be written.
    """
    path_public = path.with_suffix(".pub")
    seed = os.urandom(KEY_BYTES)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    with public_half(path, path_public, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        write_sealed(path, kind=KIND, payload=seed, passphrase=passphrase, scrypt_n=scrypt_n)
    return SigningKey(seed)


def load_signing_key(path: Path, passphrase: Callable[[], bytes]) -> SigningKey:
    """Open the private key at `path`; raise KeyFaultError if it is missing, readable by others, damaged or locked."""
    return SigningKey(read_sealed(path, kind=KIND, passphrase=passphrase, size=KEY_BYTES).payload)


def write_public_key(path: Path, key: SigningKey) -> None:
    """Write the public half of a key in PEM to the new file `path`; raise KeyFaultError if it exists."""
    write_public(path, key.pem)


def load_public_key(path: Path) -> SSlibKey:
    """Read the PEM public key at `path`; raise KeyFaultError for a kind of key that may not sign."""
    data = read_public(path, limit=MAX_BYTES)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    public = public_key_of(key)
    if public is None:
        raise KeyFaultError(
            f"{path.name} does not hold an Ed25519 public key in PEM form, nor one of ECDSA P-256, P-384 or RSA of "
            f"{MIN_RSA} bits",
            hint="give the .pub file that `deid keys generate officer` made",
        )
    return public


def public_key_of(key: object) -> SSlibKey | None:
    """Return a public key with the one scheme that keys of its type sign by, None for a type that may not sign.

    The scheme follows from the key, and both are in its id: no envelope and no trust root can name another.
    """
    if isinstance(key, Ed25519PublicKey):
        return SSlibKey.from_crypto(key, scheme="ed25519")
    if isinstance(key, EllipticCurvePublicKey) and (scheme := _CURVES.get(type(key.curve))) is not None:
        return SSlibKey.from_crypto(key, scheme=scheme)
    if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA:
        return SSlibKey.from_crypto(key, scheme="rsassa-pss-sha256")
    return None
