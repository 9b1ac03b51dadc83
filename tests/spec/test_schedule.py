"""Standing requests by docs/formats/schedule.md: what is due, made once each, whatever was lost."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from schedules import NOW, Clinic, faults, make_clinic, month, told
from sites import expert_without_ceiling

from deid.audit.site import audit_folder, renew
from deid.documents.request import load_request
from deid.errors import DocumentError, KeyServiceError, ScheduleError
from deid.keys.base import KeyProvider
from deid.ledger.site import series_of
from deid.ledger.store import open_ledger
from deid.opening import open_release
from deid.schedule.due import require_come
from deid.schedule.record import Happened, What, append, holding, make_runs, read_record


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    """Return a site without requests."""
    return make_clinic(tmp_path)


def visits(clinic: Clinic, release: str) -> int:
    """Return how many encounters the researcher reads in a release."""
    opened = open_release(clinic.releases / release, [clinic.world.site.researcher])
    return len(opened.read("encounters"))


def lose_the_record(clinic: Clinic) -> None:
    """Remove what was noted of runs."""
    shutil.rmtree(clinic.runs)


def test_two_requests_and_one_due_month_make_one_release_each(clinic: Clinic) -> None:
    """Run twice, the second run finds nothing due, and the audit log has each release once."""
    clinic.standing("heart")
    clinic.standing("lungs", series="increment")
    assert clinic.due() == [("heart", month(1), "due"), ("lungs", month(1), "due")]
    first = clinic.run()
    assert faults(first) == []
    assert told(first) == [("heart", month(1), "published"), ("lungs", month(1), "published")]
    assert told(clinic.run()) == []
    assert clinic.made() == clinic.published() == [f"heart/{month(1)}", f"lungs/{month(1)}"]


def test_missed_months_are_made_oldest_first_and_late_records_come_with_the_next_cumulative_release(
    clinic: Clinic,
) -> None:
    """Two missed months are made in order; a record that is late for both comes with the third and no increment."""
    clinic.standing("all", ago=3, schedule={"until": month(2)})
    clinic.standing("new", ago=3, schedule={"until": month(2)}, series="increment")
    assert [each[:2] for each in told(clinic.run())] == [
        (name, month(ago)) for name in ("all", "new") for ago in (3, 2)
    ]
    assert [visits(clinic, f"all/{month(ago)}") for ago in (3, 2)] == [10, 15]
    assert [visits(clinic, f"new/{month(ago)}") for ago in (3, 2)] == [5, 5]
    clinic.fill(more=(f"SENTINEL-ENC-LATE,SENTINEL-PAT-0,{month(2)}-20,inpatient\n",))
    clinic.standing("all", ago=3)
    clinic.standing("new", ago=3, series="increment")
    assert faults(clinic.run()) == []
    assert visits(clinic, f"all/{month(1)}") == 21
    assert visits(clinic, f"new/{month(1)}") == 5
    assert len(clinic.published()) == 6


def test_a_series_that_fails_holds_up_no_other_and_is_tried_again_later(clinic: Clinic) -> None:
    """The missing policy of one request is told; its later months wait for it, and nothing of it lies anywhere."""
    clinic.standing("bad", ago=2, policy="nowhere.yaml")
    clinic.standing("good")
    done = clinic.run()
    assert told(done) == [
        ("bad", month(2), "failed"),
        ("bad", month(1), "after"),
        ("good", month(1), "published"),
    ]
    assert faults(done) == [("bad", month(2), "DocumentError")]
    again = clinic.run()
    assert told(again)[0] == ("bad", month(2), "waiting")
    assert faults(again) == [("bad", month(2), "ScheduleError")]
    clinic.standing("bad", ago=2)
    assert faults(clinic.run(again=True)) == []
    assert clinic.made() == [f"bad/{month(2)}", f"bad/{month(1)}", f"good/{month(1)}"]


def test_a_recipient_without_a_key_stops_its_own_series(clinic: Clinic) -> None:
    """A public key that is not there, or is none, leaves nothing behind and holds up nobody."""
    clinic.standing("absent", recipients=["nobody.pub"])
    (clinic.exports / "broken.pub").write_text("age1nonsense\n")
    clinic.standing("broken", recipients=["broken.pub"])
    clinic.standing("good")
    done = clinic.run()
    assert [each[2] for each in told(done)] == ["failed", "failed", "published"]
    assert [each[2] for each in faults(done)] == ["KeyFaultError", "KeyFaultError"]
    assert clinic.made() == [f"good/{month(1)}"]
    assert clinic.in_clear() == []


def test_any_one_witness_is_enough_that_nothing_is_made_twice(clinic: Clinic) -> None:
    """Without the record, without the folder, and without both but the record, nothing is due."""
    clinic.standing("heart")
    clinic.run()
    lose_the_record(clinic)
    assert clinic.due() == []
    shutil.move(clinic.releases / "heart", clinic.world.folder / "delivered")
    assert clinic.due() == []
    assert told(clinic.run()) == []
    assert clinic.published() == [f"heart/{month(1)}"]


def test_a_log_that_was_set_aside_is_a_witness_too(clinic: Clinic) -> None:
    """Once another log was begun, whatever the old one suffered, what it has is not made again, and others are."""
    clinic.standing("heart")
    clinic.run()
    shutil.move(clinic.releases / "heart", clinic.world.folder / "delivered")
    (segment,) = audit_folder(clinic.world.site.site).glob("segment-*")
    with segment.open("ab") as file:
        file.write(bytes(5 * 2**20))  # more than any segment has
    renew(clinic.world.site.site, clinic.world.site.provider)
    lose_the_record(clinic)
    clinic.standing("lungs")
    assert told(clinic.run()) == [("lungs", month(1), "published")]


def test_a_folder_that_cannot_be_read_is_told_and_never_taken_for_an_empty_one(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Releases of one request, or the requests themselves: what can be read is made, and the alert says what cannot."""
    clinic.standing("bad")
    clinic.standing("good")
    refused = {str(clinic.releases / "bad")}
    listed = os.listdir

    def deny(path: Any) -> list[str]:  # what the kernel says to anybody but root, as whom tests may run
        if str(path) in refused:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return listed(path)

    monkeypatch.setattr(os, "listdir", deny)
    (clinic.releases / "bad").mkdir(parents=True)
    done = clinic.run()
    assert told(done) == [("good", month(1), "published")]
    assert faults(done) == [("bad", "", "StorageError")]
    refused.add(str(clinic.exports))
    assert faults(clinic.run()) == [("exports", "", "DocumentError")]


