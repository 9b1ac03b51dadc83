"""The risk, utility and quality report of a release: every field of `report.json`, format deid-report/1.

docs/formats/report.md is the specification. The report holds aggregates only. Counts are of patients unless a field
says otherwise; those of one to ten patients are "1-10", and None stands for what was not measured or may not be shown.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

from deid.errors import ReleaseError
from deid.release.small_counts import Count
from deid.reports.column_model import Column, QuasiIdentifier, Text
from deid.reports.risk_model import Classes, Codes, Further, Ledger, Risk
from deid.reports.utility_model import Bias, QualityLine, Utility
from deid.reports.verdict_model import Attack, Verdict

FORMAT: Literal["deid-report/1"] = "deid-report/1"
JSON, HTML = "report.json", "report.html"


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose release this is, for whom, and under whose rules; digests are SHA-256 in hex."""

    release: str
    request: str
    requester: str
    purpose: str
    protocol: str | None
    party: str
    recipients: int
    schedule: str
    series: str
    period: str | None
    cohort: str | None
    created: date
    expires: date
    policy: str
    policy_version: int
    policy_sha256: str
    request_sha256: str
    dataset_sha256: str
    basis_claimed: str
    basis_earned: str
    paragraphs: tuple[str, ...]
    deid: str


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The patients of the request: `asked` are all of the cohort, `withheld` those of them who are not released.

    In a series `asked` and `withheld` are None, for their differences would tell who is new.
    """

    asked: Count | None
    released: Count
    withheld: Count | None
    share_withheld: float | None


class Determination(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Slots for the expert, 45 CFR 164.514(b)(1); the tool leaves them empty."""

    statement: str
    expert: str | None = None
    qualifications: str | None = None
    date: str | None = None
    signature: str | None = None


class RiskReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole report; parts that a policy has no control for are None or empty.

    `left_out`: requested columns that the policy drops. `versions`: of the lists that rules and rungs rest on.
    `to_do`: what is left to decide after the attacks, sentences of `deid attack`.
    """

    format: Literal["deid-report/1"]
    about: About
    verdicts: tuple[Verdict, ...]
    columns: tuple[Column, ...]
    left_out: tuple[str, ...]
    versions: tuple[str, ...]
    quasi_identifiers: tuple[QuasiIdentifier, ...]
    people: People
    classes: Classes | None
    risk: Risk | None
    codes: Codes | None
    ledger: Ledger | None
    bias: tuple[Bias, ...]
    utility: Utility
    quality: tuple[QualityLine, ...]
    text: Text | None
    conditions: tuple[str, ...]
    limitations: tuple[str, ...]
    determination: Determination
    attacks: tuple[Attack, ...] = ()
    further: Further | None = None
    to_do: tuple[str, ...] = ()


def to_json(report: RiskReport) -> bytes:
    """Return the report as indented JSON with sorted keys."""
    return msgspec.json.format(msgspec.json.encode(report, order="sorted"), indent=2) + b"\n"


def from_json(data: bytes) -> RiskReport:
    """Return the report that `data` holds; raise ReleaseError for anything unknown or missing."""
    try:
        return msgspec.json.decode(data, type=RiskReport)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ReleaseError(
            f"{JSON} is not a report of format {FORMAT}", hint="read it with the deid that made it, or a later one"
        ) from None
