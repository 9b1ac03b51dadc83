"""What the audit log takes, how it heals, what it remembers; docs/formats/audit.md."""

from __future__ import annotations

import hashlib
import json
import resource
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from audit_logs import BEGAN, KEY, OTHER_KEY, entries_of, event, last_segment, lines, log_of, numbers_of

from deid.audit import AuditLog, Event, EventKind, Fault, verify
from deid.audit import log as log_module
from deid.audit.events import SCHEMAS
from deid.audit.page import PAGE, with_table
from deid.errors import AuditError, KeyFaultError, StorageError

DIGEST = "ab" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a log will lie."""
    return tmp_path / "state" / "audit"


def test_an_entry_is_one_canonical_line_chained_to_the_one_before(folder: Path) -> None:
    """A reader with nothing but SHA-256 can follow the chain: keys sorted, no spaces, hash of the line before."""
    log = log_of(folder, range(3))
    prev = "0" * 64
    for number, line in enumerate(lines(folder), 1):
        found = json.loads(line)
        assert line == json.dumps(found, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        assert (found["n"], found["prev"]) == (number, prev)
        prev = hashlib.sha256(line[:-1]).hexdigest()
    assert (log.head.entries, log.head.hash) == (4, prev)


def test_files_are_for_their_owner_alone(folder: Path) -> None:
    """Folder 0700, files 0600, whatever the umask."""
    log_of(folder, range(2))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    found = [*folder.iterdir(), folder.with_name("audit.head")]
    assert len(found) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}


@pytest.mark.parametrize(
    ("subject", "details"),
    [
        ("Jane Doe", {}),
        ("study/../../etc", {}),
        ("study", {"manifest_sha256": "MRN 12345"}),
        ("study", {"outcome": "failed for patient 12345"}),
        ("study", {"patient": "12345"}),
        ("study", {"outcome": True}),
        ("study", {"manifest_sha256": 7}),
        ("study\n", {}),
    ],
)
def test_what_is_in_no_schema_is_refused_unquoted(folder: Path, subject: str, details: dict[str, Any]) -> None:
    """Subjects and details outside the closed schema enter nothing, and the error says none of their values."""
    log = log_of(folder, range(1))
    before = last_segment(folder).read_bytes()
    whole = {"manifest_sha256": DIGEST, "outcome": "passed"} | details
    with pytest.raises(AuditError) as refused:
        log.append(Event(BEGAN, EventKind.RELEASE_VERIFIED, subject, whole))
    assert not any(str(value) in str(refused.value) for value in details.values() if not isinstance(value, bool))
    assert "Jane" not in str(refused.value)
    assert last_segment(folder).read_bytes() == before


@pytest.mark.parametrize(("patients", "is_taken"), [(0, True), ("1-10", True), (11, True), (1, False), (10, False), (-1, False), ("2", False)])  # fmt: skip
def test_counts_of_patients_are_entered_as_they_may_be_shown(folder: Path, patients: Any, is_taken: bool) -> None:
    """One to ten patients are "1-10" in the log too."""
    log = log_of(folder, range(0))
    entry = Event(BEGAN, EventKind.RELEASE_PREPARED, "study/a", {"manifest_sha256": DIGEST, "patients": patients})
    if is_taken:
        assert log.append(entry).entries == 2
    else:
        with pytest.raises(AuditError, match="patients"):
            log.append(entry)


def test_every_kind_has_a_schema_and_stands_on_the_page() -> None:
    """The page's table is the one that the schemas give."""
    assert set(SCHEMAS) == set(EventKind)
    text = PAGE.read_text()
    assert with_table(text) == text


def test_a_missing_detail_is_refused(folder: Path) -> None:
    """A required detail cannot be left out."""
    with pytest.raises(AuditError, match="lacks outcome"):
        log_of(folder, range(0)).append(
            Event(BEGAN, EventKind.RELEASE_VERIFIED, "study/a", {"manifest_sha256": DIGEST})
        )


def test_a_pseudonym_stands_as_a_keyed_digest(folder: Path, tmp_path: Path) -> None:
    """The site finds a pseudonym again; who has no key cannot try them all."""
    log, other = log_of(folder, range(0)), log_of(tmp_path / "other", range(0), key=OTHER_KEY)
    assert log.pseudonym("abcd") == log.pseudonym("abcd") != other.pseudonym("abcd")
    assert hashlib.sha256(b"abcd").hexdigest()[:32] != log.pseudonym("abcd")


