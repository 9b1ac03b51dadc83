"""Who is who: from the site's own keys and crosswalk, for the scorer alone. No attacker may import this."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.choices.store import ChoiceStore
from deid.crosswalks.crosswalk import Crosswalk
from deid.crosswalks.frozen import FrozenCrosswalk, tagger
from deid.documents.site import Site
from deid.keys.base import KeyProvider
from deid.keys.prf import offsets
from deid.observing.decision import OFFSETS, Pseudonyms
from deid.planning.plan import Plan
from deid.segments.telling import rules_of
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
    return Truth(record, person, _offsets(plan, site, provider, ids))


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
    with _frozen(site, provider) as codes:
        given = Pseudonyms(name, party, codes, {})
        if not ChoiceStore.of(site, provider).lists() and not rules_of(plan.policy, plan.dataset):
            return given.surrogates(_PATIENT, ids)
        # Who was left out was never shown to the crosswalk.
        known = codes.knows(given.domain_of(_PATIENT), ids)
        place = np.cumsum(known) - 1
        return given.surrogates(_PATIENT, ids.filter(pa.array(known))).take(pa.array(place, mask=~known))


def _offsets(plan: Plan, site: Site, provider: KeyProvider, ids: pa.Array) -> Int32 | None:
    shift = plan.shift
    if shift is None:
        return None
    if shift.method == "random":
        domain = Pseudonyms(plan.request.name, plan.request.party, None, {}).domain_of(OFFSETS)
        with _frozen(site, provider) as codes:
            known = codes.knows(domain, ids)  # who was left out has no offset, and no row that it could move
            drawn = codes.surrogates(
                domain, tagger(provider.subkey("crosswalk"), domain).digest(ids.filter(pa.array(known)))
            )
        found = np.zeros(len(ids), np.int32)
        found[known] = offsets(drawn, max_days=shift.max_days, multiple_of=shift.multiple_of)
        return found
    cmac = provider.cmac(OFFSETS, plan.request.name, plan.request.party)
    return offsets(cmac.digest(ids), max_days=shift.max_days, multiple_of=shift.multiple_of)


@contextmanager
def _frozen(site: Site, provider: KeyProvider) -> Iterator[FrozenCrosswalk]:
    """Give the crosswalk as it stands: nobody is shown to it, so nothing is drawn and nothing committed."""
    key = provider.subkey("crosswalk")
    with Crosswalk.open(site.state / "crosswalk", key, spill=site.state / "spill") as crosswalk:
        yield crosswalk.freeze()
