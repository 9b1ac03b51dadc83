"""This project beside what users would pick, and how its cost grows: one command, one page of ratios.

Run `python benchmarks/peers.py`. Every job runs in a process of its own, tools interleaved, on the same generated rows;
CPU time (user and system, children too), seconds by the clock and peak memory are of the work alone, not of imports,
models loaded or keys stretched. Each peer lives in an environment of its own below `--environments`; one that cannot be
had is told in a line, and left out.

Results are kept in `--results`, one line each, by job and commit: a run that was interrupted goes on. `--page` writes
docs/reference/performance.md from them. `--estimate` tells what is left to do and how long it takes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from peers import own
from peers.environments import PEERS, Ready, ready
from peers.jobs import (
    BY_PROCESSES,
    FLOOR,
    ON_SPARK,
    OWN,
    SECTIONS,
    Job,
    Sizes,
    jobs,
    release_of,
    room_needed,
    source_bytes,
)
from peers.page import PAGE, machine, render
from peers.results import Book, Result
from peers.running import JobFailedError, run
from peers.sources import READ, counted, source

from deid.cells.places import releasable

ROOT = Path(__file__).resolve().parents[1]
UNITS = {"tables": "rows", "growth": "rows", "notes": "notes", "fhir": "resources", "x12": "claims", "risk": "rows"}


def main() -> None:
    """Measure what is not measured yet, and print or write the page."""
    arguments = options()
    if arguments.worker:
        print(json.dumps(own.work(json.loads(arguments.worker))))
        return
    temporary = Path(tempfile.gettempdir()) / "deid-peers"
    book = Book(arguments.results or temporary / "results.jsonl")
    at = arguments.commit or commit()
    sizes = Sizes(rounds=arguments.rounds)
    sizes = replace(sizes, **{n: tuple(v) for n in ("tables", "notes", "growth") if (v := getattr(arguments, n))})
    sizes = replace(sizes, **{n: v for n in ("fhir", "x12", "risk") if (v := getattr(arguments, n))})
    asked = [job for job in jobs(tuple(arguments.only or SECTIONS), sizes) if wanted(job, arguments.tools)]
    if arguments.estimate:
        estimate(asked, book, at)
        return
    if not arguments.render_only:
        Measuring(book, at, arguments, temporary).all_of(asked)
    text = render(book.at(at), at, machine())
    if arguments.page:
        PAGE.write_text(text, encoding="utf-8")
        print(f"written: {PAGE.relative_to(ROOT)}")
    else:
        print(text)


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these sections alone")
    parser.add_argument(
        "--tools", nargs="+", choices=[OWN, BY_PROCESSES, ON_SPARK, FLOOR, *PEERS], help="these tools alone"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tables", type=int, nargs="+", help="encounters beside peers")
    parser.add_argument("--growth", type=int, nargs="+", help="encounters of the growth curves")
    parser.add_argument("--notes", type=int, nargs="+", help="about so many notes")
    parser.add_argument("--fhir", type=int, help="patients")
    parser.add_argument("--x12", type=int, help="patients")
    parser.add_argument("--risk", type=int, help="patients")
    parser.add_argument("--environments", type=Path, help="where the peers' environments are, or are made")
    parser.add_argument("--sources", type=Path, help="where the generated sources are, or are made")
    parser.add_argument("--results", type=Path, help="the file of results")
    parser.add_argument("--cumulus", type=Path, help="a checkout of cumulus-etl: the folder that holds `cumulus_etl`")
    parser.add_argument("--cumulus-is", default="as named", help="what that checkout is, said on the page")
    parser.add_argument("--commit", help="measure, or render, under this name instead of that of the working tree")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--render-only", action="store_true", help="measure nothing")
    parser.add_argument("--estimate", action="store_true", help="tell what is left to do, and do nothing")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def wanted(job: Job, tools: list[str] | None) -> bool:
    """Whether a job is of a tool that was asked for."""
    return not tools or job.tool in tools


def commit() -> str:
    """Return the commit of the working tree; where the package differs from it, with a digest of the difference."""
    name = git("rev-parse", "--short=10", "HEAD").strip() or "unknown"
    digest = sha256(changed := git("diff", "HEAD", "--", "deid", "policies").encode())
    new = git("ls-files", "--others", "--exclude-standard", "--", "deid", "policies").splitlines()
    for path in new:
        digest.update((ROOT / path).read_bytes())
    return f"{name}+{digest.hexdigest()[:8]}" if changed or new else name


def git(*arguments: str) -> str:
    """Return what git says, or nothing where there is none."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout


def estimate(asked: list[Job], book: Book, at: str) -> None:
    """Print what is left to do, with about how long it takes by the clock; making sources is not in it."""
    for section in dict.fromkeys(job.section for job in asked):
        left = [(job, n) for job in asked if job.section == section for n in range(job.rounds)
                if not book.has(job.key, n, at)]  # fmt: skip
        print(
            f"{section:<8} {len(left):>4} measurements left, about {sum(j.seconds for j, _ in left) / 60:.0f} minutes"
        )


