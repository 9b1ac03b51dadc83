"""The page to read beside published tables: what they count, what is hidden, and which file holds what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from deid.documents.limits import TableLimits
from deid.documents.policy import Policy
from deid.papers.signing import Statement
from deid.tables.linking import Linked
from deid.tables.primary import telling_totals
from deid.tables.protect import Protected
from deid.tables.sheets import Shown
from deid.tables.tabulation import PATIENTS, Measure, TableRequest, Tabulation


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands over all tables: who made them from what, the rule, and the audit's figures.

    `generation`: of the store of what was published; `begin`: of the source, where a table is of incidence;
    `statements`: what the tables stand on.
    """

    policy: Policy
    dataset: str
    created: date
    release: str
    audit: Mapping[str, Any]
    generation: int = 0
    begin: date | None = None
    statements: tuple[Statement, ...] = ()

    @property
    def limits(self) -> TableLimits:
        """How small cells are protected."""
        return self.policy.limits.tables


def audit_of(asked: Tabulation, policy: Policy, linked: Linked, protected: Protected) -> dict[str, Any]:
    """Return the figures of the audit over all tables, as audit.json holds them."""
    limits, system = policy.limits.tables, linked.system
    return {
        "format": "deid-table-audit/1",
        "cells": len(linked.addresses),
        "relations": int(system.matrix.shape[0]),
        "published_before": int((system.known | system.hidden).sum()),
        "not_audited_with": sorted(limits.weighed_beside.get(asked.name, ())),
        "primary": linked.primary,
        "secondary": protected.secondary,
        "secondary_at_least": protected.fewest,
        "protection": limits.protection,
        "narrowest_interval": protected.narrowest,
        "totals_in_one_cell": telling_totals(system, protected.hidden),
        "method": limits.method,
    }


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
