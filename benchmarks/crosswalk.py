"""The crosswalk at 10 million patients: filling, opening, committing 1 % more, looking up, leading back, copying.

Run `python benchmarks/crosswalk.py [--patients N] [--budget MIB]`. Rates are of CPU seconds in this process; commits
force to disk, and are told by the clock as well. The machine runs other things: see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import base64
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from deid.crosswalks.checking import verify
from deid.crosswalks.copies import export_copy, restore_copy
from deid.crosswalks.crosswalk import Crosswalk
from deid.crosswalks.frozen import FrozenCrosswalk
from deid.crosswalks.reversing import tags_of

KEY, DOMAIN, SITE = bytes(range(32)), "study/outcomes/patient_id", "bench"
BATCH, MIB = 65_536, 2**20


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=10_000_000)
    parser.add_argument("--budget", type=int, default=32, help="MiB of memory for the crosswalk; an export gives 32")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), asked.patients, asked.budget * MIB)


def measure(base: Path, patients: int, budget: int) -> None:
    """Fill a crosswalk, and measure everything that is done to it."""
    folder = base / "crosswalk"
    before = resident()
    fill(base, patients, budget, "all new")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"on disk                      {size / patients:10.2f} bytes a patient")
    fill(base, patients, budget, "none new")
    fill(base, patients + patients // 100, budget, "1 % new")
    with timed("open, checked"), opened(base, budget):
        pass
    with opened(base, budget) as crosswalk:
        look_up(crosswalk.freeze(), patients)
    print(f"memory, above what began     {(resident() - before) / MIB:10.0f} MiB, budget {budget / MIB:.0f} MiB")
    lead_back(folder, base, budget)
    with timed("verify, both generations"):
        verify(folder, KEY)
    with timed("export a copy"):
        export_copy(folder, KEY, base / "copy", site=SITE, at=datetime.now(UTC))
    with timed("restore the copy"):
        restore_copy(folder, KEY, base / "copy", site=SITE)


def fill(base: Path, patients: int, budget: int, what: str) -> None:
    """Show a crosswalk all patients, and freeze it."""
    spent = 0.0
    with opened(base, budget) as crosswalk:
        for start in range(0, patients, BATCH):
            ids = ids_of(np.arange(start, min(patients, start + BATCH)))
            begun = time.process_time()
            crosswalk.observe(DOMAIN, ids)
            spent += time.process_time() - begun
        print(f"observe, {what:<20}{patients / spent / 1e6:10.1f} M a CPU second")
        with timed(f"freeze and commit, {what}"):
            crosswalk.freeze()


def look_up(frozen: FrozenCrosswalk, patients: int) -> None:
    """Look random patients up, in batches as an export has them and in larger ones."""
    random = np.random.default_rng(5)
    for size, rounds in ((BATCH, 24), (16 * BATCH, 3)):
        frozen.pseudonyms(DOMAIN, ids_of(random.integers(0, patients, size)))  # each partition's digest, once
        cpu = wall = 0.0
        for _ in range(rounds):
            ids = ids_of(random.integers(0, patients, size))
            begun = time.process_time(), time.perf_counter()
            frozen.pseudonyms(DOMAIN, ids)
            cpu += time.process_time() - begun[0]
            wall += time.perf_counter() - begun[1]
        told = f"{size * rounds / cpu / 1e6:10.2f} M a CPU second, {size * rounds / wall / 1e6:.2f} M by the clock"
        print(f"look up, batches of {size:<9}{told}")


def lead_back(folder: Path, base: Path, budget: int) -> None:
    """Lead one surrogate back to its tag: every partition is opened."""
    with opened(base, budget) as crosswalk:
        pseudonym = crosswalk.freeze().pseudonyms(DOMAIN, ids_of(np.arange(7, 8)))[0].as_py()
    wanted = np.frombuffer(base64.b32decode(pseudonym.upper()), np.uint8).reshape(1, -1)
    with timed("surrogate back to tag"):
        assert tags_of(folder, KEY, DOMAIN, wanted)[0].all()


def opened(base: Path, budget: int) -> Crosswalk:
    """Open the crosswalk."""
    return Crosswalk.open(base / "crosswalk", KEY, spill=base / "spill", budget=budget)


def ids_of(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    """Return identifiers as medical record numbers look."""
    return pa.array([f"MRN-{number:09d}" for number in numbers.tolist()])


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long a block takes."""
    clock: Callable[[], float] = time.perf_counter
    begun = clock(), time.process_time()
    yield
    print(f"{what:<29}{clock() - begun[0]:10.3f} s, {time.process_time() - begun[1]:.3f} s of CPU", flush=True)


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    main()
