"""Old lists of choices, and an old crosswalk, that somebody puts back with everything that could tell of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from choices import ASKED, KINDS, LONG_AGO, SOURCE, dates
from tiny_sources import SAFE, World

from deid.audit.events import Event, EventKind
from deid.audit.site import renew, site_log
from deid.choices.lists import ChoiceList, ListKind
from deid.choices.logged import enter_change
from deid.choices.store import ChoiceStore
from deid.crosswalks.site import restore_crosswalk
from deid.errors import StorageError
from deid.export import export

UNMARKED = KINDS | {"encounters": KINDS["encounters"] | {"PROGRAM": "indicator"}}
SAFELY = {"patients": ["ID", "SEX"], "diagnoses": ["PATIENT", "DX"]}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A site of its own."""
    return World(tmp_path / "site")


def opt_out(world: World, ids: Sequence[str], *, since: datetime | None = None, until: datetime | None = None) -> None:
    """Add numbers to the list of opt-outs, as the command does."""
    store = ChoiceStore.of(world.site.site, world.site.provider)
    before = store.find("opted-out") or ChoiceList("opted-out", ListKind.OPT_OUT)
    first, last = since.date() if since is not None else LONG_AGO, until.date() if until is not None else None
    after = before.added(ids, first, last)
    enter_change(world.site.site, world.site.provider, before, after, store.write(after))


@contextmanager
def put_back(world: World, *names: str) -> Iterator[None]:
    """Put files and folders of the site back, at the end, as they were at the beginning."""
    kept = world.folder.parent / "kept"
    for name in names:
        place = kept / name
        place.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (world.folder / name).is_dir() else shutil.copy
        copy(world.folder / name, place)
    yield
    for name in names:
        place = world.folder / name
        if place.is_dir():
            shutil.rmtree(place)
            shutil.copytree(kept / name, place)
        else:
            shutil.copy(kept / name, place)


def test_old_lists_are_told_by_a_log_that_was_set_aside(world: World) -> None:
    """Renewing the log forgets nobody's choice."""
    opt_out(world, ["p1"])
    with put_back(world, "choices", "state/choices"):
        opt_out(world, ["p2"])
    renew(world.site.site, world.site.provider)
    with pytest.raises(StorageError, match="the audit log knows version 2"):
        world.released(world.source_of(SOURCE, KINDS), ASKED)


def test_a_clock_that_is_wrong_undoes_no_choice(world: World) -> None:
    """Put back, or once set ahead: an opt-out holds that holds on the day of the clock, or on the latest of the log."""
    today = datetime.now(UTC)
    tomorrow = today + timedelta(days=1)
    opt_out(world, ["p2"], since=tomorrow)
    opt_out(world, ["p4"], until=today)
    dataset = world.source_of(SOURCE, KINDS)
    assert {"2025-01-11", "2025-04-01"} & set(dates(world.released(dataset, ASKED)["encounters"])) == {"2025-01-11"}
    told = {"request_sha256": "0" * 64, "party": "somebody", "policy_sha256": "0" * 64, "dataset_sha256": "0" * 64}
    site_log(world.site.site, world.site.provider).append(Event(tomorrow, EventKind.RUN_STARTED, "study/all", told))
    assert not {"2025-01-11", "2025-04-01"} & set(dates(world.released(dataset, ASKED)["encounters"]))


def test_who_opts_out_while_a_release_is_made_is_not_in_it(world: World) -> None:
    """The run ends with a fault and leaves nothing; made again, it knows."""
    plan = world.site.plan(world.request(world.source_of(SOURCE, KINDS), ASKED))
    chosen: list[str] = []

    def progress(what: str, _rows: int) -> None:
        if what.startswith("verif") and not chosen:
            chosen.append(what)
            opt_out(world, ["p2"])

    with pytest.raises(StorageError, match="choices were changed meanwhile"):
        export(plan, world.site.site, world.site.provider, progress=progress)
    assert chosen
    assert world.site.leftovers() == []
    done = export(plan, world.site.site, world.site.provider, progress=lambda _what, _rows: None)
    assert "2025-01-11" not in [str(day) for day in world.site.open(done).read("encounters")["START"].to_pylist()]


def test_an_old_crosswalk_is_told_by_a_log_that_was_set_aside_and_not_made_current_unasked(world: World) -> None:
    """Folder and head put back together: neither a renewed log nor `restore --generation` lets them pass."""
    dataset = world.source_of(SOURCE, UNMARKED)
    world.released(dataset, SAFELY, policy=SAFE, agreement=None)
    with put_back(world, "state/crosswalk", "state/crosswalk.head"):
        world.released(dataset, SAFELY, policy=SAFE, agreement=None)
    renew(world.site.site, world.site.provider)
    with pytest.raises(StorageError, match="at generation 1, but 2 is known"):
        world.released(dataset, SAFELY, policy=SAFE, agreement=None)
    with pytest.raises(StorageError, match="generation 1 is older than 2"):
        restore_crosswalk(world.site.site, world.site.provider, None, generation=1)
