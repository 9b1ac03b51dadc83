"""Hands in the audit log: whatever is edited, deleted, reordered, cut, forked or put back is found, and named."""

from __future__ import annotations

import itertools
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from audit_logs import KEY, OTHER_KEY, event, lines, log_of, put
from sites import PASSPHRASE, TEST_SCRYPT_N

from deid.audit import AuditLog, Fault, Receipt, load_receipt, verify, write_receipt
from deid.audit import log as log_module
from deid.audit.entries import Keys, encode, hash_of
from deid.errors import AuditError, TrustError
from deid.keys.officers import SigningKey, generate_signing_key
from deid.papers.trust import TrustRoot, add_person

COUNT = 8


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log of nine entries."""
    log_of(tmp_path / "audit", range(COUNT))
    return tmp_path / "audit"


def fault_of(folder: Path, receipts: list[Receipt] | None = None, *, key: bytes | None = KEY) -> tuple[str, int | None]:
    """Return the fault that verification finds, and at which entry."""
    with pytest.raises(AuditError) as found:
        verify(folder, receipts or [], key=key)
    return found.value.fault, found.value.entry


def receipt_of(log: AuditLog) -> Receipt:
    """Return a receipt of the head as somebody keeps it."""
    return Receipt(log.head, "test", "2026-11-23T00:00:00.000Z")


def test_the_log_as_it_is_holds(folder: Path) -> None:
    """What the attacks below begin from is whole, with keys and without."""
    assert verify(folder, key=KEY).head == verify(folder, key=None).head
    assert verify(folder, key=KEY).head.entries == COUNT + 1


@pytest.mark.parametrize("place", range(COUNT + 1))
def test_no_byte_of_any_entry_can_be_changed(folder: Path, place: int) -> None:
    """One changed character, wherever it stands in a line, is found at that entry."""
    found = lines(folder)
    for at in range(0, len(found[place]) - 1, 7):
        changed = bytearray(found[place])
        changed[at] ^= 1
        put(folder, [*found[:place], bytes(changed), *found[place + 1 :]])
        with pytest.raises(Exception, match=r"changed|missing|begins no log|does not fit|stands again"):
            verify(folder, key=KEY)
    put(folder, found)
    verify(folder, key=KEY)


@pytest.mark.parametrize("spelling", [b'{"at": ', b'{ "at":', b'{"at":"\\u0032'])
def test_another_spelling_of_an_entry_is_an_edit(folder: Path, spelling: bytes) -> None:
    """A space or an escape that says the same is refused: one entry has one spelling."""
    found = lines(folder)
    begin = b'{"at":"2' if b"u0032" in spelling else b'{"at":'
    put(folder, [*found[:4], found[4].replace(begin, spelling, 1), *found[5:]])
    assert fault_of(folder) == (Fault.EDITED, 5)


def test_letters_beyond_ascii_are_an_edit(folder: Path) -> None:
    """No entry holds any, so a tag of another alphabet is an edit as others are."""
    found = lines(folder)
    changed = found[4].decode()
    put(folder, [*found[:4], f"{changed[:-4]}\u00e9{changed[-3:]}".encode(), *found[5:]])
    assert fault_of(folder) == (Fault.EDITED, 5)
    assert fault_of(folder, key=None) == (Fault.EDITED, 5)


@pytest.mark.parametrize("place", range(1, COUNT))
def test_a_deleted_entry_is_missed(folder: Path, place: int) -> None:
    """An entry that is gone from the middle is named."""
    found = lines(folder)
    put(folder, found[:place] + found[place + 1 :])
    assert fault_of(folder) == (Fault.DELETED, place + 1)
    assert fault_of(folder, key=None) == (Fault.DELETED, place + 1)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(range(1, COUNT + 1), 2)))
def test_entries_cannot_change_places(folder: Path, one: int, other: int) -> None:
    """Two entries that were swapped are found at the first."""
    found = lines(folder)
    found[one], found[other] = found[other], found[one]
    put(folder, found)
    assert fault_of(folder) == (Fault.REORDERED, one + 1)


def test_an_entry_cannot_be_said_twice(folder: Path) -> None:
    """A repeated line is out of turn."""
    found = lines(folder)
    put(folder, [*found, found[4]])
    assert fault_of(folder) == (Fault.REORDERED, COUNT + 2)


@pytest.mark.parametrize("left", range(1, COUNT + 1))
def test_a_cut_log_is_shorter_than_what_is_remembered(folder: Path, left: int) -> None:
    """Newest entries that were removed are missed by the remembered head, by a writer too."""
    put(folder, lines(folder)[:left])
    assert fault_of(folder) == (Fault.TRUNCATED, left + 1)
    with pytest.raises(AuditError, match="truncated"):
        AuditLog.open(folder, key=KEY)


def test_a_cut_log_is_shorter_than_a_receipt(folder: Path) -> None:
    """Who removes the memory too, or puts an older one back, is found out by any receipt of what was cut."""
    log = AuditLog.open(folder, key=KEY)
    shutil.copytree(folder.parent, folder.parent.parent / "old")
    early = receipt_of(log)
    log.append(event(20))
    late = receipt_of(log)
    old = folder.parent.parent / "old" / folder.name
    verify(old, [early], key=KEY)
    assert fault_of(old, [early, late]) == (Fault.TRUNCATED, COUNT + 2)
    assert fault_of(old, [late], key=None) == (Fault.TRUNCATED, COUNT + 2)


def test_an_old_folder_put_back_is_found_by_the_memory(folder: Path) -> None:
    """The folder alone, as it was earlier, is older than what is remembered beside it."""
    old = folder.parent / "copy"
    shutil.copytree(folder, old)
    AuditLog.open(folder, key=KEY).append(event(20))
    shutil.rmtree(folder)
    old.rename(folder)
    assert fault_of(folder) == (Fault.TRUNCATED, COUNT + 2)


@pytest.mark.parametrize("what", ["removed", "emptied", "damaged"])
def test_the_memory_cannot_be_taken_away(folder: Path, what: str) -> None:
    """A remembered head that is gone or damaged is a fault of its own, for verification and for writers."""
    head = folder.with_name("audit.head")
    head.unlink() if what == "removed" else head.write_bytes(b"" if what == "emptied" else b"x" * 1024)
    with pytest.raises(AuditError, match=r"remembers|neither record"):
        verify(folder, key=KEY)
    with pytest.raises(AuditError):
        AuditLog.open(folder, key=KEY)


def test_a_memory_put_back_alone_does_no_harm(folder: Path) -> None:
    """A remembered head that is older than the log is what a power cut leaves; it still holds, and is written anew."""
    head = folder.with_name("audit.head")
    old = head.read_bytes()
    log = AuditLog.open(folder, key=KEY)
    log.append(event(20)), log.append(event(21))
    head.write_bytes(old)
    verify(folder, key=KEY)
    AuditLog.open(folder, key=KEY).append(event(22))
    put(folder, lines(folder)[:-1])
    assert fault_of(folder) == (Fault.TRUNCATED, COUNT + 4)


def test_an_entry_without_its_line_feed_must_be_the_one_that_is_remembered(folder: Path, tmp_path: Path) -> None:
    """The last entry of a fork, cut by its line feed, is not healed into a log that remembers another."""
    other = tmp_path / "other" / "audit"
    shutil.copytree(folder, other)
    shutil.copy(folder.with_name("audit.head"), other.with_name("audit.head"))
    AuditLog.open(folder, key=KEY).append(event(50))
    AuditLog.open(other, key=KEY).append(event(60))
    put(folder, [*lines(folder)[:-1], lines(other)[-1][:-1]])
    assert fault_of(folder) == (Fault.FORKED, COUNT + 2)
    with pytest.raises(AuditError) as found:
        AuditLog.open(folder, key=KEY)
    assert found.value.fault == Fault.FORKED


def test_one_damaged_record_of_the_memory_does_no_harm(folder: Path) -> None:
    """Of two records one may be torn by a kill; the log goes on."""
    log = log_of(folder, range(10, 12))
    head = folder.with_name("audit.head")
    data = head.read_bytes()
    head.write_bytes(b"?" + data[1:])
    verify(folder, key=KEY)
    log.append(event(30))
    verify(folder, key=KEY)


def test_all_gone_is_a_fault_and_no_new_log(folder: Path) -> None:
    """Where all segments were removed, nobody begins a new log over it."""
    for path in folder.glob("segment-*"):
        path.unlink()
    assert fault_of(folder)[0] == Fault.TRUNCATED
    with pytest.raises(AuditError):
        AuditLog.open(folder, key=KEY)


def test_a_fork_is_found_by_two_receipts(folder: Path, tmp_path: Path) -> None:
    """Two copies that both went on have receipts that no one chain holds, and each copy is told of by the other's."""
    other = tmp_path / "other" / "audit"
    shutil.copytree(folder, other)
    shutil.copy(folder.with_name("audit.head"), other.with_name("audit.head"))
    here, there = AuditLog.open(folder, key=KEY), AuditLog.open(other, key=KEY)
    both = receipt_of(here)
    here.append(event(50)), there.append(event(60))
    one, two = receipt_of(here), receipt_of(there)
    here.append(event(51)), there.append(event(61))
    verify(folder, [both, one], key=KEY)
    verify(other, [both, two], key=KEY)
    assert fault_of(folder, [two]) == (Fault.FORKED, COUNT + 2)
    assert fault_of(other, [one], key=None) == (Fault.FORKED, COUNT + 2)
    assert fault_of(folder, [one, two])[0] == Fault.FORKED


