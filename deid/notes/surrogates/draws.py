"""Draws under a patient's key: the same for the same text, and never a value of the patient's own record."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from deid.errors import KeyFaultError
from deid.notes.folding import fold, fold_lower
from deid.notes.surrogates.generic import GENERIC, TITLES
from deid.notes.writing import DATE_KINDS, NAME_KINDS

KEY_BYTES = 16
_WORD = re.compile(r"[^\W\d_]+")
_LEAST_LETTERS = 3
_LEAST_DIGITS = 5  # a shorter number is in every text by chance; the leak check counts none either


@dataclass(frozen=True, slots=True, repr=False)
class Draws:
    """A keyed function from texts to numbers, HMAC-SHA256, and what no draw may end in.

    `words`: words of the patient's record, in lower case. `numbers`: its runs of five digits and more.
    """

    key: bytes
    words: frozenset[str] = field(default=frozenset())
    numbers: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, key: bytes, values: Iterable[tuple[str, str]]) -> Self:
        """Return the draws of a patient whose record holds `values`, pairs of kind and text.

        Raises KeyFaultError for a key of fewer than 16 bytes.
        """
        check_keys([key])
        words: set[str] = set()
        numbers: set[str] = set()
        for kind, value in values:
            words |= _telling(kind, value)
            digits = re.sub(r"\D", "", fold(value).text)
            if len(digits) >= _LEAST_DIGITS and kind not in DATE_KINDS:
                numbers |= {digits, digits.lstrip("0")} if len(digits.lstrip("0")) >= _LEAST_DIGITS else {digits}
        return cls(key, frozenset(words), frozenset(numbers))

    def number(self, *what: str) -> int:
        """Return a number of 256 bits for a list of texts; no other list has the same input."""
        parts = [part.encode("utf-8", "surrogatepass") for part in what]
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return int.from_bytes(hmac.digest(self.key, message, "sha256"), "big")

    def choose(self, words: Sequence[str], *what: str, taken: frozenset[str] | set[str] = frozenset()) -> str | None:
        """Return one of `words` that is neither in the record nor in `taken`; None if all are."""
        start = self.number(*what)
        for step in range(len(words)):
            word = words[(start + step) % len(words)]
            if word.lower() not in taken and self.allows(word):
                return word
        return None

    def allows(self, text: str) -> bool:
        """Whether `text` holds no word and no number of the patient's record."""
        if not self.words.isdisjoint(plain_words(text)):
            return False
        digits = re.sub(r"\D", "", text) if self.numbers else ""
        return not any(number in digits for number in self.numbers)


def _telling(kind: str, value: str) -> set[str]:
    """Return the words of a value that tell whose it is: of a mail address those before the @, of a street its name."""
    if kind in NAME_KINDS:
        words = set(plain_words(value)) - TITLES
        return words | {"".join(plain_words(part)) for part in value.split()} - TITLES
    words = set(plain_words(value.partition("@")[0])) if kind != "url" else set()
    return {word for word in words if len(word) >= _LEAST_LETTERS} - GENERIC


def check_keys(keys: Iterable[bytes]) -> None:
    """Raise KeyFaultError where a key has fewer than 16 bytes."""
    short = min(map(len, keys), default=KEY_BYTES)
    if short < KEY_BYTES:
        raise KeyFaultError(
            f"surrogates are drawn under a key of at least {KEY_BYTES} bytes, found {short}",
            hint="derive one for each patient from a secret of the site",
        )


def plain_words(text: str) -> list[str]:
    """Return the words of a text in plain small letters."""
    return _WORD.findall(fold_lower(fold(text).text))
