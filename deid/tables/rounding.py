"""Controlled rounding: every count becomes a neighboring multiple of a base, and totals still add up (Cox 1987).

Which neighbor is drawn at random, unbiased as far as totals allow: a fixed rule (the nearest) would halve what a reader
is left in doubt of. Multiples of the base stay, so a shown 0 means 0 to base - 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from deid.documents.limits import TableLimits
from deid.errors import DisclosureError
from deid.tables.audit import Audit
from deid.tables.system import Attacker, Counts, System

_DRAWS = 8
_SECONDS = 5.0


def rounded(system: System, limits: TableLimits, seed: int, before: Counts) -> tuple[Counts, Attacker]:
    """Return the rounded counts of a system and the attacker they are audited against; raise DisclosureError.

    `before`: rounded counts that were published earlier, -1 where none was; they stay.
    """
    base = limits.base
    weak = 0
    for draw in range(_DRAWS):
        shown = _draw(system, base, np.random.default_rng([seed & 0xFFFFFFFF, draw]), before)
        if shown is None:
            break
        attacker = reader(system, shown, limits)
        weak = len(Audit(system, attacker).weak(np.ones(len(system), bool)))
        if not weak:
            return shown, attacker
    problem = f"{weak} small cells would be told too closely" if weak else "no rounding adds up in all tables"
    raise DisclosureError(
        f"rounded to multiples of {base}, {problem}",
        hint="take a larger limits.tables.base, publish fewer totals, or limits.tables.method: suppress",
    )


def reader(system: System, shown: Counts, limits: TableLimits) -> Attacker:
    """Return what anybody can tell of a rounded count: it lies less than the base from what is shown."""
    low = np.where(system.unseen, 0, np.maximum(shown - limits.base + 1, 0))
    counts = system.counts.astype(np.float64)
    near = np.where(system.unseen, np.inf, shown + limits.base - 1)
    high = np.minimum(near, np.maximum(system.most, counts))
    return Attacker("public", counts - low, high - counts, min(limits.protection, limits.base - 1))


def _draw(system: System, base: int, random: np.random.Generator, before: Counts) -> Counts | None:
    """Return one controlled rounding, or None where there is none: random prices choose among all of them."""
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - loads HiGHS

    low = np.where(system.unseen, 0, system.counts // base)
    high = np.where(system.unseen, np.inf, system.counts // base + (system.counts % base > 0))
    kept = before >= 0
    low[kept] = high[kept] = before[kept] // base
    share = (system.counts % base) / base
    # A cell rounds up where its draw falls below its share; the price of the other way is how clear the draw was.
    price = np.where(system.unseen, 0.0, random.random(len(system)) - share)
    rules: list[Any] = []
    if system.is_sum.any():
        rules.append(LinearConstraint(system.matrix[system.is_sum], 0, 0))
    if (~system.is_sum).any():
        rules.append(LinearConstraint(system.matrix[~system.is_sum], -np.inf, 0))
    options = {"time_limit": _SECONDS, "mip_rel_gap": 0.05}
    found = milp(price, integrality=1, bounds=Bounds(low, high), constraints=rules, options=options)
    return None if found.x is None else np.rint(found.x).astype(np.int64) * base
