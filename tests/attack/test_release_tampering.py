"""Attacks on a release on its way to the recipient: each must fail loudly, whichever way it is opened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_releases import CANARY, Made, columns, make, portable, publish, tables, visits

from deid.errors import DeidError, KeyFaultError, ReleaseError
from deid.keys.key_file import SMALLEST_N
from deid.keys.local import generate_provider
from deid.opening import open_with, verify_release
from deid.release.manifest import ENVELOPE, MAC, MANIFEST, FileEntry, Manifest
from deid.sinks.read_back import batches_of
from deid.sinks.release_keys import ReleaseKeys

FIRST, SECOND = "data/encounters/part-00000.parquet", "data/encounters/part-00001.parquet"
OTHER_TABLE = "data/patients/part-00000.parquet"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a sound release that no test changes."""
    return portable(tmp_path_factory.mktemp("releases") / "sound")


@pytest.fixture
def victim(sound: Made, tmp_path: Path) -> Made:
    """Return a copy of the sound release to attack."""
    shutil.copytree(sound.folder, tmp_path / "victim")
    return Made(tmp_path / "victim", sound.keys, sound.manifest, sound.identity, sound.identity_path)


def flip(path: Path, position: int, bit: int = 0) -> None:
    """Flip one bit of a file."""
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1 << bit
    path.write_bytes(raw)


def plaintext(made: Made) -> None:
    """Put a readable file of the same columns in place of an encrypted one."""
    pq.write_table(visits(80), made.folder / FIRST)


def exchange(made: Made) -> None:
    """Exchange two parts of a table."""
    first, second = made.folder / FIRST, made.folder / SECOND
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def edit(name: str, old: bytes, new: bytes) -> Callable[[Made], None]:
    """Return an attack that edits a text file of the release."""

    def attack(made: Made) -> None:
        content = (made.folder / name).read_bytes()
        assert old in content
        (made.folder / name).write_bytes(content.replace(old, new))

    return attack


def link(made: Made) -> None:
    """Replace a file by a link to an equal one outside."""
    shutil.move(made.folder / FIRST, made.folder.parent / "elsewhere")
    (made.folder / FIRST).symlink_to(made.folder.parent / "elsewhere")


ATTACKS: dict[str, tuple[Callable[[Made], None], str]] = {
    "a bit flipped in data": (lambda made: flip(made.folder / FIRST, 100), "SHA-256 differs"),
    "a bit flipped in the footer": (lambda made: flip(made.folder / FIRST, -20), "SHA-256 differs"),
    "a file cut": (lambda made: os.truncate(made.folder / FIRST, 500), "cut or exchanged"),
    "a file emptied": (lambda made: os.truncate(made.folder / FIRST, 0), "cut or exchanged"),
    "a file lengthened": (lambda made: os.truncate(made.folder / FIRST, 90_000), "cut or exchanged"),
    "a file missing": (lambda made: (made.folder / FIRST).unlink(), "is missing"),
    "plaintext in its place": (plaintext, "not encrypted"),
    "parts exchanged": (exchange, "cut or exchanged|SHA-256 differs"),
    "another table's file": (
        lambda made: shutil.copy(made.folder / OTHER_TABLE, made.folder / FIRST) and None,
        "cut or exchanged|SHA-256 differs",
    ),
    "an extra part": (
        lambda made: shutil.copy(made.folder / FIRST, made.folder / "data/encounters/part-00009.parquet") and None,
        "part-00009.parquet is not listed",
    ),
    "an extra file": (lambda made: (made.folder / "run-me.sh").write_text("x") and None, "run-me.sh is not listed"),
    "an extra folder": (lambda made: (made.folder / "data/more").mkdir(), "data/more is not listed"),
    "a link in place of a file": (link, "not a plain file"),
    "a linked folder": (lambda made: (made.folder / "more").symlink_to(made.folder / "data"), "more is not listed"),
    "the codebook edited": (edit("codebook.md", b"Codebook", b"Codeb00k"), "codebook.md is not the file"),
    "the manifest edited": (edit(MANIFEST, b'"k": 11', b'"k": 99'), "was changed since"),
    "a blank in the manifest": (edit(MANIFEST, b"{", b"{ "), "was changed since"),
    "the proof edited": (lambda made: (made.folder / MAC).write_text("0" * 64), "was changed since"),
    "the proof not text": (lambda made: (made.folder / MAC).write_bytes(b"\xff\xe9") and None, "was changed since"),
    "the proof missing": (lambda made: (made.folder / MAC).unlink(), "no manifest.mac"),
    "the manifest missing": (lambda made: (made.folder / MANIFEST).unlink(), "no manifest.json"),
    "the envelope missing": (lambda made: (made.folder / ENVELOPE).unlink(), "no envelope.age"),
    "the envelope damaged": (lambda made: flip(made.folder / ENVELOPE, -1), "damaged"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_on_the_folder_is_refused(victim: Made, name: str) -> None:
    """Every change of a release is an error of the release, with its file's name, a remedy and no value."""
    open_with(victim.folder, [victim.identity])
    attack, words = ATTACKS[name]
    attack(victim)
    with pytest.raises(ReleaseError, match=words) as caught:
        open_with(victim.folder, [victim.identity])
    assert caught.value.hint
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in ATTACKS if "envelope" not in name and "proof" not in name])
def test_verify_sees_an_attack_without_a_key(victim: Made, name: str) -> None:
    """What digests can tell is told without a key, all faults at once; a manifest alone proves nothing about itself."""
    ATTACKS[name][0](victim)
    if name in ("the manifest edited", "a blank in the manifest"):
        assert not verify_release(victim.folder).integrity_proven
    elif name == "the manifest missing":
        with pytest.raises(ReleaseError):
            verify_release(victim.folder)
    else:
        assert not verify_release(victim.folder).is_sound


