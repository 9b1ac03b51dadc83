"""Read the header of an age v1 file in binary form: who can open it (https://age-encryption.org/v1, "Header").

Pure and strict: what is not exactly as the specification writes it is refused, so nothing can hide in a header.
"""

from __future__ import annotations

import re
from pathlib import Path

from deid.errors import KeyFaultError, ReleaseError

VERSION = b"age-encryption.org/v1\n"
ENCRYPTED = b"age-encryption.org/"
MAX_HEADER = 1024 * 1024
MAX_SCRYPT_LOG_N = 22
_BODY = re.compile(rb"[A-Za-z0-9+/]{0,64}")
_X25519 = re.compile(rb"X25519 [A-Za-z0-9+/]{43}")
_VISIBLE = re.compile(rb"[\x21-\x7e]+( [\x21-\x7e]+)*")
_FOOTER = re.compile(rb"--- [A-Za-z0-9+/]{43}")
_SCRYPT = re.compile(rb"-> scrypt [A-Za-z0-9+/]{22} ([1-9][0-9]?)\n")


def read_stanzas(data: bytes) -> tuple[str, ...]:
    """Return the stanza types of an envelope: `X25519` per recipient, and `grease` at most once.

    Raises ReleaseError for a stanza of another type (a passphrase, a plugin), or a header that is cut or malformed.
    """
    if not data.startswith(VERSION):
        raise _damaged("it is not an age v1 file in binary form")
    end = data.find(b"\n---", 0, MAX_HEADER)
    footer_end = data.find(b"\n", end + 1, end + 64)
    if end < 0 or footer_end < 0 or not _FOOTER.fullmatch(data[end + 1 : footer_end]):
        raise _damaged("its header has no end")
    stanzas: list[str] = []
    open_body = False
    for line in data[len(VERSION) : end].split(b"\n"):
        if line.startswith(b"-> ") and not open_body:
            stanzas.append(_stanza_type(line[3:]))
            open_body = True
        elif open_body and _BODY.fullmatch(line):
            open_body = len(line) == 64  # a body ends with the first line that is not full, and may be empty
        else:
            raise _damaged("its header is malformed")
    if open_body or "X25519" not in stanzas:
        raise _damaged("its header is cut")
    if stanzas.count("grease") > 1:
        raise _damaged("it holds more than one stanza that belongs to no recipient")
    return tuple(stanzas)


def check_passphrase_header(path: Path, data: bytes) -> None:
    """Raise KeyFaultError unless `data` is an age file under one passphrase, within a bounded amount of work."""
    match = _SCRYPT.match(data, len(VERSION)) if data.startswith(VERSION) else None
    if match is None or int(match[1]) > MAX_SCRYPT_LOG_N:
        raise KeyFaultError(
            f"{path.name} is not encrypted with a passphrase, or asks for more than scrypt N = 2^{MAX_SCRYPT_LOG_N}",
            hint="give a file that `deid keys generate` or `age --passphrase` made, in binary form",
        )


def _stanza_type(arguments: bytes) -> str:
    if _X25519.fullmatch(arguments):
        return "X25519"
    # The library adds one stanza of filler whose type ends so; it is no recipient's, and readers skip it.
    if _VISIBLE.fullmatch(arguments) and arguments.split(b" ")[0].endswith(b"-grease"):
        return "grease"
    raise _damaged("it can be opened by something other than a recipient's X25519 key")


def _damaged(why: str) -> ReleaseError:
    return ReleaseError(f"the key envelope is refused: {why}", hint="fetch the release again")
