"""What a release of a series was staged with, held against the ledger that would say so.

Read back and decrypted: every patient of the population is one whom the ledger lets in, nobody is missing, each shows
what the class shows, and joint k is counted with those who are really there.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain
from deid.documents.request import Series as Mode
from deid.errors import VerificationError
from deid.ledger.arrivals import Arrivals
from deid.ledger.state import RELEASED, joint
from deid.observing.decision import Decision
from deid.patients.tags import Bools
from deid.planning.plan import Plan
from deid.release.small_counts import shown

DEFECT = "nothing was published; report this as a defect of deid, and verify the ledger by `deid ledger verify`"


class HasArrivals(Protocol):
    """What knows who is released; see deid.ledger.run."""

    @property
    def arrivals(self) -> Arrivals:
        """Who is released."""
        ...

    @property
    def asked(self) -> npt.NDArray[np.int64]:
        """The run's positions of the patients whom the arrivals are about."""
        ...


class SeriesCheck:
    """Gathers who is in the staged population, 1 byte a patient."""

    def __init__(self, plan: Plan, decision: Decision, series: HasArrivals) -> None:
        self._plan, self._decision, self._series = plan, decision, series
        self._found: Bools = np.zeros(len(decision.patients), bool)
        self._rows = 0

    def population(self, batch: pa.RecordBatch, patient: npt.NDArray[np.int32] | None) -> None:
        """Take a batch of the population; `patient`: positions by their pseudonyms, None where none is released."""
        self._rows += batch.num_rows
        if patient is None:
            return
        self._found[patient] = True
        vectors = self._decision.controls.vectors
        klass = pa.array(self._decision.patients.klass[patient])
        for (table, name), cells in vectors.columns.items() if vectors else ():
            if table == self._plan.dataset.population:
                _alike(plain(batch.column(name)), plain(cells).take(klass), f"{table}.{name}")

    def finish(self) -> None:
        """Raise VerificationError unless those found are those decided and joint k holds with them."""
        found, series = self._series.arrivals, self._series
        if self._rows != int(found.released.sum()):
            raise VerificationError("the population has other patients than the ledger lets in", hint=DEFECT)
        state = found.state
        if self._found.any() and not np.array_equal(np.flatnonzero(self._found), series.asked[found.released]):
            raise VerificationError("the population has other patients than the ledger lets in", hint=DEFECT)
        is_increment = self._plan.request.series is Mode.INCREMENT
        k = self._plan.policy.limits.k or 0
        if not is_increment and int((state.state == RELEASED).sum()) != self._rows:
            raise VerificationError("patients of earlier releases are missing, and did not leave", hint=DEFECT)
        cells = joint(state, k=k, is_increment=is_increment)
        if cells.below:
            raise VerificationError(
                f"over all releases {shown(cells.patients_below)} patients are in joint classes smaller than k = {k}",
                hint=DEFECT,
            )


def _alike(written: pa.Array, wanted: pa.Array, where: str) -> None:
    same = pc.or_kleene(pc.equal(written, wanted.cast(written.type)), pc.and_(pc.is_null(written), pc.is_null(wanted)))
    wrong = len(same) - int(pc.sum(pc.fill_null(same, False)).as_py() or 0)
    if wrong:
        raise VerificationError(f"{where} shows of {shown(wrong)} patients what their class does not", hint=DEFECT)
