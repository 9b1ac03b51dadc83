"""Releases opened into the forms of others, and judged by the others' own tools."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import frictionless
import mlcroissant as mlc
import pyarrow as pa
import pyarrow.parquet as pq
from meds import CodeMetadataSchema, DataSchema, DatasetMetadataSchema, SubjectSplitSchema
from omop_schema.schema.v5_4 import OMOPSchemaV54

from deid.opening import CONVERTERS, OpenedRelease
from deid.release.croissant import CROISSANT
from deid.release.data_package import PACKAGE

_OMOP = OMOPSchemaV54()
_REFERENCES = {
    "person_id": "person", "visit_occurrence_id": "visit_occurrence", "provider_id": "provider",
    "care_site_id": "care_site", "location_id": "location",
}  # fmt: skip


def meds_events(opened: OpenedRelease, folder: Path) -> pa.Table:
    """Open as MEDS, hold every file to the schemas of its package, and return the events."""
    CONVERTERS["meds"](opened, folder)
    files = [pq.read_table(path) for path in sorted((folder / "data").iterdir())]
    for file in files:
        DataSchema.validate(file)
    metadata = folder / "metadata"
    CodeMetadataSchema.validate(pq.read_table(metadata / "codes.parquet"))
    SubjectSplitSchema.validate(pq.read_table(metadata / "subject_splits.parquet"))
    DatasetMetadataSchema.validate(json.loads((metadata / "dataset.json").read_text()))
    return pa.concat_tables(files)


def omop_rows(opened: OpenedRelease, folder: Path) -> dict[str, int]:
    """Open as OMOP, compare fields and types with omop-schema, follow every reference; return the rows by table."""
    CONVERTERS["omop"](opened, folder)
    tables = {path.stem: pq.read_table(path) for path in (folder / "cdm").iterdir()}
    known = {key: {*tables[table].column(key).to_pylist(), None} for key, table in _REFERENCES.items()}
    for name, table in tables.items():
        theirs = _OMOP.get_schema(name)
        assert set(table.schema.names) == set(theirs), name
        for field in table.schema:
            assert field.type in (theirs[field.name], pa.date32()), f"{name}.{field.name}"
            if field.name in known:
                assert not set(table.column(field.name).to_pylist()) - known[field.name], f"{name}.{field.name}"
    return {name: table.num_rows for name, table in tables.items() if table.num_rows}


def croissant_issues(folder: Path) -> list[str]:
    """Return the errors and warnings of mlcroissant about the metadata in a folder."""
    found = mlc.Dataset(jsonld=folder / CROISSANT).metadata.ctx.issues
    return [*found.errors, *found.warnings]


def croissant_rows(folder: Path, tables: Iterable[str]) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return the rows that mlcroissant loads of tables from a release opened to Parquet."""
    dataset = mlc.Dataset(jsonld=folder / CROISSANT)
    return {
        table: Counter(tuple(map(_plain, record.values())) for record in dataset.records(table)) for table in tables
    }


def arrow_rows(table: pa.Table) -> Counter[tuple[Any, ...]]:
    """Return the rows of a table in the form of `croissant_rows`."""
    return Counter(tuple(map(_plain, row.values())) for row in table.to_pylist())


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "isoformat"):
        return value.isoformat()[:10]
    return None if value is None or (isinstance(value, float) and math.isnan(value)) or value != value else value  # noqa: PLR0124


def package_faults(folder: Path) -> list[Any]:
    """Return what frictionless finds wrong with a release opened to CSV: every row is read against its schema."""
    return list(frictionless.validate(str(folder / PACKAGE)).flatten(["type", "message"]))


def descriptor_faults(folder: Path) -> list[Any]:
    """Return what frictionless finds wrong with the description of an encrypted release, whose files it cannot read."""
    content = json.loads((folder / PACKAGE).read_bytes())
    return list(frictionless.Package.validate_descriptor(content).flatten(["type", "note"]))
