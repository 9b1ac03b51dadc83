"""The page to read beside published tables: what they count, what is hidden, and which file holds what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from deid.documents.limits import TableLimits
from deid.tables.sheets import Shown
from deid.tables.tabulation import PATIENTS, Measure, TableRequest, Tabulation


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands over all tables: who made them from what, the rule, and the audit's figures."""

    policy: str
    policy_version: int
    policy_sha256: str
    basis: str
    dataset: str
    created: date
    release: str
    limits: TableLimits
    audit: Mapping[str, Any]
    generation: int = 0  # of the store of what was published
    begin: date | None = None  # of the source, where a table is of incidence


def page(asked: Tabulation, facts: Facts, tables: Mapping[str, tuple[TableRequest, Sequence[Shown]]]) -> str:
    """Return README.md of a published folder."""
    limits = facts.limits
    rule = (
        f"Counts of 1 to {limits.smallest - 1} patients are not shown, nor what would give them away; a mark "
        "(`suppressed`, `*`) stands for either and does not tell which. Zeros are true zeros."
    )
    if limits.method == "round":
        rule = (
            f"Every count is a multiple of {limits.base}, less than {limits.base} from the true one, drawn at random "
            "so that totals add up. A shown 0 need not be one."
        )
    lines = [
        f"# {asked.name}: {facts.release}",
        "",
        f"{asked.purpose.rstrip('.')}. For {asked.requester}, {asked.first} to {asked.last}; made on {facts.created}.",
        "",
        rule,
        *_beside(limits.weighed_beside.get(asked.name, ())),
        "",
        "| table | counts | by | totals over | cells | marked |",
        "|---|---|---|---|---|---|",
    ]
    for name, (table, cells) in sorted(tables.items()):
        marked = sum(cell.count is None for cell in cells)
        lines.append(
            f"| [{name}]({name}.csv) ([wide]({name}-wide.csv)) | {table.measure.value} | {', '.join(table.by)} "
            f"| {', '.join(table.margins) or '-'} | {len(cells)} | {marked} |"
        )
    lines += ["", _measures(asked, facts), ""]
    if any(table.rates for table, _ in tables.values()):
        against = f", standard {asked.standard}" if asked.standard else ""
        rates = (
            f"Rates are per {asked.per:,} people, with 95 % intervals: exact Poisson for crude rates, gamma (Fay and "
            f"Feuer 1997) for standardized ones{against}. They are given where every count they rest on is shown. "
            "A rate of fewer than 20 events is unreliable (NCHS)."
        )
        lines += [rates, ""]
    return "\n".join(lines)


def _measures(asked: Tabulation, facts: Facts) -> str:
    first = "the first visit with the code that the source tells"
    if asked.washout:
        first = f"the first visit with the code behind {asked.washout} days without one"
    since = f", which begins on {facts.begin}" if facts.begin else ""
    found = {
        Measure.INCIDENCE: f"Incidence: new patients, each once, at {first}; visits before the source{since}, and "
        "before the patient's birth do not count.",
        Measure.PREVALENCE: "Prevalence: patients with a visit (with the code) in the period, each once.",
        Measure.VISITS: "Visits: those that begin in the period, each once for each code group.",
        Measure.POPULATION: "Population: all patients of the source, once for all periods, by age on the last day.",
    }
    measures = {table.measure for table in asked.tables}
    measures |= {Measure.POPULATION} if asked.denominators == PATIENTS else set()
    return " ".join(text for measure, text in found.items() if measure in measures)


def _beside(weighed: Sequence[str]) -> list[str]:
    """Return what readers of other tables must know: that nothing was proven about both together."""
    if not weighed:
        return []
    names = ", ".join(sorted(weighed))
    return ["", f"Not audited together with the tables of {names}, which were counted from the same data."]
