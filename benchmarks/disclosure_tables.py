"""Small cells of tables: how many are exposed by totals alone, what protects them, how long it takes, and the optimum.

`python benchmarks/disclosure_tables.py [--rows 300] [--columns 24]` draws tables of counts with margins (rows of very
different sizes, as counties are), and for each of them prints

- primary cells, and how many are read off exactly by subtraction, by linear programs of somebody who reads a mark as a
  count from 1 up, and of one who has found out which marks are small (1 to 10), when nothing else is hidden;
- secondary cells that `deid tabulate` hides, the optimum, and seconds for suppression and for an audit from scratch:
  by the clock, and of this process alone (which other programs on the machine do not lengthen).

Then linked tables of drawn patients: prevalence of as many counties by as many quarters beside the population, and a
tenth of the counties by quarter and year in three measures; with gaps (how many somebody counts who subtracts one cell
from another), and the bound that the search has proven.

The optimum is exact: an integer program with a condition for each cut that an audit finds, run until its own choice is
safe (Fischetti and Salazar 2001), with no limit of time and without any heuristic.
"""

from __future__ import annotations

import argparse
import resource
import time
from datetime import date

import numpy as np

from deid.cells.days import number_of
from deid.documents.limits import TableLimits
from deid.documents.period import Period
from deid.tables.audit import Audit
from deid.tables.cube import Cube
from deid.tables.insiders import Insiders
from deid.tables.linking import link
from deid.tables.people import Attribute, People, Visits
from deid.tables.periods import whole_periods
from deid.tables.protect import protect
from deid.tables.secondary import _master, relation_cuts, suppress
from deid.tables.system import Attacker, Flags, System, relations
from deid.tables.tabulation import Measure, TableRequest
from deid.tables.tallies import Counter

PROTECTION = 10
WHOLE = Period("", date(2025, 12, 31), date(2025, 12, 31))


def grid(rows: int, columns: int, mean: float, seed: int) -> System:
    """Return a table of Poisson counts with row and column totals, as a system; the cost of every cell is the same."""
    random = np.random.default_rng(seed)
    size = random.lognormal(np.log(mean), 0.8, rows)
    inner = random.poisson(size[:, None] * random.lognormal(0, 0.3, columns)[None, :])
    full = np.zeros((rows + 1, columns + 1), np.int64)
    full[:rows, :columns] = inner
    full[rows, :columns], full[:rows, columns], full[rows, columns] = inner.sum(0), inner.sum(1), inner.sum()
    at = np.arange(full.size).reshape(full.shape)
    plus = [list(at[i, :columns]) for i in range(rows + 1)] + [list(at[:rows, j]) for j in range(columns + 1)]
    minus = [[at[i, columns]] for i in range(rows + 1)] + [[at[rows, j]] for j in range(columns + 1)]
    counts, nothing = full.ravel(), np.zeros(full.size, bool)
    weight = 1 + 0.01 * np.log1p(counts) / np.log1p(counts.max())
    matrix = relations(plus, minus, full.size)
    is_sum = np.ones(matrix.shape[0], bool)
    small = (counts > 0) & (counts < 11)
    return System(
        counts,
        small,
        nothing,
        nothing.copy(),
        matrix,
        is_sum,
        weight,
        ~nothing,
        np.full(full.size, np.inf),
        nothing.copy(),
    )


def exposed(system: System) -> dict[str, int]:
    """Return how many small cells are exactly known when only small cells are hidden."""
    found = {"subtraction": subtracted(system)}
    for name, attacker in zip(("program", "informed"), system.attackers(PROTECTION), strict=True):
        audit = Audit(system, Attacker(attacker.name, attacker.down, attacker.up, 1))
        found[name] = len(audit.weak(system.primary))
    return found


def subtracted(system: System) -> int:
    """Return how many small cells follow from totals, one unknown at a time."""
    unknown = system.primary.copy()
    by_row = abs(system.matrix)
    while True:
        alone = np.flatnonzero(np.asarray(by_row @ unknown.astype(float)) == 1)
        solved = {int(c) for r in alone for c in by_row.indices[by_row.indptr[r] : by_row.indptr[r + 1]] if unknown[c]}
        if not solved:
            return int((system.primary & ~unknown).sum())
        unknown[list(solved)] = False


def optimum(system: System) -> int:
    """Return the least number of secondary cells, proven."""
    audits = [Audit(system, attacker) for attacker in system.attackers(PROTECTION)]
    cuts = [cut for audit in audits for cut in relation_cuts(system, audit.attacker)]
    while True:
        solved = _master(system, cuts, np.ones(len(system)), exactly=True)
        if solved is None:
            raise RuntimeError("the integer program found nothing")
        chosen, _ = solved
        found = [cut for audit in audits for cut in audit.cuts(audit.weak(chosen), chosen)]
        if not found:
            return int((chosen & ~system.forced).sum())
        cuts += found