def test_verify_names_every_fault(victim: Made) -> None:
    """Two damaged files are two faults."""
    flip(victim.folder / FIRST, 100)
    (victim.folder / SECOND).unlink()
    assert len(verify_release(victim.folder, [victim.identity]).faults) == 2


def test_an_older_version_of_a_file_is_refused(tmp_path: Path) -> None:
    """A file of an earlier run under the same release key and name decrypts, but the manifest knows its digest."""
    keys = ReleaseKeys.portable("r1")
    old = make(tmp_path / "old", keys, {"encounters": visits(80)})
    new = make(tmp_path / "new", keys, {"encounters": visits(80)})
    shutil.copy(old.folder / FIRST, new.folder / FIRST)
    with pytest.raises(ReleaseError, match="part-00000"):
        open_with(new.folder, [new.identity])


def test_a_whole_manifest_of_another_release_is_refused(victim: Made, tmp_path: Path) -> None:
    """Manifest, proof and data of another release do not pass under this release's envelope."""
    other = portable(tmp_path / "other", "r-2026-11")
    envelope = (victim.folder / ENVELOPE).read_bytes()
    shutil.rmtree(victim.folder)
    shutil.copytree(other.folder, victim.folder)
    (victim.folder / ENVELOPE).write_bytes(envelope)
    with pytest.raises(ReleaseError, match="was changed since"):
        open_with(victim.folder, [victim.identity])
    shutil.copy(other.folder / ENVELOPE, victim.folder / ENVELOPE)
    with pytest.raises(KeyFaultError):
        open_with(victim.folder, [victim.identity])


def relisted(made: Made, name: str) -> Manifest:
    """Return the manifest with digest and size of what now stands under `name`: an attacker who holds the key."""
    raw = (made.folder / name).read_bytes()
    content = {}
    for table, entry in made.manifest.tables.items():
        files = tuple(
            FileEntry(f.name, sha256(raw).hexdigest(), len(raw), f.rows, f.row_groups) if f.name == name else f
            for f in entry.files
        )
        content[table] = msgspec.structs.replace(entry, files=files)
    return msgspec.structs.replace(made.manifest, tables=content)


SWAPS = {
    "another part": SECOND,
    "another table": OTHER_TABLE,
    "another release": None,
}


@pytest.mark.parametrize("source", SWAPS)
def test_a_file_cannot_be_read_as_another(victim: Made, tmp_path: Path, source: str) -> None:
    """Even under a manifest that lists it, a file opens only as the one it was written for."""
    name = SWAPS[source]
    if name is None:  # the same key, the same table and part: only the release differs
        keys = ReleaseKeys("r-2026-11", victim.keys.profile, victim.keys.key)
        taken = make(tmp_path / "other", keys).folder / FIRST
    else:
        taken = victim.folder / name
    shutil.copy(taken, victim.folder / FIRST)
    publish(victim.folder, victim.keys, relisted(victim, FIRST))
    opened = open_with(victim.folder, [victim.identity])
    with pytest.raises(ReleaseError, match="another release, table or part"):
        opened.read("encounters")
    with pytest.raises(ReleaseError, match="another release, table or part"):
        opened.dataset("encounters").to_table()
    assert not verify_release(victim.folder, [victim.identity]).is_sound


def modules(raw: bytes) -> list[tuple[int, int]]:
    """Return start and end of each encrypted module after the magic: 4 bytes of length, then that many bytes."""
    found, at = [], 4
    while at < len(raw) - 8:
        size = int.from_bytes(raw[at : at + 4], "little")
        if size < 28 or at + 4 + size > len(raw) - 8:
            break
        found.append((at, at + 4 + size))
        at += 4 + size
    return found


