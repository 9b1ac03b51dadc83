"""Numbers of one person: what merge and link messages say, and the number that stands for all of them.

Memory is proportional to merges. Numbers are identifiers, so nothing here has a repr that shows one.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc


class Merges:
    """Which numbers are one person's; frozen at the first resolution."""

    __slots__ = ("_known", "_links", "_standing")

    def __init__(self) -> None:
        self._links: dict[frozenset[str], tuple[str, str]] = {}
        self._known: pa.Array | None = None
        self._standing: pa.Array | None = None

    def join(self, retired: str, surviving: str) -> None:
        """Note that one number was retired in favor of another, or linked to it; the last word counts."""
        pair = frozenset((retired, surviving))
        self._links.pop(pair, None)
        if len(pair) == 2:
            self._links[pair] = (retired, surviving)

    def part(self, one: str, other: str) -> None:
        """Note that two numbers that were linked are two people's after all."""
        self._links.pop(frozenset((one, other)), None)

    def __len__(self) -> int:
        return len(self._links)

    def resolve(self, keys: pa.Array) -> pa.Array:
        """Return the surviving number of each person; other keys as they are."""
        if not self._links:
            return keys
        if self._known is None or self._standing is None:
            standing = _standing(self._links.values())
            self._known = pa.array(list(standing), pa.string())
            self._standing = pa.array(list(standing.values()), pa.string())
        found = pc.index_in(keys, value_set=self._known)
        return pc.coalesce(self._standing.take(found), keys)


def _standing(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the surviving number of every number that was ever retired, chains followed to their ends.

    Numbers merged in a circle are one person all the same, and one of them stands for all.
    """
    above: dict[str, str] = {}

    def top(number: str) -> str:
        path = []
        while (next_ := above.get(number)) is not None:
            path.append(number)
            number = next_
        for passed in path:
            above[passed] = number
        return number

    for retired, surviving in links:
        old, new = top(retired), top(surviving)
        if old != new:
            above[old] = new
    return {number: top(number) for number in list(above)}
