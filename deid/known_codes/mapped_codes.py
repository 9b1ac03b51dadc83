"""From codes to what a frozen map (`CodeMap` of deid.observing.controls) releases of them; the same for all rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain
from deid.codes.formed import by_entry
from deid.codes.mapped_levels import FULL, OTHER, RARE, MappedLevels, mapped_system
from deid.documents.cohort import Predicate
from deid.observing.controls import CodeMap, Controls
from deid.observing.selection import code_matches


def map_cells(code_map: CodeMap, cells: pa.Array) -> pa.Array:
    """Return what a map makes of well-formed codes, string array with nulls of the encoding of `cells`.

    A code that the map does not know, as in a later release of a series, is as rare as any: it goes to the coarsest
    level, or to its category where the study declares it and the map writes that category already.
    """
    return by_entry(cells, lambda entries: _map_entries(code_map, entries))


def _map_entries(code_map: CodeMap, entries: pa.Array) -> pa.Array:
    levels = levels_of_map(code_map)
    codes = levels.values(entries, FULL)
    known = pc.index_in(codes, value_set=code_map.codes)
    mapped = code_map.items.take(known)
    unknown = pc.and_(pc.is_valid(codes), pc.is_null(known))
    if not pc.any(unknown).as_py():
        return mapped
    coarse = levels.values(codes, code_map.otherwise)
    # A value that the map writes for nobody was too rare itself.
    coarse = pc.if_else(pc.is_in(coarse, value_set=pc.unique(code_map.items)), coarse, OTHER)
    if code_map.declared:
        category = levels.values(codes, code_map.declared_at)
        # One that the map writes for nobody had fewer than k patients when it was chosen.
        written = pc.is_in(category, value_set=pc.unique(code_map.items))
        coarse = pc.if_else(pc.and_(is_declared(code_map.kind, code_map.declared, codes), written), category, coarse)
    return pc.if_else(unknown, coarse, mapped)


def release_cells(controls: Controls, system: str, cells: pa.Array, klass: npt.NDArray[np.int32]) -> pa.Array:
    """Return what is released of well-formed codes of a system; `klass` is the class of each row's patient."""
    mapped = map_cells(controls.codes[system], cells)
    emptied = controls.emptied.get(system)
    if emptied is None or not len(emptied.keys):
        return mapped
    items = plain(mapped)
    at = pc.index_in(items, value_set=emptied.items).fill_null(-1).to_numpy(zero_copy_only=False)
    hidden = (at >= 0) & np.isin(klass.astype(np.int64) * len(emptied.items) + at, emptied.keys)
    return pc.if_else(pa.array(hidden), pa.scalar(None, pa.string()), items)


def levels_of_map(code_map: CodeMap) -> MappedLevels:
    """Return the levels that a map was chosen among."""
    return mapped_system(code_map.kind, "ccsr" if code_map.otherwise == "ccsr" else RARE)


def is_declared(kind: str, declared: tuple[str, ...], codes: pa.Array) -> pa.Array:
    """Return which codes are those that a study declares, boolean array: as a cohort would match them."""
    if not declared:
        return pa.array([False] * len(codes), pa.bool_())
    kind = kind.removesuffix("_procedure")  # the system of procedures in a column of the same kind
    return pa.array(code_matches(Predicate(kind, codes=declared), codes))
