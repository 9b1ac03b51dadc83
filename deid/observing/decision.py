"""What a run knows before it writes the first row, and how each batch is read in its light.

A Decision is made once, by `observe`, and is frozen while the transforms run, so that a retried task cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain, runs, spans
from deid.cells.days import NO_DAY, years_before
from deid.crosswalks.frozen import FrozenCrosswalk
from deid.documents.cohort import Combine, Predicate
from deid.keys.prf import PSEUDONYM_BYTES, PSEUDONYM_LENGTH, BatchCmac, base32
from deid.observing.controls import Controls
from deid.observing.selection import VISIT, carriers, matches
from deid.patients.positions import AGED, PSEUDONYM_KNOWN, Patients, Positions, Tagger
from deid.schema import Column, Table
from deid.sealing.sealed import SealedMap

if TYPE_CHECKING:
    from deid.disclosure.sensitive import Held
    from deid.known_codes.code_decision import Mapped

Flags = npt.NDArray[np.bool_]
SubkeyOf = Callable[..., bytes]
OFFSETS = "date-offset"  # the crosswalk's domain of random date offsets, beside those of kinds


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Which rows a request is about, beside which patients.

    `carrier`: the table on whose own columns the predicates are evaluated; rows of other tables with an encounter
    key of the kind `key_kind` are kept if `encounters` holds it. `period` predicates hold in addition to the cohort's.
    """

    carrier: str
    combine: Combine
    predicates: tuple[Predicate, ...]
    period: Predicate | None
    tagger: Tagger
    encounters: SealedMap | None
    key_kind: str | None

    def evaluated(self, table: Table) -> tuple[Predicate, ...]:
        """Return what is evaluated on a table's own columns: all on the carrier, the period wherever dates are."""
        dated = (self.period,) if self.period is not None and carriers(table, self.period) else ()
        return (*self.predicates, *dated) if table.name == self.carrier else dated

    def keeps(self, table: Table, values: Mapping[str, pa.Array], birth_days: npt.NDArray[np.int32]) -> Flags:
        """Return which rows of a batch match what is evaluated on its table, bool of shape (n,)."""
        kept = np.ones(len(birth_days), bool)
        if self.predicates and table.name == self.carrier:
            hits = [matched(p, table, values, birth_days) for p in self.predicates]
            kept = np.logical_or.reduce(hits) if self.combine is Combine.ANY else np.logical_and.reduce(hits)
        if self.period is not None and carriers(table, self.period):
            kept = kept & matched(self.period, table, values, birth_days)
        return np.asarray(kept, bool)

    def stands_alone(self, table: Table) -> bool:
        """Whether another table's rows are visits of their own, chosen by their own days.

        So it is where claims stand in for encounters: each table of claims numbers its own. A table that is linked to
        the carrier holds parts of the claims there.
        """
        dated = self.period is not None and bool(carriers(table, self.period))
        is_part = table.name == self.carrier or (table.link is not None and table.link.to == self.carrier)
        return dated and not self.predicates and self.key_kind != "encounter_id" and not is_part

    def bounds_link(self, table: Table, target: Table) -> Predicate | None:
        """Return the period by which rows of `table` go with the rows that they are linked to, or None.

        So it is where they tell neither a day nor a visit of their own, as what was found in a note, or the parts of an
        episode: left alone, they would tell that something is missing which the period leaves out.
        """
        if self.period is None or carriers(table, self.period) or not carriers(target, self.period):
            return None
        names_visits = self.key_kind is not None and any(table.of_kind(self.key_kind))
        return None if names_visits else self.period

    def belongs(
        self, table: Table, values: Mapping[str, pa.Array], key: Column, patient: Positions, own: Flags
    ) -> Flags:
        """Return which rows of another table belong to a kept encounter; `own` tells which match by their own days.

        What has no day of its own goes with its encounter. What names no encounter, or one that the source does not
        hold, goes by its own day, unless a cohort chose encounters: then it belongs to none of them.
        """
        if self.encounters is None:
            return own
        ids = values[key.name]
        named = ids.is_valid().to_numpy(zero_copy_only=False)
        tags = self.tagger.visit_tags(ids, patient)
        starts = np.flatnonzero(np.append(True, tags[1:] != tags[:-1])[: len(tags)])  # rows of a visit stand together
        lengths = np.diff(starts, append=len(tags))
        found, noted = self.encounters.find(tags[starts])
        held = np.repeat(found, lengths)
        kept = np.repeat(noted.column(0).fill_null(False).to_numpy(zero_copy_only=False), lengths)
        dates = carriers(table, self.period) if self.period is not None else ()
        nulls = [values[column.name].is_null().to_numpy(zero_copy_only=False) for column in dates]
        undated = np.logical_and.reduce(nulls) if nulls else np.zeros(len(own), bool)
        may_be_alone = bool(nulls) and not self.predicates
        return np.asarray(np.where(named & held, kept & (own | undated), own & may_be_alone), bool)


def matched(
    predicate: Predicate, table: Table, values: Mapping[str, pa.Array], birth_days: npt.NDArray[np.int32]
) -> Flags:
    """Return which rows match on any of the table's columns that carry the predicate; a visit on its first day."""
    columns = carriers(table, predicate)
    if predicate.kind == VISIT:
        first = pc.coalesce(*(values[column.name].cast(pa.date32()) for column in columns))
        return matches(predicate, columns[0], first, birth_days)
    hits = [matches(predicate, column, values[column.name], birth_days) for column in columns]
    return np.asarray(np.logical_or.reduce(hits), bool)


