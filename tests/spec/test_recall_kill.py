"""kill -9 and a full disk at every step of a recall: nothing was begun, or finishing it does all that is left, once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from recalling import Recalling
from sites import PASSPHRASE

from deid.audit.entries import Entry
from deid.audit.site import site_log
from deid.documents.site import load_site
from deid.errors import KeyFaultError, ReleaseError
from deid.keys.local import open_local
from deid.opening import open_with
from deid.papers.trust import load_trust
from deid.recall.gate import SeriesGate, refuse_recalled_release
from deid.recall.run import finish
from deid.release.manifest import RECALL, RECALL_STATEMENT

# Carries a notice out in copies of a site, and is stopped before the n-th call that changes the disk.
STOPPED = """
import errno, io, os, shutil, signal, sys
from pathlib import Path
from deid.audit.site import site_log
from deid.errors import DeidError
from deid.keys import open_provider
from deid.recall.run import recall
from deid.documents.site import load_site
from deid.papers.trust import load_trust

base, copies, notice, passphrase, how, step = *map(Path, sys.argv[1:4]), *sys.argv[4:6], int(sys.argv[6])
POINTS = {"write", "fsync", "replace", "rename", "mkdir", "link", "pwrite", "ftruncate"}
POINTS |= {"unlink", "rmdir"} if how == "killed" else set()  # which a full disk lets pass

def run(folder, stop_at):
    site = load_site(folder / "site.yaml")
    provider = open_provider(site.keys, lambda: passphrase.encode())
    log, trust, count = site_log(site, provider), load_trust(site.trust), 0
    def watch(frame, event, call):
        nonlocal count
        if event != "c_call" or call.__name__ not in POINTS:
            return
        if call.__module__ in ("posix", "_io", "io") or isinstance(call.__self__, io.IOBase):
            count += 1
            if count == stop_at and how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if count == stop_at:
                sys.setprofile(None)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    sys.setprofile(watch)
    try:
        recall(notice, site, provider, log, trust)
    except DeidError:
        os._exit(3)
    sys.setprofile(None)
    os._exit(3 if count >= stop_at else 0)

for stop_at in range(1, 1000, step):
    folder = copies / f"{stop_at:03d}"
    shutil.copytree(base, folder)
    child = os.fork()
    if not child:
        run(folder, stop_at)
    status = os.waitpid(child, 0)[1]
    if not (os.WIFSIGNALED(status) if how == "killed" else os.WEXITSTATUS(status) == 3):
        sys.exit(os.WEXITSTATUS(status))
"""


@pytest.mark.parametrize(
    ("how", "step"),
    [
        ("killed", 17),
        ("disk full", 17),
        pytest.param("killed", 1, marks=pytest.mark.long),
        pytest.param("disk full", 1, marks=pytest.mark.long),
    ],
)
def test_a_recall_that_was_stopped_is_finished(tmp_path: Path, how: str, step: int) -> None:
    """Stopped before any call that changes the disk: untouched, or refused at once and whole after `finish`."""
    made = Recalling(tmp_path / "site")
    first, _ = made.series("r1", "r2")
    made.site.site.state.joinpath("recalls").mkdir(exist_ok=True)
    notice = made.sign(made.draft(first))
    copies = tmp_path / "copies"
    copies.mkdir()
    script = [sys.executable, "-c", STOPPED]
    arguments = [str(made.site.folder), str(copies), str(notice), PASSPHRASE.decode(), how, str(step)]
    subprocess.run([*script, *arguments], check=True, capture_output=True, text=True)
    seen = {_check(folder, first.parent.name) for folder in sorted(copies.iterdir())}
    assert seen == {"untouched", "finished"}


def _check(copy: Path, request: str) -> str:
    site = load_site(copy / "site.yaml")
    provider = open_local(copy / "keys" / "site.key", lambda: PASSPHRASE)
    log, trust = site_log(site, provider), load_trust(site.trust)
    folders = [site.releases / request / name for name in ("r1", "r2")]
    recalls = site.state / "recalls"
    if not [path for path in recalls.iterdir() if path.is_dir() and not path.name.startswith(".")]:
        assert finish(site, provider, log, trust) == []
        assert [path.name for path in recalls.iterdir()] in ([], ["LOCK"])
        for folder in folders:
            assert open_with(folder, [], provider=provider).read("patients").num_rows == 2
            refuse_recalled_release(folder, site, log)
        return "untouched"
    for folder in folders:  # from the mark on, before anything is finished
        with pytest.raises(ReleaseError, match="was recalled by"):
            refuse_recalled_release(folder, site, log)
    with (
        pytest.raises(ReleaseError, match="stands still"),
        SeriesGate(request, "outcomes", "0" * 64, site, trust, log, datetime.now(UTC)),
    ):
        pass
    (done,) = finish(site, provider, log, trust)
    assert done.failed == ()
    (again,) = finish(site, provider, log, trust)
    assert (again.shredded, again.notified, again.failed) == ((), (), ())
    assert provider.guards() == ()
    for folder in folders:
        assert {path.name for path in (folder / RECALL, folder / RECALL_STATEMENT) if path.is_file()} == {
            RECALL,
            RECALL_STATEMENT,
        }
        (folder / RECALL).unlink()
        with pytest.raises(KeyFaultError, match="no guard key"):
            open_with(folder, [], provider=provider)
    entries: list[Entry] = []
    log.verify(seen=lambda entry, _: entries.append(entry))
    recalled = [entry.subject for entry in entries if entry.kind == "release-recalled"]
    assert recalled == [f"{request}/r1", f"{request}/r2"]
    assert {entry.subject for entry in entries if entry.kind == "key-shredded"} == set(recalled)
    left = [path.name for path in folders[0].parent.iterdir() if RECALL in path.name]
    assert left == []
    shutil.rmtree(copy)
    return "finished"