class Measuring:
    """One run of the command: where things are, and which peers can be had."""

    def __init__(self, book: Book, at: str, arguments: argparse.Namespace, temporary: Path) -> None:
        self._book, self._at, self._cumulus = book, at, arguments.cumulus
        self._cumulus_is = arguments.cumulus_is
        self._sources = arguments.sources or temporary / "sources"
        self._environments = arguments.environments or temporary / "environments"
        self._ready: dict[str, Ready | str] = {}

    def all_of(self, asked: list[Job]) -> None:
        """Do the first round of every job of a section, then the second, and so on."""
        for section in dict.fromkeys(job.section for job in asked):
            of_section = [job for job in asked if job.section == section]
            for number in range(max(job.rounds for job in of_section)):
                for job in of_section:
                    if number < job.rounds and not self._is_done(job, number):
                        self._one(job, number)

    def _is_done(self, job: Job, number: int) -> bool:
        works = ("k", "l", "t", "search") if job.section == "risk" else (job.work,)
        return any(self._book.has((job.section, job.tool, work, job.size, job.workers), number, self._at)
                   for work in works)  # fmt: skip

    def _one(self, job: Job, number: int) -> None:
        reason = self._missing(job) or self._no_room(job)
        if reason:
            self._tell(job, number, reason)
            return
        place = source(job, self._sources)
        rows = counted(job, place)
        count = rows.get("notes", sum(rows.values())) if job.section == "notes" else sum(rows.values()) or job.size
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory(prefix="deid-bench-", dir=self._sources) as folder:
            try:
                figures = run(self._command(job, place, release_of(job, Path(folder), number)))
            except JobFailedError as error:
                self._tell(job, number, f"{job.tool} failed: {error}")
                return
        base = Result(
            *job.key[:4], commit=self._at, round=number, workers=job.workers, count=count, unit=UNITS[job.section],
            patients=rows.get("patients", 0), versions=self._versions(job.tool), load=round(load, 1),
        )  # fmt: skip
        self._book.add([replace(base, **one) for one in figures])
        for one in figures:
            print(f"{job.section:<7} {job.tool:<20} {one.get('work', job.work):<17} {job.size:>11,} x{job.workers} "
                  f"{one['cpu']:>9.2f} CPU s {one['wall']:>9.2f} s {one['peak']:>7.0f} MiB", flush=True)  # fmt: skip

    def _tell(self, job: Job, number: int, reason: str) -> None:
        if number == 0:
            print(f"left out: {job.section}, {job.tool}, {job.work}, {job.size:,}: {reason}", flush=True)
            self._book.add([Result(*job.key[:4], commit=self._at, workers=job.workers, absent=reason)])

    def _missing(self, job: Job) -> str:
        if job.tool == "cumulus-etl" and self._cumulus is None:
            return "cumulus-etl is on no package index; --cumulus names a checkout of it"
        if job.tool == "cumulus-etl" and not (self._cumulus / "cumulus_etl" / "deid" / "scrubber.py").is_file():
            return "the folder of --cumulus holds no cumulus_etl/deid/scrubber.py"
        if job.tool == ON_SPARK and (find_spec("pyspark") is None or shutil.which("java") is None):
            return "Spark is not installed (make spark), or no Java runtime"
        if job.tool in PEERS and job.tool not in self._ready:
            self._ready[job.tool] = ready(PEERS[job.tool], self._environments)
        found = self._ready.get(job.tool)
        return found if isinstance(found, str) else ""

    def _no_room(self, job: Job) -> str:
        self._sources.mkdir(parents=True, exist_ok=True)
        made = (self._sources / job.source).exists()
        needed = room_needed(job) + (0 if made else source_bytes(job))
        free = shutil.disk_usage(self._sources).free
        return f"needs {needed / 2**30:.0f} GiB of disk, {free / 2**30:.0f} are free" if needed > 0.8 * free else ""

    def _versions(self, tool: str) -> dict[str, str]:
        found = self._ready.get(tool)
        told = found.versions if isinstance(found, Ready) else {}
        return told | {"checkout": self._cumulus_is} if tool == "cumulus-etl" else told

    def _command(self, job: Job, place: Path, out: Path) -> list[str]:
        told: dict[str, Any] = {"section": job.section, "tool": job.tool, "work": job.work, "workers": job.workers,
                                "source": str(place.resolve()), "out": str(out)}  # fmt: skip
        found = self._ready.get(job.tool)
        if not isinstance(found, Ready):
            return [sys.executable, str(ROOT / "benchmarks" / "peers.py"), "--worker", json.dumps(told)]
        if job.section in READ:
            told |= {"tables": READ[job.section], "zip3": sorted(releasable())}
        if job.section == "risk":
            import disclosure

            told |= {"table": str(place / "people.parquet"), "k": own.K, "suppression": own.SUPPRESSION,
                     "widths": disclosure.WIDTHS}  # fmt: skip
        if job.tool == "cumulus-etl":
            told["checkout"] = str(self._cumulus.resolve())
        return [str(found.python), str(found.script), json.dumps(told)]


if __name__ == "__main__":
    main()
