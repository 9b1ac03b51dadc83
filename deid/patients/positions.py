"""The run's patients: a dense position for each, and what the run must remember of them.

A source identifier never stays in memory: it becomes a 64-bit tag under a key that lives for one run,
and the tag a position. What is remembered costs `bytes_per_patient`, stated in docs/reference/memory.md and measured
by benchmarks/structured.py.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import runs, scattered
from deid.cells.days import NO_DAY
from deid.errors import SourceError
from deid.keys.prf import PSEUDONYM_LENGTH, BatchCmac
from deid.patients.tags import TagIndex, first_words

SELECTED, AGED, PSEUDONYM_KNOWN = np.uint8(1), np.uint8(2), np.uint8(4)
ASKED = np.uint8(8)  # selected before disclosure control withheld or held anybody; never taken back

MOST = (2**31 - 1) // PSEUDONYM_LENGTH  # patients of one run whose pseudonyms are released

Positions = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Tagger:
    """Turns identifiers into 64-bit tags under a key of this run."""

    cmac: BatchCmac

    @classmethod
    def fresh(cls) -> Tagger:
        """Return a tagger with a new random key."""
        return cls(BatchCmac(os.urandom(32)))

    def tags(self, ids: pa.Array) -> npt.NDArray[np.uint64]:
        """Return one uint64 for each identifier, shape (n,); a null has the tag of the empty string."""
        return first_words(self.cmac.digest(ids))

    def visit_tags(self, ids: pa.Array, patient: Positions) -> npt.NDArray[np.uint64]:
        """Return one uint64 for each (patient, number of a visit): a source may number each patient's visits anew."""
        distinct, numbers = runs(ids)
        return self.tags(distinct)[numbers] ^ scattered(patient)


class Patients:
    """Everything the run knows of its patients, as arrays with one entry a patient.

    `met`: bit i is set when the patient met predicate i of the cohort (uint32).
    `pseudonym`: 16 ASCII characters, uint8 of shape (patients, 16), zeros before it is known.
    `klass`: the patient's class in the quasi-identifiers, int32, -1 before it is known.
    """

    def __init__(self, *, keeps: frozenset[str]) -> None:
        self._keeps = keeps
        self.index = TagIndex()
        self.tagger = Tagger.fresh()
        self._size = 0
        self.flags = np.zeros(0, np.uint8)
        self.birth_day = np.zeros(0, np.int32)
        self.met = np.zeros(0, np.uint32)
        self.klass = np.zeros(0, np.int32)
        self.offset = np.zeros(0, np.int16)
        self.pseudonym = np.zeros((0, PSEUDONYM_LENGTH), np.uint8)
        self._ends = np.zeros(1, np.int32)

    def __len__(self) -> int:
        return self._size

    def admit(self, ids: pa.Array) -> Positions:
        """Give every identifier of a population batch a position, a known one the position it has."""
        positions, _ = self.index.add(self.tagger.tags(ids))
        self._grow(len(self.index))
        return positions

    def find(self, ids: pa.Array) -> Positions:
        """Return positions, -1 where the population table has no such patient."""
        distinct, numbers = runs(ids)
        return self.index.find(self.tagger.tags(distinct))[numbers]

    def _grow(self, size: int) -> None:
        if size > len(self.flags):
            room = max(1024, size + size // 8)
            if "pseudonym" in self._keeps:
                room = max(size, min(room, MOST))
                if size > MOST:
                    # Pseudonyms stand in one Arrow string array, whose offsets are of 32 bits: beyond, they would wrap
                    # around in silence and give one patient another's pseudonym.
                    raise SourceError(
                        f"the population has more than {MOST:,} patients, and one release holds no more",
                        hint="part the population, for instance by years of birth, and ask for each part by itself",
                    )
            self.flags = np.asarray(_resized(self.flags, room, 0), np.uint8)
            for name, fill in (("birth_day", NO_DAY), ("met", 0), ("klass", -1), ("offset", 0), ("pseudonym", 0)):
                if name in self._keeps:
                    setattr(self, name, _resized(getattr(self, name), room, fill))
        self._size = size

    def pseudonyms(self) -> pa.StringArray:
        """Return the pseudonyms of all patients in the order of their positions, without a copy.

        As the one dictionary of every batch it spares all comparing of texts. A patient whose pseudonym is not known
        yet has zero bytes there; nothing points to them.
        """
        room = len(self.pseudonym)
        if len(self._ends) != room + 1:
            self._ends = np.arange(0, (room + 1) * PSEUDONYM_LENGTH, PSEUDONYM_LENGTH, dtype=np.int32)
        return pa.StringArray.from_buffers(room, pa.py_buffer(self._ends), pa.py_buffer(self.pseudonym))

    def given(self) -> tuple[Positions, npt.NDArray[np.uint8]]:
        """Return who has a pseudonym so far, int32 (n,), and which, uint8 (n, 16); nobody where none are kept."""
        known = np.flatnonzero(self.flags[: len(self.pseudonym)] & PSEUDONYM_KNOWN).astype(np.int32)
        return known, self.pseudonym[known]

    def give(self, patient: Positions, pseudonym: npt.NDArray[np.uint8]) -> None:
        """Take pseudonyms that another process of the run looked up, as `given` returns them."""
        self.pseudonym[patient] = pseudonym
        self.flags[patient] |= PSEUDONYM_KNOWN

    def forget_given(self) -> None:
        """Hold nobody's pseudonym for known; it is looked up again, and is the same."""
        self.flags &= ~PSEUDONYM_KNOWN

    @property
    def selected(self) -> npt.NDArray[np.bool_]:
        """Which patients are in the release so far, bool of shape (patients,)."""
        return np.asarray((self.flags[: self._size] & SELECTED) != 0, bool)


def _resized(array: npt.NDArray[np.generic], room: int, fill: int) -> npt.NDArray[np.generic]:
    grown = np.full((room, *array.shape[1:]), fill, array.dtype)
    grown[: len(array)] = array
    return grown
