"""Complementary suppression: the fewest further cells to hide so that no small cell can be proven too closely.

Cutting planes after Fischetti and Salazar (2001): an integer program chooses cells under conditions that every safe
pattern meets, the audit refutes its choice with further conditions, and so on. What the integer program needs is a
proven lower bound; each choice is also repaired into a safe pattern, and the best of these is returned as soon as it is
within `tolerance` of the bound, or when time is up. A safe pattern is found in any case, or none exists.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deid.errors import DisclosureError
from deid.tables.audit import Audit, Cut
from deid.tables.insiders import Insiders
from deid.tables.system import Attacker, Flags, Index, Reals, System

SECONDS = 8.0  # of CPU, whatever else the machine does, after which the best safe pattern so far is taken
_TOLERANCE = 0.03
_MASTER_SECONDS = 2.0
_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Pattern:
    """Which cells are hidden; `bound` is the least number of secondary cells that any safe pattern can have."""

    hidden: Flags = field(repr=False)
    secondary: int
    bound: int
    rounds: int


@dataclass(slots=True)
class _Search:
    system: System
    audits: tuple[Audit, ...]
    insiders: Insiders
    cuts: list[Cut] = field(default_factory=list)

    def weak(self, hidden: Flags) -> list[tuple[Audit, Index]]:
        """Return the cells that a pattern leaves unprotected, by audit; of insiders once all others are satisfied."""
        found = [(audit, cells) for audit in self.audits if len(cells := audit.weak(hidden))]
        return found or self.insiders.weak(hidden)

    def is_safe(self, hidden: Flags) -> bool:
        """Whether movements at hand prove a pattern safe; no program is solved."""
        return all(audit.is_safe(hidden) for audit in self.audits) and self.insiders.is_safe(hidden)


def suppress(system: System, protection: int, *, seconds: float = SECONDS, tolerance: float = _TOLERANCE) -> Pattern:
    """Return a pattern of marks that is safe against both attackers; raise DisclosureError where there is none.

    `protection`: limits.tables.protection. `tolerance`: how far above the proven optimum the cost may be.
    """
    audits = tuple(Audit(system, attacker) for attacker in system.attackers(protection))
    search = _Search(system, audits, Insiders(system, audits[0]))
    started = time.process_time()
    forced = system.forced
    search.cuts += [cut for audit in search.audits for cut in relation_cuts(system, audit.attacker)]
    best: Flags | None = None
    bound, rounds = 0.0, 0
    chosen = forced.copy()
    while rounds < _ROUNDS:
        rounds += 1
        solved = _master(system, search.cuts)
        if solved is not None:
            chosen, cost = solved
            bound = max(bound, cost)
        weak = search.weak(chosen)
        found = [cut for audit, cells in weak for cut in audit.cuts(cells, chosen)]
        search.cuts += found
        safe = chosen if not weak else _repaired(search, chosen)
        if best is None or _cost(system, safe) < _cost(system, best):
            best = safe
        within = _cost(system, best) <= bound * (1 + tolerance) + 1e-6
        if within or solved is None or not found or time.process_time() - started > seconds:
            break
    assert best is not None
    best = _without_idle(search, best)
    return Pattern(best, int((best & ~forced).sum()), _least_cells(system, search.cuts), rounds)


def relation_cuts(system: System, attacker: Attacker) -> list[Cut]:
    """Return what each single sum asks for: a small cell can rise only as far as other hidden parts of it can fall.

    For a small cell p that can itself fall by `down`, the others of each of its sums must make up `need - down`.
    """
    cuts = []
    matrix = system.matrix
    forced, eligible = system.forced, system.eligible
    for relation in np.flatnonzero(system.is_sum):
        at = slice(matrix.indptr[relation], matrix.indptr[relation + 1])
        cells, signs = matrix.indices[at], matrix.data[at]
        needs = attacker.needs(cells)
        for p in np.flatnonzero(system.primary[cells]):
            same = signs == signs[p]
            room = np.where(same, attacker.down[cells], attacker.up[cells])
            room[p] = 0.0
            least = needs[p] - attacker.down[cells[p]] - room[forced[cells]].sum()
            usable = eligible[cells] & (room > 0)
            if least > 0:
                cuts.append(Cut(cells[usable].astype(np.int64), np.minimum(room[usable], least), float(least)))
    return cuts


def _master(
    system: System, cuts: list[Cut], objective: Reals | None = None, *, exactly: bool = False
) -> tuple[Flags, float] | None:
    """Return the cheapest pattern that meets all conditions, and a lower bound of its cost, or None.

    `exactly`: without a limit of time, and with no tolerance.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - loads HiGHS
    from scipy.sparse import csr_array  # noqa: PLC0415

    cells = np.flatnonzero(system.eligible)
    place = np.full(len(system), -1, np.int64)
    place[cells] = np.arange(len(cells))
    chosen = system.forced.copy()
    if not cuts:
        return chosen, 0.0
    if not len(cells):
        return None
    ends = np.cumsum([0] + [len(cut.cells) for cut in cuts])
    columns = place[np.concatenate([cut.cells for cut in cuts])]
    # Divided by what is asked for, so that every condition has the same scale.
    values = np.concatenate([cut.coefficients / cut.least for cut in cuts])
    rules = LinearConstraint(csr_array((values, columns, ends), shape=(len(cuts), len(cells))), 1.0 - 1e-7, np.inf)
    cost = (system.weight if objective is None else objective)[cells]
    limit = {"mip_rel_gap": 0.0} if exactly else {"time_limit": _MASTER_SECONDS, "mip_rel_gap": 0.005}
    found = milp(cost, integrality=1, bounds=Bounds(0, 1), constraints=rules, options=limit)
    if found.x is None:
        return None
    chosen[cells[found.x > 0.5]] = True
    return chosen, float(found.mip_dual_bound)


