"""What was measured, one JSON line each, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class Result:
    """One measurement of one job: seconds of CPU (all processes) and of the clock, peak memory in MiB, what was done.

    `count` is what went in, in `unit`; `value` is what a measure gave. With `absent` nothing was measured, and it
    says why.
    """

    section: str
    tool: str
    work: str
    size: int
    commit: str
    round: int = 0
    workers: int = 1
    cpu: float = 0.0
    wall: float = 0.0
    peak: float = 0.0
    count: int = 0
    unit: str = ""
    patients: int = 0
    value: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    load: float = 0.0
    absent: str = ""

    @property
    def job(self) -> tuple[str, str, str, int, int]:
        """Which job it is of."""
        return self.section, self.tool, self.work, self.size, self.workers


@dataclass(frozen=True, slots=True)
class Figures:
    """All rounds of one job: the medians of its seconds, its highest peak."""

    rounds: int
    cpu: float
    wall: float
    peak: float
    count: int
    unit: str
    patients: int
    value: float | None
    load: float

    @property
    def rate(self) -> float:
        """Return how much goes through in a second of CPU."""
        return self.count / self.cpu if self.cpu else 0.0


def summed_up(results: Iterable[Result]) -> Figures | None:
    """Return the figures of one job's rounds, or None where there is none."""
    done = [result for result in results if not result.absent]
    if not done:
        return None
    return Figures(
        rounds=len({result.round for result in done}),
        cpu=statistics.median(result.cpu for result in done),
        wall=statistics.median(result.wall for result in done),
        peak=max(result.peak for result in done),
        count=done[-1].count,
        unit=done[-1].unit,
        patients=done[-1].patients,
        value=done[-1].value,
        load=max(result.load for result in done),
    )


class Book:
    """The results of one file; what was measured is never measured again for the same commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.results: list[Result] = []
        if path.exists():
            self.results = [result for line in path.read_bytes().splitlines() if (result := read_line(line))]

    def has(self, job: tuple[str, str, str, int, int], number: int, commit: str) -> bool:
        """Whether a round of a job is measured at a commit."""
        return any((r.job, r.round, r.commit) == (job, number, commit) and not r.absent for r in self.results)

    def add(self, results: Sequence[Result]) -> None:
        """Append results, on disk before this returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        is_cut = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("ab") as file:
            file.write(b"\n" if is_cut else b"")
            for result in results:
                file.write(msgspec.json.encode(result) + b"\n")
        self.results += results

    def at(self, commit: str) -> list[Result]:
        """Return what is known of one commit."""
        return [result for result in self.results if result.commit == commit]


def read_line(line: bytes) -> Result | None:
    """Return the result that a line holds, None where it was not written to its end when a run was interrupted."""
    try:
        return msgspec.json.decode(line, type=Result)
    except msgspec.DecodeError:
        return None
