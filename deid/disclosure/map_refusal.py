"""What would do where no code map reaches the ceiling."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from deid.errors import DisclosureError

if TYPE_CHECKING:
    from deid.disclosure.map_search import MapSearch


def refusal(search: MapSearch) -> DisclosureError:
    """Return the error of a ceiling that no map reaches, with the nearest settings that would do."""
    limits, attacker = search.limits, search.attacker
    items = search.items(search.lowest)
    hidden = search.hidden(items)
    reached = max(search.exact(search.lowest), default=0.0)
    ways = [f"set limits.codes.ceiling to {_up(reached)} or more and sign the policy again"]
    known = f"{limits.known} known codes"
    untied = max(attacker.undated(items, hidden, limits.known, limits.known_dates), default=0.0)
    if untied < reached:
        known += ", each with the dates that the release ties it to,"
        ways.append(
            "untie them: leave dates, and numbers of visits, out of the tables of codes, or release coarser dates "
            f"(with codes alone it is {100 * untied:.1f} %)"
        )
    elif attacker.tells(limits.known_dates):
        known += f" and {limits.known_dates} known dates"
        codes = max(attacker.bounds(items, hidden, known=limits.known), default=0.0)
        if codes < reached:
            ways.append(f"release coarser dates, or leave them out (without dates it is {100 * codes:.1f} %)")
    ways += _of_the_cohort(search, reached)
    if len(ways) == 1:
        ways.append("ask for a larger cohort")
    return DisclosureError(
        f"{known} identify {100 * reached:.1f} % of the patients under the coarsest code "
        f"map; limits.codes.ceiling is {100 * limits.ceiling:g} %",
        hint=", or ".join(ways),
    )


def _of_the_cohort(search: MapSearch, reached: float) -> list[str]:
    """Return what coarser demographics, or fewer declared codes, would do."""
    ways, ceiling = [], search.limits.ceiling
    # Of everybody's intervals there are too many to look at for a hint.
    if search.tied is None or search.tied.day is None:
        crowd = replace(search.coded, klass=np.where(search.coded.klass < 0, -1, 0).astype(np.int32))
        without = search.beside(coded=crowd)
        anonymous = max(without.exact(without.lowest), default=0.0)
        if anonymous <= ceiling:
            ways.append(f"coarsen the quasi-identifiers (with none of them it is {100 * anonymous:.1f} %)")
    if search.tree.declared.any():
        undeclared = search.beside(tree=replace(search.tree, declared=np.zeros_like(search.tree.declared)))
        free = max(undeclared.exact(undeclared.lowest), default=0.0)
        if free < reached:
            enough = "would do" if free <= ceiling else "would come nearer"
            ways.append(f"declare fewer codes (with none, {100 * free:.1f} % {enough})")
    return ways


def _up(share: float) -> str:
    return f"{math.ceil(1000 * share) / 1000:g}"
