"""The targets, each beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from peers.jobs import BY_PROCESSES, FLOOR, ON_SPARK, OWN, POLICIES
from peers.results import Figures, Result, summed_up

OF_FLOOR, FASTER, TWO_WORKERS, CONSTANT_MIB = 1.4, 20.0, 1.7, 600.0
OF_LOCAL, FLAT = 3.0, 1.25
BYTES_A_PATIENT = {"limited-data-set": 120, "safe-harbor": 122}  # docs/reference/memory.md

Measured = Mapping[tuple[str, str, str, int, int], Figures]


@dataclass(frozen=True, slots=True)
class Target:
    """One target: what, what was asked, what was measured, whether it is met (None: not measured)."""

    what: str
    asked: str
    measured: str
    is_met: bool | None

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Return it as a line of the table."""
        said = {True: "met", False: "MISSED", None: "not measured"}[self.is_met]
        return self.what, self.asked, self.measured, said


def told_targets(results: Sequence[Result]) -> list[Target]:
    """Return every target, at the largest size at which it was measured."""
    jobs = {result.job for result in results}
    measured = {job: f for job in jobs if (f := summed_up(r for r in results if r.job == job))}
    return [
        *_of_floor(measured),
        *(_faster(measured, peer) for peer in ("presidio-structured", "pandas script")),
        _faster_notes(measured),
        *_two_workers(measured),
        *_peaks(measured),
        *_spark(measured),
        _fhir(measured),
    ]


def _largest(measured: Measured, section: str, tool: str, work: str, workers: int = 1) -> int:
    return max((j[3] for j in measured if (j[0], j[1], j[2], j[4]) == (section, tool, work, workers)), default=0)


def _of_floor(measured: Measured) -> Iterator[Target]:
    for policy in POLICIES:
        size = _largest(measured, "tables", FLOOR, policy)
        own, bare = (measured.get(("tables", tool, policy, size, 1)) for tool in (OWN, FLOOR))
        what, asked = f"export CPU over the floor, {policy}", f"at most {OF_FLOOR} times"
        yield _ratio(what, asked, own.cpu / bare.cpu if own and bare else None, size, most=OF_FLOOR)


def _faster(measured: Measured, peer: str) -> Target:
    size = _largest(measured, "tables", peer, "safe-harbor")
    own, other = (measured.get(("tables", tool, "safe-harbor", size, 1)) for tool in (OWN, peer))
    found = other.cpu / own.cpu if own and other else None
    return _ratio(f"{peer}: CPU over that of the export", f"at least {FASTER:.0f} times", found, size, least=FASTER)


def _faster_notes(measured: Measured) -> Target:
    size = _largest(measured, "notes", "pandas script", "notes")
    own, other = (measured.get(("notes", tool, "notes", size, 1)) for tool in (OWN, "pandas script"))
    found = other.cpu / own.cpu if own and other else None
    what = "pandas script with Presidio on notes: CPU over that of the export"
    return _ratio(what, f"at least {FASTER:.0f} times", found, size, least=FASTER, unit="notes")


def _two_workers(measured: Measured) -> Iterator[Target]:
    for policy in POLICIES:
        size = _largest(measured, "growth", OWN, policy, 2)
        one = measured.get(("growth", OWN, policy, size, 1))
        for tool, kind in ((OWN, "two"), (BY_PROCESSES, "two processes")):
            two = measured.get(("growth", tool, policy, size, 2))
            found = one.wall / two.wall if one and two else None
            what = f"wall time of one worker over {kind}, {policy}"
            yield _ratio(what, f"at least {TWO_WORKERS} times", found, size, least=TWO_WORKERS)


def _peaks(measured: Measured) -> Iterator[Target]:
    for (section, tool, policy, size, workers), found in sorted(measured.items()):
        if section == "growth" and tool == OWN and workers == 1:
            most = CONSTANT_MIB + BYTES_A_PATIENT[policy] * found.patients / 2**20
            asked = f"at most {CONSTANT_MIB:.0f} + {BYTES_A_PATIENT[policy]} B a patient = {most:,.0f} MiB"
            yield Target(f"peak memory, {policy}, {size:,} encounters", asked, f"{found.peak:,.0f} MiB",
                         found.peak <= most)  # fmt: skip


def _spark(measured: Measured) -> Iterator[Target]:
    """CPU a row beyond the smallest size, in which Spark's beginning is: over one process, and over itself before."""
    for policy in POLICIES:
        sizes = sorted(j[3] for j in measured if j[:3] == ("growth", ON_SPARK, policy))
        large, middle = sizes[-1] if len(sizes) > 1 else 0, sizes[-2] if len(sizes) > 2 else 0
        small = sizes[0] if sizes else 0
        spark = _a_row(measured, (ON_SPARK, policy, 2), small, large)
        local = _a_row(measured, (OWN, policy, 1), small, large)
        before = _a_row(measured, (ON_SPARK, policy, 2), small, middle)
        last = _a_row(measured, (ON_SPARK, policy, 2), middle, large)
        what = f"Spark: CPU a row beyond its beginning, over one process, {policy}"
        found = spark / local if spark and local else None
        yield _ratio(what, f"at most {OF_LOCAL:.0f} times", found, large, most=OF_LOCAL)
        what = f"Spark: CPU of a further row over that of one up to {middle:,} encounters, {policy}"
        yield _ratio(what, f"flat: at most {FLAT} times", last / before if last and before else None, large, most=FLAT)


def _a_row(measured: Measured, of: tuple[str, str, int], small: int, large: int) -> float | None:
    """Return the CPU seconds of a row more, between two sizes of one tool, policy and number of workers."""
    tool, policy, workers = of
    less, more = (measured.get(("growth", tool, policy, size, workers)) for size in (small, large))
    return (more.cpu - less.cpu) / (more.count - less.count) if less and more and more.count > less.count else None


def _fhir(measured: Measured) -> Target:
    size = _largest(measured, "fhir", "cumulus-etl", "scrub")
    peer = measured.get(("fhir", "cumulus-etl", "scrub", size, 1))
    own = [f for job, f in measured.items() if job[:2] == ("fhir", OWN) and job[3] == size]
    found = min(f.rate for f in own) / peer.rate if peer and own else None
    what, asked = "FHIR resources a CPU second, over those of cumulus-etl", "at least 1 times"
    return _ratio(what, asked, found, size, least=1.0, unit="patients")


def _ratio(
    what: str,
    asked: str,
    found: float | None,
    size: int,
    *,
    least: float = 0.0,
    most: float = float("inf"),
    unit: str = "encounters",
) -> Target:
    if found is None:
        return Target(what, asked, "", None)
    return Target(what, asked, f"{found:.2f} times at {size:,} {unit}", least <= found <= most)
