"""Twelve monthly releases of one series: each recoded anew at k = 11, and held together by the ledger.

Run `python benchmarks/disclosure_series.py`. 100,000 generated patients (deid.synthetic, seed 7), in the release of a
month from their first visit on; four quasi-identifiers; 0.05 % of the patients opt out each month. An attacker has all
twelve releases and joins them by the pseudonym: a joint class is what a patient shows in each of them, or that the
patient is not in it. What is printed is shares of the patients ever released, and CPU seconds.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.disclosure.lattice import Lattice
from deid.disclosure.vectors import Ladder, Tally
from deid.ledger import SeriesRules, State, arrive, joint
from deid.ledger.state import sizes
from deid.synthetic.population import generate_chunks

K = 11
MONTHS = 12
SUPPRESSION = 0.05
Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True)
class People:
    """Who is in a source when: leaf of each quasi-identifier, first month, month of opting out; months from 0 on.

    `visits`: bool (patients, months), who has a visit in the month itself.
    """

    leaves: tuple[Numbers, ...]
    ladders: tuple[Ladder, ...]
    first: Numbers
    gone: Numbers
    visits: npt.NDArray[np.bool_]

    def here(self, month: int, *, increment: bool = False) -> npt.NDArray[np.int64]:
        """Return the patients whom the release of a month could hold."""
        seen = self.visits[:, month] if increment else self.first <= month
        return np.flatnonzero(seen & (self.gone > month))


def people(patients: int, start: str, leavers: float) -> People:
    """Return generated people, from whose visits the series begins at the end of month `start`."""
    columns: list[pa.Table] = []
    visits: list[pa.Table] = []
    for part in generate_chunks(7, patients, notes=0.0):
        columns.append(part.patients.select(["patient_id", "birth_date", "sex", "race", "zip_code"]))
        visits.append(part.encounters.select(["patient_id", "admit_date"]))
    table, rows = pa.concat_tables(columns), pa.concat_tables(visits)
    who = pc.index_in(rows["patient_id"], table["patient_id"].combine_chunks()).to_numpy()
    month = rows["admit_date"].to_numpy().astype("datetime64[M]").astype(np.int64) - np.datetime64(start, "M").astype(
        np.int64
    )
    first = np.full(len(table), 10**6, np.int64)
    np.minimum.at(first, who, month)
    present = np.zeros((len(table), MONTHS), bool)
    # The first increment holds what has gathered until then.
    inside = month < MONTHS
    present[who[inside], np.maximum(month[inside], 0)] = True
    chance = np.random.default_rng(1)
    gone = 1 + chance.geometric(leavers, len(table)) if leavers else np.full(len(table), 10**6)
    year = table["birth_date"].to_numpy().astype("datetime64[Y]").astype(np.int64) + 1970
    place = pc.utf8_slice_codeunits(table["zip_code"], 0, 3)
    built = [
        _bands("birth year", year, (1, 5, 10, 20, 40)),
        _prefixes("place", place.fill_null("").to_numpy(zero_copy_only=False).astype("U3"), (3, 2, 1, 0)),
        _kept("sex", table["sex"]),
        _kept("race", table["race"]),
    ]
    return People(
        tuple(leaves for leaves, _ in built),
        tuple(ladder for _, ladder in built),
        np.maximum(first, 0).astype(np.int32),
        gone.astype(np.int32),
        present,
    )


def _numbered(values: npt.NDArray[np.generic]) -> Numbers:
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int32)


def _ladder(name: str, values: npt.NDArray[np.generic], rungs: list[npt.NDArray[np.generic]]) -> tuple[Numbers, Ladder]:
    distinct, leaves = np.unique(values, return_inverse=True)
    first = np.unique(leaves, return_index=True)[1]
    lookups = tuple(_numbered(rung[first]) for rung in rungs)
    return leaves.astype(np.int32), Ladder(
        name, tuple(str(n) for n in range(len(rungs))), (_same(distinct), *lookups[1:])
    )


def _same(distinct: npt.NDArray[np.generic]) -> Numbers:
    return np.arange(len(distinct), dtype=np.int32)


def _bands(name: str, values: npt.NDArray[np.int64], widths: tuple[int, ...]) -> tuple[Numbers, Ladder]:
    return _ladder(name, values, [*(values // width for width in widths), np.zeros_like(values)])


def _prefixes(name: str, values: npt.NDArray[np.str_], lengths: tuple[int, ...]) -> tuple[Numbers, Ladder]:
    return _ladder(name, values, [values.astype(f"U{n}") if n else np.zeros(len(values)) for n in lengths])


def _kept(name: str, column: pa.ChunkedArray) -> tuple[Numbers, Ladder]:
    values = column.fill_null("").to_numpy(zero_copy_only=False).astype("U16")
    return _ladder(name, values, [values, np.zeros(len(values))])


def recoded(of: People, at: npt.NDArray[np.int64]) -> tuple[tuple[int, ...], Numbers]:
    """Return the levels of least loss for some patients, and the class of each, -1 where withheld."""
    vectors, number = np.unique(np.stack([leaves[at] for leaves in of.leaves], axis=1), axis=0, return_inverse=True)
    number = number.reshape(-1)
    tally = Tally(tuple(vectors[:, i].copy() for i in range(vectors.shape[1])), np.bincount(number).astype(np.int64))
    lattice = Lattice(of.ladders, tally, k=K, suppression=SUPPRESSION)
    levels = tuple(lattice.best().levels)
    return levels, lattice.classes(levels)[number]


def at_levels(of: People, levels: tuple[int, ...]) -> Numbers:
    """Return the class of every patient at some levels, large or small."""
    columns = [ladder.lookups[n][leaves] for ladder, leaves, n in zip(of.ladders, of.leaves, levels, strict=True)]
    return np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)


def anew(of: People) -> None:
    """Print what an attacker gets who holds releases that were recoded anew each month."""
    shown = np.full((MONTHS, len(of.first)), -1, np.int64)
    found: list[tuple[int, ...]] = []
    begun = time.process_time()
    for month in range(MONTHS):
        at = of.here(month)
        levels, klass = recoded(of, at)
        # A class of one recoding is another value than that of another recoding.
        shown[month, at] = np.where(klass >= 0, klass + 1_000_000 * len(found), -1)
        found += [levels] if not found or levels != found[-1] else []
        if month + 1 in (1, 2, 4, 12):
            ends = _joint(shown[: month + 1])
            everybody = ends.sum()
            print(
                f"  anew, after {month + 1:>2} releases: smallest joint class {ends.min()}, "
                f"{100 * ends[ends < K].sum() / everybody:5.1f} % of the patients in joint classes below {K}, "
                f"{100 * (ends == 1).sum() / everybody:.1f} % alone"
            )
    print(f"  anew: {len(found)} recodings in 12 months, {time.process_time() - begun:.1f} s")


def _joint(shown: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the size of every class of patients who show the same in all releases; -1 is not to be in one."""
    ever = (shown >= 0).any(axis=0)
    return sizes(*(row[ever] for row in shown))


