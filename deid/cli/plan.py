"""`deid plan`: what an export would do, before it does anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from deid import legal
from deid.cli.common import PathArgument, json_option, print_json, today
from deid.documents.period import parse_period
from deid.documents.policy import Basis, load_policy
from deid.documents.request import load_request
from deid.legal import Judgment, together
from deid.papers.bound import folder_entries
from deid.planning.compiler import compile_plan
from deid.planning.plan import Plan
from deid.segments.words import excluded_entry, excluded_lines
from deid.sources.description import load_dataset
from deid.transforms.words import rule_text


def compile_request(path: Path, period: str | None, release: str | None = None) -> Plan:
    """Read a request and what it names, and compile its plan."""
    request = load_request(path)
    return compile_plan(
        request,
        load_policy(request.policy),
        load_dataset(request.dataset),
        period=parse_period(period) if period else None,
        release=release,
        today=today(),
    )


@click.command()
@click.argument("request_path", metavar="REQUEST", type=PathArgument)
@click.option("--period", help="The period of this release: 2026, 2026-Q3 or 2026-10.")
@json_option
def plan(request_path: Path, period: str | None, as_json: bool) -> None:
    """Show column, kind, step, citation and output of a REQUEST, and the legal basis it earns. No row is read."""
    compiled = compile_request(request_path, period)
    judgment = legal.judge(compiled)
    if as_json:
        print_json(as_record(compiled, judgment))
    else:
        click.echo("\n".join(as_lines(compiled, judgment)))
    legal.require(compiled)


def as_lines(plan: Plan, judgment: Judgment) -> list[str]:
    """Return the plan as aligned text."""
    lines = [
        f"request  {plan.request.name}  for {plan.request.requester}, until {plan.request.expires}",
        f"policy   {plan.policy.name} version {plan.policy.version}, claims {_words(plan.policy.basis.value)}",
        f"dataset  {plan.dataset.name} ({plan.dataset.format})",
    ]
    for planned in plan.tables:
        rows = [("column", "kind", "step", "output", "citation")]
        for step in planned.steps:
            output = str(step.output.type) if step.output else "-"
            rows.append((step.column.name, step.column.kind.name, rule_text(step.transform), output, step.citation))
        lines += ["", f"{planned.table.name}  ({planned.not_requested} described columns are not requested, not read)"]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines += ["  " + "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[4]]) for row in rows]
    lines += _ladders(plan)
    folders = [f"  {t.table.name}: {t.folders.words()}" for t in plan.tables if t.folders is not None]
    lines += ["", "read by everybody, beside the files", *folders] if folders else []
    left_out = [line.removeprefix("- ") for line in excluded_lines(plan)]
    lines += ["", *left_out] if left_out else []
    earned = "nothing" if judgment.earns_nothing else _words(judgment.earned.value)
    lines += ["", f"earned   {earned}: {judgment.headline}"]
    for basis in Basis:
        broken = judgment.breaking(basis)
        lines += [f"not {_words(basis.value)}, because:"] if broken else []
        lines += [f"  - {finding.paragraph}  {finding.subject}: {finding.text}" for finding in together(broken)]
    lines += ["noted:"] if judgment.notes else []
    lines += [f"  - {finding.paragraph}  {finding.subject}: {finding.text}" for finding in together(judgment.notes)]
    return lines


def as_record(plan: Plan, judgment: Judgment) -> dict[str, Any]:
    """Return the plan for programs."""
    return {
        "request": plan.request.name,
        "policy": {"name": plan.policy.name, "version": plan.policy.version, "sha256": plan.policy.digest},
        "dataset": plan.dataset.name,
        "excluded": msgspec.to_builtins(excluded_entry(plan)),
        "claimed": plan.policy.basis.value,
        "earned": None if judgment.earns_nothing else judgment.earned.value,
        "findings": [
            {
                "paragraph": f.paragraph,
                "subject": f.subject,
                "text": f.text,
                "breaks": sorted(b.value for b in f.breaks),
            }
            for f in judgment.findings
        ],
        "tables": {
            planned.table.name: [
                {
                    "column": step.column.name,
                    "kind": step.column.kind.name,
                    "step": rule_text(step.transform),
                    "output": str(step.output.type) if step.output else None,
                    "domain": step.output.domain.describe() if step.output else None,
                    "citation": step.citation,
                    "rungs": [rule_text(rule) for rule, _ in step.rungs],
                    "reduced": step.take.value if step.take is not None else None,
                }
                for step in planned.steps
            ]
            for planned in plan.tables
        },
        "partition_by": folder_entries(plan),
    }


def _ladders(plan: Plan) -> list[str]:
    """Return the rules among which the run will choose, and the columns that will show one value of the patient."""
    limits = plan.policy.limits
    lines = [
        f"  {'.'.join(place)}: {' > '.join(rule_text(rule) for rule, _ in rungs)}"
        for place, rungs in plan.ladders.items()
    ]
    if lines:
        share = f"{100 * limits.suppression:g} %"
        head = f"chosen by the run, from fine to coarse, so that k = {limits.k} withholds at most {share}"
        lines = ["", head, *lines]
    taken = [(f"{t.table.name}.{s.column.name}", s.take) for t in plan.tables for s in t.written if s.take is not None]
    reduced = [f"  {name}: {take.value}" for name, take in taken]
    return lines + (["", "reduced to one value of the patient", *reduced] if reduced else [])


def _words(value: str) -> str:
    return value.replace("_", " ")
