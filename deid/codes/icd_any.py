"""Codes of mixed ICD revisions in one column, whose revision another column tells or nobody does.

A column that is known to hold procedures alone is read as ICD-9-CM procedures and ICD-10-PCS, and as nothing else.

Each code is read as ICD-9-CM, as ICD-10 (CM, else WHO) and as ICD-10-PCS, wherever its form allows. The reading with
the strongest evidence is taken: a code to be reported, a heading, a known category, form alone. Where two readings are
equally strong the code is ambiguous (`V10.1`, `E8840`): it keeps the spelling that they share, or its characters
without a dot; it rolls up to the category or chapter that both have, else to UNMAPPED. Chapters are those of a code's
own revision, and differ between them. A verdict is the most favorable of all readings on the day: no valid code is
accused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Matching, OneOf
from deid.codes import icd9cm, icd10, icd10cm, icd10pcs
from deid.codes.attributes import AttributedSystem, Attributes, joined
from deid.codes.base import UNMAPPED, CodeList, Days, Level, Status, Verdicts
from deid.codes.formed import Entries, by_entry, entries_of, flags
from deid.codes.icd9cm import ICD9CM, ICD9CM_PROCEDURE
from deid.codes.icd10 import ICD10
from deid.codes.icd10cm import ICD10CM
from deid.codes.icd10pcs import ICD10PCS, prefixes
from deid.codes.tabled import TabledSystem, without_dots
from deid.codes.tables import NOWHERE
from deid.codes.validity import validity_of

# The last is what an ambiguous code with an E looks like.
NORMAL = f"{icd9cm.NORMAL}|{icd10cm.NORMAL}|{icd10.NORMAL}|{icd10pcs.NORMAL}|E[0-9]{{4}}"
NORMAL_PROCEDURE = f"{icd9cm.PROCEDURE}|{icd10pcs.NORMAL}"
_OPERATION = "PCS-"  # before an operation or section, whose characters may be those of a category of diagnoses
# From the most favorable to the least; ABSENT is all or none of the readings.
_PREFERENCE = (
    Status.ABSENT,
    Status.VALID,
    Status.NOT_BILLABLE,
    Status.RETIRED,
    Status.NOT_YET,
    Status.UNKNOWN,
    Status.MALFORMED,
)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One way to read a code: `normal` leads to the form that it would have, null where it cannot be read so."""

    system: TabledSystem
    revision: str
    normal: Entries = field(repr=False)
    mark: str = ""

    def evidence(self, codes: pa.Array) -> npt.NDArray[np.int8]:
        """Return 0 where a code cannot be read so, then 1 for form, 2 for category, 3 for heading, 4 for a code."""
        system = self.system
        category = pc.fill_null(pc.not_equal(system.roll_up(codes, system.levels[1].name), UNMAPPED), False)
        evidence = flags(pc.is_valid(codes)).astype(np.int8) + flags(category)
        places = system.table.find(codes)
        known = places != NOWHERE
        ever = validity_of(system.table).ever()[places[known]]
        evidence[known] = np.where(ever == Status.VALID, np.int8(4), np.int8(3))
        return evidence

    def category(self, codes: pa.Array) -> pa.Array:
        """Return the category of codes in this reading's form, UNMAPPED where the table has none."""
        return self._at(codes, self.system.levels[1].name)

    def chapter(self, codes: pa.Array) -> pa.Array:
        """Return the chapter, or section of ICD-10-PCS, of codes in this reading's form, UNMAPPED where it has none."""
        return self._at(codes, "section" if self.mark else "chapter")

    def _at(self, codes: pa.Array, level: str) -> pa.Array:
        found = self.system.roll_up(codes, level)
        marked = pc.binary_join_element_wise(self.mark, found, "")
        return pc.if_else(pc.equal(found, UNMAPPED), found, marked)


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """Distinct codes read: `forms` by reading, null where the form forbids it; `strongest` bool of shape (k, n)."""

    forms: tuple[pa.Array, ...] = field(repr=False)
    strongest: npt.NDArray[np.bool_] = field(repr=False)

    @property
    def first(self) -> pa.Array:
        """The first of the strongest readings of each code."""
        return pa.array(self.strongest.argmax(axis=0).astype(np.int8))

    def shared(self, by_reading: tuple[pa.Array, ...], otherwise: pa.Array) -> pa.Array:
        """Return what the strongest readings of each code agree on, `otherwise` where they do not; null for no code."""
        chosen = pc.choose(self.first, *by_reading)
        same = np.ones(len(chosen), np.bool_)
        for strong, values in zip(self.strongest, by_reading, strict=True):
            same &= ~strong | flags(pc.fill_null(pc.equal(values, chosen), False))
        agreed = pc.if_else(pa.array(same), chosen, otherwise)
        return pc.if_else(pa.array(self.strongest.any(axis=0)), agreed, pa.scalar(None, pa.string()))


def _ten(values: pa.Array) -> pa.Array:
    """Return ICD-10 codes, with those that only the WHO's marks keep from being ICD-10-CM."""
    return pc.coalesce(ICD10CM.normal(values), ICD10.normal(values))


def _judge_ten(values: pa.Array, on: Days | None) -> Verdicts:
    return ICD10CM.validate(by_entry(values, lambda entries: pc.coalesce(_ten(entries), entries)), on)


