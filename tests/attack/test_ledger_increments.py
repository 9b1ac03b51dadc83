"""Releases with mapped codes, joined or compared by the pseudonym: one ceiling holds all of them together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_ledger_series import LIMITS, MONTHS, Hospital, run_command
from tiny_sources import World

from deid.errors import DisclosureError, VerificationError
from deid.ledger import Ledger
from deid.ledger.book import Book
from deid.ledger.records import NEWEST, READ
from deid.ledger.site import series_of
from deid.ledger.told import Told

CODES = ("I10", "E11.9", "J45.909")


def request(
    hospital: Hospital, ceiling: float, rules: dict[str, Any] | None = None, over_time: float | None = None,
    **fields: Any,
) -> Path:  # fmt: skip
    """Write the request of monthly increments with mapped codes under ceilings; `rules` of the policy, others."""
    codes: dict[str, Any] = {"kinds": ["icd10cm"], "ceiling": ceiling, "known": 2, "adversaries": ["uniform"]}
    codes |= {"over_time": over_time} if over_time is not None else {}
    policy = hospital.world.policy(
        {
            "policy": "own",
            "version": 1,
            "basis": "expert_determination",
            "rules": {
                "patient_id": {"pseudonymize": "keyed"},
                "birth_date": {"generalize_date": {"to": "year", "width": 100, "floor_age": 90}},
                "sex": "keep",
                "admit_date": "drop",
                "icd10cm": "map_codes",
            }
            | (rules or {}),
            "limits": LIMITS | {"codes": codes},
        }
    )
    visits = ["PATIENT", "DX"] if rules is None else ["PATIENT", "START", "DX"]
    tables = {"patients": ["ID", "BIRTH", "SEX"], "visits": visits}
    asked = {"series": "increment", "schedule": "monthly"} | fields
    return hospital.world.site.request(hospital.dataset, tables, request="coded", policy=str(policy), **asked)


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    """Return a site of sixty people who have one code each in a month."""
    found = Hospital(World(tmp_path / "site"), seed=1)
    found.people = {f"P{n}": ("1980-01-01", "FM"[n % 2]) for n in range(60)}
    month(found, 0)
    return found


def month(hospital: Hospital, number: int) -> None:
    """Let a month pass in which everybody has one code: five of a class the same, and others together each month."""
    for at, person in enumerate(hospital.people):
        code = CODES[(at // (2, 12, 4, 20)[number]) % len(CODES)]
        hospital.visits.append((person, f"{MONTHS[number]}-11", code))
    folder = hospital.dataset.parent
    people = "".join(f"{person},{birth},{sex}\n" for person, (birth, sex) in hospital.people.items())
    (folder / "patients.csv").write_text("ID,BIRTH,SEX\n" + people)
    rows = "".join(f"E{n},{who},{day},{dx}\n" for n, (who, day, dx) in enumerate(hospital.visits))
    (folder / "visits.csv").write_text("ENC,PATIENT,START,DX\n" + rows)


def release(hospital: Hospital, request: Path, number: int) -> None:
    """Run a month."""
    hospital.world.site.run(request, period=MONTHS[number])


def book(hospital: Hospital) -> Book:
    """Return the ledger of the series."""
    site = hospital.world.site
    found = Ledger.open(series_of(site.site, site.provider, "coded", "outcomes")).book
    assert found is not None
    return found


def test_increments_that_keep_the_ceiling_alone_are_refused_together(hospital: Hospital) -> None:
    """One code a month tells no pair; two months of them do, and the pseudonym joins them."""
    asked = request(hospital, 0.2)
    release(hospital, asked, 0)
    before = book(hospital)
    month(hospital, 1)
    with pytest.raises(DisclosureError, match=r"over all 2 releases .* is 20 %") as refused:
        release(hospital, asked, 1)
    hint = str(refused.value.hint)
    for told in ("limits.codes.over_time is 0.", "longer periods and a lower ceiling"):
        assert told in hint
    assert "name" not in hint
    assert not (hospital.world.site.site.releases / "coded" / MONTHS[1]).exists()
    assert len(book(hospital).told) == len(before.told) == 60


def test_a_series_goes_on_under_a_policy_that_answers_for_the_union(hospital: Hospital) -> None:
    """A ceiling decides what is published and nothing of what is shown, so it may change; that of each release stays."""
    release(hospital, request(hospital, 0.2), 0)
    month(hospital, 1)
    release(hospital, request(hospital, 0.2, over_time=0.9), 1)
    found = book(hospital)
    assert isinstance(found.newest.codes_union, float)
    assert 0.2 < found.newest.codes_union < 0.9
    assert "mean chance over all releases" in run_command(hospital.world, "show", "coded")
    # What was shown, by item, of everybody in either month.
    assert len(found.told) == 120
    assert set(found.told.items["text"].to_pylist()) == set(CODES)


def test_who_compares_two_cumulative_files_is_held_as_who_has_increments(hospital: Hospital) -> None:
    """What the newer file has more is known by its month; the file alone is under the ceiling."""
    asked = request(hospital, 0.4, series="cumulative", over_time=0.2)
    release(hospital, asked, 0)
    month(hospital, 1)
    with pytest.raises(DisclosureError, match=r"over all 2 releases .* is 20 %"):
        release(hospital, asked, 1)
    release(hospital, request(hospital, 0.4, series="cumulative", over_time=0.9), 1)
    found = book(hospital)
    assert np.bincount(found.told.release).tolist() == [0, 60, 60]
    assert isinstance(found.newest.codes_union, float)
    assert found.newest.codes_union > 0.2


def test_a_cumulative_file_with_nothing_new_tells_nothing_new(hospital: Hospital) -> None:
    """The same rows once more leave what is known as it was."""
    asked = request(hospital, 0.4, series="cumulative")
    release(hospital, asked, 0)
    release(hospital, asked, 1)
    assert np.bincount(book(hospital).told.release).tolist() == [0, 60]


def test_what_was_written_must_be_what_was_attacked(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    """A union that was held without this increment is noticed when it is put together again from the output."""
    asked = request(hospital, 0.9)
    release(hospital, asked, 0)
    month(hospital, 1)
    held = Told.with_release
    calls: list[int] = []

    def careless(told: Told, *rows: Any) -> Told:
        calls.append(1)
        return told if len(calls) == 1 else held(told, *rows)

    monkeypatch.setattr(Told, "with_release", careless)
    with pytest.raises(VerificationError, match="not those that were attacked"):
        release(hospital, asked, 1)
    assert len(book(hospital).releases) == 1


def test_dates_beside_codes_are_attacked_over_all_increments(hospital: Hospital) -> None:
    """Quarters stand beside codes: an item in another quarter is another thing to know."""
    dated = {"admit_date": {"generalize_date": "quarter"}}
    release(hospital, request(hospital, 1.0, rules=dated), 0)
    month(hospital, 1)
    month(hospital, 3)  # of another quarter
    release(hospital, request(hospital, 1.0, rules=dated), 1)
    release(hospital, request(hospital, 1.0, rules=dated), 3)
    found = book(hospital)
    assert len(np.unique(found.told.dates)) == 2
    with_dates, without = found.told.tied(found.state, by_release=False), found.told.coded(found.state)
    assert len(with_dates.coded.patient) > len(without.patient)


def test_increments_of_version_1_are_not_followed_under_a_ceiling(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows which codes the party has; a policy may answer for that."""
    with monkeypatch.context() as old:
        old.setattr("deid.ledger.Book", lambda *a, **k: Book(*a, **{**k, "version": READ[0]}))
        release(hospital, request(hospital, 0.9), 0)
    month(hospital, 1)
    with pytest.raises(DisclosureError, match="of version 1 and does not say which codes") as refused:
        release(hospital, request(hospital, 0.9), 1)
    assert "over_time to 1" in str(refused.value.hint)
    release(hospital, request(hospital, 0.9, over_time=1.0), 1)
    assert book(hospital).version == NEWEST
