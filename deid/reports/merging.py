"""What `deid attack --json` printed (docs/formats/attack.md), merged into a copy of the report."""

from __future__ import annotations

import msgspec

from deid.errors import ReleaseError
from deid.reports.model import RiskReport
from deid.reports.verdict_model import Attack, Result

FORMAT = "deid-attack/1"
MAX_BYTES = 16 * 1024 * 1024
_RESULTS = {
    "passed": Result.PASSED,
    "failed": Result.FAILED,
    "undecided": Result.UNDECIDED,
    "measured": Result.NO_CEILING,
}


class _Figure(msgspec.Struct):
    """One scenario of one attacker; what the report does not show is passed over."""

    attacker: str
    scenario: str
    verdict: str
    n: int | str = 0
    title: str = ""
    found: int | str | None = None
    expected: float | None = None
    expected_interval: tuple[float, float] | None = None
    ceiling: float | None = None
    ceiling_written: str | None = None
    correlation: float | None = None
    left: float | None = None
    told: str = ""


class _Record(msgspec.Struct):
    """The result of a red team."""

    format: str
    release: str
    policy_sha256: str
    figures: tuple[_Figure, ...]
    to_do: tuple[str, ...] = ()


def merged(report: RiskReport, data: bytes) -> RiskReport:
    """Return the report with the figures of a red team; raise ReleaseError for another release's, or no result."""
    try:
        record = msgspec.json.decode(data, type=_Record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        record = None
    if record is None or record.format != FORMAT:
        raise ReleaseError(f"this is no result of format {FORMAT}", hint="give what `deid attack --json` printed")
    if (record.release, record.policy_sha256) != (report.about.release, report.about.policy_sha256):
        raise ReleaseError(
            f"the attack was on another release than {report.about.release}, or under another policy",
            hint="attack this release, with the request that it was made from",
        )
    attacks = tuple(_attack(figure) for figure in record.figures)
    return msgspec.structs.replace(report, attacks=attacks, to_do=record.to_do)


def _attack(figure: _Figure) -> Attack:
    low, high = figure.expected_interval or (None, None)
    notes = [f"{figure.found} of {figure.n} {figure.told}" if figure.found is not None else figure.told]
    notes += [f"ceiling of {figure.ceiling_written}"] if figure.ceiling_written else []
    notes += [f"correlation {figure.correlation:+.3f}"] if figure.correlation is not None else []
    notes += [f"{figure.left:,.1f} offsets left"] if figure.left is not None else []
    return Attack(
        attacker=figure.attacker.replace("_", " "),
        measure=figure.title or figure.scenario,
        value=figure.expected,
        low=low,
        high=high,
        ceiling=figure.ceiling,
        result=_RESULTS.get(figure.verdict, Result.NOT_MEASURED),
        note="; ".join(note for note in notes if note),
    )
