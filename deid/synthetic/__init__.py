"""Synthetic people, their coded encounters and notes: for `deid demo`, tests and benchmarks.

Everything is drawn from lists typed for this project and from a seed; nobody is described.
"""

from __future__ import annotations

from deid.synthetic.population import Population, generate, generate_chunks
from deid.synthetic.writers.claims import write_claims_csv, write_claims_parquet
from deid.synthetic.writers.fhir import write_fhir_bulk
from deid.synthetic.writers.rif import write_cms_rif
from deid.synthetic.writers.synthea import write_synthea_csv

__all__ = [
    "Population",
    "generate",
    "generate_chunks",
    "write_claims_csv",
    "write_claims_parquet",
    "write_cms_rif",
    "write_fhir_bulk",
    "write_synthea_csv",
]
