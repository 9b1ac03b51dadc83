"""What the request discloses beside the columns: cohort, period, schedule, window and names stand in the manifest.

- Whole calendar years only: a release of one month's visits tells the month of each of them, whatever its columns say;
  two cumulative releases a month apart differ by that month. 164.514(b)(2)(i)(C).
- A cohort of one ZIP code tells the ZIP code of everybody in it. (B)
- A bound above the category of 90 or older tells an age over 89. (C)
- Names and the requester's own words are read like cells: no date finer than a year (C), no ZIP-like number (B).
- A cohort by what the policy drops tells it of everybody released: the expert who reads the policy is not told.
- Names of folders are read by everybody, agreement or not: whatever the claim, Safe Harbor must let their column stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from deid.cells.days import years_before
from deid.cells.places import releasable
from deid.documents.cohort import Predicate
from deid.documents.policy import Basis
from deid.documents.request import Schedule
from deid.kinds import KINDS, LIMITED_NUMERALS, SAFE_HARBOR_LETTERS, Group, Kind, Value
from deid.legal import limited_data_set, words
from deid.legal.judgment import Finding
from deid.legal.safe_harbor import LIST, OLDEST, breach, letter_of
from deid.planning.plan import Plan

_SAFE = frozenset({Basis.SAFE_HARBOR})
_FINER_THAN_A_YEAR = frozenset({Schedule.WEEKLY, Schedule.MONTHLY, Schedule.QUARTERLY})


def findings(plan: Plan) -> Iterator[Finding]:
    """Yield what the request of `plan` discloses beyond what each basis allows."""
    yield from _time(plan)
    if plan.request.cohort is not None:
        for predicate in plan.request.cohort.predicates:
            yield from _predicate(predicate, plan.reference_date)
            yield from _dropped(predicate, plan)
    yield from _folders(plan)
    yield from _names(plan)


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
    if letter is not None and (letter != "C" or _is_untold(kind)) and not _is_allowed_zip(predicate):
        yield _safe(letter, subject, f"a cohort by {kind.name} tells {SAFE_HARBOR_LETTERS[letter]} of everybody in it")


def _is_untold(kind: Kind) -> bool:
    """Whether the kind is read under (C) and no bounds of it could be judged: its predicates are lists of codes."""
    return kind.value not in (Value.DATE, Value.INTEGER)


def _dropped(predicate: Predicate, plan: Plan) -> Iterator[Finding]:
    """Yield a finding if the policy drops what the predicate tells of each patient, or coarsens it beyond that."""
    kind = KINDS[predicate.kind]
    if kind.group not in (Group.PERSON, Group.PLACE) and kind.name != "birth_date":
        return
    # Of a recoding the finest rung: so much of the kind the expert who reads the policy knows that it may tell.
    rule = next(iter(plan.policy.limits.recoding.get(kind.name, ())), plan.policy.rules.get(kind.name))
    is_finer = kind.name == "zip_code" and getattr(rule, "to", None) == "zip3" and not _is_prefixes(predicate)
    if rule is None or rule.name == "drop" or is_finer:
        yield Finding(
            "164.514(b)(1)",
            "request.cohort",
            f"a cohort by {kind.name} tells it of everybody released, and policy {plan.policy.name} does not release "
            "it so: choose by something else, or let the policy keep it and count it",
            frozenset({Basis.EXPERT_DETERMINATION}),
        )


def _is_prefixes(predicate: Predicate) -> bool:
    return all(len(code.removesuffix("*")) <= 3 and code.endswith("*") for code in predicate.codes)


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
    last_birth = years_before(reference, OLDEST)
    if kind.name == "year":
        return isinstance(high, int) and high < last_birth.year
    if kind.value is not Value.DATE:
        return False
    ended_before = isinstance(high, date) and high < last_birth  # whoever was there then is over 89 now
    if kind.name == "birth_date":
        return ended_before or (isinstance(low, date) and low <= last_birth)
    return ended_before and kind.name != "death_date"  # the dead grow no older


def _folders(plan: Plan) -> Iterator[Finding]:
    """Yield a finding, against every basis, for a column that names folders and may not stand under Safe Harbor."""
    for table in plan.tables:
        for step in table.written:
            if table.folders is None or step.column.name != table.folders.column:
                continue
            hit = breach(step.column.kind, step.transform)
            if hit is not None:
                text = f"its values would name folders, which everybody reads, and {hit[1]}; ask for other folders"
                yield Finding(hit[0], f"request.partition_by.{table.table.name}", text, frozenset(Basis))


def _names(plan: Plan) -> Iterator[Finding]:
    """Yield what the words that stand in clear tell: on folders, in the manifest, the codebook and the plan."""
    request = plan.request
    read = [("request.name", words.in_name(request.name)), ("request.party", words.in_name(request.party))]
    if plan.period is None or plan.release != plan.period.label:  # a period is judged as such
        read.append(("release", words.in_name(plan.release)))
    read += [
        ("request.requester", words.in_sentence(request.requester)),
        ("request.purpose", words.in_sentence(request.purpose, is_about_the_study=True)),
        ("request.protocol", words.in_protocol(request.protocol or "")),
        ("dataset.name", words.in_source_name(plan.dataset.name)),
    ]
    for table in plan.tables:
        read.append((table.table.name, words.in_source_name(table.table.name)))
        for step in table.written:
            read.append((f"{table.table.name}.{step.column.name}", words.in_source_name(step.column.name)))
    for subject, told in read:
        if words.Told.PART_OF_YEAR in told:
            yield _safe("C", subject, "what files and manifest show in clear tells a month, a quarter or a day")
        if words.Told.PLACE in told:
            yield _safe("B", subject, "what files and manifest show in clear holds what may be a ZIP code")
