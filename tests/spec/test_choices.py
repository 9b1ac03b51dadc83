"""Patients' choices: what docs/formats/choices.md says of lists, and of who is left out by them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from choices import ASKED, KINDS, SOURCE, choose, crowd, forget, policy
from tiny_sources import World

from deid.choices.lists import ChoiceList, ListKind
from deid.choices.store import ChoiceStore
from deid.errors import DocumentError, PlanError, StorageError
from deid.keys.files import replace_file

ALL_DAYS = ["2025-01-10", "2025-01-11", "2025-04-01", "2025-05-01", "2025-06-01"]  # but those of the program


@pytest.fixture(scope="module")
def site_of_all(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site for all tests of this file."""
    return World(tmp_path_factory.mktemp("choices"))


@pytest.fixture
def world(site_of_all: World) -> World:
    """The site without any list."""
    return forget(site_of_all)


def released(world: World, **fields: Any) -> list[str]:
    """Return the days of the visits that a request releases."""
    dataset = world.source_of(SOURCE, KINDS)
    rows = world.released(dataset, ASKED, **fields)
    days = sorted(str(row["START"]) for row in rows["encounters"])
    visits = {row["ENC"] for row in rows["encounters"]}
    assert {row["ENC"] for row in rows["diagnoses"]} == visits
    return days


def test_who_opted_out_is_in_no_table(world: World) -> None:
    """Neither the patient nor any visit, diagnosis or drug of who is on a list."""
    choose(world.site, "opted-out", ["p5", " p2 "])
    dataset = world.source_of(SOURCE, KINDS)
    rows = world.released(dataset, ASKED)
    assert sorted(str(r["START"]) for r in rows["encounters"]) == ["2025-01-10", "2025-04-01"]
    assert sorted(str(r["BIRTH"]) for r in rows["patients"]) == ["1980-03-01", "2015-06-06"]
    assert [r["DRUG"] for r in rows["drugs"]] == ["A4250"]
    assert sorted(r["DX"] for r in rows["diagnoses"]) == ["E11.9", "J45.20"]


def test_a_release_of_nobody_is_empty(world: World) -> None:
    """Where everybody opted out, every table is there and has no row; so it is where the population has none."""
    choose(world.site, "opted-out", ["p1", "p2", "p3", "p4", "p5"])
    rows = world.released(world.source_of(SOURCE, KINDS), ASKED, policy=policy(world))
    assert rows == {table: [] for table in ASKED}
    nobody = {table: text.strip().splitlines()[0] for table, text in SOURCE.items()}
    assert world.released(world.source_of(nobody, KINDS), ASKED, policy=policy(world)) == {table: [] for table in ASKED}


def test_a_choice_holds_from_its_first_to_its_last_day(world: World) -> None:
    """Before and after, the patient is released."""
    choose(world.site, "opted-out", ["p2"], since=date(2099, 1, 1))
    choose(world.site, "opted-out", ["p4"], until=date(2020, 1, 1))
    assert released(world) == ALL_DAYS
    listed = ChoiceList("l", ListKind.OPT_OUT).added(["a"], date(2020, 1, 1), date(2020, 1, 3))
    held = [len(listed.holding(date(2020, 1, day))) for day in (1, 2, 3, 4)]
    assert held == [1, 1, 1, 0]
    assert len(listed.holding(date(2019, 12, 31))) == 0


@pytest.mark.parametrize(("use", "is_out"), [("research", True), ("operations", False), (None, True)])
def test_an_opt_out_for_a_use_holds_for_it_and_for_requests_that_name_none(
    world: World, use: str | None, is_out: bool
) -> None:
    """Who opted out of research is in what is for operations, and in nothing that does not say what it is for."""
    choose(world.site, "no-research", ["p2"], uses=("research",))
    assert ("2025-01-11" not in released(world, use=use)) == is_out


@pytest.mark.parametrize(("use", "days"), [("research", ["2025-01-10", "2025-01-11"]), ("operations", ["2025-01-11"]),
                                           (None, ["2025-01-11"])])  # fmt: skip
