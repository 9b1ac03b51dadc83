"""One step after the other along the chain of an audit log: every line is held against the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from deid.audit.entries import GENESIS, Entry, Keys, decode, hash_of, is_ours
from deid.audit.faults import Fault, damaged


@dataclass(frozen=True, slots=True)
class Head:
    """What stands for a whole log: its name, the number of its entries, and the hash of the newest."""

    log: str
    entries: int
    hash: str


class Chain:
    """Where a walk along a log stands; lines are given in order.

    `keys`: None leaves out the tags. `seen` is called with each entry and its hash.
    """

    __slots__ = ("entries", "hash", "keys", "seen")

    def __init__(
        self,
        keys: Keys | None,
        *,
        entries: int = 0,
        hash: str = GENESIS,  # noqa: A002  # the noun of the specification
        seen: Callable[[Entry, str], None] | None = None,
    ) -> None:
        self.keys, self.entries, self.hash, self.seen = keys, entries, hash, seen

    def follow(self, lines: Iterable[bytes]) -> None:
        """Take the lines of one segment, without line feeds; raise AuditError at the first that does not follow."""
        lines = list(lines)
        for place, line in enumerate(lines):
            entry = decode(line)
            if entry is None or (self.keys is not None and not is_ours(line, entry, self.keys)):
                # What went before it held, so this is where a hand was, unless a whole stretch was exchanged.
                raise damaged(
                    Fault.EDITED, f"entry {self.entries + 1} was changed, or written by another hand", self.entries + 1
                )
            if entry.n != self.entries + 1:
                raise self._out_of_turn(entry, lines[place + 1 :])
            if entry.prev != self.hash:
                raise self._of_another_history()
            self.entries, self.hash = entry.n, hash_of(line)
            if self.seen is not None:
                self.seen(entry, self.hash)

    def _out_of_turn(self, entry: Entry, rest: list[bytes]) -> Exception:
        due = self.entries + 1
        if entry.n < due:
            return damaged(Fault.REORDERED, f"entry {entry.n} stands again where entry {due} is due", due)
        later = (decode(line) for line in rest)
        if any(found is not None and found.n == due for found in later):
            return damaged(Fault.REORDERED, f"entry {entry.n} stands before entry {due}", due)
        return damaged(Fault.DELETED, f"entries {due} to {entry.n - 1} are missing", due)

    def _of_another_history(self) -> Exception:
        due = self.entries + 1
        if self.keys is None:  # without tags, a changed entry cannot be told from an exchanged one after it
            return damaged(Fault.EDITED, f"entry {self.entries} or {due} was changed", due)
        return damaged(Fault.FORKED, f"entry {due} continues another history than the entries before it", due)
