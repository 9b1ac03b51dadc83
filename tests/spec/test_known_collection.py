"""From where an export takes a patient's identifiers: every table that names people, each identifier once."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sites import TestSite, make_site

from deid.observing.decision import Decision
from deid.patients.own_identifiers import identifiers_of

PEOPLE = ("brandwine", "oxmantle", "ferrowick")
KINDS = {
    "patients": {"pid": "patient_id", "name": "person_name", "born": "birth_date"},
    "contacts": {"pid": "patient_id", "who": "relative_name", "call": "phone", "formerly": "person_name"},
    "visits": {"pid": "patient_id", "vid": "encounter_id", "day": "service_date", "by": "provider_name",
               "at": "facility_name"},
    "notes": {"pid": "patient_id", "text": "clinical_note"},
}  # fmt: skip


def rows(n: int) -> dict[str, list[list[str]]]:
    """Return the rows of one patient by table; names that are in no list, so that only the record can tell them."""
    who = PEOPLE[n]
    note = f"spoke with {who}mere at 555-01{n}4, formerly {who}old; {who}dok agrees. at {who}house. aspirin 81 mg"
    return {
        "patients": [[f"p{n}", f"Zyra {who}", "1960-02-03"]],
        "contacts": [[f"p{n}", f"{who}mere", f"617-555-01{n}4", f"{who}old"], [f"p{n}", "", "", ""]],
        "visits": [[f"p{n}", f"v{n}{k}", f"2021-03-{k + 1:02}", f"Dr. {who}dok", f"{who}house"] for k in range(3)],
        "notes": [[f"p{n}", note]],
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """Return one site for all tests of this file."""
    return make_site(tmp_path_factory.mktemp("known") / "site")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the description of three patients with contacts, visits and notes."""
    folder = tmp_path_factory.mktemp("source")
    for table, kinds in KINDS.items():
        with (folder / f"{table}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([list(kinds), *(row for n in range(3) for row in rows(n)[table])])
    described = {t: {"path": f"{t}.csv", "patient": "pid", "columns": columns} for t, columns in KINDS.items()}
    document = {
        "dataset": "known",
        "format": "csv",
        "confirmed": True,
        "population": "patients",
        "encounters": "visits",
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(document | {"tables": described}, sort_keys=False))
    return folder / "dataset.yaml"


def test_relatives_former_names_and_staff_are_known_in_the_notes(
    site: TestSite, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stands beside the patient in any table is removed, each identifier is kept once, and one object serves all."""
    seen: list[Decision] = []
    asked = identifiers_of

    def asking(decision: Decision, patient: Any) -> Any:
        seen.append(decision)
        known = asked(decision, np.concatenate([patient, patient]))
        counted = [sorted(kind for kind, _ in own.values) for own in known]
        people = ["facility_name", "patient_id", "person_name", "person_name", "phone", "provider_name"]
        visits = ["encounter_id"] * 3
        expected = ["birth_date", *visits, *people, "relative_name", *["service_date"] * 3]
        assert counted == [expected] * len(known)
        assert {own.on for own in known} == {decision.reference_date}
        assert len({id(own) for own in known}) == len(patient)
        return known[: len(patient)]

    monkeypatch.setattr("deid.row_tallies.identifiers_of", asking)
    rules = {"patient_id": {"pseudonymize": "keyed"}, "clinical_note": "redact_note"}
    document = {"policy": "plain", "version": 1, "basis": "expert_determination", "rules": rules}
    policy = site.sign(site.write("own/plain.yaml", document))
    path = site.request(source, {"notes": ["pid", "text"]}, request="known", policy=str(policy), agreement=None)
    texts = site.open(site.run(path)).read("notes").column("text").to_pylist()
    assert len(texts) == 3
    assert seen
    for text in texts:
        assert "aspirin 81 mg" in text
        assert not [who for who in PEOPLE if who in text.lower()]
        assert "555" not in text
