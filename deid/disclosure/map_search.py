"""A search for a code map: the attacker, the choices that each code has, thresholds, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from deid.disclosure.code_levels import filled, floor_level, rare_level
from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.dated import Tied
from deid.disclosure.declared import Declared
from deid.disclosure.holdings import NONE, Flags, Floats, Numbers, distinct
from deid.disclosure.map_found import Levels, MapFound
from deid.disclosure.map_refusal import refusal
from deid.disclosure.pairs import EXACT, Attacker, Items
from deid.disclosure.sampling import Dates
from deid.disclosure.screening import Part
from deid.documents.limits import CodeLimits, Rare
from deid.errors import DisclosureError

EMPTY = -1
POOLS = 0.5  # of what chapters leave below the ceiling: what finer pools may cost
SLACK = 0.0001  # of all mentions: less is not worth an attack


class MapSearch:
    """One search: the choices that each code has, what they weigh, and the attack on everybody.

    `slack`: of all mentions, what is not worth an attack. `by_part`: maps are compared by an attack on a part.
    """

    slack = SLACK
    by_part = False

    def __init__(
        self, coded: Coded, tree: CodeTree, limits: CodeLimits, *, k: int, grouped: bool = False,
        dates: Dates | None = None, tied: Tied | None = None,
    ) -> None:  # fmt: skip
        self._given, self.tree, self.limits, self.k, self.grouped, self.dates = coded, tree, limits, k, grouped, dates
        self.tied = tied.beside(coded) if tied is not None else None
        shown = np.flatnonzero(coded.klass[coded.patient] >= 0)
        codes, code = len(tree.declared), coded.code[shown]
        self.patients = np.bincount(code, minlength=codes)
        self.mentions = np.bincount(code, weights=coded.mentions[shown], minlength=codes)
        self.choices = filled(tree)
        self.declared = Declared.of(coded, tree, self.choices, k)
        self.lowest = np.where(tree.declared, floor_level(tree), rare_level(tree, limits.rare)).astype(np.int8)
        if limits.rare is Rare.CCSR:
            self.lowest = self._common_pools()
        self.lowest = self.declared.settled(self.lowest)
        pool = self.items(self.lowest)
        self.eligible = (self.patients >= k) & (self.choices[:, 0] != pool)

    @cached_property
    def coded(self) -> Coded:
        """Who has which codes, of those who are not withheld."""
        return self._given

    @cached_property
    def attacker(self) -> Attacker:
        """The attack on everybody."""
        return self.attack_on(Part(self.coded, self.tied, 1.0))

    @property
    def steering(self) -> Attacker:
        """The attack by which maps are compared."""
        return self.attacker

    def attack_on(self, part: Part) -> Attacker:
        """Return the attack on all patients, or some of them."""
        return Attacker(
            part.coded, self.limits.adversaries, declared=self.tree.declared, grouped=self.grouped, dates=self.dates,
            tied=part.tied, share=part.share,
        )  # fmt: skip

    def forget(self) -> None:
        """Let go of the attack on everybody, which is made anew when it is asked for."""
        self.__dict__.pop("attacker", None)

    @cached_property
    def reaches(self) -> bool:
        """Whether the coarsest map stays under the ceiling."""
        return self.passes(self.lowest)

    def may_pass(self, levels: Levels) -> bool:
        """Whether a map passes, or may do so where that is not clear."""
        return self.passes(levels)

    def near(self) -> Levels:
        """Return the map by thresholds, or about that; raise DisclosureError where the coarsest is over the ceiling."""
        return self.two_level()

    def two_level(self) -> Levels:
        """Return the map by thresholds; raise DisclosureError where the coarsest is over the ceiling."""
        if not self.reaches:
            raise self.refusal()
        return self.by_thresholds()

    def confirmed(self, best: Levels, _make: Callable[[], Levels]) -> Levels:
        """Return the best map that a search found, or where it went by a part, one that was made until it passed."""
        return best

    def settled(self, refined: Levels, _near: Levels) -> Levels:
        """Return the refined map, or one by thresholds if that keeps more."""
        return refined

    def weighed(self, price: Floats) -> tuple[Floats, Floats]:
        """Return the mentions that each code keeps, and its price, float64 (codes,)."""
        return self.mentions.astype(np.float64), price

    def by_thresholds(self) -> Levels:
        """Return the map with declared codes, then others, in full from as few patients as pass."""
        declared, other = self.tree.declared, ~self.tree.declared
        levels = self.by_count(self.lowest, declared)
        return self.by_count(levels, other)

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
        pairs = distinct(pool[self.coded.code].astype(np.int64) << 32 | self.coded.patient)
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
        return self.exact(levels)

    def exact(self, levels: Levels) -> tuple[float, ...]:
        """Return what each adversary gets of everybody."""
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
        slack = self.slack * float(self.mentions.sum())
        low, high = 0, len(order) + 1
        step = max(guess // 16, 1)
        at = min(guess, len(order))
        while low < at < high and weight[min(high - 1, len(order))] - weight[low] > slack:
            if self.passes(raised(levels, order[:at])):
                low = at
                at = (low + high) // 2 if high <= len(order) else min(low + step, len(order))
            else:
                high = at
                at = (low + high) // 2 if low else max(high - step, 1) if high > 1 else 0
            step *= 2
        return raised(levels, order[:low]), low

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
        if hidden is None:
            of_codes = np.bincount(finest, weights=self.mentions, minlength=len(self.tree.levels) + 1)
            return tuple(float(share) for share in of_codes / max(float(of_codes.sum()), 1.0))
        coded = self.coded
        at = np.where(hidden, len(self.tree.levels), finest[coded.code])
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

    def by_count(self, levels: Levels, which: Flags) -> Levels:
        """Return the map with every code of `which` in full that at least t patients have, for the smallest t."""
        codes = np.flatnonzero(which & self.eligible)
        steps = np.unique(self.patients[codes])[::-1]
        low, high = 0, len(steps)
        while low < high:
            middle = (low + high + 1) // 2
            if self.passes(raised(levels, codes[self.patients[codes] >= steps[middle - 1]])):
                low = middle
            else:
                high = middle - 1
        return raised(levels, codes[self.patients[codes] >= steps[low - 1]]) if low else levels


def raised(levels: Levels, codes: Numbers) -> Levels:
    """Return the map with these codes in full too."""
    changed = levels.copy()
    changed[codes] = 0
    return changed
