"""What a red team found, for reading and for programs: shares, and counts as they may be shown."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from deid.attacks import ATTACKERS
from deid.red_team.intervals import wilson
from deid.red_team.run import Scored
from deid.red_team.score import Figure, Verdict
from deid.red_team.words import percent, title, to_do, verdict
from deid.release.manifest import Manifest
from deid.release.small_counts import Count, shown

FORMAT = "deid-attack/1"
_FEW = (1, 10)
_WIDTH = 118
_WORDS = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "FAILED",
    Verdict.UNDECIDED: "undecided",
    Verdict.MEASURED: "no ceiling",
}


def as_record(scored: Scored, manifest: Manifest) -> dict[str, Any]:
    """Return what was found as docs/formats/attack.md specifies; counts of 1 to 10 people are "1-10"."""
    return {
        "format": FORMAT,
        "release": manifest.release,
        "request": manifest.request,
        "policy": manifest.policy,
        "policy_version": manifest.policy_version,
        "policy_sha256": manifest.policy_sha256,
        "targets": scored.targets,
        "seed": scored.seed,
        "voters": scored.voters,
        "verdict": scored.verdict.value,
        "to_do": list(to_do(scored.figures, scored.targets)),
        "seconds": {name: round(taken, 3) for name, taken in scored.seconds.items()},
        "figures": [_record(figure) for figure in scored.figures],
    }


def _record(figure: Figure) -> dict[str, Any]:
    told = {
        "attacker": figure.attacker,
        "scenario": figure.scenario,
        "title": title(figure),
        "unit": figure.unit,
        "n": shown(figure.n),
        "verdict": figure.verdict.value,
        "expected": _rounded(figure.expected),
        "expected_interval": _pair(figure.expected_interval),
        "greatest": _rounded(figure.greatest),
        "certain": _people(figure.certain),
        "certain_interval": _pair(_interval(figure)),
        "wrong": _people(figure.wrong),
        "found": _people(figure.found),
        "recognized": _pair(figure.recognized),
        "left": _rounded(figure.left, 1),
        "possible": figure.possible,
        "correlation": _rounded(figure.correlation),
        "ceiling": _rounded(figure.ceiling),
        "ceiling_written": figure.ceiling_written,
        "told": figure.told or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def as_text(scored: Scored, manifest: Manifest) -> str:
    """Return what was found as aligned text, an attacker at a time."""
    lines = [
        f"release  {manifest.release} of {manifest.request}",
        f"policy   {manifest.policy} version {manifest.policy_version}",
        f"targets  at most {scored.targets:,} who are known to be in it, seed {scored.seed}",
        f"voters   {scored.voters:,} beside the patients of the site"
        if scored.voters
        else "voters   none given: everybody is a patient of the site, which is more than most outsiders know",
    ]
    for name, attacker in ATTACKERS.items():
        own = [figure for figure in scored.figures if figure.attacker == name]
        if own:
            lines += ["", f"{name}: {attacker.asks}"]
            lines += [f"  {_WORDS[one.verdict]:<10} {title(one):<42} {_line(one)}" for one in own]
    lines += ["", f"verdict  {verdict(scored.verdict, scored.figures)}"]
    if todo := to_do(scored.figures, scored.targets):
        lines += ["", "what to do"]
    for told in todo:
        lines += wrap(told, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


def _line(figure: Figure) -> str:
    """Return the figures of one scenario in words."""
    if figure.found is not None:
        return f"{_people(figure.found)} of {shown(figure.n)} {figure.told}"
    if figure.correlation is not None:
        return f"correlation {figure.correlation:+.3f}, {figure.told}"
    if not figure.n:
        return "nobody to look for" + (f": {figure.told}" if figure.told else "")
    low, high = figure.expected_interval or (0.0, 1.0)
    parts = [f"expected {percent(figure.expected or 0.0)} ({percent(low)} to {percent(high)})"]
    if figure.certain is not None:
        parts.append(f"certain {_people(figure.certain)} of {shown(figure.n)}")
    if figure.wrong:
        parts.append(f"wrongly certain {_people(figure.wrong)}")
    if figure.left is not None:
        parts.append(f"{figure.left:,.1f} of {figure.possible:,} offsets left")
    if figure.ceiling is not None:
        greatest = f", greatest {percent(figure.greatest or 0.0)}" if figure.is_single else ""
        parts.append(f"ceiling {percent(figure.ceiling)} of {figure.ceiling_written}{greatest}")
    return ", ".join([*parts, figure.told] if figure.told else parts)


def _interval(figure: Figure) -> tuple[float, float] | None:
    """Return the interval of the certain ones; where they are few, one that holds for any number from 1 to 10."""
    if figure.certain is None or not _FEW[0] <= figure.certain <= _FEW[1] or not figure.n:
        return figure.certain_interval
    return wilson(_FEW[0], figure.n)[0], wilson(min(_FEW[1], figure.n), figure.n)[1]


def _people(count: int | None) -> Count | None:
    return None if count is None else shown(count)


def _rounded(value: float | None, digits: int = 5) -> float | None:
    return None if value is None else round(value, digits)


def _pair(pair: tuple[float, float] | None) -> list[float] | None:
    return None if pair is None else [round(end, 5) for end in pair]