def test_where_consent_is_required_only_consenting_patients_are_released(
    world: World, use: str | None, days: list[str]
) -> None:
    """Consent for a use counts for that use alone; an opt-out is stronger."""
    choose(world.site, "for-research", ["p1"], consent=True, uses=("research",))
    choose(world.site, "for-all", ["p2", "p4"], consent=True)
    choose(world.site, "opted-out", ["p4"])
    assert released(world, use=use, policy=policy(world, choices={"consent": "required"})) == days


def test_consent_changes_nothing_where_it_is_not_required(world: World) -> None:
    """A list of consent alone leaves nobody out."""
    choose(world.site, "for-research", ["p1"], consent=True, uses=("research",))
    assert released(world) == ALL_DAYS


def test_a_dataset_that_the_opt_out_lists_forget_is_refused(world: World) -> None:
    """An empty list for it is enough."""
    choose(world.site, "elsewhere", ["p2"], dataset="other")
    with pytest.raises(PlanError, match="none covers dataset tiny"):
        released(world)
    choose(world.site, "here", [], dataset="tiny")
    assert released(world) == ALL_DAYS


def test_required_consent_without_a_list_is_refused(world: World) -> None:
    """Nobody has been asked, then; an empty release would look like an answer."""
    with pytest.raises(PlanError, match="no list of consent covers"):
        released(world, policy=policy(world, choices={"consent": "required"}))


def test_a_lost_changed_or_foreign_list_stops_every_run(world: World) -> None:
    """Rolled back, removed and unknown lists are named; adopting and forgetting is a person's decision."""
    store = ChoiceStore.of(world.site.site, world.site.provider)
    choose(world.site, "opted-out", ["p1"])
    path = store.home / "opted-out.choices"
    older = path.read_bytes()
    choose(world.site, "opted-out", ["p2"])
    newer = path.read_bytes()
    assert b"p2" not in newer
    path.write_bytes(older)
    with pytest.raises(StorageError, match="opted-out: it is not as it was last written"):
        released(world)
    path.unlink()
    with pytest.raises(StorageError, match="opted-out: it is missing"):
        released(world)
    path.write_bytes(newer)
    (store.home / "copy.choices").write_bytes(newer)
    with pytest.raises(StorageError, match="copy: it was not written here"):
        released(world)
    with pytest.raises(StorageError, match="damaged, or of another site's keys"):
        store.adopt("copy")
    (store.home / "copy.choices").unlink()
    assert released(world) == ["2025-04-01", "2025-05-01", "2025-06-01"]
    path.write_bytes(older)
    assert store.adopt("opted-out").version == 1
    assert "2025-01-11" in released(world)
    path.unlink()
    store.forget("opted-out")
    assert released(world) == ALL_DAYS


def test_a_list_changes_one_version_at_a_time(world: World) -> None:
    """Two who add to the same version do not lose what one of them added."""
    store = ChoiceStore.of(world.site.site, world.site.provider)
    first = choose(world.site, "opted-out", ["p1"])
    store.write(first.added(["p2"], date(2020, 1, 1), None))
    with pytest.raises(StorageError, match="changed by somebody else"):
        store.write(first.added(["p3"], date(2020, 1, 1), None))
    assert store.lists()[0].holding(date(2021, 1, 1)).to_pylist() == ["p1", "p2"]


@pytest.mark.parametrize("survived", [0, 1, 2])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_change_that_was_killed_leaves_the_list_before_or_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch, survived: int, is_new: bool
) -> None:
    """After none, one or two of its three writes runs go on, and the change can be made again."""
    store = ChoiceStore.of(world.site.site, world.site.provider)
    held = ChoiceList("opted-out", ListKind.OPT_OUT) if is_new else choose(world.site, "opted-out", ["p1"])
    after, done = held.added(["p2"], date(2020, 1, 1), None), []

    def killed(path: Path, data: bytes, **mode: int) -> None:
        if len(done) == survived:
            raise KeyboardInterrupt
        done.append(path)
        replace_file(path, data, **mode)

    with monkeypatch.context() as patch:
        patch.setattr("deid.choices.store.replace_file", killed)
        with pytest.raises(KeyboardInterrupt):
            store.write(after)
    there = {found.name: found.version for found in store.lists()}
    assert there == ({"opted-out": after.version} if survived == 2 else {} if is_new else {"opted-out": held.version})
    found = store.find("opted-out") or held
    store.write(found.added(["p2"], date(2020, 1, 1), None))
    assert "p2" in store.lists()[0].rows["id"].to_pylist()