@dataclass(frozen=True, slots=True)
class IcdAny:
    """A code system of mixed revisions; see CodeSystem for the methods.

    `judges` give the verdicts of the systems that a code may belong to.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    code: Level
    readings: tuple[_Reading, ...] = field(repr=False)
    judges: tuple[Callable[[pa.Array, Days | None], Verdicts], ...] = field(repr=False)

    @property
    def levels(self) -> tuple[Level, ...]:
        """See CodeSystem."""
        words = "an ICD category, PCS- and a root operation, or UNMAPPED"
        revisions = frozenset(reading.revision for reading in self.readings)
        return (
            self.code,
            Level("category", OneOf(_categories(), words), "category, or root operation of an ICD-10-PCS procedure"),
            Level(
                "chapter",
                OneOf(_chapters(), "an ICD chapter, PCS- and a section, or UNMAPPED"),
                "chapter of its own revision, or section of an ICD-10-PCS procedure",
            ),
            Level(
                "revision",
                OneOf(revisions | {UNMAPPED}, "ICD-9, ICD-10, or UNMAPPED"),
                "revision that the code itself tells; UNMAPPED where it may belong to either",
            ),
        )

    @property
    def lists(self) -> tuple[CodeList, ...]:
        """See CodeSystem."""
        tables = [(reading.system.title, reading.system.table.facts) for reading in self.readings]
        return tuple(replace(facts, release=f"{title}, {facts.release}") for title, facts in tables)

    def normalize(self, values: pa.Array) -> pa.Array:
        """See CodeSystem."""
        return by_entry(values, self._normal)

    def validate(self, values: pa.Array, on: Days | None = None) -> Verdicts:
        """See CodeSystem."""
        rank = np.argsort(np.array(_PREFERENCE, np.uint8)).astype(np.uint8)
        best = np.minimum.reduce([rank[judge(values, on)] for judge in self.judges])
        return np.array(_PREFERENCE, np.uint8)[best]

    def attributes(self, values: pa.Array) -> Attributes:
        """Return what the lists say of each code that can be read in one way alone; of others nothing is said."""
        entries, rows = entries_of(values)
        read = self._read(entries)
        sure = read.strongest & (read.strongest.sum(axis=0) == 1)
        said = [
            reading.system.attributes(pc.if_else(pa.array(alone), form, pa.scalar(None, pa.string())))
            for reading, form, alone in zip(self.readings, read.forms, sure, strict=True)
            if isinstance(reading.system, AttributedSystem)
        ]
        return joined(said, rows)

    def parents(self, code: str) -> tuple[str, ...]:
        """See CodeSystem."""
        strongest = self._read(pa.array([code], pa.string())).strongest[:, 0]
        if strongest.sum() != 1:
            return ()
        return self.readings[int(strongest.argmax())].system.parents(code)

    def roll_up(self, values: pa.Array, level: str) -> pa.Array:
        """See CodeSystem."""
        ways = {
            "code": self._normal,
            "category": lambda codes: self._lifted(codes, _Reading.category),
            "chapter": lambda codes: self._lifted(codes, _Reading.chapter),
            "revision": self._revision,
        }
        return by_entry(values, ways[level])

    def _read(self, values: pa.Array) -> _Read:
        forms = tuple(reading.normal(values) for reading in self.readings)
        evidence = np.stack([r.evidence(codes) for r, codes in zip(self.readings, forms, strict=True)])
        return _Read(forms, (evidence == evidence.max(axis=0)) & (evidence > 0))

    def _normal(self, values: pa.Array) -> pa.Array:
        read = self._read(values)
        bare = pc.replace_substring(pc.ascii_upper(pc.ascii_trim_whitespace(values)), ".", "")
        return read.shared(read.forms, bare)

    def _lifted(self, values: pa.Array, lift: Callable[[_Reading, pa.Array], pa.Array]) -> pa.Array:
        read = self._read(values)
        lifted = tuple(lift(reading, codes) for reading, codes in zip(self.readings, read.forms, strict=True))
        return read.shared(lifted, pa.array([UNMAPPED] * len(values), pa.string()))

    def _revision(self, values: pa.Array) -> pa.Array:
        names = tuple(pa.array([reading.revision] * len(values), pa.string()) for reading in self.readings)
        return self._read(values).shared(names, pa.array([UNMAPPED] * len(values), pa.string()))


def _categories() -> frozenset[str]:
    operations = {_OPERATION + operation for operation in prefixes(ICD10PCS.table, 3)}
    return without_dots(ICD9CM.table) | without_dots(ICD10CM.table) | operations | {UNMAPPED}


def _chapters() -> frozenset[str]:
    sections = {_OPERATION + section for section in prefixes(ICD10PCS.table, 1)}
    of_tables = [
        level.domain.allowed
        for system in (ICD9CM, ICD9CM_PROCEDURE, ICD10CM)
        for level in system.levels
        if level.name == "chapter" and isinstance(level.domain, OneOf)
    ]
    return frozenset().union(sections, *of_tables)


_PCS = _Reading(ICD10PCS, "ICD-10", ICD10PCS.normal, _OPERATION)
ICD_ANY = IcdAny(
    name="icd_any",
    title="ICD of any revision",
    kinds=("icd_any",),
    code=Level("code", Matching(NORMAL, "an ICD code, with its dot where that is certain"), "the code itself"),
    readings=(_Reading(ICD9CM, "ICD-9", ICD9CM.normal), _Reading(ICD10CM, "ICD-10", _ten), _PCS),
    judges=(_judge_ten, ICD9CM.validate, ICD9CM_PROCEDURE.validate, ICD10.validate, ICD10PCS.validate),
)
ICD_ANY_PROCEDURE = IcdAny(
    name="icd_any_procedure",
    title="ICD procedures of any revision",
    kinds=(),
    code=Level("code", Matching(NORMAL_PROCEDURE, "a procedure of ICD-9-CM or ICD-10-PCS"), "the code itself"),
    readings=(_Reading(ICD9CM_PROCEDURE, "ICD-9", ICD9CM_PROCEDURE.normal), _PCS),
    judges=(ICD9CM_PROCEDURE.validate, ICD10PCS.validate),
)
