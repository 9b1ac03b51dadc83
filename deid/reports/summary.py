"""The report in some lines on a terminal."""

from __future__ import annotations

from deid.reports.markup import count, percent, words
from deid.reports.model import RiskReport
from deid.reports.verdict_words import bound, measured


def summary(report: RiskReport) -> list[str]:
    """Return what somebody wants to know first."""
    about, people = report.about, report.people
    lines = [
        f"{about.release}  for {about.party}, until {about.expires}",
        f"policy   {about.policy} version {about.policy_version}, claims {words(about.basis_claimed)}",
        f"patients {count(people.released)} released, {count(people.withheld)} withheld",
    ]
    if report.verdicts:
        lines += ["", *_verdicts(report)]
    if report.codes is not None and report.codes.grid:
        worst = max(report.codes.grid, key=lambda known: known.few or 0.0)
        lines += ["", f"of what can be known, at most {percent(worst.few)} leaves fewer than 11 who fit"]
    uses = [(use.column, use.levels) for use in report.utility.codes if use.levels]
    if uses:
        lines += ["", "codes"]
        lines += [
            f"  {name}: " + ", ".join(f"{level} {percent(share)}" for level, share in levels.items())
            for name, levels in uses
        ]
    for bias in report.bias:
        most = max(
            (group for group in bias.groups if group.ratio is not None), key=lambda g: g.ratio or 0, default=None
        )
        if most is not None:
            lines.append(
                f"withheld by {bias.attribute}: most {most.value}, {most.ratio:g} times as often as all others"
            )
    for attack in report.attacks:
        value = attack.note or "not measured" if attack.value is None else percent(attack.value, 2)
        limit = "" if attack.ceiling is None else f" of at most {percent(attack.ceiling, 2)}"
        lines.append(f"attack   {attack.result.value:<14}  {attack.attacker}, {attack.measure}: {value}{limit}")
    if report.to_do:
        lines += ["", "left to decide after the attacks"]
        lines += [f"  {sentence}" for sentence in report.to_do]
    lines += ["", report.determination.statement] if report.determination.statement else []
    return lines


def _verdicts(report: RiskReport) -> list[str]:
    rows = [(v.result.value, measured(v), bound(v), v.figure) for v in report.verdicts]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]
