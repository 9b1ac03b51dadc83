"""What a task of a run is, and what it answers: the driver makes jobs, workers perform them, neither knows of Spark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from deid.checks.verification import Verification
from deid.choices.checking import LeftOutCheck
from deid.choices.screen import Screen
from deid.codes.base import CodeSystem
from deid.observing.decision import Decision
from deid.observing.reading import Watched
from deid.observing.rows import LinkMap
from deid.patients.positions import Positions, Tagger
from deid.planning.plan import Plan
from deid.sinks.encrypted_parquet import WrittenFile
from deid.sources.splits import Split
from deid.tasks.task_keys import TaskKeys

Given = tuple[Positions, npt.NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Part:
    """One task: splits of a table that follow one another. `number`: of the file that is made of them.

    `met`: how many patients the population's splits before these hold.
    """

    table: str
    number: int
    splits: tuple[Split, ...]
    met: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """What all tasks of a run share: the frozen decision, how rows are read, and the keys of what is written.

    `tasks`: the folder of attempts, at the same path on every machine. `surrogates`, `prints`: 32-byte keys, or None.
    """

    plan: Plan
    decision: Decision = field(repr=False)
    links: Mapping[str, LinkMap] = field(repr=False)
    also: Mapping[str, tuple[str, ...]]
    screen: Screen | None = field(repr=False)
    systems: Mapping[str, CodeSystem] = field(repr=False)
    judged: Mapping[str, list[str]]
    unit: Any
    tagger: Tagger = field(repr=False)
    keys: TaskKeys = field(repr=False)
    surrogates: bytes = field(repr=False)
    prints: bytes | None = field(repr=False)
    tasks: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class NotingJob:
    """What tasks of the first reading share: who watches which tables, and how their rows are read.

    Observers are as they were before anything was taken. `refuses`: whether bad rows are refused, and none is kept.
    """

    plan: Plan
    decision: Decision = field(repr=False)
    links: Mapping[str, LinkMap] = field(repr=False)
    also: Mapping[str, tuple[str, ...]]
    screen: Screen | None = field(repr=False)
    watched: Mapping[str, Watched] = field(repr=False)
    refuses: bool
    tasks: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class CheckingJob:
    """What tasks share that read files of a release back: the checks as they are when the population was verified.

    `source_side`: what the report knows of the source's codes, with its `tagger`. `people`: tags of the released
    patients, uint64 (n,). `folder`: the staging folder, at the same path on every machine. `parts`: tables and files.
    """

    plan: Plan
    decision: Decision = field(repr=False)
    checks: Verification = field(repr=False)
    left_out: LeftOutCheck | None = field(repr=False)
    source_side: Any = field(repr=False)
    tagger: Tagger = field(repr=False)
    lost: int
    is_continued: bool
    people: npt.NDArray[np.uint64] = field(repr=False)
    keys: TaskKeys = field(repr=False)
    folder: str
    tasks: str
    parts: tuple[tuple[str, WrittenFile], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the population's tables told, which later tables are judged and counted by.

    `sex`, `birth`: as the judge of codes remembers them. `lost`: how many patients were asked for and are withheld.
    `given`: positions and pseudonyms of those whose were looked up.
    """

    sex: npt.NDArray[np.uint8] = field(repr=False)
    birth: npt.NDArray[np.int32] = field(repr=False)
    given: Given = field(repr=False)
    lost: int = 0
    is_continued: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that a task met, in words that hold no cell: the class of a DeidError, its message and its hint.

    Where a task met something else it is the place of a defect, and the type of what was raised.
    """

    kind: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one attempt did: its folder, the files it wrote, and the states of everything that took note of its rows."""

    number: int
    attempt: str
    rows: int = 0
    files: tuple[WrittenFile, ...] = ()
    reasons: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    withheld_notes: int = 0
    given: Given | None = field(default=None, repr=False)
    judge: Any = field(default=None, repr=False)
    source_side: Any = field(default=None, repr=False)
    prints: Any = field(default=None, repr=False)
    empties: Any = field(default=None, repr=False)
    bad_rows: Any = field(default=None, repr=False)
    notes: tuple[Any, ...] = field(default=(), repr=False)
    release_side: Any = field(default=None, repr=False)
    fault: Fault | None = None
