"""What other controls measured of a release and the report only tells; None where the policy has no such control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deid.disclosure.code_risk import AdversaryRisk, CodeRisk
from deid.disclosure.further import FurtherRisk
from deid.disclosure.sensitive import Reached
from deid.documents.limits import CodeLimits
from deid.observing.controls import CodeMap
from deid.release.small_counts import ENOUGH
from deid.reports.risk_model import Codes, Estimate, GroupRisk, Known, Ledger
from deid.reports.small import rounded


@dataclass(frozen=True, slots=True)
class Population:
    """Chances by a table of the population, and estimates of who is alone in it (deid.disclosure.risk)."""

    journalist_max: float | None = None
    journalist_mean: float | None = None
    table: str | None = None
    uniques: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Joinable:
    """The largest share of patients who could be joined by content to another series; None where there is none.

    `others`: of another recipient of the site; `own`: of the same recipient.
    """

    others: float | None = None
    own: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was measured elsewhere.

    `maps`: code maps by code system. `attacks`: exact attacks on the release, the first by the policy's limits.
    `groups`: names of the subgroups of the attacks by label. `further`: what one or two more known things
    come to. `sensitive`: how much the classes tell of sensitive kinds. `text_withheld`: texts of notes that were
    withheld.
    """

    maps: Mapping[str, CodeMap] = field(default_factory=dict)
    attacks: tuple[CodeRisk, ...] = ()
    groups: Mapping[int, str] = field(default_factory=dict)
    population: Population | None = None
    ledger: Ledger | None = None
    joinable: Joinable = Joinable()
    further: FurtherRisk | None = None
    sensitive: tuple[Reached, ...] = ()
    text_withheld: int = 0


def codes_section(limits: CodeLimits | None, evidence: Evidence) -> Codes | None:
    """Return what known codes do; None where nobody attacked."""
    if not evidence.attacks or limits is None:
        return None
    grid = []
    for number, attack in enumerate(evidence.attacks):
        is_held = attack.codes <= limits.known and attack.dates <= limits.known_dates
        ceiling = limits.ceiling if is_held else None
        grid += [_known(risk, attack.dates, attack.codes, ceiling) for risk in attack.by if _may_show(risk)]
        if number == 0 and attack.three is not None and _may_show(attack.three):
            grid.append(_known(attack.three, attack.dates, 3, None))
    groups = tuple(
        GroupRisk(evidence.groups.get(group.label, f"class {group.label}"), rounded(group.mean))
        for group in evidence.attacks[0].groups
        if group.patients >= ENOUGH
    )
    return Codes(limits.kinds, tuple(grid), groups, _METHOD)


_METHOD = (
    "Somebody knows that the patient is in the release, the released demographics, and codes as drawn below. The "
    "chance is one over the number of patients who fit, averaged over draws and patients; all pairs of codes are "
    "counted, three codes are drawn at random. It is an average: see the shares of draws that leave few or one."
)


def _may_show(risk: AdversaryRisk) -> bool:
    return risk.patients >= ENOUGH


def _known(risk: AdversaryRisk, dates: int, codes: int, ceiling: float | None) -> Known:
    return Known(
        adversary=risk.adversary.value,
        dates=dates,
        codes=codes,
        chance=rounded(risk.mean),
        ceiling=ceiling,
        few=rounded(risk.below),
        alone=rounded(risk.unique),
        worst=rounded(risk.maximum),
    )
