"""What a recipient does with a release: open, verify, convert. No site, policy or source is needed for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deid.opening import to_csv, to_duckdb, to_meds, to_omop, to_parquet
from deid.opening.opened import OpenedRelease, open_release, open_with
from deid.opening.verifying import Verification, verify_release

__all__ = ["CONVERTERS", "OpenedRelease", "Verification", "open_release", "open_with", "verify_release"]

CONVERTERS: dict[str, Callable[[OpenedRelease, Path], None]] = {
    "parquet": to_parquet.convert,
    "csv": to_csv.convert,
    "duckdb": to_duckdb.convert,
    "meds": to_meds.convert,
    "omop": to_omop.convert,
}
