# ruff: noqa: E501 - an expression is easier to read in one piece
"""Health plan beneficiary numbers: 45 CFR 164.514(b)(2)(i)(I)."""

from __future__ import annotations

import re

from deid.notes.patterns.labels import labeled
from deid.notes.patterns.pieces import no_code
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

# CMS, Medicare Beneficiary Identifier format: eleven places, letters without S, L, O, I, B and Z.
_L = "[AC-HJKMNP-RT-Y]"
_A = "[AC-HJKMNP-RT-Y0-9]"

_HCPCS = re.compile(r"[A-Za-z]\d{4}\Z")


def _billed(match: re.Match[str]) -> bool:
    """A code of HCPCS behind the name of a plan is what was billed to it."""
    return _HCPCS.match(match["v"]) is not None


RULES = (
    *labeled(
        "member_id",
        "labeled",
        alone="mbi, hicn, hic number, hic no, hic #, member id, member number, member no, member #, membership, subscriber id, "
        "subscriber number, subscriber no, subscriber #, subscriber, policy number, policy no, policy id, policy #, policyholder, "
        "insurance id, insurance number, insurance no, insurance policy, insurance #, grp, group number, group no, group id, group #, "
        "beneficiary id, beneficiary number, beneficiary identifier, medicare id, medicare number, medicare no, medicare #, "
        "medicare beneficiary, medicaid id, medicaid number, medicaid no, medicaid #, medicaid beneficiary, health plan id, "
        "health plan number, health plan beneficiary, health insurance, plan id, plan number, payer id, rx bin, rxbin, bin number, "
        "rx pcn, rxgrp, rx group, enrollee id, enrollee number, enrollee, recipient id, cin, guarantor id, guarantor number",
        numbered="member, policy, insurance, group, beneficiary, medicare, medicaid, health plan, plan, guarantor, recipient, coverage",
        doubted=_billed,
    ),
    Rule(
        "member_id",
        "mbi",
        Mark.SECRET,
        Anchor.NUMBER,
        rf"(?<!\w)[1-9]{_L}{_A}\d[\- ]?{_L}{_A}\d[\- ]?{_L}{{2}}\d\d(?!\w)",
        verdict=no_code,
    ),
    # The claim number that the MBI replaced in 2020: a Social Security number and a letter for the beneficiary.
    Rule(
        "member_id",
        "hicn",
        Mark.SECRET,
        Anchor.NUMBER,
        r"(?<![\w\-])\d{3}(?:-\d\d-|\d\d)\d{4}-?(?-i:[ABCDEFHJKMTW])[A-Z0-9]?(?!\w)",
        verdict=no_code,
    ),
)
