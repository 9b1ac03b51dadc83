"""Laws of deid.keys.prf: equal to the published functions on every input, bounded in memory, uniform offsets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import KeyFaultError
from deid.keys.prf import BatchCmac, base32, derive_key, offsets

KEY = bytes(range(32))
RFC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
RFC_MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
RFC_4493 = {
    0: "bb1d6929e95937287fa37d129b756746",
    16: "070a16b46b4d4144f79bdd9dd04a287c",
    40: "dfa66747de9ae63030ca32611497c827",
    64: "51f0bebf7e3b9d92fc49741779363cfe",
}
LENGTHS = st.integers(0, 40) | st.sampled_from([15, 16, 17, 31, 32, 33, 255, 256, 257, 272, 700])
CELLS = st.none() | LENGTHS.flatmap(lambda n: st.binary(min_size=n, max_size=n))


def cmac(key: bytes, message: bytes | None) -> bytes:
    """Return the CMAC of one message by the cryptography package."""
    one = CMAC(algorithms.AES(key))
    one.update(message or b"")
    return one.finalize()


def rows(digests: np.ndarray) -> list[bytes]:
    """Return the rows of a digest matrix as bytes."""
    return [row.tobytes() for row in digests]


@pytest.mark.parametrize("length", RFC_4493)
def test_the_vectors_of_rfc_4493_are_met(length: int) -> None:
    """The four AES-128 examples of RFC 4493, section 4, come out as printed there."""
    digests = BatchCmac(RFC_KEY).digest(pa.array([RFC_MESSAGE[:length]], pa.binary()))
    assert digests.tobytes().hex() == RFC_4493[length]


@given(
    cells=st.lists(CELLS, max_size=30), cut=st.integers(0, 30), wide=st.booleans(), size=st.sampled_from([16, 24, 32])
)
def test_digests_equal_cmac_on_every_input(cells: list[bytes | None], cut: int, wide: bool, size: int) -> None:
    """Sliced, null, empty and long values have the digest that the cryptography package gives one by one."""
    values = pa.array(cells, pa.large_binary() if wide else pa.binary())[cut:]
    expected = [cmac(KEY[:size], cell) for cell in cells[cut:]]
    assert rows(BatchCmac(KEY[:size]).digest(values)) == expected


@given(
    cells=st.lists(st.none() | st.text(max_size=40), max_size=30),
    cut=st.integers(0, 30),
    kind=st.sampled_from([pa.int8(), pa.int32(), pa.uint16()]),
)
def test_dictionaries_have_the_digests_of_their_rows(cells: list[str | None], cut: int, kind: pa.DataType) -> None:
    """Dictionary encoding, with whatever index type, changes nothing."""
    plain = pa.array(cells, pa.string())
    encoded = plain.dictionary_encode()
    encoded = pa.DictionaryArray.from_arrays(encoded.indices.cast(kind), encoded.dictionary)
    assert rows(BatchCmac(KEY).digest(encoded[cut:])) == rows(BatchCmac(KEY).digest(plain[cut:]))


def test_a_null_over_bytes_is_digested_as_empty() -> None:
    """A null slot that stands over bytes, as Arrow allows, does not let them into the digest."""
    shown = pa.array(["secret", "b"])
    hidden = pa.StringArray.from_buffers(2, shown.buffers()[1], shown.buffers()[2], pa.py_buffer(b"\x02"), 1)
    assert hidden.to_pylist() == [None, "b"]
    assert rows(BatchCmac(KEY).digest(hidden)) == [cmac(KEY, b""), cmac(KEY, b"b")]


def test_one_very_long_value_does_not_cost_memory_for_every_row() -> None:
    """Four megabytes in one row of twenty thousand take a few times four megabytes, not eighty gigabytes."""
    values = pa.array([b"x" * 4_000_000] + [b"%d" % n for n in range(20_000)], pa.binary())
    tracemalloc.start()
    digests = BatchCmac(KEY).digest(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24_000_000
    assert rows(digests[:2]) == [cmac(KEY, b"x" * 4_000_000), cmac(KEY, b"0")]


def test_other_types_are_refused() -> None:
    """Numbers have no bytes of their own, so nobody digests them by accident."""
    with pytest.raises(TypeError, match="int64"):
        BatchCmac(KEY).digest(pa.array([1, 2]))
    with pytest.raises(KeyFaultError):
        BatchCmac(b"short")


def test_subkeys_are_hkdf_sha256_with_lengths() -> None:
    """A subkey is RFC 5869 over the context, each part behind its length."""
    info = b"".join(len(part).to_bytes(4, "big") + part for part in (b"deid", b"series", b"party"))
    extracted = hmac.digest(bytes(32), KEY, hashlib.sha256)
    assert derive_key(KEY, "series", "party") == hmac.digest(extracted, info + b"\x01", hashlib.sha256)


@given(one=st.lists(st.text(max_size=4), max_size=4), other=st.lists(st.text(max_size=4), max_size=4))
def test_different_contexts_never_share_a_key(one: list[str], other: list[str]) -> None:
    """However the parts are cut, two contexts have the same subkey only if they are the same."""
    assert (derive_key(KEY, *one) == derive_key(KEY, *other)) == (one == other)


def test_short_master_keys_are_refused() -> None:
    """A master key of fewer than 32 bytes is refused, and the message does not hold it."""
    with pytest.raises(KeyFaultError, match="found 31") as caught:
        derive_key(b"k" * 31, "series")
    assert "kkk" not in str(caught.value)


@given(st.lists(st.binary(min_size=10, max_size=10), max_size=20))
def test_base32_is_that_of_rfc_4648(cells: list[bytes]) -> None:
    """Every row is what the standard library writes, in small letters."""
    matrix = np.frombuffer(b"".join(cells), np.uint8).reshape(-1, 10)
    encoded = base32(matrix)
    encoded.validate(full=True)
    assert encoded.to_pylist() == [base64.b32encode(cell).decode().lower() for cell in cells]


def test_base32_takes_columns_of_a_wider_matrix() -> None:
    """The first fifteen of sixteen digest bytes, which are not contiguous, are encoded alike."""
    digests = BatchCmac(KEY).digest(pa.array(["a", "b", "c"]))
    assert base32(digests[:, :10]).to_pylist() == base32(digests[:, :10].copy()).to_pylist()
    with pytest.raises(ValueError, match="10 bytes"):
        base32(digests)


@given(limit=st.integers(1, 3650), step=st.integers(1, 3650))
@settings(max_examples=50)
def test_offsets_lie_on_the_allowed_set(limit: int, step: int) -> None:
    """Every offset is a multiple of the step within the limit; a step above the limit is refused."""
    digests = BatchCmac(KEY).digest(pa.array([str(n) for n in range(200)]))
    if step > limit:
        with pytest.raises(ValueError, match="every offset would be zero"):
            offsets(digests, max_days=limit, multiple_of=step)
        return
    days = offsets(digests, max_days=limit, multiple_of=step)
    assert days.dtype == np.int32
    assert np.abs(days).max() <= limit
    assert not (days % step).any()


def test_offsets_are_uniform_and_hold_zero() -> None:
    """Of 63,000 patients each of the 21 offsets gets about 3,000, zero among them."""
    digests = BatchCmac(KEY).digest(pa.array([str(n) for n in range(63_000)]))
    found, counts = np.unique(offsets(digests, max_days=76, multiple_of=7), return_counts=True)
    assert found.tolist() == list(range(-70, 71, 7))
    assert np.abs(counts - 3000).max() < 6 * 3000**0.5
