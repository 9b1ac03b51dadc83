"""The shelf of sources: what can be read, one file per part."""

from __future__ import annotations

from collections.abc import Callable

from deid.schema import DatasetDescription
from deid.sources.base import Source
from deid.sources.delimited import DelimitedSource
from deid.sources.description import load_dataset
from deid.sources.fhir_bulk import FhirBulkSource
from deid.sources.parquet import ParquetSource

SOURCES: dict[str, Callable[[DatasetDescription], Source]] = {
    "csv": DelimitedSource,
    "parquet": ParquetSource,
    "fhir_bulk": FhirBulkSource,
    "synthea_csv": DelimitedSource,
    "cms_rif": DelimitedSource,
    "us_core_bulk": FhirBulkSource,
}

__all__ = ["SOURCES", "Source", "load_dataset", "open_source"]


def open_source(dataset: DatasetDescription) -> Source:
    """Return the source that a description describes; nothing is opened yet."""
    return SOURCES[dataset.format](dataset)
