"""Sections on risk: ceilings, quasi-identifiers, classes, known codes, the ledger, attacks."""

from __future__ import annotations

import re

from deid.reports.column_model import Grade
from deid.reports.markup import Html, count, facts, join, paragraph, percent, table, tag
from deid.reports.model import RiskReport
from deid.reports.risk_model import Bin
from deid.reports.svg import Bar, bars, columns
from deid.reports.verdict_model import Result
from deid.reports.verdict_words import bound, measured
from deid.reports.verdicts import PATIENTS

# Long heads may break where a line is short, as on paper.
_GRADES, _HYPHENS = ("replica-bility", "avail-ability", "distin-guish-ability"), re.compile("-")
_BADGES = {Result.PASSED: "passed", Result.FAILED: "failed"}


def badge(result: Result) -> Html:
    """Return a result in words, in a frame."""
    return tag("span", result.value, class_=f"badge {_BADGES.get(result, 'open')}")


def none(sentence: object) -> Html:
    """Return what stands where a section does not apply."""
    return paragraph(sentence, class_="none")


def ceilings(report: RiskReport) -> Html:
    """Every figure beside its ceiling."""
    if not report.verdicts:
        return none("No figure was measured: the release shows nothing that is counted.")
    rows = [(v.figure, measured(v), v.unit, bound(v) or "none", badge(v.result)) for v in report.verdicts]
    listing = table(
        ("figure", "measured", "unit", "ceiling or floor", "result"),
        rows,
        caption="Figures held against the limits of the policy",
        numbers=(1, 3),
    )
    drawn = [
        Bar(
            v.figure.removeprefix("mean chance with ").replace(": codes ", ": "),
            v.value / v.ceiling / 1.5,
            measured(v),
            1 / 1.5,
            v.value > v.ceiling,
        )
        for v in report.verdicts
        if v.unit != PATIENTS and isinstance(v.value, float) and v.ceiling
    ]
    if not drawn:
        return listing
    picture = bars(
        "ceilings",
        "Measured figures as a part of their ceilings; the upright line is the ceiling.",
        "; ".join(f"{bar.label}: {bar.figure}" for bar in drawn),
        drawn,
        label=450,
    )
    return join((listing, picture))


def quasi_identifiers(report: RiskReport) -> Html:
    """The list with its grades."""
    if not report.quasi_identifiers:
        return none("The release holds no column that identifies together with others.")
    rows = [
        (
            tag("code", q.column),
            join((q.rule, _rungs(q.rungs, q.rule))),
            q.counted,
            _grade(q.replicability),
            _grade(q.availability),
            join((_grade(q.distinguishability), f", {q.values:,.1f} values" if q.values is not None else "")),
            q.why,
        )
        for q in report.quasi_identifiers
    ]
    heads = ("column", "rule", "counted", *(_HYPHENS.sub("\u00ad", head) for head in _GRADES), "why")
    told = paragraph(
        "Grades follow the guidance of HHS of 2012, question 2.6. Replicability and availability are of the kind of "
        "column; distinguishability is measured on the release, by the effective number of values (one over the chance "
        "that two patients share one), where the column is of the patient. An expert may grade otherwise."
    )
    return join((told, table(heads, rows, caption="Columns that may identify together with others")))


def _rungs(rungs: tuple[str, ...], rule: str) -> str:
    return f", chosen among {len(rungs)} rungs: {'; '.join(rungs)}" if len(rungs) > 1 and rule else ""


def _grade(grade: Grade) -> str:
    return grade.value


def classes(report: RiskReport) -> Html:
    """Class sizes, and the chances that follow from them."""
    found, risk = report.classes, report.risk
    if found is None or risk is None:
        return none("The release shows nothing of the patient that is counted.")
    about = facts(
        (
            ("counted columns", ", ".join(found.columns)),
            ("unit", "the patient, on the decrypted release"),
            ("k of the policy", "none" if found.k is None else f"{found.k:,}"),
            ("classes", count(found.number)),
            ("smallest class", f"{count(found.smallest)} patients"),
            ("mean class", "not shown" if found.mean_size is None else f"{found.mean_size:,.1f} patients"),
            (f"in classes under {found.below}", f"{count(found.patients_below)} patients"),
        )
    )
    rows = [
        (
            "known to be in the release (prosecutor)",
            _chance(risk.prosecutor_max, "over 9\u202f%"),
            percent(risk.prosecutor_mean, 2),
        ),
        (
            f"known to be in the population ({risk.population})"
            if risk.population
            else "in the population (journalist)",
            _chance(risk.journalist_max, "not measured"),
            _chance(risk.journalist_mean, "not measured"),
        ),
        ("anybody, matched at random in the class (marketer)", "", percent(risk.marketer, 2)),
    ]
    chances = table(
        ("target", "largest chance", "mean chance"),
        rows,
        caption="How likely somebody is re-identified by the counted columns",
        numbers=(1, 2),
    )
    return join((about, _histogram(found.bins), chances, _uniques(report)))


def _chance(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else percent(value, 2)


def _histogram(bins: tuple[Bin, ...]) -> Html:
    most = max((b.patients for b in bins if isinstance(b.patients, int)), default=0)
    rows = [
        Bar(_range(b), b.patients / most if isinstance(b.patients, int) and most else 0.0, _of_bin(b)) for b in bins
    ]
    told = "; ".join(f"classes of {row.label}: {row.figure} patients" for row in rows)
    return columns("classes", "Patients by the size of their class.", told, rows, axis="patients in the class")


def _of_bin(found: Bin) -> str:
    return "hidden" if found.patients is None else count(found.patients)


def _range(found: Bin) -> str:
    if found.high is None:
        return f"{found.low:,}+"
    return f"{found.low}" if found.low == found.high else f"{found.low}\u2013{found.high}"


def _uniques(report: RiskReport) -> Html:
    found = report.risk.uniques if report.risk is not None else None
    if found is None:
        return none("No estimate of who is alone in the population was asked for.")
    if found.low is None or found.high is None:
        return paragraph(f"Alone in the population: no estimate ({', '.join(found.without)} did not converge).")
    without = f"; no estimate by {', '.join(found.without)}" if found.without else ""
    return paragraph(
        f"Alone in the population: {percent(found.low, 2)} to {percent(found.high, 2)} of the released patients, by "
        f"{', '.join(found.methods)}, the release being {percent(found.sampling)} of the population{without}. "
        "Estimators differ; take the range, not its middle."
    )
