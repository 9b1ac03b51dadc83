"""Releases of one series, opened by the recipient and differenced: nobody is isolated, whatever the source did."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from sites import PASSPHRASE
from tiny_sources import World

from deid.cli.ledger import ledger as command
from deid.errors import DisclosureError, StorageError, VerificationError
from deid.ledger.arrivals import Arrivals, arrive
from deid.ledger.run import SeriesRun
from deid.ledger.state import RELEASED
from deid.observing.decision import Decision
from deid.patients.positions import SELECTED
from deid.release.manifest import from_bytes

K = 4
MONTHS = ("2026-07", "2026-08", "2026-09", "2026-10")
KINDS = {
    "patients": {"ID": "patient_id", "BIRTH": "birth_date", "SEX": "sex"},
    "visits": {"ENC": "encounter_id", "PATIENT": "patient_id", "START": "admit_date", "DX": "icd10cm"},
}
TABLES = {"patients": ["ID", "BIRTH", "SEX"], "visits": ["PATIENT", "START", "DX"]}
LIMITS: dict[str, Any] = {"k": K, "quasi_identifiers": ["birth_date", "sex"], "suppression": 0.3}


@dataclass
class Hospital:
    """A source that grows and shrinks from month to month: newcomers, opt-outs and corrected birth dates."""

    world: World
    seed: int
    people: dict[str, tuple[str, str]] = field(default_factory=dict)
    visits: list[tuple[str, str, str]] = field(default_factory=list)
    dataset: Path = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.dataset = self.world.source_of(
            {"patients": "ID BIRTH SEX", "visits": "ENC PATIENT START DX"}, KINDS, encounters="visits"
        )

    def month(self, month: str, newcomers: int, leavers: int = 0) -> None:
        """Let a month pass, and write the source as it is then."""
        chance = self.chance
        for gone in chance.sample(sorted(self.people), leavers):
            del self.people[gone]
            self.visits = [visit for visit in self.visits if visit[0] != gone]
        for number in range(newcomers):
            year = chance.choice((1950, 1955, 1970, 1975, 1990))
            self.people[f"SENTINEL-{month}-{number}"] = (f"{year}-03-04", chance.choice("FM"))
        if leavers:
            corrected = chance.choice(sorted(self.people))
            self.people[corrected] = ("1931-01-01", self.people[corrected][1])
        for person in self.people:
            if person.startswith(f"SENTINEL-{month}") or chance.random() < 0.4:
                day = f"{month}-{chance.randint(1, 28):02d}"
                self.visits.append((person, day, chance.choice(("I10", "E11.9", "J45.909"))))
        folder = self.dataset.parent
        people = "".join(f"{person},{birth},{sex}\n" for person, (birth, sex) in self.people.items())
        (folder / "patients.csv").write_text("ID,BIRTH,SEX\n" + people)
        rows = "".join(f"E{n},{who},{day},{dx}\n" for n, (who, day, dx) in enumerate(self.visits))
        (folder / "visits.csv").write_text("ENC,PATIENT,START,DX\n" + rows)

    def request(self, name: str, limits: dict[str, Any] | None = None, **fields: Any) -> Path:
        """Write the request of a monthly series under a policy of these limits."""
        policy = self.world.policy(
            {
                "policy": "own",
                "version": 1,
                "basis": "expert_determination",
                "rules": {
                    "patient_id": {"pseudonymize": "keyed"},
                    "birth_date": {"generalize_date": {"to": "year", "width": 20, "floor_age": 90}},
                    "sex": "keep",
                    "admit_date": {"generalize_date": "quarter"},
                    "icd10cm": {"roll_up": "category"},
                },
                "limits": LIMITS | (limits or {}),
            }
        )
        fields = {"schedule": "monthly"} | fields
        return self.world.site.request(self.dataset, TABLES, request=name, policy=str(policy), **fields)

    def release(self, request: Path, month: str) -> dict[str, tuple[Any, Any]]:
        """Run a month, and return what the recipient learns: pseudonym -> quasi-identifiers."""
        tables = self.world.site.tables(request, period=month)
        assert set(tables["visits"]["PATIENT"].to_pylist()) <= set(tables["patients"]["ID"].to_pylist())
        return shown(tables)


def shown(tables: dict[str, pa.Table]) -> dict[str, tuple[Any, Any]]:
    """Return pseudonym -> quasi-identifiers."""
    return {row["ID"]: (row["BIRTH"], row["SEX"]) for row in tables["patients"].to_pylist()}


def isolated(releases: list[dict[str, tuple[Any, Any]]], *, union: bool = False) -> int:
    """Return the smallest group that differencing any two releases, or taking all, tells; K or more where all is well."""
    smallest = 10**9
    for i, earlier in enumerate(releases):
        for later in releases[i + 1 :]:
            parts = [later.keys() - earlier.keys()] + (
                [] if union else [earlier.keys() - later, earlier.keys() & later]
            )
            for people in parts:
                counts = Counter((earlier | later)[person] for person in people)
                smallest = min([smallest, *counts.values()]) if not union else smallest
    signatures: Counter[Any] = Counter()
    for person in {person for release in releases for person in release}:
        values = {release[person] for release in releases if person in release}
        assert len(values) == 1
        presence = tuple(person in release for release in releases)
        signatures[values.pop(), presence.index(True) if union else presence] += 1
    return min([smallest, *signatures.values()])


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a site of its own."""
    return World(tmp_path / "site")


