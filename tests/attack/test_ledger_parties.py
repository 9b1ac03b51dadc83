"""Several requests of one party, and of several: what one hand holds of the same patients is bound by default."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET
from test_ledger_series import MONTHS, Hospital, run_command
from tiny_sources import World

from deid.errors import DisclosureError
from deid.keys.recipients import generate_identity
from deid.ledger.book import Book
from deid.ledger.freezing import frozen_of, limits_digest
from deid.ledger.records import READ
from deid.recall.gate import SeriesGate


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    """Return a site whose request `one` has a release."""
    found = Hospital(World(tmp_path / "site"), seed=6)
    found.month(MONTHS[0], 80)
    found.release(found.request("one"), MONTHS[0])
    return found


def key_of(hospital: Hospital, name: str) -> str:
    """Return the path of another recipient's public key."""
    folder = hospital.world.folder
    generate_identity(folder / f"{name}.key", folder / f"{name}.pub", None)
    return str(folder / f"{name}.pub")


def run(hospital: Hospital, request: Path) -> None:
    """Run a request of the first month."""
    hospital.world.site.run(request, period=MONTHS[0])


def test_a_second_request_of_one_party_is_refused_by_default(hospital: Hospital) -> None:
    """By category and quarter most are among few: nothing is published, and no other name helps."""
    for name in ("two", "another-name"):
        with pytest.raises(DisclosureError, match="request one, which the same party has") as refused:
            run(hospital, hospital.request(name))
        assert "another name" not in str(refused.value.hint)
        assert not (hospital.world.site.site.releases / name / MONTHS[0]).exists()
        assert not list((hospital.world.site.site.state / "ledger" / name).glob("*/generation-*/patients*"))


def test_a_policy_may_answer_for_it_and_it_is_told(hospital: Hospital) -> None:
    """A ceiling of the policy lets it pass; the ledger tells who could be joined, and what the join would show."""
    run(hospital, hospital.request("two", {"risk": {"rejoin": 1.0}}))
    told = run_command(hospital.world, "show", "two")
    assert "one for outcomes" in told
    assert "the same party" in told


def test_another_party_with_a_key_of_the_first_is_the_first(hospital: Hospital) -> None:
    """The name of a party is a word; who can open both releases holds both."""
    with pytest.raises(DisclosureError, match="which the same party has"):
        run(hospital, hospital.request("two", party="others"))
    other = key_of(hospital, "other")
    with pytest.raises(DisclosureError, match="could be joined to those of request one"):
        run(hospital, hospital.request("three", {"risk": {"join": 0.0}}, party="others", recipients=[other]))
    run(hospital, hospital.request("two", party="others", recipients=[other]))
    assert "at most" in run_command(hospital.world, "show", "two")
    # Who was a recipient once has what was released then.
    with pytest.raises(DisclosureError, match="which the same party has"):
        run(hospital, hospital.request("three", party="more", recipients=[key_of(hospital, "new"), other]))


def test_a_party_with_new_keys_is_the_same_party(hospital: Hospital) -> None:
    """Keys are lost and renewed; the name of the party stays."""
    with pytest.raises(DisclosureError, match="which the same party has"):
        run(hospital, hospital.request("two", recipients=[key_of(hospital, "renewed")]))


def test_a_key_that_a_party_got_for_other_patients_makes_its_holder_that_party(hospital: Hospital) -> None:
    """One colleague's key in a harmless request, then the same key under another party's name: bound to the first."""
    key = key_of(hospital, "colleague")
    people, visits = hospital.people, hospital.visits
    hospital.people, hospital.visits = {}, []
    hospital.month("2026-01", 80)
    run(hospital, hospital.request("harmless", recipients=[key]))
    hospital.people, hospital.visits = people, visits
    hospital.month("2026-01", 0)
    with pytest.raises(DisclosureError, match="request one, which the same party has"):
        run(hospital, hospital.request("two", party="others", recipients=[key]))