def ledger(of: People, levels: tuple[int, ...], rules: SeriesRules, what: str) -> None:
    """Print joint k under the ledger, who is released in the month of arrival, and who waits at the end."""
    begun = time.process_time()
    increment = rules.is_increment
    klass = at_levels(of, levels)
    if rules.coarsest is not None:
        rules = replace(rules, coarsest=int(klass.max()) + 1)
    numbers = np.arange(len(of.first), dtype=np.uint64)
    tags = np.stack([numbers * np.uint64(0x9E3779B97F4A7C15), numbers], axis=1)
    state, seen = State.empty(), np.zeros(len(of.first), bool)
    first = at_once = left = drawn = 0
    for month in range(MONTHS):
        at = of.here(month, increment=increment)
        seen[at] = True
        found = arrive(state, tags[at], klass[at], month + 1, rules, lambda held: held[:, 0])
        state, moved = found.state, found.movement
        first = first if month else moved.arrived
        at_once, left, drawn = at_once + moved.at_once, left + moved.left, drawn + moved.drawn
    cells = joint(state, k=K, is_increment=increment)
    everybody, newcomers = int(seen.sum()), int(seen.sum()) - len(of.here(0, increment=increment))

    def share(part: int, of_all: int = everybody) -> str:
        return f"{100 * part / of_all:.1f} %"

    counts = np.bincount(state.state, minlength=4)
    print(
        f"  {what}: joint k {cells.smallest}, {cells.patients_below} below; in the same month {share(at_once)} of all, "
        f"{share(at_once - first, newcomers)} of {newcomers:,} newcomers; at the end {share(counts[0])} held, "
        f"{share(counts[3])} excluded; {left} left, {drawn} drawn along; {time.process_time() - begun:.2f} s"
    )


def main() -> None:
    """Run every setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=100_000)
    asked = parser.parse_args()
    for start, leavers in itertools.product(("2019-01", "2019-12"), (0.0, 0.0005)):
        of = people(asked.patients, start, leavers)
        print(f"{asked.patients:,} patients, first release {start}, {100 * leavers:g} % opt out a month")
        anew(of)
        best, _ = recoded(of, of.here(0))
        # That of least loss by the first release alone, and two that leave more newcomers to a class.
        places = (best[1], min(best[1] + 1, 3), 3)
        for levels in dict.fromkeys((best[0], place, *best[2:]) for place in places):
            bands = ("by year", "in 5 years", "in 10 years", "in 20 years", "in 40 years", "dropped")[levels[0]]
            digits = ("ZIP3", "2 digits", "1 digit", "no place")[levels[1]]
            for increment, then in ((False, "coarsest"), (False, "exclude"), (True, "coarsest")):
                rules = SeriesRules(K, hold=3, coarsest=0 if then == "coarsest" else None, is_increment=increment)
                ledger(
                    of, levels, rules, f"{'increment' if increment else 'cumulative'}, birth {bands}, {digits}, {then}"
                )


if __name__ == "__main__":
    main()