def test_a_time_zone_that_was_removed_stops_its_own_request(clinic: Clinic) -> None:
    """Updates of the system drop old names; what was read before that is told as a fault of its request alone."""
    clinic.standing("bad", schedule={"time_zone": "Asia/Tokyo"})
    clinic.standing("good")
    make_runs(clinic.world.site.site.state)
    clinic.due()
    known = clinic.runs / "known.json"
    known.write_bytes(known.read_bytes().replace(b"Asia/Tokyo", b"Asia/Nokyo"))
    done = clinic.run()
    assert told(done) == [("good", month(1), "published")]
    assert faults(done) == [("bad", "", "DocumentError")]


def test_whoever_only_looks_takes_no_series_from_a_run(clinic: Clinic) -> None:
    """A due check holds the lock for a moment; a run that comes right then waits for it."""
    make_runs(clinic.world.site.site.state)
    looking = threading.Event()

    def look() -> None:
        with holding(clinic.runs, "heart"):
            looking.set()
            time.sleep(0.008)

    thread = threading.Thread(target=look)
    thread.start()
    looking.wait()
    with holding(clinic.runs, "heart") as is_ours:
        assert is_ours
    thread.join()


def test_a_record_that_nobody_bears_out_counts_and_is_told(clinic: Clinic) -> None:
    """A forged line stops the month, and says so at every check."""
    clinic.standing("heart")
    append(clinic.runs, "heart", Happened(datetime.now(UTC), month(1), What.PUBLISHED))
    done = clinic.run()
    assert told(done) == []
    assert faults(done) == [("heart", month(1), "ScheduleError")]


