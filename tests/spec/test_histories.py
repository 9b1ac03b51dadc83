"""Generated histories have the shape of real claims: few codes are most mentions, and a long tail is rare."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from deid.codes import CODE_SYSTEMS
from deid.codes.base import Status
from deid.disclosure.pairs import attack
from deid.synthetic.histories import Histories, draw_histories
from deid.synthetic.histories_coded import classes, coded_histories

PATIENTS = 10_000


@cache
def _histories() -> Histories:
    return draw_histories(PATIENTS, seed=3, services=True)


def test_the_same_seed_gives_the_same_histories() -> None:
    """A benchmark can be repeated, and another seed gives others."""
    one, same, other = draw_histories(200, seed=1), draw_histories(200, seed=1), draw_histories(200, seed=2)
    assert np.array_equal(one.mentions[0].code, same.mentions[0].code)
    assert not np.array_equal(one.mentions[0].code[:50], other.mentions[0].code[:50])


def test_every_diagnosis_is_a_billable_code() -> None:
    """No code is made up: each is in the list that ships with deid.codes."""
    diagnoses = _histories().mentions[0]
    texts = pa.array([diagnoses.codes[at] for at in np.unique(diagnoses.code)])
    assert (CODE_SYSTEMS["icd10cm"].validate(texts) == Status.VALID).all()


def test_visits_and_codes_are_as_many_as_in_claims() -> None:
    """About six visits a patient, three diagnoses a visit, eight or nine distinct codes a patient."""
    histories = _histories()
    diagnoses = histories.mentions[0]
    distinct = np.unique(histories.patient[diagnoses.visit].astype(np.int64) << 32 | diagnoses.code)
    assert len(histories.patient) / PATIENTS == pytest.approx(6.2, abs=0.4)
    assert len(diagnoses.visit) / len(histories.patient) == pytest.approx(3.0, abs=0.2)
    assert len(distinct) / PATIENTS == pytest.approx(8.7, abs=0.5)


def test_the_curve_of_mentions_by_rank_is_that_of_claims() -> None:
    """The top 10, 100 and 1,000 codes hold about 20, 60 and 95 % of the mentions; most codes are rare."""
    diagnoses = _histories().mentions[0]
    counts = np.bincount(diagnoses.code)
    shares = np.cumsum(np.sort(counts)[::-1]) / counts.sum()
    assert shares[[9, 99, 999]] == pytest.approx([0.20, 0.60, 0.95], abs=0.03)
    assert (counts[counts > 0] < 11).mean() > 0.8


def test_no_man_is_with_child() -> None:
    """Codes that the list gives to one sex are drawn for it, but for breast cancer, which men have too, seldom."""
    histories = _histories()
    diagnoses = histories.mentions[0]
    attributes = CODE_SYSTEMS["icd10cm"].attributes(pa.array(diagnoses.codes))  # type: ignore[attr-defined]
    male = histories.people.male[histories.patient[diagnoses.visit]]
    wrong = male & (attributes.sex[diagnoses.code] == "F")
    assert male.any()
    assert wrong.mean() < 0.002


def test_two_known_codes_identify_many() -> None:
    """Full codes and sex alone: the attack finds a third to two thirds of 10,000 patients, as codes are many and rare."""
    histories = draw_histories(PATIENTS, seed=3)
    coded, tree = coded_histories(histories, classes(histories.people.male))
    assert 0.33 < attack(coded, tree.items[:, 0]).by[0].mean < 0.67


def test_kinds_are_numbered_together_and_rolled_up_apart() -> None:
    """Diagnoses, procedures and drugs have items of their own at every level."""
    histories = _histories()
    coded, tree = coded_histories(histories, classes(histories.people.male))
    assert sorted(set(tree.kinds.tolist())) == [0, 1, 2]
    for level in range(tree.items.shape[1]):
        sets = [set(tree.items[tree.kinds == kind, level].tolist()) - {-1} for kind in range(3)]
        assert sum(map(len, sets)) == len(set.union(*sets))
    assert (tree.items[:, -1] >= 0).all()
    assert (np.diff(coded.patient) >= 0).all()
