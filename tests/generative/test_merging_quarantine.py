"""Laws of merging: bad rows that were kept in parts are set aside as if one reader had met them all."""

from __future__ import annotations

import pickle
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_sources import REQUESTED, World

from deid.documents.request import OnBadRow, Request
from deid.errors import SourceError
from deid.observing.rows import TypedRows
from deid.release.quarantine import BadRowsKept, BadRowsState, Quarantine, read_quarantined
from deid.schema import Table

ROWS = st.lists(st.tuples(st.sampled_from([b"one", b"two", b"\xff\xfe", None]), st.booleans()), max_size=6)
PARTS = st.lists(st.lists(ROWS, max_size=3), max_size=4)
Cells = list[tuple[bytes | None, bool]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return one site for the module."""
    return World(tmp_path_factory.mktemp("bad") / "site")


@pytest.fixture(scope="module")
def asked(world: World) -> tuple[Request, Table]:
    """Return a request that sets bad rows aside, and a table of it."""
    plan = world.site.plan(world.request(world.source(), REQUESTED, on_bad_row="quarantine"))
    return plan.request, plan.tables[0].table


def batch_of(table: Table, cells: Cells) -> TypedRows:
    """Return a batch of rows, each with a cell and whether it is bad."""
    raw = pa.record_batch({"ID": pa.array([cell for cell, _ in cells], pa.binary()), "N": pa.array(range(len(cells)))})
    bad = np.array([is_bad for _, is_bad in cells], bool)
    return TypedRows(table, raw, {}, np.where(bad, -1, 0).astype(np.int32), bad)


@contextmanager
def quarantine(world: World, request: Request) -> Iterator[tuple[Quarantine, Path]]:
    """Yield a quarantine, and the folder in which it keeps."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        with Quarantine(request, "one", state, world.site.provider) as made:
            yield made, state / "quarantine" / request.name / "one"


def kept(parts: list[list[Cells]], table: Table, *, refuses: bool = False) -> Iterator[BadRowsState]:
    """Yield what each part keeps, as another process would have it."""
    for part in parts:
        own = BadRowsKept(refuses=refuses)
        for cells in part:
            own.take(batch_of(table, cells))
        state = own.state()
        assert "one" not in repr(state)
        assert "fffe" not in repr(state)
        yield pickle.loads(pickle.dumps(state, protocol=5))  # noqa: S301 - our own


def read(folder: Path, world: World) -> Counter[tuple[object, ...]]:
    """Return the rows that lie in quarantine; a file's rows are shuffled."""
    if not folder.exists():
        return Counter()
    tables = read_quarantined(folder, world.site.provider)
    return Counter(tuple(row.values()) for rows in tables.values() for batch in rows for row in batch.to_pylist())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=PARTS)
def test_bad_rows_of_parts_are_set_aside(world: World, asked: tuple[Request, Table], parts: list[list[Cells]]) -> None:
    """The same rows are set aside and counted, bytes that are no text among them."""
    request, table = asked
    with quarantine(world, request) as (one, folder):
        for part in parts:
            for cells in part:
                one.take(batch_of(table, cells))
        one.finish_table(table.name, Counter())
        one.keep()
        expected, counts = read(folder, world), dict(one.rows)
    with quarantine(world, request) as (merged, folder):
        for state in kept(parts, table):
            merged.merge(table, state)
        merged.finish_table(table.name, Counter())
        merged.keep()
        assert read(folder, world) == expected
        assert dict(merged.rows) == counts
    assert sum(expected.values()) == sum(is_bad for part in parts for cells in part for _, is_bad in cells)


def test_kept_rows_can_be_merged_before(asked: tuple[Request, Table]) -> None:
    """What parts kept may be brought together first; in their order nothing is lost."""
    _, table = asked
    cells: Cells = [(b"one", True), (b"two", False)]
    together = BadRowsKept()
    for state in kept([[cells], [cells, cells]], table):
        together.merge(state)
    assert sum(batch.num_rows for batch in together.state().batches) == 3


def test_a_run_that_refuses_keeps_nothing(world: World, asked: tuple[Request, Table]) -> None:
    """Where bad rows are refused no part keeps a cell of them, and the whole run refuses with all counts."""
    request, table = asked
    parts: list[list[Cells]] = [[[(b"one", True)]]]
    assert [state.batches for state in kept(parts, table, refuses=True)] == [()]
    with quarantine(world, replace(request, on_bad_row=OnBadRow.REFUSE)) as (refusing, folder):
        for state in kept(parts, table):
            refusing.merge(table, state)
        with pytest.raises(SourceError, match="2 rows: no patient"):
            refusing.finish_table(table.name, Counter({"no patient": 1}) + Counter({"no patient": 1}))
        assert not folder.parent.exists()
