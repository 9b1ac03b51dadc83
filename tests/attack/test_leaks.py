"""An independent leak test of whole releases, and proof that it can fail."""

from __future__ import annotations

import csv
import gzip
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from attack.inputs import SAMPLE_INPUTS, SAMPLES, Input, Run, converted, run
from attack.leaks import (
    BASES,
    EXPERT,
    LIMITED,
    SAFE_HARBOR,
    Basis,
    Known,
    cells,
    kinds_in,
    known_of,
    note_words,
    scan,
    scan_bytes,
)
from attack.raw_sources import Raw, rows_of
from sites import TestSite, make_site

# What each sample must hold, so that finding nothing of it says something.
HELD = {
    "sample-claims": "name relative address house_street city county zip5 ssn mrn member account encounter patient "
    "other_id phone email birth_date death_date service_date provider",
    "sample-synthea": "name address house_street birth_place city county zip5 geocode ssn license encounter claim "
    "patient birth_date death_date service_date timestamp provider",
    "sample-rif": "name address house_street city county zip5 member claim patient birth_date death_date "
    "service_date provider",
    "sample-fhir": "name relative address house_street city county zip5 ssn mrn member phone email encounter claim "
    "patient other_id birth_date service_date timestamp provider provider_name",
}
CASES = [(source, basis) for source in SAMPLE_INPUTS for basis in (SAFE_HARBOR, LIMITED)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """One site for all releases of this module."""
    return make_site(tmp_path_factory.mktemp("leaks") / "site")


@pytest.fixture(scope="module")
def synthea(site: TestSite) -> Run:
    """A Safe Harbor release of the Synthea sample, to plant canaries in."""
    return run(site, SAMPLE_INPUTS[1], SAFE_HARBOR, **{"name": "for-canaries"} if False else {})


@pytest.mark.parametrize(("source", "basis"), CASES, ids=[f"{s.name}-{b.name}" for s, b in CASES])
def test_a_release_of_the_samples_holds_no_identifier(site: TestSite, source: Input, basis: Basis) -> None:
    """Every sample, wide, under both policies: nothing in any cell, in any form it opens to, or in any byte."""
    done = run(site, source, basis) if source is not SAMPLE_INPUTS[1] or basis is not SAFE_HARBOR else None
    assert done is not None
