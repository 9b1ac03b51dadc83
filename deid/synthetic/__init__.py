"""Synthetic people, their coded encounters and notes: for `deid demo`, tests and benchmarks.

Everything is drawn from lists typed for this project and from a seed; nobody is described.
"""

from __future__ import annotations

from deid.synthetic.population import Population, generate, generate_chunks
from deid.synthetic.writers.ccda import write_ccda
from deid.synthetic.writers.claims import write_claims_csv, write_claims_parquet
from deid.synthetic.writers.fhir import write_fhir_bulk
from deid.synthetic.writers.fhir_bundles import write_fhir_json
from deid.synthetic.writers.hl7v2 import write_hl7v2
from deid.synthetic.writers.omop import write_omop
from deid.synthetic.writers.rif import write_cms_rif
from deid.synthetic.writers.synthea import write_synthea_csv
from deid.synthetic.writers.x12 import write_x12_837

__all__ = [
    "Population",
    "generate",
    "generate_chunks",
    "write_ccda",
    "write_claims_csv",
    "write_claims_parquet",
    "write_cms_rif",
    "write_fhir_bulk",
    "write_fhir_json",
    "write_hl7v2",
    "write_omop",
    "write_synthea_csv",
    "write_x12_837",
]
