"""Releases of the project's samples for tests of what a recipient opens: everything described, or what a policy lets out."""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path

import yaml
from sites import POLICIES, REPOSITORY, TestSite, make_site

from deid.opening import CONVERTERS, OpenedRelease
from deid.sources.description import load_dataset

SAMPLES = REPOSITORY / "samples"
_HIGH_NUMBER = re.compile(r"(?:[5-9]|\d\d)(?:_IND)?$")  # of 25 diagnoses four do as well
SAFE_HARBOR = {
    "patients": ["patient_id", "birth_date", "sex", "zip_code", "race", "ethnicity"],
    "encounters": ["patient_id", "encounter_id", "encounter_class", "admit_date", "discharge_status"],
    "diagnoses": ["patient_id", "encounter_id", "icd10cm", "present_on_admission"],
    "procedures": ["patient_id", "encounter_id", "cpt", "icd10pcs", "units", "charge"],
}
EXPERT = {
    "patients": ["patient_id", "birth_date", "sex"],
    "encounters": ["patient_id", "encounter_id", "encounter_class", "admit_date", "drg", "total_charge"],
    "diagnoses": ["patient_id", "encounter_id", "icd10cm"],
}


def limited(site: TestSite, sample: str) -> OpenedRelease:
    """Release the columns of a sample that its files have, as a Limited Data Set, and open it."""
    path = SAMPLES / sample / "dataset.yaml"
    tables = {}
    for table in load_dataset(path).tables:
        there = _header(SAMPLES / sample / table.path) if sample == "synthea" and table.path else None
        kept = [c for c in table.columns if c.kind.name != "unneeded" and (there is None or c.name in there)]
        kept = [column for column in kept if not _HIGH_NUMBER.search(column.name)]
        tables[table.name] = [column.name for column in kept]
    name = f"{sample.replace('_', '-')}-limited"
    return site.open(site.run(site.request(path, tables, request=name)))


def safe_harbor(site: TestSite) -> OpenedRelease:
    """Release the claims sample under Safe Harbor: years, no days."""
    return _claims(site, "safe-harbor", SAFE_HARBOR, derive=["age_at_visit", "length_of_stay"])


def expert(site: TestSite) -> OpenedRelease:
    """Release the claims sample under expert-k11 with quarters: bands of birth years, mapped codes."""
    content = yaml.safe_load((POLICIES / "expert-k11.yaml").read_text())
    dates = ("service_date", "admit_date", "discharge_date")
    rules = content["rules"] | {kind: {"generalize_date": "quarter", "floor_age": 90} for kind in dates}
    codes = content["limits"]["codes"] | {"ceiling": 0.9}  # quarters beside codes tell too much for the shipped one
    content["limits"] |= {"codes": codes}
    site.sign(site.write("policies/expert-quarters.yaml", content | {"policy": "expert-quarters", "rules": rules}))
    return _claims(site, "expert-quarters", EXPERT, derive=["readmitted_30d"])


def _claims(site: TestSite, policy: str, tables: dict[str, list[str]], *, derive: list[str]) -> OpenedRelease:
    path = str(site.folder / "policies" / f"{policy}.yaml")
    dataset = SAMPLES / "claims" / "dataset.yaml"
    request = site.request(dataset, tables, request=policy, policy=path, derive=derive, agreement=None)
    return site.open(site.run(request))


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


CASES = ("claims", "synthea", "cms_rif", "fhir_bulk", "safe-harbor", "expert")


class Converted:
    """Each case's release, and the folder it was opened to in one format, made when first asked for."""

    def __init__(self, folder: Path, form: str) -> None:
        self.folder, self.form = folder, form
        self.site = make_site(folder / "site")
        self.get = cache(self._get)

    def _get(self, case: str) -> tuple[OpenedRelease, Path]:
        made = {"safe-harbor": safe_harbor, "expert": expert}
        release = made[case](self.site) if case in made else limited(self.site, case)
        CONVERTERS[self.form](release, self.folder / case)
        return release, self.folder / case
