"""Whose a released row is: pseudonyms that were read back, and the patients whom the run gave them to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import scattered, spans
from deid.errors import DEFECT, VerificationError
from deid.keys.prf import PSEUDONYM_LENGTH
from deid.patients.positions import Patients, Positions
from deid.patients.tags import TagIndex
from deid.planning.plan import Step, TablePlan
from deid.transforms.pseudonymize import Pseudonymize


def patient_pseudonym(planned: TablePlan) -> Step | None:
    """Return the step that releases the patient's pseudonym in a table, if any."""
    own = (s for s in planned.written if s.column.kind.name == "patient_id" and isinstance(s.transform, Pseudonymize))
    return next(own, None)


def pseudonym_tags(pseudonyms: pa.Array) -> npt.NDArray[np.uint64]:
    """Return a 64-bit tag for each pseudonym, which must not be null; uint64 of shape (n,)."""
    if isinstance(pseudonyms, pa.DictionaryArray):
        return np.asarray(pseudonym_tags(pseudonyms.dictionary)[pseudonyms.indices.to_numpy()], np.uint64)
    if pseudonyms.null_count:
        raise VerificationError("a released row has no patient pseudonym", hint=DEFECT)
    text = np.ascontiguousarray(spans(pseudonyms)[2].reshape(len(pseudonyms), PSEUDONYM_LENGTH))
    words = text.view(np.uint64)
    # Distinct odd factors keep the words apart; the texts themselves are uniform, so no key is needed.
    mixed = words[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ words[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
    return scattered(mixed)


class GivenPseudonyms:
    """The run's positions of the patients who were given a pseudonym, found by it; indexed when first asked."""

    def __init__(self, patients: Patients) -> None:
        self._patients = patients
        self._tags: TagIndex | None = None
        self._named: Positions = np.zeros(0, np.int32)

    def positions(self, pseudonyms: pa.Array) -> Positions:
        """Return the position of each row's patient; raise VerificationError for a pseudonym this run did not give."""
        if self._tags is None:
            self._tags = TagIndex()
            everyone = self._patients.pseudonyms()
            # A withheld patient has no pseudonym: what this index numbers are only those who have one.
            self._named = np.flatnonzero(self._patients.pseudonym[:, 0]).astype(np.int32)
            for start in range(0, len(self._named), 65_536):
                self._tags.add(pseudonym_tags(everyone.take(pa.array(self._named[start : start + 65_536]))))
        found = self._tags.find(pseudonym_tags(pseudonyms))
        if (found < 0).any():
            raise VerificationError("a row stands beside a pseudonym that this run did not give", hint=DEFECT)
        return np.asarray(self._named[found], np.int32)
