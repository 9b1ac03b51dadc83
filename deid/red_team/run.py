"""Lets every attacker of the shelf loose on a release and scores what comes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks import ATTACKERS
from deid.attacks.base import (
    Against,
    Attacker,
    Belief,
    Candidates,
    Labels,
    LookAlikes,
    Offsets,
    Order,
    Reversals,
    Trace,
)
from deid.attacks.released import Released
from deid.choices.screening import screened_alone
from deid.choices.subject import Subject
from deid.documents.limits import Limits
from deid.documents.site import Site
from deid.errors import DisclosureError
from deid.keys.base import KeyProvider
from deid.opening.opened import OpenedRelease
from deid.planning.plan import Plan
from deid.red_team import ceilings, score
from deid.red_team.draws import draw
from deid.red_team.identified import Population
from deid.red_team.intervals import wilson
from deid.red_team.missed import of_look_alikes
from deid.red_team.orders import of_order, source_orders
from deid.red_team.population import Progress, read_population
from deid.red_team.score import Figure, Tally, Verdict
from deid.red_team.truth import Truth, tell

TARGETS = 1_000
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Other:
    """Another recipient's release of the same source, with the plan that it was made by."""

    opened: OpenedRelease
    plan: Plan


@dataclass(frozen=True, slots=True)
class Scored:
    """The figures of a red team, and how long each attacker took, in seconds."""

    figures: tuple[Figure, ...]
    seconds: dict[str, float]
    targets: int
    seed: int
    voters: int = 0  # people beside the source's

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all."""
        rank = (Verdict.MEASURED, Verdict.PASSED, Verdict.UNDECIDED, Verdict.FAILED)
        return max((figure.verdict for figure in self.figures), key=rank.index, default=Verdict.MEASURED)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Who knows the truth; attackers see nothing of it."""

    limits: Limits
    population: Population = field(repr=False)
    truth: Truth = field(repr=False)
    other: Truth | None = field(repr=False)
    released: pa.Array = field(repr=False)
    close: Int64 = field(repr=False)
    is_own: bool = False  # the other release lies with the same party

    def figures(self, attacker: str, beliefs: Iterator[Belief]) -> Iterator[Figure]:
        """Yield the figures of one attacker's beliefs."""
        tallies: dict[str, Tally] = {}
        shifted: dict[str, list[Offsets]] = {}
        orders = None
        for belief in beliefs:
            if isinstance(belief, Candidates):
                record = self.truth.record[self.close[belief.targets]]
                tallies.setdefault(belief.scenario, Tally(belief)).add(belief, record, len(self.released))
            elif isinstance(belief, Offsets):
                shifted.setdefault(belief.scenario, []).append(belief)
            elif isinstance(belief, Order):
                orders = orders if orders is not None else source_orders(self.population)
                yield of_order(attacker, belief, self.truth, orders)
            else:
                yield self._whole(attacker, belief)
        for tally in tallies.values():
            yield tally.figure(attacker, ceilings.of_candidates(self.limits, tally.belief, attacker))
        for parts in shifted.values():
            yield score.of_offsets(attacker, parts, self.truth)

    def _whole(self, attacker: str, belief: Labels | Reversals | LookAlikes | Trace) -> Figure:
        """Return the figure of a belief that comes in one part."""
        if isinstance(belief, Labels):
            return self._labelled(attacker, belief)
        if isinstance(belief, Reversals):
            return self._reversed(attacker, belief)
        if isinstance(belief, LookAlikes):
            return of_look_alikes(attacker, belief, self.truth, self.population)
        return score.of_trace(attacker, belief)

    def _labelled(self, attacker: str, belief: Labels) -> Figure:
        """Return how many released patients are told among voters, who begin with the population, or elsewhere."""
        if belief.against is Against.VOTERS:
            voters = np.arange(len(self.population))
            return score.of_labels(attacker, belief, self.truth.record, voters, ceilings.of_voters(self.limits))
        assert self.other is not None  # without the other release there is nothing to believe
        mine, theirs = self.truth.record, self.other.record
        if not self.is_own:
            return score.of_labels(attacker, belief, mine, theirs, ceilings.of_recipients(self.limits))
        in_both = int(((mine >= 0) & (theirs >= 0)).sum()) / max(1, len(self.released))
        return score.of_labels(attacker, belief, mine, theirs, ceilings.of_one_recipient(self.limits, in_both))

    def _reversed(self, attacker: str, belief: Reversals) -> Figure:
        """Return how many pseudonyms were reversed to a number that is the patient's own."""
        at = pc.fill_null(pc.index_in(belief.pseudonyms, value_set=self.released), -1).to_numpy(zero_copy_only=False)
        person = np.where(at >= 0, self.truth.person[np.maximum(at, 0)], -1)
        right = np.zeros(len(person), bool)
        for ids in (self.population.people.ids, *self.population.people.identifiers.values()):
            own = ids.cast(pa.string()).take(pa.array(np.maximum(person, 0)))
            right |= pc.fill_null(pc.equal(own, belief.identifiers), False).to_numpy(zero_copy_only=False)
        hits, n = int((right & (person >= 0)).sum()), len(self.released)
        return Figure(
            attacker,
            belief.scenario,
            "patients of the release",
            n,
            Verdict.FAILED if hits else Verdict.PASSED,
            expected=hits / n if n else 0.0,
            expected_interval=wilson(hits, n),
            certain=hits,
            certain_interval=wilson(hits, n),
            wrong=len(person) - hits,
            told=f"{belief.tried:,} identifiers and ways tried",
        )


