"""A report with every section filled, and one with as little as a report can hold, made by hand for tests of the page."""

from __future__ import annotations

from datetime import date

from deid.reports.column_model import Column, Grade, QuasiIdentifier, Text
from deid.reports.model import FORMAT, About, Determination, People, RiskReport
from deid.reports.risk_model import Bin, Classes, Codes, Estimate, Further, Gain, GroupRisk, Known, Ledger, Risk
from deid.reports.utility_model import Bias, CodeUse, Group, Marginal, Pair, Propensity, QualityLine, Utility, Value
from deid.reports.verdict_model import Attack, Result, Verdict
from deid.reports.verdicts import CHANCE, PATIENTS, SHARE
from deid.reports.words import CONDITIONS, STATEMENT

ABOUT = About(
    release="diabetes-encounters.all",
    request="diabetes-encounters",
    requester="Endocrinology outcomes group",
    purpose="Research on readmission after hospital stays of people with diabetes",
    protocol="IRB-2026-114",
    party="endocrinology-outcomes",
    recipients=1,
    schedule="once",
    series="cumulative",
    period=None,
    cohort="patients with any of: icd10cm in E10, E11, E13",
    created=date(2026, 11, 22),
    expires=date(2027, 11, 30),
    policy="expert-k11",
    policy_version=2,
    policy_sha256="3f" * 32,
    request_sha256="a1" * 32,
    dataset_sha256="7c" * 32,
    basis_claimed="expert_determination",
    basis_earned="expert_determination",
    paragraphs=("164.514(b)(1)",),
    deid="0.1.0",
)


