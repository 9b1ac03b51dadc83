"""Check digits of numbers that people and things are known by: a right one tells an identifier from a mere number.

A wrong one tells nothing: numbers are miscopied, and made up where none may be given.
"""

from __future__ import annotations

_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
NPI_PREFIX = "80840"  # issuer of health cards in the United States, ISO/IEC 7812; 45 CFR 162.406


def digits_of(text: str) -> str:
    """Return the ASCII digits of `text`."""
    return "".join(c for c in text if "0" <= c <= "9")


def is_luhn(text: str) -> bool:
    """Whether the digits of `text` pass the test of ISO/IEC 7812-1, annex B (cards)."""
    digits = digits_of(text)
    return len(digits) > 1 and luhn_digit(digits[:-1]) == digits[-1]


def luhn_digit(digits: str) -> str:
    """Return the digit that makes ASCII `digits` pass the test of ISO/IEC 7812-1, annex B."""
    numbers = [int(c) for c in reversed(digits)]
    return str(-(sum(2 * n - 9 * (n > 4) for n in numbers[::2]) + sum(numbers[1::2])) % 10)


def is_npi(text: str) -> bool:
    """Whether `text` is ten digits with the check digit of a National Provider Identifier (45 CFR 162.406)."""
    digits = digits_of(text)
    return len(digits) == 10 and digits[0] in "12" and is_luhn(NPI_PREFIX + digits)


def is_dea(text: str) -> bool:
    """Whether `text` is two characters and seven digits with the check digit of a DEA registration."""
    digits = digits_of(text[2:])
    if len(text) != 9 or len(digits) != 7:
        return False
    d = [int(c) for c in digits]
    return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6]


def is_vin(text: str) -> bool:
    """Whether `text` is a vehicle identification number with its check digit (49 CFR 565.15(c))."""
    characters = text.upper()
    values = [int(c) if c in "0123456789" else _VIN_VALUES.get(c, -1) for c in characters]
    return len(values) == 17 and min(values) >= 0 and characters[8] == vin_digit(characters)


def vin_digit(characters: str) -> str:
    """Return what the ninth of a vehicle's 17 characters, in capitals and without I, O, Q, must be."""
    values = (int(c) if c in "0123456789" else _VIN_VALUES[c] for c in characters)
    rest = sum(value * weight for value, weight in zip(values, _VIN_WEIGHTS, strict=True)) % 11
    return "X" if rest == 10 else str(rest)


def is_iban(text: str) -> bool:
    """Whether `text` is an international bank account number with its check digits (ISO 13616-1)."""
    plain = "".join(text.split()).upper()
    if not (15 <= len(plain) <= 34 and plain.isascii() and plain.isalnum()):
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1