def test_what_a_killed_run_left_does_not_count(clinic: Clinic) -> None:
    """A line that it was started, a torn line and a staging folder are no release; all are cleared away."""
    clinic.standing("heart")
    append(clinic.runs, "heart", Happened(datetime.now(UTC), month(1), What.STARTED))
    with (clinic.runs / "heart.jsonl").open("ab") as file:
        file.write(b'{"at":"2026-')
    (clinic.releases / "heart" / ".staging-0123456789abcdef").mkdir(parents=True)
    assert told(clinic.run()) == [("heart", month(1), "published")]
    assert [path.name for path in (clinic.releases / "heart").iterdir()] == [month(1)]
    assert [event.what for event in read_record(clinic.runs, "heart").events] == ["started", "started", "published"]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        '{"at":"2026-11-01T00:00:00","period":"PERIOD","what":"started"}',
        '{"at":"2026-11-01T00:00:00Z","period":"PERIOD","what":"failed","attempt":-1}',
        '{"at":"2026-11-01T00:00:00Z","period":"\xff","what":"started"}',
    ],
    ids=["nonsense", "no time zone", "negative attempt", "no UTF-8"],
)
def test_a_damaged_record_stops_its_own_request(clinic: Clinic, line: str) -> None:
    """A whole line that is no event is told, and another request is made."""
    clinic.standing("bad")
    clinic.standing("good")
    clinic.runs.mkdir(parents=True)
    (clinic.runs / "bad.jsonl").write_bytes(line.replace("PERIOD", month(1)).encode("latin-1") + b"\n")
    done = clinic.run()
    assert told(done) == [("good", month(1), "published")]
    assert faults(done) == [("bad", "", "StorageError")]


def test_a_month_that_a_later_cumulative_release_holds_is_never_made(clinic: Clinic) -> None:
    """Making it now would show who is new since; an increment that was skipped is made."""
    for name, series in (("all", "cumulative"), ("new", "increment")):
        clinic.standing(name, series=series)
    clinic.run()
    for name, series in (("all", "cumulative"), ("new", "increment")):
        clinic.standing(name, ago=2, series=series)
    assert clinic.due() == [("new", month(2), "due")]


def test_a_clock_that_was_moved_back_is_refused_and_a_future_one_too(clinic: Clinic) -> None:
    """A clock before the last run stops everything, an instant that somebody names does not; none may be to come."""
    clinic.standing("heart")
    clinic.run()
    earlier = datetime.now(UTC) - timedelta(days=40)
    assert told(clinic.run(earlier)) == []
    with pytest.raises(ScheduleError, match="moved back"):
        clinic.run(clock=lambda: earlier)
    with pytest.raises(ScheduleError, match="not come"):
        require_come(earlier + timedelta(seconds=1), earlier)
    lose_the_record(clinic)  # the way out where the earlier clock was wrong
    assert told(clinic.run(clock=lambda: earlier)) == []


def test_a_request_that_another_process_runs_is_left_to_it(clinic: Clinic) -> None:
    """While its lock is held it is told as running, others are made, and it is made once the lock is gone."""
    clinic.standing("heart")
    clinic.standing("lungs")
    with holding(clinic.runs, "heart"):
        done = clinic.run()
        assert told(done) == [("heart", month(1), "running"), ("lungs", month(1), "published")]
        assert faults(done) == []
    assert told(clinic.run()) == [("heart", month(1), "published")]


def test_keys_that_do_not_answer_are_asked_again_and_then_told_once(clinic: Clinic) -> None:
    """Three pauses, each longer; a service that stays away is asked no more for the requests that follow."""
    clinic.standing("heart")
    clinic.standing("lungs")
    pauses: list[float] = []
    answers: list[KeyProvider | None] = [None, None, None, None]

    def opened() -> KeyProvider:
        answer = answers.pop(0)
        if answer is None:
            raise KeyServiceError("no answer", hint="later")
        return answer

    done = clinic.run(provider=opened, sleep=pauses.append)
    assert [each[2] for each in told(done)] == ["failed", "failed"]
    assert [each[2] for each in faults(done)] == ["KeyServiceError", "KeyServiceError"]
    assert not answers
    assert [1 <= pauses[0] <= 2, 2 <= pauses[1] <= 4, 4 <= pauses[2] <= 8] == [True, True, True]
    assert clinic.made() == []
    answers += [None, clinic.world.site.provider]
    # No request is at fault, so none waits.
    assert [each[2] for each in told(clinic.run(provider=opened, sleep=pauses.append))] == ["published"] * 2


