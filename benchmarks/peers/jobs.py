"""The jobs of each section: which tool, on what, of which size, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECTIONS = ("tables", "notes", "fhir", "x12", "risk", "growth")
POLICIES = ("limited-data-set", "safe-harbor")
OWN, FLOOR = "deid", "floor"
BY_PROCESSES = "deid by processes"  # the same export, its tables shared out among processes
ON_SPARK = "deid on Spark"  # the same export on a session of `local[2]` that has begun


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large everything is: encounters, notes, patients."""

    tables: tuple[int, ...] = (100_000, 1_000_000)
    notes: tuple[int, ...] = (1_000, 10_000, 100_000)
    fhir: int = 1_200
    x12: int = 200
    risk: int = 20_000
    growth: tuple[int, ...] = (100_000, 1_000_000, 10_000_000, 50_000_000)
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to measure: `size` is in what its section counts.

    `seconds` is what one round takes about, by the clock, on two cores that others use too; for planning alone.
    """

    section: str
    tool: str
    work: str
    size: int
    workers: int = 1
    rounds: int = 3
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """Which job it is."""
        return self.section, self.tool, self.work, self.size, self.workers

    @property
    def source(self) -> str:
        """The name of the folder that it reads."""
        kind = {"tables": "claims", "growth": "claims"}.get(self.section, self.section)
        return f"{kind}-{self.size}"


# Peers that take many times longer get fewer: encounters, and notes.
SLOWEST = {"presidio-structured": 100_000, "openmed": 100_000}
PRESIDIO_NOTES = 1_000


def jobs(sections: tuple[str, ...], sizes: Sizes) -> list[Job]:
    """Return the jobs of sections in the order in which they are done within a round."""
    return [job for section in sections for job in OF[section](sizes)]


def _tables(sizes: Sizes) -> Iterator[Job]:
    for size in sizes.tables:
        million = size / 1e6
        for policy in POLICIES:
            yield Job("tables", FLOOR, policy, size, rounds=sizes.rounds, seconds=8 * million + 2)
            yield Job("tables", OWN, policy, size, rounds=sizes.rounds, seconds=12 * million + 3)
        yield Job("tables", "pandas script", "safe-harbor", size, rounds=sizes.rounds, seconds=20 * million + 3)
        if size <= SLOWEST["presidio-structured"]:
            yield Job("tables", "presidio-structured", "safe-harbor", size, rounds=sizes.rounds, seconds=200 * million)
        if size <= SLOWEST["openmed"]:
            yield Job("tables", "openmed", "its own", size, rounds=sizes.rounds, seconds=250 * million)


def _notes(sizes: Sizes) -> Iterator[Job]:
    for size in sizes.notes:
        rounds = sizes.rounds if size <= 10_000 else 1
        yield Job("notes", OWN, "notes", size, rounds=rounds, seconds=size / 90 + 3)
        if size <= 10_000:
            yield Job("notes", OWN, "notes", size, workers=2, rounds=rounds, seconds=size / 120 + 3)
        if size <= PRESIDIO_NOTES:
            yield Job("notes", "pandas script", "notes", size, rounds=rounds, seconds=size / 18 + 10)


def _fhir(sizes: Sizes) -> Iterator[Job]:
    for policy in POLICIES:
        yield Job("fhir", OWN, policy, sizes.fhir, rounds=sizes.rounds, seconds=sizes.fhir / 60)
    yield Job("fhir", "cumulus-etl", "scrub", sizes.fhir, rounds=sizes.rounds, seconds=sizes.fhir / 60)


def _x12(sizes: Sizes) -> Iterator[Job]:
    yield Job("x12", FLOOR, "split", sizes.x12, rounds=sizes.rounds, seconds=sizes.x12 / 1000)
    yield Job("x12", OWN, "read", sizes.x12, rounds=sizes.rounds, seconds=sizes.x12 / 300)
    yield Job("x12", "openmed", "redact", sizes.x12, rounds=sizes.rounds, seconds=sizes.x12**2 / 1000)


def _risk(sizes: Sizes) -> Iterator[Job]:
    for tool, seconds in ((OWN, 2), ("pycanon", 120), ("anjana", 10)):
        yield Job("risk", tool, "all", sizes.risk, rounds=sizes.rounds, seconds=seconds * sizes.risk / 20_000)


def _growth(sizes: Sizes) -> Iterator[Job]:
    for size in sizes.growth:
        rounds = sizes.rounds if size <= 1_000_000 else 1
        for policy in POLICIES:
            for workers in (1, 2):
                seconds = 10 * size / 1e6 + 3
                yield Job("growth", OWN, policy, size, workers=workers, rounds=rounds, seconds=seconds)
            yield Job("growth", BY_PROCESSES, policy, size, workers=2, rounds=rounds, seconds=seconds)
            yield Job("growth", ON_SPARK, policy, size, workers=2, rounds=rounds, seconds=seconds + 12)


OF = {"tables": _tables, "notes": _notes, "fhir": _fhir, "x12": _x12, "risk": _risk, "growth": _growth}


def room_needed(job: Job) -> int:
    """Return the bytes of disk that a job needs beside its source: releases, what is staged and what spills."""
    return {"growth": 250, "tables": 250}.get(job.section, 20_000) * job.size


def source_bytes(job: Job) -> int:
    """Return about how many bytes the source of a job takes."""
    return {"growth": 430, "tables": 430, "notes": 6_000, "fhir": 60_000, "x12": 20_000, "risk": 50}[
        job.section
    ] * job.size


def release_of(job: Job, folder: Path, number: int) -> Path:
    """Return where a job writes."""
    return folder / f"{job.section}-{job.tool.replace(' ', '-')}-{job.work.replace(' ', '-')}-{job.size}-{number}"
