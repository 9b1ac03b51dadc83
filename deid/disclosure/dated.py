"""Known codes, each with the dates that the release ties it to: the dates of its own row, and those of its visit.

A code with its dates is one thing to know, a *compound*; what a map makes of it is the code's item with the same dates.
So it is the exact attack of deid.disclosure.pairs again, on compounds: two different codes are drawn as that attack
draws them, and of each the dates of one of its mentions, evenly (by mentions, where codes are). Candidates are patients
of the class who have both items with just these dates, so they are never more than without dates.

Where all days are shifted by an offset of the patient, a day alone tells nothing. Two codes tell the interval between
their days, and a code the intervals between its own; that is sampled, since intervals are as many as pairs of mentions.
A code that is left empty leaves a row with its dates: here it is an item like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from deid.disclosure.code_risk import AdversaryRisk
from deid.disclosure.coded import Coded
from deid.disclosure.counting import chance, chance_among, fewer, single, tally
from deid.disclosure.dated_draws import dated_draw, thinned
from deid.disclosure.draws import Draw, by_patient, by_visit
from deid.disclosure.holdings import Flags, Holdings, Numbers, distinct, hold
from deid.disclosure.intervals import with_intervals
from deid.disclosure.risk_figures import estimated, figures, targets_of
from deid.disclosure.sampling import Sample, candidates, sample
from deid.documents.limits import Adversary

Items = npt.NDArray[np.int32]
_EXACT = 2  # codes; more are sampled


@dataclass(frozen=True, slots=True)
class Tied:
    """Who has which codes on which dates.

    `coded`: its codes are compounds, numbered in the order of their code. Of each compound, (compounds,): `of_code`
    int32, its code; `unit` int32, its dates as the release ties them, or the intervals between them where days are
    shifted; `day` int32, the day from which these count, None where days are not shifted. `prints`: uint64 (units,),
    the same for the same dates in any run, so that what was decided can be compared with what was written. `covering`:
    whether `covers` holds, None where nobody looked.
    """

    coded: Coded = field(repr=False)
    of_code: Items = field(repr=False)
    unit: Items = field(repr=False)
    prints: npt.NDArray[np.uint64] = field(repr=False)
    day: Items | None = field(default=None, repr=False)
    covering: bool | None = None

    def released(self, klass: Items) -> Tied:
        """Return the compounds of those who are not withheld, under these classes, int32 (patients,)."""
        return replace(self, coded=self.coded.released(klass))

    def entry_of(self, coded: Coded) -> Numbers:
        """Return for each entry of a compound the entry of its code in `coded`, int64 (entries,)."""
        width = max(int(self.of_code.max(initial=0)), int(coded.code.max(initial=0))) + 1
        keys = coded.patient.astype(np.int64) * width + coded.code
        wanted = self.coded.patient.astype(np.int64) * width + self.of_code[self.coded.code]
        return np.searchsorted(keys, wanted).astype(np.int64)

    def beside(self, coded: Coded) -> Tied:
        """Return the same with `covering` as it is beside these codes; if it holds, it does for any of the patients."""
        return self if self.covering is not None else replace(self, covering=self.covers(coded))

    def covers(self, coded: Coded) -> bool:
        """Whether every mention of a code, and every code of a visit, stands among the compounds too.

        Then who knows two codes with their dates draws them as who knows them alone, and finds no more candidates.
        """
        entry = self.entry_of(coded)
        mentions = np.bincount(entry, weights=self.coded.mentions, minlength=len(coded.patient))
        if not np.array_equal(mentions, coded.mentions):
            return False
        if coded.visits is None or self.coded.visits is None:
            return coded.visits is None and self.coded.visits is None
        visits = max(int(coded.visits[:, 1].max(initial=0)), int(self.coded.visits[:, 1].max(initial=0))) + 1
        alone, tied = coded.visits.astype(np.int64), self.coded.visits.astype(np.int64)
        return np.array_equal(
            distinct(alone[:, 0] * visits + alone[:, 1]), distinct(entry[tied[:, 0]] * visits + tied[:, 1])
        )


class DatedAttacker:
    """The attack by all adversaries who know each code with its dates, on many maps of the same patients."""

    def __init__(
        self, coded: Coded, tied: Tied, adversaries: Sequence[Adversary], declared: Flags, *, grouped: bool,
        share: float = 1.0,
    ) -> None:  # fmt: skip
        self._share = share
        self.tied, self.adversaries, self.grouped = tied, tuple(adversaries), grouped
        self._declared = declared[tied.of_code] if len(declared) else np.zeros(len(tied.of_code), bool)
        self._entry = tied.entry_of(coded)
        self._patients, self._visits = by_patient(tied.coded), by_visit(tied.coded)
        self._draws: dict[int, tuple[Draw, ...]] = {}
        self._samples: dict[int, tuple[Sample, ...]] = {}

    def bounds(self, items: Items, hidden: Flags | None, known: int) -> Iterator[float]:
        """Yield what each adversary gets, with what a sample leaves open."""
        return (risk.bound for risk in self._by(items, hidden, known, 2, 1.0, worst=False))

    def risk(self, items: Items, hidden: Flags | None, known: int, k: int, ceiling: float) -> AdversaryRisk | None:
        """Return the figures of the adversary who gets most, None where nobody has codes to be known."""
        found = self._by(items, hidden, known, k, ceiling, worst=True)
        most = max(found, key=lambda risk: risk.bound, default=None)
        return replace(most, adversary=Adversary.DATED) if most is not None else None

    def most(self, known: int) -> bool:
        """Whether who knows dates gets at least as much as who knows the same codes without them, on every map."""
        return self.tied.covering is True and self.tied.day is None and known <= _EXACT

    def held(self, items: Items, hidden: Flags | None) -> Holdings:
        """Return who holds which item on which dates under a map."""
        tied = self.tied
        own = items[tied.of_code[tied.coded.code]].astype(np.int64)
        empty = int(items.max(initial=-1)) + 1
        own[own < 0] = empty
        if hidden is not None:
            own[hidden[self._entry]] = empty
        keys = own * max(len(tied.prints), 1) + tied.unit[tied.coded.code]
        if len(keys) and int(keys.max()) >= np.iinfo(np.int32).max:
            keys = np.unique(keys, return_inverse=True)[1]
        return hold(tied.coded.klass, tied.coded.patient, keys.astype(np.int32), None)

    def _by(
        self, items: Items, hidden: Flags | None, known: int, k: int, ceiling: float, *, worst: bool
    ) -> Iterator[AdversaryRisk]:
        held = self.held(items, hidden)
        if known > _EXACT or (known > 1 and self.tied.day is not None):
            for adversary, drawn in zip(self.adversaries, self._sampled(known), strict=True):
                yield estimated(adversary, self._candidates(held, drawn), k, ceiling)
            return
        draws = self._drawn(known)
        measures = [chance, fewer(k), fewer(2)] if worst else [chance_among(self._share)]
        if known == 1:
            found = single(held, self.tied.coded.klass, draws, measures)
        else:
            found = tally(held, self.tied.coded.klass, draws, measures, grouped=self.grouped, worst=worst)
        for adversary, draw, each in zip(self.adversaries, draws, found, strict=True):
            if worst:
                yield figures(adversary, targets_of(draw), each, ceiling)
            else:
                yield AdversaryRisk(adversary, draw.patients, float(each.means[0].sum()) / max(draw.patients, 1))

    def _candidates(self, held: Holdings, drawn: Sample) -> Numbers:
        if self.tied.day is None:
            return candidates(self.tied.coded, held, drawn, together=self.grouped)
        return with_intervals(self.tied.coded, self.tied.day, held, drawn, together=self.grouped)

    def _drawn(self, known: int) -> tuple[Draw, ...]:
        if known not in self._draws:
            self._draws[known] = tuple(
                dated_draw(
                    self.tied.coded, self.tied.of_code,
                    self._visits if adversary is Adversary.VISIT else self._patients, self._weights(adversary), known,
                )
                for adversary in self.adversaries
            )  # fmt: skip
        return self._draws[known]

    def _weights(self, adversary: Adversary) -> Flags | Items | None:
        """Return how often each entry's code is drawn, beside evenly; None for evenly."""
        if adversary is Adversary.MENTIONS:
            return self.tied.coded.mentions
        return self._declared[self.tied.coded.code] if adversary is Adversary.DECLARED else None

    def _sampled(self, known: int) -> tuple[Sample, ...]:
        """Return what each adversary knows of sampled patients: the same for every map, each code once."""
        if known not in self._samples:
            coded, of_code = self.tied.coded, self.tied.of_code
            self._samples[known] = tuple(sample(coded, thinned(coded, of_code, draw), known) for draw in self._drawn(1))
        return self._samples[known]
