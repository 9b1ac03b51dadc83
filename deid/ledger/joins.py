"""What two series of one site could be joined by: a keyed fingerprint of each patient's released content, by kind.

Pseudonyms of two series never agree; the codes, dates and charges of one patient may, in any number of releases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import plain, scattered
from deid.keys.prf import BatchCmac, derive_key
from deid.patients.positions import Positions
from deid.patients.tags import U64, first_words
from deid.planning.plan import TablePlan
from deid.transforms.pseudonymize import Pseudonymize
from deid.transforms.redact_note import RedactNote
from deid.transforms.words import rule_text

ROWS, TEXT = "rows:", "text:"  # what fingerprints of numbers of rows and of notes are named by


@dataclass(frozen=True, slots=True)
class PrintsState:
    """Sums of each kind and rule: the positions of the patients who have one, int32 (n,), and theirs, uint64 (n,)."""

    sums: Mapping[str, tuple[Positions, U64]] = field(repr=False)


@dataclass(slots=True)
class Prints:
    """Sums of keyed hashes of what is released of each patient: 8 bytes a patient for each kind and rule.

    The sum is over all cells of a kind in all tables, so it depends on what is told of the patient and how often, and
    not on the order of rows. `key`: the site's subkey ("ledger"): series are compared by these sums.
    """

    key: bytes = field(repr=False)
    patients: int
    sums: dict[str, U64] = field(default_factory=dict, repr=False)
    _hashers: dict[str, BatchCmac] = field(default_factory=dict, repr=False)

    def see(self, planned: TablePlan, batch: pa.RecordBatch, patient: Positions) -> None:
        """Take the released rows of a table and the positions of their patients, int32 (n,), none negative.

        How many rows a patient has in a table is content, too: it is told beside any column.
        """
        self._count(f"{ROWS}{planned.table.name} counted", patient)
        for step, cells in zip(planned.written, batch.columns, strict=True):
            name = f"{step.column.kind.name} {rule_text(step.transform)}"
            if isinstance(step.transform, RedactNote):
                # Surrogates differ and all other words do not: whoever has a note in both is taken to be joined.
                has = patient[cells.is_valid().to_numpy(zero_copy_only=False)]
                self._sums(TEXT + name)[has] = scattered(has + 1)
            elif not isinstance(step.transform, Pseudonymize):
                self._add(name, cells, patient)

    def state(self) -> PrintsState:
        """Return the sums so far."""
        found = {name: np.flatnonzero(sums) for name, sums in self.sums.items()}
        return PrintsState({name: (at.astype(np.int32), self.sums[name][at]) for name, at in found.items()})

    def merge(self, state: PrintsState) -> None:
        """Take the sums of other rows, made under the same key."""
        for name, (positions, sums) in state.sums.items():
            if name.startswith(TEXT):  # the same whoever saw a note of the patient
                self._sums(name)[positions] = sums
            else:
                self._sums(name)[positions] += sums

    def _count(self, name: str, patient: Positions) -> None:
        self._sums(name)[:] += np.bincount(patient, minlength=self.patients).astype(np.uint64)

    def _sums(self, name: str) -> U64:
        if name not in self.sums:
            self.sums[name] = np.zeros(self.patients, np.uint64)
        return self.sums[name]

    def _add(self, name: str, cells: pa.Array, patient: Positions) -> None:
        sums = self._sums(name)
        if name not in self._hashers:
            self._hashers[name] = BatchCmac(derive_key(self.key, "ledger prints", name))
        encoded = plain(cells).cast(pa.string()).dictionary_encode()
        known = encoded.indices.is_valid().to_numpy(zero_copy_only=False)
        if len(encoded.dictionary):
            hashes = first_words(self._hashers[name].digest(encoded.dictionary))
            with np.errstate(over="ignore"):
                rows = encoded.indices.drop_null().to_numpy()
                np.add.at(sums, patient[known], hashes[rows])

    def of(self, positions: npt.NDArray[np.int64]) -> dict[str, U64]:
        """Return the fingerprints of some patients by kind and rule."""
        return {name: sums[positions] for name, sums in self.sums.items()}
