"""Cells of one patient: whoever is that patient, and knows to be alone, must not work out another small cell.

Two hidden cells are in *lockstep* if every table that agrees with the published sums shows them changed in one fixed
proportion: who knows one of them knows the other. A rectangle of marks is in lockstep all around, which protects its
small cells from readers, and not from the one patient of a cell in it (the singleton problem of cell suppression).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.tables.audit import Audit
from deid.tables.system import Attacker, Flags, Index, System

_SAME = 1e-5  # between proportions of drawn movements, whose own error is far below
_STILL = 1e-7  # a cell that no movement changes
_DRAWS = 3
_ENOUGH = 32  # people to answer at a time: what protects them protects others


@dataclass(slots=True)
class Insiders:
    """Everybody who is alone in a small cell; each of them knows that cell, and all that is published.

    `readers`: the audit of the public, whose movements prove most of what is needed here: one that leaves a cell as it
    is, and changes another, keeps whoever knows the first in doubt of the second. `people`: who is alone in which cell.
    What a person works out though everything is hidden that may be, no choice of cells prevents, and none is asked for.
    """

    system: System
    readers: Audit
    people: Index = field(init=False, repr=False)
    _all: Flags = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.people = _people(self.system)
        self._all = self.system.forced | self.system.eligible

    def weak(self, hidden: Flags) -> list[tuple[Audit, Index]]:
        """Return small cells that somebody alone in another could work out, each with an audit of that person."""
        if not self.system.alone.any():
            return []
        return self._in_lockstep(hidden) or self._unproven(hidden)

    def is_safe(self, hidden: Flags) -> bool:
        """Whether movements at hand leave every such person in doubt; no program is solved."""
        return not self.system.alone.any() or not self._open(hidden).any()

    def _in_lockstep(self, hidden: Flags) -> list[tuple[Audit, Index]]:
        step = lockstep(self.system, hidden)
        small = np.flatnonzero(self.system.primary & (step >= 0))
        found = []
        for number in np.unique(step[self.system.alone & (step >= 0)]):
            some = small[step[small] == number]
            person = self.people[some].max(initial=-1)
            others = some[self.people[some] != person]
            if len(others):
                found += self._exposed(int(person), others, hidden)
        return found

    def _exposed(self, person: int, targets: Index, hidden: Flags) -> list[tuple[Audit, Index]]:
        """Return the first of these cells that a person works out, where hiding more would prevent it."""
        audit = self._audit(self.people == person)
        for target in targets[audit.attacker.needs(targets) > 0]:
            if not self._moves(audit, int(target), hidden) and audit.program(self._all).can_move(int(target)):
                return [(audit, np.array([target]))]
        return []

    def _unproven(self, hidden: Flags) -> list[tuple[Audit, Index]]:
        """Return pairs that no movement keeps apart, after programs for many people at once, then for each of them."""
        signs = np.random.default_rng(0)
        persons = np.arange(self.people.max(initial=-1) + 1)
        for bit in range(int(len(persons) - 1).bit_length()):
            for side in (0, 1):
                # Any two people differ in a bit, so each is once among those who know and the other is not.
                who = (persons >> bit & 1) == side
                knowing = np.isin(self.people, persons[who])
                targets = self._targets[self._open(hidden)[who].any(axis=0)]
                targets = targets[~knowing[targets]]
                if len(targets):
                    drawn = signs.choice([-1.0, 1.0], len(targets))
                    self.readers.add(self._audit(knowing).program(hidden).many(targets, drawn))
        found: list[tuple[Audit, Index]] = []
        for person in np.flatnonzero(self._open(hidden).any(axis=1)):
            found += self._exposed(int(person), self._targets[self._open(hidden)[person]], hidden)
            if len(found) >= _ENOUGH:
                break
        return found

    def _moves(self, audit: Audit, target: int, hidden: Flags) -> bool:
        program = audit.program(hidden)
        for sign in (1.0, -1.0):
            movement = program.one(target, sign)
            if movement is None or abs(movement[target]) < _STILL:
                continue
            if self.readers.add(movement) or self.readers.add(program.one_whole(target, sign)):
                return True
        return False

    @property
    def _targets(self) -> Index:
        return self.readers.targets

    def _open(self, hidden: Flags) -> npt.NDArray[np.bool_]:
        """Return for each person and small cell whether no movement at hand keeps them apart, (people, targets)."""
        from scipy.sparse import csr_array  # noqa: PLC0415

        moves = self.readers.moves(hidden) != 0
        persons = np.arange(self.people.max(initial=-1) + 1)
        own = (self.people[None, :] == persons[:, None]) & self.system.alone
        changed = csr_array(own.astype(np.float32)) @ moves.T.astype(np.float32) > 0
        moved = moves[:, self._targets].astype(np.float32)
        needed = self.readers.attacker.down[self._targets] + self.readers.attacker.up[self._targets] >= 1
        others = self.people[self._targets] != persons[:, None]
        # Of zeros and ones no product is invalid; some BLAS kernels say so of what stands beside a matrix in memory.
        with np.errstate(invalid="ignore"):
            still = (~changed).astype(np.float32) @ moved == 0
        return np.asarray(still & others & needed, bool)

    def _audit(self, knowing: Flags) -> Audit:
        public = self.readers.attacker
        down, up = np.where(knowing, 0.0, public.down), np.where(knowing, 0.0, public.up)
        return Audit(self.system, Attacker("insider", down, up, 1))


def _people(system: System) -> Index:
    """Return the number of the person in each cell of one patient, -1 elsewhere, (n,).

    A part and its whole that have one patient each have the same one.
    """
    from scipy.sparse import block_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    found = np.full(len(system), -1, np.int64)
    cells = np.flatnonzero(system.alone)
    if not len(cells):
        return found
    part = system.matrix[:, cells]
    held = part[np.asarray(part.min(axis=1).toarray() < 0).ravel()]
    label = np.arange(len(cells))
    if held.shape[0]:
        graph = block_array([[None, abs(held)], [abs(held).T, None]]).tocsr()
        label = connected_components(graph, directed=False)[1][held.shape[0] :]
    found[cells] = np.unique(label, return_inverse=True)[1].reshape(-1)
    return found


def lockstep(system: System, hidden: Flags) -> Index:
    """Return the number of each hidden cell's lockstep class, -1 for cells that are shown or known anyway, (n,).

    Of movements drawn from all that keep every sum, cells in lockstep have the same proportions in each.
    """
    from scipy.sparse.linalg import lsmr  # noqa: PLC0415

    found = np.full(len(system), -1, np.int64)
    cells = np.flatnonzero(hidden)
    sums = system.matrix[system.is_sum][:, cells]
    sums = sums[np.diff(sums.indptr) > 0]
    random = np.random.default_rng(0)
    moves = random.standard_normal((_DRAWS, len(cells)))
    if sums.shape[0]:
        # The nearest movement that keeps every sum: what is left of a drawn one when the sums' part is taken out.
        fits = [lsmr(sums.T, m, atol=1e-12, btol=1e-12, maxiter=20 * len(cells))[0] for m in moves]
        moves = moves - np.stack([sums.T @ fit for fit in fits])
    free = np.abs(moves).max(axis=0) > _STILL
    moving = moves[:, free]
    # Directions of lines: scaled to length one, the sign taken from the first part.
    lines = moving / np.linalg.norm(moving, axis=0) * np.sign(moving[0])
    order = np.lexsort(lines)
    apart = np.abs(np.diff(lines[:, order], axis=1)).max(axis=0, initial=0.0) > _SAME
    number = np.empty(len(order), np.int64)
    number[order] = np.concatenate([[0], np.cumsum(apart)])[: len(order)]
    found[cells[free]] = number
    return found
