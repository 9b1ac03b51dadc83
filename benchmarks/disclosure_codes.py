"""What known codes tell, and what code maps keep: time, memory and a table of mechanisms.

Run `python benchmarks/disclosure_codes.py [attack|map|nodes|scale]`, or with `--table` for the
tables of mechanisms (`--page` writes them to docs/reference/code-risk.md). Each part runs in a process of its own.
Populations: the ICD-10 model of deid.synthetic.histories, and one like inpatient claims of the public DE-SynPUF: its
sample 1 gives claims, codes per claim, ages and the curve of mentions by rank of code, and each
code is drawn anew and independently; the tail is spread over as many codes again as the sample shows, as in 13 samples.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import disclosure_codes_table as table
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.codes import CODE_SYSTEMS
from deid.codes.tables import load_table
from deid.disclosure.code_maps import search_map
from deid.disclosure.code_nodes import NodeChoice, search_node
from deid.disclosure.pairs import attack
from deid.documents.limits import Adversary, CodeLimits
from deid.synthetic.histories import Histories, Mentions, draw_histories
from deid.synthetic.histories_coded import classes, coded_histories
from deid.synthetic.histories_people import Persons

SYNPUF = Path(__file__).resolve().parents[2] / "shared/reference/desynpuf_sample1"
CEILING = 0.09
EVERYBODY = tuple(Adversary)
NODES = ("k11", "age10sex", "age20sex", "sex", "none")
TABLE = ("table", "joint", "synpuf", "dates", "demographics")


def main() -> None:
    """Run the parts, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", nargs="*", default=["attack", "map", "nodes"])
    parser.add_argument("--table", action="store_true", help="print the tables of mechanisms")
    parser.add_argument("--page", action="store_true", help="print them and write them to the page")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        PARTS[arguments.part[0]]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"  peak memory of this part {peak:.2f} GiB\n", flush=True)
        return
    told = ""
    for part in TABLE if arguments.table or arguments.page else arguments.part:
        done = subprocess.run([sys.executable, __file__, part, "--worker"], check=True, stdout=subprocess.PIPE)
        print(done.stdout.decode(), flush=True)
        told += done.stdout.decode()
    if arguments.page:
        table.write_page(told)


def attack_part() -> None:
    """Print the attack on full codes at 10,000 patients; the floor is 15 s."""
    histories = draw_histories(10_000)
    coded, tree = coded_histories(histories, klass_of(histories, "age20sex"))
    started = time.perf_counter()
    risk = attack(coded, tree.items[:, 0], draws=EVERYBODY, declared=tree.declared)
    took = time.perf_counter() - started
    grouped = attack(coded, tree.items[:, 0], draws=EVERYBODY, declared=tree.declared, grouped=True)
    print(f"attack, 10,000 patients, full codes, age20sex, four adversaries: {took:.2f} s (at most 15 s)")
    print("  " + ", ".join(f"{each.adversary} {100 * each.mean:.1f} %" for each in risk.by))
    print(f"  visits kept together: visit {100 * grouped.of(Adversary.VISIT).mean:.1f} %")


def map_part() -> None:
    """Print the search at 50,000 patients; the floors are 30 s, 3 GiB and 71 % of mentions in full."""
    histories = draw_histories(50_000)
    coded, tree = coded_histories(histories, klass_of(histories, "age20sex"))
    limits = CodeLimits(CEILING, ("icd10cm",))
    started = time.perf_counter()
    found = search_map(coded, tree, limits, k=11)
    took = time.perf_counter() - started
    lost = tree.declared & (found.levels > 1) & (tree.items[:, 1] != found.items)
    print(
        f"map search, ICD-10 model, 50,000 patients, age20sex: {took:.1f} s (at most 30 s), "
        f"{100 * found.full_share:.1f} % of mentions in full (at least 71 %), "
        f"{int(lost.sum())} declared codes above their category (where fewer than 11 patients would show it)"
    )
    for risk in found.risk.by:
        print(
            f"  {risk.adversary}: mean {100 * risk.mean:.2f} %, below 11 {100 * risk.below:.1f} %, unique "
            f"{100 * risk.unique:.1f} %, worst pair {100 * risk.worst:.1f} %, largest {risk.maximum:.2f}, "
            f"patients over the ceiling {100 * risk.above:.1f} %"
        )
    three = found.risk.three
    if three is not None:
        print(f"  three codes: {100 * three.mean:.1f} % +- {100 * three.error:.1f} (standard error)")


