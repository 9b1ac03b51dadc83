"""What a run showed to everything that takes note of its rows, kept so that it can be shown again, cut in other ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from tiny_sources import World

import deid.export
import deid.staged_tables
from deid.observing.rows import TypedRows
from deid.pipeline import Transformed

Cuts = tuple[int, Sequence[float], Sequence[bool]]
# A seed that puts rows into another order, where batches end, and which of these ends are those of a part.
CUTS = st.tuples(
    st.integers(0, 2**16),
    st.lists(st.floats(0, 1), max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
)


class Recorded:
    """The arguments of what a run made and saw: of the judge, of both sides of the report, and of the report."""

    def __init__(self) -> None:
        self.judge: tuple[Any, ...] = ()
        self.source_side: tuple[Any, ...] = ()
        self.release_side: tuple[Any, ...] = ()
        self.prints: Any = None
        self.is_continued = False
        self.seen: list[tuple[Any, Any, TypedRows, Transformed]] = []
        self.read_back: list[tuple[Any, pa.RecordBatch]] = []
        self.report: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
        self.told: Any = None


def recorded(world: World, request: Any) -> Recorded:
    """Run a request, and return what its rows were shown to."""
    found = Recorded()
    judge, tallies = deid.staged_tables.Judge, deid.staged_tables.RowTallies
    source_side, release_side, report = deid.staged_tables.SourceSide, deid.export.ReleaseSide, deid.export.report

    class Judge(judge):  # type: ignore[misc, valid-type]
        def __init__(self, *given: Any) -> None:
            found.judge = given
            super().__init__(*given)

    class Source(source_side):  # type: ignore[misc, valid-type]
        def __init__(self, *given: Any) -> None:
            found.source_side = given
            super().__init__(*given)

    class Tallies(tallies):  # type: ignore[misc, valid-type]
        __slots__ = ()

        def see(self, *given: Any) -> None:
            found.seen.append(given)  # type: ignore[arg-type]
            found.prints, found.is_continued = self.prints, self.source_side.is_continued
            tallies.see(self, *given)

    class Release(release_side):  # type: ignore[misc, valid-type]
        def __init__(self, *given: Any) -> None:
            found.release_side = given
            super().__init__(*given)

        def see(self, planned: Any, batch: pa.RecordBatch) -> None:
            found.read_back.append((planned, batch))
            super().see(planned, batch)

    def reported(*given: Any, **named: Any) -> Any:
        found.report = (given, named)
        found.told = report(*given, **named)
        return found.told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deid.staged_tables, "Judge", Judge)
        patch.setattr(deid.staged_tables, "SourceSide", Source)
        patch.setattr(deid.staged_tables, "RowTallies", Tallies)
        patch.setattr(deid.export, "ReleaseSide", Release)
        patch.setattr(deid.export, "report", reported)
        world.site.run(request)
    return found


def parts_of(batches: Sequence[tuple[Any, ...]], cuts: Cuts) -> list[list[tuple[Any, ...]]]:
    """Return the rows of each recorded batch in another order, cut into parts of batches; no part is of two tables."""
    seed, ends, is_part = cuts
    parts: list[list[tuple[Any, ...]]] = []
    for number, given in enumerate(batches):
        size = len(given[2]) if len(given) > 2 else given[1].num_rows
        order = np.random.default_rng([seed, number]).permutation(size)
        places = sorted(round(end * size) for end in ends)
        parts.append([])
        for at, (start, end) in enumerate(zip([0, *places], [*places, size], strict=True)):
            parts[-1].append(some(given, order[start:end]))
            if at < len(places) and is_part[at]:
                parts.append([])
    return parts


def some(given: tuple[Any, ...], order: npt.NDArray[np.int64]) -> tuple[Any, ...]:
    """Return some rows of a recorded batch, in an order."""
    if len(given) == 2:
        return (given[0], given[1].take(pa.array(order)))
    planned, decision, rows, done = given
    taken = pa.array(order)
    values = {name: cells.take(taken) for name, cells in rows.values.items()}
    few = TypedRows(rows.table, rows.raw.take(taken), values, rows.patient[order], rows.bad[order])
    place = np.full(len(rows), -1, np.int64)
    place[done.kept] = np.arange(len(done.kept))
    own = place[order]
    kept = np.flatnonzero(own >= 0)
    malformed = {name: flags[own[kept]] for name, flags in done.malformed.items()}
    return planned, decision, few, Transformed(done.batch.take(pa.array(own[kept])), kept, malformed)