@dataclass(frozen=True, slots=True)
class VisitBits:
    """What the codes of each visit tell, by patient and number of the visit: one uint64 a family (visits.evidence)."""

    tagger: Tagger
    bits: SealedMap

    def find(self, ids: pa.Array, patient: Positions) -> dict[str, npt.NDArray[np.uint64]]:
        """Return the bits of the rows' visits by family, uint64 of shape (n,), 0 where nothing is told of one."""
        _, found = self.bits.find(self.tagger.visit_tags(ids, patient))
        named = ids.is_valid().to_numpy(zero_copy_only=False)  # a row without a number stands for no other's visit
        return {
            name: np.where(named, cells.fill_null(0).to_numpy(zero_copy_only=False), np.uint64(0))
            for name, cells in zip(found.schema.names, found.columns, strict=True)
        }


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """From source identifiers to pseudonyms, by the method that the policy chose for each kind.

    Random ones come from the crosswalk (45 CFR 164.514(c)); keyed ones are AES-CMAC under a subkey of the series,
    the receiving party and the kind. Neither two parties nor two series of one party ever share a pseudonym: what one
    release closes, another could open if they could be joined.
    """

    series: str
    party: str
    codes: FrozenCrosswalk | None
    keyed: Mapping[str, BatchCmac]

    def domain_of(self, kind: str) -> str:
        """Return the crosswalk domain of one kind: one for each series and party, as the keyed subkeys are."""
        return f"{self.series}/{self.party}/{kind}"

    def together(self, kind: str) -> int:
        """Return for how many batches of rows pseudonyms of a kind are best looked up at once."""
        return 1 if kind in self.keyed or self.codes is None else self.codes.together(self.domain_of(kind))

    def foresee(self, kind: str, ids: Sequence[pa.Array]) -> None:
        """Find the random pseudonyms of identifiers that are soon asked for; `ids`: of one batch each."""
        if kind not in self.keyed and self.codes is not None:
            self.codes.foresee(self.domain_of(kind), pa.chunked_array([runs(each)[0] for each in ids]))

    def surrogates(self, kind: str, ids: pa.Array) -> pa.Array:
        """Return pseudonyms, string array, null where the identifier is null."""
        if kind in self.keyed:
            return _nulls_of(ids, base32(self.keyed[kind].digest(ids)[:, :PSEUDONYM_BYTES]))
        if self.codes is None:
            raise AssertionError("a random pseudonym was asked for, but no crosswalk was filled")
        distinct, numbers = runs(ids)  # a look-up costs more than a digest, and neighbors are often alike
        return self.codes.pseudonyms(self.domain_of(kind), distinct).take(pa.array(numbers))


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that was decided; `suppressed_patients` counts those withheld to reach k.

    `controls`: in what the release differs from the plan; see deid.observing.controls.
    `held`: what patients have of sensitive kinds, against which the released classes are checked.
    `is_continued`: this is not the first release of its series, and k is joint over all of them; see deid.ledger.
    `mapped`: who has which codes and what known codes tell, where codes are mapped; see deid.known_codes.code_decision.
    """

    patients: Patients
    pseudonyms: Pseudonyms
    population: str
    reference_date: date
    rows: RowSelection | None = None
    stays: SealedMap | None = None
    stay_tagger: Tagger | None = None
    identifiers: SealedMap | None = None
    coded: VisitBits | None = None
    suppressed_patients: int = 0
    controls: Controls = field(default_factory=Controls)
    mapped: Mapped | None = field(default=None, repr=False)
    is_continued: bool = False
    held: tuple[Held, ...] = field(default=(), repr=False)

    def patient_pseudonyms(self, kind: str, ids: pa.Array, patient: Positions) -> pa.Array:
        """Return the pseudonyms of rows' patients, looked up once for each patient and then remembered.

        `ids`: the rows' source identifiers; `patient`: int32 positions of the same length, none negative.
        """
        known = (self.patients.flags[patient] & PSEUDONYM_KNOWN) != 0
        if not known.all():
            fresh, where = np.unique(patient[~known], return_index=True)
            rows = np.flatnonzero(~known)[where]
            text = plain(self.pseudonyms.surrogates(kind, ids.take(pa.array(rows))))
            self.patients.pseudonym[fresh] = spans(text)[2].reshape(len(fresh), PSEUDONYM_LENGTH)
            self.patients.flags[fresh] |= PSEUDONYM_KNOWN
        return pa.DictionaryArray.from_arrays(pa.array(patient), self.patients.pseudonyms())

    def mark_aged(self, patient: Positions, birth_days: npt.NDArray[np.int32]) -> None:
        """Remember birth days, and who is 90 or older on the reference date (164.514(b)(2)(i)(C)).

        `birth_days`: int32 days since 1970-01-01, NO_DAY where unknown. The day decides, not the year: who turns 90
        on the reference date is closed.
        """
        limit = (years_before(self.reference_date, 90) - date(1970, 1, 1)).days
        self.patients.birth_day[patient] = birth_days
        aged = (birth_days <= limit) & (birth_days != NO_DAY)
        self.patients.flags[patient[aged]] |= AGED


def _nulls_of(ids: pa.Array, values: pa.Array) -> pa.Array:
    if not ids.null_count:
        return values
    missing = ids.is_null().to_numpy(zero_copy_only=False)
    return pa.array(values.to_numpy(zero_copy_only=False), pa.string(), mask=missing)