def test_a_key_in_capitals_is_the_same_key(hospital: Hospital) -> None:
    """Bech32 may be written in capitals: another spelling of a key is nobody else's."""
    key = hospital.world.folder / "researcher.pub"
    loud = hospital.world.folder / "loud.pub"
    loud.write_text(key.read_text().upper())
    with pytest.raises(DisclosureError, match="request one, which the same party has"):
        run(hospital, hospital.request("two", party="others", recipients=[str(loud)]))


def test_other_patients_of_one_party_are_released(hospital: Hospital) -> None:
    """Who is not in the first series cannot be joined to it."""
    hospital.people, hospital.visits = {}, []
    hospital.month("2026-01", 80)
    run(hospital, hospital.request("two"))


def test_what_only_one_of_them_tells_joins_nobody(hospital: Hospital) -> None:
    """A second request that shares only demographics hides everybody among k who look alike."""
    request = hospital.request("two")
    text = request.read_text()
    visits = "  visits:\n  - PATIENT\n  - START\n  - DX\n"
    assert visits in text
    request.write_text(text.replace(visits, ""))
    run(hospital, request)
    assert "0.0 % are among fewer" in run_command(hospital.world, "show", "two")


def test_the_number_of_visits_joins_as_well(hospital: Hospital) -> None:
    """Without codes and dates a row of each visit is left: how many there are is told by both."""
    for month in ("2026-04", "2026-05", "2026-06"):
        hospital.month(month, 30)
    hospital.release(hospital.request("first", {"risk": {"rejoin": 1.0}}), MONTHS[0])
    request = hospital.request("two", {"risk": {"rejoin": 0.0}})
    request.write_text(request.read_text().replace("  - START\n  - DX\n", ""))
    with pytest.raises(DisclosureError, match="number of rows of visits"):
        run(hospital, request)


@pytest.mark.parametrize("party", ["outcomes", "others"])
def test_a_series_without_its_ledger_stops_those_who_could_join_it(hospital: Hospital, party: str) -> None:
    """Lost, and the request renamed: the releases of before still lie with the party, and their keys tell whose."""
    shutil.rmtree(hospital.world.site.site.state / "ledger" / "one")
    request = hospital.request("two", party=party)
    with pytest.raises(DisclosureError, match="ledger is lost") as refused:
        run(hospital, request)
    assert "backup" in str(refused.value.hint)
    run(hospital, hospital.request("three", party="more", recipients=[key_of(hospital, "new")]))


def test_a_damaged_ledger_of_another_series_stops_a_run(hospital: Hospital) -> None:
    """Nobody knows who reads its releases; the error names it."""
    home = hospital.world.site.site.state / "ledger" / "one" / "outcomes"
    for path in max(home.glob("generation-*")).iterdir():
        path.write_bytes(b"")
    other = key_of(hospital, "other")
    with pytest.raises(DisclosureError, match="the ledger of request one for outcomes cannot be held against"):
        run(hospital, hospital.request("two", party="others", recipients=[other]))


def changes() -> dict[str, dict[str, Any]]:
    """Return requests that ask for otherwise than the first one."""
    return {
        "cohort": {"cohort": {"patients": {"any": [{"icd10cm": ["E11"]}]}}},
        "period": {"schedule": "quarterly"},
        "study codes": {"study_codes": {"icd10cm": ["E11"]}},
    }


@pytest.mark.parametrize("what", changes())
def test_a_series_keeps_to_what_was_asked_for(hospital: Hospital, what: str) -> None:
    """The difference of two cohorts tells who has a code: a changed request is refused as changed rules are."""
    hospital.month(MONTHS[1], 30)
    with pytest.raises(DisclosureError, match=f"another {what} was asked for"):
        hospital.release(hospital.request("one", **changes()[what]), MONTHS[1])
    hospital.release(hospital.request("one"), MONTHS[1])