def table_part() -> None:
    """Print what each mechanism keeps of the ICD-10 model, of the same with dates, and of DE-SynPUF."""
    model = draw_histories(50_000)
    coded, tree = coded_histories(model, klass_of(model, "age20sex"))
    _told("model", table.rows(coded, tree, table.mechanisms(ccsr=True)))


def dates_part() -> None:
    """Print what is kept where dates are known beside codes."""
    model = draw_histories(50_000)
    coded, tree = coded_histories(model, klass_of(model, "age20sex"))
    _told("dates", table.rows(coded, tree, table.with_dates(model)))


def synpuf_part() -> None:
    """Print what each mechanism keeps of data like DE-SynPUF."""
    if SYNPUF.exists():
        histories = synpuf_like(42_000)
        coded, tree = coded_histories(histories, klass_of(histories, "age20sex"), ICD9_PHENOTYPES)
        _told("synpuf", table.rows(coded, tree, table.mechanisms(ccsr=False)))


def joint_part() -> None:
    """Print what is kept of diagnoses, procedures and drugs that are mapped together."""
    histories = draw_histories(50_000, services=True)
    coded, tree = coded_histories(histories, klass_of(histories, "age20sex"))
    _told("joint", table.rows(coded, tree, table.mechanisms(ccsr=True, everything=False)))


def demographics_part() -> None:
    """Print what the default keeps beside finer and coarser demographics."""
    model = draw_histories(50_000)
    coded, tree = coded_histories(model, klass_of(model, "none"))
    found: list[table.Row] = []
    for node in NODES:
        chosen = [(node, run) for title, run in table.mechanisms(ccsr=True, everything=False) if "default" in title]
        found += table.rows(replace(coded, klass=klass_of(model, node)), tree, iter(chosen))
    _told("demographics", iter(found))


def _told(name: str, found: Iterator[table.Row]) -> None:
    """Print the rows as a table, and how long each took."""
    print(f"## {name}\n\n" + "\n".join(table.markdown([])), flush=True)
    seconds = []
    for row in found:
        print(table.markdown([row])[-1], flush=True)
        seconds.append(f"{row.seconds:.0f}")
    print(f"\n  seconds: {', '.join(seconds)}", flush=True)


def nodes_part() -> None:
    """Print the node and map that are chosen together."""
    histories = draw_histories(50_000)
    coded, tree = coded_histories(histories, klass_of(histories, "none"))
    ladder = [("k11", 0.25), ("age10sex", 0.4), ("age20sex", 0.5), ("sex", 0.75), ("age20", 0.78), ("none", 1.0)]
    choices = [NodeChoice(at, klass_of(histories, name), loss) for at, (name, loss) in enumerate(ladder)]
    started = time.perf_counter()
    found = search_node(lambda: choices, coded, tree, CodeLimits(CEILING, ("icd10cm",)), k=11)
    print(
        f"node and map together, 50,000 patients: {ladder[found.number][0]}, "
        f"{100 * found.found.full_share:.1f} % in full, loss {found.loss:.3f}, searched {found.searched} of "
        f"{found.seen}, {time.perf_counter() - started:.1f} s"
    )


def scale_part() -> None:
    """Print the attack on more patients than the floors ask for."""
    histories = draw_histories(200_000)
    coded, tree = coded_histories(histories, klass_of(histories, "age20sex"))
    started = time.perf_counter()
    risk = attack(coded, tree.items[:, 0], draws=EVERYBODY, declared=tree.declared)
    print(f"attack, 200,000 patients, full codes: {time.perf_counter() - started:.1f} s, {100 * risk.mean:.1f} %")


