"""The samples of the project: small populations in every input format, always the same for the same seed."""

from __future__ import annotations

from pathlib import Path

from deid.synthetic.population import generate
from deid.synthetic.writers.claims import write_claims_csv
from deid.synthetic.writers.fhir import write_fhir_bulk
from deid.synthetic.writers.rif import write_cms_rif
from deid.synthetic.writers.synthea import write_synthea_csv

SEED = 7
PATIENTS = 4_000  # enough that a cohort of people with diabetes reaches k = 11
_SYNTHEA = 60
_MEDICARE = 170  # a quarter are old enough for it
_TREES = 15  # trees repeat their field names in every record
_NOTES = 0.01


def write_samples(folder: Path, *, seed: int = SEED, patients: int = PATIENTS) -> None:
    """Write every sample below `folder`: `patients` people as claims, fewer in the other formats."""
    write_claims_csv(generate(seed, patients, notes=_NOTES), folder / "claims", compression="gzip")
    write_synthea_csv(generate(seed + 1, _SYNTHEA, notes=0), folder / "synthea")
    write_cms_rif(generate(seed + 2, _MEDICARE, notes=0), folder / "cms_rif")
    write_fhir_bulk(generate(seed + 3, _TREES, notes=0.3), folder / "fhir_bulk")
