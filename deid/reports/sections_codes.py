"""Sections on known codes and dates, on the series, and on attacks."""

from __future__ import annotations

from collections.abc import Iterable

from deid.reports.markup import Html, count, facts, join, paragraph, percent, table, tag, words
from deid.reports.model import RiskReport
from deid.reports.risk_model import Codes, Known
from deid.reports.sections_risk import badge, none
from deid.reports.svg import Bar, Cell, bars, heat
from deid.reports.verdict_model import Result
from deid.reports.verdicts import ADVERSARIES


def codes(report: RiskReport) -> Html:
    """The grid of known dates and codes, and its tail."""
    found = report.codes
    if found is None:
        return none(
            "The policy sets no limit for known codes, and none was measured. An expert weighs codes and dates."
        )
    rows = [
        (
            ADVERSARIES.get(k.adversary, words(k.adversary)),
            str(k.dates),
            str(k.codes),
            percent(k.chance, 2),
            "none" if k.ceiling is None else percent(k.ceiling, 2),
            badge(_held(k)),
            percent(k.few) if k.few is not None else "",
            percent(k.alone) if k.alone is not None else "",
            percent(k.worst) if k.worst is not None else "",
        )
        for k in found.grid
    ]
    heads = ("who knows", "dates", "codes", "mean chance", "ceiling", "result", "under 11 fit", "one fits", "largest")
    listing = table(
        heads, rows, caption="What somebody gets who knows codes and dates of a patient", numbers=(1, 2, 3, 4, 6, 7, 8)
    )
    return join((paragraph(found.method), _grid(found), listing, _groups(found)))


def _held(known: Known) -> Result:
    if known.ceiling is None:
        return Result.NO_CEILING
    return Result.PASSED if known.chance <= known.ceiling else Result.FAILED


def _grid(found: Codes) -> Html:
    heads = sorted({(k.dates, k.codes) for k in found.grid})
    names = list(dict.fromkeys(k.adversary for k in found.grid))
    cells = [
        Cell(names.index(k.adversary), heads.index((k.dates, k.codes)), k.chance, _held(k) is Result.FAILED)
        for k in found.grid
    ]
    labels = [f"{_many(dates, 'date')}, {_many(codes, 'code')}" for dates, codes in heads]
    told = "; ".join(f"{k.adversary}, {k.dates} dates, {k.codes} codes: {percent(k.chance, 2)}" for k in found.grid)
    rows = [_short(name) for name in names]
    return heat("grid", "Mean chance of being identified by what is known; darker is more.", told, rows, labels, cells)


def _short(adversary: str) -> str:
    told = {
        "uniform": "any codes",
        "mentions": "frequent codes",
        "declared": "study codes",
        "visit": "codes of one visit",
        "dated": "codes with their dates",
    }
    return told.get(adversary, words(adversary))


def _many(amount: int, what: str) -> str:
    return f"{amount} {what}{'' if amount == 1 else 's'}"


def _groups(found: Codes) -> Html:
    if not found.subgroups:
        return Html("")
    rows = [(group.group, percent(group.chance, 2)) for group in found.subgroups]
    return table(
        ("subgroup", "mean chance"),
        rows,
        caption="Subgroups at most risk, of eleven patients or more",
        numbers=(1,),
    )


def ledger(report: RiskReport) -> Html:
    """What the series has told so far."""
    found = report.ledger
    if found is None:
        return none("This release is not one of a series that keeps a ledger.")
    return join(
        (
            facts(
                (
                    ("release of the series", f"number {found.number}"),
                    ("recoding", "as the first release fixed it" if found.frozen else "fixed by this release"),
                    ("smallest joint class", f"{count(found.joint_smallest)} patients over all releases"),
                    ("joint k asked for", "none" if found.joint_k is None else f"{found.joint_k:,}"),
                    ("released when they came", percent(found.same_period)),
                    ("known codes, all releases compared", percent(found.codes, 2)),
                )
            ),
            paragraph(found.note) if found.note else "",
        )
    )


def attacks(report: RiskReport) -> Html:
    """What `deid attack` got, where its result was merged in."""
    if not report.attacks:
        return none(join(("No result of ", tag("code", "deid attack"), " was merged into this report.")))
    rows = [
        (
            a.attacker,
            a.measure,
            ("see note" if a.note else "not measured") if a.value is None else percent(a.value, 2),
            "" if a.low is None else f"{percent(a.low, 2)} to {percent(a.high, 2)}",
            "none" if a.ceiling is None else percent(a.ceiling, 2),
            badge(a.result),
            a.note,
        )
        for a in report.attacks
    ]
    heads = ("attacker", "measure", "hits", "95\u202f% interval", "ceiling", "result", "note")
    drawn = _drawn(report)
    to_do = join((tag("h3", "Left to decide"), tag("ul", *(tag("li", told) for told in report.to_do))))
    return join(
        (
            to_do if report.to_do else "",
            table(heads, rows, caption="Attackers who saw the opened release and outside knowledge", numbers=(2, 3, 4)),
            drawn,
        )
    )


def _drawn(report: RiskReport) -> Html:
    bars_ = [
        Bar(
            f"{a.attacker}: {a.measure}",
            a.value,
            percent(a.value, 2),
            a.ceiling,
            a.ceiling is not None and a.value > a.ceiling,
        )
        for a in report.attacks
        if a.value is not None
    ]
    told: Iterable[str] = (f"{bar.label}: {bar.figure}" for bar in bars_)
    return (
        bars("attackers", "Share of targets hit; the upright line is the ceiling.", "; ".join(told), bars_)
        if bars_
        else Html("")
    )
