"""Who knows the demographics and two codes of a patient, counted in numpy on an opened release.

Nothing is taken from the search or from the run: classes and codes of the targets are those of the raw source, the
candidates those whom the release shows, and the map is read off the release. Of the toolkit only the code systems
serve, which say what the chapter of a code is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.codes import system_of
from deid.codes.mapped_levels import FULL, OTHER, mapped_levels

Numbers = npt.NDArray[np.int64]
Class = tuple[str, ...]
_AT_ONCE = 4_000  # patients whose pairs are held at a time


@dataclass(frozen=True)
class Mentions:
    """Codes with whose and of which visit they are: string arrays of one length; `system` names the code system."""

    patient: pa.Array
    visit: pa.Array
    system: pa.Array
    code: pa.Array


@dataclass(frozen=True)
class Kind:
    """The kind of a column of codes, and what it says of its visit."""

    name: str
    use: str | None = None


@dataclass(frozen=True)
class TwoCodes:
    """What two known codes tell: mean chances, and the share of the source's mentions that stay in full."""

    record: float
    visit: float
    full: float


def mentions_of(table: pa.Table, patient: str, visit: str, columns: Mapping[str, Kind]) -> Mentions:
    """Return the codes of some columns of a table, empty cells left out."""
    parts = []
    for name, kind in columns.items():
        system = system_of(kind.name, kind.use)  # type: ignore[arg-type]
        assert system is not None
        own = table.select([patient, visit]).append_column("code", table[name].cast(pa.string()))
        own = own.rename_columns(["patient", "visit", "code"]).append_column(
            "system", pa.array([system.name] * table.num_rows, pa.string())
        )
        parts.append(own.filter(pc.not_equal(pc.fill_null(own["code"], ""), "")))
    return gathered(*(Mentions(*(t[c].combine_chunks() for c in Mentions.__annotations__)) for t in parts))


def gathered(*parts: Mentions) -> Mentions:
    """Return the codes of several tables together."""
    return Mentions(
        *(pa.concat_arrays([getattr(p, c).cast(pa.string()) for p in parts]) for c in Mentions.__annotations__)
    )


def two_codes(
    source: Mentions, classes: Mapping[str, Class], released: Mentions, shown: Mapping[str, Class]
) -> TwoCodes:
    """Attack a release: `classes` of the source's patients as it would show them, `shown` those of the released ones."""
    kept = set(shown.values())
    items = pc.unique(_joined(released.system, released.code))
    klass_of = {klass: number for number, klass in enumerate(kept)}
    names, visits, patients = {}, released.visit, list(shown)
    names = {name: number for number, name in enumerate(patients)}
    person = np.array([names[name] for name in released.patient.to_pylist()])
    item = pc.index_in(_joined(released.system, released.code), value_set=items).to_numpy()
    group = _pairs_numbered(person, visits)
    candidates = _Candidates(
        np.array([klass_of[shown[name]] for name in patients]), person, group, item.astype(np.int64), len(items)
    )
    codes, mapped, in_full = _map_read_off(source, items)
    targets = {name: klass_of[klass] for name, klass in classes.items() if klass in klass_of}
    order = {name: number for number, name in enumerate(targets)}
    who = np.array([order.get(name, -1) for name in source.patient.to_pylist()])
    use = np.flatnonzero((who >= 0) & (codes >= 0))
    who, codes = who[use], codes[use]
    stays = _pairs_numbered(who, source.visit.take(pa.array(use)))
    klass = np.array(list(targets.values()))
    return TwoCodes(
        record=_mean(_chances(who, codes, mapped, lambda g, a, b: candidates.anywhere(klass[g], a, b))),
        visit=_mean(_by_owner(stays, who, codes, mapped, klass, candidates)),
        full=float(in_full[codes].mean()),
    )


