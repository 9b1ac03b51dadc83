"""Which choices hold for a request on a day, and whom they leave out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain
from deid.choices.lists import ChoiceList, ListKind
from deid.choices.subject import Subject
from deid.errors import PlanError

OPTED_OUT, NO_CONSENT = "opted out", "no consent"
Bools = npt.NDArray[np.bool_]
Days = tuple[date, date]  # of a run: the day by the clock, and the latest that the site knows of, mostly the same


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices that hold: who opted out, and who consented, None where nobody needs to.

    `part2`: whose records of 42 CFR Part 2 may leave by consent, None where no consent is the basis.
    """

    opted_out: pa.Array = field(repr=False)
    consented: pa.Array | None = field(default=None, repr=False)
    part2: pa.Array | None = field(default=None, repr=False)

    @property
    def leave_out(self) -> bool:
        """Whether they leave anybody out."""
        return len(self.opted_out) > 0 or self.consented is not None

    def opted(self, ids: pa.Array) -> Bools:
        """Return who opted out, bool (n,)."""
        return _among(ids, self.opted_out)

    def lacking(self, ids: pa.Array) -> Bools:
        """Return who would need to consent and did not, bool (n,)."""
        return ~_among(ids, self.consented) if self.consented is not None else np.zeros(len(ids), bool)

    def consents(self, ids: pa.Array) -> Bools:
        """Return whose records of Part 2 may leave by consent, bool (n,)."""
        return _among(ids, self.part2) if self.part2 is not None else np.zeros(len(ids), bool)


def choices_for(subject: Subject, lists: Sequence[ChoiceList], on: Days) -> Choices:
    """Return the choices that hold for a run; raise PlanError where the lists do not cover its dataset."""
    use, policy, name = subject.use, subject.policy, subject.dataset.name
    outs = [one for one in lists if one.kind is ListKind.OPT_OUT]
    if outs and not any(one.covers(name) for one in outs):
        raise PlanError(
            f"the site has lists of patients who opted out, and none covers dataset {name}",
            hint=f"`deid choices add LIST --dataset {name}` makes one, which may be empty",
        )
    consents = [one for one in lists if one.kind is ListKind.CONSENT and one.covers(name)]
    out = [one for one in outs if one.covers(name) and (not one.uses or use is None or use in one.uses)]
    wide = [one for one in consents if not one.uses or use in one.uses]
    consented = part2 = None
    if policy.choices.consent_is_required:
        if not consents:
            raise PlanError(
                f"policy {policy.name} requires consent, and no list of consent covers dataset {name}",
                hint=f"`deid choices add LIST --consent --dataset {name}` makes one",
            )
        consented = _holding(wide, on)
    if policy.segments.part2_by_consent:
        signed = [one for one in wide if one.part2]
        if not signed:
            raise PlanError(
                f"policy {policy.name} releases Part 2 records by consent, and no list of such consent holds",
                hint="`deid choices add LIST --consent --part2` makes one; name the request's `use`",
            )
        part2 = _holding(signed, on)
    return Choices(_holding(out, on), consented, part2)


def _holding(lists: Iterable[ChoiceList], on: Days) -> pa.Array:
    held = [one.holding(*on) for one in lists]
    return (
        pc.unique(pa.concat_arrays([array.cast(pa.string()) for array in held])) if held else pa.array([], pa.string())
    )


def _among(ids: pa.Array, wanted: pa.Array) -> Bools:
    """Return which identifiers are among others, as text; a null is not."""
    texts = plain(ids).cast(pa.string())
    return np.asarray(pc.is_in(texts, value_set=wanted, skip_nulls=True).to_numpy(zero_copy_only=False), bool)
