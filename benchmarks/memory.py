"""Peak memory of an export: what a patient costs, and that rows and columns cost nothing more.

Run `python benchmarks/memory.py`. Each export runs in a process of its own; what is printed is its peak resident
memory. The bytes of a patient are the slope between the smallest and the largest population of the same policy.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv

POLICIES = ("limited-data-set", "safe-harbor", "expert-k11")
CHUNK = 500_000


def main() -> None:
    """Print two tables: patients, and wide files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, nargs="+", default=[250_000, 1_000_000, 4_000_000])
    parser.add_argument("--wide-rows", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(json.loads(arguments.worker))
        return
    print(f"Python {platform.python_version()}, pyarrow {pa.__version__}")
    print(f"{'policy':<18} {'patients':>10} {'rows':>11} {'peak MiB':>9} {'bytes a patient':>16}")
    with tempfile.TemporaryDirectory(prefix="deid-bench-") as temporary:
        folder = Path(temporary)
        for policy in POLICIES:
            peaks = []
            for patients in arguments.patients:
                source = folder / f"people-{patients}"
                if not source.exists():
                    people(source, patients)
                peaks.append(run({"kind": "people", "source": str(source), "policy": policy}))
                slope = (peaks[-1] - peaks[0]) * 2**20 / (patients - arguments.patients[0]) if len(peaks) > 1 else None
                told = f"{slope:16.0f}" if slope is not None else " " * 16
                print(f"{policy:<18} {patients:>10,} {3 * patients:>11,} {peaks[-1]:>9.0f} {told}", flush=True)
        for rows in arguments.wide_rows:
            source = folder / f"wide-{rows}"
            wide(source, rows)
            peak = run({"kind": "wide", "source": str(source), "policy": "limited-data-set"})
            print(f"{'275 RIF columns':<18} {rows // 4:>10,} {rows:>11,} {peak:>9.0f}", flush=True)


def run(job: dict[str, Any]) -> float:
    """Run one export in a process of its own and return its peak memory in MiB."""
    done = subprocess.run(
        [sys.executable, __file__, "--worker", json.dumps(job)], check=True, capture_output=True, text=True
    )
    return float(done.stdout.splitlines()[-1])


def people(folder: Path, patients: int) -> None:
    """Write a population and two visits for each of its patients."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(7)
    for name, copies in (("patients", 1), ("encounters", 2)):
        writer = None
        for start in range(0, patients, CHUNK):
            ids = np.repeat(np.arange(start, min(start + CHUNK, patients)), copies)
            keys = pa.array([f"MRN{number:010d}" for number in ids])
            days = pa.array((draw.integers(0, 28_000, len(ids)) - 7_000).astype(np.int32)).cast(pa.date32())
            sexes = pa.array(draw.choice(["F", "M"], len(ids)))
            columns = {"patient_id": keys, "birth_date": days, "sex": sexes}
            if name == "encounters":
                visits = pa.array((draw.integers(18_000, 20_000, len(ids))).astype(np.int32)).cast(pa.date32())
                numbers = pa.array([f"E{2 * start + i:011d}" for i in range(len(ids))])
                columns = {"patient_id": keys, "encounter_id": numbers, "admit_date": visits}
            table = pa.table(columns)
            writer = writer or pv.CSVWriter(folder / f"{name}.csv", table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()


def wide(folder: Path, rows: int) -> None:
    """Write inpatient claims of 275 columns in the layout of CMS RIF, four a patient, with its beneficiaries."""
    from deid.synthetic import generate_chunks, write_cms_rif

    seed = next(generate_chunks(7, 4_000, notes=0.0))
    write_cms_rif(seed, folder)
    header, *lines = (folder / "inpatient.csv").read_text(encoding="utf-8-sig").splitlines()
    people_header, *people_lines = (folder / "beneficiary.csv").read_text(encoding="utf-8-sig").splitlines()
    claim_key, person_key = header.split("|").index("BENE_ID"), people_header.split("|").index("BENE_ID")

    def with_key(line: str, at: int, key: int) -> str:
        cells = line.split("|")
        cells[at] = str(-key - 1)
        return "|".join(cells)

    with (folder / "beneficiary.csv").open("w") as file:
        file.write(people_header + "\n")
        file.writelines(with_key(people_lines[i % len(people_lines)], person_key, i) + "\n" for i in range(rows // 4))
    with (folder / "inpatient.csv").open("w") as file:
        file.write(header + "\n")
        file.writelines(with_key(lines[i % len(lines)], claim_key, i // 4) + "\n" for i in range(rows))


def work(job: dict[str, Any]) -> None:
    """Run one export and print its peak memory."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from sites import make_site
    from structured import peak_mib

    from deid.documents.policy import load_policy
    from deid.export import export
    from deid.sources.description import load_dataset

    with tempfile.TemporaryDirectory(prefix="deid-bench-") as temporary:
        site = make_site(Path(temporary) / "site")
        (site.folder / "source").symlink_to(job["source"])
        policy = site.folder / "policies" / f"{job['policy']}.yaml"
        if job["kind"] == "people":
            kinds = {
                "patients": {"patient_id": "patient_id", "birth_date": "birth_date", "sex": "sex"},
                "encounters": {"patient_id": "patient_id", "encounter_id": "encounter_id", "admit_date": "admit_date"},
            }
            tables = {name: {"path": f"{name}.csv", "patient": "patient_id", "columns": kinds[name]} for name in kinds}
            dataset = site.write(
                "dataset.yaml",
                {"dataset": "bench", "format": "csv", "root": "source", "confirmed": True, "population": "patients",
                 "encounters": "encounters", "tables": tables},
            )  # fmt: skip
            requested = {name: list(columns) for name, columns in kinds.items()}
        else:
            dataset = site.write(
                "dataset.yaml", {"dataset": "rif", "format": "cms_rif", "root": "source", "confirmed": True}
            )
            rules = load_policy(policy).rules
            requested = {
                table.name: [
                    c.name for c in table.columns if rules[c.kind.name].name != "drop" or c.name == table.patient
                ]
                for table in load_dataset(dataset).tables
                if table.name in ("beneficiaries", "inpatient_claims")
            }
        plan = site.plan(site.request(dataset, requested, policy=str(policy)))
        if plan.policy.basis == "safe_harbor":
            site.attest(plan)
        export(plan, site.site, site.provider, progress=lambda _what, _rows: None)
    print(peak_mib())


if __name__ == "__main__":
    main()
