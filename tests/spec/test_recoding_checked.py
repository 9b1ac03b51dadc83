"""What was written is counted again: each check of the released vectors fails where its promise is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from recodings import people, recoding_policy
from tiny_sources import World

from deid import pipeline
from deid.checks.verification import Verification
from deid.disclosure import k_anonymity
from deid.disclosure.k_anonymity import Counted
from deid.errors import VerificationError
from deid.ledger.checking import SeriesCheck
from deid.planning.plan import Plan

ASKED = {"patients": ["ID", "BIRTH", "SEX"], "encounters": ["ENC", "PATIENT", "CLASS"]}
TWO = [("1981-05-05", "F")] * 4 + [("1962-05-05", "M")] * 3
VISITS = "\n".join(
    f"e{i}{n} p{i} 2025-0{n}-01 - {kind} 1"
    for i in range(7)
    for n, kind in enumerate(["inpatient", "ambulatory"], start=1)
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for the module."""
    return World(tmp_path_factory.mktemp("checked") / "site")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the ledger of a series checks of the same vectors, so that each check here stands alone."""
    monkeypatch.setattr(SeriesCheck, "population", lambda *_: None)
    monkeypatch.setattr(SeriesCheck, "finish", lambda *_: None)


@dataclass(frozen=True)
class Broken:
    """A lattice that chooses the finest rungs and calls a class what `classes` says."""

    counted: Counted
    of: Callable[[Counted], npt.NDArray[np.int32]]

    def best(self) -> Any:
        """Return the finest node."""

        @dataclass(frozen=True)
        class Finest:
            levels: tuple[int, ...]

        return Finest((0,) * len(self.counted.ladders))

    def classes(self, _levels: tuple[int, ...]) -> npt.NDArray[np.int32]:
        """Return the classes."""
        return self.of(self.counted)


def run(world: World, **limits: Any) -> None:
    """Release two classes of four women and three men, with the classes of their visits reduced."""
    policy = recoding_policy(world, **({"reduced": {"encounters.CLASS": "first"}} | limits))
    world.released(people(world, TWO, VISITS), ASKED, policy=policy)


def refused(world: World, words: str, **limits: Any) -> None:
    """Check that verification refuses, and leaves nothing."""
    before = world.site.leftovers()
    with pytest.raises(VerificationError, match=words):
        run(world, **limits)
    assert world.site.leftovers() == before


def choosing(monkeypatch: pytest.MonkeyPatch, of: Callable[[Counted], npt.NDArray[np.int32]]) -> None:
    """Let a broken lattice choose."""
    monkeypatch.setattr(k_anonymity, "lattice_of", lambda _plan, counted: Broken(counted, of))


def each(counted: Counted) -> npt.NDArray[np.int32]:
    """Return a class for each vector, however few patients have it."""
    return np.arange(len(counted.tally.patients), dtype=np.int32)


def test_nothing_is_found_where_nothing_is_broken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run passes, so that what fails below fails for its damage."""
    run(world)
    choosing(monkeypatch, each)
    run(world)


def holding_to(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    """Hold what was written to a k that nobody decided by."""

    def begin(self: Verification, plan: Plan, *others: Any) -> None:
        limits = replace(plan.policy.limits, k=k)
        real(self, replace(plan, policy=replace(plan.policy, limits=limits)), *others)

    real = Verification.__init__
    monkeypatch.setattr(Verification, "__init__", begin)


def test_a_class_smaller_than_k_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three men are too few for k = 4."""
    holding_to(monkeypatch, 4)
    refused(world, "1 classes of released patients are smaller than k = 4")


def test_k_is_counted_over_reduced_columns_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six women are enough for k = 6, and are not where three of them show another class of visits."""
    holding_to(monkeypatch, 6)
    women = [("1981-05-05", "F")] * 6
    visits = "\n".join(f"e{i} p{i} 2025-01-01 - {'inpatient' if i < 3 else 'ambulatory'} 1" for i in range(6))
    world.released(people(world, women, visits), ASKED, policy=recoding_policy(world))
    policy = recoding_policy(world, reduced={"encounters.CLASS": "first"})
    with pytest.raises(VerificationError, match="2 classes of released patients"):
        world.released(people(world, women, visits), ASKED, policy=policy)


def test_more_withheld_than_the_policy_allows_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of seven are more than a tenth."""
    choosing(monkeypatch, lambda counted: np.where(counted.tally.patients > 3, 0, -1).astype(np.int32))
    refused(world, "1-10 patients were withheld, more than the policy's share of 0.1", suppression=0.1)


def test_a_row_that_shows_its_own_value_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An inpatient and an ambulatory visit of one patient show the move that was reduced away."""

    def by_row(decision: Any, table: Any, patient: Any) -> dict[str, pa.Array]:
        shown = real(decision, table, patient)
        shown.pop("CLASS", None)
        return shown

    real = pipeline.shown_by_class
    monkeypatch.setattr(pipeline, "shown_by_class", by_row)
    refused(world, r"encounters\.CLASS shows more than one value of 1-10 patients")


def test_a_value_that_no_class_shows_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A band of five years, where the classes show bands of twenty, is finer than what was decided."""

    def finer(decision: Any, table: Any, patient: Any) -> dict[str, pa.Array]:
        shown = real(decision, table, patient)
        if "BIRTH" in shown:
            shown["BIRTH"] = pa.array([1980 + 20 * (i % 2) for i in range(len(patient))], pa.int32())
        return shown

    real = pipeline.shown_by_class
    monkeypatch.setattr(pipeline, "shown_by_class", finer)
    refused(world, "quasi-identifiers that no class has")


def test_patients_who_show_another_class_are_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All shown as of one class would pass a count of k alone."""

    def as_first(decision: Any, table: Any, patient: Any) -> dict[str, pa.Array]:
        return {name: cells.take(pa.array([0] * len(cells))) for name, cells in real(decision, table, patient).items()}

    real = pipeline.shown_by_class
    monkeypatch.setattr(pipeline, "shown_by_class", as_first)
    refused(world, "quasi-identifiers of other classes")


def test_a_class_that_tells_what_is_sensitive_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All women have one diagnosis and all men another: two values of the release, one of each class."""
    codes = "\n".join(f"p{i} e{i}1 {'E11.9' if i < 4 else 'I10'}" for i in range(7))
    source = people(world, TWO, VISITS, diagnoses=f"PATIENT ENC DX\n{codes}")
    choosing(monkeypatch, each)
    for limit, words in (({"l": 2}, "break l = 2 of icd10cm"), ({"t": 0.3}, r"break t = 0\.3 of icd10cm")):
        policy = recoding_policy(world, sensitive={"icd10cm": limit})
        with pytest.raises(VerificationError, match=f"classes of released patients {words}"):
            world.released(source, ASKED | {"diagnoses": ["PATIENT", "DX"]}, policy=policy)
    # Without the codes nothing of them is told.
    world.released(source, ASKED, policy=recoding_policy(world, sensitive={"icd10cm": {"l": 2}}))
