"""Numbers that are nobody's: of the form that they replace, out of ranges that are reserved for examples.

Telephone numbers 555-0100 to 555-0199 (North American Numbering Plan), hosts and mail at example.org (RFC 2606),
addresses of RFC 5737 and RFC 3849, Social Security numbers from 900 on, whose groups 01 to 49 no taxpayer number has
either, ZIP codes below 00501, Medicare numbers that begin with 0. Where a number has a check digit, it is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from deid.notes.check_digits import NPI_PREFIX, is_dea, is_luhn, is_vin
from deid.notes.surrogates.draws import Draws

_UPPER, _LOWER = "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghjkmnpqrstuvwxyz"
_EXTENSION = re.compile(r"[ ,;]*(?:x|ext\.?|extension|\#)[ .:]*[0-9]+\s*$", re.IGNORECASE)
_SCHEME = re.compile(r"(?:[a-z]+://)?(?:www\.)?", re.IGNORECASE)
_MBI = re.compile(r"[1-9][A-Z][A-Z0-9][0-9][A-Z][A-Z0-9][0-9][A-Z]{2}[0-9]{2}")
_TRIES = 64
_TEST_NETS = ("192.0.2", "198.51.100", "203.0.113")


def shaped(draws: Draws, text: str) -> str | None:
    """Return `text` with other digits for its digits and other letters for its letters, None if none is free."""
    return _tried(draws, text, lambda attempt: _shape(draws, text, attempt))


def phone(draws: Draws, text: str) -> str | None:
    """Return a number of 555-0100 to 555-0199 with the marks, area and extension that `text` has.

    The same for the number with its area and without; what has fewer than seven digits is shaped.
    """
    extension = _EXTENSION.search(text)
    main = text[: extension.start()] if extension else text
    ending = text[len(main) :]
    digits = re.sub(r"[^0-9]", "", main)
    more = shaped(draws, re.sub(r"[^0-9]", "", ending)) if extension else ""
    if len(digits) < 7 or more is None:
        return shaped(draws, text)
    tail = _filled(ending, more)
    return _tried(draws, text, lambda attempt: _filled(main, _dialed(draws, digits, attempt)) + tail)


def ssn(draws: Draws, text: str) -> str | None:
    """Return 9dd with a group of 01 to 49, or other digits for a part of a number; marks and masks stay."""
    digits = re.sub(r"[^0-9]", "", text)

    def drawn(attempt: str) -> str:
        number = draws.number("ssn", digits, attempt)
        if len(digits) != 9:
            return _filled(text, f"{number % 10 ** len(digits):0{len(digits)}}" if digits else "")
        return _filled(text, f"9{number % 100:02}{number // 100 % 49 + 1:02}{number // 4900 % 10_000:04}")

    return _tried(draws, text, drawn)


def email(draws: Draws, text: str) -> str | None:
    """Return an address at example.org."""
    return _tried(draws, text, lambda attempt: f"{_token(draws, 'email', text, attempt)}@example.org")


def url(draws: Draws, text: str) -> str | None:
    """Return a page of example.org, behind the scheme that `text` has."""
    scheme = _SCHEME.match(text)
    head = scheme.group() if scheme else ""
    return _tried(draws, text, lambda attempt: f"{head}example.org/{_token(draws, 'url', text, attempt)}")


def ip_address(draws: Draws, text: str) -> str | None:
    """Return an address that is reserved for documentation, of the same version."""

    def drawn(attempt: str) -> str:
        number = draws.number("ip", text.lower(), attempt)
        if ":" in text:
            return f"2001:db8::{number % 65_536:x}:{number // 65_536 % 65_536:x}"
        return f"{_TEST_NETS[number % 3]}.{number // 3 % 254 + 1}"

    return _tried(draws, text, drawn)


def zip_code(draws: Draws, text: str) -> str | None:
    """Return a ZIP code below 00501, none of which is assigned; with four more digits where `text` has them."""
    digits = re.sub(r"[^0-9]", "", text)
    if len(digits) < 5:
        return None

    def drawn(attempt: str) -> str:
        first, more = draws.number("zip", digits[:5], attempt), draws.number("zip", digits, attempt)
        return _filled(text, f"{first % 500 + 1:05}{more % 10**8:08}"[: len(digits)])

    return _tried(draws, text, drawn)


def _tried(draws: Draws, text: str, drawn: Callable[[str], str]) -> str | None:
    """Return the first draw that differs from `text` and is not in the record; None after 64."""
    for attempt in range(_TRIES):
        found = drawn(str(attempt))
        if found.lower() != text.lower() and draws.allows(found):
            return found
    return None


def _token(draws: Draws, kind: str, text: str, attempt: str) -> str:
    number = draws.number(kind, text.lower(), attempt)
    letters = []
    for _ in range(4):
        number, consonant = divmod(number, 17)
        number, vowel = divmod(number, 5)
        letters.append("bcdfghjklmnprstvz"[consonant] + "aeiou"[vowel])
    return "".join(letters) + f"{number % 100:02}"


def _dialed(draws: Draws, digits: str, attempt: str) -> str:
    """Return as many digits: 555 and a line of 0100 to 0199 at the end, another area, and 1 where it was dialed."""
    line = f"55501{draws.number('line', digits[-7:], attempt) % 100:02}"
    if len(digits) == 7:
        return line
    area = draws.number("area", digits[-10:-7], attempt)
    head = f"{area % 8 + 2}{area // 8 % 9}{area // 72 % 10}"[-len(digits[:-7][-3:]) :]
    if head.endswith("11"):
        head = head[:-1] + "2"  # N11 is no area
    country = digits[:-10]
    if country != "1":
        country = f"{draws.number('country', country, attempt):099}"[: len(country)]
    return country + head + line


def _filled(text: str, digits: str) -> str:
    """Return `text` with `digits` in the places of its own, which are as many."""
    following = iter(digits)
    return "".join(next(following) if "0" <= c <= "9" else c for c in text)


def _shape(draws: Draws, text: str, attempt: str) -> str:
    key = "".join(c for c in text.upper() if c.isalnum())
    number = draws.number("code", key, attempt)
    more = 0
    out = []
    for at, c in enumerate(text):
        if at % 40 == 39:  # 256 bits are used up
            more += 1
            number = draws.number("code", key, attempt, str(more))
        letters = "0123456789" if c.isdigit() else (_UPPER if c.isupper() else _LOWER) if c.isalpha() else c
        number, drawn = divmod(number, len(letters))
        out.append(letters[drawn])
    return _unchecked("".join(out))


def _unchecked(text: str) -> str:
    """Return `text` with its last digit raised by one where its check digit happens to be right."""
    plain = re.sub(r"[^A-Za-z0-9]", "", text).upper()
    if _MBI.fullmatch(plain):
        return re.sub(r"[0-9]", "0", text, count=1)
    if _is_valid(plain):
        last = next(at for at in range(len(text) - 1, -1, -1) if text[at].isdigit())
        return f"{text[:last]}{(int(text[last]) + 1) % 10}{text[last + 1 :]}"
    return text


def _is_valid(plain: str) -> bool:
    """Whether a number has the check digit of an NPI, a payment card, a DEA registration or a vehicle."""
    if plain.isdigit():
        return (len(plain) == 10 and is_luhn(NPI_PREFIX + plain)) or (len(plain) >= 12 and is_luhn(plain))
    if len(plain) == 9 and plain[:2].isalnum() and plain[0].isalpha() and plain[2:].isdigit():
        return is_dea(plain)
    return any(c.isdigit() for c in plain) and is_vin(plain)
