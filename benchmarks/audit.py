"""The audit log: entries appended in a second by one process and by four, and verified in a second.

Run `python benchmarks/audit.py [--entries N] [--folder DIR]`. An append waits for the disk: `--folder` says on which.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from audit_logs import KEY, event

from deid.audit import AuditLog, verify
from deid.documents.site import Site
from deid.papers.register import register

APPENDS, BATCH, PROCESSES, ROUNDS = 2_000, 1_000, 4, 5
LINE = 400  # bytes of an entry, about: what the bare disk is asked to force

WRITER = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from audit_logs import KEY, event
from deid.audit import AuditLog
log, count = AuditLog.open(Path(sys.argv[1]), key=KEY), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
longest = 0.0
for number in range(count):
    begun = time.perf_counter()
    log.append(event(number))
    longest = max(longest, time.perf_counter() - begun)
print(longest)
"""


def rate(count: int, call: Callable[[], object]) -> float:
    """Return how many a second, the call having done `count`."""
    begun = time.perf_counter()
    call()
    return count / (time.perf_counter() - begun)


def bare(folder: Path) -> float:
    """Append lines of the same length to a file, each forced to disk, and nothing else."""
    descriptor = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(APPENDS):
            os.write(descriptor, b"x" * LINE)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return APPENDS


def several(folder: Path, processes: int) -> tuple[float, float]:
    """Append from several processes at once; return entries a second in all, and the longest single wait."""
    AuditLog.open(folder, key=KEY)
    each = APPENDS // processes
    command = [sys.executable, "-c", WRITER, str(folder), str(each), *sys.path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, **pipes) for _ in range(processes)]  # type: ignore[call-overload]
    for process in running:
        process.stdout.readline()
    begun = time.perf_counter()
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    waits = [float(process.stdout.readline()) for process in running]
    took = time.perf_counter() - begun
    for process in running:
        process.wait()
    assert verify(folder, key=KEY).head.entries == 1 + processes * each
    return processes * each / took, max(waits)


def filled(folder: Path, entries: int) -> AuditLog:
    """Return a log of many entries."""
    log = AuditLog.open(folder, key=KEY)
    for begin in range(0, entries, BATCH):
        log.append_all([event(number) for number in range(begin, begin + BATCH)])
    return log


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000, help="of the log that is verified")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        rounds = [rate(APPENDS, lambda: bare(folder)) for _ in range(ROUNDS)]
        print(f"bare write and fsync      {statistics.median(rounds):10,.0f} /s")
        for processes in (1, PROCESSES):
            found = [several(folder / f"log-{processes}-{turn}", processes) for turn in range(ROUNDS)]
            told = f"{statistics.median(a for a, _ in found):10,.0f} /s, longest wait {max(b for _, b in found):.2f} s"
            print(f"appends, {processes} processes      {told}")
        large = folder / "large"
        begun = time.perf_counter()
        log = filled(large, options.entries)
        print(f"appends, {BATCH:,} at once    {options.entries / (time.perf_counter() - begun):10,.0f} /s")
        size = sum(path.stat().st_size for path in large.glob("segment-*"))
        print(f"{log.head.entries:,} entries: {size / 2**20:.1f} MiB, {size / log.head.entries:.0f} bytes each")
        for told, key in (("verified", KEY), ("verified, chain only", None)):
            took = [rate(log.head.entries, lambda key=key: verify(large, key=key)) for _ in range(ROUNDS)]  # type: ignore[misc]
            print(f"{told:<25} {statistics.median(took):10,.0f} /s")
        took = [1e3 / rate(1, lambda: AuditLog.open(large, key=KEY)) for _ in range(ROUNDS)]
        print(f"opened                    {statistics.median(took):10.1f} ms")
        site = Site("bench", "", folder, folder, folder, folder)
        took = [1e3 / rate(1, lambda: register(log, site)) for _ in range(ROUNDS)]
        print(f"asked for documents       {statistics.median(took):10.1f} ms")


if __name__ == "__main__":
    main()
