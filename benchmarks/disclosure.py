"""Disclosure control measured: the exact search for a recoding, and k, l and t beside another tool.

Run `python benchmarks/disclosure.py`; `--only search`, `measures`, and for the rest the scripts beside it
(`disclosure_codes.py`, `disclosure_series.py`, `disclosure_tables.py`, `disclosure_attackers.py`). Every case runs in a
process of its own; reading is told apart from the work. pycanon runs in an environment of its own, made in the folder
that `--pycanon-env` names, since it needs other versions of what this project uses.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deid.disclosure.diversity import Spread, told
from deid.disclosure.grouping import numbered
from deid.disclosure.lattice import Lattice
from deid.disclosure.vectors import Ladder, Tally

ADULT = Path(__file__).resolve().parents[2] / "shared" / "reference" / "adult"
PYCANON = "pycanon==1.3.6"
K, SUPPRESSION = 11, 0.05
RUNS, FASTER = 2, 20
SECONDS, MIB = {1_000_000: 2.0}, {10_000_000: 3 * 1024}  # targets, by patients
CHUNK = 1_000_000


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("search", "measures"))
    parser.add_argument("--patients", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--pycanon-env", type=Path, help="a folder for pycanon's environment, kept and used again")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(WORK[(job := json.loads(arguments.worker))["what"]](**job["with"])))
        return
    print(f"Python {platform.python_version()}, numpy {np.__version__}, pyarrow {pa.__version__}")
    with tempfile.TemporaryDirectory(prefix="deid-bench-") as temporary:
        if arguments.only in (None, "search"):
            searches(Path(temporary), arguments.patients)
        if arguments.only in (None, "measures"):
            measures(Path(temporary), arguments.pycanon_env or Path(temporary) / "pycanon")


def searches(folder: Path, sizes: list[int]) -> None:
    """Print one line for each search; seconds are of the processor."""
    print(f"\nexact search, k = {K}; targets: 1 M in 2 s beyond reading, 10 M within 3 GiB")
    print(f"{'data':<11} {'withheld':>8} {'vectors':>9} {'nodes':>7} {'counted':>7} {'loss':>7} "
          f"{'read s':>7} {'count s':>8} {'search s':>9} {'total s':>8} {'peak MiB':>9}")  # fmt: skip
    cases: list[tuple[str, Path, int]] = [("Adult x 9", ADULT, 0)] if ADULT.is_dir() else []
    for patients in sizes:
        people(folder / f"{patients}.parquet", patients)
        cases.append((f"{patients / 1e6:g} M x 6", folder / f"{patients}.parquet", patients))
    for name, path, patients in cases:
        for suppression in (0.0, SUPPRESSION):
            f = run("search", path=str(path), suppression=suppression)
            found = f"{f['vectors']:>9,} {f['nodes']:>7,} {f['counted']:>7,} {f['loss']:>7.4f}"
            seconds = f["count"] + f["search"]
            total = f"{f['read']:>7.2f} {f['count']:>8.2f} {f['search']:>9.2f} {seconds:>8.2f} {f['peak']:>9.0f}"
            is_met = seconds <= SECONDS.get(patients, seconds) and f["peak"] <= MIB.get(patients, f["peak"])
            print(f"{name:<11} {suppression:>8.0%} {found} {total}{told_of(is_met)}", flush=True)


def measures(folder: Path, environment: Path) -> None:
    """Print k, l and t of one table by this project and by pycanon, the best of as many runs of each.

    Seconds are of the processor, reading apart.
    """
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
    needed = [PYCANON, f"pyarrow=={pa.__version__}"]  # it reads the same Parquet files; nothing is done where both are
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *needed], check=True, capture_output=True)
    print(f"\nk, l and t of a table beside {PYCANON}, best of {RUNS} runs; target: {FASTER} times as fast")
    print(f"{'data':<14} {'measure':<8} {'ours':>12} {'pycanon':>12} {'ours s':>9} {'pycanon s':>10} {'times':>7}")
    cases = [("Adult x 9", table_of_adult(folder))] if ADULT.is_dir() else []
    people(folder / "small.parquet", 20_000)
    cases.append(("20,000 x 6", folder / "small.parquet"))
    for name, path in cases:
        names = pq.read_schema(path).names
        ours = run("measure", path=str(path))
        theirs = json.loads(
            subprocess.run(
                [str(python), "-W", "ignore", "-c", PEER, str(path), json.dumps(names[:-1]), names[-1], str(RUNS)],
                check=True, capture_output=True, text=True,
            ).stdout.splitlines()[-1]
        )  # fmt: skip
        for measure in ("k", "l", "t"):
            (value, seconds), (other, peer) = ours[measure], theirs[measure]
            print(f"{name:<14} {measure:<8} {value:>12.6g} {other:>12.6g} {seconds:>9.4f} {peer:>10.3f} "
                  f"{peer / seconds:>7.0f}{told_of(peer / seconds >= FASTER and same(value, other))}",
                  flush=True)  # fmt: skip


def told_of(is_met: bool) -> str:
    """Return what follows a line: nothing, or that its target is missed."""
    return "" if is_met else "  MISSED"


def same(one: float, other: float) -> bool:
    """Whether two tools measured the same."""
    return abs(one - other) < 1e-9 * max(1.0, abs(other))


def run(what: str, **arguments: Any) -> Any:
    """Do one piece of work in a process of its own."""
    job = json.dumps({"what": what, "with": arguments})
    done = subprocess.run([sys.executable, __file__, "--worker", job], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def search(path: str, suppression: float) -> dict[str, float]:
    """Read patients, count their vectors, search; processor seconds of each, and peak memory in MiB."""
    start = time.process_time()
    ladders, columns = adult(Path(path)) if path == str(ADULT) else generated(Path(path))
    read = time.process_time()
    vector, count = numbered(columns, len(columns[0]))
    first = np.zeros(count, np.int64)
    first[vector] = np.arange(len(vector))
    tally = Tally(tuple(column[first] for column in columns), np.bincount(vector, minlength=count).astype(np.int64))
    del vector, columns
    counted = time.process_time()
    lattice = Lattice(ladders, tally, k=K, suppression=suppression)
    node = lattice.best()
    done = time.process_time()
    return {"read": read - start, "count": counted - read, "search": done - counted, "loss": node.loss,
            "nodes": lattice.nodes, "counted": lattice.counted,
            "vectors": len(tally.patients), "peak": peak_mib()}  # fmt: skip


def peak_mib() -> float:
    """Return the peak resident memory of this process alone.

    What `getrusage` tells of a child begins with the peak of the process that started it.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(path: str) -> dict[str, tuple[float, float]]:
    """Measure k, the least distinct values, and the largest distance of a table whose last column is sensitive."""
    table = pq.read_table(path)
    found: dict[str, tuple[float, float]] = {}
    for name in ("k", "l", "t"):
        best = float("inf")
        for _ in range(RUNS):
            start = time.process_time()
            classes, count = numbered([numbers(column) for column in table.columns[:-1]], table.num_rows)
            if name == "k":
                value = float(np.bincount(classes, minlength=count).min())
            else:
                spread = Spread.of_patients(classes, numbers(table.columns[-1]))
                is_ordered = pa.types.is_integer(table.columns[-1].type)  # as pycanon takes numbers
                said = told(spread, np.arange(count, dtype=np.int32), count, ordered=is_ordered)
                value = float(said.distinct.min() if name == "l" else said.distance.max())
            best = min(best, time.process_time() - start)
        found[name] = (value, best)
    return found