@pytest.mark.parametrize("then", ["exclude", "coarsest"])
def test_monthly_cumulative_releases_isolate_nobody(world: World, then: str) -> None:
    """Newcomers, opt-outs and corrections over four months; every difference and the union hold k patients or none."""
    hospital = Hospital(world, seed=5)
    request = hospital.request("series", {"series": {"hold": 1, "then": then}})
    releases = []
    for month, newcomers, leavers in zip(MONTHS, (80, 25, 18, 30), (0, 3, 0, 5), strict=True):
        before = dict(hospital.people)
        hospital.month(month, newcomers, leavers)
        releases.append(hospital.release(request, month))
        assert before.keys() - hospital.people.keys() or not leavers
    assert isolated(releases) >= K
    assert [len(release) > 40 for release in releases] == [True] * 4
    assert any(later.keys() - earlier.keys() for earlier, later in pairwise(releases))
    assert any(earlier.keys() - later.keys() for earlier, later in pairwise(releases))
    if then == "coarsest":
        assert any((None, None) in release.values() for release in releases[2:])


def test_monthly_increments_hold_k_over_their_union(world: World) -> None:
    """A month's file holds who has a visit in it; class and month of first appearance hold k over all of them."""
    hospital = Hospital(world, seed=11)
    request = hospital.request("series", series="increment")
    releases = []
    for month, newcomers in zip(MONTHS, (80, 40, 30, 40), strict=True):
        hospital.month(month, newcomers)
        releases.append(hospital.release(request, month))
    assert isolated(releases, union=True) >= K
    assert any(earlier.keys() - later.keys() for earlier, later in pairwise(releases))


def test_an_increment_of_few_patients_shows_none_of_them(world: World) -> None:
    """A month in which one known patient has a visit: the file alone keeps k, and is empty."""
    hospital = Hospital(world, seed=11)
    request = hospital.request("series", series="increment")
    hospital.month(MONTHS[0], 80)
    first = hospital.release(request, MONTHS[0])
    assert len(first) > K
    person = min(hospital.people)
    with hospital.dataset.parent.joinpath("visits.csv").open("a") as visits:
        visits.write(f"E-more,{person},{MONTHS[1]}-05,I10\n")
    done = world.site.run(request, period=MONTHS[1])
    assert shown({t: world.site.open(done).read(t) for t in ("patients", "visits")}) == {}
    assert from_bytes((done.folder / "manifest.json").read_bytes()).tables["visits"].rows == 0


