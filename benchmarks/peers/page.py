"""The page of ratios and growth curves: docs/reference/performance.md, from results alone."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from peers.growth import slope
from peers.jobs import BY_PROCESSES, FLOOR, ON_SPARK, OWN, POLICIES
from peers.results import Figures, Result, summed_up
from peers.targets import told_targets

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "performance.md"
CUMULUS = "cumulus-etl"

# What a peer does of the work, and what it leaves undone; said beside every figure of it.
DOES = {
    FLOOR: "reads the columns, writes encrypted Parquet, reads it back; changes no value, checks nothing",
    BY_PROCESSES: "the same export, its tables shared out among processes",
    ON_SPARK: "the same export on a session of Spark that has begun; JVM and workers are in every figure",
    OWN: "policy and plan, pseudonyms, dates, ZIP codes, codes by their lists, bad cells in quarantine, encrypted "
    "Parquet, read back and verified, manifest, report, audit log",
    "pandas script": "HMAC-SHA256 pseudonyms, years, ages over 89 together, ZIP3, plain Parquet, everything in memory; "
    "no check of cells or codes, no encryption, no verification, no report",
    "presidio-structured": "the same rules as the script, as its custom operators, cell by cell, on columns named by "
    "hand; nothing else",
    "openmed": "its own classes of columns and actions (hashes, masks, moved dates), not the same rules; text out",
    CUMULUS: "ids keyed and references rewritten, extensions by list, JSON out; removing names, addresses and birth "
    "dates is the work of another tool that runs before it and is not measured; free text is not searched",
    "pycanon": "k, l and t of a table",
    "anjana": "a recoding to k by raising one column after another; not the best one",
}
GAIN = {"tables": "rows", "notes": "notes", "fhir": "resources", "x12": "claims"}


def render(results: Sequence[Result], commit: str, where: str) -> str:
    """Return the page of what was measured at one commit on one machine."""
    parts = [
        "# Performance",
        "Written by `python benchmarks/peers.py --page`; every figure is measured, none is typed.",
        (
            f"{where}; commit `{commit}`. CPU seconds are of user and system, all threads and processes, median over "
            "the rounds; peak memory is the highest. Imports, models loaded and keys stretched are in none of them."
        ),
        _busy(results),
        "## Targets",
        _table(("target", "asked", "measured", ""), [line.cells for line in told_targets(results)]),
        "## The same rows, beside what users would pick",
        _peers(results, "tables", FLOOR),
        "## Notes",
        _peers(results, "notes", None),
        "## FHIR bulk",
        _peers(results, "fhir", None),
        "## X12 837",
        _peers(results, "x12", FLOOR),
        "## Risk",
        _risk(results),
        "## Growth",
        _growth(results),
        "## A billion rows, on paper",
        _billion(results),
        "## Who does what",
        _does(results),
        "## Not measured",
        _absent(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def machine() -> str:
    """Return what it was measured on, in words."""
    import pyarrow as pa

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = f"Python {platform.python_version()}, pyarrow {pa.__version__}"
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, {versions}"


def figures(results: Iterable[Result]) -> dict[tuple[str, str, str, int, int], Figures]:
    """Return the figures of every job that was measured."""
    by_job: dict[tuple[str, str, str, int, int], list[Result]] = {}
    for result in results:
        by_job.setdefault(result.job, []).append(result)
    return {job: found for job, of in by_job.items() if (found := summed_up(of))}


def _busy(results: Sequence[Result]) -> str:
    highest = max((result.load for result in results), default=0.0)
    if highest <= (os.cpu_count() or 1):
        return ""
    return (
        f"The machine had other work: the load was up to {highest:.1f} when a measurement began. Ratios hold better "
        "than seconds; those by the clock do not hold."
    )


def _peers(results: Sequence[Result], section: str, floor: str | None) -> str:
    rows = []
    measured = {job: found for job, found in figures(results).items() if job[0] == section}
    for job, found in sorted(measured.items(), key=lambda item: (item[0][3], item[1].cpu)):
        _, tool, work, size, workers = job
        own = _beside(measured, job)
        bare = measured.get((section, floor or "", work, size, 1))
        rows.append(
            (
                f"{found.count:,}",
                tool,
                work + (f", {workers} workers" if workers > 1 else ""),
                f"{found.cpu:.2f}",
                f"{found.wall:.2f}",
                f"{found.peak:,.0f}",
                f"{found.rate:,.0f}",
                f"{found.cpu / bare.cpu:.2f}" if bare and tool == OWN else "",
                f"{own.rate / found.rate:.1f}" if own and found.rate and tool not in {OWN, FLOOR} else "",
            )
        )
    unit = GAIN[section]
    head = (
        unit,
        "tool",
        "work",
        "CPU s",
        "wall s",
        "peak MiB",
        f"{unit} / CPU s",
        "over the floor, times",
        "deid is faster, times",
    )
    return _table(head, rows)


def _beside(
    measured: dict[tuple[str, str, str, int, int], Figures], job: tuple[str, str, str, int, int]
) -> Figures | None:
    """Return this project's figures for the same rows: under the same policy, or else the slowest of its own."""
    section, _, work, size, _ = job
    same = measured.get((section, OWN, work, size, 1))
    others = [found for (_, tool, _, at, workers), found in measured.items() if (tool, at, workers) == (OWN, size, 1)]
    return same or max(others, key=lambda found: found.cpu, default=None)


