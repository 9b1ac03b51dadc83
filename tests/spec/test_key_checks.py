"""A series never goes on under another pseudonym key unnoticed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deid.errors import KeyFaultError
from deid.keys.key_checks import FILE, steady_cmac
from deid.keys.key_file import SMALLEST_N
from deid.keys.local import LocalProvider, generate_provider
from deid.keys.prf import BatchCmac


@pytest.fixture
def provider(tmp_path: Path) -> LocalProvider:
    """A local provider."""
    return generate_provider(tmp_path / "site.key", b"correct horse battery", scrypt_n=SMALLEST_N)


class Restored:
    """A provider as a token from an old backup: the masters are the same, a pseudonym key is made anew."""

    def __init__(self, inner: LocalProvider) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        """Do everything else as before."""
        return getattr(self.inner, name)

    def cmac(self, *context: str) -> BatchCmac:
        """Return another function for one context."""
        return BatchCmac(os.urandom(32)) if context == ("s", "p", "lost") else self.inner.cmac(*context)


def test_the_same_key_is_taken_again(provider: LocalProvider, tmp_path: Path) -> None:
    """The function is the provider's own, for any number of runs and contexts."""
    values = pa.array(["a", "b"])
    for _ in range(2):
        cmac = steady_cmac(provider, tmp_path / "state" / "keys")
        for context in (("s", "p", "kept"), ("s", "p", "lost"), ("s", "pkept")):
            assert (cmac(*context).digest(values) == provider.cmac(*context).digest(values)).all()


def test_a_key_that_was_made_anew_stops_the_run(provider: LocalProvider, tmp_path: Path) -> None:
    """It is refused by name, others are taken as before, and what was noted stays."""
    folder = tmp_path / "state" / "keys"
    for kind in ("kept", "lost"):
        steady_cmac(provider, folder)("s", "p", kind)
    before = (folder / FILE).read_bytes()
    restored: Any = Restored(provider)
    steady_cmac(restored, folder)("s", "p", "kept")
    with pytest.raises(KeyFaultError, match="s, p, lost is another one"):
        steady_cmac(restored, folder)("s", "p", "lost")
    assert (folder / FILE).read_bytes() == before


def test_the_note_is_sealed_private_and_of_one_provider(provider: LocalProvider, tmp_path: Path) -> None:
    """It names no series, is 0600 in a folder of 0700, and neither opens for another provider nor when it was altered."""
    folder = tmp_path / "state" / "keys"
    steady_cmac(provider, folder)("CANARY", "p", "k")
    path = folder / FILE
    assert b"CANARY" not in path.read_bytes()
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    stranger = generate_provider(tmp_path / "other.key", b"x", scrypt_n=SMALLEST_N)
    with pytest.raises(KeyFaultError, match="does not open"):
        steady_cmac(stranger, folder)("CANARY", "p", "k")
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(bytes(changed))
    with pytest.raises(KeyFaultError, match="does not open"):
        steady_cmac(provider, folder)("CANARY", "p", "k")
