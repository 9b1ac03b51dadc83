"""The attack by who knows codes with their dates agrees with plain Python, and never gets less than without dates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.disclosure import counting, holdings
from deid.disclosure.pairs import Attacker, attack
from deid.documents.limits import Adversary
from tests.naive_dated import NaiveDated, entries_of, mentions_of

EVERYBODY = tuple(Adversary)


def drawn(seed: int) -> tuple[list[tuple[int, int, int, int, int]], int, np.ndarray, np.ndarray, np.ndarray]:
    """Draw mentions, how many patients there are, their classes, a map and which codes are declared."""
    rng = np.random.default_rng(seed)
    patients, codes = int(rng.integers(1, 9)), int(rng.integers(1, 6))
    mentions = mentions_of(rng, patients, codes, int(rng.integers(0, 40)))
    klass = rng.integers(-1, 2, patients).astype(np.int32)
    return mentions, patients, klass, rng.integers(0, codes, codes).astype(np.int32), rng.random(codes) < 0.7


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 1 << 24]), st.sampled_from([0, 1 << 23]))
def test_two_codes_with_their_dates_are_counted_as_in_plain_python(seed: int, part: int, kept: int) -> None:
    """Each adversary's mean is that over all pairs of different codes, each with the dates of one of its mentions."""
    mentions, patients, klass, items, declared = drawn(seed)
    coded, tied = entries_of(mentions, patients, klass, moved=False)
    naive = NaiveDated(mentions, klass, items, moved=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holdings, "_PART", part)
        patch.setattr(counting, "_KEPT", kept)
        attacker = Attacker(coded, EVERYBODY, declared=declared, grouped=True, tied=tied)
        found = attacker.dated.bounds(items, None, 2) if attacker.dated is not None else ()
        risk = attack(coded, items, draws=EVERYBODY, declared=declared, grouped=True, tied=tied)
    means = []
    for adversary, mean in zip(attacker.adversaries, found, strict=True):
        chances = [chance for _, chance in naive.draws(adversary, declared)]
        means.append(sum(chances) / max(len(chances), 1))
        assert mean == pytest.approx(means[-1])
    if means:
        assert risk.of(Adversary.DATED).mean == pytest.approx(max(means))


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_dates_never_hide_a_patient(seed: int, grouped: bool) -> None:
    """Who knows dates beside codes gets at least what codes alone give."""
    mentions, patients, klass, items, declared = drawn(seed)
    coded, tied = entries_of(mentions, patients, klass, moved=False)
    attacker = Attacker(coded, EVERYBODY, declared=declared, grouped=grouped, tied=tied)
    for known in (1, 2):
        alone = attacker.means(items, known=known)
        dated = attacker.dated.bounds(items, None, known) if attacker.dated is not None else ()
        assert all(more >= less - 1e-9 for more, less in zip(dated, alone, strict=True))


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3]), st.booleans(), st.booleans())
def test_candidates_of_sampled_codes_are_counted_as_in_plain_python(
    seed: int, known: int, grouped: bool, moved: bool
) -> None:
    """Three codes with dates, or codes with shifted days and so with intervals, are sampled; candidates are exact."""
    mentions, patients, klass, items, declared = drawn(seed)
    coded, tied = entries_of(mentions, patients, klass, moved=moved)
    naive = NaiveDated(mentions, klass, items, moved=moved)
    attacker = Attacker(coded, EVERYBODY, declared=declared, grouped=grouped, tied=tied).dated
    assert attacker is not None
    held = attacker.held(items, None)
    for adversary, sampled in zip(attacker.adversaries, attacker._sampled(known), strict=True):
        found = attacker._candidates(held, sampled)
        for patient, entries, count in zip(sampled.patient.tolist(), sampled.entry.tolist(), found, strict=True):
            compounds = tied.coded.code[entries]
            days = tied.day if tied.day is not None else np.zeros(len(tied.unit), np.int32)
            things = [(int(tied.of_code[c]), int(tied.unit[c]), int(days[c])) for c in compounds]
            assert len({code for code, _, _ in things}) == known
            together = grouped and adversary is Adversary.VISIT
            assert count == naive.candidates(patient, things, together=together)


@given(st.integers(0, 2**32 - 1))
def test_a_code_left_empty_is_sought_as_an_empty_cell_on_its_dates(seed: int) -> None:
    """The row of an empty code still shows its dates: it narrows as an item of its own would."""
    mentions, patients, klass, items, declared = drawn(seed)
    coded, tied = entries_of(mentions, patients, klass, moved=False)
    empty = np.where(items == 0, -1, items).astype(np.int32)
    named = np.where(items == 0, items.max() + 7, items).astype(np.int32)
    one, other = (attack(coded, each, draws=EVERYBODY, declared=declared, tied=tied).by[-1:] for each in (empty, named))
    assert one == other
