"""The cost of leaving out: an export of synthetic claims without lists or segments, with a list, and with segments.

Run `python benchmarks/left_out.py`. Each export runs in a process of its own over the same files; printed are CPU time
(user and system, all threads), wall time, peak memory and the rows that are left.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SEGMENTS = {"mental_health": "exclude", "substance_use": "exclude", "hiv": "exclude"}
WAYS = ("nothing", "a list", "segments", "both")


def main() -> None:
    """Print one line for each way of leaving out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encounters", type=int, default=400_000)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path[:0] = [str(HERE), str(HERE.parent / "tests"), str(HERE.parent)]
    if arguments.worker:
        print(json.dumps(work(**json.loads(arguments.worker))))
        return
    from structured import make_source

    print(f"{'left out':<10} {'CPU s':>6} {'wall s':>7} {'peak MiB':>9}  rows")
    with tempfile.TemporaryDirectory(prefix="deid-bench-") as temporary:
        source = Path(temporary) / "source"
        source.mkdir()
        make_source(source, arguments.encounters)
        for way in WAYS:
            job = {"way": way, "source": str(source), "out": str(Path(temporary) / way.replace(" ", "-"))}
            done = subprocess.run(
                [sys.executable, __file__, "--worker", json.dumps(job)], check=True, capture_output=True, text=True
            )
            told = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{way:<10} {told['cpu']:>6.1f} {told['wall']:>7.1f} {told['peak']:>9.0f}  {told['rows']}", flush=True
            )


def work(way: str, source: str, out: str) -> dict[str, Any]:
    """Export one way and return its figures; only the export itself is timed."""
    import yaml
    from choices import choose
    from sites import make_site
    from structured import TABLES, cpu, forget_peak, peak_mib

    from deid.export import export
    from deid.synthetic.layout import KINDS

    site = make_site(Path(out))
    (site.folder / "source").symlink_to(source)
    tables = {name: {"path": f"{name}.csv", "patient": "patient_id", "columns": KINDS[name]} for name in TABLES}
    dataset = site.write("dataset.yaml", {"dataset": "bench", "format": "csv", "root": "source", "confirmed": True,
                         "population": "patients", "encounters": "encounters", "tables": tables})  # fmt: skip
    content = yaml.safe_load((site.folder / "policies" / "limited-data-set.yaml").read_text())
    if way in ("segments", "both"):
        content["segments"] = SEGMENTS
    if way in ("a list", "both"):
        lines = (Path(source) / "patients.csv").read_text().splitlines()
        choose(site, "opted-out", [line.split(",")[0] for line in lines[1::10]])
    policy = site.sign(site.write("policies/own.yaml", content))
    plan = site.plan(site.request(dataset, TABLES, policy=str(policy)))
    forget_peak()
    start, wall = cpu(), time.perf_counter()
    done = export(plan, site.site, site.provider, progress=lambda _what, _rows: None)
    return {
        "cpu": cpu() - start,
        "wall": time.perf_counter() - wall,
        "peak": peak_mib(),
        "rows": sum(done.rows.values()),
    }


if __name__ == "__main__":
    main()
