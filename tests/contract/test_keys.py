"""What every key provider promises, the files of the local one, and the key layer inside Parquet files."""

from __future__ import annotations

import base64
import copy
import hmac
import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.errors import KeyFaultError, PlanError, StorageError
from deid.keys import PROVIDERS, KeyProvider, open_provider
from deid.keys import parquet_kms as kms
from deid.keys.base import derive_subkey, encode_context, seal, unseal, unwrap_key, wrap_key
from deid.keys.files import clean_passphrase, replace_file
from deid.keys.key_file import SMALLEST_N
from deid.keys.local import LocalProvider, generate_provider, open_local

PASSPHRASE = b"correct horse battery"
KEY = bytes(range(32))


def local(folder: Path, name: str) -> KeyProvider:
    """Make a fresh local provider and open it again through the registry."""
    generate_provider(folder / f"{name}.key", PASSPHRASE, scrypt_n=SMALLEST_N)
    return open_provider(f"local:{name}.key", lambda: PASSPHRASE, folder=folder)


MAKERS: dict[str, Callable[[Path, str], KeyProvider]] = {"local": local}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for keys that one module shares."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module", params=sorted(PROVIDERS))
def pair(request: pytest.FixtureRequest, folder: Path) -> tuple[KeyProvider, KeyProvider]:
    """Two separate providers of one scheme."""
    make = MAKERS[request.param]
    return make(folder, "one"), make(folder, "two")


def test_every_provider_has_a_maker() -> None:
    """A provider in the registry cannot skip this suite."""
    assert set(PROVIDERS) == set(MAKERS)


def test_wrap_opens_under_the_same_name_only(pair: tuple[KeyProvider, KeyProvider]) -> None:
    """A wrapped key opens under its own name and its own provider, and nowhere else."""
    one, two = pair
    wrapped = one.wrap("crosswalk/a", KEY)
    assert one.unwrap("crosswalk/a", wrapped) == KEY
    with pytest.raises(KeyFaultError):
        one.unwrap("crosswalk/b", wrapped)
    with pytest.raises(KeyFaultError):
        two.unwrap("crosswalk/a", wrapped)


def test_wrapping_is_randomized(pair: tuple[KeyProvider, KeyProvider]) -> None:
    """Two wraps of one key differ, and neither holds the key."""
    one, _ = pair
    first, second = one.wrap("n", KEY), one.wrap("n", KEY)
    assert first != second
    assert KEY not in first + second


@given(st.data())
def test_a_flipped_bit_is_found(pair: tuple[KeyProvider, KeyProvider], data: st.DataObject) -> None:
    """No bit of a wrapped key can be changed unnoticed."""
    one, _ = pair
    wrapped = bytearray(one.wrap("n", KEY))
    bit = data.draw(st.integers(0, len(wrapped) * 8 - 1))
    wrapped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(KeyFaultError):
        one.unwrap("n", bytes(wrapped))


@given(st.binary(max_size=80))
def test_junk_never_unwraps(pair: tuple[KeyProvider, KeyProvider], junk: bytes) -> None:
    """Bytes that no provider wrapped give a KeyFaultError, whatever their length."""
    with pytest.raises(KeyFaultError):
        pair[0].unwrap("n", junk)


def test_only_keys_are_wrapped(pair: tuple[KeyProvider, KeyProvider]) -> None:
    """Nothing, and more than a key can be, is refused."""
    for key in (b"", bytes(4097)):
        with pytest.raises(KeyFaultError):
            pair[0].wrap("n", key)


def test_subkeys_differ_by_provider_and_context(pair: tuple[KeyProvider, KeyProvider]) -> None:
    """A subkey is 32 bytes, stable, and another for every other context, split of a context, and provider."""
    one, two = pair
    contexts = [("s", "p", "k"), ("s", "pk"), ("sp", "k"), ("s", "p", "k", ""), ("", "s", "p", "k"), ("spk",), ("",)]
    keys = [one.subkey(*context) for context in contexts] + [two.subkey("s", "p", "k")]
    assert len(set(keys)) == len(contexts) + 1
    assert {len(key) for key in keys} == {32}
    assert one.subkey("s", "p", "k") == keys[0]
    with pytest.raises(KeyFaultError):
        one.subkey()