def test_a_stretch_of_a_fork_cannot_be_spliced_in(folder: Path, tmp_path: Path) -> None:
    """Entries of a copy that went on by itself carry right tags and numbers, and do not fit this chain."""
    other = tmp_path / "other" / "audit"
    shutil.copytree(folder, other)
    shutil.copy(folder.with_name("audit.head"), other.with_name("audit.head"))
    log_of(folder, range(50, 54))
    log_of(other, range(60, 64))
    put(folder, lines(folder)[: COUNT + 2] + lines(other)[COUNT + 2 :])
    assert fault_of(folder) == (Fault.FORKED, COUNT + 3)


@pytest.mark.parametrize("key", [KEY, OTHER_KEY], ids=["another log of the site", "another site"])
def test_segments_of_another_log_do_not_fit(
    folder: Path, tmp_path: Path, key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment from elsewhere, with the right numbers, is told to be of another hand."""
    monkeypatch.setattr(log_module, "MAX_SEGMENT", 1500)
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    log_of(mine, range(20))
    log_of(theirs, range(20), key=key)
    names = sorted(path.name for path in mine.glob("segment-*"))
    assert names == sorted(path.name for path in theirs.glob("segment-*"))
    for name in names[1:]:
        kept = (mine / name).read_bytes()
        shutil.copy(theirs / name, mine / name)
        assert fault_of(mine) == (Fault.EDITED, int(name[8:18]))
        assert fault_of(mine, key=None)[0] in (Fault.EDITED, Fault.FORKED)
        (mine / name).write_bytes(kept)
    verify(mine, key=KEY)


@pytest.mark.parametrize("which", [0, 1, -2, -1])
def test_no_segment_can_be_removed(tmp_path: Path, which: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing segment is found, wherever it stood."""
    monkeypatch.setattr(log_module, "MAX_SEGMENT", 1500)
    folder = tmp_path / "audit"
    log_of(folder, range(20))
    sorted(folder.glob("segment-*"))[which].unlink()
    assert fault_of(folder)[0] == (Fault.TRUNCATED if which == -1 else Fault.DELETED)
    with pytest.raises(AuditError):
        AuditLog.open(folder, key=KEY).verify()


def test_a_torn_end_in_the_middle_is_an_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest segment can end in the middle of an entry."""
    monkeypatch.setattr(log_module, "MAX_SEGMENT", 1500)
    folder = tmp_path / "audit"
    log_of(folder, range(20))
    first = min(folder.glob("segment-*"))
    first.write_bytes(first.read_bytes()[:-1])
    assert fault_of(folder)[0] in (Fault.EDITED, Fault.DELETED)


def test_a_rewritten_log_is_found_by_a_receipt_only(folder: Path, tmp_path: Path) -> None:
    """Who holds the site's keys can write all anew, and no receipt then holds; without one nothing shows it."""
    log = AuditLog.open(folder, key=KEY)
    receipt = receipt_of(log)
    keys = Keys.of(KEY, log.head.log)
    found = lines(folder)[:1]
    for number in range(2, COUNT + 2):
        made = event(number + 100)
        found.append(encode(made, number, hash_of(found[-1][:-1]), keys) + b"\n")
    put(folder, found)
    from deid.audit.chain import Head
    from deid.audit.remembered import remember

    for _ in range(2):
        remember(folder, Head(keys.log, COUNT + 1, hash_of(found[-1][:-1])), keys)
    assert fault_of(folder, [receipt])[0] == Fault.FORKED
    folder.with_name("audit.head").unlink()
    remember(folder, Head(keys.log, COUNT + 1, hash_of(found[-1][:-1])), keys)
    verify(folder, key=KEY)
    assert fault_of(folder, [receipt]) == (Fault.FORKED, COUNT + 1)


def test_a_tag_needs_the_key(folder: Path) -> None:
    """A chain that is right in every hash, made without the key, is of another hand."""
    found = lines(folder)
    forged = encode(event(99), COUNT + 2, hash_of(found[-1][:-1]), Keys.of(OTHER_KEY, "0" * 32)) + b"\n"
    put(folder, [*found, forged])
    assert verify(folder, key=None).head.entries == COUNT + 2  # by the chain alone it cannot be told
    assert fault_of(folder) == (Fault.EDITED, COUNT + 2)
    with pytest.raises(AuditError):
        AuditLog.open(folder, key=KEY)


def trust_of(folder: Path, role: str = "site") -> tuple[SigningKey, TrustRoot]:
    """Make a signing key in a role, and a trust root that names it."""
    folder.mkdir(exist_ok=True)
    key = generate_signing_key(folder / f"{role}.key", PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    return key, add_person(folder / f"{role}.yaml", name="Site", role=role, key=folder / f"{role}.pub")


def test_a_receipt_holds_only_as_the_site_signed_it(folder: Path, tmp_path: Path) -> None:
    """A receipt that was changed, is unsigned, or is signed by an officer instead of the site, is refused."""
    log, now = AuditLog.open(folder, key=KEY), datetime.now(UTC)
    key, trust = trust_of(tmp_path / "keys")
    path = tmp_path / "receipt.json"
    made = write_receipt(path, log.head, key, site="test", at=now)
    loaded = load_receipt(path, trust, at=now)
    assert (loaded.head, loaded.signers) == (made.head, ("Site",))
    log.append(event(40))
    log.verify([loaded])
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"entries":9', b'"entries":8'))
    with pytest.raises(TrustError, match="altered"):
        load_receipt(path, trust, at=now)
    path.write_bytes(data + b" ")
    with pytest.raises(AuditError, match="cannot be read"):
        load_receipt(path, trust, at=now)
    path.write_bytes(data)
    path.with_name("receipt.json.dsse.json").unlink()
    with pytest.raises(TrustError, match="not signed"):
        load_receipt(path, trust, at=now)
    officer, officers = trust_of(tmp_path / "keys", "privacy_officer")
    write_receipt(path, log.head, officer, site="test", at=now)
    with pytest.raises(TrustError):
        load_receipt(path, officers, at=now)


def test_a_receipt_of_another_log_is_not_taken(folder: Path, tmp_path: Path) -> None:
    """A receipt tells of its own log; beside another it shows that the log was exchanged."""
    other = log_of(tmp_path / "other", range(3))
    assert fault_of(folder, [receipt_of(other)])[0] == Fault.OTHER_LOG


def test_a_memory_of_another_log_is_not_taken(folder: Path, tmp_path: Path) -> None:
    """The remembered head of another log of the site, put beside this one, does not hold."""
    log_of(tmp_path / "other", range(30))
    shutil.copy(tmp_path / "other.head", folder.with_name("audit.head"))
    assert fault_of(folder)[0] == Fault.EDITED


def test_nothing_that_is_entered_quotes_a_patient() -> None:
    """No form of the schemas takes a blank, a quote or a letter beyond ASCII: no name, address or sentence fits."""
    from deid.audit.events import SCHEMAS

    for schema in SCHEMAS.values():
        for form in schema.values():
            for text in (
                "Jane Doe",
                "Zoë",
                "1 Main St",
                "a@b.org",
                "(555) 123-4567",
                "1980-01-01T00:00",
                "",
                "x" * 8_000,
            ):
                assert not form.holds(text)
