"""What a release says of its mapped codes: shares and figures of the attack, never a count of few patients."""

from __future__ import annotations

from collections.abc import Iterator

from deid.disclosure.code_risk import AdversaryRisk, CodeRisk
from deid.documents.limits import Adversary
from deid.known_codes.code_decision import Mapped, declared_pooled, shares_of
from deid.release.manifest import CodesEntry, KnownCodes
from deid.release.small_counts import ENOUGH, SMALL, shown

_DIGITS = 3  # of a share: one patient in a thousand is not told apart from none
ADVERSARIES = {
    Adversary.UNIFORM: "codes drawn evenly from the patient's",
    Adversary.MENTIONS: "codes drawn by how often they stand in the record",
    Adversary.DECLARED: "codes that the study declares",
    Adversary.VISIT: "codes of one visit",
    Adversary.DATED: "codes drawn in the way of these that tells most, each with the dates beside it",
}


def codes_entry(mapped: Mapped | None) -> CodesEntry | None:
    """Return the manifest's entry on mapped codes, None where none are mapped."""
    if mapped is None:
        return None
    three = mapped.risk.three
    return CodesEntry(
        ceiling=mapped.limits.ceiling,
        known=mapped.limits.known,
        tells_visits=mapped.grouped,
        adversaries=_by_adversary(mapped.risk),
        with_dates=_by_adversary(mapped.dated) if mapped.dated is not None else {},
        three=round(three.mean, _DIGITS) if three is not None and three.patients >= ENOUGH else None,
        thresholds=dict(mapped.thresholds),
        declared_pooled=declared_pooled(mapped),
        mentions={
            system: {level: round(share, _DIGITS) for level, share in shares_of(mapped, number).items()}
            for number, system in enumerate(mapped.items.systems)
        },
    )


def _by_adversary(risk: CodeRisk) -> dict[str, KnownCodes]:
    return {each.adversary.value: _known(each) for each in risk.by if each.patients >= ENOUGH}


def _known(risk: AdversaryRisk) -> KnownCodes:
    above = round(risk.above * risk.patients)
    is_few = SMALL in (shown(above), shown(risk.patients - above))
    return KnownCodes(
        mean=round(risk.mean, _DIGITS),
        below_k=round(risk.below, _DIGITS),
        unique=round(risk.unique, _DIGITS),
        worst=round(risk.worst, _DIGITS),
        above=None if is_few else round(risk.above, _DIGITS),
    )


def codebook_lines(entry: CodesEntry | None) -> Iterator[str]:
    """Yield the lines of the codebook on mapped codes."""
    if entry is None:
        return
    yield from ("## Mapped codes", "")
    yield (
        "A code that enough patients have is released in full, every other at a coarser level, by one map for all. "
        "Codes that stay keep their frequencies and their pairs; others are counted at their level. Where the codes of "
        "a row stand side by side, several that became one value stand there once."
    )
    yield from ("", "| code system | mentions in the source, of released patients |", "|---|---|")
    for system, shares in entry.mentions.items():
        told = ", ".join(f"{100 * share:.1f} % {level}" for level, share in shares.items() if share or level == "code")
        yield f"| {system} | {told} |"
    yield ""
    yield (
        f"Who knows the released demographics and {entry.known} codes of a patient identifies the patient with a mean "
        f"chance of at most {100 * entry.ceiling:g} %. It is an average: measured on this release, by what is known:"
    )
    yield from (
        "",
        "| known | mean | fewer than k candidates | only one | patients above the ceiling |",
        "|---|---|---|---|---|",
    )
    for name, risk in entry.adversaries.items():
        figures = [f"{100 * figure:.1f} %" for figure in (risk.mean, risk.below_k, risk.unique)]
        figures.append("few, or nearly all" if risk.above is None else f"{100 * risk.above:.1f} %")
        yield f"| {ADVERSARIES[Adversary(name)]} | {' | '.join(figures)} |"
    if entry.declared_pooled:
        yield ""
        yield (
            f"Of the codes that the study declares {entry.declared_pooled:,} went the way of rare codes: fewer than k "
            "patients would have shown their category."
        )
    if entry.three is not None:
        yield from ("", f"Three codes drawn evenly: {100 * entry.three:.1f} %, on which there is no ceiling.")
    yield ""
