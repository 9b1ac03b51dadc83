"""What two series of one site could be joined by: a keyed fingerprint of each patient's released content, by kind.

Pseudonyms of two series never agree; the codes, dates and charges of one patient may, in any number of releases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.buffers import plain, scattered
from deid.ledger.book import Book, JoinFigure
from deid.patients import Positions
from deid.plan import Step, TablePlan
from deid.prf import BatchCmac, derive_key
from deid.tags import U64, Bools, first_words
from deid.transforms.pseudonymize import Pseudonymize
from deid.transforms.redact_note import RedactNote
from deid.transforms.words import rule_text


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
        """Take the released rows of a table and the positions of their patients, int32 (n,), none negative."""
        for step, cells in zip(planned.written, batch.columns, strict=True):
            if is_content(step):
                self._add(f"{step.column.kind.name} {rule_text(step.transform)}", cells, patient)

    def _add(self, name: str, cells: pa.Array, patient: Positions) -> None:
        if name not in self.sums:
            self.sums[name] = np.zeros(self.patients, np.uint64)
            self._hashers[name] = BatchCmac(derive_key(self.key, "ledger prints", name))
        encoded = plain(cells).cast(pa.string()).dictionary_encode()
        known = encoded.indices.is_valid().to_numpy(zero_copy_only=False)
        if len(encoded.dictionary):
            hashes = first_words(self._hashers[name].digest(encoded.dictionary))
            with np.errstate(over="ignore"):
                rows = encoded.indices.drop_null().to_numpy()
                np.add.at(self.sums[name], patient[known], hashes[rows])

    def of(self, positions: npt.NDArray[np.int64]) -> dict[str, U64]:
        """Return the fingerprints of some patients by kind and rule."""
        return {name: sums[positions] for name, sums in self.sums.items()}


def is_content(step: Step) -> bool:
    """Whether a released column may agree between two series: no pseudonym, and no text, whose surrogates differ."""
    return not isinstance(step.transform, (Pseudonymize, RedactNote))


def join(other: Book, tags: U64, prints: Mapping[str, U64]) -> JoinFigure:
    """Return how many of the patients of a release could be joined to another series.

    `tags`: uint64 (m, 2), the patients of the release. `prints`: kind and rule -> uint64 (m,).
    """
    there = other.state.only(other.state.shown)
    total = max(1, len(tags))
    at = there.find(tags)
    same = [name for name in other.prints if name in prints]
    exact = 0
    if same:
        mine = _combined([prints[name] for name in same], len(tags))
        theirs = _combined([there.prints[:, other.prints.index(name)] for name in same], len(there))
        agrees = (at >= 0) & (theirs[np.maximum(at, 0)] == mine if len(theirs) else False)
        alone = _alone(mine)
        alone_there = _alone(theirs)
        exact = int((agrees & alone & (alone_there[np.maximum(at, 0)] if len(theirs) else False)).sum())
    kinds = {name.partition(" ")[0] for name in other.prints}
    shared = sorted(name for name in prints if name.partition(" ")[0] in kinds)
    most = int(((at >= 0) & _alone(_combined([prints[name] for name in shared], len(tags)))).sum()) if shared else 0
    return JoinFigure(
        request=other.request,
        party=other.party,
        kinds=tuple(dict.fromkeys(name.partition(" ")[0] for name in shared)),
        patients_in_both=int((at >= 0).sum()),
        exact=exact / total,
        at_most=most / total,
    )


def _combined(columns: Sequence[U64], rows: int) -> U64:
    mixed = np.zeros(rows, np.uint64)
    for column in columns:
        mixed = scattered(mixed ^ scattered(column))
    return mixed


def _alone(prints: U64) -> Bools:
    """Return which fingerprints no other patient has."""
    _, number, count = np.unique(prints, return_inverse=True, return_counts=True)
    return np.asarray(count[number] == 1, bool)
