"""What an acquaintance knows is what the release is about: rows that were chosen, and one value of many visits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from sites import TestSite, expert_without_ceiling, make_site
from weak_releases import figure, silent

from deid.attacks import ATTACKERS
from deid.red_team import Verdict, attack
from deid.red_team.identified import Population
from deid.red_team.population import read_population
from deid.red_team.run import Scored
from deid.synthetic import generate, write_claims_parquet

SEED, PATIENTS = 47, 1_500
TABLES = {
    "patients": ["patient_id", "birth_date", "sex", "race", "zip_code"],
    "encounters": ["patient_id", "encounter_id", "encounter_class", "admit_date"],
    "diagnoses": ["patient_id", "encounter_id", "icd10cm"],
}
COARSE = {
    "patients": ["patient_id", "sex", "race"],
    "encounters": ["patient_id", "encounter_id", "encounter_class"],
    "diagnoses": ["patient_id", "encounter_id", "icd10cm"],
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the description of a source of generated patients."""
    folder = tmp_path_factory.mktemp("source")
    write_claims_parquet(generate(SEED, PATIENTS, notes=0.0), folder)
    return folder / "dataset.yaml"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """Return a site."""
    return make_site(tmp_path_factory.mktemp("site") / "site")


def attacked(site: TestSite, request: Path) -> tuple[Scored, Population, dict[str, pa.Table]]:
    """Return what an acquaintance gets of a release, what the red team read of the source, and the release."""
    opened, plan = site.open(site.run(request)), site.plan(request)
    scored = attack(
        opened, plan, site.site, site.provider, progress=silent, seed=SEED, attackers=[ATTACKERS["acquaintance"]]
    )
    return scored, read_population(plan, silent), {name: opened.read(name) for name in opened.tables}


@pytest.mark.parametrize(
    "cohort",
    [
        {"rows": {"any": [{"encounter_class": ["inpatient"]}]}},
        {"rows": {"all": [{"encounter_class": ["emergency"]}, {"admit_date": {"from": "2023-01-01"}}]}},
        {"rows": {"any": [{"icd10cm": ["E11", "I10"]}]}},
        {"rows": {"all": [{"age": {"from": 60}}]}},
    ],
    ids=["class", "class and day", "code", "age"],
)
def test_only_released_rows_are_known_of_a_cohort_by_rows(
    site: TestSite, source: Path, cohort: dict[str, object], request: pytest.FixtureRequest
) -> None:
    """Days and codes are drawn from the rows that were released, so that what is known always fits the right one."""
    name = f"rows-{request.node.callspec.id.replace(' ', '-')}"
    scored, population, released = attacked(site, site.request(source, TABLES, request=name, cohort=cohort))
    assert 0 < len(population.visits.patient) == released["encounters"].num_rows
    codes = sum(len(part.code) for part in population.codes)
    assert codes == released["diagnoses"].num_rows - released["diagnoses"]["icd10cm"].null_count
    # In a Limited Data Set whoever is known by a day and two codes is there, and alone.
    for scenario in ("1d0c", "0d2c", "1d2c", "one visit, its day and two codes"):
        found = figure(scored, "acquaintance", scenario)
        assert found.n > 0
        assert (found.expected or 0) >= 0.99
        assert found.wrong == 0


def first_ages(source: Path, population: Population) -> list[int | None]:
    """Return everybody's age at the first visit, in plain Python."""
    import pyarrow.parquet as pq

    born = dict(zip(*pq.read_table(source.parent / "patients.parquet")
                    .select(["patient_id", "birth_date"]).to_pydict().values(), strict=True))  # fmt: skip
    first: dict[str, object] = {}
    for one in pq.read_table(source.parent / "encounters.parquet", columns=["patient_id", "admit_date"]).to_pylist():
        day = one["admit_date"]
        if day is not None and (one["patient_id"] not in first or day < first[one["patient_id"]]):
            first[one["patient_id"]] = day
    ages: list[int | None] = []
    for person in population.people.ids.to_pylist():
        day, birth = first.get(person), born.get(person)
        known = day is not None and birth is not None
        ages.append(day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day)) if known else None)  # type: ignore[attr-defined]
    return ages


def test_one_age_for_all_visits_is_known_to_who_knows_the_first(site: TestSite, source: Path) -> None:
    """A reduced column counts as a demographic: it is known as the first visit tells it, and k holds with it."""
    policy = str(expert_without_ceiling(site))
    request = site.request(source, COARSE, request="ages", policy=policy, agreement=None, derive=["age_at_visit"])
    scored, population, released = attacked(site, request)
    place = ("encounters", "age_at_visit")
    assert population.people.reduced == {place}
    assert population.people.columns[place].to_pylist() == first_ages(source, population)
    found = figure(scored, "acquaintance", "0d0c")
    shown = len(pc.unique(released["encounters"]["age_at_visit"]))
    assert shown > 1  # else nothing was reduced that tells anything
    assert (found.greatest or 0) <= 1 / 11 + 1e-9
    assert found.verdict is Verdict.PASSED
    without = len(np.unique(released["patients"]["sex"].to_pylist())) / found.n
    assert (found.expected or 0) > without  # the age narrows, and whoever is looked for is among those who fit


def test_a_reduced_measure_that_dates_do_not_tell_leaves_the_verdict_open(site: TestSite, source: Path) -> None:
    """What an acquaintance would know and this one does not is named, and nothing is called passed."""
    path = expert_without_ceiling(site)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["limits"]["reduced"] = {"readmitted_30d": "most"}
    policy = site.sign(site.write("policies/readmissions.yaml", content | {"policy": "readmissions"}))
    request = site.request(
        source, COARSE, request="again", policy=str(policy), agreement=None, derive=["readmitted_30d"]
    )
    scored, _, _ = attacked(site, request)
    found = figure(scored, "acquaintance", "without encounters.readmitted_30d")
    assert found.verdict is Verdict.UNDECIDED
    assert scored.verdict in (Verdict.UNDECIDED, Verdict.FAILED)
