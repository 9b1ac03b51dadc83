"""The red team on real releases: it tells nearly everybody in a Limited Data Set, and is held to the policies' limits."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest
from sites import TestSite, answering_for_rejoins, make_site
from weak_releases import figure, silent

from deid.attacks import ATTACKERS
from deid.opening import OpenedRelease
from deid.planning.plan import Plan
from deid.red_team import Verdict, attack
from deid.red_team.intervals import wilson
from deid.red_team.run import Scored
from deid.synthetic import generate, write_claims_parquet
from deid.synthetic.people import draw_people

SEED, PATIENTS, VOTERS, MANY = 41, 10_000, 500_000, 5_000_000
TABLES = {
    "limited-data-set": {
        "patients": ["patient_id", "birth_date", "sex", "race", "zip_code"],
        "encounters": ["patient_id", "encounter_id", "encounter_class", "admit_date"],
        "diagnoses": ["patient_id", "encounter_id", "icd10cm"],
    },
    "expert-k11": {
        "patients": ["patient_id", "birth_date", "sex", "race"],
        "encounters": ["patient_id", "encounter_id", "encounter_class", "admit_date"],
        "notes": ["patient_id", "note_date", "note_text"],
    },
    "mapped": {
        "patients": ["patient_id", "birth_date", "sex", "race"],
        "encounters": ["patient_id", "encounter_id", "encounter_class", "admit_date"],
        "diagnoses": ["patient_id", "encounter_id", "icd10cm"],
    },
}
TABLES["safe-harbor"] = TABLES["limited-data-set"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a source of 10,000 generated patients."""
    folder = tmp_path_factory.mktemp("source")
    write_claims_parquet(generate(SEED, PATIENTS, notes=0.004), folder)
    return folder


@pytest.fixture(scope="module")
def voters(source: Path) -> pa.Table:
    """Return some of those who live where the patients live."""
    return drawn(source, VOTERS)


