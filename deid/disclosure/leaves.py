"""Numbers for the values of one quasi-identifier, and what each of them becomes at every rung of its ladder.

A leaf stands for what all rungs together write for a cell, so that the value at any rung follows from the leaf. Two
cells that no rung tells apart have one leaf: nothing finer than the finest rung is remembered of anybody.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain, scattered
from deid.disclosure.vectors import Ladder
from deid.errors import DisclosureError
from deid.patients.positions import Tagger
from deid.patients.tags import TagIndex
from deid.planning.plan import Step
from deid.schema import Column
from deid.transforms.base import Context
from deid.transforms.words import rule_text

Numbers = npt.NDArray[np.int32]
SEPARATOR = "\x1f"
NULL = "-"
_NARROW = 8  # codes are told apart by a table of this many times their number, beyond that by sorting


@dataclass(frozen=True, slots=True)
class LeafNote:
    """The different leaves of some cells: tags, uint64 (m,), values at every rung, and the place of each cell's."""

    tags: npt.NDArray[np.uint64] = field(repr=False)
    values: tuple[pa.Array, ...] = field(repr=False)
    numbers: npt.NDArray[np.int64] = field(repr=False)


class Leaves:
    """The leaves of one column in the order of their first appearance; 20 bytes and its values for each leaf."""

    def __init__(self, step: Step, name: str) -> None:
        self.name = name
        self._step = step
        self._rungs = step.rungs or ((step.transform, step.output),)
        self._written = [rung for rung in self._rungs if rung[1] is not None]
        self._tagger = Tagger.fresh()
        self._index = TagIndex()
        self._values: list[list[pa.Array]] = [[] for _ in self._written]

    def __len__(self) -> int:
        return len(self._index)

    def see(self, cells: pa.Array, context: Context, column: Column | None = None) -> Numbers:
        """Return the leaf of each cell, int32 (n,); cells are typed and not yet transformed.

        `column`: where they stand, if it is another column of the same kind.
        """
        return self.take(self.note(cells, context, column))

    def note(self, cells: pa.Array, context: Context, column: Column | None = None) -> LeafNote:
        """Return the different leaves of some cells, as `see` takes them, and which each cell has."""
        return self._noted(
            [plain(rule.apply(column or self._step.column, cells, context)) for rule, _ in self._written]
        )

    def take(self, note: LeafNote) -> Numbers:
        """Return the leaf of each cell that was noted, int32 (n,)."""
        leaves, is_new = self._index.add(note.tags)
        fresh = pa.array(np.flatnonzero(is_new))
        for kept, column in zip(self._values, note.values, strict=True):
            kept.append(column.take(fresh))
        return leaves[note.numbers]

    def empty(self) -> Numbers:
        """Return the leaf of an empty cell, int32 (1,): what a patient without a row shows."""
        nothing = [pa.nulls(1, output.type) for _, output in self._written if output is not None]
        return self.take(self._noted(nothing))

    def _noted(self, columns: Sequence[pa.Array]) -> LeafNote:
        rows = len(columns[0])
        first, numbers = distinct([codes_of(column) for column in columns], rows)
        different = tuple(column.take(pa.array(first)) for column in columns)
        return LeafNote(self._tagger.tags(vector_texts(different, len(first))), different, numbers)

    def values(self, level: int) -> pa.Array | None:
        """Return what each leaf becomes at a rung, of its output's type; None where the rung drops the column."""
        output = self._rungs[level][1]
        if output is None:
            return None
        return pa.chunked_array(self._values[level], output.type).combine_chunks()

    def order(self, *, as_text: bool = False) -> npt.NDArray[np.int64]:
        """Return the place of each leaf in the order of its finest values, or of their texts, nulls last."""
        finest = self.values(0)
        if finest is None:
            raise AssertionError("the finest rung drops its column")
        values = finest.cast(pa.string()) if as_text else finest
        places = np.empty(len(self), np.int64)
        places[pc.sort_indices(values).to_numpy()] = np.arange(len(self))
        return places

    def among(self, used: npt.NDArray[np.int64]) -> UsedLeaves:
        """Return these leaves, int64 (n,), numbered anew from 0 in this order."""
        values = [self.values(level) for level in range(len(self._rungs))]
        chosen = [None if cells is None else cells.take(pa.array(used)) for cells in values]
        return UsedLeaves(self.name, tuple(rule_text(rule) for rule, _ in self._rungs), tuple(chosen), len(used))


