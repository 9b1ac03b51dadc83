"""The exact attack over all pairs of codes agrees with plain Python, whatever the parts that it is walked in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.disclosure import counting, holdings, sampling
from deid.disclosure.coded import Coded
from deid.disclosure.pairs import Attacker, attack
from deid.disclosure.sampling import Dates, candidates
from deid.documents.limits import Adversary
from tests.naive_codes import Naive, drawn_codes

Case = tuple[Coded, np.ndarray, np.ndarray, np.ndarray | None]


@given(
    drawn_codes(), st.booleans(), st.sampled_from([1, 2]), st.sampled_from([1, 3, 1 << 24]), st.sampled_from([1, 1 << 20]),
    st.sampled_from([0, 1 << 23]),
)  # fmt: skip
def test_every_figure_of_every_adversary_is_that_of_plain_python(
    case: Case, grouped: bool, known: int, part: int, chunk: int, kept: int
) -> None:
    """Mean, share below k, unique ones, worst draw and maximum are those of one candidate after the other."""
    coded, items, declared, hidden = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holdings, "_PART", part)
        patch.setattr(holdings, "_CHUNK", chunk)
        patch.setattr(counting, "_KEPT", kept)
        risk = attack(
            coded, items, known=known, draws=tuple(Adversary), declared=declared, grouped=grouped, hidden=hidden, k=3
        )
    naive = Naive(coded, items, hidden)
    for each in risk.by:
        expected = naive.figures(each.adversary, declared, known, 3, grouped=grouped)
        found = (each.mean, each.below, each.unique, each.worst, each.maximum, each.patients)
        assert found == pytest.approx(expected or (0, 0, 0, 0, 0, 0))


@given(drawn_codes(), st.booleans(), st.sampled_from([16, 1 << 21]))
def test_candidates_of_three_sampled_codes_are_counted_exactly(case: Case, grouped: bool, chunk: int) -> None:
    """Three known codes are sampled, but the candidates of each draw are those of plain Python."""
    coded, items, declared, hidden = case
    naive = Naive(coded, items, hidden)
    attacker = Attacker(coded, tuple(Adversary), declared=declared, grouped=grouped)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, "_CHUNK", chunk)
        for adversary, drawn in zip(attacker.adversaries, attacker.samples(3, 0), strict=True):
            found = candidates(coded, attacker.held(items, hidden), drawn, together=grouped)
            for patient, entries, count in zip(drawn.patient.tolist(), drawn.entry.tolist(), found, strict=True):
                assert len(set(entries)) == 3
                together = grouped and adversary is Adversary.VISIT
                assert count == len(naive.candidates(patient, entries, together=together))


@given(drawn_codes(), st.booleans(), st.sampled_from([(1, 1), (2, 2), (1, 3)]), st.integers(0, 2**32 - 1))
def test_known_dates_narrow_the_candidates_of_codes(case: Case, moved: bool, known: tuple[int, int], seed: int) -> None:
    """Released units are sought as they are, moved days as the intervals between them, anywhere in the record."""
    coded, items, declared, hidden = case
    rng = np.random.default_rng(seed)
    drawn = np.unique(rng.integers(0, [len(coded.klass), 7], (40, 2)), axis=0).astype(np.int32)
    dates = Dates(drawn[:, 0], drawn[:, 1], moved)
    days = [set(drawn[drawn[:, 0] == patient, 1].tolist()) for patient in range(len(coded.klass))]
    naive = Naive(coded, items, hidden)
    attacker = Attacker(coded, [Adversary.UNIFORM], declared=declared, dates=dates)
    for sampled in attacker.samples(*known):
        found = candidates(coded, attacker.held(items, hidden), sampled, dates=dates)
        for patient, entries, units, count in zip(
            sampled.patient.tolist(), sampled.entry.tolist(), sampled.unit.tolist(), found, strict=True
        ):
            alike = naive.candidates(patient, entries, together=False)
            fits = [
                any({day + unit - units[0] for unit in units} <= days[other] for day in days[other])
                if moved
                else set(units) <= days[other]
                for other in alike
            ]
            assert count == sum(fits) or (len(units) == 0 and count == len(alike))


@given(drawn_codes(), st.sampled_from([1, 3, 1 << 24]), st.sampled_from([1, 1 << 20]), st.integers(0, 2**32 - 1))
def test_one_code_and_one_date_are_counted_exactly(case: Case, part: int, chunk: int, seed: int) -> None:
    """Every figure of who knows one code and one released date is that of one candidate after the other."""
    coded, items, declared, hidden = case
    rng = np.random.default_rng(seed)
    drawn = np.unique(rng.integers([0, 3], [len(coded.klass), 8], (int(rng.integers(1, 40)), 2)), axis=0)
    drawn = drawn.astype(np.int32)
    dates = Dates(drawn[:, 0], drawn[:, 1])
    days = [set(drawn[drawn[:, 0] == patient, 1].tolist()) for patient in range(len(coded.klass))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holdings, "_PART", part)
        patch.setattr(holdings, "_CHUNK", chunk)
        risk = attack(
            coded, items, known=1, draws=tuple(Adversary), declared=declared, hidden=hidden, k=3, dates=dates,
            known_dates=1,
        )  # fmt: skip
    naive = Naive(coded, items, hidden)
    assert (risk.codes, risk.dates) == (1, 1)
    for each in risk.by:
        expected = naive.beside_a_date(each.adversary, declared, days, 3)
        found = (each.mean, each.below, each.unique, each.worst, each.maximum, each.patients, each.error)
        assert found == pytest.approx((*(expected or (0, 0, 0, 0, 0, 0)), 0))


@given(drawn_codes(), st.integers(0, 2**32 - 1))
def test_what_is_coarser_never_identifies_more(case: Case, seed: int) -> None:
    """Two items that become one, an item that is left empty, and a larger class never raise an adversary's mean."""
    coded, items, declared, _ = case
    coded = Coded(np.maximum(coded.klass, 0), coded.patient, coded.code, coded.mentions, coded.visits)
    one, other = np.random.default_rng(seed).choice(np.append(items[items >= 0], [0, 1]), 2)
    crowd = Coded(np.zeros_like(coded.klass), coded.patient, coded.code, coded.mentions, coded.visits)
    fine = attack(coded, items, draws=tuple(Adversary), declared=declared)
    for who, coarser in (
        (coded, np.where(items == one, other, items).astype(np.int32)),
        (coded, np.where(items == one, -1, items).astype(np.int32)),
        (crowd, items),
    ):
        coarse = attack(who, coarser, draws=tuple(Adversary), declared=declared)
        for each in fine.by:
            assert coarse.of(each.adversary).mean <= each.mean + 1e-12
