"""What the request discloses beside the columns: cohort, period, schedule, window and names stand in the manifest.

- Whole calendar years only: a release of one month's visits tells the month of each of them, whatever its columns say;
  two cumulative releases a month apart differ by that month. 164.514(b)(2)(i)(C).
- A cohort of one ZIP code tells the ZIP code of everybody in it. (B)
- A bound above the category of 90 or older tells an age over 89. (C)
- File, folder, table and column names are read like cells: no date finer than a year (C), no ZIP-like number (B).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from deid.cohort import Predicate
from deid.kinds import KINDS, LIMITED_NUMERALS, SAFE_HARBOR_LETTERS, Kind, Value
from deid.legal import limited_data_set
from deid.legal.judgment import Finding
from deid.legal.safe_harbor import LIST, OLDEST, letter_of
from deid.places import releasable
from deid.plan import Plan
from deid.policy import Basis
from deid.request import Schedule

_SAFE = frozenset({Basis.SAFE_HARBOR})
_FINER_THAN_A_YEAR = frozenset({Schedule.MONTHLY, Schedule.QUARTERLY})

_YEAR = r"(?:19|20)\d\d"
_MM, _DD = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_QUARTER = r"(?:(?:q|qtr|quarter)[-_]?[1-4]|[1-4]q)"
_GAP = r"[-_. ]?"
_DATE_LIKE = re.compile(
    rf"(?<!\d){_YEAR}{_GAP}{_MM}(?:{_GAP}{_DD})?(?!\d)"  # 2026-03, 202603, 20260315
    rf"|(?<!\d)(?:{_MM}{_DD}|{_DD}{_MM}|{_MM}){_YEAR}(?!\d)"  # 03152026, 15032026, 032026
    rf"|(?<![a-z\d]){_MM}[-_. ](?:{_DD}[-_. ])?{_YEAR}(?!\d)"  # 03-15-2026, 03-2026; but not icd10-2026
    rf"|(?<![a-z\d]){_DD}[-_. ]{_MM}[-_. ]{_YEAR}(?!\d)"  # 15-03-2026
    rf"|(?<![a-z]){_MONTH}{_GAP}(?:\d{{1,2}}{_GAP})?(?:{_YEAR}|\d\d)(?!\d)"  # mar2026, march-15-2026, mar26
    rf"|(?<!\d){_YEAR}{_GAP}(?:{_MONTH}|{_QUARTER}|(?:w|wk|week){_GAP}\d{{1,2}})(?![a-z\d])"  # 2026mar, 2026-q1, -w12
    rf"|(?<![a-z\d]){_QUARTER}{_GAP}(?:{_YEAR}|\d\d)(?!\d)"  # q1-2026, 1q26
)
# Columns keep the names of the source, where Q1 may be the first question of a form. A request is named by its author,
# who can name it otherwise, so there a quarter or a month is refused without a year too.
_PART_OF_A_YEAR = re.compile(rf"(?<![a-z\d])(?:{_QUARTER}|{_MONTH})(?![a-z\d])")
_ZIP_LIKE = re.compile(r"(?<!\d)\d{5}(?:[-_ ]?\d{4})?(?!\d)")


def findings(plan: Plan) -> Iterator[Finding]:
    """Yield what the request of `plan` discloses beyond what each basis allows."""
    yield from _time(plan)
    if plan.request.cohort is not None:
        for predicate in plan.request.cohort.predicates:
            yield from _predicate(predicate, plan.reference_date)
    for subject, name in (("request.name", plan.request.name), ("request.party", plan.request.party)):
        yield from _name(subject, name, finest=_PART_OF_A_YEAR)
    if plan.period is None or plan.release != plan.period.label:  # a period is judged as such
        yield from _name("release", plan.release, finest=_PART_OF_A_YEAR)
    for subject, name in _names_of_the_source(plan):
        yield from _name(subject, name)


def _safe(letter: str, subject: str, text: str) -> Finding:
    return Finding(f"{LIST}({letter})", subject, text, _SAFE)


def _time(plan: Plan) -> Iterator[Finding]:
    request = plan.request
    if request.schedule in _FINER_THAN_A_YEAR:
        yield _safe(
            "C", "request.schedule", f"what a {request.schedule} release adds happened in a known part of a year"
        )
    if plan.period is not None and not plan.period.is_whole_years:
        yield _safe("C", "period", "a release about less than whole calendar years tells more of a date than its year")
    if request.window is not None and not _is_whole_years(*request.window):
        yield _safe("C", "request.window", "the manifest shows the window, which is not one of whole calendar years")


def _is_whole_years(low: date | int | None, high: date | int | None) -> bool:
    """Whether each end that is given is the first or the last day of a year."""
    first = not isinstance(low, date) or (low.month, low.day) == (1, 1)
    last = not isinstance(high, date) or (high.month, high.day) == (12, 31)
    return first and last


def _predicate(predicate: Predicate, reference: date) -> Iterator[Finding]:
    kind = KINDS[predicate.kind]
    subject = "request.cohort"
    if kind.limited is not None:
        yield Finding(
            f"{limited_data_set.LIST}({kind.limited})",
            subject,
            f"a cohort by {kind.name} tells {LIMITED_NUMERALS[kind.limited]} of everybody in it",
            frozenset({Basis.LIMITED_DATA_SET}),
        )
    if kind.value is Value.DATE and not _is_whole_years(predicate.low, predicate.high):
        yield _safe("C", subject, f"the bounds of {kind.name} are not the first and the last day of years")
    if _reveals_old_age(kind, predicate, reference):
        yield _safe("C", subject, f"a bound of {kind.name} tells people of 90 or older apart, or tells that all are")
    letter = letter_of(kind)
    if letter is not None and letter != "C" and not _is_allowed_zip(predicate):
        yield _safe(letter, subject, f"a cohort by {kind.name} tells {SAFE_HARBOR_LETTERS[letter]} of everybody in it")


def _is_allowed_zip(predicate: Predicate) -> bool:
    """Whether every code is a three-digit prefix of an area that holds more than 20,000 people."""
    if predicate.kind != "zip_code":
        return False
    return all(code.removesuffix("*") in releasable() for code in predicate.codes)


def _reveals_old_age(kind: Kind, predicate: Predicate, reference: date) -> bool:
    low, high = predicate.low, predicate.high
    if kind.name == "age":
        return (isinstance(low, int) and low > OLDEST) or (isinstance(high, int) and high >= OLDEST)
    # Born on or before this day is 90 or older on the reference date: one category, which no bound may divide.
    last_birth = _years_before(reference, OLDEST)
    if kind.name == "year":
        return isinstance(high, int) and high < last_birth.year
    if kind.value is not Value.DATE:
        return False
    ended_before = isinstance(high, date) and high < last_birth  # whoever was there then is over 89 now
    if kind.name == "birth_date":
        return ended_before or (isinstance(low, date) and low <= last_birth)
    return ended_before and kind.name != "death_date"  # the dead grow no older


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February: 1 March closes one birthday more, not one less
        return date(day.year - years, 3, 1)


def _names_of_the_source(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "dataset.name", plan.dataset.name
    for table in plan.tables:
        yield table.table.name, table.table.name
        for step in table.written:
            yield f"{table.table.name}.{step.column.name}", step.column.name


def _name(subject: str, name: str, *, finest: re.Pattern[str] | None = None) -> Iterator[Finding]:
    lowered = name.lower()
    if _DATE_LIKE.search(lowered) or (finest is not None and finest.search(lowered)):
        yield _safe("C", subject, "the name, which files and manifest show, tells a month, a quarter or a day")
    if _ZIP_LIKE.search(lowered):
        yield _safe("B", subject, "the name, which files and manifest show, holds what may be a ZIP code")
