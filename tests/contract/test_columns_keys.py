"""The keys of `columns` releases: inside Parquet files, in keys.json, rotated and shredded, under every provider."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from key_services import PASSPHRASE, SCHEMES, Counting, fresh, moto  # noqa: F401  # a fixture
from made_releases import columns, in_order, portable, visits

from deid.errors import KeyFaultError, PlanError, ReleaseError
from deid.keys import parquet_kms as kms
from deid.keys.base import KeyProvider, seal
from deid.keys.key_file import SMALLEST_N
from deid.keys.keys_file import KeysFile, encode_keys, open_kek, parse_keys, wrap_keys
from deid.keys.local import LocalProvider, generate_provider, open_local
from deid.keys.shredding import State, check_release, read_keys, rotate_release, shred_release, shred_series
from deid.opening import open_with

KEY = bytes(range(32))
TABLE = pa.table(
    {
        "pid": ["CANARY-PID"] * 5,
        "age.at": [1, 2, 3, 4, 5],
        "charge": [1.5] * 5,
        "codes": [["CANARY-CODE", "I10"]] * 5,
        "address": [{"city": "CANARY-CITY"}] * 5,
    }
)
GROUPS = {"research": ["pid", "age.at", "codes", "address"], "billing": ["charge"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for keys that one module shares."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def provider(folder: Path) -> LocalProvider:
    """One local provider for the tests of the format."""
    return generate_provider(folder / "parquet.key", PASSPHRASE, scrypt_n=SMALLEST_N)


@pytest.fixture(scope="module", params=SCHEMES)
def each(request: pytest.FixtureRequest, folder: Path) -> KeyProvider:
    """A provider of every scheme."""
    return fresh(request.param, folder, "each", request)


def write(factory: object, groups: dict[str, list[str]] = GROUPS) -> bytes:
    """Write TABLE encrypted and uncompressed, so that text left in clear would show."""
    sink = io.BytesIO()
    properties = kms.file_encryption_properties(
        factory, kms.encryption_configuration(groups, columns=TABLE.column_names)
    )
    pq.write_table(TABLE, sink, encryption_properties=properties, compression="none", store_schema=True)
    return sink.getvalue()


def read(factory: object, data: bytes, columns: list[str] | None = None) -> pa.Table:
    """Read a file with fresh properties of a factory."""
    return pq.read_table(
        io.BytesIO(data), columns=columns, decryption_properties=kms.file_decryption_properties(factory)
    )


def written(provider: KeyProvider, release: str = "r1") -> tuple[bytes, KeysFile]:
    """Write one file of a release, and wrap its keys."""
    keks = kms.FreshKeks()
    data = write(kms.crypto_factory(release, keks))
    return data, wrap_keys(provider, series="s/p", release=release, manifest_key=KEY, keks=keks.made)


def reader(provider: KeyProvider, file: KeysFile) -> object:
    """Return a factory that reads the release of a keys.json."""
    return kms.crypto_factory(file.release, kms.WrappedKeks(provider, file))


def test_parquet_round_trip_leaves_nothing_in_clear(each: KeyProvider) -> None:
    """Plain, dotted and nested columns come back, and no text of them stands in the file."""
    data, file = written(each)
    assert data[:4] == b"PARE"
    assert b"CANARY" not in data
    assert read(reader(each, file), data).equals(TABLE)


def test_the_provider_is_called_once_per_group(each: KeyProvider) -> None:
    """Forty files cost four wraps (footer, two groups, manifest), four to prove them, and three unwraps to read."""
    counting = Counting(each)
    keks = kms.FreshKeks()
    factory = kms.crypto_factory("r1", keks)
    files = [write(factory) for _ in range(40)]
    assert not counting.calls
    file = wrap_keys(counting, series="s/p", release="r1", manifest_key=KEY, keks=keks.made)
    assert counting.calls == {"create_guard": 1, "wrap_under": 4, "unwrap_under": 4}
    counting.calls.clear()
    factory = reader(counting, file)
    assert all(read(factory, data).equals(TABLE) for data in files)
    assert counting.calls == {"unwrap_under": 3}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    """Every pair of key-encryption key and data key that is used from now on."""
    pairs: list[tuple[bytes, bytes]] = []

    def spy(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
        pairs.append((key, plaintext))
        return seal(key, plaintext, associated)

    monkeypatch.setattr(kms, "seal", spy)
    return pairs


def test_every_key_is_256_bits_and_every_part_has_its_own(seen: list[tuple[bytes, bytes]]) -> None:
    """The data keys that pyarrow hands over, and the keys that wrap them, are 32 bytes; no two data keys are equal."""
    write(kms.crypto_factory("r1", kms.FreshKeks()))
    assert len(seen) >= 1 + TABLE.num_columns
    assert {len(key) for pair in seen for key in pair} == {32}
    assert len({dek for _, dek in seen}) == len(seen)


def test_two_files_never_share_a_data_key(seen: list[tuple[bytes, bytes]]) -> None:
    """Fresh properties bring fresh data keys; a run has one key-encryption key per group, and shares it with no run."""
    factory = kms.crypto_factory("r1", kms.FreshKeks())
    write(factory)
    one_file = len(seen)
    write(factory)
    assert len({dek for _, dek in seen}) == 2 * one_file
    assert len({kek for kek, _ in seen}) == 3
    write(kms.crypto_factory("r1", kms.FreshKeks()))
    assert len({kek for kek, _ in seen}) == 6


def test_a_file_opens_with_its_own_keys_only(each: KeyProvider, provider: LocalProvider) -> None:
    """Another release's keys.json, one that claims to be this release's, and another provider give a key fault."""
    data, file = written(each)
    _, other = written(each, "r2")
    claimed = msgspec.structs.replace(other, release="r1")
    mixed = msgspec.structs.replace(file, guard=other.guard)
    for attempt in (other, claimed, mixed):
        with pytest.raises(KeyFaultError):
            read(reader(each, attempt), data)
    stranger = written(provider)[1]
    for attempt in (file, msgspec.structs.replace(file, provider=stranger.provider)):
        with pytest.raises(KeyFaultError):
            read(reader(provider, attempt), data)


def test_a_second_run_of_one_release_does_not_open_the_first(provider: LocalProvider) -> None:
    """The keys.json of a run that was thrown away opens nothing of the next run with the same name."""
    data, _ = written(provider)
    _, second = written(provider)
    with pytest.raises(KeyFaultError):
        read(reader(provider, second), data)


def test_groups_cannot_be_exchanged_in_keys_json(provider: LocalProvider) -> None:
    """A group's key under another group's name, or under another id, does not open."""
    data, file = written(provider)
    research, billing = file.groups["research"], file.groups["billing"]
    for change in (
        {"billing": research},
        {"billing": msgspec.structs.replace(research, kek=billing.kek)},
        {"billing": msgspec.structs.replace(billing, kek=research.kek)},
    ):
        swapped = msgspec.structs.replace(file, groups={**file.groups, **change})
        with pytest.raises(KeyFaultError):
            read(reader(provider, swapped), data, ["charge"])


def test_keys_json_follows_its_format_to_the_letter(provider: LocalProvider) -> None:
    """A field that is missing, unknown or malformed, another version and junk are refused before a key is touched."""
    _, file = written(provider)
    good = json.loads(encode_keys(file))
    assert parse_keys(encode_keys(file)) == file
    bad = [
        {**good, **change} for change in ({"format": "deid-keys/1"}, {"guard": "x"}, {"more": 1}, {"manifest_key": "!"})
    ]
    bad += [{name: value for name, value in good.items() if name != left} for left in good]
    bad.append({**good, "groups": {"research": {"kek": "../x", "wrapped": ""}}})
    for data in [json.dumps(fields).encode() for fields in bad] + [b"", b"[]", b"\xff", b"[" * 5000]:
        with pytest.raises(ReleaseError):
            parse_keys(data)


def test_a_reader_without_one_group_reads_the_others(each: KeyProvider) -> None:
    """A denied group denies its columns, with the provider's own error, and no other column."""
    data, file = written(each)
    factory = reader(Counting(each, denied="billing"), file)
    assert read(factory, data, ["pid", "codes"]).equals(TABLE.select(["pid", "codes"]))
    with pytest.raises(KeyFaultError, match="denied"):
        read(factory, data, ["charge"])


