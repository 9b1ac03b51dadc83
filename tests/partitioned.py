"""A source whose visits lie in years of our choosing, and a release of them in folders by year."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tiny_sources import SAFE, World

TABLES = {"patients": ["ID", "SEX"], "encounters": ["ENC", "PATIENT", "START", "CLASS"]}
BY_YEAR = {"encounters": "START"}
REST = "__HIVE_DEFAULT_PARTITION__"


def people_by_year(world: World, years: Mapping[int, int]) -> Path:
    """Write a source with so many patients in each year, each with two visits there, and return its description."""
    people = [year for year, count in years.items() for _ in range(count)]
    patients = [f"P{n} 1970-01-02 Name 900-00-0001 {'FM'[n % 2]} 02139" for n in range(len(people))]
    visits = [
        f"E{n}-{visit} P{n} {year}-03-0{visit} {year}-03-0{visit} inpatient {n}"
        for n, year in enumerate(people)
        for visit in (1, 2)
    ]
    return world.source(
        patients="\n".join(["ID BIRTH LAST SSN SEX ZIP", *patients]),
        encounters="\n".join(["ENC PATIENT START STOP CLASS COST", *visits]),
        diagnoses="PATIENT ENC DX\nP1 E1-1 E11.9",
    )


def study(world: World, years: Mapping[int, int], **fields: Any) -> Path:
    """Return a request under Safe Harbor whose encounters stand in folders by year; `fields` override."""
    return world.request(people_by_year(world, years), TABLES, **({"policy": SAFE, "partition_by": BY_YEAR} | fields))


def folders_of(release: Path, table: str = "encounters") -> set[str]:
    """Return the names of what lies in the folder of a table."""
    return {path.name for path in (release / "data" / table).iterdir()}
