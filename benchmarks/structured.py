"""The cost of an export over the floor: every read, encrypted write and read-back that its plan must do, done bare.

Run `python benchmarks/structured.py`. Export and floor run in processes of their own, interleaved, on the same files;
what is printed is CPU time (user and system, all threads) of both with their ratio, and the export's peak memory.

The floor reads, with pyarrow alone, exactly the columns of each reading that the plan needs (the observing one too,
where something must be decided), writes the columns that are released as text to encrypted Parquet with the settings
of a release, and reads them back. It parses no date, makes no pseudonym, checks nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

BLOCK = 8 * 2**20
ROWS = 500_000
TABLES = {
    "patients": ["patient_id", "birth_date", "sex", "zip_code"],
    "encounters": [
        "patient_id",
        "encounter_id",
        "encounter_class",
        "admit_date",
        "discharge_date",
        "drg",
        "discharge_status",
        "total_charge",
    ],
    "diagnoses": ["patient_id", "encounter_id", "icd10cm", "sequence"],
}
POLICIES = ("limited-data-set", "safe-harbor", "expert-k11")


def make_source(folder: Path, encounters: int) -> int:
    """Write a population of about that many encounters; return the number of patients."""
    from deid.synthetic import generate_chunks
    from deid.synthetic.writers.claims import write_claims_csv

    patients = encounters * 20_000 // 97_520
    write_claims_csv(generate_chunks(7, patients, notes=0.0), folder)
    return patients


def main() -> None:
    """Print one table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encounters", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--policies", nargs="+", default=list(POLICIES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="keep the population here, and use it again")
    arguments = parser.parse_args()
    if arguments.worker:
        work(json.loads(arguments.worker))
        return
    print(f"Python {platform.python_version()}, pyarrow {pa.__version__}, {os.cpu_count()} cores")
    print(
        f"{'encounters':>12} {'policy':<18} {'floor CPU s':>12} {'export CPU s':>13}",
        f"{'ratio':>6} {'wall s':>7} {'peak MiB':>9}",
    )
    for encounters in arguments.encounters:
        measure(encounters, arguments.policies, arguments.rounds, arguments.folder)


def measure(encounters: int, policies: list[str], rounds: int, keep: Path | None) -> None:
    """Measure export and floor, interleaved, and print one line a policy."""
    with tempfile.TemporaryDirectory(prefix="deid-bench-") as temporary:
        folder = (keep or Path(temporary)) / f"population-{encounters}"
        if not folder.exists():
            folder.mkdir(parents=True)
            make_source(folder, encounters)
        for policy in policies:
            floors, exports = [], []
            for number in range(rounds):
                place = Path(temporary) / f"{policy}-{number}"
                floors.append(
                    run({"what": "floor", "source": str(folder), "policy": policy, "out": str(place) + "-floor"})
                )
                exports.append(run({"what": "export", "source": str(folder), "policy": policy, "out": str(place)}))
            floor = statistics.median(f["cpu"] for f in floors)
            export = statistics.median(e["cpu"] for e in exports)
            wall = statistics.median(e["wall"] for e in exports)
            peak = max(e["peak"] for e in exports)
            print(
                f"{encounters:>12,} {policy:<18} {floor:>12.2f} {export:>13.2f}",
                f"{export / floor:>6.2f} {wall:>7.1f} {peak:>9.0f}",
                flush=True,
            )