def test_key_metadata_cannot_be_altered_or_moved() -> None:
    """A change to any field, another group's metadata, and junk are key faults."""
    client = kms._ReleaseKmsClient("r1", kms.FreshKeks())
    good = client.wrap_key(KEY, "research")
    assert client.unwrap_key(good, "research") == KEY
    other = json.loads(client.wrap_key(KEY, "billing"))
    fields = json.loads(good)
    bad = [json.dumps(fields | {name: other[name]}) for name in ("kek", "wdek")]
    bad += [
        json.dumps(fields | change) for change in ({"v": 1}, {"kek": "x"}, {"more": 1}, {"wdek": ""}, {"wdek": "!"})
    ]
    bad += ["", "{}", "null", "\ud800", "x" * 20_000, json.dumps({k: v for k, v in fields.items() if k != "wdek"})]
    for text in bad:
        with pytest.raises(KeyFaultError):
            client.unwrap_key(text, "research")
    with pytest.raises(KeyFaultError):
        client.unwrap_key(good, "billing")


def test_flipped_bits_in_a_file_are_found(provider: LocalProvider) -> None:
    """No flipped byte beyond the leading magic gives other data; every one is refused."""
    data, file = written(provider)
    factory = reader(provider, file)
    for place in range(4, len(data), max(1, len(data) // 60)):
        changed = bytearray(data)
        changed[place] ^= 0x40
        with pytest.raises((KeyFaultError, OSError, ValueError, pa.ArrowException)):
            read(factory, bytes(changed))


@pytest.mark.parametrize("failing", ["wrap_under", "unwrap_under"])
def test_a_provider_that_fails_on_the_way_leaves_no_guard_key(provider: LocalProvider, failing: str) -> None:
    """Where wrapping or the proof of it fails, the fault is the provider's and the new guard key is destroyed."""
    before = provider.guards()
    with pytest.raises(KeyFaultError, match="denied"):
        written(Counting(provider, failing=failing))
    assert provider.guards() == before


def test_a_shredded_release_is_unreadable_caches_included(each: KeyProvider, tmp_path: Path) -> None:
    """The release, its copies and an object that had read it before give key faults; other releases read as before."""
    made, other = columns(tmp_path / "a", each, "s.a"), columns(tmp_path / "b", each, "s.b")
    shutil.copytree(made.folder, tmp_path / "copy")
    warm = open_with(made.folder, [made.identity], provider=each)
    neighbor = open_with(other.folder, [other.identity], provider=each)
    assert in_order(warm.read("encounters")).equals(visits())
    assert in_order(neighbor.read("encounters")).equals(visits())
    done = shred_release(each, "s.a")
    assert (done.release, done.series, len(done.guards)) == ("s.a", "made/test", 1)
    with pytest.raises(KeyFaultError, match="guard key"):
        warm.read("encounters")
    for folder in (made.folder, tmp_path / "copy"):
        with pytest.raises(KeyFaultError, match="guard key"):
            open_with(folder, [], provider=each)
        with pytest.raises(KeyFaultError, match="guard key"):
            open_with(folder, [made.identity], provider=each).read("encounters")
    assert in_order(neighbor.read("encounters")).equals(visits())
    assert check_release(made.folder, each).state is State.NO_GUARD
    assert check_release(other.folder, each).state is State.OPENS
    with pytest.raises(KeyFaultError, match="no guard key"):
        shred_release(each, "s.a")


def test_a_series_is_shredded_whole_and_alone(each: KeyProvider, tmp_path: Path) -> None:
    """All releases of the series become unreadable, and no release of another series."""
    files = [written(each, f"q.{number}") for number in range(3)]
    keks = kms.FreshKeks()
    data = write(kms.crypto_factory("other.1", keks))
    other = wrap_keys(each, series="other/p", release="other.1", manifest_key=KEY, keks=keks.made)
    done = shred_series(each, "s/p")
    assert {one.release for one in done} >= {"q.0", "q.1", "q.2"}
    for encrypted, file in files:
        with pytest.raises(KeyFaultError):
            read(reader(each, file), encrypted)
    assert read(reader(each, other), data).equals(TABLE)
    with pytest.raises(KeyFaultError, match="no guard key"):
        shred_series(each, "s/p")


def test_a_kek_is_forgotten_after_a_minute(provider: LocalProvider) -> None:
    """A reader asks the provider again once a minute has passed, whatever pyarrow keeps for ten."""
    data, file = written(provider)
    now = [0.0]
    counting = Counting(provider)
    factory = kms.crypto_factory("r1", kms.WrappedKeks(counting, file, clock=lambda: now[0]))
    for seconds, asked in ((0, 3), (59, 3), (61, 6)):
        now[0] = seconds
        assert read(factory, data).equals(TABLE)
        assert counting.calls["unwrap_under"] == asked
    counting.denied = "billing"
    now[0] = 130
    with pytest.raises(KeyFaultError, match="denied"):
        read(factory, data, ["charge"])


def test_a_shred_by_another_process_is_noticed_by_a_local_reader(folder: Path) -> None:
    """A local provider that was open before, with keys in its caches, reads no further file."""
    path = folder / "shared.key"
    generate_provider(path, PASSPHRASE, scrypt_n=SMALLEST_N)
    here, there = (open_local(path, lambda: PASSPHRASE) for _ in range(2))
    data, file = written(here)
    factory = reader(here, file)
    assert read(factory, data).equals(TABLE)
    shred_release(there, "r1")
    with pytest.raises(KeyFaultError, match="guard key"):
        read(factory, data)


def test_rotation_rewrites_keys_json_alone(each: KeyProvider, tmp_path: Path) -> None:
    """After a rotation the release reads by its new keys.json, no other byte changed, and the old one opens nothing."""
    made = columns(tmp_path / "r", each, "s.rotated")
    before = {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()}
    done = rotate_release(made.folder, each)
    after = {path: path.read_bytes() for path in made.folder.rglob("*") if path.is_file()}
    assert {path.name for path in after if after[path] != before.get(path)} == {"keys.json"}
    assert set(after) == set(before)
    assert done.destroyed == (parse_keys(before[made.folder / "keys.json"]).guard,)
    assert in_order(open_with(made.folder, [], provider=each).read("encounters")).equals(visits())
    (made.folder / "keys.json").write_bytes(before[made.folder / "keys.json"])
    with pytest.raises(KeyFaultError, match="guard key"):
        open_with(made.folder, [], provider=each)


def test_a_killed_rotation_is_finished_by_the_next(provider: LocalProvider, tmp_path: Path) -> None:
    """Killed before or after keys.json was replaced, the release opens, and the next rotation leaves one guard key."""
    made = columns(tmp_path / "r", provider, "s.killed")
    file = read_keys(made.folder)
    keks = {group: open_kek(provider, file, group) for group in file.groups}
    left = wrap_keys(provider, series=file.series, release=file.release, manifest_key=made.keys.key, keks=keks)
    for keys in (file, left):  # two guard keys stand, and keys.json names the one or the other
        (made.folder / "keys.json").write_bytes(encode_keys(keys))
        assert open_with(made.folder, [], provider=provider).read("encounters").num_rows
    assert set(rotate_release(made.folder, provider).destroyed) == {file.guard, left.guard}
    assert len([guard for guard in provider.guards() if guard.release == "s.killed"]) == 1


def test_a_portable_release_has_no_keys_to_rotate_or_shred(provider: LocalProvider, tmp_path: Path) -> None:
    """It is refused with what can be done instead: its recipients hold its key."""
    made = portable(tmp_path / "r", "s.portable")
    with pytest.raises(ReleaseError, match="deid recall"):
        rotate_release(made.folder, provider)
    with pytest.raises(KeyFaultError, match="deid recall"):
        shred_release(provider, "s.portable")


@pytest.mark.parametrize(
    ("groups", "columns"),
    [
        ({"a": ["x"]}, ["x", "y"]),
        ({"a": ["x", "y"]}, ["x"]),
        ({"a": ["x"], "b": ["x"]}, ["x"]),
        ({"a": ["x", "x"]}, ["x"]),
        ({"a": ["x"], "b": ["x"]}, ["x", "x"]),
        ({"a": ["x"]}, ["X"]),
        ({"a": []}, []),
        ({"a": ["x"], "b": []}, ["x"]),
        ({"footer": ["x"]}, ["x"]),
        ({"": ["x"]}, ["x"]),
        ({"a:b": ["x"]}, ["x"]),
        ({"A": ["x"]}, ["x"]),
        ({"a": ["x,y"]}, ["x,y"]),
        ({"a": ["x:y"]}, ["x:y"]),
        ({"a": ["x;y"]}, ["x;y"]),
        ({"a": [" x"]}, [" x"]),
        ({"a": [""]}, [""]),
    ],
)
def test_an_incomplete_or_ambiguous_listing_is_refused(groups: dict[str, list[str]], columns: list[str]) -> None:
    """A column without a group would be written in clear: every listing that is not exact is refused."""
    with pytest.raises(PlanError):
        kms.encryption_configuration(groups, columns=columns)


def test_the_configuration_is_the_strict_one() -> None:
    """AES-GCM, 256 bits, encrypted footer, single wrapping."""
    made = kms.encryption_configuration({"a": ["x"]}, columns=["x"])
    assert (made.encryption_algorithm, made.data_key_length_bits) == ("AES_GCM_V1", 256)
    assert (made.plaintext_footer, made.double_wrapping, made.internal_key_material) == (False, False, True)
