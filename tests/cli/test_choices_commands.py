"""`deid choices` and `deid segments` as a person types them: numbers never in the command, never in what is printed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from choices import ASKED, KINDS, SOURCE
from click.testing import CliRunner, Result
from sites import PASSPHRASE
from tiny_sources import World

from deid.audit.site import known_receipts, verify_site
from deid.cli import cli
from deid.errors import DocumentError, StorageError
from deid.papers.trust import load_trust

MANY = "\n".join(f"q{n}" for n in range(20))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site whose lists the tests of this file share."""
    return World(tmp_path_factory.mktemp("cli") / "site")


def run(world: World, *command: str | Path, typed: str = "") -> Result:
    """Run a command; a fault of deid is raised."""
    environment = {"DEID_PASSPHRASE": PASSPHRASE.decode(), "DEID_SITE": str(world.folder / "site.yaml")}
    done = CliRunner().invoke(cli, [str(word) for word in command], input=typed, env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_lists_are_made_mended_checked_and_logged(world: World, tmp_path: Path) -> None:
    """A list of opt-outs and one of consent; counts of few are hidden, and each change stands in the audit log."""
    numbers = tmp_path / "numbers"
    numbers.write_text(f"p1\np2\n{MANY}\n")
    made = run(world, "choices", "add", "opted-out", "--dataset", "tiny", "--from", numbers, "--since", "2020-01-01")
    assert made.output == "opted-out: opt-out, version 1, 22 numbers\n"
    assert "version 2, 20 numbers" in run(world, "choices", "remove", "opted-out", typed="p1\nq0\n").output
    consent = ("choices", "add", "signed", "--consent", "--part2", "--use", "research")
    assert run(world, *consent, typed="p3\n").output == "signed: consent, version 1, 1-10 numbers\n"
    assert run(world, "choices", "list").output == (
        "opted-out: opt-out for every use, of tiny, version 2, 20 numbers\n"
        "signed: consent for research, Part 2 records, of every dataset, version 1, 1-10 numbers\n"
    )
    told = json.loads(run(world, "choices", "list", "--json").output)
    assert [(one["list"], one["numbers"]) for one in told] == [("opted-out", 20), ("signed", "1-10")]
    assert run(world, "choices", "check").output == "sound: 2 lists\n"
    checked = run(world, "choices", "check", "--dataset", world.source_of(SOURCE, KINDS)).output
    assert "opted-out: 19 of 20 numbers are unknown to tiny" in checked
    assert "signed: 0 of 1-10 numbers are unknown to tiny" in checked
    site = world.site.site
    verified = verify_site(site, world.site.provider.subkey("audit"), known_receipts(site, load_trust(site.trust)))
    assert verified is not None
    log = b"".join(path.read_bytes() for path in sorted((site.state / "audit").iterdir()) if path.is_file())
    assert log.count(b'"choices-changed"') == 3


def test_what_a_list_holds_for_does_not_change(world: World) -> None:
    """A purpose that is added later would change what patients were asked; and Part 2 needs consent."""
    run(world, "choices", "add", "fixed", typed="a")
    with pytest.raises(DocumentError, match="what it holds for does not change"):
        run(world, "choices", "add", "fixed", "--use", "research", typed="b")
    with pytest.raises(DocumentError, match="released by consent"):
        run(world, "choices", "add", "other", "--part2", typed="b")
    with pytest.raises(DocumentError, match="small letters"):
        run(world, "choices", "add", "No Name", typed="b")
    with pytest.raises(DocumentError, match="there is no list absent"):
        run(world, "choices", "remove", "absent", typed="b")


def test_a_list_that_is_gone_is_forgotten_and_one_brought_back_adopted(world: World) -> None:
    """Each only where something is wrong with the list."""
    run(world, "choices", "add", "brief", typed="a")
    path = world.folder / "choices" / "brief.choices"
    older = path.read_bytes()
    run(world, "choices", "add", "brief", typed="b")
    path.write_bytes(older)
    with pytest.raises(StorageError, match="not as it was last written"):
        run(world, "choices", "check")
    assert "adopted: brief, version 1" in run(world, "choices", "adopt", "brief").output
    with pytest.raises(StorageError, match="list brief lies there"):
        run(world, "choices", "forget", "brief")
    path.unlink()
    assert run(world, "choices", "forget", "brief").output == "forgotten: brief\n"
    assert "brief" not in run(world, "choices", "list").output


def test_an_old_copy_of_all_lists_is_told_by_the_audit_log(world: World, tmp_path: Path) -> None:
    """Lists and the notes on them are put back together; the log knows a later version, for exports too."""
    run(world, "choices", "add", "kept", typed="a")
    places = [world.folder / "choices", world.folder / "state" / "choices"]
    for place in places:
        shutil.copytree(place, tmp_path / place.parent.name / place.name)
    run(world, "choices", "add", "kept", typed="b")
    for place in places:
        shutil.rmtree(place)
        shutil.copytree(tmp_path / place.parent.name / place.name, place)
    told = "list kept is at version 1, and the audit log knows version 2: an old copy was put back"
    with pytest.raises(StorageError, match=told):
        run(world, "choices", "check")
    with pytest.raises(StorageError, match=told):
        world.site.run(world.request(world.source_of(SOURCE, KINDS), ASKED))
    run(world, "choices", "adopt", "kept")
    assert "sound" in run(world, "choices", "check").output
    for place in places:
        shutil.rmtree(place)
    with pytest.raises(StorageError, match="is not there, and the audit log knows version"):
        run(world, "choices", "list")


def test_segments_are_listed_with_their_ranges(world: World) -> None:
    """All by name; one with systems, spans and days; both for programs."""
    every = run(world, "segments", "list").output
    assert "part2: by a column of kind part2, never by codes" in every
    assert "hiv: 34 ranges of codes in icd10cm, icd9cm, drg, cpt" in every
    hiv = run(world, "segments", "list", "hiv").output
    assert "drg               488 to 490      HIV, until 2007-09-30" in hiv
    assert "icd10cm           Z2981           pre-exposure prophylaxis, since 2023-10-01" in hiv
    told = json.loads(run(world, "segments", "list", "hiv", "--json").output)
    assert {"system": "icd10cm", "first": "B20", "last": "B20", "since": None, "until": None} in told["segments"]["hiv"]
    with pytest.raises(DocumentError, match="there is no segment 'hvi'"):
        run(world, "segments", "list", "hvi")
