"""Draws from a seed: quick choices, weighted tables, digits and letters."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")

UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CODE_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """Things with weights, summed up once so that a draw is one search."""

    things: tuple[T, ...]
    sums: tuple[float, ...]

    @staticmethod
    def of(weights: Iterable[tuple[T, float]], power: float = 1.0) -> Table[T]:
        """The table of `weights`, flattened by `power`: 1 keeps them, 0 makes all alike."""
        pairs = list(weights)
        if not pairs:
            raise ValueError("a table needs at least one thing")
        return Table(
            tuple(thing for thing, _ in pairs), tuple(accumulate(max(weight, 1e-9) ** power for _, weight in pairs))
        )


class Dice:
    """One stream of draws; the same seed gives the same stream on every machine."""

    __slots__ = ("random", "source")

    def __init__(self, seed: int) -> None:
        self.source = Random(seed)  # noqa: S311 - made-up text has nothing to protect, and must be made again
        self.random = self.source.random

    def chance(self, share: float) -> bool:
        """True in `share` of all calls."""
        return self.random() < share

    def pick(self, things: Sequence[T]) -> T:
        """One of `things`, all alike."""
        return things[int(self.random() * len(things))]

    def between(self, least: int, most: int) -> int:
        """A whole number from `least` to `most`, both included."""
        return least + int(self.random() * (most - least + 1))

    def digits(self, count: int) -> str:
        """`count` digits, the first of them zero as often as any other."""
        return str(10**count + int(self.random() * 10**count))[1:]

    def letters(self, count: int) -> str:
        """`count` capital letters out of those that are used in codes."""
        return "".join([_CODE_LETTERS[int(self.random() * 23)] for _ in range(count)])

    def mixed(self, count: int, alphabet: str = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789") -> str:
        """`count` characters of `alphabet`."""
        size = len(alphabet)
        return "".join([alphabet[int(self.random() * size)] for _ in range(count)])

    def shape(self, pattern: str) -> str:
        """`pattern` with digits for `#`, capital letters for `@` and either for `&`."""
        return "".join([_SHAPED[mark](self, 1) if mark in _SHAPED else mark for mark in pattern])

    def weighted(self, table: Table[T]) -> T:
        """One thing of `table` by its weight."""
        at = bisect_right(table.sums, self.random() * table.sums[-1])
        return table.things[min(at, len(table.things) - 1)]


_SHAPED: dict[str, Callable[[Dice, int], str]] = {"#": Dice.digits, "@": Dice.letters, "&": Dice.mixed}
