"""Who is who: from the site's own keys and crosswalk, for the scorer alone. No attacker may import this."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.crosswalk import Crosswalk
from deid.decision import Pseudonyms
from deid.keys.base import KeyProvider
from deid.plan import Plan
from deid.prf import offsets
from deid.site import Site
from deid.transforms.pseudonymize import Pseudonymize

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
_PATIENT = "patient_id"


@dataclass(frozen=True, slots=True)
class Truth:
    """Which released patient each person of the population is, int64, -1 for who is not released; and the reverse."""

    record: Int64 = field(repr=False)
    person: Int64 = field(repr=False)
    offset: Int32 | None = field(default=None, repr=False)


def tell(plan: Plan, site: Site, provider: KeyProvider, ids: pa.Array, released: pa.Array) -> Truth:
    """Return who is who: `ids` are the source's keys of everybody, `released` the release's pseudonyms of patients.

    Raises StorageError where somebody has no pseudonym yet: the source has grown since the release was made.
    """
    told = _pseudonyms(plan, site, provider, ids)
    record = pc.fill_null(pc.index_in(told, value_set=released), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    person = np.full(len(released), -1, np.int64)
    person[record[record >= 0]] = np.flatnonzero(record >= 0)
    return Truth(record, person, _offsets(plan, provider, ids))


def _pseudonyms(plan: Plan, site: Site, provider: KeyProvider, ids: pa.Array) -> pa.Array:
    method = next(
        (
            step.transform.method
            for planned in plan.tables
            for step in planned.written
            if step.column.kind.name == _PATIENT and isinstance(step.transform, Pseudonymize)
        ),
        None,
    )
    if method is None:
        return ids.cast(pa.string())  # the source's own keys were released
    name, party = plan.request.name, plan.request.party
    if method == "keyed":
        keyed = {_PATIENT: provider.cmac("pseudonym", name, party, _PATIENT)}
        return Pseudonyms(name, party, None, keyed).surrogates(_PATIENT, ids)
    with ExitStack() as stack:
        crosswalk = stack.enter_context(
            Crosswalk.open(site.state / "crosswalk", provider.subkey("crosswalk"), spill=site.state / "spill")
        )
        # Nobody is shown to it, so nothing is drawn and nothing committed.
        return Pseudonyms(name, party, crosswalk.freeze(), {}).surrogates(_PATIENT, ids)


def _offsets(plan: Plan, provider: KeyProvider, ids: pa.Array) -> Int32 | None:
    shift = plan.shift
    if shift is None:
        return None
    cmac = provider.cmac("date-offset", plan.request.name, plan.request.party)
    return offsets(cmac.digest(ids), max_days=shift.max_days, multiple_of=shift.multiple_of)
