"""Dictionary reversal: whoever lists identifiers can hash them all; keys that are words do not help."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.base import Belief, Order, Reversals
from deid.attacks.knowledge import Knowledge
from deid.attacks.released import Released

Digest = Callable[[bytes], bytes]

HASHES = ("md5", "sha1", "sha256", "sha512")
WORDS = ("salt", "secret", "password", "key", "hash", "pepper", "deid", "hospital", "patient", "mrn", "id", "test",
         "1234", "123456", "changeme", "admin", "default", "study", "research", "hipaa", "phi")  # fmt: skip
NUMBERS = 100_000  # tried blindly, in two spellings
MOST_NUMBERS = 2_000_000  # tried once it is known how pseudonyms are made
_SOME = 200  # identifiers that are tried with every word
_MRN_WIDTH = 8
_HEX, _BASE32 = re.compile(r"[0-9a-fA-F]+"), re.compile(r"[a-z2-7]+|[A-Z2-7]+")


class Pseudonyms:
    """Tries every usual way to make a pseudonym of an identifier, on known identifiers and on numbers like them."""

    name: ClassVar[str] = "pseudonyms"
    asks: ClassVar[str] = "reverses pseudonyms by hashing lists of identifiers, with and without guessable keys"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield what is believed to stand behind pseudonyms of patients, and their order."""
        shown = _Shown(release.patients.to_pylist())
        tried = 0
        found: dict[str, str] = {}
        ways: list[_Way] = []
        for ids in known.identifiers.values():
            listed = [one for one in ids.to_pylist() if one]
            for way in _ways():
                some = listed if not way.word else listed[:_SOME]
                hits = shown.matches(way, some)
                tried += len(some)
                if hits:
                    ways.append(way)
                    hits |= shown.matches(way, listed) if way.word else {}
                    found |= hits
        blind = [str(n) for n in range(NUMBERS)] + [f"{n:0{_MRN_WIDTH}}" for n in range(NUMBERS)]
        for way in _ways():
            if not way.word:
                found |= shown.matches(way, blind)
                tried += len(blind)
        if ways:
            more, numbers = _every_number(shown, ways[0], known)
            found |= more
            tried += numbers
        yield Reversals(
            "dictionary",
            "patient",
            pa.array(list(found), pa.string()),
            pa.array(list(found.values()), pa.string()),
            tried,
        )
        order = pc.sort_indices(release.patients).to_numpy().astype(np.int64)
        yield Order("pseudonyms in their own order", order)


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to make a pseudonym; `word` is a guessable key or salt, empty where there is none."""

    name: str
    digest: Digest
    word: str = ""


class _Shown:
    """Released pseudonyms, by the bytes that they spell in hexadecimal and in base32."""

    def __init__(self, pseudonyms: Sequence[str]) -> None:
        self.plain = {one: one for one in pseudonyms}
        self.by_bytes: list[tuple[int, dict[bytes, str]]] = []
        sample = pseudonyms[:50]
        for spells, decode in ((_HEX, _from_hex), (_BASE32, _from_base32)):
            if sample and all(spells.fullmatch(one) for one in sample):
                decoded = {raw: one for one in pseudonyms if (raw := decode(one))}
                length = min(map(len, decoded), default=0)
                if length >= 3:  # fewer bytes meet by chance
                    self.by_bytes.append((length, {raw[:length]: one for raw, one in decoded.items()}))

    def matches(self, way: _Way, ids: Sequence[str]) -> dict[str, str]:
        """Return the pseudonyms that an identifier gives in this way."""
        found = {}
        for one in ids:
            raw = way.digest(one.encode())
            for length, table in self.by_bytes:
                # Digests are looked for by their first bytes, however the release cut them.
                if (pseudonym := table.get(raw[:length])) is not None:
                    found[pseudonym] = one
            if way.name == "as it is" and one in self.plain:
                found[one] = one
        return found


def _from_hex(text: str) -> bytes:
    return bytes.fromhex(text[: len(text) // 2 * 2])


def _from_base32(text: str) -> bytes:
    whole = text.upper()[: len(text) // 8 * 8]
    return base64.b32decode(whole)


def _ways() -> Iterator[_Way]:
    yield _Way("as it is", bytes)
    for name in HASHES:
        yield _Way(name, _salted(name, b"", b""))
    for name in HASHES:
        for word in WORDS:
            key = word.encode()
            yield _Way(f"hmac-{name}", partial(_keyed, name, key), word)
            yield _Way(f"{name} after", _salted(name, key, b""), word)
            yield _Way(f"{name} before", _salted(name, b"", key), word)


def _keyed(name: str, key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, name)


def _salted(name: str, before: bytes, after: bytes) -> Digest:
    make = getattr(hashlib, name)

    def digest(data: bytes) -> bytes:
        found: bytes = make(before + data + after).digest()
        return found

    return digest


def _every_number(shown: _Shown, way: _Way, known: Knowledge) -> tuple[dict[str, str], int]:
    """Return what all numbers in the form of the known ones give, once the way is known."""
    widths = {
        len(one) for ids in known.identifiers.values() for one in ids.to_pylist()[:_SOME] if one and one.isdigit()
    }
    found: dict[str, str] = {}
    for width in sorted(widths):
        found |= shown.matches(way, [f"{n:0{width}}" for n in range(min(10**width, MOST_NUMBERS // 10))])
    return found, len(widths) * MOST_NUMBERS // 10
