"""The report on coding quality: `quality.json` and `quality.md`; the format page is docs/formats/quality.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from deid.quality.findings import FINDINGS
from deid.quality.suppress import Shown
from deid.release.small_counts import SMALL, Count

FORMAT: Literal["deid-quality/1"] = "deid-quality/1"
JSON, MARKDOWN = "quality.json", "quality.md"
_HEAD = "Counts are of rows; nothing that concerns one to ten patients is shown or can be derived."


class LineEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows in all and in each period that has any; "1-10" for those of so many patients, None where that would tell."""

    total: Count | None
    periods: dict[str, Count | None] = {}


class ColumnEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column: its kind, the code system and the lists that judged it, its codes, and the findings that apply."""

    kind: str
    system: str
    lists: tuple[str, ...]
    codes: LineEntry
    findings: dict[str, LineEntry]


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole report, by table and column; `unit` is what a period is, `bad_rows` were passed over unjudged."""

    format: Literal["deid-quality/1"]
    dataset: str
    unit: Literal["month", "year"]
    tables: dict[str, dict[str, ColumnEntry]]
    bad_rows: dict[str, Count] = {}


def line(shown: Shown) -> LineEntry:
    """Return a line with its periods named: `2024`, `2024-01` or `unknown`."""
    return LineEntry(shown.total, {period_name(period): rows for period, rows in shown.periods.items()})


def period_name(period: int) -> str:
    """Return the name of a period: 0 is unknown, up to 9999 a year, beyond it twelve times the year and the month."""
    if not period:
        return "unknown"
    return str(period) if period < 10_000 else f"{(period - 1) // 12}-{(period - 1) % 12 + 1:02}"


def to_json(report: Report) -> bytes:
    """Return the report as indented JSON with sorted keys."""
    return msgspec.json.format(msgspec.json.encode(report, order="sorted"), indent=2) + b"\n"


def to_markdown(report: Report) -> str:
    """Return the report for reading: a section for each table, a line for each finding that was met."""
    lines = [f"# Coding quality of {report.dataset}", "", _HEAD, ""]
    for name, columns in report.tables.items():
        lines += [f"## {name}", "", *_table(columns), *_unmet(columns)]
    met = {f for columns in report.tables.values() for entry in columns.values() for f in _met(entry)}
    lines += [f"- `{finding}`: {FINDINGS[finding]}" for finding in FINDINGS if finding in met]
    lists = {text for columns in report.tables.values() for entry in columns.values() for text in entry.lists}
    lines += ["", "Lists:", "", *(f"- {text}" for text in sorted(lists) or ["none at hand"])]
    bad = ", ".join(f"{table} {rows if rows == SMALL else f'{rows:,}'}" for table, rows in report.bad_rows.items())
    lines += ["", f"Bad rows, not judged: {bad}."] if bad else []
    return "\n".join([*lines, "", f"By {report.unit}: `{JSON}`.", ""])


def _table(columns: Mapping[str, ColumnEntry]) -> list[str]:
    rows = [row for column, entry in columns.items() for row in _rows(column, entry)]
    return ["| column | system | codes | finding | rows | share |", "|---|---|---:|---|---:|---:|", *rows, ""] * bool(
        rows
    )


def _unmet(columns: Mapping[str, ColumnEntry]) -> list[str]:
    """Return in a line each which columns have no findings, and which have no codes."""
    clean = [
        f"`{column}` {_count(e.codes.total)}" for column, e in columns.items() if e.codes.total != 0 and not _met(e)
    ]
    empty = [f"`{column}`" for column, e in columns.items() if e.codes.total == 0 and not _met(e)]
    lines = [f"No findings, codes: {', '.join(clean)}.", ""] * bool(clean)
    return [*lines, *[f"No codes of their systems: {', '.join(empty)}.", ""] * bool(empty)]


def _rows(column: str, entry: ColumnEntry) -> list[str]:
    head = f"| `{column}` | {entry.system} | {_count(entry.codes.total)} "
    found = [
        f"| {finding} | {_count(entry.findings[finding].total)} | {_share(entry, finding)} |" for finding in _met(entry)
    ]
    return [head + found[0], *(f"| | | {row}" for row in found[1:])] if found else []


def _met(entry: ColumnEntry) -> list[str]:
    return [finding for finding in FINDINGS if finding in entry.findings and entry.findings[finding].total != 0]


def _share(entry: ColumnEntry, finding: str) -> str:
    rows, codes = entry.findings[finding].total, entry.codes.total
    if not isinstance(rows, int) or not isinstance(codes, int):
        return ""
    return f"{100 * rows / codes:.2f} %"


def _count(rows: Count | None) -> str:
    if rows is None:
        return "not shown"
    return "of 1-10 patients" if rows == SMALL else f"{rows:,}"
