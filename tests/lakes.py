"""A table in folders that are named by the values of columns, as a lake keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from deid.sources.partitions import NULL

KINDS = {"PATIENT": "patient_id", "CLASS": "encounter_class", "STATE": "facility_state", "WARD": "unneeded"}
PEOPLE = [f"p{n}" for n in range(9)]
Row = tuple[str, str, str | None, str | None]  # patient, class, state, ward
SOME: list[Row] = [(p, "inpatient", state, "w1") for p in PEOPLE for state in ("NY", "CA", None)]


def lake(folder: Path, rows: list[Row], **table: Any) -> Path:
    """Write visits in folders of states and wards, four rows a file and two a row group; return the description."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"ID": PEOPLE, "SEX": ["F", "M", "F"] * 3}), folder / "patients.parquet")
    groups: dict[tuple[str | None, str | None], list[Row]] = {}
    for row in rows:
        groups.setdefault(row[2:], []).append(row)
    for (state, ward), own in groups.items():
        below = folder / "visits" / f"STATE={named(state)}" / f"WARD={named(ward)}"
        below.mkdir(parents=True)
        for start in range(0, len(own), 4):
            part = own[start : start + 4]
            cells = pa.table({"PATIENT": [row[0] for row in part], "CLASS": [row[1] for row in part]})
            pq.write_table(cells, below / f"part-{start}.parquet", row_group_size=2)
        (below / "_SUCCESS").touch()
    described: dict[str, Any] = {
        "patients": {"path": "patients.parquet", "patient": "ID", "columns": {"ID": "patient_id", "SEX": "sex"}},
        "visits": {"path": "visits", "patient": "PATIENT", "partitioned_by": ["STATE", "WARD"], "columns": KINDS}
        | table,
    }
    document = {"dataset": "lake", "format": "parquet", "tables": described}
    (folder / "dataset.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder / "dataset.yaml"


def named(value: str | None) -> str:
    """Return a value as the name of a folder has it."""
    return NULL if value is None else quote(value, safe="")
