"""What every key provider promises, and the files of the local one."""

from __future__ import annotations

import copy
import hmac
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from key_services import PASSPHRASE, SCHEMES, fresh, moto  # noqa: F401  # a fixture

from deid.errors import KeyFaultError, StorageError
from deid.keys import MAKERS, PROVIDERS, KeyProvider, open_provider
from deid.keys.base import derive_subkey, encode_context, seal, unseal, unwrap_key, wrap_key
from deid.keys.files import clean_passphrase, replace_file
from deid.keys.key_file import SMALLEST_N
from deid.keys.local import LocalProvider, generate_provider, open_local

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for keys that one module shares."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module", params=SCHEMES)
def pair(request: pytest.FixtureRequest, folder: Path) -> tuple[KeyProvider, KeyProvider]:
    """Two separate providers of one scheme."""
    return fresh(request.param, folder, "one", request), fresh(request.param, folder, "two", request)


def test_every_provider_is_held_to_this_suite() -> None:
    """A provider in the registry cannot skip the laws, and each can be made as well as opened."""
    assert set(PROVIDERS) == set(MAKERS) == {str(scheme.values[0]) for scheme in SCHEMES}


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


@settings(max_examples=40)  # some providers are asked over a network
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


def test_a_guard_key_opens_its_own_wraps_only(pair: tuple[KeyProvider, KeyProvider]) -> None:
    """What was wrapped under a guard key opens under it, its name and its provider, and under no other, nor the master."""
    one, two = pair
    guard, other = one.create_guard(series="s/p", release="s.r1"), one.create_guard(series="s/p", release="s.r1")
    wrapped = one.wrap_under(guard.id, "n", KEY)
    assert one.unwrap_under(guard.id, "n", wrapped) == KEY
    assert KEY not in wrapped
    for open_it in (
        lambda: one.unwrap_under(guard.id, "m", wrapped),
        lambda: one.unwrap_under(other.id, "n", wrapped),
        lambda: one.unwrap_under("0" * 32, "n", wrapped),
        lambda: one.unwrap_under("", "n", wrapped),
        lambda: one.unwrap("n", wrapped),
        lambda: two.unwrap_under(guard.id, "n", wrapped),
        lambda: one.unwrap_under(guard.id, "n", wrapped[:-1] + bytes([wrapped[-1] ^ 1])),
        lambda: one.unwrap_under(guard.id, "n", b""),
        lambda: one.unwrap_under(guard.id, "n", one.wrap("n", KEY)),
        lambda: one.wrap_under(guard.id, "n", b""),
    ):
        with pytest.raises(KeyFaultError):
            open_it()


def test_guard_keys_are_listed_by_series_and_release(pair: tuple[KeyProvider, KeyProvider]) -> None:
    """A listing gives back names as they were, with blanks, slashes and letters of any script, and of this provider only."""
    one, two = pair
    made = [
        one.create_guard(series=series, release="r.2026-10") for series in ("study/Gesundheitsamt Köln", "a b/c%20d")
    ]
    assert set(made) <= set(one.guards())
    assert not set(made) & set(two.guards())
    assert len({guard.id for guard in made}) == 2


def test_a_destroyed_guard_key_is_gone(pair: tuple[KeyProvider, KeyProvider]) -> None:
    """After it was destroyed a guard key is not listed, opens nothing, wraps nothing, and cannot be destroyed again."""
    one, two = pair
    kept, gone = (one.create_guard(series="s/p", release=name) for name in ("s.kept", "s.gone"))
    safe, lost = one.wrap_under(kept.id, "n", KEY), one.wrap_under(gone.id, "n", KEY)
    before = one.changes
    with pytest.raises(KeyFaultError):
        two.destroy_guard(gone.id + "0")
    one.destroy_guard(gone.id)
    assert one.changes != before
    assert gone not in one.guards()
    for use in (
        lambda: one.unwrap_under(gone.id, "n", lost),
        lambda: one.wrap_under(gone.id, "n", KEY),
        lambda: one.destroy_guard(gone.id),
    ):
        with pytest.raises(KeyFaultError, match="guard key"):
            use()
    assert one.unwrap_under(kept.id, "n", safe) == KEY
    assert one.destroyed_means


def test_the_pseudonym_function_is_cmac_and_differs_by_context(pair: tuple[KeyProvider, KeyProvider]) -> None:
    """It is stable, another function for every other context and provider, and takes values of any length."""
    one, two = pair
    values = pa.array(["", "a", "b" * 16, "c" * 17, "d" * 300, None])
    digests = [
        provider.cmac(*context).digest(values).tobytes()
        for provider, context in ((one, ("s", "p", "k")), (one, ("s", "pk")), (two, ("s", "p", "k")))
    ]
    assert len(set(digests)) == 3
    assert one.cmac("s", "p", "k").digest(values).tobytes() == digests[0]
    with pytest.raises(KeyFaultError):
        one.cmac()


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


