# ruff: noqa: E501 - an expression is easier to read in one piece
"""Account numbers, those of banks and cards among them: 45 CFR 164.514(b)(2)(i)(J)."""

from __future__ import annotations

import re

from deid.notes.check_digits import digits_of, is_iban, is_luhn
from deid.notes.patterns.labels import labeled
from deid.notes.patterns.pieces import follows_code, no_code
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark


def _grouped(match: re.Match[str]) -> bool | None:
    """Four groups of four digits; times of day in their order are written so too."""
    groups = [int(group) for group in re.findall(r"\d+", match[0])]
    of_a_day = groups == sorted(set(groups)) and all(group < 2400 and group % 100 < 60 for group in groups)
    return None if of_a_day and not is_luhn(match[0]) else no_code(match)


def _card(match: re.Match[str]) -> bool | None:
    return None if follows_code(match) else is_luhn(match[0])


def _iban(match: re.Match[str]) -> bool | None:
    return is_iban(match[0]) or (False if len(digits_of(match[0])) > 9 else None)


RULES = (
    *labeled(
        "account_number",
        "labeled",
        alone="account number, account no, account id, account #, acct number, acct no, acct #, acct, accountnumber, billing number, "
        "billing id, billing account, financial account, bank account, patient account, hospital account, har, guarantor account, "
        "routing number, routing no, aba number, iban, credit card, debit card, card number, visa card, mastercard, amex, "
        "card ending in, invoice number, invoice no, invoice #, payment id, statement number, tax id, ein number, ledger number",
        numbered="account, billing, bill, invoice, fin, statement, payment, ledger, card, visa, routing",
    ),
    Rule(
        "account_number",
        "card",
        Mark.SECRET,
        Anchor.NUMBER,
        r"(?<![\w\-.])\d{4}(?:-\d{4}-\d{4}-|[ ]\d{4}[ ]\d{4}[ ])\d{1,7}(?![\w\-])",
        verdict=_grouped,
    ),
    Rule(
        "account_number",
        "card_digits",
        Mark.SECRET,
        Anchor.NUMBER,
        r"(?<![\w\-.])(?:[3-6]\d{12,18}|2[2-7]\d{14}|3\d{3}[\- ]\d{6}[\- ]\d{5})(?![\w\-]|\.\d)",
        verdict=_card,
    ),
    Rule(
        "account_number",
        "iban",
        Mark.SECRET,
        Anchor.CODE,
        r"(?<!\w)(?-i:[A-Z]{2}\d\d(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?)(?!\w)",
        verdict=_iban,
    ),
)
