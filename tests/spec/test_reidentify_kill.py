"""kill -9 and a full disk at every step of an order: no answer without its entry, and nothing in clear on disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from reidentifying import Officers
from sites import PASSPHRASE
from tiny_sources import SAFE, SENTINELS

from deid.audit import Entry
from deid.audit.site import site_log
from deid.keys.recipients import load_identity, open_envelope

# Answers an order, and is stopped before the n-th call that changes the disk.
STOPPED = """
import errno, io, os, shutil, signal, sys
from dataclasses import replace
from pathlib import Path
from deid.errors import DeidError
from deid.keys import open_provider
from deid.reidentify.answers import write_answers
from deid.reidentify.run import reidentify
from deid.documents.site import load_site

base, order, request, passphrase, how = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5]
site = load_site(base / "site.yaml")
provider = open_provider(site.keys, lambda: passphrase.encode())
POINTS = {"write", "fsync", "replace", "rename", "mkdir", "rmdir", "unlink", "link", "pwrite", "ftruncate"}
if how != "killed":
    POINTS -= {"unlink"}  # which a full disk lets pass

def answer(folder, stop_at):
    count = 0
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
    here = replace(site, state=folder / "state")
    tell = lambda order, answers: write_answers(folder / "answer", order, answers)
    sys.setprofile(watch)
    try:
        reidentify(order, request, here, provider, tell=tell)
    except DeidError:
        os._exit(3)
    sys.setprofile(None)
    os._exit(3 if count >= stop_at else 0)

for stop_at in range(1, 1000):
    folder = base / f"stopped-{stop_at}"
    shutil.copytree(site.state, folder / "state")
    child = os.fork()
    if not child:
        answer(folder, stop_at)
    status = os.waitpid(child, 0)[1]
    stopped = os.WIFSIGNALED(status) if how == "killed" else os.WEXITSTATUS(status) == 3
    if not stopped:
        sys.exit(os.WEXITSTATUS(status))
"""


@pytest.mark.parametrize("how", ["killed", "disk full"])
def test_no_answer_is_there_without_its_entry(tmp_path: Path, how: str) -> None:
    """Stopped before any call that changes the disk: entry and answer, entry alone, or neither; and it can be run again."""
    officers = Officers(tmp_path / "site")
    request, done = officers.release(policy=SAFE)
    key = officers.site.researcher.with_suffix(".pub").read_text().strip()
    pseudonyms = list(officers.pseudonyms(done).values())
    order = officers.sign(officers.order(done, pseudonyms, answer=key))
    base, script = officers.site.folder, [sys.executable, "-c", STOPPED]
    arguments = [str(base), str(order.path), str(request), PASSPHRASE.decode(), how]
    subprocess.run([*script, *arguments], check=True, capture_output=True, text=True)
    seen = set()
    for folder in base.glob("stopped-*"):
        entered: list[str] = []
        log = site_log(replace(officers.site.site, state=folder / "state"), officers.site.provider)

        def keep(entry: Entry, _hash: str, into: list[str] = entered) -> None:
            into.append(str(entry.details.get("outcome", "")))

        log.verify(seen=keep)
        answered = (folder / "answer").exists()
        seen.add((entered.count("told"), answered))
        if answered:
            read = open_envelope((folder / "answer").read_bytes(), [load_identity(officers.site.researcher)])
            assert b"SENTINEL-PAT-1" in read
            assert entered.count("told") == len(pseudonyms)
        for path in folder.rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            assert not [text for text in (*SENTINELS, *pseudonyms) if text.encode() in data], path.name
        shutil.rmtree(folder)
    assert {(0, False), (2, False)} <= seen
    assert how != "killed" or (2, True) in seen
