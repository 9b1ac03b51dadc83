"""From counts to what is shown of them: suppression or rounding, and the proof that it is enough."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from deid.documents.limits import TableLimits
from deid.errors import DisclosureError, VerificationError
from deid.tables.audit import Audit
from deid.tables.cube import Address, Cube
from deid.tables.insiders import Insiders
from deid.tables.rounding import rounded
from deid.tables.secondary import SECONDS, suppress
from deid.tables.system import PUBLIC, Attacker, Counts, Flags, Index, System
from deid.tables.tabulation import TableRequest


@dataclass(frozen=True, slots=True)
class Protected:
    """What may be shown: the marks, the shown counts (equal to the true ones unless rounded), and the proof.

    `narrowest`: per attacker, the narrowest interval that was proven to be left of a small cell; None where there is no
    small cell. `fewest`: no safe pattern has fewer secondary cells.
    """

    hidden: Flags = field(repr=False)
    shown: Counts = field(repr=False)
    secondary: int
    fewest: int
    narrowest: dict[str, int | None]


def protect(system: System, limits: TableLimits, seed: int, before: Counts, *, seconds: float = SECONDS) -> Protected:
    """Return what may be shown of a system; raise DisclosureError where nothing safe can be.

    `before`: what was shown of each cell earlier, -1 where nothing was; `seed`: random, for rounding.
    """
    hidden = system.forced.copy()
    shown = system.counts.copy()
    secondary = fewest = 0
    narrowest: dict[str, int | None] = {}
    started = time.process_time()
    pieces = components(system)
    for done, cells in enumerate(pieces):
        part = piece(system, cells)
        if limits.method == "round":
            shown[cells], attacker = rounded(part, limits, seed + done, before[cells])
            everything = np.ones(len(cells), bool)
            _prove(part, everything, (attacker,), narrowest, with_insiders=False)
            continue
        left = max(0.5, (seconds - (time.process_time() - started)) / (len(pieces) - done))
        pattern = suppress(part, limits.protection, seconds=left)
        hidden[cells] = pattern.hidden
        secondary += pattern.secondary
        fewest += pattern.bound
        _prove(part, pattern.hidden, part.attackers(limits.protection), narrowest)
    if limits.method == "round":
        hidden[:] = system.unseen
        shown = _rounded_elsewhere(system, pieces, shown, limits, seed, before)
    return Protected(hidden, shown, secondary, fewest, narrowest)


def refuse_empty(
    tables: Sequence[TableRequest], cube: Cube, protected: Protected, place: Mapping[Address, int]
) -> None:
    """Refuse a table of which nothing but zeros would be shown."""
    for table in tables:
        counted = [a for a in cube.of_table[table.name] if cube.counts[a]]
        if counted and all(protected.hidden[place[a]] for a in counted):
            raise DisclosureError(
                f"nothing of table {table.name} could be shown: every cell but zeros is small or protects a small one",
                hint="take longer periods, larger places or fewer dimensions",
            )


def components(system: System, *, small_only: bool = True) -> list[Index]:
    """Return the cells that relations tie together, for each group of them that holds a small or marked cell."""
    from scipy.sparse import block_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    n = len(system)
    if system.matrix.shape[0] == 0:
        label = np.arange(n)
    else:
        graph = block_array([[None, abs(system.matrix)], [abs(system.matrix).T, None]]).tocsr()
        label = connected_components(graph, directed=False)[1][system.matrix.shape[0] :]
    wanted = system.forced if small_only else np.ones(n, bool)
    order = np.argsort(label, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return [np.sort(cells) for cells in groups if len(cells) and wanted[cells].any()]


def piece(system: System, cells: Index) -> System:
    """Return the part of a system that these cells make up; every relation that touches them lies within."""
    matrix = system.matrix[:, cells]
    touched = np.diff(matrix.indptr) > 0
    return replace(
        system,
        counts=system.counts[cells],
        primary=system.primary[cells],
        known=system.known[cells],
        hidden=system.hidden[cells],
        matrix=matrix[touched],
        is_sum=system.is_sum[touched],
        weight=system.weight[cells],
        people=system.people[cells],
        most=system.most[cells],
        unseen=system.unseen[cells],
        single=None if system.single is None else system.single[cells],
    )


def _prove(
    system: System,
    hidden: Flags,
    attackers: tuple[Attacker, ...],
    narrowest: dict[str, int | None],
    *,
    with_insiders: bool = True,
) -> None:
    """Audit anew, by an audit that has seen no other pattern; fail closed."""
    for attacker in attackers:
        audit = Audit(system, attacker)
        if len(audit.weak(hidden)):
            raise _unsafe()
        widths = audit.widths(hidden)
        if len(widths):
            least = narrowest.get(attacker.name)
            narrowest[attacker.name] = int(widths.min()) if least is None else min(least, int(widths.min()))
        if attacker.name == PUBLIC and with_insiders and Insiders(system, audit).weak(hidden):
            raise _unsafe()


def _unsafe() -> VerificationError:
    return VerificationError(
        "a small cell could be worked out from the tables; nothing was published",
        hint="this is a defect of deid: report it, with the number of cells of each table",
    )


def _rounded_elsewhere(
    system: System, pieces: list[Index], shown: Counts, limits: TableLimits, seed: int, before: Counts
) -> Counts:
    """Round the cells that no small one is tied to as well: a table of both kinds would tell which are which."""
    done: npt.NDArray[np.bool_] = np.zeros(len(system), bool)
    for cells in pieces:
        done[cells] = True
    for number, cells in enumerate(components(system, small_only=False)):
        if not done[cells].any():
            shown[cells], _ = rounded(piece(system, cells), limits, seed - number - 1, before[cells])
    return shown
