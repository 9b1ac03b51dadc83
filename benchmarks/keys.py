"""Key providers: what a release asks of them, how long they take to open, and pseudonyms from a token.

Run `python benchmarks/keys.py`. `pkcs11` needs SoftHSM2 and python-pkcs11, `aws_kms` moto's server: what is absent is
skipped. Services run on this machine: a key service over a network adds its round trip to every call that is counted.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from key_services import PASSPHRASE, PIN, Counting, moto_server, token_uri

from deid.keys import make_provider, open_provider
from deid.keys import parquet_kms as kms
from deid.keys.base import KeyProvider
from deid.keys.keys_file import open_manifest_key, wrap_keys
from deid.keys.shredding import shred_release

FILES, VALUES, ROUNDS = 200, 2_000_000, 5
GROUPS = {"identifiers": ["a"], "dates": ["b"], "codes": ["c"], "money": ["d"]}
TABLE = pa.table({name: list(range(100)) for name in "abcd"})


@contextmanager
def providers() -> Iterator[dict[str, str]]:
    """Make one provider of every scheme that can run here; yield their URIs."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        uris = {"local": f"local:{folder}/site.key"}
        skipped = []
        for scheme, uri in (
            ("pkcs11", lambda: token_uri(f"bench-{os.urandom(4).hex()}")),
            ("aws_kms", lambda: stack.enter_context(moto_server()).uri("bench")),
        ):
            try:
                uris[scheme] = uri()
            except BaseException as error:  # noqa: BLE001 - pytest's Skipped is no Exception
                skipped.append(f"{scheme}: {error}")
        os.environ.setdefault("AWS_ACCESS_KEY_ID", "testing")
        os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "testing")
        for scheme, uri in uris.items():
            make_provider(uri, lambda scheme=scheme: secret(scheme))  # type: ignore[misc]
        for reason in skipped:
            print(f"skipped {reason}")
        yield uris


def secret(scheme: str) -> bytes:
    """Return passphrase or PIN."""
    return PASSPHRASE if scheme == "local" else PIN


def opened(scheme: str, uri: str) -> KeyProvider:
    """Open a provider again."""
    return open_provider(uri, lambda: secret(scheme))


def timed(call: Callable[[], object]) -> float:
    """Return the median milliseconds of some rounds."""
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        call()
        took.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(took)


def release(provider: KeyProvider) -> None:
    """Write and read FILES files with four groups, and print what was asked for."""
    counting = Counting(provider)
    keks = kms.FreshKeks()
    factory = kms.crypto_factory("bench.r1", keks)
    configuration = kms.encryption_configuration(GROUPS, columns=TABLE.column_names)
    files = []
    for _ in range(FILES):
        sink = io.BytesIO()
        pq.write_table(TABLE, sink, encryption_properties=kms.file_encryption_properties(factory, configuration))
        files.append(sink.getvalue())
    begun = time.perf_counter()
    file = wrap_keys(counting, series="bench/p", release="bench.r1", manifest_key=bytes(32), keks=keks.made)
    wrapped_ms = (time.perf_counter() - begun) * 1e3
    calls = counting.calls.copy()
    counting.calls.clear()
    begun = time.perf_counter()
    open_manifest_key(counting, file)
    factory = kms.crypto_factory("bench.r1", kms.WrappedKeks(counting, file))
    for data in files:
        assert pq.read_table(io.BytesIO(data), decryption_properties=kms.file_decryption_properties(factory)).equals(
            TABLE
        )
    read_ms = (time.perf_counter() - begun) * 1e3
    print(f"  {FILES} files, {len(GROUPS)} groups: export {dict(calls)}, {wrapped_ms:.1f} ms")
    print(f"  open and read them: {dict(counting.calls)}, {read_ms / FILES:.2f} ms a file")
    begun = time.perf_counter()
    shred_release(provider, "bench.r1")
    print(f"  shred: {(time.perf_counter() - begun) * 1e3:.1f} ms")


def pseudonyms(provider: KeyProvider) -> None:
    """Print the CPU time of digesting a column of identifiers, of one block and of two."""
    cmac = provider.cmac("bench", "p", "patient_id")
    rng = np.random.default_rng(7)
    for length in (12, 28):
        letters = rng.integers(97, 123, (VALUES, length), np.uint8)
        ends = np.arange(0, (VALUES + 1) * length, length, dtype=np.int32)
        column = pa.StringArray.from_buffers(VALUES, pa.py_buffer(ends), pa.py_buffer(letters.tobytes()))
        took = []
        cmac.digest(column)  # the allocator keeps memory from here on: the first provider would pay for all of them
        for _ in range(ROUNDS):
            begun = time.process_time()
            for start in range(0, VALUES, 65_536):
                cmac.digest(column[start : start + 65_536])
            took.append((time.process_time() - begun) / VALUES * 1e9)
        print(f"  pseudonyms of {length} letters: {statistics.median(took):.1f} ns a value (CPU, batches of 65,536)")


def token_blocks(provider: KeyProvider) -> None:
    """Print what the token alone takes for a block."""
    cipher = provider.cmac("bench", "p", "patient_id")._cipher  # noqa: SLF001
    blocks = memoryview(os.urandom(16 * VALUES))
    print(f"  ECB blocks in bulk: {timed(lambda: cipher.each(blocks)) / VALUES * 1e6:.1f} ns a block")


def main() -> None:
    """Measure every provider."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with providers() as uris:
        for scheme, uri in uris.items():
            print(f"{scheme}: opens again in {timed(lambda scheme=scheme, uri=uri: opened(scheme, uri)):.1f} ms")  # type: ignore[misc]
            provider = opened(scheme, uri)
            release(provider)
            pseudonyms(provider)
            if scheme == "pkcs11":
                token_blocks(provider)


if __name__ == "__main__":
    main()
