"""Check digits of numbers that have them; about one number in eight is given a wrong one, as people mistype."""

from __future__ import annotations

from deid.annotated.dice import Dice
from deid.notes.check_digits import NPI_PREFIX, luhn_digit, vin_digit

_MBI_LETTERS = "ACDEFGHJKMNPQRTUVWXY"
_IBAN_LENGTHS = (("DE", 18), ("GB", 18), ("FR", 23), ("ES", 20), ("NL", 14), ("IT", 23), ("CH", 17), ("PL", 24))


def _maybe_wrong(dice: Dice, digit: str) -> str:
    return digit if dice.random() < 0.88 else dice.digits(1)


def npi(dice: Dice) -> str:
    """A National Provider Identifier: ten digits, checked behind the prefix 80840 (45 CFR 162.406)."""
    body = dice.pick(("1", "1", "1", "2")) + dice.digits(8)
    return body + _maybe_wrong(dice, luhn_digit(NPI_PREFIX + body))


def dea(dice: Dice) -> str:
    """A number of the Drug Enforcement Administration: two letters, six digits and their check digit."""
    digits = dice.digits(6)
    odd, even = sum(map(int, digits[0::2])), sum(map(int, digits[1::2]))
    return (
        dice.pick("ABFGMPR")
        + dice.pick("ABCDEFGHJKLMNPRSTVW")
        + digits
        + _maybe_wrong(dice, str((odd + 2 * even) % 10))
    )


def card(dice: Dice) -> str:
    """A payment card: 15 or 16 digits, checked by ISO/IEC 7812, together or in groups."""
    head = dice.pick(("4", "51", "52", "53", "54", "55", "6011", "34", "37"))
    size = 15 if head in {"34", "37"} else 16
    body = head + dice.digits(size - 1 - len(head))
    digits = body + _maybe_wrong(dice, luhn_digit(body))
    join = dice.pick((" ", "-", "", " "))
    if size == 15:
        return f"{digits[:4]}{join}{digits[4:10]}{join}{digits[10:]}"
    return join.join(digits[at : at + 4] for at in range(0, 16, 4))


def mbi(dice: Dice) -> str:
    """A Medicare Beneficiary Identifier: eleven places of digits and letters without S, L, O, I, B, Z."""
    alphabets = {"9": "123456789", "A": _MBI_LETTERS, "&": _MBI_LETTERS + "0123456789", "0": "0123456789"}
    text = "".join([dice.pick(alphabets[mark]) for mark in "9A&0A&0AA00"])
    return text if dice.random() < 0.55 else f"{text[:4]}-{text[4:7]}-{text[7:]}"


def vin(dice: Dice) -> str:
    """A vehicle's number: seventeen places, the ninth of them checked (49 CFR 565)."""
    marks = dice.mixed(17, "ABCDEFGHJKLMNPRSTUVWXYZ0123456789")
    return marks[:8] + _maybe_wrong(dice, vin_digit(marks)) + marks[9:]


def iban(dice: Dice) -> str:
    """An international bank account number, checked by ISO 13616."""
    land, size = dice.pick(_IBAN_LENGTHS)
    body = dice.digits(size) if land != "GB" else dice.letters(4) + dice.digits(14)
    number = "".join(str(int(mark, 36)) for mark in f"{body}{land}00")
    text = f"{land}{98 - int(number) % 97:02d}{body}"
    return text if dice.random() < 0.5 else " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def udi(dice: Dice) -> str:
    """A unique device identifier as GS1 writes it, with lot, expiry and serial number (21 CFR 830)."""
    body = dice.digits(13)
    weighted = sum(int(mark) * (3 if at % 2 == 0 else 1) for at, mark in enumerate(body))
    text = f"(01){body}{-weighted % 10}"
    if dice.random() < 0.8:
        text += (
            f"({dice.pick(('11', '17'))}){dice.between(19, 31):02d}{dice.between(1, 12):02d}{dice.between(1, 28):02d}"
        )
    if dice.random() < 0.6:
        text += f"(10){dice.shape('@####')}"
    return f"{text}(21){dice.mixed(dice.between(5, 10))}"
