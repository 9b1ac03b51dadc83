"""Numbers of classes that stay from release to release, and new ones behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain
from deid.disclosure.leaves import vector_texts
from deid.ledger.arrivals import Arrivals
from deid.ledger.book import Book
from deid.observing.controls import Place

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Numbered:
    """Classes of today's vectors under the frozen recoding: those of the book by their numbers, new ones after them.

    `numbers`: int32 (vectors,). `first`: a vector of each new class. `coarsest`: the class of empty values.
    """

    numbers: npt.NDArray[np.int32]
    before: Sequence[pa.Array]
    cells: Sequence[pa.Array]
    first: Places
    known: int
    coarsest: int

    @classmethod
    def of(cls, book: Book, cells: Sequence[pa.Array], rows: int) -> Numbered:
        """Number the vectors: `cells` are what each shows, one array a column, in the order of the book's places."""
        before = [plain(book.vectors[place]) for place in book.frozen.places]
        known = len(before[0]) if before else 1
        texts, held = vector_texts(cells, rows), vector_texts(before, known)
        at = pc.index_in(texts, held)
        is_new = at.is_null().to_numpy(zero_copy_only=False)
        encoded = texts.filter(pa.array(is_new)).dictionary_encode()
        own = encoded.indices.to_numpy(zero_copy_only=False)
        numbers = at.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        numbers[is_new] = known + own
        _, first = np.unique(own, return_index=True)
        empty = vector_texts([pa.nulls(1, column.type) for column in cells], 1)
        coarsest = pc.index_in(empty, pa.concat_arrays([held, encoded.dictionary.cast(pa.string())]))[0].as_py()
        after = known + len(encoded.dictionary)
        return cls(
            numbers, before, cells, np.flatnonzero(is_new)[first], known, after if coarsest is None else coarsest
        )

    def kept(self, found: Arrivals, places: Sequence[Place]) -> tuple[Arrivals, dict[Place, pa.Array]]:
        """Drop new classes that show nobody; return the arrivals under final numbers, and what each class shows."""
        state = found.state
        total = max(self.known + len(self.first), self.coarsest + 1)
        used = np.zeros(total, bool)
        used[: self.known] = True
        used[state.klass[state.shown]] = True
        final = np.where(used, np.cumsum(used) - 1, -1).astype(np.int32)
        is_held = ~state.shown
        klass = np.where(state.klass >= 0, final[state.klass], -1).astype(np.int32)
        klass[is_held] = -1  # the class of who was never shown is looked up anew
        shown = np.where(found.released, final[found.klass], -1).astype(np.int32)
        fresh = np.flatnonzero(used[self.known :])
        columns: dict[Place, pa.Array] = {}
        for place, before, cells in zip(places, self.before, self.cells, strict=True):
            # The class of empty values may be one that no vector of the data has: null, as taken from nowhere.
            at = np.append(self.first, np.int64(-1))[np.minimum(fresh, len(self.first))]
            columns[place] = pa.concat_arrays([before, cells.take(pa.array(at, mask=at < 0))])
        return replace(found, state=replace(state, klass=klass), klass=shown), columns