@dataclass(frozen=True, slots=True)
class UsedLeaves:
    """The leaves that somebody selected has, and what each becomes at every rung, None where the rung drops it."""

    name: str
    rungs: tuple[str, ...]
    cells: tuple[pa.Array | None, ...] = field(repr=False)
    count: int

    def values(self, level: int) -> pa.Array | None:
        """Return what each leaf becomes at a rung, of its output's type; None where the rung drops the column."""
        return self.cells[level]

    def ladder(self) -> Ladder:
        """Return the ladder over these leaves; raise DisclosureError for rungs that are not nested.

        A coarser rung must be a function of the finer: else a class at the coarser would not hold whole classes of the
        finer, and no search over the lattice would be right.
        """
        lookups = [_numbered(cells, self.count) for cells in self.cells]
        for level, (fine, coarse) in enumerate(itertools.pairwise(lookups)):
            pairs = len(np.unique(fine.astype(np.int64) << 32 | coarse))
            if pairs != len(np.unique(fine)):
                raise DisclosureError(
                    f"limits.recoding of {self.name}: `{self.rungs[level + 1]}` is not coarser than "
                    f"`{self.rungs[level]}`: it parts values that the other puts into one",
                    hint="let the bounds of every rung be bounds of the one before, as 5, 10 and 20 years are",
                )
        return Ladder(self.name, self.rungs, tuple(lookups))


def codes_of(column: pa.Array) -> tuple[npt.NDArray[np.int64], int]:
    """Return numbers that are equal where cells are equal, nulls included, and how many there are at most."""
    encoded = column.dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), max(1, len(encoded.dictionary))


def distinct(
    columns: Sequence[tuple[npt.NDArray[np.int64], int]], rows: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return a row for each combination of codes that occurs, and for each row the number of its combination."""
    keys, size = np.zeros(rows, np.int64), 1
    for codes, count in columns:
        if size * count >= 2**62:
            _, keys = np.unique(keys, return_inverse=True)
            size = rows + 1
        keys, size = keys * count + codes, size * count
    if size > _NARROW * rows + 1024:
        _, first, numbers = np.unique(keys, return_index=True, return_inverse=True)
        return first, numbers
    at = np.full(size, -1, np.int64)
    at[keys[::-1]] = np.arange(rows - 1, -1, -1)
    used = np.flatnonzero(at >= 0)
    place = np.zeros(size, np.int64)
    place[used] = np.arange(len(used))
    return at[used], place[keys]


def vector_texts(columns: Sequence[pa.Array], rows: int) -> pa.Array:
    """Return one text for each row that is equal exactly where all columns are equal, nulls included."""
    if not columns:
        return pa.array([""] * rows, pa.string())
    texts = []
    for column in columns:
        text = plain(column).cast(pa.string())
        # Each text stands behind its length, so that no cell can hold what looks like the next one.
        texts += [pc.fill_null(pc.binary_length(text).cast(pa.string()), NULL), pc.fill_null(text, "")]
    return pc.binary_join_element_wise(*texts, SEPARATOR)


class VectorIndex:
    """Numbers vectors of leaves in the order of first appearance; 20 bytes and 4 for each column a vector."""

    def __init__(self, columns: int) -> None:
        self._index = TagIndex()
        self._parts: list[list[Numbers]] = [[] for _ in range(columns)]

    def __len__(self) -> int:
        return len(self._index)

    def add(self, leaves: Sequence[Numbers]) -> Numbers:
        """Return the number of each row's vector, int32 (n,); `leaves` are one int32 (n,) a column."""
        tags = np.zeros(len(leaves[0]), np.uint64)
        for column in leaves:
            # Every step is a bijection of 64 bits spread evenly, so that two vectors meet by chance alone
            # (deid.patients.tags).
            tags = scattered(tags ^ scattered(column))
        numbers, is_new = self._index.add(tags)
        for part, column in zip(self._parts, leaves, strict=True):
            part.append(column[is_new])
        return numbers

    def leaves(self) -> tuple[Numbers, ...]:
        """Return the leaves of each vector, one int32 (vectors,) a column."""
        return tuple(np.concatenate([np.zeros(0, np.int32), *part]) for part in self._parts)


def _numbered(values: pa.Array | None, leaves: int) -> Numbers:
    """Return the number of each leaf's value at a rung; all one where the rung drops the column."""
    return np.zeros(leaves, np.int32) if values is None else np.asarray(codes_of(values)[0], np.int32)
