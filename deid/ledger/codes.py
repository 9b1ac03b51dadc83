"""Code maps in a series: the first release's, for every later one, and pairs of class and code once withheld stay so.

With each release the attack with known codes is made anew, on the newest cumulative file or, for increments, on the
increment and on all of them together (deid.ledger.union); it fails closed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.disclosure.coded import Coded
from deid.disclosure.pairs import attack
from deid.errors import DisclosureError
from deid.known_codes.code_decision import Mapped, declared_codes, left_empty, limits_of, with_dates
from deid.known_codes.code_entries import CodeEntries
from deid.known_codes.code_numbers import CodeItems, items_of
from deid.known_codes.mapped_codes import map_cells
from deid.ledger.withheld import Withheld
from deid.observing.controls import CodeMap
from deid.observing.decision import Decision
from deid.planning.plan import Plan

Numbers = npt.NDArray[np.int32]


def continued(
    plan: Plan, decision: Decision, entries: CodeEntries, maps: Mapping[str, CodeMap], withheld: Withheld
) -> tuple[Decision, Withheld]:
    """Return the decision under the frozen maps, with what is withheld afterwards.

    Raises DisclosureError where known codes identify more than the policy allows under these maps.
    """
    items = items_of(entries.numbers, declared_codes(plan))
    maps = _completed(maps, items)
    chosen = _chosen(maps, items)
    coded = entries.coded().released(decision.patients.klass[: len(decision.patients)])
    if not len(coded.patient):
        return replace(decision, controls=replace(decision.controls, codes=maps)), withheld
    limits, grouped = limits_of(plan)
    tied = entries.tied()
    tied = tied.released(coded.klass) if tied is not None else None
    hidden = np.zeros(len(coded.patient), bool)
    controls = replace(decision.controls, codes=maps)
    if limits.suppress_below is not None:
        pairs, patients = _pairs(coded, chosen)
        shown, withheld = withheld.settle(*_told(pairs, items), patients, least=limits.suppress_below)
        controls = replace(controls, emptied=left_empty(pairs[~shown], items))
        width = np.int64(len(items.texts) + 1)
        wanted = pairs[~shown].astype(np.int64)
        keys = coded.klass[coded.patient].astype(np.int64) * width + chosen[coded.code]
        hidden = np.asarray(np.isin(keys, wanted[:, 0] * width + wanted[:, 1]), bool)
    risk = attack(
        coded, chosen, known=limits.known, draws=limits.adversaries, declared=items.tree.declared, grouped=grouped,
        hidden=hidden, k=plan.policy.limits.k or 0, ceiling=limits.ceiling,
        tied=tied,
    )  # fmt: skip
    if risk.bound > limits.ceiling:
        raise DisclosureError(
            f"under the code maps of the first release {limits.known} known codes identify {100 * risk.mean:.1f} % of "
            f"the patients of this one; the policy allows {100 * limits.ceiling:g} %",
            hint="a series is not coarsened, since the party has what was released: it can go on under a policy, "
            f"signed anew, whose limits.codes.ceiling is {math.ceil(1000 * risk.bound) / 1000:g} or more",
        )
    mapped = Mapped(coded, items, chosen, hidden, limits, grouped, {}, risk, entries.dates(), tied=tied)
    mapped = with_dates(mapped, plan.policy.limits.k or 0)
    return replace(decision, controls=controls, mapped=mapped), withheld


def begun(mapped: Mapped | None) -> Withheld:
    """Return every pair of class and item of a first release, and whether it was shown."""
    if mapped is None or mapped.limits.suppress_below is None:
        return Withheld.nothing()
    pairs, _ = _pairs(mapped.coded, mapped.chosen)
    at = mapped.chosen[mapped.coded.code]
    hidden = np.unique(_key(mapped.coded.klass[mapped.coded.patient][mapped.hidden], at[mapped.hidden]))
    shown = ~np.isin(_key(pairs[:, 0], pairs[:, 1]), hidden)
    return Withheld(*_told(pairs, mapped.items), shown)


def _completed(maps: Mapping[str, CodeMap], items: CodeItems) -> dict[str, CodeMap]:
    """Return the maps with one for each system that had no code at the first release: all of it is rare."""
    found = dict(maps)
    for levels in items.numbers.levels:
        name, none = levels.system.name, pa.array([], pa.string())
        if name not in found:
            declared = items.declared.get(name, ())
            found[name] = CodeMap(name, none, none, none, levels.rare, declared, levels.declared)
    return found


def _chosen(maps: Mapping[str, CodeMap], items: CodeItems) -> Numbers:
    """Return the item of each code under frozen maps, int32 (codes,), -1 where it is left empty."""
    chosen = np.full(len(items.numbers), -1, np.int32)
    for number, levels in enumerate(items.numbers.levels):
        codes, numbers = items.numbers.codes(levels.system.name)
        own = np.flatnonzero(items.system_of_item == number)
        mapped = map_cells(maps[levels.system.name], codes)
        at = pc.index_in(mapped, value_set=items.texts.take(pa.array(own)), skip_nulls=True)
        if pc.any(pc.and_(pc.is_valid(mapped), pc.is_null(at))).as_py():
            raise DisclosureError(
                f"codes of {levels.system.name} lie elsewhere in their hierarchy than at the first release",
                hint="run with the lists of codes of the first release",
            )
        places = np.append(own, -1)[at.fill_null(-1).to_numpy(zero_copy_only=False)]
        chosen[numbers] = places
    return chosen


def _pairs(coded: Coded, chosen: Numbers) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Return the distinct (class, item), int32 (n, 2), sorted, and how many patients have each, int64 (n,)."""
    item = chosen[coded.code]
    has = item >= 0
    people = np.unique(_key(coded.patient[has], item[has]))
    owner, item = (people >> np.int64(32)).astype(np.int32), (people & np.int64(0xFFFFFFFF)).astype(np.int32)
    keys, patients = np.unique(_key(coded.klass[owner], item), return_counts=True)
    return np.stack([keys >> np.int64(32), keys & np.int64(0xFFFFFFFF)], axis=1).astype(np.int32), patients


def _key(high: Numbers, low: Numbers) -> npt.NDArray[np.int64]:
    return np.asarray((high.astype(np.int64) << np.int64(32)) | low.astype(np.int64), np.int64)


def _told(pairs: Numbers, items: CodeItems) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return pairs as the ledger keeps them: class, code system, text of the item."""
    systems = pa.array(items.systems, pa.string()).take(pa.array(items.system_of_item[pairs[:, 1]]))
    return pa.array(pairs[:, 0]), systems, items.texts.take(pa.array(pairs[:, 1]))
