"""A year of increments of mapped codes: what known codes tell by each alone, and by all that one party has.

Run `python benchmarks/disclosure_increments.py`. Patients of the ICD-10 model (deid.synthetic.histories, seed 7),
twenty years of age and sex as the class, the map searched on the first release under a ceiling, and frozen.
Printed are the largest mean chances of adversaries who know two codes: by the newest increment alone, by all increments
together, and together where the period of each code is known, which a run holds to the ceiling; then what the ledger
keeps for it. The first release holds some months, each later one a month or a quarter.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import scattered
from deid.disclosure.code_maps import search_map
from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.pairs import attack
from deid.documents.limits import Adversary, CodeLimits
from deid.errors import DisclosureError
from deid.known_codes.entries import Entries
from deid.ledger import RELEASED, State
from deid.ledger.told import ITEMS, Told
from deid.synthetic.histories import Histories, draw_histories
from deid.synthetic.histories_coded import classes, coded_histories

ADVERSARIES = (Adversary.UNIFORM, Adversary.MENTIONS)
MONTHS = 12
SHOWN = (1, 2, 3, 4, 6, 12)
SERIES = ((1, 1, 0.09), (1, 1, 0.05), (6, 1, 0.09), (24, 1, 0.09), (3, 3, 0.09), (3, 3, 0.05))
Numbers = npt.NDArray[np.int32]


def increment(histories: Histories, coded: Coded, klass: Numbers, first: int, last: int) -> Coded:
    """Return the entries of the days from `first` on and before `last`; who has none is withheld."""
    seen = np.zeros((0, 2), np.int32) if coded.visits is None else coded.visits
    day = histories.day[seen[:, 1]]
    kept = seen[(day >= first) & (day < last)]
    entries = Entries()
    entries.add(coded.patient[kept[:, 0]], coded.code[kept[:, 0]], kept[:, 1])
    here = np.full(len(klass), -1, np.int32)
    here[coded.patient[kept[:, 0]]] = klass[coded.patient[kept[:, 0]]]
    return entries.coded(len(klass)).released(here)


def frozen_map(first: Coded, tree: CodeTree, ceiling: float) -> Numbers:
    """Return the item of each code by the first release; one that it had not goes to its chapter, or to the rest."""
    found = search_map(first, tree, CodeLimits(ceiling, ("icd10cm",), adversaries=ADVERSARIES), k=11).items
    met = np.bincount(first.code, minlength=len(found)) > 0
    chapter = tree.items[:, -1]
    rest = int(max(found.max(), tree.items.max())) + 1
    return np.where(met, found, np.where(np.isin(chapter, found[met]), chapter, rest)).astype(np.int32)


def entered(told: Told, number: int, part: Coded, items: Numbers) -> Told:
    """Return what the series has shown with one more increment; visits are not told."""
    used, item = np.unique(items[part.code], return_inverse=True)
    keys = part.patient.astype(np.int64) * len(used) + item
    pairs, at = np.unique(keys, return_inverse=True)
    mentions = np.bincount(at, weights=part.mentions).astype(np.int32)
    table = pa.table([pa.array(["icd10cm"] * len(used)), pa.array([str(each) for each in used])], schema=ITEMS)
    patient, item = np.divmod(pairs, len(used))
    dates, none = np.zeros(len(pairs), np.uint64), np.full(len(pairs), -1, np.int32)
    return told.with_release(number, patient.astype(np.int32), item.astype(np.int32), dates, none, mentions, table)


def state_of(klass: Numbers, shown: npt.NDArray[np.bool_]) -> State:
    """Return the state of a series in which these patients were shown."""
    size = len(klass)
    tags = np.stack([np.arange(size, dtype=np.uint64)] * 2, axis=1)
    arrival, none = shown.astype(np.int16), np.zeros(size, np.int16)
    return State(tags, klass, np.full(size, RELEASED), none, arrival, none, np.zeros((size, 0), np.uint64))


def series(histories: Histories, klass: Numbers, begins: int, each: int, ceiling: float) -> None:
    """Print the figures of a series whose first release holds `begins` months, and each later one `each`."""
    coded, tree = coded_histories(histories, klass, declared=())
    ends = [round(365.25 / 12 * (begins + number)) for number in range(0, MONTHS, each)]
    first = increment(histories, coded, klass, 0, ends[0])
    items = frozen_map(first, tree, ceiling)
    told, shown, begun = Told.nothing(), np.zeros(len(klass), bool), time.process_time()
    print(
        f"first release of {begins} months under {100 * ceiling:g} %: {int((first.klass >= 0).sum()):,} patients with "
        f"codes; then every {each} months"
    )
    for number in range(1, len(ends) + 1):
        part = first if number == 1 else increment(histories, coded, klass, ends[number - 2], ends[number - 1])
        told = entered(told, number, part, items)
        shown |= part.klass >= 0
        if number not in SHOWN:
            continue
        state = state_of(klass, shown)
        alone = attack(part, items, draws=ADVERSARIES).mean
        same = np.arange(len(told.items), dtype=np.int32)
        union = attack(told.coded(state), same, draws=ADVERSARIES).mean
        by_month = told.tied(state, by_release=True)
        dated = attack(told.coded(state), same, draws=(*ADVERSARIES, Adversary.DATED), tied=by_month)
        print(
            f"  after {number:>2}: alone {100 * alone:5.2f} %, together {100 * union:5.2f} %, "
            f"periods known {100 * dated.of(Adversary.DATED).mean:5.1f} %"
        )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, told.table().schema) as writer:
        writer.write_table(told.table())
    people = int(shown.sum())
    print(
        f"  kept: {len(told) / people:.1f} rows and {len(sink.getvalue()) / people:,.0f} bytes a patient; "
        f"{time.process_time() - begun:.1f} s"
    )


def second_request(histories: Histories, klass: Numbers) -> None:
    """Print how many patients a party could join that is given the same mapped codes in two requests."""
    coded, tree = coded_histories(histories, klass, declared=())
    items = frozen_map(coded, tree, 0.09)
    for what, times in (
        ("each code once", np.ones(len(coded.code), np.int64)),
        ("as often as written", coded.mentions),
    ):
        prints = np.zeros(len(klass), np.uint64)
        with np.errstate(over="ignore"):
            np.add.at(prints, coded.patient, scattered(items[coded.code]) * times.astype(np.uint64))
        _, number, count = np.unique(prints, return_inverse=True, return_counts=True)
        alike = count[number]
        print(
            f"same mapped codes in two requests, {what}: {100 * (alike == 1).mean():.1f} % unique by them, "
            f"{100 * (alike < 11).mean():.1f} % among fewer than 11"
        )


def main() -> None:
    """Run every series."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--patients", type=int, default=50_000)
    asked = parser.parse_args()
    histories = draw_histories(asked.patients)
    histories = replace(histories, day=histories.day.astype(np.int32))
    klass = classes(histories.people.age // 20, histories.people.male)
    print(f"{asked.patients:,} patients")
    second_request(histories, klass)
    for begins, each, ceiling in SERIES:
        try:
            series(histories, klass, begins, each, ceiling)
        except DisclosureError as refused:
            print(f"first release of {begins} months under {100 * ceiling:g} %: {refused.message}")


if __name__ == "__main__":
    main()