def test_an_increment_that_shows_few_of_a_class_is_not_published(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were they not left out, k counted on the decrypted file would stop the release."""
    hospital = Hospital(world, seed=11)
    request = hospital.request("series", series="increment")
    hospital.month(MONTHS[0], 80)
    hospital.release(request, MONTHS[0])
    with hospital.dataset.parent.joinpath("visits.csv").open("a") as visits:
        visits.write(f"E-more,{min(hospital.people)},{MONTHS[1]}-05,I10\n")

    def careless(*given: Any) -> Arrivals:
        found = arrive(*given)
        return replace(found, released=found.outcome == RELEASED)

    monkeypatch.setattr("deid.ledger.arrive", careless)
    with pytest.raises(VerificationError, match="smaller than k = 4"):
        hospital.release(request, MONTHS[1])


def test_the_manifest_names_the_ledger_and_a_removed_ledger_stops_the_series(world: World) -> None:
    """What is published proves which generation it was entered in; without the ledger nothing more is released."""
    hospital = Hospital(world, seed=2)
    request = hospital.request("series")
    hospital.month(MONTHS[0], 60)
    done = world.site.run(request, period=MONTHS[0])
    manifest = from_bytes((done.folder / "manifest.json").read_bytes())
    assert manifest.ledger is not None
    home = world.site.site.state / "ledger" / "series" / "outcomes"
    home.rename(world.folder / "moved")
    hospital.month(MONTHS[1], 30)
    with pytest.raises(DisclosureError, match="no ledger"):
        world.site.run(request, period=MONTHS[1])
    (world.folder / "moved").rename(home)
    assert world.site.run(request, period=MONTHS[1]).folder.exists()


def test_a_series_keeps_to_its_first_release(world: World) -> None:
    """Other limits, other columns, or no k at all: refused before a row is read, with what differs."""
    hospital = Hospital(world, seed=3)
    hospital.month(MONTHS[0], 60)
    hospital.release(hospital.request("series"), MONTHS[0])
    hospital.month(MONTHS[1], 30)
    with pytest.raises(DisclosureError, match="limits of the policy were others"):
        hospital.release(hospital.request("series", {"k": 3}), MONTHS[1])
    with pytest.raises(DisclosureError, match="was cumulative, not increment"):
        hospital.release(hospital.request("series", series="increment"), MONTHS[1])
    with pytest.raises(DisclosureError, match="has none"):
        hospital.release(hospital.request("series", {"k": None, "quasi_identifiers": []}), MONTHS[1])


def test_a_series_stays_as_diverse_as_it_began(world: World) -> None:
    """Classes that were held diverse at first are so in every release: a policy that forgets it is refused."""
    hospital = Hospital(world, seed=3)
    hospital.month(MONTHS[0], 90)
    diverse = {"sensitive": {"icd10cm": {"l": 2, "take": "first"}}, "suppression": 0.9}
    hospital.release(hospital.request("series", diverse), MONTHS[0])
    hospital.month(MONTHS[1], 30)
    with pytest.raises(DisclosureError, match="limits of the policy were others"):
        hospital.release(hospital.request("series", {"suppression": 0.9}), MONTHS[1])
    laxer = {"sensitive": {"icd10cm": {"t": 0.9, "take": "first"}}, "suppression": 0.9}
    with pytest.raises(DisclosureError, match="limits of the policy were others"):
        hospital.release(hospital.request("series", laxer), MONTHS[1])


def test_a_failed_release_leaves_the_ledger_as_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that refuses the rename: nothing is published, nothing is entered, and the next run goes on."""
    hospital = Hospital(world, seed=4)
    request = hospital.request("series")
    hospital.month(MONTHS[0], 60)
    first = hospital.release(request, MONTHS[0])
    hospital.month(MONTHS[1], 40)
    with monkeypatch.context() as patched:
        patched.setattr("deid.release.staging._publish", _refuses)
        with pytest.raises(StorageError):
            world.site.run(request, period=MONTHS[1])
    second = hospital.release(request, MONTHS[1])
    assert isolated([first, second]) >= K


def _refuses(*_: object) -> None:
    raise OSError(28, "no space")


def run_command(world: World, *arguments: str) -> str:
    """Run `deid ledger` on a request, and return what it prints."""
    name, request = arguments
    environment = {"DEID_PASSPHRASE": PASSPHRASE.decode()}
    done = CliRunner().invoke(
        command,
        [name, str(world.folder / f"{request}.yaml"), "--site", str(world.folder / "site.yaml")],
        env=environment,
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    return done.output


def test_the_commands_tell_aggregate_figures_only(world: World) -> None:
    """Small counts as 1-10, no identifier; a damaged generation is restored and the series goes on."""
    hospital = Hospital(world, seed=7)
    request = hospital.request("series")
    for month, newcomers, leavers in zip(MONTHS[:2], (80, 25), (0, 3), strict=True):
        hospital.month(month, newcomers, leavers)
        hospital.release(request, month)
    told = run_command(world, "show", "series")
    assert "1-10 left" in told
    assert "SENTINEL" not in told
    assert run_command(world, "verify", "series").startswith("sound: 2 releases")
    home = world.site.site.state / "ledger" / "series" / "outcomes"
    for path in max(home.glob("generation-*")).iterdir():
        path.write_bytes(b"")
    hospital.month(MONTHS[2], 40)
    with pytest.raises(StorageError, match="ledger"):
        hospital.release(request, MONTHS[2])
    assert "2 releases" in run_command(world, "restore", "series")
    hospital.release(request, MONTHS[2])


def test_a_code_withheld_in_a_class_stays_withheld_and_a_new_code_is_rare(world: World) -> None:
    """From two patients to six: to show them now would tell the four. Shown codes stay; an unseen one is a chapter."""
    hospital = Hospital(world, seed=8)
    rules = {
        "patient_id": {"pseudonymize": "keyed"},
        "birth_date": {"generalize_date": {"to": "year", "width": 100, "floor_age": 90}},
        "sex": "keep",
        "admit_date": "drop",
        "icd10cm": "map_codes",
    }
    limits = LIMITS | {"codes": {"kinds": ["icd10cm"], "ceiling": 1.0, "suppress_below": 3}}
    policy = world.policy(
        {"policy": "own", "version": 1, "basis": "expert_determination", "rules": rules, "limits": limits}
    )
    tables = {"patients": ["ID", "BIRTH", "SEX"], "visits": ["PATIENT", "DX"]}
    request = world.site.request(hospital.dataset, tables, request="coded", policy=str(policy))

    def release(name: str, codes: dict[str, int]) -> Counter[str | None]:
        people = "".join(f"P{n},1980-01-01,F\n" for n in range(40))
        told = [code for code, count in codes.items() for _ in range(count)]
        rows = "".join(f"E{n},P{n % 40},2025-01-01,{code}\n" for n, code in enumerate(told))
        (hospital.dataset.parent / "patients.csv").write_text("ID,BIRTH,SEX\n" + people)
        (hospital.dataset.parent / "visits.csv").write_text("ENC,PATIENT,START,DX\n" + rows)
        return Counter(world.site.tables(request, name=name)["visits"]["DX"].to_pylist())

    first = release("first", {"I10": 20, "E11.9": 10, "G40.901": 2})
    assert first == {"I10": 20, "E11.9": 10, None: 2}
    second = release("second", {"I10": 20, "E11.9": 2, "G40.901": 6, "J45.909": 4})
    assert (second["I10"], second["E11.9"], second[None], second["G40.901"], second["J45.909"]) == (20, 2, 6, 0, 0)
    assert sum(second.values()) == 32
    assert "1 pairs of class and code" in run_command(world, "show", "coded")


def test_a_ledger_that_draws_nobody_along_is_noticed_in_the_output(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joint k is counted on what was staged, whatever decided it; nothing is published."""
    hospital = Hospital(world, seed=9)
    request = hospital.request("series")
    hospital.month(MONTHS[0], 80)
    hospital.release(request, MONTHS[0])
    hospital.month(MONTHS[1], 10, leavers=3)
    monkeypatch.setattr("deid.ledger.arrivals._leaving", lambda _state, gone, _k, _draw: gone)
    with pytest.raises(VerificationError, match="joint classes"):
        world.site.run(request, period=MONTHS[1])
    assert not (world.site.site.releases / "series" / MONTHS[1]).exists()


def test_a_held_patient_who_gets_through_is_noticed_in_the_output(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever the ledger holds may not be in the population."""
    hospital = Hospital(world, seed=10)
    request = hospital.request("series")
    hospital.month(MONTHS[0], 80)
    hospital.release(request, MONTHS[0])
    hospital.month(MONTHS[1], 3)
    decide = SeriesRun.continued

    def leaky(run: SeriesRun, decision: Decision, *rest: Any) -> Decision:
        decided = decide(run, decision, *rest)
        held = run.asked[~run.arrivals.released][:1]
        assert len(held)
        decided.patients.flags[held] |= SELECTED
        decided.patients.klass[held] = 0
        return decided

    monkeypatch.setattr(SeriesRun, "continued", leaky)
    with pytest.raises(VerificationError):
        world.site.run(request, period=MONTHS[1])