WORK = {"search": search, "measure": measure}

PEER = """
import json, sys, time
import pandas as pd
from pycanon import anonymity
data, qi, sensitive = pd.read_parquet(sys.argv[1]), json.loads(sys.argv[2]), [sys.argv[3]]
found = {}
for name, ask in (("k", lambda: anonymity.k_anonymity(data, qi)),
                  ("l", lambda: anonymity.l_diversity(data, qi, sensitive)),
                  ("t", lambda: anonymity.t_closeness(data, qi, sensitive))):
    best = float("inf")
    for _ in range(int(sys.argv[4])):
        start = time.process_time()
        value = float(ask())
        best = min(best, time.process_time() - start)
    found[name] = (value, best)
print(json.dumps(found))
"""


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return the values of a column as numbers from 0: those of text as they come, those of numbers in their order."""
    encoded = column.combine_chunks().dictionary_encode()
    found = encoded.indices.to_numpy()
    if pa.types.is_integer(column.type):
        found = np.argsort(np.argsort(encoded.dictionary.to_numpy())).astype(np.int32)[found]
    return found


def adult(folder: Path) -> tuple[list[Ladder], list[np.ndarray]]:
    """Return the ladders and columns of Adult."""
    with (folder / "adult.csv").open() as file:
        head, *rows = csv.reader(file, delimiter=";")
    ladders, columns = [], []
    for path in sorted(folder.glob("adult_hierarchy_*.csv")):
        with path.open() as file:
            steps = [row for row in csv.reader(file, delimiter=";") if row]
        lookups = []
        for level in range(len(steps[0])):
            seen: dict[str, int] = {}
            lookups.append(np.array([seen.setdefault(row[level], len(seen)) for row in steps], np.int32))
        name = path.stem.removeprefix("adult_hierarchy_")
        ladders.append(Ladder(name, tuple(map(str, range(len(lookups)))), tuple(lookups)))
        leaf = {row[0]: i for i, row in enumerate(steps)}
        columns.append(np.array([leaf[row[head.index(name)]] for row in rows], np.int32))
    return ladders, columns


def table_of_adult(folder: Path) -> Path:
    """Write Adult as Parquet, the sensitive column, salary class, last, and return its path."""
    with (ADULT / "adult.csv").open() as file:
        head, *rows = csv.reader(file, delimiter=";")
    order = [name for name in head if name != "salary-class"] + ["salary-class"]
    table = pa.table({name: [row[head.index(name)] for row in rows] for name in order})
    pq.write_table(table, folder / "adult.parquet")
    return folder / "adult.parquet"


PLACES, AGES = 3_000, 100
WIDTHS = {"zip": (1, 10, 100, 1000, PLACES), "age": (1, 5, 10, 20, AGES), "race": (1, 3, 6), "marital": (1, 2, 5),
          "education": (1, 4, 16), "sex": (1, 2)}  # fmt: skip


def people(path: Path, patients: int) -> None:
    """Write patients with six quasi-identifiers and a diagnosis chapter, skewed as places and diagnoses are."""
    draw = np.random.default_rng(7)
    writer = None
    for start in range(0, patients, CHUNK):
        n = min(CHUNK, patients - start)
        columns = {
            "zip": np.minimum(np.minimum(draw.zipf(1.4, n), PLACES) * 7 + draw.integers(0, 300, n), PLACES - 1),
            "age": np.clip(draw.normal(45, 22, n), 0, AGES - 1),
            "race": draw.choice(6, n, p=(0.6, 0.18, 0.12, 0.06, 0.03, 0.01)),
            "marital": draw.choice(5, n, p=(0.5, 0.3, 0.1, 0.07, 0.03)),
            "education": np.minimum(draw.geometric(0.2, n), 15),
            "sex": draw.integers(0, 2, n),
            "chapter": np.minimum(draw.geometric(0.15, n), 20),
        }
        batch = pa.table({name: pa.array(values.astype(np.int32)) for name, values in columns.items()})
        writer = writer or pq.ParquetWriter(path, batch.schema)
        writer.write_table(batch)
    if writer is not None:
        writer.close()


def generated(path: Path) -> tuple[list[Ladder], list[np.ndarray]]:
    """Return the ladders and columns of generated patients, bands of each width being a rung."""
    table = pq.read_table(path, columns=list(WIDTHS))
    ladders = []
    for name, widths in WIDTHS.items():
        leaves = np.arange(widths[-1], dtype=np.int32)
        ladders.append(Ladder(name, tuple(map(str, widths)), tuple(leaves // width for width in widths)))
    return ladders, [table.column(name).combine_chunks().to_numpy().astype(np.int32) for name in WIDTHS]


if __name__ == "__main__":
    main()