def klass_of(histories: Histories, node: str) -> npt.NDArray[np.int32]:
    """Return the class of each patient at a node of the demographics."""
    people = histories.people
    race = np.array([0, 1, 2, 2, 2, 2, 2])[people.race]
    return {
        "k11": classes(people.age // 5, people.male, race),
        "age10sex": classes(people.age // 10, people.male),
        "age20sex": classes(people.age // 20, people.male),
        "age20": classes(people.age // 20),
        "sex": classes(people.male),
        "none": classes(np.zeros(len(people.age), np.int32)),
    }[node]


ICD9_PHENOTYPES = (
    "401", "402", "403", "404", "272", "250", "428", "427", "414", "496", "491", "493", "585", "311", "296", "300",
    "174", "185", "434", "244", "345", "714", "295", "715", "042",
)  # fmt: skip


def synpuf_like(patients: int | None, seed: int = 7) -> Histories:
    """Return inpatient histories: sample 1 as it is, or as many patients drawn from it with codes drawn anew."""
    system = CODE_SYSTEMS["icd9cm"]
    people: dict[str, tuple[int, bool, int]] = {}
    for row in _csv("DE1_0_2009_Beneficiary_Summary_File_Sample_1.csv"):
        people[row["DESYNPUF_ID"]] = (
            min(max(2009 - int(row["BENE_BIRTH_DT"][:4]), 18), 90), row["BENE_SEX_IDENT_CD"] == "1",
            min(int(row["BENE_RACE_CD"]) - 1, 6),
        )  # fmt: skip
    claims: dict[str, list[list[str]]] = {}
    for row in _csv("DE1_0_2008_to_2010_Inpatient_Claims_Sample_1.csv"):
        found = [row[f"ICD9_DGNS_CD_{at}"] for at in range(1, 11) if row[f"ICD9_DGNS_CD_{at}"]]
        known = system.normalize(pa.array(found, pa.string())).drop_null().to_pylist()
        if known and row["DESYNPUF_ID"] in people:
            claims.setdefault(row["DESYNPUF_ID"], []).append(known)
    rng = np.random.default_rng(seed)
    names = sorted(claims)
    chosen = names if patients is None else [names[at] for at in rng.integers(0, len(names), patients)]
    texts = sorted({code for each in claims.values() for claim in each for code in claim})
    who, sizes, codes = [], [], []
    number = {code: at for at, code in enumerate(texts)}
    for at, name in enumerate(chosen):
        for claim in claims[name]:
            who.append(at)
            sizes.append(len(claim))
            codes += [number[code] for code in claim]
    code = np.array(codes)
    if patients is not None:
        listed = [text for text in load_table("icd9cm").rows.column("code").to_pylist() if text not in number]
        more = [str(text) for text in rng.permutation(listed)[: len(texts)]]
        counts = np.sort(np.bincount(code, minlength=len(texts)))[::-1]
        counts = np.concatenate([counts.astype(float), np.zeros(len(more))])
        order = np.argsort(-np.bincount(code, minlength=len(texts)), kind="stable")
        # What the sample shows fewer than four times is spread by Zipf's law over it and as many codes again.
        rare = counts < 4 * len(chosen) / len(names)
        tail = 1.0 / (np.arange(int(rare.sum())) + 200.0)
        counts[rare] = counts[rare].sum() * tail / tail.sum()
        texts = [texts[at] for at in order] + more
        # A code stands once in a claim, so that frequent ones must be drawn more often than they shall stand.
        size = len(code) / len(sizes)
        chance = 1.0 - (1.0 - np.minimum(counts / counts.sum() * size, 0.99)) ** (1.0 / size)
        code = rng.choice(len(texts), len(code), p=chance / chance.sum())
    visit = np.repeat(np.arange(len(who)), sizes)
    found_ = np.unique(visit * len(texts) + code)
    age, male, race = (np.array(column) for column in zip(*(people[name] for name in chosen), strict=True))
    persons = Persons(
        age.astype(np.int32), male, race.astype(np.int32), np.zeros(len(age), np.int32), np.zeros((len(age), 0), bool)
    )
    mentions = Mentions(
        "icd9cm", tuple(texts), (found_ // len(texts)).astype(np.int32), (found_ % len(texts)).astype(np.int32)
    )
    return Histories(persons, np.array(who, np.int32), np.zeros(len(who), np.int32), (mentions,))


def _csv(name: str) -> list[dict[str, str]]:
    with (SYNPUF / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


PARTS: dict[str, Callable[[], None]] = {
    "attack": attack_part,
    "map": map_part,
    "table": table_part,
    "joint": joint_part,
    "synpuf": synpuf_part,
    "dates": dates_part,
    "demographics": demographics_part,
    "nodes": nodes_part,
    "scale": scale_part,
}

if __name__ == "__main__":
    main()
