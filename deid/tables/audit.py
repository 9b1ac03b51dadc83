"""What an attacker can prove of each small cell: the audit of a pattern of marks by linear programming.

A *movement* is a difference between two tables that both agree with everything published. A small cell is protected
against an attacker if movements are known that show it at two counts at least `need` apart. Movements are whole
numbers, so two of them prove what an attacker with integer programming cannot refute either; a bound of the linear
program alone would not: beyond two dimensions it only relaxes the attack (Fischetti and Salazar 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from deid.tables.system import Attacker, Counts, Flags, Index, Reals, System

_WHOLE = 1e-6
_BATCHES = 24  # programs that move many cells at once, before single cells are tried
_SEARCH_SECONDS = 2.0  # for a whole-numbered movement where the linear program's is broken


@dataclass(frozen=True, slots=True)
class Cut:
    """What any pattern must meet to protect a cell that this one does not: `coefficients` @ hidden >= `least`."""

    cells: Index = field(repr=False)
    coefficients: Reals = field(repr=False)
    least: float


@dataclass(slots=True)
class Audit:
    """Audits patterns of one system against one attacker; keeps movements, since most outlive a change of pattern."""

    system: System
    attacker: Attacker
    targets: Index = field(init=False, repr=False)
    _pool: list[tuple[Index, Counts]] = field(default_factory=list, repr=False)
    needs: Counts = field(init=False, repr=False)
    _slack: Reals = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.targets = np.flatnonzero(self.system.primary)
        self.needs = self.attacker.needs(self.targets)
        self._slack = self.system.slack()

    def widths(self, hidden: Flags) -> Counts:
        """Return the proven width of what the attacker can tell of each target under this pattern, (targets,)."""
        low, high = self._ranges(hidden)
        return high - low

    def weak(self, hidden: Flags) -> Index:
        """Return the targets that this pattern does not protect, as cells."""
        open_program = self.program(hidden)
        signs = np.random.default_rng(0)
        fruitless = 0
        for _ in range(_BATCHES):
            short = self._short(hidden)
            if not len(short) or fruitless > 2:
                break
            before = int(np.minimum(self.widths(hidden), self.needs).sum())
            self.add(open_program.many(short, signs.choice([-1.0, 1.0], len(short))))
            fruitless += int(np.minimum(self.widths(hidden), self.needs).sum()) == before
        for target in self._short(hidden):
            if not self._is_safe(target, hidden):
                self._single(open_program, int(target), hidden)
        return self._short(hidden)

    def cuts(self, weak: Sequence[int] | Index, hidden: Flags) -> list[Cut]:
        """Return a condition on patterns for each unprotected target, from the duals of both programs (Benders)."""
        program = self.program(hidden)
        return [cut for target in weak if (cut := program.cut(int(target))) is not None]

    def lowest(self, target: int, hidden: Flags) -> int:
        """Return how far below its true count this target is proven to be possible, as a number of at most 0."""
        return int(self._ranges(hidden)[0][np.searchsorted(self.targets, target)])

    def program(self, hidden: Flags) -> Program:
        """Return the linear program of this attacker on a pattern."""
        return Program(self.system, self.attacker, hidden, self._slack)

    def moves(self, hidden: Flags) -> npt.NDArray[np.float32]:
        """Return the movements at hand that only change hidden cells, (movements, n)."""
        valid = [(cells, by) for cells, by in self._pool if hidden[cells].all()]
        found = np.zeros((len(valid), len(self.system)), np.float32)
        for row, (cells, by) in enumerate(valid):
            found[row, cells] = by
        return found

    def _short(self, hidden: Flags) -> Index:
        return np.asarray(self.targets[self.widths(hidden) < self.needs])

    def is_safe(self, hidden: Flags) -> bool:
        """Whether movements at hand prove every target safe; no program is solved."""
        return bool((self.widths(hidden) >= self.needs).all())

    def _is_safe(self, target: int, hidden: Flags) -> bool:
        at = np.searchsorted(self.targets, target)
        return bool(self.widths(hidden)[at] >= self.needs[at])

    def _ranges(self, hidden: Flags) -> tuple[Counts, Counts]:
        low, high = np.zeros(len(self.system), np.int64), np.zeros(len(self.system), np.int64)
        for cells, by in self._pool:
            if hidden[cells].all():
                np.minimum.at(low, cells, by)
                np.maximum.at(high, cells, by)
        return low[self.targets], high[self.targets]

    def add(self, movement: Reals | None) -> bool:
        """Keep a movement if it is whole; also its mirror image, where the attacker cannot rule that out."""
        if movement is None:
            return False
        whole = np.rint(movement)
        if np.abs(movement - whole).max(initial=0.0) > _WHOLE:
            return False
        kept = False
        for by in (whole, -whole):
            if by.any() and self._allowed(by):
                cells = np.flatnonzero(by)
                self._pool.append((cells, by[cells].astype(np.int64)))
                kept = True
        return kept

    def _allowed(self, by: Reals) -> bool:
        """Whether a movement keeps to every relation and bound; checked in whole numbers, whatever a solver said."""
        change = np.asarray(self.system.matrix @ by)
        sound = np.where(self.system.is_sum, change == 0, change <= self._slack)
        return bool(sound.all() and (by >= -self.attacker.down).all() and (by <= self.attacker.up).all())

    def _single(self, program: Program, target: int, hidden: Flags) -> None:
        for sign in (1.0, -1.0):
            movement = program.one(target, sign)
            if not self.add(movement) and movement is not None and abs(movement[target]) > _WHOLE:
                self.add(program.one_whole(target, sign))
            if self._is_safe(target, hidden):
                return


class Program:
    """The linear program of one pattern: its variables are movements of the hidden cells."""

    def __init__(self, system: System, attacker: Attacker, hidden: Flags, slack: Reals) -> None:
        self.system, self.attacker, self.slack = system, attacker, slack
        self.cells = np.flatnonzero(hidden)
        self.place = np.full(len(system), -1, np.int64)
        self.place[self.cells] = np.arange(len(self.cells))
        part = system.matrix[:, self.cells]
        touched = np.diff(part.indptr) > 0
        self.sums, self.bounds = np.flatnonzero(touched & system.is_sum), np.flatnonzero(touched & ~system.is_sum)
        self.a_eq, self.a_ub = part[self.sums], part[self.bounds]
        self.low = -attacker.down[self.cells]
        self.high = attacker.up[self.cells]

    def many(self, targets: Index, signs: Reals) -> Reals | None:
        """Return a movement that carries many targets at once, each in the direction of its sign, up to the need."""
        from scipy.sparse import csr_array, eye_array, hstack, vstack  # noqa: PLC0415

        n, t = len(self.cells), len(targets)
        picks = csr_array((-signs, (np.arange(t), self.place[targets])), shape=(t, n))
        a_ub = vstack([hstack([self.a_ub, csr_array((len(self.bounds), t))]), hstack([picks, eye_array(t)])])
        a_eq = hstack([self.a_eq, csr_array((len(self.sums), t))])
        low = np.concatenate([self.low, np.full(t, -np.inf)])
        high = np.concatenate([self.high, np.full(t, float(self.attacker.need))])
        b_ub = np.concatenate([self.slack[self.bounds], np.zeros(t)])
        found = self._solve(np.concatenate([np.zeros(n), -np.ones(t)]), a_ub, b_ub, a_eq, low, high)
        return None if found is None else self._spread(found.x[:n])

    def one(self, target: int, sign: float) -> Reals | None:
        """Return the movement that carries one target furthest in one direction, at most as far as is needed."""
        found = self._extreme(target, sign, capped=True)
        return None if found is None else self._spread(found.x)

    def one_whole(self, target: int, sign: float) -> Reals | None:
        """Return a movement in whole numbers that carries one target as far as can be found in time."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415

        objective = np.zeros(len(self.cells))
        objective[self.place[target]] = -sign
        rules = [LinearConstraint(self.a_eq, 0, 0)] if len(self.sums) else []
        rules += [LinearConstraint(self.a_ub, -np.inf, self.slack[self.bounds])] if len(self.bounds) else []
        low, high = self._capped(target)
        limit = {"time_limit": _SEARCH_SECONDS}
        found = milp(objective, integrality=1, bounds=Bounds(low, high), constraints=rules, options=limit)
        return None if found.x is None else self._spread(np.rint(found.x))

    def can_move(self, target: int) -> bool:
        """Return whether a target can be changed at all, in fractions."""
        found = (self.one(target, sign) for sign in (1.0, -1.0))
        return any(movement is not None and abs(movement[target]) > _WHOLE for movement in found)

    def cut(self, target: int) -> Cut | None:
        """Return the condition that the duals of the furthest movements up and down give.

        By weak duality the width is at most sum(coefficients * hidden) for every pattern, with the same multipliers.
        """
        total, constant = np.zeros(len(self.system)), 0.0
        for sign in (1.0, -1.0):
            found = self._extreme(target, sign, capped=False)
            if found is None:
                return None
            by_sum, by_bound = -found.eqlin.marginals, -found.ineqlin.marginals
            multipliers = np.zeros(self.system.matrix.shape[0])
            multipliers[self.sums], multipliers[self.bounds] = by_sum, by_bound
            reduced = -(self.system.matrix.T @ multipliers)
            reduced[target] += sign
            reduced[np.abs(reduced) < _WHOLE] = 0.0
            with np.errstate(invalid="ignore"):
                total += np.where(reduced > 0, reduced * self.attacker.up, 0.0)
            total += np.where(reduced < 0, -reduced * self.attacker.down, 0.0)
            constant += float(multipliers @ self.slack)
        forced = self.system.forced
        least = int(self.attacker.needs(np.array([target]))[0]) - constant - total[forced].sum()
        if not least > _WHOLE:
            return None
        total = np.where(self.system.eligible, np.minimum(total, least), 0.0)
        cells = np.flatnonzero(total > _WHOLE)
        return Cut(cells, total[cells], float(least))

    def _extreme(self, target: int, sign: float, *, capped: bool) -> Any:
        objective = np.zeros(len(self.cells))
        objective[self.place[target]] = -sign
        low, high = self._capped(target) if capped else (self.low, self.high)
        return self._solve(objective, self.a_ub, self.slack[self.bounds], self.a_eq, low, high)

    def _capped(self, target: int) -> tuple[Reals, Reals]:
        low, high = self.low.copy(), self.high.copy()
        at, need = self.place[target], float(self.attacker.need)
        low[at], high[at] = max(low[at], -need), min(high[at], need)
        return low, high

    def _solve(self, objective: Reals, a_ub: Any, b_ub: Reals, a_eq: Any, low: Reals, high: Reals) -> Any:
        from scipy.optimize import linprog  # noqa: PLC0415 - loads HiGHS

        found = linprog(
            objective,
            A_ub=a_ub,
            b_ub=b_ub,
            A_eq=a_eq,
            b_eq=np.zeros(a_eq.shape[0]),
            bounds=np.column_stack([low, high]),
            method="highs",
        )
        return found if found.status == 0 else None

    def _spread(self, movement: Reals) -> Reals:
        whole: npt.NDArray[np.float64] = np.zeros(len(self.system))
        whole[self.cells] = movement
        return whole