def audited(system: System, hidden: Flags) -> None:
    """Prove a pattern from scratch against every attacker, as a run does before it publishes."""
    audits = [Audit(system, attacker) for attacker in system.attackers(PROTECTION)]
    if any(len(audit.weak(hidden)) for audit in audits) or Insiders(system, audits[0]).weak(hidden):
        raise RuntimeError("an unsafe pattern")


def linked(counties: int, size: int, seen: int, told: dict[str, tuple[Measure, ...]]) -> System:
    """Return the system of linked tables of drawn patients over six years, by county: measures by level of period.

    `seen`: visits of a patient, on average.
    """
    random = np.random.default_rng(0)
    share = random.lognormal(0, 0.8, counties)
    county = random.choice(counties, size, p=share / share.sum()).astype(np.int32)
    names = [f"{i:03d}" for i in range(counties)]
    people = People({"county": Attribute("county", names, county)}, np.zeros(size, np.int32), np.ones(size, bool))
    visits = size * seen
    who = random.integers(0, size, visits).astype(np.int32)
    first, last = (number_of(day) for day in (date(2019, 1, 1), date(2025, 12, 31)))
    when = random.integers(first, last + 1, visits).astype(np.int32)
    events = Visits(who, when, np.ones(visits, np.int32), ("", "x"), first)
    cube, counter = Cube(), Counter(people, events, (), 365)
    population = TableRequest("people", Measure.POPULATION, ("county",), ("county",), rates=False)
    cube.add(population, counter.tally(Measure.POPULATION, (WHOLE,), ("county",), by_group=False), ("county",))
    for level, measures in told.items():
        periods = whole_periods(level, date(2020, 1, 1), date(2025, 12, 31))
        for measure in measures:
            table = TableRequest(f"{measure}-{level}", measure, (level, "county", "codes"), ("county",), rates=False)
            cube.add(table, counter.tally(measure, periods, ("county",), by_group=True), ("county",))
    return link(cube, {}, smallest=11, groups={"x": {"icd10cm": ("X",)}}).system


def main_linked(counties: int, patients: int) -> None:
    """Print a row for each system."""
    three = (Measure.VISITS, Measure.PREVALENCE, Measure.INCIDENCE)
    systems = {
        "prevalence, population": linked(counties, patients, 40, {"quarter": (Measure.PREVALENCE,)}),
        "three measures, two periods": linked(counties // 10, patients // 2, 3, {"quarter": three, "year": three}),
    }
    print("tables                         cells  relations  small   gaps  alone  secondary  at least  seconds (CPU)")
    for name, system in systems.items():
        start, start_cpu = time.perf_counter(), time.process_time()
        done = protect(system, TableLimits(), 0, np.full(len(system), -1))
        wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        gaps = int((system.primary & system.unseen).sum())
        print(
            f"{name:<28}  {len(system):>6}  {system.matrix.shape[0]:>9}  {int(system.primary.sum()) - gaps:>5}  "
            f"{gaps:>5}  {int(system.alone.sum()):>5}  {done.secondary:>9}  {done.fewest:>8}  {wall:>6.1f} ({cpu:.1f})",
            flush=True,
        )


def main() -> None:
    """Print a table of all draws."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--columns", type=int, default=24)
    parser.add_argument("--means", type=float, nargs="*", default=[100, 40, 20, 8])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--patients", type=int, default=20_000)
    given = parser.parse_args()
    print(
        "cells  primary  exact by subtraction / program / informed  secondary  optimum  over  suppress s (CPU)  "
        "audit s (CPU)"
    )
    for mean in given.means:
        for seed in range(given.seeds):
            system = grid(given.rows, given.columns, mean, seed)
            leaks = exposed(system)
            start, start_cpu = time.perf_counter(), time.process_time()
            pattern = suppress(system, PROTECTION)
            middle, middle_cpu = time.perf_counter(), time.process_time()
            audited(system, pattern.hidden)
            end, end_cpu = time.perf_counter(), time.process_time()
            least = optimum(system)
            over = 100 * (pattern.secondary / least - 1) if least else 0.0
            print(
                f"{len(system):>5}  {system.primary.sum():>7}  {leaks['subtraction']:>8} / {leaks['program']:>5} / "
                f"{leaks['informed']:>5} {pattern.secondary:>25}  {least:>7}  {over:>3.0f}%  {middle - start:>8.2f} "
                f"({middle_cpu - start_cpu:>5.2f})  {end - middle:>6.2f} ({end_cpu - middle_cpu:>4.2f})",
                flush=True,
            )
    main_linked(given.rows, given.patients)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