def test_two_requests_of_one_name_are_told_and_neither_is_made(clinic: Clinic) -> None:
    """Nobody knows which of them is the series."""
    path = clinic.standing("heart")
    shutil.copy(path, path.with_name("copy.yaml"))
    done = clinic.run()
    assert told(done) == []
    assert faults(done) == [("heart", "", "DocumentError")]


def test_a_request_is_read_again_before_it_is_run(clinic: Clinic) -> None:
    """What was kept of a request decides nothing that the request itself does not say."""
    path = clinic.standing("heart", schedule={"first": month(1)})
    make_runs(clinic.world.site.site.state)
    clinic.due()
    known = clinic.runs / "known.json"
    known.write_text(known.read_text().replace(month(1), month(3)))
    done = clinic.run()
    assert faults(done) == [("heart", month(3), "ScheduleError")]
    assert clinic.made() == []
    known.unlink()
    assert told(clinic.run(again=True)) == [("heart", month(1), "published")]
    assert path.exists()


@pytest.mark.parametrize(
    ("schedule", "fields", "what"),
    [
        ({"first": "2026-Q3"}, {}, "first is no month"),
        ({"first": "2026-13"}, {}, "not a period"),
        ({"until": "2020-01"}, {}, "until is before first"),
        ({"time_zone": "Mars/Olympus"}, {}, "no such time zone"),
        ({"time_zone": "../../etc/passwd"}, {}, "no such time zone"),
        ({"delay": 400}, {}, "delay is not 0 to 366"),
        ({"late": "left_out"}, {}, "late records come with the next release"),
        ({"late": "next"}, {"series": "increment"}, "late records come with the next release"),
        ({"unknown": 1}, {}, "unknown field"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_with_its_place(
    tmp_path: Path, schedule: dict[str, Any], fields: dict[str, Any], what: str
) -> None:
    """Each fault names the file and what is wrong."""
    sound = {"every": "month", "first": "2026-07", "time_zone": "America/New_York", "late": "next"}
    content = {"request": "heart", "requester": "R", "purpose": "P", "policy": "p", "dataset": "d", "party": "x"}
    content |= {"tables": {"a": ["b"]}, "recipients": ["r"], "expires": "2027-12-31", "schedule": sound | schedule}
    path = tmp_path / "heart.yaml"
    path.write_text(yaml.safe_dump(content | fields))
    with pytest.raises(DocumentError, match=what):
        load_request(path)


def test_a_series_under_k_goes_on_by_the_schedule_and_the_ledger_knows_it(clinic: Clinic) -> None:
    """Two missed months under a policy with k are two releases of one ledger, in their order."""
    clinic.patients = 40
    clinic.fill()
    policy = str(expert_without_ceiling(clinic.world.site))
    clinic.standing("heart", ago=2, policy=policy)
    done = clinic.run()
    assert faults(done) == []
    assert clinic.made() == [f"heart/{month(2)}", f"heart/{month(1)}"]
    site, provider = clinic.world.site.site, clinic.world.site.provider
    book = open_ledger(series_of(site, provider, "heart", "party-heart")).book
    assert book is not None
    assert [entry.release for entry in book.releases] == [month(2), month(1)]


def test_a_request_that_expired_with_months_not_made_is_told(clinic: Clinic) -> None:
    """What was due before its last day is a problem and is not made; of one that was made in time nothing is said."""
    yesterday = (NOW - timedelta(days=1)).date()
    clinic.standing("late", ago=2, expires=str(yesterday))
    done = clinic.run()
    assert told(done) == []
    assert faults(done) == [("late", month(2), "ScheduleError")]
    assert clinic.made() == []
    for ago in (2, 1):
        release = clinic.releases / "late" / month(ago)
        release.mkdir(parents=True)
        (release / "manifest.json").write_bytes(b"{}")
    assert faults(clinic.run()) == []
