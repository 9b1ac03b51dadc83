"""What growth tells: the slope of CPU time and memory, and a billion rows on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from peers.results import Figures

BILLION = 1_000_000_000
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Slope:
    """Between the two largest sizes: microseconds of CPU a row, bytes a patient, and what a billion rows then take.

    `hours` are of the clock, `gib` of memory, `patients` are those that a billion rows of this source are of.
    """

    rows: int
    microseconds: float
    bytes_a_patient: float
    patients: int
    cpu_hours: float
    hours: float
    gib: float


def slope(figures: Sequence[Figures]) -> Slope | None:
    """Return the slope between the two largest of some sizes of one job, or None where there are not two."""
    if len(figures) < 2:
        return None
    small, large = sorted(figures, key=lambda one: one.count)[-2:]
    rows, people = large.count - small.count, large.patients - small.patients
    if rows <= 0 or people <= 0:
        return None
    a_row, a_second = (large.cpu - small.cpu) / rows, (large.wall - small.wall) / rows
    a_patient = (large.peak - small.peak) * MIB / people
    more = BILLION - large.count
    patients = round(BILLION * large.patients / large.count)
    return Slope(
        rows=large.count,
        microseconds=a_row * 1e6,
        bytes_a_patient=a_patient,
        patients=patients,
        cpu_hours=(large.cpu + a_row * more) / 3600,
        hours=(large.wall + a_second * more) / 3600,
        gib=(large.peak + a_patient * (patients - large.patients) / MIB) / 1024,
    )
