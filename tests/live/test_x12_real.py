"""Real X12 837 files: what each claim and line must tell is there, with its patient, charge, code and day.

The inputs lie beside the repository and are not part of it; where they are absent these tests are skipped.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from attack.inputs import INPUTS
from attack.real_inputs import FILES
from x12_claims import described, read

pytestmark = pytest.mark.skipif(not INPUTS.is_dir(), reason="the real inputs are not beside the repository")
READ = [path for path, fate in FILES.items() if fate.read == "x12"]


@pytest.mark.parametrize("path", READ)
def test_a_real_claim_is_whole(path: str, tmp_path: Path) -> None:
    """Each claim has its patient, charge and day, each line its code and day, each diagnosis its revision."""
    shutil.copyfile(INPUTS / path, tmp_path / Path(path).name)
    dataset = described(tmp_path)
    found = {table: read(dataset, table) for table in ("claims", "lines", "diagnoses", "patients")}
    assert all(found.values())
    assert all(row["patient_id"] and row["total_charge"] and row["start_date"] for row in found["claims"])
    assert all(row["cpt"] and row["service_date"] for row in found["lines"])
    assert {row["icd_version"] for row in found["diagnoses"]} == {"10"}
    assert all(row["family_name"] and row["zip_code"] for row in found["patients"])