def run(job: dict[str, Any]) -> dict[str, float]:
    """Run one job in a process of its own and return its figures."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker", json.dumps(job)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def work(job: dict[str, Any]) -> None:
    """Do one job; only the work itself is timed, not imports and not key stretching."""
    prepared = prepare_export(job) if job["what"] == "export" else prepare_floor(job)
    forget_peak()
    start, wall = cpu(), time.perf_counter()
    extra = prepared()
    figures = {"cpu": cpu() - start, "wall": time.perf_counter() - wall, "peak": peak_mib(), **(extra or {})}
    print(json.dumps(figures))


def cpu() -> float:
    """CPU seconds of this process and its children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def forget_peak() -> None:
    """Begin the peak anew, so that it is of the work alone."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # no Linux, or a kernel that does not let it: the peak holds preparing too


def peak_mib() -> float:
    """Return the peak of this process's resident memory since it began anew.

    On Linux not what getrusage tells, which a new process inherits from the one that started it.
    """
    try:
        told = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return next(int(line.split()[1]) / 1024 for line in told.splitlines() if line.startswith("VmHWM:"))


def prepare_export(job: dict[str, Any], **more: Any) -> Any:
    """Make a site and a request, and return the export as a function; `more` is for deid.export.export."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from sites import make_site

    from deid.export import export
    from deid.synthetic.layout import KINDS

    site = make_site(Path(job["out"]))
    tables = {name: {"path": f"{name}.csv", "patient": "patient_id", "columns": KINDS[name]} for name in TABLES}
    (site.folder / "source").symlink_to(job["source"])
    description = {"dataset": "bench", "format": "csv", "root": "source", "confirmed": True, "population": "patients",
                   "encounters": "encounters", "tables": tables}  # fmt: skip
    dataset = site.write("dataset.yaml", description)
    request = site.request(dataset, TABLES, policy=str(site.folder / "policies" / f"{job['policy']}.yaml"))
    plan = site.plan(request)
    if plan.policy.basis == "safe_harbor":
        site.attest(plan)
    workers = job.get("workers", 1)
    pa.set_cpu_count(workers)
    silent: Any = lambda _what, _rows: None  # noqa: E731
    return lambda: export(plan, site.site, site.provider, progress=silent, workers=workers, **more) and None


def prepare_floor(job: dict[str, Any]) -> Any:
    """Return the bare reads, encrypted writes and read-backs of one policy's plan as a function."""
    readings = {
        # Nothing is decided under the Limited Data Set: one reading.
        "limited-data-set": [],
        # Random pseudonyms: the keys are read before the first row is written.
        "safe-harbor": [("patients", ["patient_id", "birth_date"]), ("encounters", ["patient_id", "encounter_id"]),
                        ("diagnoses", ["patient_id", "encounter_id"])],
        # k: the population is read before the first row is written.
        "expert-k11": [("patients", ["patient_id", "birth_date", "sex"])],
    }[job["policy"]]  # fmt: skip
    dropped = {"expert-k11": {"zip_code"}}.get(job["policy"], set())
    source, out = Path(job["source"]), Path(job["out"])

    def floor() -> None:
        for table, columns in readings:
            for _ in read(source / f"{table}.csv", columns):
                pass
        out.mkdir(parents=True)
        for table, columns in TABLES.items():
            write(source / f"{table}.csv", [c for c in columns if c not in dropped], out / f"{table}.parquet")

    return floor


def read(path: Path, columns: list[str]) -> Any:
    """Yield text batches of a CSV file."""
    import pyarrow.csv as pv

    return pv.open_csv(
        path,
        read_options=pv.ReadOptions(block_size=BLOCK),
        convert_options=pv.ConvertOptions(include_columns=columns, column_types=dict.fromkeys(columns, pa.string())),
    )


def write(path: Path, columns: list[str], target: Path) -> None:
    """Copy columns of a CSV file into an encrypted Parquet file, row groups as in a release, and read it back."""
    import pyarrow.parquet as pq
    import pyarrow.parquet.encryption as pe

    key = os.urandom(32)
    schema = pa.schema([(column, pa.string()) for column in columns])
    properties = pe.create_encryption_properties(key)
    with pq.ParquetWriter(
        target,
        schema,
        compression="zstd",
        data_page_version="1.0",
        write_statistics=False,
        encryption_properties=properties,
    ) as writer:
        pending: list[pa.RecordBatch] = []
        for batch in read(path, columns):
            pending.append(batch)
            if sum(b.num_rows for b in pending) >= ROWS:
                writer.write_table(pa.Table.from_batches(pending))
                pending = []
        if pending:
            writer.write_table(pa.Table.from_batches(pending))
    with pq.ParquetFile(target, decryption_properties=pe.create_decryption_properties(key)) as file:
        for _ in file.iter_batches():
            pass


if __name__ == "__main__":
    main()
