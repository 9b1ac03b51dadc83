"""Distinct (patient, number, visit) with how often each stands, gathered in parts: arrays that grow, and no row kept.

16 bytes for each, and what sorting them takes for a moment; docs/reference/memory.md states it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.disclosure.coded import Coded
from deid.patients.positions import Positions

NO_VISIT = np.int32(-1)
_PENDING = 1 << 20  # entries that are gathered before they are sorted in

Keys = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int32]


@dataclass(slots=True)
class Entries:
    """Distinct (patient, code, visit) with the rows in which each stands, gathered in parts and sorted in."""

    _keys: Keys = field(default_factory=lambda: np.zeros(0, np.uint64), repr=False)
    _visits: Integers = field(default_factory=lambda: np.zeros(0, np.int32), repr=False)
    _mentions: Integers = field(default_factory=lambda: np.zeros(0, np.int32), repr=False)
    _parts: list[tuple[Keys, Integers, Integers]] = field(default_factory=list, repr=False)
    _pending: int = 0

    def add(self, patient: Positions, code: Integers, visit: Integers, mentions: Integers | None = None) -> None:
        """Take rows, all int32 of shape (n,), none but the visit negative; each is one mention unless it is told."""
        keys = (patient.astype(np.uint64) << np.uint64(32)) | code.astype(np.uint64)
        part = _united(keys, visit, np.ones(len(keys), np.int32) if mentions is None else mentions)
        self._parts.append(part)
        self._pending += len(part[0])
        if self._pending > max(_PENDING, len(self._keys) // 2):
            self._settle()

    def _settle(self) -> None:
        keys, visits, mentions = zip((self._keys, self._visits, self._mentions), *self._parts, strict=True)
        self._parts, self._pending = [], 0
        self._keys, self._visits, self._mentions = _united(
            np.concatenate(keys), np.concatenate(visits), np.concatenate(mentions)
        )

    def rows(self) -> tuple[Integers, Integers, Integers, Integers]:
        """Return patient, code, visit and mentions of all, int32 (n,) each, sorted in this order."""
        self._settle()
        patient, code = self._keys >> np.uint64(32), self._keys & np.uint64(0xFFFFFFFF)
        return patient.astype(np.int32), code.astype(np.int32), self._visits, self._mentions

    def coded(self, patients: int) -> Coded:
        """Return the entries of all, every one of `patients` in one class."""
        self._settle()
        first = np.append(True, self._keys[1:] != self._keys[:-1])[: len(self._keys)]
        entry = (np.cumsum(first) - 1).astype(np.int32)
        starts = np.flatnonzero(first)
        mentions = np.add.reduceat(self._mentions, starts) if len(starts) else self._mentions
        known = self._visits != NO_VISIT
        visits = np.stack([entry[known], self._visits[known]], axis=1)
        keys = self._keys[starts]
        return Coded(
            klass=np.zeros(patients, np.int32),
            patient=(keys >> np.uint64(32)).astype(np.int32),
            code=(keys & np.uint64(0xFFFFFFFF)).astype(np.int32),
            mentions=mentions.astype(np.int32),
            visits=visits[np.lexsort((visits[:, 0], visits[:, 1]))] if len(visits) else None,
        )


def _united(keys: Keys, visits: Integers, mentions: Integers) -> tuple[Keys, Integers, Integers]:
    """Return the distinct (key, visit), sorted, with the sum of their mentions."""
    order = np.lexsort((visits, keys))
    keys, visits, mentions = keys[order], visits[order], mentions[order]
    new = np.append(True, (keys[1:] != keys[:-1]) | (visits[1:] != visits[:-1]))[: len(keys)]
    starts = np.flatnonzero(new)
    total = np.add.reduceat(mentions, starts) if len(starts) else mentions
    return keys[starts], visits[starts], total.astype(np.int32)
