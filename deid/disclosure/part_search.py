"""A search that steers by an attack on a part of the patients, and attacks everybody with what it comes to."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np

from deid.disclosure.coded import Coded, CodeTree
from deid.disclosure.dated import Tied
from deid.disclosure.holdings import Flags, Floats, summed
from deid.disclosure.map_found import Levels
from deid.disclosure.map_search import MapSearch, raised
from deid.disclosure.pairs import Attacker
from deid.disclosure.sampling import Dates
from deid.disclosure.screening import Part, Screen, Thinned, part_of, thinned
from deid.documents.limits import CodeLimits

_COARSE = 0.0005  # of all mentions: less is not worth an attack
_SURE = 0.7  # of the ceiling: below it a part alone is believed
_CLEAR = 0.9  # the same, where factors are of the same classes with other pools
_NEAR = 0.97  # of the ceiling: near enough for a map that a part steered to
_TRIES = 3  # attacks on everybody, before the ceiling of the part falls
_FALLS = 1.1  # how much it falls each time
_KNOWN = 3  # patients of a code in a part, from which what it costs is told


class PartSearch(MapSearch):
    """One search on many patients.

    No map leaves it that was not attacked among everybody: `confirmed` keeps none that did not pass, and
    `MapSearch.found` attacks once more whatever was chosen.
    """

    slack = _COARSE
    by_part = True

    def __init__(
        self, coded: Coded, tree: CodeTree, limits: CodeLimits, *, k: int, thin: Thinned, grouped: bool = False,
        tied: Tied | None = None,
    ) -> None:  # fmt: skip
        """Take who has which codes, under the classes of `coded`, and what a part of them is made of."""
        self._thin = thin
        self._fitted = False  # whether a map of a part passed on everybody
        self._exact: dict[bytes, tuple[float, ...]] = {}
        self._hint: Floats | None = None
        self._corrected = False
        super().__init__(coded, tree, limits, k=k, grouped=grouped, tied=tied)

    @cached_property
    def screen(self) -> Screen:
        """The attack on the part."""
        return Screen(self.attack_on(part_of(self._thin, self._given, self.tied)))

    @cached_property
    def coded(self) -> Coded:
        """Who has which codes, of those who are not withheld."""
        return self._given.released(self._given.klass)

    @cached_property
    def attacker(self) -> Attacker:
        """The attack on everybody."""
        tied = self.tied.released(self.coded.klass) if self.tied is not None else None
        return self.attack_on(Part(self.coded, tied, 1.0))

    @property
    def steering(self) -> Attacker:
        """The attack by which maps are compared: that on the part."""
        return self.screen.attacker

    def forget(self) -> None:
        """Let go of the attack on everybody, which is made anew when it is asked for."""
        super().forget()
        self.__dict__.pop("coded", None)

    @cached_property
    def reaches(self) -> bool:
        """Whether the coarsest map stays under the ceiling."""
        most = float(self.screen.raw(self.items(self.lowest)).max(initial=0.0)) / self.limits.ceiling
        if most <= _SURE:
            return True  # a part errs towards more; and what is found is attacked among everybody
        if self.screen.attacker.share == 1.0 and most > 1.0 / _SURE**2:
            return False
        return self._exactly(self.lowest)

    def take(self, factors: Floats | None, *, same: bool) -> None:
        """Take factors of another search, to steer by until there are own ones; `same`: of the same classes."""
        if factors is None and self.screen.attacker.share == 1.0:
            factors = np.ones(len(self.screen.factors))  # whole classes need none
        fits = factors is not None and len(factors) == len(self.screen.factors)
        self._hint, self._corrected = (factors, same) if fits else (None, False)

    def may_pass(self, levels: Levels) -> bool:
        """Whether a map passes, by a part alone where that is clear under the factors of another search."""
        raw = self.screen.raw(self.items(levels)) / self.limits.ceiling
        if float(raw.max(initial=0.0)) <= _SURE:
            return True
        if self._hint is not None:
            likely = float((raw * self._hint).max(initial=0.0))
            sure = _CLEAR if self._corrected else _SURE
            if likely <= sure or likely > 1.0 / sure:
                return likely <= 1.0
        return self._exactly(levels)

    def near(self) -> Levels:
        """Return about the map by thresholds: what a part steers to, corrected by one attack on everybody."""
        if not self.reaches:
            raise self.refusal()
        if self._hint is not None and not self.screen.seen:
            self.screen.factors = self._hint
        if not (self._corrected or self.screen.seen):
            self._exactly(self.by_thresholds())
        return self.by_thresholds()

    def two_level(self) -> Levels:
        """Return the map by thresholds; raise DisclosureError where the coarsest is over the ceiling."""
        if not self.reaches:
            raise self.refusal()
        return self.confirmed(self.lowest, self.by_thresholds)

    def confirmed(self, _best: Levels, make: Callable[[], Levels]) -> Levels:
        """Return the map that `make` makes, made anew until all adversaries are under the ceiling on everybody.

        Of the maps that pass, the one that keeps most. Each attack on everybody corrects the factors of the part; where
        none passes, the ceiling that the part is held to falls by a tenth each time, down to the coarsest map.
        """
        best, made = self.lowest, make()
        self._fitted = False
        for number in range(2 * _TRIES):
            found = self.exact(made)
            self.screen.settle(self.items(made), found)
            reached = max(found, default=0.0) / self.limits.ceiling
            if reached <= 1.0 and self.shares(made)[0] >= self.shares(best)[0]:
                best, self._fitted = made, True
            if reached <= 1.0 and (reached >= _NEAR or number >= _TRIES):
                break
            if number >= _TRIES:
                self.screen.factors *= _FALLS ** (1 + number - _TRIES)
            before, made = made, make()
            if np.array_equal(before, made) and reached <= 1.0:
                break
        return best

    def settled(self, refined: Levels, near: Levels) -> Levels:
        """Return the refined map if it passed and keeps as much as `near`, else one by thresholds, or the coarsest."""
        if self._fitted and self.shares(refined)[0] >= self.shares(near)[0]:
            return refined
        return self.two_level()

    def weighed(self, price: Floats) -> tuple[Floats, Floats]:
        """Return mentions and price of each code in the part; of codes that hardly anybody there has, none is known."""
        coded = self.steering.coded
        mentions = summed(coded.code, coded.mentions.astype(np.float64), len(price))
        unknown = np.bincount(coded.code, minlength=len(price)) < _KNOWN
        return mentions, np.where(unknown, np.inf, price)  # rare ones, they come last

    def risks(self, levels: Levels) -> tuple[float, ...]:
        """Return what each adversary would get of everybody, by the part."""
        return tuple(self.screen.estimates(self.items(levels)).tolist())

    def passes(self, levels: Levels, hidden: Flags | None = None) -> bool:
        """Whether every adversary would stay under the ceiling, by the part; nothing is left empty where one steers."""
        assert hidden is None
        return bool((self.screen.estimates(self.items(levels)) <= self.limits.ceiling).all())

    def exact(self, levels: Levels) -> tuple[float, ...]:
        """Return what each adversary gets of everybody; the same map is attacked once."""
        key = self.items(levels).tobytes()
        if key not in self._exact:
            self._exact[key] = super().exact(levels)
        return self._exact[key]

    def by_count(self, levels: Levels, which: Flags) -> Levels:
        """Return the map with every code of `which` in full that about the fewest patients have with which it passes.

        By regula falsi on the logarithm of what maps come to, until what is undecided is next to no mentions.
        """
        codes = np.flatnonzero(which & self.eligible)
        steps = np.unique(self.patients[codes])[::-1]
        kept = np.append(0.0, [self.mentions[codes[self.patients[codes] >= step]].sum() for step in steps])
        low, high = 0, len(steps)
        below = above = 0.0
        while low < high and kept[high] - kept[low] > self.slack * self.mentions.sum():
            middle = (low + high + 1) // 2
            if below and above:
                middle = min(max(low + round((high + 1 - low) * _between(below, above)), low + 1), high)
            tried = raised(levels, codes[self.patients[codes] >= steps[middle - 1]])
            reached = max(self.risks(tried), default=0.0) / self.limits.ceiling
            if self.passes(tried):
                low, below = middle, max(reached, 1e-9)
            else:
                high, above = middle - 1, reached
        return raised(levels, codes[self.patients[codes] >= steps[low - 1]]) if low else levels

    def _exactly(self, levels: Levels) -> bool:
        """Whether a map passes the attack on everybody; the part takes its factors from it."""
        found = self.exact(levels)
        self.screen.settle(self.items(levels), found)
        return max(found, default=0.0) <= self.limits.ceiling


def _between(below: float, above: float) -> float:
    """Return where between two maps the ceiling is likely to be, 0.1 to 0.9."""
    return min(max(math.log(1.0 / below) / max(math.log(above / below), 1e-9), 0.1), 0.9)


class Lent:
    """Factors that attacks on everybody found, lent from search to search: by node and share of candidates."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, float], Floats] = {}
        self._last: dict[float, Floats] = {}

    def to(self, number: int, search: MapSearch) -> None:
        """Lend the factors of the same node with other pools, else of the node before."""
        if isinstance(search, PartSearch):
            share = search.steering.share
            own = self._found.get((number, share))
            search.take(self._last.get(share) if own is None else own, same=own is not None)

    def note(self, number: int, search: MapSearch) -> None:
        """Keep the factors that an attack on everybody found."""
        if isinstance(search, PartSearch) and search.screen.seen:
            share = search.steering.share
            self._found[number, share] = self._last[share] = search.screen.factors


def search_of(
    coded: Coded, tree: CodeTree, limits: CodeLimits, *, k: int, grouped: bool = False, dates: Dates | None = None,
    tied: Tied | None = None,
) -> MapSearch:  # fmt: skip
    """Return the search for these patients: by a part where they are many and the policy lets it."""
    thin = thinned(coded, tied, limits)
    if thin is None:
        return MapSearch(coded, tree, limits, k=k, grouped=grouped, dates=dates, tied=tied)
    return PartSearch(coded, tree, limits, k=k, grouped=grouped, tied=tied, thin=thin)
