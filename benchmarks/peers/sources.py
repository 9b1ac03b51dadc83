"""The sources of the jobs, made from a seed, kept, and used again; a folder that was not finished is made anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv as pv
from structured import TABLES, make_source

from peers.jobs import Job

SEED = 7
NOTES = {"patients": ["patient_id", "birth_date", "sex", "zip_code"],
         "encounters": ["patient_id", "encounter_id", "admit_date", "discharge_date"],
         "notes": ["patient_id", "encounter_id", "note_date", "note_text"]}  # fmt: skip
READ = {"tables": TABLES, "growth": TABLES, "notes": NOTES}


def source(job: Job, folder: Path) -> Path:
    """Return the source of a job, made where it is not there yet."""
    place = folder / job.source
    if not place.exists():
        part = place.with_name(f"{place.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        MAKE[job.section](part, job.size)
        part.rename(place)
    return place


def counted(job: Job, place: Path) -> dict[str, int]:
    """Return the rows of each table that a job reads, counted once."""
    if job.section not in READ:
        return {}
    kept = place / "rows.json"
    known: dict[str, int] = json.loads(kept.read_text()) if kept.exists() else {}
    for table in READ[job.section]:
        if table not in known:
            read = pv.open_csv(
                place / f"{table}.csv",
                read_options=pv.ReadOptions(block_size=64 * 2**20),
                parse_options=pv.ParseOptions(newlines_in_values=table == "notes"),
                convert_options=pv.ConvertOptions(include_columns=["patient_id"]),
            )
            known[table] = sum(batch.num_rows for batch in read)
    kept.write_text(json.dumps(known))
    return known


def _claims(place: Path, encounters: int) -> None:
    make_source(place, encounters)


def _notes(place: Path, notes: int) -> None:
    from deid.synthetic import generate_chunks
    from deid.synthetic.writers.claims import write_claims_csv

    # a note for three encounters in ten, 4.876 encounters a patient
    write_claims_csv(generate_chunks(SEED, max(1, round(notes / 0.3 / 4.876)), notes=0.3), place)


def _fhir(place: Path, patients: int) -> None:
    import fhir

    fhir.make_source(place, patients)


def _x12(place: Path, patients: int) -> None:
    import formats

    formats.make_source("x12_837", place, patients)


def _risk(place: Path, patients: int) -> None:
    import disclosure

    disclosure.people(place / "people.parquet", patients)


MAKE: dict[str, Callable[[Path, int], None]] = {
    "tables": _claims, "growth": _claims, "notes": _notes, "fhir": _fhir, "x12": _x12, "risk": _risk,
}  # fmt: skip
