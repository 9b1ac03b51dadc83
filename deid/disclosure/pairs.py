"""The exact attack with known codes: every pair of codes that a patient has, by several adversaries.

The attacker knows that the patient is in the release, the released quasi-identifiers, the public map, and two codes.
Candidates are the patients of the class who have both released items: the chance is 1 / candidates, averaged over the
patient's pairs, then over patients (the prosecutor of El Emam 2013, with codes as further quasi-identifiers). A code
that is left empty narrows nothing; two codes that became one item count once. No sample is taken: the sum over all
pairs is the expected success, so it has no error.

A patient who is withheld is no target and no candidate; one without two codes to be known is no target of a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from deid.disclosure.code_risk import AdversaryRisk, CodeRisk, GroupRisk
from deid.disclosure.coded import Coded
from deid.disclosure.counting import Tallied, chance, chance_among, fewer, single, tally
from deid.disclosure.crossed import crossed
from deid.disclosure.dated import DatedAttacker, Tied
from deid.disclosure.draws import Draw, Entries, by_patient, by_visit, draw_of
from deid.disclosure.holdings import Flags, Holdings, hold
from deid.disclosure.risk_figures import estimated, figures, targets_of
from deid.disclosure.sampling import Dates, Sample, candidates, sample
from deid.documents.limits import Adversary

Items = npt.NDArray[np.int32]
EXACT = 2  # codes; more are drawn at random
USUAL = (Adversary.UNIFORM, Adversary.MENTIONS, Adversary.DECLARED)
_SHOWN = 10  # subgroups in a report


def attack(
    coded: Coded,
    items: Items,
    *,
    known: int = 2,
    draws: Sequence[Adversary] = USUAL,
    declared: Flags | None = None,
    grouped: bool = False,
    hidden: Flags | None = None,
    k: int = 11,
    ceiling: float = 0.09,
    labels: Items | None = None,
    dates: Dates | None = None,
    known_dates: int = 0,
    tied: Tied | None = None,
) -> CodeRisk:
    """Return what adversaries get who know `known` codes (1, 2 or 3) of a patient, and `known_dates` of `dates`.

    `items`: int32 (codes,), what each code becomes, -1 where it is left empty. `declared`: bool (codes,), the codes of
    Adversary.DECLARED, which is left out without them; so is Adversary.VISIT where no visit is known. `grouped`: the
    release keeps which codes stand in one visit, so that who knows two of one visit seeks both in one. `hidden`: bool
    (entries,), entries left empty beside. `labels`: int32 (patients,), subgroups instead of the classes. `tied`: the
    same codes with the dates that the release ties them to, for Adversary.DATED, which is left out without them.
    One and two codes are counted exactly, and so is one code with one date that is not moved; three codes, and more
    dates or codes together, are a seeded sample with a standard error.
    """
    attacker = Attacker(coded, draws, declared=declared, grouped=grouped, dates=dates, tied=tied)
    return attacker.report(
        items, known=known, known_dates=known_dates, hidden=hidden, k=k, ceiling=ceiling, labels=labels
    )


class Attacker:
    """An attack on many maps of the same patients: what depends on no map is done once."""

    def __init__(
        self, coded: Coded, draws: Sequence[Adversary], *, declared: Flags | None = None, grouped: bool = False,
        dates: Dates | None = None, tied: Tied | None = None, share: float = 1.0,
    ) -> None:  # fmt: skip
        """Take who has which codes; `share`: of the patients, if only some are there to be candidates."""
        self.coded, self.share = coded, share
        self.grouped = grouped
        self.dates = dates
        self._samples: dict[tuple[Adversary, int, int], Sample] = {}
        self.declared = np.zeros(int(coded.code.max(initial=-1)) + 1, bool) if declared is None else declared
        unknown = {Adversary.DATED} | (set() if self.declared.any() else {Adversary.DECLARED})
        unknown |= set() if coded.visits is not None and len(coded.visits) else {Adversary.VISIT}
        self.adversaries = tuple(each for each in draws if each not in unknown)
        self.dated: DatedAttacker | None = None
        if tied is not None and Adversary.DATED in draws:
            self.dated = DatedAttacker(coded, tied, self.adversaries, self.declared, grouped=grouped, share=share)

    @cached_property
    def draws(self) -> tuple[Draw, ...]:
        """How each adversary draws two codes without dates: not needed where who knows dates gets more."""
        return self._drawn(EXACT)

    @cached_property
    def even(self) -> Draw:
        """Two codes drawn evenly."""
        return draw_of(Adversary.UNIFORM, self.coded, self.declared, self._patients, self._visits)

    @cached_property
    def _patients(self) -> Entries:
        return by_patient(self.coded)

    @cached_property
    def _visits(self) -> Entries:
        return by_visit(self.coded)

    def means(self, items: Items, hidden: Flags | None = None, *, known: int = EXACT) -> tuple[float, ...]:
        """Return the mean chance of each adversary with one or two codes, and nothing else."""
        draws = self.draws if known == EXACT else self._drawn(known)
        held, measures = self.held(items, hidden), [chance_among(self.share)]
        if known == 1:
            tallied = single(held, self.coded.klass, draws, measures)
        else:
            tallied = tally(held, self.coded.klass, draws, measures, grouped=self.grouped)
        return tuple(
            float(each.means[0].sum()) / max(draw.patients, 1) for each, draw in zip(tallied, draws, strict=True)
        )

    def bounds(
        self, items: Items, hidden: Flags | None = None, *, known: int = EXACT, known_dates: int = 0
    ) -> tuple[float, ...]:
        """Return what each adversary gets, with what a sample leaves open: what a search holds to the ceiling.

        The largest of codes alone, which all patients can be known by, of codes each with its dates, and of codes
        beside dates.
        """
        if self.dated is None:
            return self.undated(items, hidden, known, known_dates)
        dated = tuple(self.dated.bounds(items, hidden, known))
        if self.dated.most(known) and not self.tells(known_dates):
            return dated
        return tuple(max(pair) for pair in zip(self.undated(items, hidden, known, known_dates), dated, strict=True))

    def within(self, ceiling: float, items: Items, hidden: Flags | None, *, known: int, known_dates: int) -> bool:
        """Whether no adversary gets more than `ceiling`; who knows codes with dates gets most, so comes first."""
        if self.dated is not None and any(bound > ceiling for bound in self.dated.bounds(items, hidden, known)):
            return False
        if self.dated is not None and self.dated.most(known) and not self.tells(known_dates):
            return True
        return max(self.undated(items, hidden, known, known_dates), default=0.0) <= ceiling

    def undated(self, items: Items, hidden: Flags | None, known: int, known_dates: int) -> tuple[float, ...]:
        """Return what each adversary gets who does not know which dates go with which code."""
        alone = (
            self.means(items, hidden, known=known)
            if known <= EXACT
            else tuple(risk.bound for risk in self._estimates(items, hidden, known, 0, 2, 1.0))
        )
        if not self.tells(known_dates):
            return alone
        dated = (risk.bound for risk in self._beside_dates(items, hidden, known, known_dates, 2, 1.0))
        return tuple(max(pair) for pair in zip(alone, dated, strict=True))

    def report(
        self, items: Items, *, known: int = 2, known_dates: int = 0, hidden: Flags | None = None, k: int = 11,
        ceiling: float = 0.09, labels: Items | None = None,
    ) -> CodeRisk:  # fmt: skip
        """Return all figures of one map; see `attack`."""
        held = self.held(items, hidden)
        measures = [chance, fewer(k), fewer(2)]
        draws = self._drawn(1) if known == 1 else self.draws
        if known == 1:
            tallied = single(held, self.coded.klass, draws, measures)
        else:
            tallied = tally(held, self.coded.klass, draws, measures, grouped=self.grouped, worst=True)
        found = zip(self.adversaries, draws, tallied, strict=True)
        by = tuple(figures(adversary, targets_of(draw), each, ceiling) for adversary, draw, each in found)
        if self.tells(known_dates):
            by = self._beside_dates(items, hidden, known, known_dates, k, ceiling)
        elif known > EXACT:
            by = self._estimates(items, hidden, known, 0, k, ceiling)
        three = self._estimates(items, hidden, 3, 0, k, ceiling, first=True)
        if self.dated is not None and not self.tells(known_dates):
            dated = self.dated.risk(items, hidden, known, k, ceiling)
            by = (*by, dated) if dated is not None else by
        groups: tuple[GroupRisk, ...] = ()
        if draws:
            named = self.coded.klass if labels is None else labels
            groups = _subgroups(draws[0], tallied[0], named, ceiling)
        return CodeRisk(known, known_dates, by, three[0] if three and three[0].patients else None, groups)

    def tells(self, known_dates: int) -> bool:
        """Whether so many dates tell anything: one moved date does not."""
        return self.dates is not None and known_dates > (1 if self.dates.moved else 0)

    def _beside_dates(
        self, items: Items, hidden: Flags | None, known: int, known_dates: int, k: int, ceiling: float
    ) -> tuple[AdversaryRisk, ...]:
        """Return the figures of who knows dates beside codes: one code with one date exactly, more by a sample."""
        dates = self.dates
        if dates is None or dates.moved or (known, known_dates) != (1, 1):
            return self._estimates(items, hidden, known, known_dates, k, ceiling)
        measures = [chance, fewer(k), fewer(2)]
        found = crossed(self.coded, items, hidden, dates, self._drawn(1), measures)
        return tuple(
            figures(adversary, targets, tallied, ceiling)
            for adversary, (tallied, targets) in zip(self.adversaries, found, strict=True)
        )

    def _estimates(
        self, items: Items, hidden: Flags | None, known: int, known_dates: int, k: int, ceiling: float, *,
        first: bool = False,
    ) -> tuple[AdversaryRisk, ...]:  # fmt: skip
        dates = self.dates if self.tells(known_dates) else None
        held = self.held(items, hidden)
        asked = self.adversaries[:1] if first else self.adversaries
        return tuple(
            estimated(adversary, candidates(self.coded, held, each, together=self.grouped, dates=dates), k, ceiling)
            for adversary, each in zip(asked, self.samples(known, known_dates, asked), strict=True)
        )

    def samples(self, known: int, known_dates: int, asked: Sequence[Adversary] | None = None) -> tuple[Sample, ...]:
        """Return what each adversary, or each one asked for, knows of sampled patients: the same for every map."""
        found = []
        dates = self.dates if self.tells(known_dates) else None
        for adversary in self.adversaries if asked is None else asked:
            key = adversary, known, known_dates
            if key not in self._samples:
                self._samples[key] = sample(self.coded, self._draw(adversary, 1), known, dates, known_dates)
            found.append(self._samples[key])
        return tuple(found)

    def held(self, items: Items, hidden: Flags | None = None) -> Holdings:
        """Return who holds which item under a map."""
        return hold(self.coded.klass, self.coded.patient, items[self.coded.code], hidden)

    def _drawn(self, known: int) -> tuple[Draw, ...]:
        return tuple(self._draw(each, known) for each in self.adversaries)

    def _draw(self, adversary: Adversary, known: int) -> Draw:
        return draw_of(adversary, self.coded, self.declared, self._patients, self._visits, known)


def _subgroups(draw: Draw, tallied: Tallied, labels: Items, ceiling: float) -> tuple[GroupRisk, ...]:
    targets = np.flatnonzero(targets_of(draw))
    targets = targets[labels[targets] >= 0]
    own, label = tallied.means[0][targets], labels[targets]
    counts = np.bincount(label)
    sums = np.bincount(label, weights=own)
    over = np.bincount(label, weights=own > ceiling)
    found = np.flatnonzero(counts)
    means = sums[found] / counts[found]
    return tuple(
        GroupRisk(int(found[at]), int(counts[found[at]]), float(means[at]), float(over[found[at]] / counts[found[at]]))
        for at in np.argsort(-means, kind="stable")[:_SHOWN]
    )
