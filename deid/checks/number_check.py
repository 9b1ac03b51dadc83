"""Pseudonyms of a patient's own numbers held to be of one patient each, on what was really written.

k does not count them, because a number of one's own groups nobody. A policy number that a family shares, or an account
of a guarantor, does: its pseudonym tells who belongs together, and few families have the same sexes and years of birth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.errors import DisclosureError
from deid.patients.tags import TagIndex
from deid.planning.plan import Plan, Step, TablePlan
from deid.release.small_counts import shown
from deid.transforms.pseudonymize import Pseudonymize

Numbers = npt.NDArray[np.int32]
# Numbers of visits are the source's keys, one patient's each; those of providers are counted as what they stand for.
OF_ONE_PATIENT = frozenset({"mrn", "member_id", "account_number", "unique_id"})


@dataclass(slots=True)
class _Owners:
    index: TagIndex = field(default_factory=TagIndex)
    of: Numbers = field(default_factory=lambda: np.zeros(0, np.int32))
    rows: int = 0


class NumberCheck:
    """Whose each released number is: 16 to 24 bytes for each distinct one; nothing without k."""

    def __init__(self, plan: Plan) -> None:
        self._counts = plan.policy.limits.k is not None
        self._owners: dict[str, _Owners] = {}

    def steps(self, planned: TablePlan) -> Iterator[Step]:
        """Give the columns of a table that must hold one patient's numbers each."""
        for step in planned.written if self._counts else ():
            if isinstance(step.transform, Pseudonymize) and step.column.kind.name in OF_ONE_PATIENT:
                yield step

    def add(self, planned: TablePlan, step: Step, tags: npt.NDArray[np.uint64], patient: Numbers | None) -> None:
        """Take the numbers of some rows, uint64 (n,), and their patients, int32 (n,); a kind has one number space.

        `patient`: None where each row is a patient. Raises DisclosureError where a number is of two patients.
        """
        kind = step.column.kind.name
        owners = self._owners.setdefault(kind if patient is not None else f"{kind} of rows", _Owners())
        if patient is None:
            patient = np.arange(len(tags), dtype=np.int32) + owners.rows
            owners.rows += len(tags)
        at, is_new = owners.index.add(tags)
        if len(owners.index) > len(owners.of):
            owners.of = np.concatenate([owners.of, np.zeros(len(owners.index), np.int32)])
        owners.of[at[is_new]] = patient[is_new]
        shared = owners.of[at] != patient
        if shared.any():
            people = np.unique(np.concatenate([patient[shared], owners.of[at[shared]]]))
            name = f"{planned.table.name}.{step.column.name}"
            raise DisclosureError(
                f"numbers of {name} are shared: in the rows read so far {shown(len(people))} patients have one that "
                "another patient has too, and who belongs together is not counted by k",
                hint=f"leave {name} out, or drop {kind} in the policy: the patient's own pseudonym joins the tables",
            )
