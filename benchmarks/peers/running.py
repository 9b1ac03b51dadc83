"""One job in a process of its own: what it says of itself, and the memory of it and of all its children together."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EVERY = 0.2  # seconds between two looks at the memory of a process and its children


class JobFailedError(Exception):
    """A job ended with an error; what it wrote last says which."""


def run(command: Sequence[str]) -> list[dict[str, Any]]:
    """Run a job and return the figures it prints as its last line.

    The peak is the higher one of what the process tells of itself and of what it and its children held together,
    shared pages shared out, as looked at five times a second.
    """
    with subprocess.Popen(list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        peak, done = [0.0], threading.Event()
        watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
        watcher.start()
        said, errors = process.communicate()
        done.set()
        watcher.join()
    if process.returncode != 0:
        lines = errors.strip().splitlines() or ["no word"]
        begin = next((n for n in range(len(lines) - 1, -1, -1) if lines[n].partition(":")[0].endswith("Error")), -1)
        raise JobFailedError(" ".join(lines[begin:])[:300])
    figures: list[dict[str, Any]] = json.loads(said.splitlines()[-1])
    for one in figures:
        one["peak"] = max(one["peak"], peak[0]) if len(figures) == 1 else one["peak"]
    return figures


def _watch(pid: int, peak: list[float], done: threading.Event) -> None:
    while not done.wait(EVERY):
        peak[0] = max(peak[0], held(pid))


def held(pid: int) -> float:
    """Return the MiB of a process that has children, and of them; 0 for one that has none, which tells it itself."""
    tree = _below(pid)
    return sum(map(_share, tree)) / 1024 if len(tree) > 1 else 0.0


def _below(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children(one)
    return found


def children(pid: int) -> list[int]:
    """Return the processes that a process has begun and that still run."""
    return [int(one) for listed in Path(f"/proc/{pid}/task").glob("*/children") for one in _text(listed).split()]


def _share(pid: int) -> int:
    lines = _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:  # it has ended meanwhile, or this is no Linux
        return ""
