"""X12 837, HL7 v2 and FHIR in records per second of CPU time, beside a floor and other readers.

Run `python benchmarks/formats.py`, with `--peers PYTHON` to measure others too: the interpreter of an environment of
their own, made by `python -m venv peers && peers/bin/pip install x12sdk openmed hl7 hl7apy`.
Each measurement runs in a process of its own, on the same generated files; what is printed is records / CPU second
(user and system, all threads), the median over the rounds.

- floor: the bytes of the file split at segment and element separators (decoded by msgspec, for FHIR), nothing kept.
- reading: this project's source, every table and every described column, the digest of the bytes taken: what
  the first reading of an export does; files that hold many tables need no other.
- peers: a reader's own way to its own objects, nothing extracted, nothing checked that it does not check by itself.
  They get files of at most a thousand records where they are slow.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# format -> (records are counted by, sizes in patients, peers and the largest number of patients they get)
FORMATS: dict[str, tuple[bytes, tuple[int, ...], dict[str, int]]] = {
    "x12_837": (b"CLM*", (200, 2_000, 20_000), {"x12sdk": 2_000, "openmed": 400}),
    "hl7v2": (b"MSH|", (200, 2_000), {"hl7": 2_000, "hl7apy": 200}),
    "us_core_bulk": (b'"resourceType":', (300,), {}),
    "us_core_json": (b'"resourceType":', (300,), {}),
}


def main() -> None:
    """Print a line for each format, size and reader."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=Path, help="the interpreter of an environment with the peers")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        job = json.loads(arguments.worker)
        print(json.dumps(timed(job["what"], Path(job["folder"]))))
        return
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; records / CPU s")
    print(f"{'format':<14} {'records':>9} {'MiB':>7} {'reader':<16} {'records/s':>11} {'CPU s':>8} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory(prefix="deid-bench-") as temporary:
        for name, (mark, sizes, peers) in FORMATS.items():
            for patients in sizes:
                folder = make_source(name, Path(temporary) / f"{name}-{patients}", patients)
                measure(name, folder, mark, arguments, [peer for peer, most in peers.items() if patients <= most])


def make_source(name: str, folder: Path, patients: int) -> Path:
    """Write a population in a format."""
    from deid import synthetic

    write = {
        "x12_837": synthetic.write_x12_837,
        "hl7v2": synthetic.write_hl7v2,
        "us_core_bulk": synthetic.write_fhir_bulk,
        "us_core_json": synthetic.write_fhir_json,
    }[name]
    write(synthetic.generate(7, patients, notes=0.1), folder)
    return folder


def measure(name: str, folder: Path, mark: bytes, arguments: argparse.Namespace, peers: list[str]) -> None:
    """Measure floor, reading and peers on one folder, interleaved, and print a line for each."""
    records = sum(file.read_bytes().count(mark) for file in data_files(folder))
    size = sum(file.stat().st_size for file in data_files(folder)) / 2**20
    readers = {f"floor:{name}": sys.executable, "reading": sys.executable}
    if arguments.peers is not None:
        readers |= {f"peer:{peer}": str(arguments.peers) for peer in peers}
    found: dict[str, list[dict[str, float | str]]] = {what: [] for what in readers}
    for _ in range(arguments.rounds):
        for what, python in readers.items():
            job = json.dumps({"what": what, "folder": str(folder)})
            done = subprocess.run([python, __file__, "--worker", job], check=True, capture_output=True, text=True)
            found[what].append(json.loads(done.stdout.splitlines()[-1]))
    for what, rounds in found.items():
        cpu_seconds = statistics.median(float(each["cpu"]) for each in rounds)
        peak = max(float(each["peak"]) for each in rounds)
        reader = (
            f"{what.partition(':')[0] if what.startswith('floor') else what.rpartition(':')[2]} {rounds[0]['version']}"
        )
        print(
            f"{name:<14} {records:>9,} {size:>7.1f} {reader:<16} {records / cpu_seconds:>11,.0f} "
            f"{cpu_seconds:>8.2f} {peak:>9.0f}"
        )


def data_files(folder: Path) -> list[Path]:
    """Return the files of a source, without its description."""
    return sorted(file for file in folder.iterdir() if file.suffix != ".yaml")


def timed(what: str, folder: Path) -> dict[str, float | str]:
    """Return CPU seconds and peak memory of one way of reading; imports are not timed."""
    work, package = prepared(what, folder)
    start = cpu()
    work()
    seconds = cpu() - start
    # ru_maxrss is handed down by the process that started this one; the high water mark of its own memory is not.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    try:
        found = version(package) if package else ""
    except PackageNotFoundError:
        found = ""
    return {"cpu": seconds, "peak": peak, "version": found}


def prepared(what: str, folder: Path) -> tuple[Callable[[], object], str]:
    """Return what is to be timed, with everything imported, and the package it is measured of."""
    kind, _, name = what.partition(":")
    files = data_files(folder)
    if kind == "reading":
        return own_reading(folder), ""
    if kind == "floor":
        return (decoded(files) if name.startswith("us_core") else split(files, name)), ""
    return {"x12sdk": by_x12sdk, "openmed": by_openmed, "hl7": by_hl7, "hl7apy": by_hl7apy}[name](files), name


def own_reading(folder: Path) -> Callable[[], object]:
    """Read every table with every column."""
    from deid.sources import load_dataset, open_source

    dataset = load_dataset(folder / "dataset.yaml")

    def read() -> int:
        tables = {table.name: [column.name for column in table.columns] for table in dataset.tables}
        return sum(batch.num_rows for _, batch in open_source(dataset).read_together(tables))

    return read


def split(files: list[Path], name: str) -> Callable[[], object]:
    """Split every segment at its elements."""
    segment, element = (b"~", b"*") if name == "x12_837" else (b"\r", b"|")
    return lambda: sum(len(part.split(element)) for file in files for part in file.read_bytes().split(segment))


def decoded(files: list[Path]) -> Callable[[], object]:
    """Decode every line, or every document."""
    import msgspec

    decode = msgspec.json.Decoder().decode

    def read() -> int:
        texts = (file.read_bytes() for file in files)
        return sum(
            len(decode(line))
            for file, text in zip(files, texts, strict=True)
            for line in (text.splitlines() if file.suffix == ".ndjson" else [text])
        )

    return read


def by_x12sdk(files: list[Path]) -> Callable[[], object]:
    """Read segments to lists of elements; its models take many times longer, and refuse what they find irregular."""
    from x12sdk.io import X12SegmentReader

    def read() -> int:
        count = 0
        for file in files:
            with X12SegmentReader(str(file)) as reader:
                count += sum(1 for _ in reader.segments())
        return count

    return read


def by_openmed(files: list[Path]) -> Callable[[], object]:
    """Parse interchanges to segments with offsets."""
    from openmed.interop.x12_837 import parse_x12_837

    return lambda: [parse_x12_837(file.read_text(encoding="utf-8")) for file in files]


def messages(files: list[Path]) -> list[str]:
    """Return the messages of files with the usual delimiters, one text each, without frames and envelopes."""
    parts = [part for file in files for part in re.split(r"[\r\n\x0b\x1c]+(?=MSH)", file.read_bytes().decode())]
    return [part.strip("\r\n\x1c").replace("\n", "\r") for part in parts if part.startswith("MSH|^~\\&|")]


def by_hl7(files: list[Path]) -> Callable[[], object]:
    """Parse messages to nested lists."""
    import hl7

    texts = messages(files)
    return lambda: [hl7.parse(text) for text in texts]


def by_hl7apy(files: list[Path]) -> Callable[[], object]:
    """Parse messages to elements."""
    from hl7apy.parser import parse_message

    texts = messages(files)
    return lambda: [parse_message(text, find_groups=False) for text in texts]


def cpu() -> float:
    """Return the CPU seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
