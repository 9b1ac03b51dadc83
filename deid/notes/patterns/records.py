# ruff: noqa: E501 - an expression is easier to read in one piece
"""Medical record numbers: 45 CFR 164.514(b)(2)(i)(H)."""

from __future__ import annotations

from deid.notes.patterns.labels import labeled
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

RULES = (
    *labeled(
        "mrn",
        "labeled",
        alone="mrn, mrns, emrn, mpi, m.r.n, m.r.n., mr #, mr#, medical record, medical records, medical rec, med record, med rec, "
        "med recs, chart number, chart no, chart #, hospital number, hospital no, hospital id, patient id, patient number, patient no, "
        "patient identifier, patient identification, pt id, pt number, pt no, pid, unit number, unit no, unit #, ehr id, emr id, "
        "epic id, cerner id, health record, clinic number, clinic no, history number, hosp no, hosp #, master patient index",
        numbered="empi, chart, hospital, patient, pt, record, unit record, mr, emr, ehr, rec, dossier, expediente",
    ),
    Rule("mrn", "prefixed", Mark.LABELED_ID, Anchor.CODE, r"(?<![\w\-])(?-i:MRN?)[#\-]?\d{5,12}(?![\w\-])"),
    # Fields run together by exports: the label stands at the end of a word, its number right behind it.
    Rule(
        "mrn",
        "run_together",
        Mark.LABELED_ID,
        Anchor.CODE,
        r"(?-i:[A-Za-z]{1,30}?(?:MRN|Mrn|SSN|DOB|NPI|ACCT|Acct|CSN))[#:\-]?(?P<v>\d{4,14})(?!\w)",
    ),
)
