"""The samples of the project: small populations in every input format, always the same for the same seed."""

from __future__ import annotations

from pathlib import Path

from deid.synthetic.population import generate
from deid.synthetic.writers.ccda import write_ccda
from deid.synthetic.writers.claims import write_claims_csv
from deid.synthetic.writers.fhir import write_fhir_bulk
from deid.synthetic.writers.fhir_bundles import write_fhir_json
from deid.synthetic.writers.hl7v2 import write_hl7v2
from deid.synthetic.writers.omop import write_omop
from deid.synthetic.writers.rif import write_cms_rif
from deid.synthetic.writers.synthea import write_synthea_csv
from deid.synthetic.writers.x12 import write_x12_837

SEED = 7
PATIENTS = 4_000  # enough that a cohort of people with diabetes reaches k = 11
_SYNTHEA = 60
_MEDICARE = 170  # a quarter are old enough for it
_PERSONS = 60
_TREES = 15  # trees repeat their field names in every record
_BUNDLES = 6
_MESSAGES = 10
_SUMMARIES = 4
_NOTES = 0.01
_CLAIMS = 40


def write_samples(folder: Path, *, seed: int = SEED, patients: int = PATIENTS) -> None:
    """Write every sample below `folder`: `patients` people as claims, fewer in the other formats."""
    write_claims_csv(generate(seed, patients, notes=_NOTES), folder / "claims", compression="gzip")
    write_synthea_csv(generate(seed + 1, _SYNTHEA, notes=0), folder / "synthea")
    write_cms_rif(generate(seed + 2, _MEDICARE, notes=0), folder / "cms_rif")
    write_fhir_bulk(generate(seed + 3, _TREES, notes=0.3), folder / "fhir_bulk")
    write_fhir_json(generate(seed + 5, _BUNDLES, notes=0.3), folder / "fhir_json")
    write_omop(generate(seed + 4, _PERSONS, notes=0.1), folder / "omop")
    write_x12_837(generate(seed + 11, _CLAIMS, notes=0.3), folder / "x12_837")
    write_hl7v2(generate(seed + 6, _MESSAGES, notes=0.2), folder / "hl7v2")
    write_ccda(generate(seed + 13, _SUMMARIES, notes=0.3), folder / "ccda")
