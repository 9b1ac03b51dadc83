"""An attack on some of the patients, by which a search among many steers; what it finds is attacked among everybody.

Two codes of 50,000 patients with seven kinds of codes and their dates make 66 million pairs, and a search asks for a
hundred attacks. So where there are more than `LARGE` pairs, maps are compared by an attack on a part of the patients
from a fixed seed, about `PAIRS` pairs, at least `LEAST` of them: some whole classes, or where classes are large a part
of everybody, with candidates other than the target scaled up. That part errs to one side, so each adversary has a
*factor*: what the attack on everybody came to over what the part did, on the last map on which both were made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from deid.disclosure.pairs import Attacker

from deid.disclosure.coded import Coded
from deid.disclosure.dated import Tied
from deid.disclosure.holdings import Floats
from deid.documents.limits import CodeLimits

Items = npt.NDArray[np.int32]
LARGE = 20_000_000  # pairs up to which every attack of a search is on everybody
PAIRS = 3_000_000  # pairs of the part
LEAST = 0.12  # of the patients: with fewer, most pairs of the part would look unique
_CROWD = 400  # patients of a class that must be in the part; of smaller classes, whole ones are taken
_SEED = 20_262
_KNOWN = 2  # codes
_LITTLE = 1e-6  # what a part that finds next to nothing says is not scaled


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the patients with their codes, and the share of all candidates that is among them."""

    coded: Coded = field(repr=False)
    tied: Tied | None = field(repr=False)
    share: float


@dataclass(frozen=True, slots=True)
class Thinned:
    """What the parts of all recodings are made of: `wanted`, a share of the patients, and a draw of so many."""

    wanted: float
    drawn: Part = field(repr=False)


def pairs_of(coded: Coded) -> int:
    """Return how many pairs of entries the patients have who have a class."""
    own = np.bincount(coded.patient, minlength=len(coded.klass))[coded.klass >= 0]
    return int((own * (own - 1) // 2).sum())


def thinned(coded: Coded, tied: Tied | None, limits: CodeLimits) -> Thinned | None:
    """Return what parts are made of by which a search may steer, None where it attacks everybody.

    It does so on small data, and where what it asks for is a sample already, or bounds single pairs.
    """
    moved = tied is not None and tied.day is not None
    plain = not (limits.strict or moved or limits.known_dates) and limits.suppress_below is None
    if not plain or limits.known != _KNOWN:
        return None
    pairs = pairs_of(coded if tied is None else tied.coded)
    if pairs <= LARGE:
        return None
    wanted = max(PAIRS / pairs, LEAST)
    rng = np.random.default_rng(_SEED)
    drawn = np.where(rng.random(len(coded.klass)) < wanted, coded.klass, np.int32(-1))
    return Thinned(wanted, Part(coded.released(drawn), tied.released(drawn) if tied is not None else None, wanted))


def part_of(thin: Thinned, coded: Coded, tied: Tied | None) -> Part:
    """Return the part under the classes of `coded`: of the patients drawn, or some whole classes if these are small."""
    klass = coded.klass
    size = np.bincount(klass[klass >= 0], minlength=1)
    own = thin.drawn.tied
    if size.sum() * thin.wanted >= _CROWD * len(size):
        return Part(thin.drawn.coded.released(klass), own.released(klass) if own is not None else None, thin.wanted)
    order = np.random.default_rng(_SEED).permutation(len(size))
    before = np.cumsum(size[order]) - size[order]
    chosen = np.append(np.zeros(len(size), bool), False)
    chosen[order[before < thin.wanted * size.sum()]] = True
    whole = np.where(chosen[klass], klass, np.int32(-1))
    return Part(coded.released(whole), tied.released(whole) if tied is not None else None, 1.0)


class Screen:
    """The attack on the part, by each adversary, brought to that on everybody."""

    def __init__(self, attacker: Attacker) -> None:
        self.attacker = attacker
        self.factors: Floats = np.ones(len(attacker.adversaries))
        self.seen = False  # whether any attack on everybody stands behind the factors
        self._made: dict[bytes, Floats] = {}  # of some hundred maps, 24 bytes and the key of a map each

    def raw(self, items: Items) -> Floats:
        """Return what each adversary gets in the part."""
        key = items.tobytes()
        if key not in self._made:
            self._made[key] = np.array(self.attacker.bounds(items))
        return self._made[key]

    def estimates(self, items: Items) -> Floats:
        """Return what each adversary would get of everybody."""
        return np.asarray(self.raw(items) * self.factors, np.float64)

    def settle(self, items: Items, found: tuple[float, ...]) -> None:
        """Take what the attack on everybody came to."""
        raw = self.raw(items)
        self.factors = np.where(raw > _LITTLE, np.array(found) / np.maximum(raw, _LITTLE), 1.0)
        self.seen = True
