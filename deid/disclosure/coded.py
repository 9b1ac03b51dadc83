"""Who has which codes, in numbers that mean nothing outside the run, and what each code may become.

An *entry* is one patient with one distinct code. An *item* is what is released of a code: the code itself, or the
value of a coarser level; items of all kinds and levels are numbered together, so that pairs may be of two kinds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Coded:
    """The entries of all patients, sorted by patient and code.

    `klass`: int32 (patients,), the class of each patient in the released quasi-identifiers, -1 for who is withheld.
    `patient`, `code`: int32 (entries,). `mentions`: int32 (entries,), rows in which the patient has the code.
    `visits`: int32 (n, 2) of entry and visit, sorted by visit, each once, or None where no visit is known;
    visits are numbered over all patients.
    """

    klass: Numbers
    patient: Numbers
    code: Numbers
    mentions: Numbers
    visits: Numbers | None = None

    def released(self, klass: Numbers) -> Coded:
        """Return the entries of those who are not withheld, under these classes, int32 (patients,).

        A search, a decision and a verification draw the same samples only from the same entries.
        """
        stays = klass[self.patient] >= 0
        number = (np.cumsum(stays) - 1).astype(np.int32)
        visits = self.visits
        if visits is not None:
            visits = visits[stays[visits[:, 0]]]
            visits = np.stack([number[visits[:, 0]], visits[:, 1]], axis=1)
        return Coded(klass.copy(), self.patient[stays], self.code[stays], self.mentions[stays], visits)


@dataclass(frozen=True, slots=True)
class CodeTree:
    """What every code may become.

    `items`: int32 (codes, levels), the item of each code at each level from fine to coarse, -1 where it has none
    (then the next coarser level stands for it). `levels`: their names, `code` first. `kinds`: int16 (codes,), the
    kind of each code, as a number. `declared`: bool (codes,), whether the study declares the code.
    """

    items: Numbers
    levels: tuple[str, ...]
    kinds: npt.NDArray[np.int16]
    declared: npt.NDArray[np.bool_]