def test_a_clock_that_went_back_is_entered_and_told(folder: Path) -> None:
    """An earlier instant is no fault: order is by number, and verification names the place."""
    log = log_of(folder, range(3))
    log.append(event(7, at=BEGAN - timedelta(days=400)))
    log.append(event(8, at=BEGAN + timedelta(days=1)))
    assert numbers_of(folder) == [0, 1, 2, 7, 8]
    assert 5 in log.verify().clock_back
    assert 6 not in log.verify().clock_back


def test_an_instant_without_a_time_zone_is_refused(folder: Path) -> None:
    """A bare instant could be any hour of the day."""
    with pytest.raises(AuditError, match="time zone"):
        log_of(folder, range(0)).append(event(1, at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_segments_are_bounded_and_chained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full segment is followed by another, named by its first entry, on one chain; opening reads the last ones only."""
    monkeypatch.setattr(log_module, "MAX_SEGMENT", 2000)
    log = log_of(folder, range(30))
    found = sorted(folder.glob("segment-*"))
    assert len(found) > 4
    assert max(path.stat().st_size for path in found) <= 2000
    assert [json.loads(path.read_bytes().partition(b"\n")[0])["n"] for path in found] == [
        int(path.stem[8:]) for path in found
    ]
    assert log.verify().segments == len(found)
    assert AuditLog.open(folder, key=KEY).append(event(30)).entries == 32
    assert numbers_of(folder) == list(range(31))


@pytest.mark.parametrize("torn", [b"x", b'{"at":"2026-', b"\0" * 300, b"\0" * 300 + b"\n", b"\0\n{}\n", b"\xff\xfe"])
def test_a_torn_end_is_cut_off_and_told(folder: Path, torn: bytes) -> None:
    """What was never committed is cut by the next writer, who enters how much it was; all that was committed stays."""
    log_of(folder, range(3))
    with last_segment(folder).open("ab") as file:
        file.write(torn)
    assert verify(folder, key=KEY).torn == len(torn)
    AuditLog.open(folder, key=KEY).append(event(3))
    assert numbers_of(folder) == [0, 1, 2, 3]
    (healed,) = [entry for entry in entries_of(folder) if entry.kind == EventKind.LOG_HEALED]
    assert healed.details == {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}
    assert verify(folder, key=KEY).torn == 0


@pytest.mark.parametrize("cut", [1, 2, 60, 200])
def test_a_write_cut_anywhere_loses_nothing_that_was_committed(folder: Path, cut: int) -> None:
    """An entry whose write was killed, and whose head was not remembered, is kept where it is whole, else cut."""
    log = log_of(folder, range(3))
    head = folder.with_name("audit.head")
    memory = head.read_bytes()
    log.append(event(3))
    head.write_bytes(memory)  # as when the kill comes before the memory
    data = last_segment(folder).read_bytes()
    last_segment(folder).write_bytes(data[:-cut])
    AuditLog.open(folder, key=KEY).append(event(4))
    assert numbers_of(folder) == ([0, 1, 2, 3, 4] if cut == 1 else [0, 1, 2, 4])


def test_a_committed_entry_cannot_be_passed_off_as_torn(folder: Path) -> None:
    """Who cuts into the newest committed entry is found out by the remembered head, and no writer heals it away."""
    log_of(folder, range(3))
    path = last_segment(folder)
    path.write_bytes(path.read_bytes()[:-40])
    for attempt in (lambda: verify(folder, key=KEY), lambda: AuditLog.open(folder, key=KEY).append(event(9))):
        with pytest.raises(AuditError) as found:
            attempt()
        assert found.value.fault == Fault.TRUNCATED


@pytest.mark.parametrize("left", [b"", b'{"at":'])
def test_a_kill_at_the_first_entry_begins_anew(folder: Path, left: bytes) -> None:
    """A log of which nothing was committed begins again."""
    folder.mkdir(parents=True)
    (folder / "segment-0000000001.jsonl").write_bytes(left)
    assert log_of(folder, range(2)).verify().head.entries == 3


def test_a_kill_before_the_first_memory_is_made_up_for(folder: Path) -> None:
    """A log of one entry whose head was not remembered yet remembers it when it is opened."""
    log_of(folder, range(0))
    folder.with_name("audit.head").unlink()
    assert log_of(folder, range(2)).verify().head.entries == 3


def test_a_kill_at_a_new_segment_goes_on_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty newest segment is gone on with."""
    log_of(folder, range(3))
    (folder / "segment-0000000005.jsonl").touch()
    assert verify(folder, key=KEY).head.entries == 4
    AuditLog.open(folder, key=KEY).append(event(3))
    assert numbers_of(folder) == [0, 1, 2, 3]
    assert (folder / "segment-0000000005.jsonl").stat().st_size > 0


def test_an_interrupted_append_leaves_the_log_usable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between writing and remembering costs no entry and no log."""
    log = log_of(folder, range(2))

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(log_module, "remember", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log.append(event(2))
    log.append(event(3))
    assert numbers_of(folder) == [0, 1, 2, 3]


FULL = """
import resource, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from audit_logs import KEY, event
from deid.audit import AuditLog
from deid.errors import StorageError
folder = Path(sys.argv[1])
log = AuditLog.open(folder, key=KEY)
size = max(folder.glob("segment-*")).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, size + 100))
for _ in range(2):
    try:
        log.append(event(3))
    except StorageError as error:
        print(error.message)
