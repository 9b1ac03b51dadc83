"""Sections on the data: people, columns, who was withheld, utility, coding quality, notes."""

from __future__ import annotations

from deid.reports.markup import Html, count, facts, join, number, paragraph, percent, table, tag, words
from deid.reports.model import RiskReport
from deid.reports.sections_risk import none
from deid.reports.svg import Bar, Part, bars, stacked
from deid.reports.utility_model import Bias, CodeUse, Marginal

_FULLEST = (
    *("full code", "code", "category", "block", "operation", "chapter", "ccsr", "unmapped"),
    *("left empty", "joined or left empty"),
)


def people(report: RiskReport) -> Html:
    """The patients, as tiles."""
    found = report.people
    pairs = [
        (count(found.released), "patients released"),
        (count(found.withheld), "patients withheld"),
        (count(found.asked), "patients asked for"),
        (percent(found.share_withheld), "of them withheld"),
    ]
    return tag(
        "div", *(tag("div", tag("b", value), tag("span", what), class_="tile") for value, what in pairs), class_="tiles"
    )


def columns(report: RiskReport) -> Html:
    """What was done to each column."""
    rows = [
        (
            tag("code", f"{c.table}.{c.name}"),
            words(c.kind),
            join((tag("code", c.rule), f" (rung {c.rung} of {c.rungs})" if c.rung is not None else "")),
            c.holds,
            c.citation,
            count(c.nulls) if c.nulls is not None else "few or nearly all",
        )
        for c in report.columns
    ]
    heads = ("column", "what it was", "what was done", "may hold", "by", "empty cells")
    left = f"Asked for and left out by the policy: {', '.join(report.left_out)}." if report.left_out else ""
    return join((table(heads, rows, caption="Released columns", numbers=(5,)), paragraph(left) if left else ""))


def bias(report: RiskReport) -> Html:
    """Whether withholding fell on some more than on others."""
    if not report.bias:
        return none("The release holds neither sex nor age nor race of the patient, by which withholding is compared.")
    told = paragraph(
        "Withholding protects whoever is rare, and rare groups lose most by it. A ratio of 2 says that patients of a "
        "group were withheld twice as often as everybody else. Values are as released."
    )
    return join((told, *(_bias(each) for each in report.bias)))


def _bias(found: Bias) -> Html:
    head = tag("h3", f"By {found.attribute}")
    if not found.groups:
        return join((head, none(f"{found.note[:1].upper()}{found.note[1:]}.")))
    rows = [
        (g.value, count(g.asked), count(g.withheld), percent(g.share), "" if g.ratio is None else number(g.ratio))
        for g in found.groups
    ]
    heads = ("value", "patients asked for", "withheld", "share withheld", "ratio to all others")
    most = max((g.share for g in found.groups), default=0.0) or 1.0
    drawn = [Bar(g.value, g.share / most, percent(g.share)) for g in found.groups]
    listing = table(heads, rows, caption=f"Patients withheld by {found.attribute}", numbers=(1, 2, 3, 4))
    told = "; ".join(f"{bar.label}: {bar.figure} withheld" for bar in drawn)
    pooled = paragraph(f"\u201call others\u201d are {found.pooled} values with few patients.") if found.pooled else ""
    return join(
        (
            head,
            bars(f"bias-{found.attribute}", f"Share of patients withheld, by {found.attribute}.", told, drawn),
            listing,
            pooled,
        )
    )


def utility(report: RiskReport) -> Html:
    """Granularity, marginals, codes and the propensity score."""
    found = report.utility
    if not found.marginals and not found.codes:
        return none("Nothing was measured: the release shows neither what is counted of the patient nor codes.")
    parts: list[object] = []
    if found.marginals:
        parts += [
            paragraph(
                "Granularity lost is 0 where a column is as fine as in the source and 1 where nothing is left of it. "
                "The distance is the total variation between everybody asked for and the released patients, both as "
                "released: 0 says that shares are the same, 0.01 that one patient in a hundred would have to change."
            ),
            _granularity(report),
        ]
        parts += [_marginal(place, each) for place, each in enumerate(found.marginals) if each.values]
        parts.append(_pairs(report))
    parts += [_codes(place, each) for place, each in enumerate(found.codes)]
    parts.append(_propensity(report))
    return join(parts)


