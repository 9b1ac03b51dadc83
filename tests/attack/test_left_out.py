"""What is left out by choice or class: nothing tells it, a fault that lets it through is caught, a series isolates nobody."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from choices import ASKED, KINDS, SOURCE, choose, crowd, policy
from click.testing import CliRunner
from sites import PASSPHRASE
from tiny_sources import EXPERT, World

from deid.choices.bias import BiasReport
from deid.choices.screen import Screen
from deid.cli import cli
from deid.errors import DisclosureError, VerificationError
from deid.red_team.run import attack

SENTINELS = ("SENTINEL-OUT-1", "1911-11-11", "F10.20", "897")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site, on whose lists one patient stands."""
    world = World(tmp_path_factory.mktemp("left"))
    choose(world.site, "opted-out", ["p2"])
    return world


def silent(_what: str, _rows: int) -> None:
    """Tell nothing."""


def keep_patients(drops: Any) -> Any:
    """Return a defect: patients are not dropped from the population."""
    return lambda self, table, values, keys: drops(self, table, values, keys) & (table.name != "patients")


def keep_rows(drops: Any) -> Any:
    """Return a defect: rows are dropped with their patient alone."""

    def drop(self: Screen, table: Any, values: Any, keys: Any) -> Any:
        drops(self, table, values, keys)
        return self.persons.bits[self.positions(table, keys)] != 0

    return drop


@pytest.mark.parametrize(
    ("defect", "told"),
    [(keep_patients, "1-10 patients are released who are left out"), (keep_rows, "codes of diagnoses.DX tell of")],
)
def test_a_defect_that_lets_something_through_is_caught_on_the_output(
    world: World, monkeypatch: pytest.MonkeyPatch, defect: Any, told: str
) -> None:
    """Patients by the lists and the source read again, rows by their released codes; nothing is published."""
    monkeypatch.setattr(Screen, "drops", defect(Screen.drops))
    segments = {"hiv": "exclude", "part2": {"include": "research"}}
    request = world.request(world.source_of(SOURCE, KINDS), ASKED, policy=policy(world, segments))
    with pytest.raises(VerificationError, match=told):
        world.site.run(request)
    name = request.stem
    assert not (world.site.site.releases / name / "all").exists()
    assert not (world.site.site.state / "choices" / "reports" / name).exists()


def test_no_file_of_a_release_or_the_state_tells_who_is_left_out(tmp_path: Path) -> None:
    """Neither numbers nor birth dates nor codes of who opted out or was seen by a program, in clear or by name."""
    world = World(tmp_path)
    source = {name: text.replace("p3 ", "SENTINEL-OUT-1 ") for name, text in SOURCE.items()}
    source["patients"] = source["patients"].replace("1975-05-05", "1911-11-11")
    choose(world.site, "opted-out", ["SENTINEL-OUT-1"])
    done = world.site.run(world.request(world.source_of(source, KINDS), ASKED, policy=policy(world)))
    for folder in (done.folder, world.site.site.state, world.site.site.choices):
        for path in (p for p in folder.rglob("*") if p.is_file()):
            data = path.read_bytes()
            assert not [s for s in SENTINELS[:2] if s.encode() in data], path.name
    rows = world.site.open(done)
    cells = {str(cell) for table in rows.tables for column in rows.read(table).columns for cell in column.to_pylist()}
    assert not set(SENTINELS) & cells


