"""Recipients of a release: age X25519 keys, and envelopes that open for exactly the recipients who were named.

The files are specified in docs/formats/keys.md; the envelope is an age v1 file (https://age-encryption.org/v1).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pyrage
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from deid.errors import KeyFaultError, ReleaseError
from deid.keys.files import clean_passphrase, public_half, read_private, read_public, write_private
from deid.keys.stanzas import ENCRYPTED, check_passphrase_header, read_stanzas

MAX_BYTES = 64 * 1024
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_FIELD = 2**255 - 19
_SECRET = "AGE-SECRET-KEY-1"  # noqa: S105  # the prefix that marks a private key, not a key


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public key that can open a release: the name of its file, and the key as text (`age1…`)."""

    name: str
    key: str


class Identity:
    """A recipient's private key, in memory; shows nothing but its public half and cannot be pickled."""

    __slots__ = ("_identity", "public")

    def __init__(self, identity: pyrage.x25519.Identity) -> None:
        self._identity = identity
        self.public: str = str(identity.to_public())

    def __repr__(self) -> str:
        return f"Identity(public={self.public!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an identity cannot be pickled or copied")


def generate_identity(path_private: Path, path_public: Path, passphrase: bytes | None) -> Recipient:
    """Make a new X25519 identity in two new files and return its public half.

    With a passphrase the private file is encrypted by age's own passphrase encryption, which takes seconds and 1 GiB.
    Raises KeyFaultError if a file exists or the passphrase is empty or not UTF-8, StorageError if the disk fails.
    """
    identity = pyrage.x25519.Identity.generate()
    key = str(identity.to_public())
    text = f"# public key: {key}\n{identity}\n"
    private = text.encode("ascii")
    if passphrase is not None:
        private = pyrage.passphrase.encrypt(private, _passphrase_text(passphrase))
    with public_half(path_private, path_public, f"{key}\n".encode("ascii")):
        write_private(path_private, private)
    return Recipient(path_public.stem, key)


def recipients_digest(recipients: Sequence[Recipient]) -> str:
    """Return the SHA-256 (hex) of the keys as text, sorted, each on a line of its own; what statements bind."""
    lines = sorted(f"{recipient.key}\n" for recipient in recipients)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def load_recipient(path: Path) -> Recipient:
    """Read the public key file at `path`; raise KeyFaultError for anything but one X25519 recipient."""
    line = _only_line(path, read_public(path, limit=MAX_BYTES), what="a recipient's public key (age1…)")
    if line.upper().startswith(_SECRET):
        raise KeyFaultError(
            f"{path.name} holds a private key; a public one was expected",
            hint="ask the recipient for the public key; if the private key was sent to you, they need a new one",
        )
    if _parse_recipient(line) is None:
        raise KeyFaultError(f"{path.name} does not hold an age X25519 public key", hint="it is one line, age1…")
    # Capitals spell the same key: whoever compares keys as text would take them for somebody else's.
    return Recipient(path.stem, line.lower())


def load_identity(path: Path, passphrase: Callable[[], bytes] | None = None) -> Identity:
    """Read the private key file at `path`; `passphrase` is asked only where the file is encrypted.

    Raises KeyFaultError if the file may be read by others, is locked, damaged, or holds no X25519 identity.
    """
    data = read_private(path, limit=MAX_BYTES)
    if data.startswith(ENCRYPTED):
        data = _unlock(path, data, passphrase)
    line = _only_line(path, data, what="an age identity (AGE-SECRET-KEY-1…)")
    try:
        return Identity(pyrage.x25519.Identity.from_str(line))
    except pyrage.IdentityError:
        raise KeyFaultError(
            f"{path.name} does not hold an age X25519 identity",
            hint="give the private key file that `deid keys generate recipient` or age-keygen made",
        ) from None