def _granularity(report: RiskReport) -> Html:
    rows = [
        (
            tag("code", m.column),
            number(m.granularity, 3),
            number(m.bits_before, 1),
            number(m.bits, 1),
            "not shown" if m.distance is None else number(m.distance, 4),
        )
        for m in report.utility.marginals
    ]
    mean = report.utility.granularity
    heads = ("column", "granularity lost (0 to 1)", "bits in the source", "bits released", "distance (0 to 1)")
    listing = table(heads, rows, caption="Columns of the patient", numbers=(1, 2, 3, 4))
    return join((listing, paragraph(f"Mean granularity lost: {number(mean, 3)} of 1.") if mean is not None else ""))


def _marginal(place: int, found: Marginal) -> Html:
    most = max((value.share for value in found.values), default=0.0) or 1.0
    drawn = [Bar(v.value, v.share / most, percent(v.share)) for v in found.values]
    told = "; ".join(f"{v.value}: {count(v.patients)} patients, {percent(v.share)}" for v in found.values)
    rest = f" The last bar is {found.pooled} further values." if found.pooled else ""
    return join(
        (
            tag("h3", tag("code", found.column)),
            bars(f"marginal-{place}", f"Share of released patients by value.{rest}", told, drawn),
        )
    )


def _pairs(report: RiskReport) -> Html:
    pairs = report.utility.pairs
    if not pairs:
        return Html("")
    rows = [
        (join((tag("code", p.columns[0]), " with ", tag("code", p.columns[1]))), number(p.distance, 4)) for p in pairs
    ]
    return table(
        ("two columns together", "distance (0 to 1)"), rows, caption="Distances of two columns together", numbers=(1,)
    )


def _codes(place: int, found: CodeUse) -> Html:
    order = {name: rank for rank, name in enumerate(_FULLEST)}
    levels = sorted(found.levels.items(), key=lambda pair: order.get(pair[0], 4))
    told = "; ".join(f"{level}: {percent(share)}" for level, share in levels)
    picture = stacked(
        f"codes-{place}",
        "Share of mentions by the level at which the code is released.",
        told,
        [Part(*pair) for pair in levels],
    )
    about = facts(
        (
            ("rule", tag("code", found.rule)),
            ("distinct values released", f"{found.items:,}"),
            (f"most frequent {found.top} in full", percent(found.top_full)),
            ("their mean error of counts", percent(found.top_error)),
            (
                "correlation of ranks",
                "not shown" if found.rank is None else f"{number(found.rank, 3)} (at the released level)",
            ),
        )
    )
    head = tag("h3", tag("code", found.column))
    return join(
        (
            head,
            picture if levels else none("Too few mentions for shares, or too few patients."),
            about,
        )
    )


def _propensity(report: RiskReport) -> Html:
    found = report.utility.propensity
    head = tag("h3", "Telling released patients from all")
    if found is None:
        return join(
            (head, none("Not measured: nobody was withheld, too few were, or patients cannot be told in the release."))
        )
    against = "Nobody was withheld, so there is no chance to compare with."
    if found.expected is not None and found.ratio is not None:
        against = (
            f"A random choice of as many patients would give {found.expected:.2e} on average; the ratio is "
            f"{found.ratio:,.2f}. A ratio near 1 says that who was withheld looks like chance, a large one that the "
            "released patients differ from all."
        )
    return join(
        (
            head,
            paragraph(
                f"Mean squared error of propensity scores (pMSE): {found.pmse:.2e}, from "
                f"{', '.join(found.features)}. {against}"
            ),
        )
    )


def quality(report: RiskReport) -> Html:
    """The headlines of the report on coding quality."""
    lines = [line for line in report.quality if line.codes != 0]
    if not lines:
        return none("The release holds no codes that are judged.")
    rows = [
        (
            tag("code", line.column),
            line.system,
            "not shown" if line.codes is None else count(line.codes),
            "; ".join(
                f"{words(name)}\u00a0{'some' if rows is None else count(rows)}" for name, rows in line.findings.items()
            )
            or "none",
        )
        for line in lines
    ]
    heads = ("column", "code system", "codes (rows)", "findings (rows)")
    told = paragraph("Codes were judged and not corrected; quality.json and quality.md have every figure.")
    return join((told, table(heads, rows, caption="Coding quality of what was released", numbers=(2,))))


def notes(report: RiskReport) -> Html:
    """What was done to notes."""
    found = report.text
    if found is None:
        return none("The release holds no notes.")
    about = facts(
        (
            ("columns", ", ".join(found.columns)),
            ("rule", tag("code", found.rule)),
            ("texts withheld", f"{count(found.withheld)} texts"),
            ("own identifiers found afterwards", f"{found.identifiers_left} texts"),
        )
    )
    return join(
        (about, paragraph(found.note), paragraph("Redaction cannot be proven complete: an expert weighs notes."))
    )