def test_an_old_copy_of_the_store_opens_nothing(site: Path) -> None:
    """After a guard key was destroyed, the store from before is refused beside the key file of today."""
    provider = open_local(site, lambda: PASSPHRASE)
    guard = provider.create_guard(series="s/p", release="s.r")
    store = site.with_name("site.key.store")
    before = store.read_bytes()
    provider.destroy_guard(guard.id)
    store.write_bytes(before)
    with pytest.raises(KeyFaultError, match="does not open with its key file"):
        open_local(site, lambda: PASSPHRASE).guards()
    with pytest.raises(KeyFaultError):
        provider.guards()


def test_key_file_and_store_are_private_and_hold_no_key(site: Path) -> None:
    """Both are 0600 whatever the umask, and neither names a release or holds a guard key in clear."""
    provider = open_local(site, lambda: PASSPHRASE)
    before = os.umask(0)
    try:
        provider.destroy_guard(provider.create_guard(series="s/p", release="CANARY").id)
        guard = provider.create_guard(series="s/p", release="CANARY")
    finally:
        os.umask(before)
    files = sorted(site.parent.iterdir())
    assert [path.name for path in files] == ["site.key", "site.key.store"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    key = provider._entries[guard.id].key if provider.guards() else b""
    for path in files:
        assert b"CANARY" not in path.read_bytes()
        assert key not in path.read_bytes()
    assert key.hex() not in repr(provider._entries)
    assert repr(key)[2:-1] not in repr(provider._entries)


@pytest.mark.parametrize("point", ["before the key file", "after the key file"])
def test_a_shred_that_is_killed_happened_or_did_not(site: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Stopped on either side of the moment that counts, the key is all there or all gone, and work goes on."""
    provider = open_local(site, lambda: PASSPHRASE)
    guard, other = (provider.create_guard(series="s/p", release=name) for name in ("s.r", "s.other"))

    class Killed(BaseException):
        """What no handler of the product catches."""

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if point == "before the key file":
            patch.setattr("deid.keys.local.replace_sealed", killed)
        else:
            patch.setattr("deid.keys.local_store.StoreFile.settle", lambda *_: None)
            patch.setattr("deid.keys.local.LocalProvider._look", _once_then(LocalProvider._look, killed))
        with pytest.raises(Killed):
            provider.destroy_guard(guard.id)
    assert site.with_name("site.key.store.next").exists()
    again = open_local(site, lambda: PASSPHRASE)
    assert (guard in again.guards()) == (point == "before the key file")
    assert other in again.guards()
    made = again.create_guard(series="s/p", release="s.more")
    assert made in open_local(site, lambda: PASSPHRASE).guards()
    assert not site.with_name("site.key.store.next").exists()


def _once_then(first: Callable[..., None], then: Callable[..., None]) -> Callable[..., None]:
    calls: list[int] = []

    def call(*arguments: Any) -> None:
        calls.append(1)
        (first if len(calls) == 1 else then)(*arguments)

    return call


def test_two_processes_share_one_store(site: Path) -> None:
    """Guard keys made by several processes at once all stand, and one that another process destroyed is noticed."""
    mine = open_local(site, lambda: PASSPHRASE)
    code = (
        "import sys; from pathlib import Path; from deid.keys.local import open_local\n"
        f"p = open_local(Path({str(site)!r}), lambda: {PASSPHRASE!r})\n"
        "for n in range(10): g = p.create_guard(series='s/p', release=f'{sys.argv[1]}.{n}')\n"
        "p.destroy_guard(g.id)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(number)]) for number in range(3)]
    for number in range(10):
        mine.create_guard(series="s/p", release=f"mine.{number}")
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(mine.guards()) == 3 * 9 + 10


def test_secrets_stay_out_of_text(site: Path) -> None:
    """Neither the text of the objects nor the file holds a master key."""
    provider = open_local(site, lambda: PASSPHRASE)
    payload = provider._secret.payload
    shown = repr(provider) + repr(provider._secret) + str([provider])
    for part in (payload[:32], payload[32:64], payload[64:]):
        assert part.hex() not in shown
        assert repr(part)[2:-1] not in shown
        assert part not in site.read_bytes()
    with pytest.raises(TypeError):
        pickle.dumps(provider._secret)
