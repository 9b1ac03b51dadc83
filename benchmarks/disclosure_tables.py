"""Small cells of tables: how many are exposed by totals alone, what protects them, how long it takes, and the optimum.

`python benchmarks/disclosure_tables.py [--rows 300] [--columns 24]` draws tables of counts with margins (rows of very
different sizes, as counties are), and for each of them prints

- primary cells, and how many are read off exactly by subtraction, by linear programs of somebody who reads a mark as a
  count from 1 up, and of one who has found out which marks are small (1 to 10), when nothing else is hidden;
- secondary cells that `deid tabulate` hides, the optimum, time for suppression and for an audit from scratch.

The optimum is exact: an integer program with a condition for each cut that an audit finds, run until its own choice is
safe (Fischetti and Salazar 2001), with no limit of time and without any heuristic.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from deid.tables.audit import Audit
from deid.tables.secondary import _master, relation_cuts, suppress
from deid.tables.system import Attacker, System, relations

PROTECTION = 10


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


def main() -> None:
    """Print a table of all draws."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--columns", type=int, default=24)
    parser.add_argument("--means", type=float, nargs="*", default=[100, 40, 20, 8])
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    print("cells  primary  exact by subtraction / program / informed  secondary  optimum  over  suppress s  audit s")
    for mean in given.means:
        for seed in range(given.seeds):
            system = grid(given.rows, given.columns, mean, seed)
            leaks = exposed(system)
            start = time.perf_counter()
            pattern = suppress(system, PROTECTION)
            middle = time.perf_counter()
            for attacker in system.attackers(PROTECTION):
                if len(Audit(system, attacker).weak(pattern.hidden)):
                    raise RuntimeError("an unsafe pattern")
            end = time.perf_counter()
            least = optimum(system)
            over = 100 * (pattern.secondary / least - 1) if least else 0.0
            print(
                f"{len(system):>5}  {system.primary.sum():>7}  {leaks['subtraction']:>8} / {leaks['program']:>5} / "
                f"{leaks['informed']:>5} {pattern.secondary:>25}  {least:>7}  {over:>3.0f}%  {middle - start:>10.2f}  "
                f"{end - middle:>7.2f}",
                flush=True,
            )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
