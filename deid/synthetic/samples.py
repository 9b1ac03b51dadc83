"""The samples of the project: small populations in every input format, always the same for the same seed."""

from __future__ import annotations

from pathlib import Path

from deid.synthetic.population import generate
from deid.synthetic.writers.claims import write_claims_csv

SEED = 7
PATIENTS = 500
NOTES = 0.12


def write_samples(folder: Path, *, seed: int = SEED, patients: int = PATIENTS) -> None:
    """Write every sample below `folder`."""
    write_claims_csv(generate(seed, patients, notes=NOTES), folder / "claims")
