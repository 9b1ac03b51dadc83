# ruff: noqa: E501 - an expression is easier to read in one piece
"""Any other unique number, characteristic or code: 45 CFR 164.514(b)(2)(i)(R); with it biometrics (P) and photographs (Q)."""

from __future__ import annotations

import re

from deid.notes.patterns.labels import labeled
from deid.notes.patterns.pieces import NO_UNIT, follows_code
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

_UUID = r"(?<![\w\-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w\-])"
_BOTH = (Anchor.NUMBER, Anchor.CODE)
_PUBLIC = re.compile(
    r"(?:CPT|ICD|HCPCS|LOINC|NDC|DRG|PMID|PMC|NCT|SNOMED|RXNORM|CVX|ISO|ASTM|COVID|SARS|HLA|CD|IL|HER|BRCA|PHQ|GAD|ISBN|DSM|HL)",
    re.IGNORECASE,
)
_YEARS = re.compile(r"(?:19|20)\d\d-(?:19|20)?\d\d")


def _long_number(match: re.Match[str]) -> bool | None:
    """Nine digits or more, not rounded and without a unit, count somebody or something in a file."""
    if follows_code(match):
        return None
    return len(match[0]) >= 9 and not match[0].endswith("000")


def _letters_digits(match: re.Match[str]) -> bool | None:
    """Four digits, or three among six characters: fewer stand in the names of tests and molecules."""
    count = sum(map(str.isdigit, match[0]))
    long = count >= 4 or (count == 3 and len(match[0]) > 6)
    return False if long and not _PUBLIC.match(match[0]) and not follows_code(match) else None


def _parts(match: re.Match[str]) -> bool | None:
    return None if _YEARS.fullmatch(match[0]) or follows_code(match) else False


RULES = (
    *labeled(
        "encounter_id",
        "labeled",
        alone="csn, encounter number, encounter no, encounter id, encounter #, visit number, visit no, visit id, visit #, admission number, "
        "admission no, admission id, admission #, episode id, episode number, contact serial, stay id, fin number, fin #, "
        "appointment number, appointment id, har number",
        numbered="encounter, visit, admission, episode, stay, appointment",
        digits=4,
    ),
    *labeled(
        "claim_id",
        "labeled",
        alone="claim number, claim no, claim id, claim #, claim control, icn, dcn, tcn, authorization number, authorization no, auth number, "
        "auth no, auth #, prior auth, prior authorization, pre-authorization, precert, referral number, referral no, referral id, "
        "referral #, reference number, reference no, reference #, ref number, ref no, ref #",
        numbered="claim, authorization, auth, referral, reference, ref, precertification, approval",
        digits=4,
    ),
    *labeled(
        "unique_id",
        "labeled",
        alone="accession number, accession no, accession #, accession, acc number, acc no, acc #, case number, case no, case id, case #, "
        "order number, order no, order id, order #, specimen number, specimen no, specimen id, specimen #, sample number, sample no, "
        "sample id, sample #, requisition number, requisition no, requisition #, rx number, rx no, rx #, rx#, prescription number, "
        "prescription no, prescription #, confirmation number, confirmation no, confirmation #, confirmation code, ticket number, "
        "ticket no, tracking number, tracking no, study id, study number, study no, subject id, subject number, subject no, "
        "participant id, participant number, enrollment id, enrollment number, randomization number, screening number, employee id, "
        "employee number, employee no, badge number, badge no, badge #, badge id, badge, student id, user id, userid, username, login, "
        "donor id, donor number, recipient number, registry number, registry id, registry no, file number, file no, document id, "
        "document number, document no, report number, report id, report no, transaction id, transaction number, slide number, block number, "
        "barcode, bar code, unique identifier, identification number, id number, id no, id #, identifier, tattoo number, inmate number, "
        "inmate id, booking number, docket number, court case, military id, dod id, edipi, service number, tribal id, biobank id, "
        "fingerprint id, fingerprint template, voiceprint id, biometric id, biometric identifier, retinal scan, iris scan",
        numbered="case, order, specimen, sample, requisition, prescription, confirmation, ticket, tracking, study, subject, participant, "
        "file, document, transaction, id, job, message, folder, locker, employee, donor, report, barcode, note, request",
        digits=3,
    ),
    *(Rule("unique_id", "uuid", Mark.SECRET, at, _UUID) for at in _BOTH),
    Rule(
        "unique_id",
        "digits",
        Mark.ID_SHAPE,
        Anchor.NUMBER,
        rf"(?<![\w\-/])(?<!\d[.,])\d{{7,30}}(?![\w\-/]|[.,]\d){NO_UNIT}",
        verdict=_long_number,
    ),
    Rule(
        "unique_id",
        "parts",
        Mark.ID_SHAPE,
        Anchor.NUMBER,
        rf"(?<![\w\-/])(?<!\d[.,])(?:\d{{4,12}}-\d{{3,12}}(?:-\d{{1,8}}){{0,3}}|\d{{2,3}}-\d{{4,12}}(?:-\d{{1,8}}){{0,3}})(?![\w\-/]){NO_UNIT}",
        verdict=_parts,
    ),
    *(
        Rule(
            "unique_id",
            "letters_digits",
            Mark.ID_SHAPE,
            at,
            rf"(?<![\w.,/\-])(?-i:(?=[0-9\-]{{0,16}}[A-Z])[A-Z0-9]{{1,14}}(?:-[A-Z0-9]{{1,12}}){{0,4}})(?![\w\-]){NO_UNIT}",
            verdict=_letters_digits,
        )
        for at in _BOTH
    ),
    Rule(
        "photo",
        "file",
        Mark.ID_SHAPE,
        "jpg jpeg png heic tif tiff bmp dcm mov wav",
        r"(?<![\w\-.])[\w\-]{1,60}\.(?:jpe?g|png|heic|tiff?|bmp|dcm|mov|wav)\b",
        back=64,
    ),
)