def full() -> RiskReport:
    """Return a report in which every section has something to say, one figure over its ceiling."""
    return RiskReport(
        format=FORMAT,
        about=ABOUT,
        verdicts=(
            Verdict("smallest class of patients with the same demographics", 12, PATIENTS, "at least", 11, Result.PASSED),
            Verdict("patients withheld to reach k", 0.0213, SHARE, "at most", 0.05, Result.PASSED),
            Verdict(
                "mean chance with 2 known codes: codes drawn evenly from the patient's",
                0.0842, CHANCE, "at most", 0.09, Result.PASSED,
            ),
            Verdict("mean chance with 2 known codes: codes of one visit", 0.1271, CHANCE, "at most", 0.09, Result.FAILED),
            Verdict("patients whom another recipient could join by content", None, SHARE, "at most", 0.05, Result.NOT_MEASURED),
        ),
        columns=(
            Column("patients", "patient_id", "patient_id", "direct identifier", "pseudonymize: keyed",
                   "16 characters a-z, 2-7", "164.514(b)(2)(i)(R)", 0),
            Column("patients", "birth_date", "birth_date", "quasi-identifier", "generalize_date: year, width: 20",
                   "years", "164.514(b)(2)(i)(C)", 0, 3, 5),
            Column("patients", "sex", "sex", "quasi-identifier", "keep", "any value of its type", "quasi-identifier", None),
            Column("diagnoses", "icd10cm", "icd10cm", "quasi-identifier", "map_codes", "codes", "sensitive", 214),
        ),
        left_out=("encounters.discharge_date",),
        versions=("ICD-10-CM: all codes billable from 2015-10-01 to 2027-03-31",),
        quasi_identifiers=(
            QuasiIdentifier("patients.birth_date", "birth_date", "generalize_date: year, width: 20",
                            ("generalize_date: year, width: 5", "generalize_date: year, width: 20", "drop"),
                            "in the vector", Grade.HIGH, Grade.HIGH, Grade.LOW, "never changes", 3.4),
            QuasiIdentifier("patients.sex", "sex", "keep", (), "in the vector", Grade.HIGH, Grade.HIGH, Grade.LOW,
                            "never changes", 2.0),
            QuasiIdentifier("diagnoses.icd10cm", "icd10cm", "map_codes", (), "by the attack with 2 known codes",
                            Grade.MEDIUM, Grade.MEDIUM, Grade.HIGH, "chronic ones come again at each visit", None),
        ),
        people=People(9_480, 9_278, 202, 0.0213),
        classes=Classes(
            ("patients.birth_date", "patients.sex"), 11, 184, 12, 50.4,
            (Bin(1, 1, 0, 0), Bin(2, 4, 0, 0), Bin(5, 10, 0, 0), Bin(11, 19, 31, 466), Bin(20, 49, 77, 2_610),
             Bin(50, 99, 52, 3_702), Bin(100, 499, 24, 2_500), Bin(500, None, 0, 0)),
            0, 11,
        ),
        risk=Risk(0.0833, 0.0198, 0.0042, 0.0121, 0.0042, "census 2020, ZIP3 by age by sex",
                  Estimate(0.0012, 0.0061, ("Pitman", "Zayatz"), ("SNB",), 0.05)),
        codes=Codes(
            ("icd10cm",),
            (
                Known("uniform", 0, 2, 0.0842, 0.09, 0.21, 0.023, 1.0),
                Known("mentions", 0, 2, 0.0311, 0.09, 0.08, 0.004, 1.0),
                Known("visit", 0, 2, 0.1271, 0.09, 0.31, 0.051, 1.0),
                Known("uniform", 1, 2, 0.1904, None, 0.44, 0.11, 1.0),
                Known("uniform", 0, 3, 0.3712, None, 0.62, 0.22, 1.0),
            ),
            (GroupRisk("age 80 and over", 0.1503),),
            "Somebody knows that the patient is in the release, the released demographics, and codes as drawn below.",
        ),
        ledger=Ledger(3, True, 11, 11, 0.971, "Recoding and code maps are those of the first release.",
                      0.1182),
        bias=(
            Bias("sex", (Group("F", 4_890, 88, 0.018, 0.73), Group("M", 4_590, 114, 0.0248, 1.38)), 0),
            Bias("race", (Group("White", 6_100, 40, 0.0066, 0.14), Group("Black", 2_700, 60, 0.0222, 1.06),
                          Group("all others", 680, 102, 0.15, 13.2)), 3),
            Bias("age", (), 0, "not shown: one to ten patients were withheld in all"),
        ),
        utility=Utility(
            0.281,
            (
                Marginal("patients.birth_date", (Value("1940", 2_100, 0.2263), Value("1960", 5_200, 0.5605),
                                                 Value("all others", 1_978, 0.2132)), 2, 0.412, 1.9, 13.0, 0.0061),
                Marginal("patients.sex", (Value("F", 4_802, 0.5176), Value("M", 4_476, 0.4824)), 0, 0.021, 1.0, 1.0, 0.0018),
            ),
            (Pair(("patients.birth_date", "patients.sex"), 0.0074),),
            (CodeUse("diagnoses.icd10cm", "icd10cm", "map_codes",
                     {"full code": 0.714, "category": 0.066, "chapter": 0.22}, 201, 100, 0.98, 0.012, 0.999),),
            Propensity(3.1e-6, 1.9e-6, 1.63, ("birth_date", "sex", "number of visits", "number of codes")),
        ),
        quality=(QualityLine("diagnoses.icd10cm", "icd10cm", 25_310, {"unspecified": 3_120, "retired": "1-10"}),),
        text=Text(("notes.note_text",), "redact_note", "1-10", 0, "Every released text was searched once more."),
        conditions=CONDITIONS,
        limitations=("Chances with known codes are means over patients.",),
        determination=Determination(STATEMENT),
        attacks=(
            Attack("voter list", "linked rightly", 0.0002, 0.0001, 0.0009, 0.09, Result.PASSED),
            Attack("acquaintance", "2 codes", 0.131, 0.112, 0.153, 0.09, Result.FAILED, "one visit"),
        ),
        to_do=("FAILED acquaintance: 13.10 % (demographics, 2 codes). Coarsen days of visits by their rule.",),
        further=Further(
            0.0198, 11,
            (Gain(("number of rows of encounters",), ("encounters",), 0.2104, None, 0.38, 0.09),
             Gain(("total of encounters.total_charge",), ("encounters.total_charge",), 0.153, 0.2, 0.41, 0.04)),
            Gain(("number of rows of encounters", "total of encounters.total_charge"),
                 ("encounters", "encounters.total_charge"), 0.6212, None, 0.93, None),
            "Somebody knows that the patient is in the release, and one more thing.",
        ),
    )  # fmt: skip


def bare() -> RiskReport:
    """Return a report in which nothing was measured."""
    return RiskReport(
        format=FORMAT,
        about=ABOUT,
        verdicts=(),
        columns=(),
        left_out=(),
        versions=(),
        quasi_identifiers=(),
        people=People(0, 0, 0, None),
        classes=None,
        risk=None,
        codes=None,
        ledger=None,
        bias=(),
        utility=Utility(None, (), (), (), None),
        quality=(),
        text=None,
        conditions=CONDITIONS,
        limitations=(),
        determination=Determination(""),
    )
