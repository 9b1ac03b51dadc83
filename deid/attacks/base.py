"""What an attacker is: a part that gets an opened release and outside knowledge, and says what it believes.

An attacker never gets the truth, nor anything by which the site could tell it: no crosswalk, no key, no decision, no
policy. `.importlinter` holds that line. What it believes is judged elsewhere (deid.red_team), by who knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol

import pyarrow as pa

from deid.attacks.bits import Bits, Int32, Int64
from deid.attacks.knowledge import Knowledge
from deid.attacks.released import Released


@dataclass(frozen=True, slots=True)
class Candidates:
    """For each target (a position in `Knowledge.close`), the set of released patients who may be that person."""

    scenario: str
    targets: Int64 = field(repr=False)
    bits: Bits = field(repr=False)
    codes: int = 0  # how many codes were known, for the ceiling that applies
    days: int = 0  # how many days of visits
    note: str = ""


class Against(StrEnum):
    """What released patients are compared with."""

    VOTERS = "voters"
    OTHER_RELEASE = "the other release"


@dataclass(frozen=True, slots=True)
class Labels:
    """Released patients, and voters or another release's patients, believed to be one person where labels are equal.

    `mine`: int64, one for each patient of the release; `other`: one for each of those they are compared with.
    """

    scenario: str
    mine: Int64 = field(repr=False)
    other: Int64 = field(repr=False)
    against: Against


@dataclass(frozen=True, slots=True)
class Offsets:
    """How many date offsets are left for each of these released patients, and one of them."""

    scenario: str
    patients: Int64 = field(repr=False)
    left: Int32 = field(repr=False)
    guess: Int32 = field(repr=False)
    possible: int


@dataclass(frozen=True, slots=True)
class Reversals:
    """Identifiers that are believed to stand behind pseudonyms, after so many were tried."""

    scenario: str
    kind: str
    pseudonyms: pa.Array = field(repr=False)
    identifiers: pa.Array = field(repr=False)
    tried: int


@dataclass(frozen=True, slots=True)
class Order:
    """Released patients in an order that is believed to be that of the source: of its rows, ids or days.

    `windows`: the order within each of these runs (row groups) is meant, int64 (patients,), or None for all.
    """

    scenario: str
    patients: Int64 = field(repr=False)
    windows: Int64 | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """Words of notes that are believed to be names which the redaction missed, in lower case, one entry a word.

    `patients`: int64, whose note each stands in. `notes`, `of_patients`: how many notes were read, and of how many
    patients. `everywhere`: all words of these notes in lower case, and `owners` whose notes they stand in, for what
    the finder passed over. `hidden`: names were replaced by invented ones, among which a real one stands.
    """

    scenario: str
    patients: Int64 = field(repr=False)
    words: pa.Array = field(repr=False)
    owners: Int64 = field(repr=False)
    everywhere: pa.Array = field(repr=False)
    notes: int
    of_patients: int
    hidden: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """What a release tells beside its cells: `found` of `looked_at` things, with a sentence that shows no value.

    `by_chance`: how many would be found where nothing leaks. `allowed`: it is part of what a release may tell.
    """

    scenario: str
    found: int
    looked_at: int
    told: str
    by_chance: float = 0.0
    allowed: bool = False


Belief = Candidates | Labels | Offsets | Reversals | Order | LookAlikes | Trace


class Attacker(Protocol):
    """The one interface of this shelf; `asks` says in a sentence what the attacker tries."""

    name: ClassVar[str]
    asks: ClassVar[str]

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield what the attacker comes to believe; beliefs of one scenario may come in several parts."""
        ...