def test_no_provider_shows_or_gives_away_a_secret(pair: tuple[KeyProvider, KeyProvider]) -> None:
    """A provider's text holds its id and no more, and it can be neither pickled nor copied."""
    one, _ = pair
    assert one.provider_id in repr(one)
    assert repr(one) == str(one)
    for give in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            give(one)
    assert not hasattr(one, "__dict__")


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_contexts_are_unambiguous(one: list[str], two: list[str]) -> None:
    """Two lists of parts give the same bytes only if they are the same list."""
    assert (encode_context(*one) == encode_context(*two)) == (one == two)


def test_subkey_equals_the_published_hkdf_steps() -> None:
    """The subkey is HKDF-SHA256 of RFC 5869, written out by hand here."""
    provider_id = "ab" * 16
    prk = hmac.digest(provider_id.encode(), KEY, "sha256")
    info = bytes.fromhex("00000003") + b"\0\0\0\x0edeid/subkey/v1" + b"\0\0\0\x01s" + b"\0\0\0\x02pk"
    expected = hmac.digest(prk, info + b"\x01", "sha256")
    assert derive_subkey(KEY, provider_id=provider_id, context=("s", "pk")) == expected


def test_a_wrapped_key_is_bound_to_the_provider_s_id() -> None:
    """Two providers with one master (a copied file given a new id) do not open each other's keys."""
    wrapped = wrap_key(KEY, provider_id="a" * 32, name="n", key=KEY)
    assert unwrap_key(KEY, provider_id="a" * 32, name="n", wrapped=wrapped) == KEY
    with pytest.raises(KeyFaultError):
        unwrap_key(KEY, provider_id="b" * 32, name="n", wrapped=wrapped)


def test_unseal_refuses_other_keys_and_contexts() -> None:
    """What was sealed opens with the same key and associated data only."""
    sealed = seal(KEY, b"x", b"a")
    assert unseal(KEY, sealed, b"a") == b"x"
    assert unseal(KEY, sealed, b"b") is None
    assert unseal(KEY[::-1], sealed, b"a") is None
    assert unseal(KEY, sealed[:20], b"a") is None


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A fresh local key file."""
    path = tmp_path / "site.key"
    generate_provider(path, PASSPHRASE, scrypt_n=SMALLEST_N)
    return path


def test_a_key_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """The file is 0600 under an open umask and a closed one, and no temporary file stays."""
    for number, mask in enumerate((0o000, 0o777)):
        before = os.umask(mask)
        try:
            generate_provider(tmp_path / f"{number}.key", PASSPHRASE, scrypt_n=SMALLEST_N)
        finally:
            os.umask(before)
        assert (tmp_path / f"{number}.key").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.key", "1.key"]


def test_a_key_file_is_private_from_its_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is created 0600, not opened wider and narrowed later: seen just before its mode is set."""
    modes: list[int] = []
    real = os.fchmod

    def spy(handle: int, mode: int) -> None:
        modes.append(os.fstat(handle).st_mode & 0o777)
        real(handle, mode)

    monkeypatch.setattr(os, "fchmod", spy)
    before = os.umask(0)
    try:
        generate_provider(tmp_path / "k", PASSPHRASE, scrypt_n=SMALLEST_N)
    finally:
        os.umask(before)
    assert modes == [0o600]


