"""A search for a code map: the attacker, the choices that each code has, thresholds, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from deid.disclosure.code_risk import CodeRisk
from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.dated import Tied
from deid.disclosure.declared import Declared
from deid.disclosure.holdings import NONE, Flags, Numbers
from deid.disclosure.map_refusal import refusal
from deid.disclosure.pairs import EXACT, Attacker, Items
from deid.disclosure.sampling import Dates
from deid.errors import DisclosureError
from deid.limits import CodeLimits, Rare

Levels = npt.NDArray[np.int8]
EMPTY = -1
POOLS = 0.5  # of what chapters leave below the ceiling: what finer pools may cost
SLACK = 0.0001  # of all mentions: less is not worth an attack


@dataclass(frozen=True, slots=True)
class MapFound:
    """The map that was found.

    `items`: int32 (codes,), what each code becomes, -1 where it is left empty; `levels`: int8 (codes,), its level as a
    position in the tree's, -1 where empty. `suppressed`: int32 (n, 2) of class and item, sorted: left empty where they
    meet. `thresholds`: by name, the fewest patients of a code that stays in full. `full_share`: of the mentions of
    released patients, those in full; `shares`: by level of the tree, the last for what is left empty. `risk`: of who
    knows codes; `dated`: of who knows dates beside, None where no dates are known.
    """

    items: Items = field(repr=False)
    levels: Levels = field(repr=False)
    suppressed: npt.NDArray[np.int32] = field(repr=False)
    thresholds: dict[str, int]
    risk: CodeRisk
    full_share: float
    shares: tuple[float, ...]
    dated: CodeRisk | None = None


class MapSearch:
    """One search: the attacker, the choices that each code has, and what they weigh."""

    def __init__(
        self, coded: Coded, tree: CodeTree, limits: CodeLimits, *, k: int, grouped: bool = False,
        dates: Dates | None = None, tied: Tied | None = None,
    ) -> None:  # fmt: skip
        self.coded, self.tree, self.limits, self.k, self.grouped, self.dates = coded, tree, limits, k, grouped, dates
        self.tied = tied
        self.attacker = Attacker(
            coded, limits.adversaries, declared=tree.declared, grouped=grouped, dates=dates, tied=tied
        )
        shown = coded.klass[coded.patient] >= 0
        codes = len(tree.declared)
        self.patients = np.bincount(coded.code[shown], minlength=codes)
        self.mentions = np.bincount(coded.code[shown], weights=coded.mentions[shown], minlength=codes)
        self.choices = filled(tree)
        self.declared = Declared.of(coded, tree, self.choices, k)
        self.lowest = np.where(tree.declared, floor_level(tree), rare_level(tree, limits.rare)).astype(np.int8)
        if limits.rare is Rare.CCSR:
            self.lowest = self._common_pools()
        self.lowest = self.declared.settled(self.lowest)
        pool = self.items(self.lowest)
        self.eligible = (self.patients >= k) & (self.choices[:, 0] != pool)

    @cached_property
    def reaches(self) -> bool:
        """Whether the coarsest map stays under the ceiling."""
        return self.passes(self.lowest)

    def two_level(self) -> Levels:
        """Return the map by thresholds; raise DisclosureError where the coarsest is over the ceiling."""
        if not self.reaches:
            raise self.refusal()
        declared, other = self.tree.declared, ~self.tree.declared
        levels = self._by_count(self.lowest, declared)
        return self._by_count(levels, other)

    def items(self, levels: Levels) -> Items:
        """Return what each code becomes at its level, or at the coarsest, if it is declared and too few show it."""
        levels = self.declared.settled(levels)
        chosen = np.take_along_axis(self.choices, np.maximum(levels, 0)[:, None].astype(np.intp), axis=1)[:, 0]
        return np.where(levels < 0, EMPTY, chosen).astype(np.int32)

    def _common_pools(self) -> Levels:
        """Return the pools of rare codes where small ones go up to the chapter, so that pools cost but a part."""
        coarsest = np.int8(len(self.tree.levels) - 1)
        chapters = np.where(self.tree.declared, self.lowest, coarsest).astype(np.int8)
        pool = self.items(self.lowest)
        pairs = np.unique(pool[self.coded.code].astype(np.int64) << 32 | self.coded.patient)
        holders = np.bincount(pairs >> 32, minlength=int(pool.max(initial=0)) + 1)[pool]
        steps = np.unique(holders)
        least = np.array(self.risks(chapters))
        budget = least + POOLS * np.maximum(self.limits.ceiling - least, 0.0)
        low, high = 0, len(steps)
        while low < high:
            middle = (low + high) // 2
            levels = np.where(holders >= steps[middle], self.lowest, chapters)
            if (np.array(self.risks(levels)) <= budget + 1e-12).all():
                high = middle
            else:
                low = middle + 1
        return chapters if low == len(steps) else np.where(holders >= steps[low], self.lowest, chapters)

    def risks(self, levels: Levels) -> tuple[float, ...]:
        """Return what each adversary gets, with what a sample leaves open."""
        items = self.items(levels)
        return self.attacker.bounds(
            items, self.hidden(items), known=self.limits.known, known_dates=self.limits.known_dates
        )

    def passes(self, levels: Levels, hidden: Flags | None = None) -> bool:
        """Whether every adversary stays under the ceiling; `hidden`: entries left empty, if they were chosen."""
        limits, items = self.limits, self.items(levels)
        return self.attacker.within(
            limits.ceiling, items, self.hidden(items) if hidden is None else hidden, known=limits.known,
            known_dates=limits.known_dates,
        )  # fmt: skip

    def most(self, order: Numbers, levels: Levels, guess: int = 1) -> tuple[Levels, int]:
        """Return the map with as many codes of `order` in full as pass, and how many; `levels` itself passes.

        Doubling steps from `guess`, then halves, until what is undecided is next to no mentions.
        """
        weight = np.append(0.0, np.cumsum(self.mentions[order]))
        slack = SLACK * float(self.mentions.sum())
        low, high = 0, len(order) + 1
        step = max(guess // 16, 1)
        at = min(guess, len(order))
        while low < at < high and weight[min(high - 1, len(order))] - weight[low] > slack:
            if self.passes(self._raised(levels, order[:at])):
                low = at
                at = (low + high) // 2 if high <= len(order) else min(low + step, len(order))
            else:
                high = at
                at = (low + high) // 2 if low else max(high - step, 1) if high > 1 else 0
            step *= 2
        return self._raised(levels, order[:low]), low

    def hidden(self, items: Items) -> Flags | None:
        """Return the entries left empty as few of the class have the item; None where the policy asks for none."""
        if self.limits.suppress_below is None:
            return None
        held = self.attacker.held(items)
        few = held.holders < self.limits.suppress_below
        return (held.cell != NONE) & few[held.row[held.cell]] if len(held.row) else None

    def found(self, levels: Levels, empty: Flags | None = None) -> MapFound:
        """Return a map with the report of its attack; raise DisclosureError where it breaks a limit.

        `empty`: entries left empty, beside those of `limits.suppress_below`.
        """
        levels = self.declared.settled(levels)
        items = self.items(levels)
        hidden = self.hidden(items) if empty is None else empty
        limits = self.limits
        risk = self.attacker.report(items, known=limits.known, hidden=hidden, k=self.k, ceiling=limits.ceiling)
        dated = None
        if self.attacker.tells(limits.known_dates):
            dated = self.attacker.report(
                items, known=limits.known, known_dates=limits.known_dates, hidden=hidden, k=self.k,
                ceiling=limits.ceiling,
            )  # fmt: skip
        below = max((each.below for each in risk.by), default=0.0) if limits.strict else 0.0
        bound = max(risk.bound, dated.bound if dated is not None else 0.0)
        if bound > limits.ceiling or (below > 0.0 and limits.known <= EXACT):
            raise self.refusal()
        shares = self.shares(levels, hidden)
        full = (levels == 0) & self.eligible
        thresholds = {
            name: int(self.patients[full & which].min())
            for name, which in (("codes", ~self.tree.declared), ("declared", self.tree.declared))
            if (full & which).any()
        }
        return MapFound(items, levels, self._suppressed(items, hidden), thresholds, risk, shares[0], shares, dated)

    def shares(self, levels: Levels, hidden: Flags | None = None) -> tuple[float, ...]:
        """Return the share of mentions at each level, the finest that its item has, and of what is left empty."""
        items = self.items(levels)
        same = self.choices == items[:, None]
        finest = np.where(levels < 0, len(self.tree.levels), same.argmax(axis=1))
        coded = self.coded
        at = finest[coded.code]
        if hidden is not None:
            at = np.where(hidden, len(self.tree.levels), at)
        shown = coded.klass[coded.patient] >= 0
        sums = np.bincount(at[shown], weights=coded.mentions[shown], minlength=len(self.tree.levels) + 1)
        return tuple(float(share) for share in sums / max(float(sums.sum()), 1.0))

    def refusal(self) -> DisclosureError:
        """Return the error of a ceiling that no map reaches, with the nearest settings that would do."""
        return refusal(self)

    def beside(self, *, coded: Coded | None = None, tree: CodeTree | None = None) -> MapSearch:
        """Return the same search among other classes, or with other codes declared."""
        coded, tree = coded or self.coded, tree or self.tree
        tied = self.tied.released(coded.klass) if self.tied is not None else None
        return MapSearch(coded, tree, self.limits, k=self.k, grouped=self.grouped, dates=self.dates, tied=tied)

    def _suppressed(self, items: Items, hidden: Flags | None) -> npt.NDArray[np.int32]:
        if hidden is None:
            return np.zeros((0, 2), np.int32)
        pairs = np.stack([self.coded.klass[self.coded.patient[hidden]], items[self.coded.code[hidden]]], axis=1)
        return np.unique(pairs, axis=0).astype(np.int32)

    def _by_count(self, levels: Levels, which: Flags) -> Levels:
        """Return the map with every code of `which` in full that at least t patients have, for the smallest t."""
        codes = np.flatnonzero(which & self.eligible)
        steps = np.unique(self.patients[codes])[::-1]
        low, high = 0, len(steps)
        while low < high:
            middle = (low + high + 1) // 2
            if self.passes(self._raised(levels, codes[self.patients[codes] >= steps[middle - 1]])):
                low = middle
            else:
                high = middle - 1
        return self._raised(levels, codes[self.patients[codes] >= steps[low - 1]]) if low else levels

    @staticmethod
    def _raised(levels: Levels, codes: Numbers) -> Levels:
        raised = levels.copy()
        raised[codes] = 0
        return raised


def filled(tree: CodeTree) -> Items:
    """Return the items of a tree with the next coarser level where a code has none."""
    items = tree.items.copy()
    for level in range(items.shape[1] - 2, -1, -1):
        items[:, level] = np.where(items[:, level] < 0, items[:, level + 1], items[:, level])
    return items


def floor_level(tree: CodeTree) -> int:
    """Return the coarsest level that a declared code may have: its category."""
    return tree.levels.index("category") if "category" in tree.levels else min(1, len(tree.levels) - 1)


def rare_level(tree: CodeTree, rare: Rare) -> int:
    """Return the level of rare codes: what the policy names, or else the coarsest."""
    return tree.levels.index(rare.value) if rare.value in tree.levels else len(tree.levels) - 1