def _least_cells(system: System, cuts: list[Cut]) -> int:
    """Return how many secondary cells any safe pattern needs at least."""
    solved = _master(system, cuts, np.ones(len(system)))
    return 0 if solved is None else int(np.ceil(solved[1] - 1e-6))


def _cost(system: System, hidden: Flags) -> float:
    return float(system.weight[hidden & ~system.forced].sum())


def _repaired(search: _Search, hidden: Flags) -> Flags:
    """Return a safe pattern that holds this one: for each unprotected cell, the cheapest movement that protects it."""
    system = search.system
    hidden = hidden.copy()
    while True:
        before = int(hidden.sum())
        weak = [(audit, int(cell)) for audit, cells in search.weak(hidden) for cell in cells]
        if not weak:
            return hidden
        for audit, cell in weak[:: max(1, len(weak) // 64)]:
            far = int(audit.attacker.needs(np.array([cell]))[0]) + audit.lowest(cell, hidden)
            hidden |= _cheapest(system, audit.attacker, cell, hidden, far)
        if int(hidden.sum()) == before:
            hidden |= _neighbors(system, hidden, [cell for _, cell in weak])
        if int(hidden.sum()) == before:
            hidden |= system.eligible
        if int(hidden.sum()) == before:
            raise DisclosureError(
                f"{len(weak)} small cells cannot be protected: what stands around them is known already",
                hint="leave out totals, or publish tables that share no cells with what was published before",
            )


def _cheapest(system: System, attacker: Attacker, target: int, hidden: Flags, far: float) -> Flags:
    """Return the cells of the cheapest movement that carries `target` up by `far` (a linear relaxation).

    Down instead, as far as it can fall at all, where it cannot rise.
    """
    from scipy.optimize import linprog  # noqa: PLC0415

    far = min(far, attacker.up[target]) if attacker.up[target] > 0 else -min(far, attacker.down[target])
    if far == 0:
        return np.zeros(len(system), bool)
    cells = np.flatnonzero(hidden | system.eligible)
    n = len(cells)
    part = system.matrix[:, cells]
    price = np.where(hidden[cells], 1e-4, system.weight[cells])
    down, up = attacker.down[cells].copy(), attacker.up[cells].copy()
    at = int(np.searchsorted(cells, target))
    if far > 0:
        down[at] = 0
    else:
        up[at] = 0
    cost = np.concatenate([_spread_price(price, up, far), _spread_price(price, down, far)])
    matrix: Any = _two_sided(part)
    low = np.zeros(2 * n)
    low[at if far > 0 else n + at] = abs(far)
    found = linprog(
        cost,
        A_ub=matrix[~system.is_sum],
        b_ub=system.slack()[~system.is_sum],
        A_eq=matrix[system.is_sum],
        b_eq=np.zeros(int(system.is_sum.sum())),
        bounds=np.column_stack([low, np.concatenate([up, down]).clip(min=low)]),
        method="highs",
    )
    opened = np.zeros(len(system), bool)
    if found.status == 0:
        opened[cells[(found.x[:n] > 1e-7) | (found.x[n:] > 1e-7)]] = True
    return opened


def _spread_price(price: Reals, room: Reals, far: float) -> Reals:
    """Return the price of a unit of movement: a cell with little room costs as much for that little."""
    return price / np.clip(room, 1e-3, abs(far))


def _two_sided(part: Any) -> Any:
    from scipy.sparse import csr_array, hstack  # noqa: PLC0415

    return csr_array(hstack([part, -part]))


def _neighbors(system: System, hidden: Flags, cells: list[int]) -> Flags:
    """Return one more cell of each relation that holds one of `cells`: the largest that may still be hidden."""
    more = np.zeros(len(system), bool)
    matrix, by_cell = system.matrix, system.matrix.tocsc()
    for cell in cells:
        for relation in by_cell.indices[by_cell.indptr[cell] : by_cell.indptr[cell + 1]]:
            others = matrix.indices[matrix.indptr[relation] : matrix.indptr[relation + 1]]
            others = others[system.eligible[others] & ~hidden[others]]
            if len(others):
                more[others[np.argmin(system.weight[others])]] = True
    return more


def _without_idle(search: _Search, hidden: Flags) -> Flags:
    """Return the pattern without secondary cells that protect nobody, the dearest first."""
    system = search.system
    spare = np.flatnonzero(hidden & ~system.forced)
    for cell in spare[np.argsort(-system.weight[spare], kind="stable")]:
        less = hidden.copy()
        less[cell] = False
        if search.is_safe(less):
            hidden = less  # proven by movements at hand: no program is solved
    return hidden