def test_a_change_removes_what_a_killed_one_left(world: World) -> None:
    """A list that was staged and never put in its place may hold numbers that were removed since."""
    choose(world.site, "opted-out", ["p1"])
    home = ChoiceStore.of(world.site.site, world.site.provider).home
    (home / f".opted-out.choices.{'0' * 16}").write_bytes(b"sealed")
    choose(world.site, "opted-out", ["p2"])
    assert [path.name for path in home.iterdir()] == ["opted-out.choices"]


def test_many_who_add_at_once_lose_no_number(world: World) -> None:
    """Each either adds its number to what the others added, or is told to try again."""
    store = ChoiceStore.of(world.site.site, world.site.provider)
    choose(world.site, "opted-out", [])

    def add(number: int) -> None:
        while True:
            found = store.find("opted-out")
            assert found is not None
            try:
                store.write(found.added([f"q{number}"], date(2020, 1, 1), None))
            except StorageError as error:
                assert "meanwhile" in error.message  # noqa: PT017 - a loop until it is through
            else:
                return

    with ThreadPoolExecutor(8) as people:
        list(people.map(add, range(24)))
    assert sorted(store.lists()[0].rows["id"].to_pylist()) == sorted(f"q{n}" for n in range(24))


def test_a_list_keeps_each_number_once_and_shows_none() -> None:
    """Added twice, the later days count; removed, nothing is left; no repr tells a number."""
    listed = ChoiceList("l", ListKind.CONSENT).added(["SENTINEL-7", ""], date(2020, 1, 1), None)
    again = listed.added([" SENTINEL-7 ", "a"], date(2021, 1, 1), date(2022, 1, 1))
    assert again.rows.num_rows == 2
    assert again.holding(date(2020, 6, 1)).to_pylist() == []
    assert ChoiceList.from_bytes("l", again.to_bytes()) == again
    assert again.removed(["SENTINEL-7", "b"]).rows["id"].to_pylist() == ["a"]
    assert "SENTINEL" not in repr(again)
    with pytest.raises(DocumentError):
        ChoiceList.from_bytes("l", b"nothing of the kind")


def test_tables_are_counted_without_who_and_what_is_left_out(world: World) -> None:
    """Of sixty patients two thirds were seen by a program once; the visits that stay are those of who stays."""
    rules = {"service_date": {"generalize_date": "month"}, "age": {"generalize_age": {"top": 90, "width": 1}}}
    rules |= dict.fromkeys(("sex", "icd10cm"), "keep")
    limits = {"tables": {"smallest": 2, "protection": 1}}
    chosen = world.policy({"policy": "open", "version": 1, "basis": "expert_determination", "rules": rules,
                           "limits": limits})  # fmt: skip

    def visits(name: str, dataset: Path) -> int:
        asked = {"request": name, "requester": "Somebody", "purpose": "A test", "policy": str(chosen),
                 "dataset": str(dataset), "expires": "2027-12-31",
                 "tabulate": {"from": "2025-01-01", "to": "2025-12-31", "ages": ["0+"], "washout": 0, "codes": {},
                              "tables": {"all": {"measure": "visits", "by": ["year", "sex"], "margins": []}}}}  # fmt: skip
        done = world.site.tabulate(world.site.write(f"{name}.yaml", asked))
        cells = json.loads((done.folder / "tables.json").read_text())["tables"]["all"]["cells"]
        return sum(cell["count"] for cell in cells)

    assert visits("nobody-out", crowd(world)) == 120 - 40
    forget(world)
    assert visits("some-out", crowd(world, opted_out=30, dataset="other")) == (120 - 40) // 2
