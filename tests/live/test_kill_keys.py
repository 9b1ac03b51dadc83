"""A shred and a rotation that are killed at every step with the signal that nobody can catch: all there, or all gone."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made_releases import columns, in_order, visits

from deid.errors import KeyFaultError
from deid.keys.key_file import SMALLEST_N
from deid.keys.local import generate_provider, open_local
from deid.keys.shredding import rotate_release, shred_release
from deid.opening import open_with

pytestmark = [pytest.mark.live, pytest.mark.long]

# Kills itself at the n-th file that is opened for writing, renamed, linked or removed in the folder of the test.
CHILD = """
import os, signal, sys
from pathlib import Path
from deid.keys.local import open_local
from deid.keys.shredding import rotate_release, shred_release

home, what, nth = sys.argv[1], sys.argv[2], int(sys.argv[3])
provider = open_local(Path(home, "site.key"), lambda: b"correct horse battery")
met = 0

def audit(event, arguments):
    global met
    writes = event in ("os.rename", "os.remove", "os.link") or (event == "open" and arguments[2] & os.O_CREAT)
    if writes and str(arguments[0]).startswith(home):
        met += 1
        if met == nth:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(audit)
if what == "shred":
    shred_release(provider, "s.one")
else:
    rotate_release(Path(home, "one"), provider)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a provider, two releases, and a copy of it all to begin from again."""
    home = tmp_path / "begin"
    home.mkdir()
    provider = generate_provider(home / "site.key", b"correct horse battery", scrypt_n=SMALLEST_N)
    for name in ("one", "two"):
        columns(home / name, provider, f"s.{name}")
    return home


@pytest.mark.parametrize("what", ["shred", "rotate"])
def test_killed_at_every_step(home: Path, tmp_path: Path, what: str) -> None:
    """The other release reads as before, the one reads wholly or not at all, and the same command then ends the work."""
    for nth in range(1, 40):
        place = tmp_path / f"{what}{nth}"
        shutil.copytree(home, place)
        ended = subprocess.run([sys.executable, "-c", CHILD, str(place), what, str(nth)], check=False)
        provider = open_local(place / "site.key", lambda: b"correct horse battery")
        assert in_order(open_with(place / "two", [], provider=provider).read("encounters")).equals(visits())
        if what == "rotate":
            assert in_order(open_with(place / "one", [], provider=provider).read("encounters")).equals(visits())
            rotate_release(place / "one", provider)
            assert [guard.release for guard in provider.guards()] == ["s.two", "s.one"]
        else:
            if any(guard.release == "s.one" for guard in provider.guards()):
                assert in_order(open_with(place / "one", [], provider=provider).read("encounters")).equals(visits())
                shred_release(provider, "s.one")
            with pytest.raises(KeyFaultError, match="guard key"):
                open_with(place / "one", [], provider=provider)
        provider.create_guard(series="s/p", release="s.more")
        left = {path.name for path in place.iterdir()}
        assert left <= {"one", "two", "one.key", "one.pub", "two.key", "two.pub", "site.key", "site.key.store"}
        if ended.returncode != -signal.SIGKILL:
            assert ended.returncode == 0
            assert nth > 4
            return
    raise AssertionError("it never came to its end")