def test_the_bias_report_counts_by_reason_and_group_and_hides_few(tmp_path: Path) -> None:
    """Patients and rows by reason, in the state alone; no count of one to ten, and none by subtraction."""
    world = World(tmp_path)
    dataset = crowd(world, opted_out=96, people=240)
    done = world.site.run(world.request(dataset, ASKED, policy=policy(world), request="biased"))
    path = world.site.site.state / "choices" / "reports" / "biased" / "all.json"
    report = msgspec.json.decode(path.read_bytes(), type=BiasReport)
    assert not list(done.folder.glob("*bias*"))
    out, program = report.reasons["opted out"], report.reasons["part2"]
    assert (report.released, out.patients, out.whole, out.rows["encounters"]) == (144, 96, 96, 192)
    assert (program.patients, program.whole) == (160, 0)  # two of three of all, those who opted out among them
    groups = {(group.group, group.lost, group.released) for group in out.groups}
    assert groups == {(f"{age}, {sex}", 16, 24) for age in ("18-44", "45-64", "65 and over")
                      for sex in ("female", "male")}  # fmt: skip
    assert report.reasons["nothing left"].patients == 0
    environment = {"DEID_SITE": str(world.folder / "site.yaml")}
    printed = CliRunner().invoke(cli, ["choices", "report", "biased", "all"], env=environment).output
    assert "opted out: 96 patients lost rows, 96 of them all; " in printed
    assert "  18-44, female: 16 lost rows, 24 are released" in printed
    text = json.dumps(msgspec.to_builtins(report))
    assert not any(f": {few}," in text or f": {few}}}" in text for few in range(1, 11))
    few = World(tmp_path / "few")
    few.site.run(few.request(crowd(few, opted_out=3), ASKED, policy=policy(few), request="biased"))
    hidden = msgspec.json.decode(
        (few.site.site.state / "choices" / "reports" / "biased" / "all.json").read_bytes(), type=BiasReport
    )
    assert (hidden.reasons["opted out"].patients, hidden.reasons["opted out"].groups) == ("1-10", ())


def test_attackers_meet_what_is_left_out_as_if_it_were_not_there(tmp_path: Path) -> None:
    """A red team knows nothing of rows that are left out, and random pseudonyms that were never drawn stop nobody."""
    world = World(tmp_path)
    dataset = crowd(world, opted_out=24)
    request = world.request(dataset, ASKED, policy=policy(world))
    done = world.site.run(request)
    scored = attack(
        world.site.open(done), world.site.plan(request), world.site.site, world.site.provider, progress=silent,
        targets=20,
    )  # fmt: skip
    assert scored.figures
    command = ["attack", str(done.folder), "--request", str(request), "--identity", str(world.site.researcher)]
    environment = {"DEID_PASSPHRASE": PASSPHRASE.decode(), "DEID_SITE": str(world.folder / "site.yaml")}
    ended = CliRunner().invoke(cli, [*command, "--targets", "20"], env=environment)
    assert ended.exception is None or isinstance(ended.exception, (DisclosureError, SystemExit))


def test_an_opt_out_of_a_series_isolates_nobody(tmp_path: Path) -> None:
    """Who opts out leaves the next release with enough others of the class, for good; joint k holds."""
    world = World(tmp_path)
    rules = {
        "patient_id": {"pseudonymize": "keyed"}, "birth_date": {"generalize_date": {"to": "year", "width": 20,
        "floor_age": 90}}, "sex": "keep", "admit_date": {"generalize_date": "quarter"},
    }  # fmt: skip
    limits = {"k": 4, "quasi_identifiers": ["birth_date", "sex"], "suppression": 0.5}
    chosen = world.policy({"policy": "own", "version": 1, "basis": "expert_determination", "rules": rules,
                           "limits": limits})  # fmt: skip
    asked = {"patients": ["ID", "BIRTH", "SEX"], "encounters": ["PATIENT", "START"]}
    dataset = crowd(world)
    request = world.request(dataset, asked, policy=chosen, schedule="monthly", agreement=None)

    def released(month: str) -> dict[str, tuple[Any, Any]]:
        rows = world.site.tables(request, period=month)["patients"].to_pylist()
        return {row["ID"]: (row["BIRTH"], row["SEX"]) for row in rows}

    before = released("2025-03")
    choose(world.site, "opted-out", ["q0"], since=date(2020, 1, 1))
    after = released("2025-04")
    gone = set(before) - set(after)
    assert 4 <= len(gone) < len(before)
    assert len({before[who] for who in gone}) == 1
    assert not set(after) - set(before)
    environment = {"DEID_PASSPHRASE": PASSPHRASE.decode(), "DEID_SITE": str(world.folder / "site.yaml")}
    checked = CliRunner().invoke(cli, ["ledger", "verify", str(request)], env=environment)
    assert checked.output.startswith("sound: 2 releases")
    stricter = policy(world, {"minors": "exclude"}, base=EXPERT, policy="own", rules=rules, limits=limits)
    request.write_text(request.read_text().replace(str(chosen), str(stricter)))
    with pytest.raises(DisclosureError, match="another exclusion of segments was asked for"):
        released("2025-05")
