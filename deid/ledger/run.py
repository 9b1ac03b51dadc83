"""A run of a series: who its patients are to the ledger, who of them is released, and what the ledger says afterwards.

The first release is decided by the data alone and recorded; later ones are decided by what the first one fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.buffers import plain
from deid.code_entries import CodeEntries
from deid.controls import Vectors
from deid.decision import Decision
from deid.disclosure.k_anonymity import Counted, loss_of
from deid.errors import DisclosureError
from deid.ledger import Draft, Ledger, codes, tagger, tags_of
from deid.ledger.arrivals import Arrivals, SeriesRules
from deid.ledger.book import Book, Frozen
from deid.ledger.figures import Subgroup, by_subgroup
from deid.ledger.freezing import frozen_of, require_same
from deid.ledger.joins import Prints, join
from deid.ledger.numbering import Numbered
from deid.ledger.store import Publication
from deid.ledger.withheld import Withheld
from deid.limits import Leftover
from deid.manifest import LedgerEntry
from deid.patients import ASKED, SELECTED, Patients
from deid.plan import Plan
from deid.prf import BatchCmac
from deid.request import Series as Mode
from deid.rows import TypedRows
from deid.schema import Table
from deid.tags import U64

Places = npt.NDArray[np.int64]


@dataclass(slots=True)
class Tags:
    """Observes the population and keeps the tag of each patient: 16 bytes a patient."""

    plan: Plan
    cmac: BatchCmac
    tags: U64 = field(default_factory=lambda: np.zeros((0, 2), np.uint64), repr=False)

    def columns(self, table: Table) -> Sequence[str]:
        """The patient key of the population table."""
        return [table.patient] if table.name == self.plan.dataset.population and table.patient else []

    def see(self, rows: TypedRows) -> None:
        """Keep the tags of a batch."""
        good = np.flatnonzero(rows.patient >= 0)
        patient = rows.patient[good]
        size = int(patient.max(initial=-1)) + 1
        if size > len(self.tags):
            grown = np.zeros((max(1024, size + size // 8), 2), np.uint64)
            grown[: len(self.tags)] = self.tags
            self.tags = grown
        self.tags[patient] = tags_of(self.cmac, rows.values[self.columns(rows.table)[0]].take(pa.array(good)))


class SeriesRun:
    """What one run holds of its series; made before a row is read, asked by observation, export and verification.

    `key`: the site's subkey ("ledger"). `others`: the books of the site's other series.
    Raises DisclosureError where the plan would not keep to the first release.
    """

    def __init__(self, plan: Plan, ledger: Ledger, key: bytes, others: Sequence[Book] = ()) -> None:
        self.ledger = ledger
        self.observer = Tags(plan, tagger(key))
        self.now = frozen_of(plan)
        if ledger.frozen is not None:
            require_same(ledger.frozen, self.now, plan.request.name)
        self._plan, self._key, self._others = plan, key, others
        self._arrivals: Arrivals | None = None
        self._asked: Places = np.zeros(0, np.int64)
        self._draft: Draft | None = None
        self._prints: Prints | None = None
        self._withheld = Withheld.nothing()
        # Who of a later release is held and excluded, by what they would show.
        self.subgroups: tuple[Subgroup, ...] = ()

    @property
    def is_first(self) -> bool:
        """Whether this is the first release of its series."""
        return self.ledger.frozen is None

    @property
    def arrivals(self) -> Arrivals:
        """Who is released, once it is decided."""
        if self._arrivals is None:
            raise AssertionError("a series was asked who is released before it was decided")
        return self._arrivals

    @property
    def asked(self) -> Places:
        """The positions of the patients whom the arrivals are about, int64, in their order."""
        return self._asked

    @property
    def draft(self) -> Draft:
        """What the ledger will say, once everything is written."""
        if self._draft is None:
            raise AssertionError("the ledger was asked for its entry before the release was written")
        return self._draft

    def begun(self, decision: Decision) -> Decision:
        """Take note of a first release as it was decided: the classes shown, and everybody withheld for good."""
        patients = decision.patients
        size = len(patients)
        self._asked = np.flatnonzero(patients.flags[:size] & ASKED)
        self._arrivals = self._arrive(patients.klass[self._asked], coarsest=None)
        if not np.array_equal(self._arrivals.released, patients.selected[self._asked]):
            raise AssertionError("a first release holds others than its ledger would")
        self._withheld = codes.begun(decision.mapped)
        return decision

    def continued(self, decision: Decision, counted: Counted, entries: CodeEntries | None = None) -> Decision:
        """Decide a later release: the frozen recoding, newcomers who are enough, and nobody left alone by leavers."""
        book = self._book
        levels = self._levels(counted)
        values = [leaves.values(level) for leaves, level in zip(counted.leaves, levels, strict=True)]
        places = tuple(place for place, held in zip(counted.places, values, strict=True) if held is not None)
        if places != book.frozen.places:
            raise DisclosureError(
                f"the vector of request {self._plan.request.name} has other columns than at its first release",
                hint="a series keeps to its first release; begin a new one: a request of another name",
            )
        cells = [
            plain(held).take(pa.array(counted.tally.leaves[i])) for i, held in enumerate(values) if held is not None
        ]
        vectors = Numbered.of(book, cells, len(counted.tally.patients))
        patients = decision.patients
        self._asked = np.flatnonzero(counted.vector >= 0)
        then = self._plan.policy.limits.series.then
        found = self._arrive(
            vectors.numbers[counted.vector[self._asked]],
            coarsest=vectors.coarsest if then is Leftover.COARSEST and book.frozen.places else None,
        )
        found, columns = vectors.kept(found, book.frozen.places)
        self._arrivals = found
        size = len(patients)
        patients.klass[:size] = -1
        released = self._asked[found.released]
        patients.klass[released] = found.klass[found.released]
        patients.flags[self._asked[~found.released]] &= ~SELECTED
        rules = {
            place: rungs[level]
            for place, rungs, level in zip(counted.places, counted.rungs, levels, strict=True)
            if len(rungs) > 1
        }
        shown = np.full(len(counted.tally.patients), -1, np.int32)
        shown[counted.vector[released]] = 0
        told = Vectors(columns, rules, book.frozen.chosen, loss_of(counted, levels, shown))
        decision = replace(
            decision,
            controls=replace(decision.controls, vectors=told),
            held=counted.held,
            suppressed_patients=int((~found.released).sum()),
            is_continued=True,
        )
        self.subgroups = by_subgroup(
            {
                place: column.take(pa.array(counted.vector[self._asked]))
                for place, column in zip(book.frozen.places, cells, strict=True)
            },
            found.outcome,
        )
        self._withheld = book.withheld
        if entries is not None:
            decision, self._withheld = codes.continued(self._plan, decision, entries, book.codes, book.withheld)
        return decision

    def prints(self, patients: Patients) -> Prints:
        """Return what takes the fingerprints of the released rows."""
        self._prints = Prints(self._key, len(patients))
        return self._prints

    def finish(self, decision: Decision, *, release: str, created: date) -> Draft:
        """Make the ledger's next book; raise DisclosureError where joint k, or the ceiling on joins, would not hold."""
        found, controls = self.arrivals, decision.controls
        book = self.ledger.book
        columns = {place: plain(cells) for place, cells in controls.vectors.columns.items()} if controls.vectors else {}
        frozen = book.frozen if book else self._fixed(controls.vectors)
        draft = self.ledger.entered(
            found,
            frozen=frozen,
            vectors=columns,
            codes=controls.codes,
            withheld=self._withheld,
            release=release,
            created=created,
            period=self._plan.period.label if self._plan.period else None,
        )
        if self._prints is not None:
            positions = self._asked[found.released]
            tags, prints = self.observer.tags[positions], self._prints.of(positions)
            draft = draft.printed(tags, prints).joined(tuple(join(other, tags, prints) for other in self._others))
            self._hold_joins(draft)
        self._draft = draft
        return draft

    def entry(self) -> LedgerEntry:
        """Return what the manifest tells."""
        return self.draft.entry

    def prepare(self, publication: Publication, manifest: bytes) -> None:
        """Enter the release as pending, right before it is renamed."""
        self.draft.prepare(publication, manifest)

    def outcome(self, patients: Patients) -> npt.NDArray[np.uint8]:
        """Return the state of each patient of the run after this release, uint8 (patients,), 255 for the unasked."""
        found = np.full(len(patients), 255, np.uint8)
        found[self._asked] = self.arrivals.outcome
        return found

    @property
    def _book(self) -> Book:
        if self.ledger.book is None:
            raise AssertionError("a first release has no book to go by")
        return self.ledger.book

    def _arrive(self, klass: npt.NDArray[np.int32], *, coarsest: int | None) -> Arrivals:
        series = self._plan.policy.limits.series
        rules = SeriesRules(self.now.k, series.hold, coarsest, self._plan.request.series is Mode.INCREMENT)
        return self.ledger.arrivals(self.observer.tags[self._asked], klass, rules)

    def _levels(self, counted: Counted) -> list[int]:
        """Return the frozen rung of each column of the vector."""
        chosen = {found.name: found.level for found in self._book.frozen.chosen}
        return [chosen.get(".".join(place), 0) for place in counted.places]

    def _fixed(self, vectors: Vectors | None) -> Frozen:
        if vectors is None:
            return self.now
        return msgspec.structs.replace(self.now, places=tuple(vectors.columns), chosen=vectors.chosen)

    def _hold_joins(self, draft: Draft) -> None:
        ceiling = self._plan.policy.limits.risk.join
        for found in draft.book.newest.joins:
            if ceiling is not None and found.at_most > ceiling:
                raise DisclosureError(
                    f"up to {100 * found.at_most:.1f} % of the patients could be joined to those of request "
                    f"{found.request} by {', '.join(found.kinds)}; the policy allows {100 * ceiling:g} %",
                    hint=f"coarsen or leave out {_most_telling(found.kinds)}, or release to one of the two alone",
                )


def _most_telling(kinds: Sequence[str]) -> str:
    """Return the kinds in words for a remedy; codes and dates are named first, as they tell most."""
    telling = [
        kind for kind in kinds if kind.endswith(("_date", "cm", "pcs")) or kind in ("cpt", "ndc", "charge_amount")
    ]
    return ", ".join(telling or kinds)
