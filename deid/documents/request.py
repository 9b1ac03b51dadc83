"""A request: a researcher's study, or a standing export, in declared form.

The document is specified in docs/formats/request.md. Nothing in it is SQL, code or a wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from deid.documents.cohort import Cohort, CohortError, parse_cohort
from deid.documents.reading import Document, load
from deid.kinds import KINDS, Role, Value
from deid.schedule.block import Block, calendar_of
from deid.schedule.calendar import Calendar, Every

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Profile(StrEnum):
    """How a release is encrypted; see docs/formats/release.md."""

    PORTABLE = "portable"
    COLUMNS = "columns"


class Schedule(StrEnum):
    """How often a standing request runs."""

    ONCE = "once"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"


HOW_OFTEN = {
    Every.WEEK: Schedule.WEEKLY,
    Every.MONTH: Schedule.MONTHLY,
    Every.QUARTER: Schedule.QUARTERLY,
    Every.YEAR: Schedule.YEARLY,
}


class Series(StrEnum):
    """Whether each release holds everything so far, or only what is new."""

    CUMULATIVE = "cumulative"
    INCREMENT = "increment"


class Use(StrEnum):
    """What a release is for, in the words of patients' choices; docs/formats/choices.md."""

    RESEARCH = "research"
    PUBLIC_HEALTH = "public_health"
    OPERATIONS = "operations"
    COMMERCIAL = "commercial"


class OnBadRow(StrEnum):
    """What to do with a row that cannot be parsed or linked."""

    REFUSE = "refuse"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request; paths are absolute; `digest` is the SHA-256 (hex) of its file.

    `window`: first and last day of the data that the study uses, needed when dates are shifted.
    `study_codes`: the codes, by kind, that the study is about; they are recoded no further than to their category.
    `agreement`: reference to the data-use agreement in force, needed for a Limited Data Set.
    `use`: for which patients' choices must hold; where it is None, every opt-out does.
    `calendar`: of a standing request, which `deid run-due` runs; None for one that somebody runs by hand.
    `partition_by`: by table, the column by which its files stand in folders.
    """

    name: str
    requester: str
    purpose: str
    protocol: str | None
    policy: Path
    dataset: Path
    tables: dict[str, tuple[str, ...]]
    derive: tuple[str, ...]
    cohort: Cohort | None
    party: str
    recipients: tuple[Path, ...]
    profile: Profile
    schedule: Schedule
    series: Series
    expires: date
    window: tuple[date, date] | None
    agreement: str | None
    on_bad_row: OnBadRow
    path: Path
    digest: str
    study_codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    use: Use | None = None
    calendar: Calendar | None = None
    partition_by: Mapping[str, str] = field(default_factory=dict)


class _Window(msgspec.Struct, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    start: date
    end: date


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    request: str
    requester: str
    purpose: str
    policy: str
    dataset: str
    tables: dict[str, list[str]]
    party: str
    recipients: list[str]
    expires: date
    protocol: str | None = None
    derive: list[str] = []
    cohort: dict[str, Any] | None = None
    profile: Profile = Profile.PORTABLE
    schedule: Schedule | Block = Schedule.ONCE
    series: Series = Series.CUMULATIVE
    window: _Window | None = None
    agreement: str | None = None
    on_bad_row: OnBadRow = OnBadRow.REFUSE
    study_codes: dict[str, list[str]] = {}
    use: Use | None = None
    partition_by: dict[str, str] = {}


def load_request(path: Path) -> Request:
    """Read the request at `path`; raise DocumentError for anything unknown, missing, doubled or impossible."""
    document = load(path)
    raw = document.into(_Request)
    for place, name in (("request", raw.request), ("party", raw.party)):
        if not NAME.fullmatch(name):
            raise document.fault(
                f"{place} is a name of small letters, digits and hyphens, at most 63",
                at=f"$.{place}",
                hint="names become folder names, so they hold no slashes, dots or blanks",
            )
    _check_tables(document, raw.tables)
    _check_partitions(document, raw)
    if not raw.recipients:
        raise document.fault("no recipient", at="$.recipients", hint="name at least one public key file")
    if raw.window is not None and raw.window.start > raw.window.end:
        raise document.fault("the window ends before it begins", at="$.window", hint="exchange from and to")
    try:
        cohort = parse_cohort(raw.cohort) if raw.cohort is not None else None
    except CohortError as error:
        raise document.fault(str(error), at=f"$.cohort{error.at}", hint=error.hint) from None
    calendar = None
    if isinstance(raw.schedule, Block):
        calendar = calendar_of(document, raw.schedule, is_cumulative=raw.series is Series.CUMULATIVE)
    here = path.resolve().parent
    return Request(
        name=raw.request,
        requester=raw.requester,
        purpose=raw.purpose,
        protocol=raw.protocol,
        policy=here / raw.policy,
        dataset=here / raw.dataset,
        tables={table: tuple(columns) for table, columns in raw.tables.items()},
        derive=tuple(raw.derive),
        cohort=cohort,
        party=raw.party,
        recipients=tuple(here / recipient for recipient in raw.recipients),
        profile=raw.profile,
        schedule=HOW_OFTEN[raw.schedule.every] if isinstance(raw.schedule, Block) else raw.schedule,
        series=raw.series,
        expires=raw.expires,
        window=(raw.window.start, raw.window.end) if raw.window else None,
        agreement=raw.agreement,
        on_bad_row=raw.on_bad_row,
        path=path,
        digest=document.digest,
        study_codes=_study_codes(document, raw.study_codes),
        use=raw.use,
        calendar=calendar,
        partition_by=raw.partition_by,
    )


def _study_codes(document: Document, raw: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    for kind, codes in raw.items():
        known = KINDS.get(kind)
        if known is None or known.value is not Value.CODE or known.role is Role.DIRECT:
            raise document.fault(
                f"{kind!r} is no kind of medical codes",
                at=f"$.study_codes.{kind}",
                hint="write for instance `study_codes: {icd10cm: [E10, E11]}`",
            )
        if not codes:
            raise document.fault(f"no codes of {kind}", at=f"$.study_codes.{kind}", hint="name codes, or remove it")
    return {kind: tuple(codes) for kind, codes in raw.items()}


def _check_tables(document: Document, tables: dict[str, list[str]]) -> None:
    if not tables:
        raise document.fault("no tables", at="$.tables", hint="name the tables and columns that the study needs")
    for table, columns in tables.items():
        at = f"$.tables.{table}"
        if not columns:
            raise document.fault(f"no columns for {table}", at=at, hint="name the columns, or remove the table")
        for column in columns:
            if "*" in column:
                raise document.fault(
                    f"a wildcard in {table}", at=at, hint="name each column: minimum necessary, 45 CFR 164.502(b)"
                )
        if len(set(columns)) != len(columns):
            raise document.fault(f"a column of {table} is named twice", at=at, hint="name each column once")


def _check_partitions(document: Document, raw: _Request) -> None:
    for table, column in raw.partition_by.items():
        if column not in raw.tables.get(table, ()):
            raise document.fault(
                f"{table} cannot stand in folders by {column}, which the request does not ask for",
                at=f"$.partition_by.{table}",
                hint="name a table of `tables` and one of its columns, or remove it",
            )
