"""De-identify the claims tables with presidio-structured: the columns are named by hand, so nothing is guessed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from by_pandas import IDS, YEARS, birth_year, pseudonym, year, zip3_of
from presidio_anonymizer.entities import OperatorConfig
from presidio_structured import PandasDataProcessor, StructuredAnalysis, StructuredEngine
from timing import tell, timed

RULES = {"ID": pseudonym, "BIRTH": birth_year, "DATE": year}


def main() -> None:
    """Do the job of the first argument: `tables` with the columns of each, the `zip3` that may be told."""
    job = json.loads(sys.argv[1])
    engine = StructuredEngine(data_processor=PandasDataProcessor())
    tell(timed(lambda: deidentify(job, engine)))


def deidentify(job: dict[str, Any], engine: StructuredEngine) -> None:
    """Read each table whole, have its columns replaced, write Parquet; empty cells stay empty."""
    out = Path(job["out"])
    out.mkdir(parents=True)
    rules = {
        name: OperatorConfig("custom", {"lambda": on_text(rule)})
        for name, rule in (RULES | {"ZIP": zip3_of(job["zip3"])}).items()
    }
    for table, columns in job["tables"].items():
        # Columns of objects: it writes cell by cell, which in pandas' own text columns copies the column for each cell.
        frame = pd.read_csv(Path(job["source"]) / f"{table}.csv", usecols=columns, dtype=object, keep_default_na=False)
        named = {column: entity for column in columns if (entity := entity_of(column))}
        frame = engine.anonymize(frame, StructuredAnalysis(entity_mapping=named), operators=rules)
        frame.to_parquet(out / f"{table}.parquet", compression="zstd", index=False)


def entity_of(column: str) -> str | None:
    """Return by which rule a column is replaced."""
    if column in IDS:
        return "ID"
    if column == "birth_date":
        return "BIRTH"
    if column in YEARS:
        return "DATE"
    return "ZIP" if column == "zip_code" else None


def on_text(rule: Any) -> Any:
    """Let a rule see text alone."""
    return lambda value: rule(value) if value else value


if __name__ == "__main__":
    main()
