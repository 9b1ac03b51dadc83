"""Mapped codes of one system that stand side by side in a row: they leave as a set, each once, in the order of text.

The place of a code among such columns tells its rank, and by its rank the principal diagnosis: with the order of the
codes of a visit two of them identify 41 of 100 patients where the set identifies 9 (docs/adr/0017). What is written
into the columns is a function of the set of what the row's codes become, and tells no more than that set.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import in_use, plain
from deid.codes.formed import entries_of
from deid.planning.plan import Step, TablePlan
from deid.schema import Column
from deid.transforms.map_codes import MapCodes, levels_of

_OF_NO_ROLE = (None, "procedure")
_LAST_NUMBER = re.compile(r"(.*?)(\d+)((?:st|nd|rd|th)(?![a-z]))?(\D*)", re.DOTALL | re.IGNORECASE)
_LAST_LETTER = re.compile(r"(.*[^A-Za-z0-9])([A-Za-z])", re.DOTALL)  # the lines of CMS-1500, item 21, are A to L


def sets_of(planned: TablePlan) -> list[tuple[Step, ...]]:
    """Return the steps of a table whose codes are written as sets, those of each code system together.

    They are two or more mapped columns of one system without a role of their own. A principal diagnosis among them is
    one of those with its name and other numbers (`ICD_DGNS_CD1` before `ICD_DGNS_CD2`): in the set nothing marks it.
    """
    systems: dict[str, list[Step]] = defaultdict(list)
    for step in planned.written:
        levels = levels_of(step.column) if isinstance(step.transform, MapCodes) else None
        if levels is not None:
            systems[levels.system.name].append(step)
    found = []
    for steps in systems.values():
        alike = {numbered(step.column)[0] for step in steps if step.column.use in _OF_NO_ROLE}
        own = [step for step in steps if step.column.use in _OF_NO_ROLE or _is_first_of(step.column, alike)]
        if len(own) > 1:
            found.append(tuple(own))
    return found


def _is_first_of(column: Column, alike: set[str]) -> bool:
    name, number = numbered(column)
    return column.use == "principal" and number is not None and name in alike


def numbered(column: Column) -> tuple[str, int | None]:
    """Return a column's name without its last number, and that number; None where it has none.

    An ordinal is a number (`HCPCS_1ST_MDFR_CD`); without any, so is a letter at the end, counted from A (`DX_B` is 2).
    """
    found = _LAST_NUMBER.fullmatch(column.name)
    if found is not None:
        return f"{found[1]}#{found[4]}", int(found[2])
    letter = _LAST_LETTER.fullmatch(column.name)
    return (f"{letter[1]}#", ord(letter[2].upper()) - ord("A") + 1) if letter is not None else (column.name, None)


def series(columns: Iterable[Column]) -> list[list[Column]]:
    """Return the columns of one kind, two or more together, that a number in their names alone tells apart."""
    found: dict[tuple[str, str], list[Column]] = defaultdict(list)
    for column in columns:
        name, number = numbered(column)
        if number is not None:
            found[name, column.kind.name].append(column)
    return [own for own in found.values() if len(own) > 1]


def set_words(planned: TablePlan, step: Step) -> str:
    """Return what a reader of a column of a set must know, empty for any other column."""
    own = next((steps for steps in sets_of(planned) if step in steps), None)
    if own is None:
        return ""
    return (
        f"; the row's codes stand in {len(own)} columns as a set, each once and in alphabetical order: which of the "
        "columns one stands in means nothing"
    )


def as_sets(columns: Sequence[pa.Array]) -> list[pa.Array]:
    """Return columns of strings with each row's values once, in the order of their bytes, nulls last.

    `columns`: string arrays of one length, plain or dictionary-encoded; the result is as many dictionary arrays.
    """
    parts = [entries_of(column) for column in columns]
    known = pc.unique(pa.concat_arrays([entries.cast(pa.string()) for entries, _ in parts]).drop_null())
    known = known.take(pc.sort_indices(known))
    nothing = len(known)
    cells = np.empty((len(columns[0]), len(columns)), np.int32)
    for place, (entries, rows) in enumerate(parts):
        ranks = pc.index_in(entries.cast(pa.string()), value_set=known, skip_nulls=True).fill_null(nothing)
        cells[:, place] = np.append(ranks.to_numpy(zero_copy_only=False), nothing)[rows]
    return [in_use(_written(own, known)) for own in _once(cells, nothing).T]


def _once(cells: npt.NDArray[np.int32], nothing: int) -> npt.NDArray[np.int32]:
    """Return each row's numbers in order without repeats, filled up with `nothing`, the highest number there is."""
    cells.sort(axis=1)
    cells[:, 1:][cells[:, 1:] == cells[:, :-1]] = nothing
    cells.sort(axis=1)
    return cells


def _written(numbers: npt.NDArray[np.int32], known: pa.Array) -> pa.DictionaryArray:
    empty = numbers == len(known)
    indices = pa.array(np.where(empty, 0, numbers).astype(np.int32), mask=empty)
    return pa.DictionaryArray.from_arrays(indices, known)


def not_sets(columns: Sequence[pa.Array]) -> int:
    """Return how many rows of columns that were read back are no sets in the order of text with nulls last.

    It compares neighboring cells as text and shares nothing with what writes them.
    """
    wrong = np.zeros(len(columns[0]), np.bool_)
    cells = [plain(column) for column in columns]
    for left, right in pairwise(cells):
        rises = pc.fill_null(pc.less(left, right), False)
        good = pc.or_(rises, pc.is_null(right))
        wrong |= ~good.to_numpy(zero_copy_only=False)
    return int(wrong.sum())
