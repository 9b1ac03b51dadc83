"""Whose notes a batch holds: what a run decided for their patients, as the redactor and the verification need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from deid.documents.text_rules import writing_of
from deid.keys.prf import BatchCmac
from deid.notes.surrogates.writer import keys_of
from deid.notes.writing import Replacement, Writing
from deid.observing.decision import Decision
from deid.patients.positions import AGED, Positions
from deid.planning.plan import Plan
from deid.transforms.redact_note import RedactNote

if TYPE_CHECKING:
    from deid.notes.known import KnownIdentifiers
    from deid.notes.leak_check import HasValues


def replacement_of(plan: Plan, decision: Decision, patient: Positions, rule: RedactNote, mac: BatchCmac) -> Replacement:
    """Return how the notes of a batch are written; `mac`: the PRF of surrogates, of this release."""
    writing = _writing(plan, rule)
    keys = keys_of(mac, patient) if writing.surrogates else [b""] * len(patient)
    aged = (decision.patients.flags[patient] & AGED) != 0
    return Replacement(writing, keys, _offsets(decision, patient), aged)


def checks_of(plan: Plan, rule: RedactNote, known: Sequence[KnownIdentifiers]) -> list[HasValues]:
    """Return what must not stand in the released notes of each patient."""
    from deid.notes.replacer import checked  # noqa: PLC0415 - only where notes are released

    writing = _writing(plan, rule)
    return [checked(writing, own) for own in known]


def _writing(plan: Plan, rule: RedactNote) -> Writing:
    return writing_of(plan.policy, rule, window=plan.request.window, reference_year=plan.reference_date.year)


def _offsets(decision: Decision, patient: Positions) -> npt.NDArray[np.int32]:
    offsets = decision.patients.offset
    return offsets[patient].astype(np.int32) if len(offsets) else np.zeros(len(patient), np.int32)
