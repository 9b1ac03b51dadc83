"""A cohort in declared form: which patients, or which rows, a request is about.

The grammar is specified in docs/formats/request.md, section "cohort".
Predicates are on codes, dates, ages and classes; a filter on a direct identifier is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from deid.kinds import KINDS, Role, Value


class CohortError(Exception):
    """What is wrong with a cohort; `at` is where, below `$.cohort`."""

    def __init__(self, message: str, at: str, hint: str) -> None:
        super().__init__(message)
        self.at = at
        self.hint = hint


class Unit(StrEnum):
    """What a cohort selects."""

    PATIENTS = "patients"
    ROWS = "rows"


class Combine(StrEnum):
    """How predicates join."""

    ANY = "any"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Predicate:
    """One condition on one kind: a set of codes, or a closed range of dates (days) or numbers.

    `codes` of an ICD kind match themselves and everything below them; a code ending in `*` matches as a prefix.
    """

    kind: str
    codes: tuple[str, ...] = ()
    low: date | int | None = None
    high: date | int | None = None


@dataclass(frozen=True, slots=True)
class Cohort:
    """Predicates joined by any or all, selecting whole patients or matching rows."""

    unit: Unit
    combine: Combine
    predicates: tuple[Predicate, ...]


def parse_cohort(raw: dict[str, Any]) -> Cohort:
    """Turn the document's map into a Cohort; raise CohortError."""
    if len(raw) != 1 or next(iter(raw)) not in set(Unit):
        raise CohortError("a cohort has one key, patients or rows", "", "write `patients: {any: [...]}`")
    unit, inner = next(iter(raw.items()))
    if not isinstance(inner, dict) or len(inner) != 1 or next(iter(inner)) not in set(Combine):
        raise CohortError("predicates are joined by any or all", f".{unit}", "write `any: [...]` or `all: [...]`")
    combine, items = next(iter(inner.items()))
    at = f".{unit}.{combine}"
    if not isinstance(items, list) or not items:
        raise CohortError("an empty list of predicates", at, "name at least one, or leave the cohort out")
    predicates = tuple(_predicate(item, f"{at}[{i}]") for i, item in enumerate(items))
    return Cohort(Unit(unit), Combine(combine), predicates)


def _predicate(raw: Any, at: str) -> Predicate:
    if not isinstance(raw, dict) or len(raw) != 1:
        raise CohortError("a predicate has one key, a kind", at, "write for instance `{icd10cm: [E11]}`")
    kind, condition = next(iter(raw.items()))
    known = KINDS.get(kind)
    if known is None:
        raise CohortError(f"there is no kind {kind!r}", at, "docs/reference/kinds.md lists every kind")
    if known.role is Role.DIRECT or known.value is Value.NOTE:
        raise CohortError(f"a filter on {kind} picks single persons", at, "select by codes, dates, ages or classes")
    if known.value in (Value.DATE, Value.INTEGER, Value.DECIMAL):
        return _range(kind, known.value, condition, at)
    codes = condition if isinstance(condition, list) else [condition]
    if not codes or not all(isinstance(code, str) and code.strip("*") for code in codes):
        raise CohortError(f"{kind} takes a list of codes as text", at, 'quote codes that look like numbers: "99213"')
    return Predicate(kind, codes=tuple(codes))


def _range(kind: str, value: Value, raw: Any, at: str) -> Predicate:
    if not isinstance(raw, dict) or not raw or not set(raw) <= {"from", "to"}:
        raise CohortError(f"{kind} takes a range", at, "write `{from: ..., to: ...}`; either end may be left out")
    ends: list[date | int | None] = []
    for end in ("from", "to"):
        given = raw.get(end)
        try:
            if given is None:
                ends.append(None)
            elif value is Value.DATE:
                ends.append(date.fromisoformat(str(given)))
            else:
                ends.append(int(str(given)))
        except ValueError:
            wanted = "a date such as 2026-01-31" if value is Value.DATE else "a whole number"
            raise CohortError(f"{end} of {kind} is not {wanted}", at, f"write {wanted}") from None
    low, high = ends
    if low is not None and high is not None and low > high:  # type: ignore[operator]
        raise CohortError(f"the range of {kind} ends before it begins", at, "exchange from and to")
    return Predicate(kind, low=low, high=high)
