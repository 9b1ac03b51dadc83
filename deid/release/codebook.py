"""The codebook of a release, for people: what every column is, what was done to it, and what it may hold."""

from __future__ import annotations

from collections.abc import Mapping

from deid.documents.policy import Basis
from deid.observing.decision import Decision
from deid.planning.plan import Plan, TablePlan
from deid.release.code_words import codebook_lines, codes_entry
from deid.release.small_counts import Count, shown
from deid.release.vector_words import recoding_lines
from deid.release.writing import TableFacts, cohort_text, column_entry, dates_treatment
from deid.segments.words import excluded_lines

CODEBOOK = "codebook.md"


def codebook(plan: Plan, decision: Decision, facts: Mapping[str, TableFacts], release: str) -> str:
    """Return the codebook as Markdown: what every column is, what was done to it, and what it may hold."""
    request = plan.request
    lines = [
        f"# {request.name}, release {release}",
        "",
        f"{request.purpose} ({request.protocol or 'no protocol number'}), for {request.requester}.",
        "",
        f"- Legal basis claimed: {plan.policy.basis.value.replace('_', ' ')}",
        f"- Policy: {plan.policy.name}, version {plan.policy.version}",
        f"- Cohort: {cohort_text(plan) or 'everybody'}",
        f"- Dates: {dates_treatment(plan)}",
        f"- Ages are judged on {plan.reference_date}, when this release expires",
    ]
    if plan.through is not None:
        lines.append(f"- Visits through {plan.through.year}: a year that is not over is left out")
    lines += excluded_lines(plan)
    if plan.policy.limits.k is not None:
        lines.append(f"- At least {plan.policy.limits.k} patients share every combination of the quasi-identifiers")
        lines += recoding_lines(plan)
    if plan.policy.basis is Basis.EXPERT_DETERMINATION:
        lines.append("- This software does not determine that the data are de-identified; an expert does")
    lines += ["", "Do not try to identify anyone. Open with `deid open`; see the manifest for digests.", ""]
    for planned in plan.tables:
        lines += _table(planned, facts[planned.table.name])
    lines += codebook_lines(codes_entry(decision.mapped))
    return "\n".join(lines)


def _malformed(count: Count | None) -> str:
    return "some" if count is None else str(count)


def _table(planned: TablePlan, fact: TableFacts) -> list[str]:
    folders = [f"Stands {planned.folders.words()}.", ""] if planned.folders is not None else []
    lines = [
        f"## {planned.table.name}",
        "",
        f"{shown(fact.rows)} rows",
        "",
        *folders,
        "| column | type | what it is | what was done | may hold | empty |",
        "|---|---|---|---|---|---|",
    ]
    for step in planned.written:
        entry = column_entry(planned, step, fact)
        empty = "few or nearly all" if entry.nulls is None else f"{entry.nulls:,}"
        if step.column.name in fact.malformed:
            empty += f", {_malformed(fact.malformed[step.column.name])} of them malformed in the source"
        lines.append(
            f"| `{entry.name}` | {entry.type} | {entry.meaning} | {entry.transform} | {entry.domain} | {empty} |"
        )
    dropped = [step.column.name for step in planned.steps if step.output is None]
    if dropped:
        lines += ["", f"Left out by the policy: {', '.join(f'`{name}`' for name in dropped)}"]
    return [*lines, ""]