@pytest.mark.parametrize("same_file_name", [True, False])
def test_a_page_cannot_be_grafted(tmp_path: Path, same_file_name: bool) -> None:
    """A module of another file under the same key, even of the same name and place, does not decrypt here."""
    keys = ReleaseKeys.portable("r1")
    table = pa.table({"patient_id": [f"P{i}" for i in range(60)]})
    one = make(tmp_path / "one", keys, {"t": table})
    other = make(tmp_path / "other", keys, {"t": table, "u": table})
    target = one.folder / "data/t/part-00000.parquet"
    donor = other.folder / ("data/t/part-00000.parquet" if same_file_name else "data/u/part-00000.parquet")
    raw, foreign = bytearray(target.read_bytes()), donor.read_bytes()
    places = modules(bytes(raw))
    assert len(places) >= 4  # header and page, of dictionary and of data, at the least
    grafted = 0
    for begin, end in places:
        if foreign[begin : begin + 4] != raw[begin : begin + 4] or begin + 4 > len(foreign):
            continue  # only a module of the same length can take the place
        changed = raw.copy()
        changed[begin:end] = foreign[begin:end]
        target.write_bytes(changed)
        grafted += 1
        with pytest.raises(ReleaseError, match="cannot be decrypted"):
            list(batches_of(one.folder, one.manifest.files()[0], keys))
    assert grafted


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_flipped_bit_changes_a_row(
    sound: Made, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Digests aside, a flipped bit beyond the first four bytes breaks the reading, or stands where nothing is read.

    The few bytes of Thrift around the encrypted footer have bits that no reader looks at.
    """
    file = sound.manifest.files()[0]
    raw = (sound.folder / file.name).read_bytes()
    position = data.draw(st.integers(4, len(raw) - 1), label="position")
    copy = tmp_path_factory.getbasetemp() / "flipped"
    path = copy / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    flip(path, position, data.draw(st.integers(0, 7), label="bit"))
    try:
        found = pa.Table.from_batches(batches_of(copy, file, sound.keys))
    except DeidError:
        return
    assert found.equals(pa.Table.from_batches(batches_of(sound.folder, file, sound.keys)))
    assert position >= len(raw) - 8 - int.from_bytes(raw[-8:-4], "little"), "a silent flip outside the footer"


@pytest.fixture(scope="module")
def by_columns(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a sound release of the `columns` profile."""
    folder = tmp_path_factory.mktemp("columns")
    return columns(folder / "r", generate_provider(folder / "site.key", b"open sesame", scrypt_n=SMALLEST_N))


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_no_flipped_bit_changes_a_row_of_the_columns_profile(
    by_columns: Made, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Beside each wrapped key pyarrow writes a few unused words (`DEFAULT`); every other bit breaks the reading."""
    file = by_columns.manifest.files()[0]
    raw = (by_columns.folder / file.name).read_bytes()
    copy = tmp_path_factory.getbasetemp() / "flipped-columns"
    path = copy / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    position = data.draw(st.integers(4, len(raw) - 1), label="position")
    flip(path, position, data.draw(st.integers(0, 7), label="bit"))
    try:
        found = pa.Table.from_batches(batches_of(copy, file, by_columns.keys))
    except DeidError:
        return
    assert found.equals(pa.Table.from_batches(batches_of(by_columns.folder, file, by_columns.keys)))
    assert b"kmsInstance" in raw[max(position - 60, 0) : position + 20]


def test_the_unflipped_file_decrypts(sound: Made) -> None:
    """The attack above would pass on an untouched copy."""
    assert sum(batch.num_rows for batch in batches_of(sound.folder, sound.manifest.files()[0], sound.keys)) == 80


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(1, 2000))
def test_no_cut_file_passes_decryption(sound: Made, tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """A file that ends early does not open."""
    file = sound.manifest.files()[0]
    raw = (sound.folder / file.name).read_bytes()
    copy = tmp_path_factory.getbasetemp() / "cut"
    (copy / file.name).parent.mkdir(parents=True, exist_ok=True)
    (copy / file.name).write_bytes(raw[: max(len(raw) - cut, 0)])
    with pytest.raises(DeidError):
        list(batches_of(copy, file, sound.keys))


def test_a_wrong_key_reads_nothing(sound: Made) -> None:
    """Files do not open under a key that was made for the same release name."""
    with pytest.raises(ReleaseError):
        list(batches_of(sound.folder, sound.manifest.files()[0], ReleaseKeys.portable(sound.keys.release)))


def test_an_envelope_with_something_else_is_refused(victim: Made) -> None:
    """What opens but holds no release key is an error of the key."""
    from deid.keys.recipients import Recipient, seal_envelope

    for payload in (
        b"",
        b"\x00" * 32,
        b'{"format":"deid-envelope/1","release":"r","profile":"portable","key":"00"}',
        victim.keys.payload().replace(b"portable", b"sideways"),
        victim.keys.payload().replace(b"r-2026-10", b"../r-2026"),
    ):
        sealed = seal_envelope(payload, [Recipient("me", victim.identity.public)])
        (victim.folder / ENVELOPE).write_bytes(sealed)
        with pytest.raises(KeyFaultError, match="not the key of a release"):
            open_with(victim.folder, [victim.identity])


def test_the_release_holds_what_was_put_in(sound: Made) -> None:
    """The canary that no message may show is in the data, so the checks above can fail."""
    found = open_with(sound.folder, [sound.identity]).read("encounters")
    assert CANARY in found["drg"].to_pylist()
    assert found.num_rows == tables()["encounters"].num_rows
