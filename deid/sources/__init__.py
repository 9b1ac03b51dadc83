"""The shelf of sources: what can be read, one file per part."""

from __future__ import annotations

from collections.abc import Callable

from deid.schema import DatasetDescription
from deid.sources.base import Source
from deid.sources.ccda.source import CcdaSource
from deid.sources.composed import ComposedSource, has_composed, without_composed
from deid.sources.delimited import DelimitedSource
from deid.sources.description import load_dataset
from deid.sources.fhir_bulk import FhirBulkSource
from deid.sources.fhir_json import FhirJsonSource
from deid.sources.hl7v2.source import Hl7v2Source
from deid.sources.parquet import ParquetSource
from deid.sources.x12.source import X12Source

SOURCES: dict[str, Callable[[DatasetDescription], Source]] = {
    "csv": DelimitedSource,
    "parquet": ParquetSource,
    "fhir_bulk": FhirBulkSource,
    "synthea_csv": DelimitedSource,
    "cms_rif": DelimitedSource,
    "cms_idr": DelimitedSource,
    "desynpuf": DelimitedSource,
    "omop_cdm": DelimitedSource,
    "omop_cdm_parquet": ParquetSource,
    "us_core_bulk": FhirBulkSource,
    "fhir_json": FhirJsonSource,
    "us_core_json": FhirJsonSource,
    "carin_eob": FhirJsonSource,
    "x12": X12Source,
    "x12_837": X12Source,
    "hl7v2": Hl7v2Source,
    "hl7v2_messages": Hl7v2Source,
    "ccda": CcdaSource,
    "ccda_r21": CcdaSource,
}

__all__ = ["SOURCES", "Source", "load_dataset", "open_source"]


def open_source(dataset: DatasetDescription) -> Source:
    """Return the source that a description describes; nothing is opened yet."""
    made = SOURCES[dataset.format]
    return ComposedSource(dataset, made(without_composed(dataset))) if has_composed(dataset) else made(dataset)