print(max(folder.glob("segment-*")).stat().st_size == size)
"""


def test_a_full_disk_enters_nothing_and_says_so(folder: Path) -> None:
    """Where no byte more fits in the middle of an entry, the log is as it was, and goes on when there is room."""
    log = log_of(folder, range(20))
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(folder), *sys.path], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["the audit log cannot be written: File too large"] * 2 + ["True"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    log.append(event(20))
    assert numbers_of(folder) == list(range(21))


def test_another_site_s_key_is_told_from_an_edit(folder: Path) -> None:
    """A log that is opened with another key says that the key does not fit."""
    log_of(folder, range(2))
    for attempt in (lambda: verify(folder, key=OTHER_KEY), lambda: AuditLog.open(folder, key=OTHER_KEY)):
        with pytest.raises(KeyFaultError):
            attempt()


def test_no_log_is_made_by_looking_for_one(folder: Path) -> None:
    """Verifying where there is no log says so, and leaves nothing behind."""
    with pytest.raises(AuditError, match="no audit log"):
        verify(folder, key=KEY)
    with pytest.raises(AuditError, match="no audit log"):
        AuditLog.open(folder, key=KEY, create=False)
    assert not folder.exists()


def test_a_link_in_the_place_of_a_segment_is_not_followed(folder: Path, tmp_path: Path) -> None:
    """A segment that was exchanged for a link is refused."""
    log = log_of(folder, range(3))
    path = last_segment(folder)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises((AuditError, StorageError)):
        log.verify()
    with pytest.raises((AuditError, StorageError)):
        log.append(event(4))


def test_nothing_secret_is_in_a_repr(folder: Path) -> None:
    """Neither log nor keys show a key."""
    log = log_of(folder, range(0))
    assert KEY.hex() not in repr(log) + repr(log._keys)
    assert "entries=" not in repr(log._keys)


def test_two_handles_see_each_other_s_entries(folder: Path) -> None:
    """Writers take turns on one chain, each from where the other left off."""
    first, second = log_of(folder, range(0)), log_of(folder, range(0))
    for number in range(6):
        (first, second)[number % 2].append(event(number))
    assert numbers_of(folder) == list(range(6))
    assert first.append(event(6, at=datetime.now(UTC))).entries == 8


def test_threads_share_one_handle(folder: Path) -> None:
    """Appends from several threads through one handle are all there, each thread's in its order."""
    log = log_of(folder, range(0))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda thread: [log.append(event(100 * thread + i)) for i in range(20)], range(4)))
    found = numbers_of(folder)
    assert sorted(found) == [100 * thread + i for thread in range(4) for i in range(20)]
    assert all(
        [n for n in found if n // 100 == thread] == sorted(n for n in found if n // 100 == thread)
        for thread in range(4)
    )