def _risk(results: Sequence[Result]) -> str:
    measured = {job: found for job, found in figures(results).items() if job[0] == "risk"}
    rows = []
    for (_, tool, work, size, _), found in sorted(measured.items()):
        own = measured.get(("risk", OWN, work, size, 1))
        times = f"{found.cpu / own.cpu:,.0f}" if own and own.cpu and tool != OWN else ""
        value = "" if found.value is None else f"{found.value:.6g}"
        rows.append((f"{size:,}", work, tool, value, f"{found.cpu:.4f}", times))
    said = (
        "`k`, `l` and `t` are of the same table and must agree. `search` is for k = 11 with at most 5 % of the rows "
        "withheld, on the same ladders: deid finds the recoding of the least loss and tells the loss, anjana finds one "
        "and tells the share of the rows that are left."
    )
    return said + "\n\n" + _table(("patients", "measure", "tool", "value", "CPU s", "deid is faster, times"), rows)


def _growth(results: Sequence[Result]) -> str:
    rows = []
    measured = {job: found for job, found in figures(results).items() if job[0] == "growth"}
    by_size = sorted(measured.items(), key=lambda item: (item[0][2], item[0][3:], item[0][1]))
    for (_, tool, policy, size, workers), found in by_size:
        kind = {BY_PROCESSES: f"{workers} processes", ON_SPARK: f"Spark, local[{workers}]"}.get(tool, str(workers))
        rows.append(
            (policy, f"{size:,}", f"{found.count:,}", f"{found.patients:,}", kind, f"{found.cpu:.1f}",
             f"{found.wall:.1f}", f"{found.cpu / found.count * 1e6:.2f}", f"{found.peak:,.0f}")
        )  # fmt: skip
    head = ("policy", "encounters", "rows", "patients", "workers", "CPU s", "wall s", "CPU µs a row", "peak MiB")
    return _table(head, rows)


def _billion(results: Sequence[Result]) -> str:
    measured = figures(results)
    rows, largest = [], 0
    for policy in POLICIES:
        for workers in (1, 2):
            own = ("growth", OWN, policy, workers)
            found = slope([f for job, f in measured.items() if (job[0], job[1], job[2], job[4]) == own])
            if found:
                largest = max(largest, found.rows)
                rows.append((policy, str(workers), f"{found.microseconds:.2f}", f"{found.bytes_a_patient:.0f}",
                             f"{found.cpu_hours:.1f}", f"{found.hours:.1f}", f"{found.patients / 1e6:.0f} M",
                             f"{found.gib:.1f}"))  # fmt: skip
    if not rows:
        return "Two sizes at least must be measured."
    said = (
        f"Drawn on as a straight line from the two largest sizes, {1e9 / largest:.0f} times beyond the largest "
        "that was measured: nobody ran it. What ends first, and when:\n\n"
        "- Memory, where a machine has less than the last column. It grows with patients, not with rows: a source of "
        "fewer rows a patient needs more of it for as many rows.\n"
        "- The disk. What is sealed beside the run (links, selected encounters, new entries of the crosswalk) grows "
        "with encounters, and a release is staged in whole before it is renamed: source, release and what is sealed "
        "must fit at once.\n"
        "- The clock. A failed run begins anew, so that the hours of the table are what one fault costs."
    )
    head = ("policy", "workers", "CPU µs a row", "bytes a patient", "CPU hours", "hours", "patients", "memory GiB")
    return said + "\n\n" + _table(head, rows)


def _does(results: Sequence[Result]) -> str:
    versions: dict[str, dict[str, str]] = {result.tool: result.versions for result in results if result.versions}
    used = dict.fromkeys(result.tool for result in results if not result.absent)
    rows = [(tool, ", ".join(f"{n} {v}" for n, v in versions.get(tool, {}).items()), DOES[tool]) for tool in used]
    return _table(("tool", "versions", "does"), rows)


def _absent(results: Sequence[Result]) -> str:
    done = set(figures(results))
    missing = {result.job: result for result in results if result.absent and result.job not in done}
    lines = [f"- {r.tool}, {r.section}, {r.size:,}: {r.absent}" for r in missing.values()]
    return "\n".join(lines) or "Nothing was left out."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "Nothing was measured."
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