def seal_envelope(payload: bytes, recipients: Sequence[Recipient]) -> bytes:
    """Return an age envelope of `payload` with exactly one stanza for each recipient.

    Raises KeyFaultError if there is no recipient, if two have the same key, or if a key is not a sound X25519 key.
    """
    if not recipients:
        raise KeyFaultError("an envelope needs a recipient", hint="name a public key in the request's recipients")
    parsed: dict[bytes, tuple[Recipient, pyrage.x25519.Recipient]] = {}
    for recipient in recipients:
        point = _parse_recipient(recipient.key)
        if point is None:
            raise KeyFaultError(f"the key of {recipient.name} is not an age X25519 public key", hint="load it again")
        if point in parsed:
            raise KeyFaultError(
                f"{recipient.name} and {parsed[point][0].name} are the same key",
                hint="name each recipient once; every recipient needs a key of their own",
            )
        parsed[point] = (recipient, pyrage.x25519.Recipient.from_str(recipient.key))
    envelope = bytes(pyrage.encrypt(payload, [key for _, key in parsed.values()]))
    if count_stanzas(envelope) != len(recipients):  # promise 6: what was written is counted, not assumed
        raise KeyFaultError("the envelope does not hold one stanza per recipient", hint="report this as a bug")
    return envelope


def open_envelope(data: bytes, identities: Sequence[Identity]) -> bytes:
    """Return the payload; raise KeyFaultError if no identity fits, ReleaseError if the envelope is damaged."""
    read_stanzas(data)
    try:
        return bytes(pyrage.decrypt(data, [identity._identity for identity in identities]))  # noqa: SLF001
    except pyrage.DecryptError as error:
        if "No matching keys" not in str(error):
            raise ReleaseError(
                "the key envelope is damaged: its contents do not match its seal", hint="fetch the release again"
            ) from None
    raise KeyFaultError(
        "none of the private keys given opens this envelope",
        hint="use the private key that belongs to a public key named in the request",
    )


def count_stanzas(data: bytes) -> int:
    """Return how many recipients can open the envelope; raise ReleaseError for a stanza of any unknown type."""
    return sum(stanza == "X25519" for stanza in read_stanzas(data))


def _unlock(path: Path, data: bytes, passphrase: Callable[[], bytes] | None) -> bytes:
    if passphrase is None:
        raise KeyFaultError(f"{path.name} is locked with a passphrase", hint="give the passphrase")
    check_passphrase_header(path, data)
    try:
        return bytes(pyrage.passphrase.decrypt(data, _passphrase_text(passphrase())))
    except pyrage.DecryptError:
        raise KeyFaultError(
            f"{path.name} does not open with this passphrase",
            hint="try the passphrase again; if it is right, the file was altered: restore it from a backup",
        ) from None


def _passphrase_text(passphrase: bytes) -> str:
    try:
        return clean_passphrase(passphrase).decode("utf-8")
    except UnicodeDecodeError:
        raise KeyFaultError("the passphrase is not UTF-8", hint="age passphrases are text") from None


def _only_line(path: Path, data: bytes, *, what: str) -> str:
    try:
        lines = [line.strip() for line in data.decode("utf-8").splitlines()]
    except UnicodeDecodeError:
        lines = []
    keys = [line for line in lines if line and not line.startswith("#")]
    if len(keys) != 1:
        raise KeyFaultError(f"{path.name} does not hold {what} on one line", hint="one key per file, comments begin #")
    return keys[0]


def _parse_recipient(text: str) -> bytes | None:
    """Return the 32 bytes of a sound X25519 recipient, or None."""
    try:
        pyrage.x25519.Recipient.from_str(text)  # checks prefix, checksum and length
    except pyrage.RecipientError:
        return None
    bits = 0
    for letter in text.lower().removeprefix("age1")[:-6]:
        bits = bits << 5 | _BECH32.index(letter)
    point = (bits >> 4).to_bytes(32, "big")  # 52 letters are 260 bits: 4 of padding
    if int.from_bytes(point, "little") >= _FIELD:  # a second spelling of a key would pass for another key
        return None
    try:
        # A point of low order gives the same secret with every key: whoever reads the envelope could open it.
        # The age library stops the process at one, so it is refused here, in words.
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(point))
    except ValueError:
        return None
    return point
