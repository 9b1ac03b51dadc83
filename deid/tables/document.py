"""The document of a request for tables, read and checked: docs/formats/tabulate.md is the specification."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec

from deid.documents.cohort import Cohort, CohortError, Unit, parse_cohort
from deid.documents.reading import Document, load
from deid.documents.request import NAME
from deid.kinds import KINDS, Role, Value
from deid.tables.bands import Band, read_bands
from deid.tables.standards import STANDARDS, check_bands
from deid.tables.tabulation import (
    CODES,
    DIMENSIONS,
    PATIENTS,
    PEOPLE,
    PERIODS,
    PLACES,
    Measure,
    TableRequest,
    Tabulation,
)

MAX_TABLES = 20
LEAST_WASHOUT = 365  # days: in a shorter one, a patient may be new at another age than in the same period's prevalence


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    measure: Literal["incidence", "prevalence", "visits"]
    by: list[str]
    margins: list[str] | None = None
    rates: bool = False


class _Tabulate(msgspec.Struct, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    start: date
    end: date
    tables: dict[str, _Table]
    ages: list[str] = []
    codes: dict[str, dict[str, list[str]]] = {}
    code_level: dict[str, str] = {}
    washout: int = 365
    since: date | None = None
    least_place: int = 0
    denominators: str | None = None
    standard: str | None = None
    per: int = 100_000


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    request: str
    requester: str
    purpose: str
    policy: str
    dataset: str
    expires: date
    tabulate: _Tabulate
    cohort: dict[str, Any] | None = None
    on_bad_row: Literal["refuse", "leave_out"] = "refuse"


def load_tabulation(path: Path) -> Tabulation:
    """Read the request for tables at `path`; raise DocumentError for anything unknown, missing or impossible."""
    document = load(path)
    raw = document.into(_Request)
    block = raw.tabulate
    for place, name in [("request", raw.request), *((f"tabulate.tables.{n}", n) for n in block.tables)]:
        if not NAME.fullmatch(name):
            raise document.fault(
                "a name is of small letters, digits and hyphens, at most 63",
                at=f"$.{place}",
                hint="names become names of folders and files",
            )
    if block.start > block.end:
        raise document.fault("the tables end before they begin", at="$.tabulate.to", hint="exchange from and to")
    _check_numbers(document, block)
    bands = read_bands(document, block.ages)
    here = path.resolve().parent
    tables = tuple(_table(document, name, table, block) for name, table in block.tables.items())
    _check_standard(document, block, bands, tables)
    return Tabulation(
        name=raw.request,
        requester=raw.requester,
        purpose=raw.purpose,
        policy=here / raw.policy,
        dataset=here / raw.dataset,
        cohort=_cohort(document, raw.cohort),
        expires=raw.expires,
        leave_out_bad_rows=raw.on_bad_row == "leave_out",
        first=block.start,
        last=block.end,
        bands=bands,
        groups=_groups(document, block),
        level=next(iter(block.code_level.items()), None),
        washout=block.washout,
        since=block.since,
        least_place=block.least_place,
        tables=tables,
        denominators=PATIENTS
        if block.denominators == PATIENTS
        else here / block.denominators
        if block.denominators
        else None,
        standard=block.standard,
        per=block.per,
        path=path,
        digest=document.digest,
    )


def _check_numbers(document: Document, block: _Tabulate) -> None:
    if not 1 <= len(block.tables) <= MAX_TABLES:
        raise document.fault(
            f"name 1 to {MAX_TABLES} tables", at="$.tabulate.tables", hint="several requests may share a policy"
        )
    for name, value, low, high in (
        ("washout", block.washout, 0, 36_500),
        ("per", block.per, 1, 1_000_000),
        ("least_place", block.least_place, 0, 1_000_000),
    ):
        if not low <= value <= high:
            raise document.fault(
                f"{name} is from {low} to {high:,}",
                at=f"$.tabulate.{name}",
                hint="docs/formats/tabulate.md, section Request",
            )
    if 0 < block.washout < LEAST_WASHOUT:
        raise document.fault(
            f"washout is 0 or at least {LEAST_WASHOUT} days",
            at="$.tabulate.washout",
            hint="0 takes the first visit with the code that the source tells",
        )
    if block.since is not None and block.since > block.start:
        raise document.fault(
            "the tables begin before the source does", at="$.tabulate.since", hint="let `from` be `since` or later"
        )
    if (block.end - block.start).days > 366 * 50:
        raise document.fault("the tables cover more than 50 years", at="$.tabulate.to", hint="shorten them")


def _table(document: Document, name: str, raw: _Table, block: _Tabulate) -> TableRequest:
    at = f"$.tabulate.tables.{name}"
    measure = Measure(raw.measure)
    _check_dimensions(document, raw.by, f"{at}.by")
    for problem, what, hint in (
        ("age" in raw.by and not block.ages, "no age bands", "write for instance `ages: [0-17, 18-44, 45-64, 65+]`"),
        (CODES in raw.by and not (block.codes or block.code_level), "no codes", "write `codes:` or `code_level:`"),
        (CODES not in raw.by and measure is Measure.INCIDENCE, "incidence is of codes", "add the dimension codes"),
        (raw.rates and block.denominators is None, "rates need denominators", "write `denominators:`, or no rates"),
    ):
        if problem:
            raise document.fault(what, at=at, hint=hint)
    totals = [d for d in raw.by if d in (*PLACES, *PEOPLE)]
    margins = totals if raw.margins is None else raw.margins
    for i, margin in enumerate(margins):
        if margin not in totals:
            raise document.fault(
                "no such total in this table",
                at=f"{at}.margins[{i}]",
                hint="totals are over places, ages, sex and race; longer periods have tables of their own",
            )
    return TableRequest(name, measure, tuple(raw.by), tuple(margins), raw.rates)


def _check_dimensions(document: Document, by: list[str], at: str) -> None:
    for i, dimension in enumerate(by):
        if dimension not in DIMENSIONS:
            hint = f"choose among {', '.join(DIMENSIONS)}"
            raise document.fault(f"there is no dimension {dimension!r}", at=f"{at}[{i}]", hint=hint)
    for among, what in ((PERIODS, "period"), (PLACES, "place")):
        if sum(d in among for d in by) > 1:
            raise document.fault(f"a table has one {what}", at=at, hint="make a table of its own for the other")
    if len(set(by)) != len(by):
        raise document.fault("a dimension stands twice", at=at, hint="name each once")
    if not any(d in PERIODS for d in by):
        raise document.fault("a table has a period", at=at, hint="add years, year, quarter or month")


def _groups(document: Document, block: _Tabulate) -> dict[str, dict[str, tuple[str, ...]]]:
    if block.codes and block.code_level:
        raise document.fault("both codes and code_level", at="$.tabulate.codes", hint="choose one of them")
    if len(block.code_level) > 1:
        raise document.fault("code_level names one kind", at="$.tabulate.code_level", hint="choose one")
    for name, kinds in block.codes.items():
        if not NAME.fullmatch(name):
            raise document.fault(
                "a code group's name is of small letters, digits and hyphens",
                at=f"$.tabulate.codes.{name}",
                hint="rename it",
            )
        if not kinds or not all(kinds.values()) or not all(c.strip("*") for codes in kinds.values() for c in codes):
            raise document.fault("a code group without codes", at=f"$.tabulate.codes.{name}", hint="name codes by kind")
    for kind in [*block.code_level, *(kind for kinds in block.codes.values() for kind in kinds)]:
        known = KINDS.get(kind)
        if known is None or known.value is not Value.CODE or known.role is Role.DIRECT:
            raise document.fault(
                f"{kind!r} is no kind of medical codes",
                at="$.tabulate.codes",
                hint="write `diabetes: {icd10cm: [E10, E11]}`",
            )
    return {name: {kind: tuple(codes) for kind, codes in kinds.items()} for name, kinds in block.codes.items()}


def _check_standard(
    document: Document, block: _Tabulate, bands: tuple[Band, ...], tables: tuple[TableRequest, ...]
) -> None:
    if block.standard is None:
        return
    at = "$.tabulate.standard"
    if block.standard not in STANDARDS:
        raise document.fault("there is no such standard population", at=at, hint=f"choose among {', '.join(STANDARDS)}")
    if not any(table.rates and "age" in table.by and "age" in table.margins for table in tables):
        raise document.fault(
            "no table has rates by age and their total, so none can be standardized",
            at=at,
            hint="set `rates: true` in a table by age, or remove the standard",
        )
    check_bands(document, block.standard, bands)


def _cohort(document: Document, raw: dict[str, Any] | None) -> Cohort | None:
    if raw is None:
        return None
    try:
        cohort = parse_cohort(raw)
    except CohortError as error:
        raise document.fault(str(error), at=f"$.cohort{error.at}", hint=error.hint) from None
    if cohort.unit is not Unit.PATIENTS:
        raise document.fault(
            "tables take a cohort of patients", at="$.cohort", hint="choose visits by `from`, `to` and `codes` instead"
        )
    return cohort
