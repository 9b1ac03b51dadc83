"""FHIR bulk data in resources per second of CPU time: its reading and its whole export, beside a floor and a peer.

Run `python benchmarks/fhir.py`. Each measurement runs in a process of its own, interleaved, on the same files; what is
printed is resources / CPU second (user and system, all threads), the median over the rounds.

- json: every line decoded to dictionaries by msgspec, and nothing done with them. A floor for whoever decodes in whole;
  a reader that skips what is not described can be faster.
- peer: what is commonly written by hand: `json.loads` and a few look-ups a resource, ten columns at the most.
- reading: this project's source, every described column of a table asked for, the digest of the bytes taken. Of a type
  that gives several tables (Claim, ExplanationOfBenefit) each table is a reading of its own, and counts its resources.
- export: encrypted Parquet out, all tables with every column that the policy lets pass, staged, read back, verified.
  Its resources count once, however many tables or readings they give.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

POLICIES = ("limited-data-set", "safe-harbor")
CPT, ICD10 = "http://www.ama-assn.org/go/cpt", "http://hl7.org/fhir/sid/icd-10-cm"


def main() -> None:
    """Print resources per CPU second, by resource type and of all together."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--patients", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-export", action="store_true", help="measure reading alone")
    parser.add_argument("--folder", type=Path, help="read these files (plain NDJSON) instead of generated ones")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(json.loads(arguments.worker))
        return
    versions = f"Python {platform.python_version()}, msgspec {msgspec.__version__}, pyarrow {pa.__version__}"
    print(f"{versions}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="deid-bench-") as temporary:
        source = arguments.folder or make_source(Path(temporary) / "population", arguments.patients)
        measure_reading(source.resolve(), arguments.rounds)
        if not arguments.no_export:
            measure_export(source.resolve(), Path(temporary), arguments.rounds)


def make_source(folder: Path, patients: int) -> Path:
    """Write a population with all its resources, a note for every third encounter."""
    from deid.synthetic import generate, write_fhir_bulk

    write_fhir_bulk(generate(7, patients, notes=0.3), folder)
    return folder


def measure_reading(source: Path, rounds: int) -> None:
    """Measure decoding, peer and reading, interleaved, and print one line a table."""
    whats = ("json", "peer", "reading")
    found: dict[str, list[dict[str, dict[str, float]]]] = {what: [] for what in whats}
    for _ in range(rounds):
        for what in whats:
            found[what].append(run({"what": what, "source": str(source)}))
    print(f"{'table':<24} {'resources':>9} {'bytes each':>10} {'columns':>7} " + " ".join(f"{w:>9}" for w in whats))
    total = dict.fromkeys(whats, 0.0) | {"resources": 0.0, "bytes": 0.0, "columns": 0.0}
    for table, shape in found["reading"][0].items():
        seconds = {what: statistics.median(figures[table]["cpu"] for figures in found[what]) for what in whats}
        line(table, shape, seconds)
        total = {name: total[name] + (seconds | shape)[name] for name in total}
    line("all together", total, total)


def line(name: str, shape: dict[str, float], seconds: dict[str, float]) -> None:
    """Print the rates of one table."""
    count = shape["resources"]
    rates = " ".join(f"{count / seconds[what]:>9,.0f}" for what in ("json", "peer", "reading"))
    print(f"{name:<24} {count:>9,.0f} {shape['bytes'] / count:>10,.0f} {shape['columns']:>7.0f} {rates}")


def measure_export(source: Path, folder: Path, rounds: int) -> None:
    """Measure whole exports and print one line a policy."""
    print(f"{'export under':<24} {'resources':>9} {'columns':>7} {'resources/s':>11} {'wall s':>7} {'peak MiB':>9}")
    for policy in POLICIES:
        done = [
            run({"what": "export", "source": str(source), "policy": policy, "out": str(folder / f"{policy}-{number}")})
            for number in range(rounds)
        ]
        cpu = statistics.median(figures["cpu"] for figures in done)
        wall = statistics.median(figures["wall"] for figures in done)
        peak = max(figures["peak"] for figures in done)
        count, columns = done[0]["resources"], done[0]["columns"]
        print(f"{policy:<24} {count:>9,.0f} {columns:>7.0f} {count / cpu:>11,.0f} {wall:>7.1f} {peak:>9.0f}")


def run(job: dict[str, Any]) -> Any:
    """Run one job in a process of its own and return its figures."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker", json.dumps(job)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def work(job: dict[str, Any]) -> None:
    """Do one job; only the work itself is timed, not imports and not key stretching."""
    print(json.dumps(export_figures(job) if job["what"] == "export" else reading_figures(job)))


def reading_figures(job: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return, of each table, the CPU seconds of one way of reading it and what there was to read."""
    dataset = described(Path(job["source"]))
    figures = {}
    for table in (dataset.tables[0], *dataset.tables):  # the first one twice: what is imported late is no reading
        files = sorted(Path(job["source"]).glob(table.path))
        columns = [column.name for column in table.columns]
        do: Callable[[], int] = {
            "json": lambda files=files: decode(files),
            "peer": lambda files=files, table=table: by_hand(files, table.resource),
            "reading": lambda table=table, columns=columns: read(dataset, table.name, columns),
        }[job["what"]]
        start = cpu()
        do()
        figures[table.name] = {
            "cpu": cpu() - start,
            "resources": sum(data.count(b"\n") for file in files for data in pieces(file)),
            "bytes": sum(file.stat().st_size for file in files),
            "columns": len(columns),
        }
    return figures


def described(source: Path) -> Any:
    """Return the built-in description of a folder of FHIR bulk files."""
    from deid.sources import load_dataset

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset.yaml"
        path.write_text(f"dataset: bench\nformat: us_core_bulk\nroot: {json.dumps(str(source))}\n")
        return load_dataset(path)


def read(dataset: Any, table: str, columns: list[str]) -> int:
    """Read a table as an export would."""
    from deid.sources import open_source

    return sum(batch.num_rows for batch in open_source(dataset).read(table, columns))


def decode(files: list[Path]) -> int:
    """Decode every line to dictionaries, and let them go."""
    decoder = msgspec.json.Decoder()
    count = 0
    for file in files:
        with file.open("rb") as lines:
            for text in lines:
                decoder.decode(text)
                count += 1
    return count


def by_hand(files: list[Path], kind: str) -> int:
    """Flatten a few members of each resource into Arrow columns, as a practitioner's loop does."""
    rows = []
    for file in files:
        with file.open(encoding="utf-8") as lines:
            rows += [flat(json.loads(text), kind) for text in lines]
    return pa.Table.from_pylist(rows).num_rows


def flat(record: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the members of a resource that a study commonly takes."""
    subject = (record.get("subject") or record.get("patient") or {}).get("reference", "").removeprefix("Patient/")
    row = {"id": record["id"], "patient": subject, "status": record.get("status")}
    if kind == "Patient":
        address, name = record.get("address", [{}])[0], record.get("name", [{}])[0]
        row |= {"born": record.get("birthDate"), "sex": record.get("gender"), "zip": address.get("postalCode")}
        row |= {"city": address.get("city"), "state": address.get("state"), "family": name.get("family")}
        return row | {"mrn": next((i["value"] for i in record.get("identifier", []) if is_type(i, "MR")), None)}
    period = record.get("period") or record.get("billablePeriod") or record.get("performedPeriod") or {}
    encounter = record.get("encounter", {}).get("reference", "").removeprefix("Encounter/")
    row |= {"start": period.get("start"), "end": period.get("end"), "encounter": encounter}
    codings = record.get("code", {}).get("coding", [])
    row |= {name: next((c["code"] for c in codings if c.get("system") == system), None)
            for name, system in (("icd10", ICD10), ("cpt", CPT))}  # fmt: skip
    return row | {"items": len(record.get("item", []))}


def is_type(identifier: dict[str, Any], code: str) -> bool:
    """Return whether an identifier is of a type."""
    return any(coding.get("code") == code for coding in identifier.get("type", {}).get("coding", []))


def export_figures(job: dict[str, Any]) -> dict[str, float]:
    """Make a site and a request for every column that may leave, export it, and return what it took."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from sites import make_site

    from deid.export import export

    site = make_site(Path(job["out"]))
    source = Path(job["source"])
    dataset = site.write("dataset.yaml", {"dataset": "bench", "format": "us_core_bulk", "root": str(source)})
    policy = site.folder / "policies" / f"{job['policy']}.yaml"
    tables = leaving(described(source), policy)
    plan = site.plan(site.request(dataset, tables, policy=str(policy)))
    if plan.policy.basis == "safe_harbor":
        site.attest(plan)
    start, wall = cpu(), time.perf_counter()
    export(plan, site.site, site.provider, progress=lambda _what, _rows: None)
    figures = {"cpu": cpu() - start, "wall": time.perf_counter() - wall, "peak": peak_mib()}
    files = {file for table in plan.tables for file in source.glob(table.table.path)}
    count = sum(data.count(b"\n") for file in files for data in pieces(file))
    return figures | {"resources": count, "columns": sum(map(len, tables.values()))}


def leaving(dataset: Any, policy: Path) -> dict[str, list[str]]:
    """Return every column that the policy does not drop, by table."""
    from deid.documents.policy import load_policy

    rules = load_policy(policy).rules
    kept = {
        table.name: [column.name for column in table.columns if leaves(rules.get(column.kind.name))]
        for table in dataset.tables
    }
    return {table: columns for table, columns in kept.items() if columns}


def leaves(rule: Any) -> bool:
    """Return whether a policy's rule lets anything of a column pass."""
    from deid.transforms.drop import Drop

    return rule is not None and not isinstance(rule, Drop)


def pieces(file: Path) -> Iterator[bytes]:
    """Yield a file's bytes, a mebibyte at a time."""
    with file.open("rb") as opened:
        while data := opened.read(1 << 20):
            yield data


def cpu() -> float:
    """CPU seconds of this process and its children."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def peak_mib() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