def _joined(system: pa.Array, text: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(system, text, "\t")


def _pairs_numbered(person: Numbers, visit: pa.Array) -> Numbers:
    """Return a number for each distinct (person, visit)."""
    own = visit.dictionary_encode().indices.fill_null(-1).to_numpy().astype(np.int64) + 1
    return np.unique(person * (int(own.max(initial=0)) + 1) + own, return_inverse=True)[1]


def _map_read_off(source: Mentions, items: pa.Array) -> tuple[Numbers, Numbers, npt.NDArray[np.bool_]]:
    """Return the number of each mention's code, -1 for none, and of each code its item and whether it stays in full."""
    numbers, mapped, whole = np.full(len(source.code), -1, np.int64), [], []
    for name in pc.unique(source.system).to_pylist():
        system = system_of(name.removesuffix("_procedure"), "procedure" if name.endswith("_procedure") else None)
        levels = mapped_levels(system) if system is not None else None
        assert levels is not None
        rows = np.flatnonzero(pc.equal(source.system, name).to_numpy(zero_copy_only=False))
        codes = system.roll_up(source.code.take(pa.array(rows)), FULL).dictionary_encode()
        known = codes.dictionary
        there = [
            pc.index_in(_joined(pa.array([name] * len(known), pa.string()), text), value_set=items)
            for text in (known, levels.values(known, levels.rare), pa.array([OTHER] * len(known), pa.string()))
        ]
        first = len(mapped)
        mapped += pc.coalesce(*there).to_pylist()
        whole += pc.is_valid(there[0]).to_pylist()
        own = codes.indices.fill_null(-1 - first).to_numpy().astype(np.int64) + first
        numbers[rows] = own
    assert None not in mapped, "a code of the source becomes nothing that stands in the release"
    return numbers, np.array(mapped, np.int64), np.array(whole, bool)


class _Candidates:
    """How many released patients of a class have two items, anywhere or in one visit."""

    def __init__(self, klass: Numbers, person: Numbers, visit: Numbers, item: Numbers, items: int) -> None:
        self._items = items
        self._sets = np.zeros((int(klass.max()) + 1, items, items), np.int32)
        for number in range(len(self._sets)):
            members = np.flatnonzero(klass == number)
            for start in range(0, len(members), _AT_ONCE):
                part = members[start : start + _AT_ONCE]
                place = np.full(len(klass), -1)
                place[part] = np.arange(len(part))
                own = place[person] >= 0
                has = np.zeros((len(part), items), np.float32)
                has[place[person[own]], item[own]] = 1
                self._sets[number] += (has.T @ has).astype(np.int32)
        owner = np.zeros(int(visit.max()) + 1, np.int64)
        owner[visit] = person
        held = [
            np.unique((owner[g] * items + np.minimum(a, b)) * items + np.maximum(a, b))
            for g, a, b in _pairs(visit, item, items, itself=True)
        ]
        pairs = np.unique(np.concatenate(held))  # one for each patient and pair, whatever the visits
        people, pair = np.divmod(pairs, items * items)
        self._keys, self._counts = np.unique(klass[people] * (items * items) + pair, return_counts=True)

    def anywhere(self, klass: Numbers, a: Numbers, b: Numbers) -> Numbers:
        return np.asarray(self._sets[klass, a, b], np.int64)

    def in_a_visit(self, klass: Numbers, a: Numbers, b: Numbers) -> Numbers:
        keys = (klass * self._items + np.minimum(a, b)) * self._items + np.maximum(a, b)
        at = np.searchsorted(self._keys, keys)
        assert (self._keys[np.minimum(at, len(self._keys) - 1)] == keys).all(), "a target is no candidate"
        return np.asarray(self._counts[at], np.int64)


def _pairs(group: Numbers, value: Numbers, width: int, *, itself: bool) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Yield group, one and another distinct value of it, for all pairs, groups of one size at a time."""
    groups, values = np.divmod(np.unique(group * width + value), width)
    numbers, starts, sizes = np.unique(groups, return_index=True, return_counts=True)
    for size in np.unique(sizes):
        left, right = np.triu_indices(size, 0 if itself else 1)
        own = np.flatnonzero(sizes == size)
        for start in range(0, len(own), _AT_ONCE):
            part = own[start : start + _AT_ONCE]
            members = values[starts[part][:, None] + np.arange(size)]
            yield np.repeat(numbers[part], len(left)), members[:, left].ravel(), members[:, right].ravel()


def _chances(group: Numbers, code: Numbers, mapped: Numbers, count: object) -> npt.NDArray[np.float64]:
    """Return the mean chance over the pairs of each group, nan for a group with fewer than two codes."""
    total, drawn = np.zeros(int(group.max()) + 1), np.zeros(int(group.max()) + 1)
    for groups, one, other in _pairs(group, code, len(mapped), itself=False):
        found = count(groups, mapped[one], mapped[other])  # type: ignore[operator]
        total += np.bincount(groups, 1 / found, len(total))
        drawn += np.bincount(groups, minlength=len(total))
    return np.divide(total, drawn, out=np.full(len(total), np.nan), where=drawn > 0)


def _by_owner(
    stays: Numbers, who: Numbers, codes: Numbers, mapped: Numbers, klass: Numbers, candidates: _Candidates
) -> npt.NDArray[np.float64]:
    """Return the mean over each patient's visits of the chance with two codes of one."""
    owner = np.zeros(int(stays.max()) + 1, np.int64)
    owner[stays] = who
    each = _chances(stays, codes, mapped, lambda g, a, b: candidates.in_a_visit(klass[owner[g]], a, b))
    known = ~np.isnan(each)
    total, visits = np.bincount(owner[known], each[known], len(klass)), np.bincount(owner[known], minlength=len(klass))
    return np.divide(total, visits, out=np.full(len(klass), np.nan), where=visits > 0)


def _mean(chances: npt.NDArray[np.float64]) -> float:
    return float(np.nanmean(chances))


def classes_shown(table: pa.Table, key: str, columns: Sequence[str]) -> dict[str, Class]:
    """Return what a release shows of each patient, as text, by pseudonym."""
    cells = [["" if v is None else str(v) for v in table[name].to_pylist()] for name in columns]
    return dict(zip(table[key].to_pylist(), zip(*cells, strict=True), strict=True))