def drawn(source: Path, count: int) -> pa.Table:
    """Return people with addresses, births and races drawn like the patients'."""
    rng = np.random.default_rng(SEED)
    patients = pq.read_table(source / "patients.parquet", columns=["zip_code", "race"])
    people = draw_people(rng, 0, 100_000)
    like = pa.array(rng.integers(0, PATIENTS, count))
    born = people.born[rng.integers(0, len(people.born), count)] + rng.integers(-180, 180, count)
    return pa.table(
        {
            "birth_date": pa.array(born.astype(np.int32), pa.int32()).cast(pa.date32()),
            "zip_code": patients["zip_code"].combine_chunks().take(like),
            "sex": pa.array(np.array(["F", "M"])[people.is_male[rng.integers(0, len(people.born), count)].astype(int)]),
            "race": patients["race"].combine_chunks().take(pa.array(rng.permutation(like.to_numpy()))),
        }
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """Return a site."""
    made = make_site(tmp_path_factory.mktemp("site") / "site")
    answering_for_rejoins(made)
    return made


def release(site: TestSite, source: Path, policy: str, name: str | None = None) -> tuple[OpenedRelease, Plan]:
    """Return a release under a policy, opened, and its plan."""
    path = str(site.folder / "policies" / f"{policy}.yaml")
    agreement = "DUA-1" if policy == "limited-data-set" else None
    request = site.request(
        source / "dataset.yaml", TABLES[policy], request=name or policy, policy=path, agreement=agreement
    )
    return site.open(site.run(request)), site.plan(request)


def attacked(site: TestSite, source: Path, voters: pa.Table, policy: str) -> Scored:
    """Return what comes of every attacker on a release under a policy."""
    opened, plan = release(site, source, policy)
    # Keys and their pseudonyms are the same under Safe Harbor as under k: reversing them once more takes a second.
    chosen = [one for name, one in ATTACKERS.items() if policy != "safe-harbor" or name != "pseudonyms"]
    return attack(opened, plan, site.site, site.provider, progress=silent, seed=SEED, voters=voters, attackers=chosen)


@pytest.fixture(scope="module")
def limited(site: TestSite, source: Path, voters: pa.Table) -> Scored:
    """Return the attacks on a Limited Data Set."""
    return attacked(site, source, voters, "limited-data-set")


@pytest.fixture(scope="module")
def safe_harbor(site: TestSite, source: Path, voters: pa.Table) -> Scored:
    """Return the attacks on a Safe Harbor release."""
    return attacked(site, source, voters, "safe-harbor")


@pytest.fixture(scope="module")
def expert(site: TestSite, source: Path, voters: pa.Table) -> Scored:
    """Return the attacks on a release under k."""
    return attacked(site, source, voters, "expert-k11")


def test_a_voter_list_tells_nine_in_ten_of_a_limited_data_set_or_the_attack_is_broken(limited: Scored) -> None:
    """The positive control: full birth dates and ZIP codes link at least 90 % to one voter."""
    found = figure(limited, "voter_list", "voter list")
    assert (found.expected or 0) >= 0.90
    assert (found.certain or 0) >= 0.85 * found.n


@pytest.mark.long
def test_a_voter_list_tells_one_or_two_in_a_hundred_under_safe_harbor(site: TestSite, source: Path) -> None:
    """Years, three digits of the ZIP code, sex and race leave few alone among five million voters."""
    opened, plan = release(site, source, "safe-harbor", "crowded")
    scored = attack(
        opened, plan, site.site, site.provider, progress=silent, seed=SEED, voters=drawn(source, MANY),
        attackers=[ATTACKERS["voter_list"]],
    )  # fmt: skip
    assert 0.01 <= (figure(scored, "voter_list", "voter list").expected or 0) <= 0.025


def test_a_voter_list_tells_next_to_nobody_under_k(safe_harbor: Scored, expert: Scored) -> None:
    """Under k = 11 the voter list does at most a tenth as well as under Safe Harbor, and never better than 1/11."""
    found = figure(expert, "voter_list", "voter list")
    assert (found.expected or 0) <= 0.1 * (figure(safe_harbor, "voter_list", "voter list").expected or 0)
    assert (found.greatest or 0) <= 1 / 11
    assert found.verdict is Verdict.PASSED


def test_an_acquaintance_who_knows_two_codes_tells_everybody_in_a_limited_data_set(limited: Scored) -> None:
    """Demographics, days and codes in full leave one candidate, the right one."""
    for scenario in ("0d2c", "3d0c", "2d1c", "one visit, its day and two codes"):
        found = figure(limited, "acquaintance", scenario)
        assert (found.expected or 0) >= 0.99
        assert found.wrong == 0


def test_k_holds_against_somebody_who_knows_who_is_in_the_release(expert: Scored) -> None:
    """Nobody is told by demographics with a chance above 1/k."""
    found = figure(expert, "acquaintance", "0d0c")
    assert (found.greatest or 0) <= 1 / 11
    assert (found.verdict, found.ceiling_written) == (Verdict.PASSED, "limits.k")


def test_knowing_more_tells_more(limited: Scored, safe_harbor: Scored, expert: Scored) -> None:
    """Another code or day raises the mean chance as long as it can rise."""
    for scored, pattern in ((limited, "0d{}c"), (safe_harbor, "0d{}c"), (safe_harbor, "{}d0c"), (expert, "{}d0c")):
        chance = [figure(scored, "acquaintance", pattern.format(m)).expected or 0 for m in range(4)]
        assert chance == sorted(chance)
    assert (figure(expert, "acquaintance", "3d0c").expected or 0) > 10 * (
        figure(expert, "acquaintance", "0d0c").expected or 1
    )


@pytest.mark.parametrize("attacker", ["pseudonyms", "row_order", "side_channels", "small_cells", "notes", "parrot"])
def test_what_a_release_must_never_tell_it_does_not(
    attacker: str, limited: Scored, safe_harbor: Scored, expert: Scored
) -> None:
    """Pseudonyms, orders, files, counts and notes of all three policies withstand their attackers."""
    for scored in (limited, safe_harbor, expert):
        bad = [f for f in scored.figures if f.attacker == attacker and f.verdict is Verdict.FAILED]
        assert not bad
    assert [f for f in expert.figures if f.attacker == attacker]


@pytest.mark.long
def test_known_codes_tell_what_the_manifest_says_they_tell(site: TestSite, source: Path) -> None:
    """Sampled by the red team from outside, two known codes come to what the run computed over all pairs."""
    path = str(site.folder / "policies" / "expert-k11.yaml")
    request = site.request(source / "dataset.yaml", TABLES["mapped"], request="mapped", policy=path, agreement=None)
    opened, plan = site.open(site.run(request)), site.plan(request)
    told = opened.manifest.codes
    assert told is not None
    attackers = [ATTACKERS["acquaintance"]]
    scored = attack(
        opened, plan, site.site, site.provider, progress=silent, targets=5_000, seed=SEED, attackers=attackers
    )
    for scenario, adversary in (("0d2c", "uniform"), ("one visit, two codes", "visit")):
        found = figure(scored, "acquaintance", scenario)
        low, high = found.expected_interval or (0, 1)
        assert low <= told.adversaries[adversary].mean <= high
        assert found.verdict is not Verdict.FAILED


def test_the_same_seed_gives_the_same_figures(site: TestSite, source: Path) -> None:
    """Targets and what is known of them are drawn under the seed alone."""
    opened, plan = release(site, source, "limited-data-set", "again")
    chosen = [ATTACKERS[name] for name in ("voter_list", "acquaintance", "row_order")]
    runs = [
        attack(
            opened, plan, site.site, site.provider, progress=silent, targets=300, seed=seed, attackers=chosen
        ).figures
        for seed in (3, 3, 4)
    ]
    assert runs[0] == runs[1]
    assert [f.n for f in runs[0]] != [f.n for f in runs[2]]


@pytest.mark.long
def test_all_attackers_take_fifteen_seconds_at_most(site: TestSite, source: Path) -> None:
    """10,000 patients are read, attacked and scored in CPU time that a check before each release can bear."""
    opened, plan = release(site, source, "limited-data-set", "timed")
    start = time.process_time()
    attack(opened, plan, site.site, site.provider, progress=silent, targets=1_000, seed=SEED)
    assert time.process_time() - start <= 15


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (0, 50), (1, 50), (7, 13), (13, 13), (953, 1_000), (1, 100_000)])
def test_intervals_are_wilsons(hits: int, n: int) -> None:
    """They are those of scipy."""
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_without_targets_nothing_is_known() -> None:
    """The interval of no trials is all shares."""
    assert wilson(0, 0) == (0.0, 1.0)