def test_a_key_file_is_never_overwritten(site: Path) -> None:
    """A second generation to the same name is refused and leaves the first as it was."""
    before = site.read_bytes()
    with pytest.raises(KeyFaultError, match="already exists"):
        generate_provider(site, PASSPHRASE, scrypt_n=SMALLEST_N)
    assert site.read_bytes() == before
    assert [path.name for path in site.parent.iterdir()] == ["site.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610])
def test_a_file_open_to_others_is_refused(site: Path, mode: int) -> None:
    """Any right for group or others refuses the file, and the hint is the command to type."""
    site.chmod(mode)
    with pytest.raises(KeyFaultError, match="chmod 600"):
        open_local(site, lambda: PASSPHRASE)


def test_a_wrong_passphrase_says_no_more(site: Path) -> None:
    """A wrong passphrase is a key fault that quotes neither the passphrase nor the cause."""
    with pytest.raises(KeyFaultError) as caught:
        open_local(site, lambda: b"sentinel-wrong")
    assert caught.value.exit_code == 15
    assert "sentinel" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_passphrases_lose_one_line_end() -> None:
    """One trailing line end is removed, of either kind, and an empty passphrase is refused."""
    assert [clean_passphrase(raw) for raw in (b"a", b"a\n", b"a\r\n", b"a\n\n", b" a ", b"a\r")] == [
        b"a",
        b"a",
        b"a",
        b"a\n",
        b" a ",
        b"a\r",
    ]
    for raw in (b"", b"\n", b"\r\n"):
        with pytest.raises(KeyFaultError):
            clean_passphrase(raw)


def test_an_empty_passphrase_makes_no_file(tmp_path: Path) -> None:
    """A provider without a passphrase is not made."""
    with pytest.raises(KeyFaultError):
        generate_provider(tmp_path / "k", b"\n", scrypt_n=SMALLEST_N)
    assert not list(tmp_path.iterdir())


CHANGES: dict[str, object] = {
    "deid_sealed": 2,
    "kind": "signing-key",
    "id": "0" * 32,
    "scrypt_n": 2**15,
    "scrypt_r": 9,
    "scrypt_p": 2,
    "salt": "A" * 22 + "==",
    "nonce": "A" * 16,
    "sealed": "A" * 108,
}


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_no_field_of_a_key_file_can_be_changed(site: Path, field: str) -> None:
    """Every field is checked or authenticated: a valid value of another file is refused."""
    fields = json.loads(site.read_bytes())
    assert set(fields) == set(CHANGES)
    fields[field] = CHANGES[field]
    site.write_text(json.dumps(fields))
    with pytest.raises(KeyFaultError):
        open_local(site, lambda: PASSPHRASE)


@pytest.mark.parametrize("n", [0, -1, 2**13, 2**14 + 1, 2**21, 2**60])
def test_scrypt_parameters_are_bounded_before_any_work(site: Path, n: int) -> None:
    """A file can ask neither for endless work nor for none."""
    fields = json.loads(site.read_bytes())
    fields["scrypt_n"] = n
    site.write_text(json.dumps(fields))
    with pytest.raises(KeyFaultError, match="out of bounds"):
        open_local(site, lambda: pytest.fail("the passphrase was asked for"))


def test_production_files_ask_for_more_work(tmp_path: Path) -> None:
    """Without a parameter N is 2^17."""
    generate_provider(tmp_path / "k", PASSPHRASE)
    assert json.loads((tmp_path / "k").read_bytes())["scrypt_n"] == 2**17


@given(st.data())
def test_damaged_files_give_key_faults(folder: Path, data: st.DataObject) -> None:
    """A cut, doubled or bit-flipped header never gives anything but a KeyFaultError."""
    path = folder / "damaged.key"
    if not path.exists():
        generate_provider(path, PASSPHRASE, scrypt_n=SMALLEST_N)
        (folder / "whole").write_bytes(path.read_bytes())
    whole = bytearray((folder / "whole").read_bytes())
    # The header only: a flip in the sealed part costs a whole scrypt and is covered field by field above.
    end = whole.index(b'"scrypt_n"')
    kind = data.draw(st.sampled_from(["flip", "cut", "double"]))
    if kind == "flip":
        bit = data.draw(st.integers(0, end * 8 - 1))
        whole[bit // 8] ^= 1 << bit % 8
    elif kind == "cut":
        del whole[data.draw(st.integers(0, len(whole) - 2)) :]
    else:
        whole = whole * 2
    path.write_bytes(bytes(whole))
    with pytest.raises(KeyFaultError):
        open_local(path, lambda: PASSPHRASE)


@pytest.mark.parametrize(
    "uri", ["", "local", "local:", ":x", "vault:x", "LOCAL:site.key", "/etc/passwd", "local:missing.key", "local:."]
)
def test_bad_uris_are_refused(tmp_path: Path, uri: str) -> None:
    """A URI without a known scheme and a file behind it gives a key fault with a hint."""
    with pytest.raises(KeyFaultError) as caught:
        open_provider(uri, lambda: PASSPHRASE, folder=tmp_path)
    assert caught.value.hint


def test_large_files_and_missing_folders_are_refused(tmp_path: Path) -> None:
    """A huge key file is not read into memory, and a folder that does not exist is a storage fault."""
    huge = tmp_path / "huge"
    huge.write_bytes(b" " * 5000)
    huge.chmod(0o600)
    with pytest.raises(KeyFaultError, match="larger"):
        open_local(huge, lambda: PASSPHRASE)
    for place in (tmp_path / "no" / "k", huge / "k"):
        with pytest.raises(StorageError):
            generate_provider(place, PASSPHRASE, scrypt_n=SMALLEST_N)
        with pytest.raises(StorageError):
            replace_file(place, b"")


def test_secrets_stay_out_of_text(site: Path) -> None:
    """Neither the text of the objects nor the file holds a master key."""
    provider = open_local(site, lambda: PASSPHRASE)
    payload = provider._secret.payload
    shown = repr(provider) + repr(provider._secret) + str([provider])
    for part in (payload[:32], payload[32:]):
        assert part.hex() not in shown
        assert repr(part)[2:-1] not in shown
        assert part not in site.read_bytes()
    with pytest.raises(TypeError):
        pickle.dumps(provider._secret)


class Counting:
    """A local provider whose calls are counted."""

    scheme: ClassVar[str] = "local"

    def __init__(self, inner: LocalProvider) -> None:
        self.inner = inner
        self.wraps = self.unwraps = 0

    @property
    def provider_id(self) -> str:
        """The inner provider's id."""
        return self.inner.provider_id

    def wrap(self, name: str, key: bytes) -> bytes:
        """Count and pass on."""
        self.wraps += 1
        return self.inner.wrap(name, key)

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Count and pass on."""
        self.unwraps += 1
        return self.inner.unwrap(name, wrapped)

    def subkey(self, *context: str) -> bytes:
        """Pass on."""
        return self.inner.subkey(*context)


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
def provider(folder: Path) -> LocalProvider:
    """One local provider for the Parquet tests."""
    return generate_provider(folder / "parquet.key", PASSPHRASE, scrypt_n=SMALLEST_N)


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


def test_parquet_round_trip_leaves_nothing_in_clear(provider: LocalProvider) -> None:
    """Plain, dotted and nested columns come back, and no text of them stands in the file."""
    data = write(kms.crypto_factory(provider, "r1"))
    assert data[:4] == b"PARE"
    assert b"CANARY" not in data
    assert read(kms.crypto_factory(provider, "r1"), data).equals(TABLE)


def test_the_provider_is_called_once_per_group(provider: LocalProvider) -> None:
    """Forty files cost three wraps to write and three unwraps to read: footer and two groups."""
    counting = Counting(provider)
    factory = kms.crypto_factory(counting, "r1")
    files = [write(factory) for _ in range(40)]
    assert (counting.wraps, counting.unwraps) == (3, 0)
    factory = kms.crypto_factory(counting, "r1")
    assert all(read(factory, data).equals(TABLE) for data in files)
    assert (counting.wraps, counting.unwraps) == (3, 3)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
    """Every pair of key-encryption key and data key that is used from now on."""
    pairs: list[tuple[bytes, bytes]] = []

    def spy(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
        pairs.append((key, plaintext))
        return seal(key, plaintext, associated)

    monkeypatch.setattr(kms, "seal", spy)
    return pairs


def test_every_key_is_256_bits_and_every_part_has_its_own(
    provider: LocalProvider, seen: list[tuple[bytes, bytes]]
) -> None:
    """The data keys that pyarrow hands over, and the keys that wrap them, are 32 bytes; no two data keys are equal."""
    write(kms.crypto_factory(provider, "r1"))
    assert len(seen) >= 1 + TABLE.num_columns
    assert {len(key) for pair in seen for key in pair} == {32}
    assert len({dek for _, dek in seen}) == len(seen)


def test_two_files_never_share_a_data_key(provider: LocalProvider, seen: list[tuple[bytes, bytes]]) -> None:
    """Fresh properties bring fresh data keys; a run has one key-encryption key per group, and shares it with no run."""
    factory = kms.crypto_factory(provider, "r1")
    write(factory)
    one_file = len(seen)
    write(factory)
    assert len({dek for _, dek in seen}) == 2 * one_file
    assert len({kek for kek, _ in seen}) == 3
    write(kms.crypto_factory(provider, "r1"))
    assert len({kek for kek, _ in seen}) == 6


def test_a_file_opens_for_its_release_and_provider_only(provider: LocalProvider, folder: Path) -> None:
    """Another release's name or another provider gives a key fault."""
    data = write(kms.crypto_factory(provider, "r1"))
    stranger = generate_provider(folder / "stranger.key", PASSPHRASE, scrypt_n=SMALLEST_N)
    for factory in (kms.crypto_factory(provider, "r2"), kms.crypto_factory(stranger, "r1")):
        with pytest.raises(KeyFaultError):
            read(factory, data)


class Denying(Counting):
    """A provider that may not open one group."""

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Refuse the group billing."""
        if name.endswith("/billing"):
            raise KeyFaultError("denied", hint="ask")
        return super().unwrap(name, wrapped)


def test_a_reader_without_one_group_reads_the_others(provider: LocalProvider) -> None:
    """A denied group denies its columns, with the provider's own error, and no other column."""
    data = write(kms.crypto_factory(provider, "r1"))
    factory = kms.crypto_factory(Denying(provider), "r1")
    assert read(factory, data, ["pid", "codes"]).equals(TABLE.select(["pid", "codes"]))
    with pytest.raises(KeyFaultError, match="denied"):
        read(factory, data, ["charge"])


def test_key_metadata_cannot_be_altered_or_moved(provider: LocalProvider) -> None:
    """A change to any field, another group's metadata, and junk are key faults."""
    run = kms._RunKeys(provider, "r1")
    client = kms._ReleaseKmsClient(provider, "r1", run)
    good = client.wrap_key(KEY, "research")
    assert client.unwrap_key(good, "research") == KEY
    other = json.loads(client.wrap_key(KEY, "billing"))
    fields = json.loads(good)
    bad = [json.dumps(fields | {name: other[name]}) for name in ("kek", "wkek", "wdek")]
    bad += [
        json.dumps(fields | change) for change in ({"v": 2}, {"kek": "x"}, {"more": 1}, {"wdek": ""}, {"wkek": "!"})
    ]
    bad += ["", "{}", "null", "\ud800", "x" * 20_000, json.dumps({k: v for k, v in fields.items() if k != "wkek"})]
    for text in bad:
        with pytest.raises(KeyFaultError):
            client.unwrap_key(text, "research")
    with pytest.raises(KeyFaultError):
        client.unwrap_key(good, "billing")
    short = json.loads(good) | {"wkek": base64.b64encode(provider.wrap("parquet/r1/research", b"x")).decode()}
    with pytest.raises(KeyFaultError):
        client.unwrap_key(json.dumps(short), "research")


def test_flipped_bits_in_a_file_are_found(provider: LocalProvider) -> None:
    """No flipped byte beyond the leading magic gives other data; every one is refused."""
    factory = kms.crypto_factory(provider, "r1")
    data = write(factory)
    for place in range(4, len(data), max(1, len(data) // 60)):
        changed = bytearray(data)
        changed[place] ^= 0x40
        with pytest.raises((KeyFaultError, OSError, ValueError, pa.ArrowException)):
            read(factory, bytes(changed))


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
