"""Who may read what a run leaves on disk: the owner alone, but for releases, which are encrypted."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_sources import REQUESTED, SAFE, SOUND, World

from deid.export import export
from deid.sealing.private import make_folder, new_file, private

BAD = SOUND["patients"].rstrip() + "\n- 1950-01-02 Zandobrith 900-00-0001 M 94110"


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def mask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set the umask of the process for one test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Return the mode of everything below a folder, and of the folder."""
    return {
        str(path.relative_to(folder.parent)): stat.S_IMODE(path.lstat().st_mode)
        for path in (folder, *folder.rglob("*"))
    }


def test_nothing_of_a_run_is_open_to_others(tmp_path: Path, mask: int) -> None:
    """State and keys are for their owner during the run and after it; a release may be read, and never be written."""
    world = World(tmp_path / "site")
    site = world.site.site
    request = world.request(world.source(patients=BAD), REQUESTED, policy=SAFE, on_bad_row="quarantine")
    plan = world.site.plan(request)
    world.site.attest(plan)
    seen: dict[str, int] = {}

    def look(_what: str, _rows: int) -> None:
        for folder in (site.state, *site.releases.glob("*/.staging-*")):
            seen.update(modes(folder) if folder.exists() else {})

    done = export(plan, site, world.site.provider, progress=look)
    assert sum(done.quarantined.values()) == 1
    kept = modes(site.state) | {
        name: mode for name, mode in modes(world.folder / "keys").items() if not name.endswith(".pub")
    }
    assert any(name.startswith("state/crosswalk/generation-") and name.endswith("/index") for name in kept)
    assert any(name.startswith("state/quarantine/") and name.endswith(".parquet") for name in kept)
    assert any(name.startswith(".staging-") and name.endswith(".parquet") for name in seen)
    assert {name: oct(mode) for name, mode in (seen | kept).items() if mode & 0o077} == {}
    released = modes(done.folder)
    assert {mode for name, mode in released.items() if "." in name.rpartition("/")[2]} == {0o644}
    assert {mode for name, mode in released.items() if "." not in name.rpartition("/")[2]} == {0o755}
    for above in (site.releases, done.folder.parent):
        assert stat.S_IMODE(above.stat().st_mode) == 0o755 & ~mask


def test_private_files_and_folders(tmp_path: Path, mask: int) -> None:
    """Every folder that is made on the way is private, what exists is left as it is, and no link is followed."""
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o750)
    file = new_file(make_folder(there / "a" / "b") / "file")
    assert [oct(mode) for mode in modes(there).values()] == ["0o750", "0o700", "0o700", "0o600"]
    with pytest.raises(FileExistsError):
        new_file(file)
    with pytest.raises(FileExistsError):
        make_folder(file)
    (there / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        private(str(there / "link"), os.O_WRONLY | os.O_CREAT)
    assert not (tmp_path / "elsewhere").exists()
