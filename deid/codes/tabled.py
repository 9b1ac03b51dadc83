"""Code systems that have a table of their codes: what their files share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Domain, OneOf
from deid.cells.shapes import SHAPES, TextShape
from deid.codes.base import UNMAPPED, CodeList, Days, Level, Verdicts
from deid.codes.formed import Entries, by_entry, entries_of
from deid.codes.tables import NOWHERE, CodeTable, load_table
from deid.codes.validity import judge

# From a table and normal forms, distinct and plain, to as many strings; null where the hierarchy does not know a code.
Lift = Callable[[CodeTable, pa.Array], pa.Array]


@dataclass(frozen=True, slots=True)
class TableRung:
    """A level above `code`: `of` leads to it, `vocabulary` is every value that it can have beside UNMAPPED."""

    name: str
    meaning: str
    words: str
    of: Lift = field(repr=False)
    vocabulary: Callable[[CodeTable], frozenset[str]] = field(repr=False)

    def level(self, table: CodeTable) -> Level:
        """Return the level with the closed domain that the table gives it."""
        domain: Domain = OneOf(self.vocabulary(table) | {UNMAPPED}, self.words)
        return Level(self.name, domain, self.meaning)


@dataclass(frozen=True, slots=True)
class TabledSystem:
    """A code system of this kind; see CodeSystem for the methods.

    `normal` leads from distinct plain strings to normal forms, null where malformed. `shorter` leads from a normal form
    to the spellings that its headings could have, from near to far; `ladder` names the rungs above the headings; `key`
    leads from normal forms to what the table is asked for, null where no table of this system could hold the code.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    table_name: str
    code: Level
    normal: Entries = field(repr=False)
    rungs: tuple[TableRung, ...] = ()
    shorter: Callable[[str], tuple[str, ...]] = field(default=lambda _: (), repr=False)
    ladder: tuple[str, ...] = ()
    key: Entries = field(default=lambda codes: codes, repr=False)

    @property
    def table(self) -> CodeTable:
        """The table of codes, read when it is first asked for."""
        return load_table(self.table_name)

    @property
    def levels(self) -> tuple[Level, ...]:
        """See CodeSystem."""
        return _levels(self)

    @property
    def lists(self) -> tuple[CodeList, ...]:
        """See CodeSystem."""
        return (self.table.facts,)

    def normalize(self, values: pa.Array) -> pa.Array:
        """See CodeSystem."""
        return by_entry(values, self.normal)

    def validate(self, values: pa.Array, on: Days | None = None) -> Verdicts:
        """See CodeSystem."""
        codes = self.normal(entries_of(values)[0])
        return judge(self.table, values, codes, self.table.find(self.key(codes)), on)

    def parents(self, code: str) -> tuple[str, ...]:
        """See CodeSystem."""
        given = pa.array([code], pa.string())
        normal = self.normal(given)
        if not normal[0].is_valid:
            return ()
        candidates = pa.array(self.shorter(normal[0].as_py()), pa.string())
        headings = candidates.filter(pa.array(self.table.find(candidates) != NOWHERE)).to_pylist()
        above = [self._lifted(given, rung.of)[0].as_py() for rung in self.rungs if rung.name in self.ladder]
        return (*headings, *(value for value in above if value != UNMAPPED))

    def roll_up(self, values: pa.Array, level: str) -> pa.Array:
        """See CodeSystem."""
        if level == self.code.name:
            return self.normalize(values)
        rung = next((rung for rung in self.rungs if rung.name == level), None)
        if rung is None:
            raise KeyError(level)
        return by_entry(values, lambda entries: self._lifted(entries, rung.of))

    def _lifted(self, entries: pa.Array, of: Lift) -> pa.Array:
        codes = self.normal(entries)
        lifted = pc.fill_null(of(self.table, self.key(codes)), UNMAPPED)
        return pc.if_else(pc.is_valid(codes), lifted, pa.scalar(None, pa.string()))


@functools.cache
def _levels(system: TabledSystem) -> tuple[Level, ...]:
    return system.code, *(rung.level(system.table) for rung in system.rungs)


def shape_of(kind: str) -> str:
    """Return the pattern of the codes of a kind, so that what is malformed here is malformed to every transform."""
    shape = SHAPES[kind]
    if not isinstance(shape, TextShape):
        raise TypeError(kind)
    return shape.pattern


def dotted(codes: pa.Array, before: int) -> pa.Array:
    """Return codes without dots with a dot after `before` characters, where more follow."""
    head, tail = pc.utf8_slice_codeunits(codes, 0, before), pc.utf8_slice_codeunits(codes, before)
    return pc.if_else(pc.equal(pc.binary_length(tail), 0), head, pc.binary_join_element_wise(head, tail, "."))


def before_dot(codes: pa.Array) -> pa.Array:
    """Return what stands before the dot: the category of a code whose normal form has one."""
    return pc.replace_substring_regex(codes, r"\..*", "")


def if_known(table: CodeTable, codes: pa.Array) -> pa.Array:
    """Return `codes` with null where the table has no such row."""
    return pc.if_else(pa.array(table.find(codes) != NOWHERE), codes, pa.scalar(None, pa.string()))


def of_category(column: str) -> Lift:
    """Return the lift to a column that all codes of a category share: a code that is unknown takes its category's."""
    return lambda table, codes: table.words(column, table.find(before_dot(codes)))


def of_code(column: str) -> Lift:
    """Return the lift to a column of the code's own row."""
    return lambda table, codes: table.words(column, table.find(codes))


def in_column(column: str) -> Callable[[CodeTable], frozenset[str]]:
    """Return the function from a table to the distinct strings of a column."""
    return lambda table: table.vocabulary(column)


def without_dots(table: CodeTable) -> frozenset[str]:
    """Return the codes of a table that are categories, which are those without a dot."""
    codes = table.rows.column("code").chunk(0)
    return frozenset(codes.filter(pc.invert(pc.match_substring(codes, "."))).to_pylist())


def shortened(code: str) -> tuple[str, ...]:
    """Return every shorter spelling of a code that ends before or after its dot, from long to short."""
    whole = code.partition(".")[0]
    cut = (code[:length].rstrip(".") for length in range(len(code) - 1, len(whole) - 1, -1))
    return tuple(dict.fromkeys(word for word in cut if word != code))
