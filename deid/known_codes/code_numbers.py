"""Numbers for codes of several systems, and for what each of them may become at the levels of a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.codes.mapped_levels import NAMES, OTHER, MappedLevels
from deid.disclosure.coded import CodeTree
from deid.known_codes.mapped_codes import is_declared
from deid.observing.controls import CodeMap

Numbers = npt.NDArray[np.int32]
NOTHING = np.int32(-1)


@dataclass(slots=True)
class CodeNumbers:
    """Codes in normal form, numbered over all systems in the order in which they were first asked for."""

    levels: list[MappedLevels] = field(default_factory=list)
    _known: dict[str, pa.Array] = field(default_factory=dict, repr=False)
    _numbers: dict[str, Numbers] = field(default_factory=dict, repr=False)
    _count: int = 0

    def __len__(self) -> int:
        return self._count

    def of(self, levels: MappedLevels, codes: pa.Array) -> Numbers:
        """Return the number of each distinct plain code of one system, int32 of shape (n,), -1 for null."""
        name = levels.system.name
        if name not in self._known:
            self.levels.append(levels)
            self._known[name], self._numbers[name] = pa.array([], pa.string()), np.zeros(0, np.int32)
        valid = codes.drop_null()
        fresh = pc.unique(valid.filter(pc.invert(pc.is_in(valid, value_set=self._known[name]))))
        if len(fresh):
            self._known[name] = pa.concat_arrays([self._known[name], fresh])
            added = np.arange(self._count, self._count + len(fresh), dtype=np.int32)
            self._numbers[name] = np.append(self._numbers[name], added)
            self._count += len(fresh)
        places = pc.index_in(codes, value_set=self._known[name], skip_nulls=True)
        at = places.fill_null(len(self._known[name])).to_numpy(zero_copy_only=False)
        return np.asarray(np.append(self._numbers[name], NOTHING)[at], np.int32)

    def codes(self, system: str) -> tuple[pa.Array, Numbers]:
        """Return the codes of a system, string (n,), and their numbers, int32 (n,)."""
        return self._known[system], self._numbers[system]


@dataclass(frozen=True, slots=True)
class CodeItems:
    """What codes may become: `tree` in numbers, and of every item its system, its text and the name of its level.

    `systems`: the names of the code systems in the order of their numbers in `tree.kinds` and `system_of_item`;
    `other`: the item OTHER of each.

    Two levels that say the same of a code, as the category I10 of the code I10, are one item: a reader of the release
    cannot tell them apart. The level is then the finer one.
    """

    tree: CodeTree
    numbers: CodeNumbers
    systems: tuple[str, ...]
    system_of_item: Numbers = field(repr=False)
    other: Numbers = field(repr=False)
    texts: pa.Array = field(repr=False)
    levels: pa.Array = field(repr=False)
    declared: Mapping[str, tuple[str, ...]]

    def maps(self, chosen: Numbers) -> dict[str, CodeMap]:
        """Return the frozen map of every system; `chosen` is the item of each code, int32 (codes,), -1 for none."""
        found: dict[str, CodeMap] = {}
        for levels in self.numbers.levels:
            name = levels.system.name
            codes, numbers = self.numbers.codes(name)
            items = chosen[numbers]
            at = pa.array(items.astype(np.int64), mask=items < 0)
            found[name] = CodeMap(
                kind=name,
                codes=codes,
                items=self.texts.take(at),
                levels=self.levels.take(at),
                otherwise=levels.rare,
                declared=self.declared.get(name, ()),
                declared_at=levels.declared,
            )
        return found


def items_of(numbers: CodeNumbers, declared: Mapping[str, tuple[str, ...]]) -> CodeItems:
    """Return what every code may become; `declared` are the study's codes by name of the system."""
    size = len(numbers)
    items = np.full((size, len(NAMES)), NOTHING, np.int32)
    kinds, study = np.zeros(size, np.int16), np.zeros(size, bool)
    texts: list[pa.Array] = []
    names: list[str] = []
    owners: list[Numbers] = []
    others: list[int] = []
    count = 0
    for number, levels in enumerate(numbers.levels):
        codes, at = numbers.codes(levels.system.name)
        kinds[at] = number
        study[at] = is_declared(levels.system.name, declared.get(levels.system.name, ()), codes).to_numpy(
            zero_copy_only=False
        )
        known = pa.array([], pa.string())
        for depth, level in enumerate(levels.levels):
            if level is None:
                continue
            values = levels.values(codes, level)
            fresh = pc.unique(values.filter(pc.invert(pc.is_in(values, value_set=known))))
            known = pa.concat_arrays([known, fresh])
            names += [level] * len(fresh)
            places = pc.index_in(values, value_set=known)
            items[at, depth] = places.fill_null(0).to_numpy() + count
            items[at[~pc.is_valid(places).to_numpy(zero_copy_only=False)], depth] = NOTHING
        if levels.levels[1] is None:  # no category: what the study declares stays as it is
            items[at, 1] = items[at, 0]
        fresh = pa.array([] if pc.any(pc.equal(known, OTHER)).as_py() else [OTHER], pa.string())
        known = pa.concat_arrays([known, fresh])
        names += [OTHER] * len(fresh)
        others.append(count + pc.index(known, OTHER).as_py())
        texts.append(known)
        owners.append(np.full(len(known), number, np.int32))
        count += len(known)
    tree = CodeTree(items=items, levels=NAMES, kinds=kinds, declared=study)
    return CodeItems(
        tree=tree,
        numbers=numbers,
        systems=tuple(levels.system.name for levels in numbers.levels),
        system_of_item=np.concatenate(owners) if owners else np.zeros(0, np.int32),
        other=np.array(others, np.int32),
        texts=pa.concat_arrays(texts) if texts else pa.array([], pa.string()),
        levels=pa.array(names, pa.string()),
        declared=dict(declared),
    )
