"""The search of notes in a process from which no way leads to a network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deid.notes.detector import Detector
from deid.notes.known import KnownIdentifiers

REFUSE = """
import socket, os
def refuse(*args, **kwargs):
    os._exit(99)
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse
"""
NO_SOCKET = f"{REFUSE}socket.socket.__init__ = refuse\n"
# Presidio's recognizers, which are there for Presidio's own users, load urllib3, which binds a socket to ::1 to see
# whether the system has IPv6: a socket is let be there, and every use of it is not.
NO_PEER = f"""{REFUSE}
for name in ("connect", "connect_ex", "sendto", "sendmsg", "listen"):
    setattr(socket.socket, name, refuse)
"""
WORK = """
import importlib, pkgutil, sys
import deid.notes
from deid.notes.detector import Detector
from deid.notes.known import KnownIdentifiers
import pyarrow as pa
if __name__ == "__main__":
    tools = ("deid.notes.build", "deid.notes.building")
    for module in pkgutil.walk_packages(deid.notes.__path__, "deid.notes."):
        if not module.name.startswith(tools) and not module.name.endswith("hub"):
            importlib.import_module(module.name)
    known = KnownIdentifiers([("person_name", "Ximena")])
    text = "Ximena: a.b@example.co.uk, https://example.org, +44 20 7946 0958, 203.0.113.7"
    for processes in (1, 2):
        with Detector(processes=processes) as detector:
            [found] = detector.detect([text], [known])
        assert len(found) >= 5, found
    done = deid.notes.Redactor().redact(pa.array([text]), [known])
    assert "example" not in done.texts.to_pylist()[0]
    if "--dial" in sys.argv:
        import socket
        socket.create_connection(("127.0.0.1", 9), timeout=1)
"""
NOTES = json.dumps({"id": 1, "text": "Dr. Okonkwo on 03/14/2024, 617-555-0142"}) + "\n"


def guarded(folder: Path, guard: str) -> dict[str, str]:
    """Return an environment in which every Python runs `guard` first."""
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(guard)
    path = os.pathsep.join([str(folder / "guard"), *(entry for entry in sys.path if entry)])
    return {"HOME": str(folder), "PYTHONPATH": path, "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def test_searching_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, too, a search makes no socket."""

    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket.socket, "__init__", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    known = KnownIdentifiers([("person_name", "Ximena")])
    [found] = Detector().detect(["Ximena wrote from a.b@example.co.uk"], [known])
    assert len(found) >= 2
    with pytest.raises(AssertionError, match="socket"):
        socket.create_connection(("127.0.0.1", 9))


def test_everything_works_where_no_peer_is_reached(tmp_path: Path) -> None:
    """Importing, searching with one process and with two, and redacting reach nobody; that the guard holds is shown."""
    environment = guarded(tmp_path, NO_PEER)
    run = [sys.executable, "-c", WORK]
    done = subprocess.run(run, check=False, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([*run, "--dial"], check=False, env=environment, cwd=tmp_path).returncode == 99
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["sitecustomize.py"]


def test_the_command_works_where_sockets_are_refused(tmp_path: Path) -> None:
    """`deid redact` needs no socket and leaves nothing in the folders of its user."""
    environment = guarded(tmp_path, NO_SOCKET)
    run = [sys.executable, "-m", "deid", "redact", "--jsonl", "-", "--processes", "2"]
    done = subprocess.run(run, check=False, env=environment, cwd=tmp_path, input=NOTES, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "617" not in json.loads(done.stdout)["text"]
    dial = [sys.executable, "-c", "import socket; socket.socket()"]
    assert subprocess.run(dial, check=False, env=environment, cwd=tmp_path).returncode == 99
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["sitecustomize.py"]


def test_the_command_works_without_any_interface(tmp_path: Path) -> None:
    """`deid redact` works in a network namespace that has not even the loopback interface up."""
    alone = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("this system does not let a process leave the network")
    run = [*alone, sys.executable, "-m", "deid", "redact", "--jsonl", "-"]
    done = subprocess.run(run, check=False, cwd=tmp_path, input=NOTES, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "617" not in json.loads(done.stdout)["text"]