def attack(
    opened: OpenedRelease,
    plan: Plan,
    site: Site,
    provider: KeyProvider,
    *,
    progress: Progress,
    targets: int = TARGETS,
    seed: int = 0,
    earlier: OpenedRelease | None = None,
    other: Other | None = None,
    voters: pa.Table | None = None,
    attackers: Sequence[Attacker] | None = None,
) -> Scored:
    """Attack a release of `plan` with what outsiders know of its source, and judge by the site's own keys.

    `targets`: how many people who are known to be in the release are looked for. `voters`: people beside the source's,
    columns named by kinds, typed as the kinds are; without them everybody is a patient.
    `other`: another release of the same source, of another recipient or of the same one.
    Raises DisclosureError where nobody of the source is in the release: source or request are not the release's own.
    """
    with ExitStack() as stack:
        made = opened.manifest.created
        screen = screened_alone(Subject.of_plan(plan), site, provider, stack, progress, on=made, is_past=True)
        population = read_population(plan, progress, screen)
    release = Released(opened)
    truth = tell(plan, site, provider, population.people.ids, release.patients)
    if not len(release):
        raise DisclosureError(
            "nobody is in this release, so nobody can be looked for", hint="attack a release that holds patients"
        )
    if not (truth.record >= 0).any():
        raise DisclosureError(
            "nobody of the source is in this release, so there is no truth to judge attacks by",
            hint="give the request, the site and the source that the release was made from",
        )
    theirs, is_own = None, False
    if other is not None:
        shared = set(other.opened.manifest.recipients).intersection(opened.manifest.recipients)
        is_own = other.plan.request.party == plan.request.party or bool(shared)
        theirs = tell(other.plan, site, provider, population.people.ids, Released(other.opened).patients)
    return let_loose(
        release,
        plan,
        population,
        truth,
        progress=progress,
        targets=targets,
        seed=seed,
        earlier=earlier,
        other=(other.opened, theirs) if other is not None and theirs is not None else None,
        voters=voters,
        attackers=attackers,
        is_own=is_own,
    )


def let_loose(
    release: Released,
    plan: Plan,
    population: Population,
    truth: Truth,
    *,
    progress: Progress,
    targets: int = TARGETS,
    seed: int = 0,
    earlier: OpenedRelease | None = None,
    other: tuple[OpenedRelease, Truth] | None = None,
    voters: pa.Table | None = None,
    attackers: Sequence[Attacker] | None = None,
    is_own: bool = False,
) -> Scored:
    """Attack a release whose truth is told, and judge; see `attack`."""
    in_release = np.flatnonzero(truth.record >= 0)
    theirs, second = other if other is not None else (None, None)
    known, close = draw(
        plan, population, in_release, targets=targets, seed=seed, voters=voters, earlier=earlier, other=theirs
    )
    judge = _Judge(plan.policy.limits, population, truth, second, release.patients, close, is_own)
    figures: list[Figure] = []
    seconds: dict[str, float] = {}
    for attacker in attackers if attackers is not None else ATTACKERS.values():
        progress(f"attack: {attacker.name}", 0)
        start = time.monotonic()
        figures += judge.figures(attacker.name, attacker.attack(release, known))
        seconds[attacker.name] = time.monotonic() - start
        if attacker.name == "acquaintance":
            figures += [score.of_untold(attacker.name, column) for column in population.people.untold]
    return Scored(tuple(figures), seconds, targets, seed, len(voters) if voters is not None else 0)
