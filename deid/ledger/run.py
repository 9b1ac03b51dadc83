"""A run of a series: who its patients are to the ledger, who of them is released, and what the ledger says afterwards.

The first release is decided by the data alone and recorded; later ones are decided by what the first one fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.cells.buffers import plain
from deid.disclosure.k_anonymity import Counted, loss_of
from deid.documents.limits import Leftover
from deid.documents.request import Series as Mode
from deid.errors import DisclosureError, VerificationError
from deid.known_codes.code_entries import CodeEntries
from deid.ledger import Draft, Ledger, codes, tagger, union
from deid.ledger.arrivals import Arrivals, SeriesRules
from deid.ledger.beside import Beside
from deid.ledger.book import Book
from deid.ledger.figures import Subgroup, by_subgroup
from deid.ledger.freezing import KEEP, frozen_of, require_same
from deid.ledger.joining import hold, joins
from deid.ledger.joins import Prints
from deid.ledger.numbering import Numbered
from deid.ledger.records import Frozen
from deid.ledger.store import Publication
from deid.ledger.tagging import Tags
from deid.ledger.told import Told
from deid.ledger.withheld import Withheld
from deid.observing.controls import Vectors
from deid.observing.decision import Decision
from deid.patients.positions import ASKED, SELECTED, Patients
from deid.planning.plan import Plan
from deid.release.manifest import LedgerEntry

Places = npt.NDArray[np.int64]


class SeriesRun:
    """What one run holds of its series; made before a row is read, asked by observation, export and verification.

    `key`: the site's subkey ("ledger"). `beside`: the site's other series. `readers`: digests of the
    recipients' keys.
    Raises DisclosureError where the plan would not keep to the first release.
    """

    def __init__(
        self, plan: Plan, ledger: Ledger, key: bytes, beside: Beside | None = None, readers: Sequence[str] = ()
    ) -> None:
        self.ledger = ledger
        self.observer = Tags(plan, tagger(key))
        self.now = frozen_of(plan)
        self._frozen: Frozen | None = None
        if ledger.frozen is not None:
            self._frozen = require_same(ledger.frozen, self.now, plan.policy.limits, plan.request.name)
        self._plan, self._key, self._beside, self._readers = plan, key, beside, readers
        self._arrivals: Arrivals | None = None
        self._asked: Places = np.zeros(0, np.int64)
        self._draft: Draft | None = None
        self._prints: Prints | None = None
        self._withheld = Withheld.nothing()
        self._told = Told.nothing()
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
        self._told, _ = self._shown(decision)
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
                hint=KEEP,
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
        self._told, _ = self._shown(decision)
        return decision

    def prints(self, patients: Patients) -> Prints:
        """Return what takes the fingerprints of the released rows."""
        self._prints = Prints(self._key, len(patients))
        return self._prints

    def finish(self, decision: Decision, *, release: str, created: date) -> Draft:
        """Make the ledger's next book; raise DisclosureError where joint k, or the ceiling on joins, would not hold."""
        found, controls = self.arrivals, decision.controls
        columns = {place: plain(cells) for place, cells in controls.vectors.columns.items()} if controls.vectors else {}
        frozen = self._frozen if self._frozen is not None else self._fixed(controls.vectors)
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
        draft = draft.read_by(self._readers).with_codes(*self._shown_as_attacked(decision))
        if self._prints is not None:
            positions = self._asked[found.released]
            draft = draft.printed(self.observer.tags[positions], self._prints.of(positions))
            draft = self._held(draft)
        self._draft = draft
        return draft

    def entry(self) -> LedgerEntry:
        """Return what the manifest tells."""
        return self.draft.entry

    def prepare(self, publication: Publication, manifest: bytes) -> None:
        """Enter the release as pending, right before it is renamed, held against what other runs published meanwhile.

        What was told of joins stays as it was; DisclosureError where a ceiling is not kept any more.
        """
        if self._beside is not None and publication.enter(self._beside.alone()):
            self._held(self.draft)
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

    def _held(self, draft: Draft) -> Draft:
        """Return the draft with the figures of joins; raise DisclosureError where they are over a ceiling."""
        draft = draft.joined(joins(draft.book, self._beside.books if self._beside is not None else ()))
        hold(draft.book, self._plan.policy.limits.risk)
        return draft

    def _shown(self, decision: Decision) -> tuple[Told, float | None]:
        """Return what the releases have shown of codes with this one, and how surely known codes identify by it.

        Raises DisclosureError where that is more than the policy allows.
        """
        book, state, mapped = self.ledger.book, self.arrivals.state, decision.mapped
        told = book.told.placed(book.state, state) if book is not None else Told.nothing()
        if mapped is None:
            return told, None
        if book is not None:
            union.require_known(book, mapped)
        size = len(decision.patients)
        place = np.full(size, -1, np.int64)
        place[self._asked] = state.find(self.observer.tags[self._asked])
        is_increment = self.now.mode == Mode.INCREMENT.value
        told = union.added(told, mapped, self.arrivals.number, place, is_increment=is_increment)
        if self.is_first:
            return told, None  # what was decided by the codes themselves
        risk = union.risk_of(told, state, mapped, decision.controls.codes, self.now.k)
        union.hold(risk, mapped, self._plan.request.name, self.arrivals.number)
        return told, risk.mean

    def _shown_as_attacked(self, decision: Decision) -> tuple[Told, float | None]:
        """Return the same by what was verified on the output; raise VerificationError where it is not what was held."""
        told, risk = self._shown(decision)
        if told.bytes() != self._told.bytes():
            raise VerificationError(
                "the codes that were written are not those that were attacked with earlier releases",
                hint="nothing was published; report this as a defect of deid",
            )
        return told, risk