def test_a_series_keeps_to_its_dataset(hospital: Hospital) -> None:
    """Another description is another source of people."""
    dataset = hospital.dataset
    hospital.month(MONTHS[1], 30)
    copy = dataset.with_name("copy.yaml")
    copy.write_text(dataset.read_text().replace("dataset: ", "dataset: other-", 1))
    hospital.dataset = copy
    with pytest.raises(DisclosureError, match="another dataset was asked for"):
        hospital.release(hospital.request("one"), MONTHS[1])


def test_a_cohort_in_another_order_is_the_same(tmp_path: Path) -> None:
    """What is frozen is who is asked for, not how it was written."""
    found = Hospital(World(tmp_path / "site"), seed=6)
    found.month(MONTHS[0], 120)
    both: list[dict[str, Any]] = [{"icd10cm": ["E11", "J45"]}, {"sex": ["F"]}]
    found.release(found.request("one", cohort={"patients": {"any": both}}), MONTHS[0])
    found.month(MONTHS[1], 30)
    turned = [{"sex": ["F"]}, {"icd10cm": ["J45", "E11"]}]
    found.release(found.request("one", cohort={"patients": {"any": turned}}), MONTHS[1])


def test_a_ledger_of_version_1_goes_on_by_its_very_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not say what was asked for: the newest release's manifest does, and from then on the ledger."""
    found = Hospital(World(tmp_path / "site"), seed=6)
    found.month(MONTHS[0], 80)
    request = found.request("one")
    with monkeypatch.context() as old:
        old.setattr("deid.ledger.Book", lambda *a, **k: Book(*a, **{**k, "version": READ[0]}))
        old.setattr(
            "deid.ledger.run.frozen_of",
            lambda plan: msgspec.structs.replace(
                frozen_of(plan), asked=UNSET, limits_sha256=limits_digest(plan.policy.limits, is_first_version=True)
            ),
        )
        found.release(request, MONTHS[0])
    # Who reads it is known by its manifest.
    with pytest.raises(DisclosureError, match="which the same party has"):
        run(found, found.request("two", party="others"))
    found.month(MONTHS[1], 30)
    text = request.read_text()
    request.write_text(text + "# Another file.\n")
    with pytest.raises(DisclosureError, match="version 1 and does not say which cohort"):
        found.release(request, MONTHS[1])
    request.write_text(text)
    found.release(request, MONTHS[1])
    request.write_text(text + "# Another file.\n")
    found.month(MONTHS[2], 30)
    found.release(request, MONTHS[2])


@pytest.mark.parametrize("is_other", [False, True])
def test_two_requests_that_run_at_once_are_held_against_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_other: bool
) -> None:
    """The one that ends last sees what the first has published since it began; another party's does not stop it."""
    found = Hospital(World(tmp_path / "site"), seed=6)
    found.month(MONTHS[0], 80)
    keys = {"party": "others", "recipients": [key_of(found, "other")]} if is_other else {}
    late, first = found.request("late"), found.request("first", **keys)
    close = SeriesGate.close

    def interrupted(gate: SeriesGate) -> None:
        monkeypatch.setattr(SeriesGate, "close", close)
        run(found, first)  # from the end of this on, others wait until the late one is published or refused
        close(gate)

    monkeypatch.setattr(SeriesGate, "close", interrupted)
    if is_other:
        run(found, late)
    else:
        with pytest.raises(DisclosureError, match="those of request first, which the same party has"):
            run(found, late)
    releases = found.world.site.site.releases
    assert (releases / "first" / MONTHS[0]).exists()
    assert (releases / "late" / MONTHS[0]).exists() is is_other


def test_parties_are_one_through_a_third(hospital: Hospital) -> None:
    """Who shares a key with one request and a name with another brings both together."""
    key = key_of(hospital, "other")
    anything = {"risk": {"rejoin": 1.0}}
    both = [key, str(hospital.world.site.researcher.with_suffix(".pub"))]
    run(hospital, hospital.request("bridge", anything, party="others", recipients=both))
    with pytest.raises(DisclosureError, match="those of request bridge and one, which the same party has"):
        run(hospital, hospital.request("two", party="others", recipients=[key]))
