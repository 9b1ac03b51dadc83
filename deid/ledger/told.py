"""What the releases of a series have shown of mapped codes, patient by patient: whoever has them joins them all.

Of a cumulative file there is what it has more than those before. A row is one patient with one item, the dates that the
release ties it to, one visit and one release: 26 bytes. Items are what was released, never the codes behind them; one
stands for what was left empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import scattered
from deid.disclosure.coded import Coded
from deid.disclosure.dated import Tied
from deid.known_codes.entries import NO_VISIT, Entries
from deid.ledger.state import State

Integers = npt.NDArray[np.int32]
_SEPARATOR = "\x1f"
_TYPES = {
    "patient": np.int32,
    "item": np.int32,
    "dates": np.uint64,
    "visit": np.int32,
    "release": np.int16,
    "mentions": np.int32,
}
SCHEMA = pa.schema([(name, pa.from_numpy_dtype(np.dtype(type_))) for name, type_ in _TYPES.items()])
ITEMS = pa.schema([("system", pa.string()), ("text", pa.string())])


@dataclass(frozen=True, slots=True)
class Told:
    """All that was shown, in the order of releases; each array of shape (n,).

    `patient`: int32, the place in the series' state. `item`: int32, the row of `items`, a table of code system and
    text, null for what was left empty. `dates`: uint64, a print of the dates that the release ties the item to, 0 for
    none. `visit`: int32, numbered over all releases, NO_VISIT where none is told. `release`: int16, its number.
    `mentions`: int32, of an entry of several visits they stand with its first one.
    """

    patient: Integers = field(repr=False)
    item: Integers = field(repr=False)
    dates: npt.NDArray[np.uint64] = field(repr=False)
    visit: Integers = field(repr=False)
    release: npt.NDArray[np.int16] = field(repr=False)
    mentions: Integers = field(repr=False)
    items: pa.Table = field(repr=False)

    @classmethod
    def nothing(cls) -> Told:
        """Return what a series has shown that shows no codes."""
        return cls.of(SCHEMA.empty_table(), ITEMS.empty_table())

    @classmethod
    def of(cls, table: pa.Table, items: pa.Table) -> Told:
        """Return what tables of `SCHEMA` and `ITEMS` hold."""
        return cls(**{name: table[name].to_numpy().astype(type_) for name, type_ in _TYPES.items()}, items=items)

    def table(self) -> pa.Table:
        """Return the rows as a table of `SCHEMA`."""
        return pa.table([pa.array(getattr(self, name)) for name in _TYPES], schema=SCHEMA)

    def bytes(self) -> bytes:
        """Return everything in a form of its own, for a digest."""
        arrays = (np.ascontiguousarray(getattr(self, name)).tobytes() for name in _TYPES)
        return b"".join((*arrays, msgspec.json.encode(self.items.to_pydict(), order="sorted")))

    def __len__(self) -> int:
        return len(self.patient)

    def placed(self, before: State, after: State) -> Told:
        """Return the same under the places of another state of the series, which knows all of these patients."""
        return replace(self, patient=after.find(before.tags)[self.patient].astype(np.int32))

    def with_release(
        self, number: int, patient: Integers, item: Integers, dates: npt.NDArray[np.uint64], visit: Integers,
        mentions: Integers, items: pa.Table,
    ) -> Told:  # fmt: skip
        """Return this with the rows of one more release; `item` counts in `items`, and visits from 0 on."""
        known, fresh = _keys(self.items), _keys(items)
        is_new = pc.invert(pc.is_in(fresh, value_set=known))
        together = pa.concat_tables([self.items, items.filter(is_new)]).combine_chunks()
        at = pc.index_in(fresh, value_set=_keys(together)).to_numpy(zero_copy_only=False).astype(np.int32)
        begins = np.int32(self.visit.max(initial=-1) + 1)
        added = {
            "patient": patient,
            "item": at[item] if len(item) else item,
            "dates": dates,
            "visit": np.where(visit == NO_VISIT, visit, visit + begins),
            "release": np.full(len(item), number),
            "mentions": mentions,
        }
        joined = {n: np.concatenate([getattr(self, n), added[n].astype(type_)]) for n, type_ in _TYPES.items()}
        return Told(**joined, items=together)

    def without_repeated(self, number: int) -> Told:
        """Return this where release `number` is a cumulative file: of it, what those before have not shown.

        That is an item with dates which the patient had not, with its visits; or more mentions of one, without.
        """
        now = self.release == number
        if now.all():
            return self
        order = np.lexsort((self.dates, self.item, self.patient))
        keys = [values[order] for values in (self.patient, self.item, self.dates)]
        new = np.append(True, np.logical_or.reduce([key[1:] != key[:-1] for key in keys]))[: len(order)]
        which = np.empty(len(order), np.int64)
        which[order] = np.cumsum(new) - 1
        groups = int(new.sum())
        before = np.bincount(which[~now], weights=self.mentions[~now], minlength=groups)
        shown = np.bincount(which[~now], minlength=groups) > 0
        more = np.bincount(which[now], weights=self.mentions[now], minlength=groups) - before
        again = np.flatnonzero(now & shown[which])
        _, first = np.unique(which[again], return_index=True)
        grown = again[first][more[which[again[first]]] > 0]
        mentions, visit = self.mentions.copy(), self.visit.copy()
        mentions[grown], visit[grown] = more[which[grown]].astype(np.int32), NO_VISIT
        kept = ~(now & shown[which])
        kept[grown] = True
        changed = replace(self, mentions=mentions, visit=visit)
        return Told(**{name: getattr(changed, name)[kept] for name in _TYPES}, items=self.items)

    def coded(self, state: State) -> Coded:
        """Return who has shown which items, whenever, in the class of their first release."""
        entries = Entries()
        entries.add(self.patient, self.item, self.visit, self.mentions)
        return replace(entries.coded(len(state)), klass=np.where(state.shown, state.klass, -1).astype(np.int32))

    def tied(self, state: State, *, by_release: bool) -> Tied:
        """Return who has shown which items beside which dates; `by_release`: their release tells a date, too."""
        own = self.dates + scattered(self.release) * np.uint64(by_release)
        prints, unit = np.unique(own, return_inverse=True)
        keys = self.item.astype(np.int64) * max(len(prints), 1) + unit
        compounds, number = np.unique(keys, return_inverse=True)
        entries = Entries()
        entries.add(self.patient, number.astype(np.int32), self.visit, self.mentions)
        klass = np.where(state.shown, state.klass, -1).astype(np.int32)
        of_code, of_unit = np.divmod(compounds, max(len(prints), 1))
        coded = replace(entries.coded(len(state)), klass=klass)
        return Tied(coded, of_code.astype(np.int32), of_unit.astype(np.int32), prints)


def _keys(items: pa.Table) -> pa.Array:
    system, text = (items[name].combine_chunks() for name in ("system", "text"))
    return pc.binary_join_element_wise(system, text.fill_null(_SEPARATOR), _SEPARATOR)
