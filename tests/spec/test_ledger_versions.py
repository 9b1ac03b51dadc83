"""Ledgers of version 1 are read: their digests stay what their releases say, and what they do not know is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from msgspec import UNSET
from test_ledger_store import CODES, FROZEN, VECTORS, publish, series_in

from deid.errors import StorageError
from deid.ledger import Ledger, Movement, ReleaseEntry, State, Withheld, store
from deid.ledger.book import Book, decode, digest, encode
from deid.ledger.records import NEWEST, READ, JoinFigure
from deid.ledger.told import ITEMS, SCHEMA, Told

KEY = bytes(range(32))
FIRST, _ = READ
# Of `book_of(FIRST)`, as version 1 computed it.
DIGEST = "26ecabdd58e7cabff55a7f1dd2d93dee991f772596b9c2e3e810f202c7aeb9e6"
HEAD = (
    '{"format":"deid-ledger/1","frozen":{"chosen":[{"level":1,"name":"birth_date","rungs":["year","drop"]}],"c'
    'ode_lists":{"icd10cm":"2026"},"columns":[{"column":"SEX","kind":"sex","rule":"keep","table":"patients"}],'
    '"k":3,"limits_sha256":"0000000000000000000000000000000000000000000000000000000000000000","mode":"cumulati'
    've","places":[["patients","SEX"],["patients","BORN"]]},"maps":[{"declared":["E11"],"declared_at":"categor'
    'y","kind":"icd10cm","otherwise":"chapter"}],"party":"party","prints":["sex keep"],"releases":[{"confirmed'
    '":true,"created":"2026-01-01","joins":[{"at_most":0.5,"exact":0.25,"kinds":["sex"],"party":"party","patie'
    'nts_in_both":7,"request":"other"}],"joint_k":4,"manifest_sha256":"ab","movement":{"arrived":3,"at_once":3'
    ',"coarsest":3,"corrected":3,"drawn":3,"excluded":3,"excluded_now":3,"held":3,"left":3,"released":3},"numb'
    'er":1,"period":"2026-01","release":"one"}],"request":"study"}'
)


def book_of(version: str) -> Book:
    """Return a book of one release, whose newest fields say nothing."""
    movement = Movement(**dict.fromkeys(Movement.__dataclass_fields__, 3))
    joins = (JoinFigure("other", "party", ("sex",), 7, 0.25, 0.5),)
    entry = ReleaseEntry(1, "one", "ab", True, date(2026, 1, 1), "2026-01", movement, 4, joins)
    ones = np.ones(2, np.int16)
    tags = np.array([[1, 2], [3, 4]], np.uint64)
    state = State(
        tags, np.zeros(2, np.int32), np.ones(2, np.uint8), ones * 0, ones, ones * 0, np.array([[5], [6]], np.uint64)
    )
    return Book(
        "study", "party", FROZEN, (entry,), VECTORS, CODES, Withheld.nothing(), ("sex keep",), state, version=version
    )


def test_a_book_of_version_1_says_what_it_always_said() -> None:
    """Byte by byte and by its digest, which its newest release names; it is read and written as what it is."""
    book = book_of(FIRST)
    assert digest(book, KEY) == DIGEST
    parts = encode(book)
    assert parts["head"].decode() == HEAD
    assert set(parts) == {"head", "vectors", "codes", "withheld", "patients"}
    found = decode(parts)
    assert (found.version, found.frozen.asked, found.readers) == (FIRST, UNSET, ())
    assert digest(found, KEY) == DIGEST


def test_the_next_release_makes_it_a_book_of_the_newest_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What version 1 published is known by its manifest, and followed."""
    series = series_in(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("deid.ledger.Book", lambda *a, **k: Book(*a, **{**k, "version": FIRST}))
        publish(series, "one", range(8))
    first = Ledger.open(series).book
    assert first is not None
    assert (first.version, first.newest.confirmed) == (FIRST, True)
    publish(series, "two", range(12))
    second = Ledger.open(series).book
    assert second is not None
    assert (second.version, len(second.releases)) == (NEWEST, 2)


def told_of(rows: list[tuple[int, int, int, int, int, int]], texts: list[tuple[str, str | None]]) -> Told:
    """Return what a series has shown: patient, item, dates, visit, release, mentions."""
    columns = [pa.array(column, field.type) for field, column in zip(SCHEMA, zip(*rows, strict=True), strict=True)]
    table = pa.table(columns, schema=SCHEMA)
    items = pa.table({"system": [s for s, _ in texts], "text": pa.array([t for _, t in texts], pa.string())})
    return Told.of(table, items.cast(ITEMS))


def test_what_increments_told_is_written_read_and_under_the_digest() -> None:
    """Every column and item comes back; another mention is another book."""
    rows = [(0, 0, 2**63 + 5, -1, 1, 4), (1, 1, 0, 7, 2, 1)]
    told = told_of(rows, [("icd10cm", "E11"), ("", None)])
    book = replace(book_of(NEWEST), told=told, readers=("aa", "bb"))
    found = decode(encode(book))
    assert found.told.table().to_pydict() == told.table().to_pydict()
    assert found.told.items.to_pylist() == told.items.to_pylist()
    assert found.readers == ("aa", "bb")
    assert digest(found, KEY) == digest(book, KEY)
    more = replace(book, told=told_of([rows[0], (1, 1, 0, 7, 2, 2)], [("icd10cm", "E11"), ("", None)]))
    assert digest(more, KEY) != digest(book, KEY)
    assert digest(replace(book, readers=("aa",)), KEY) != digest(book, KEY)


def test_a_book_of_an_unknown_version_is_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that a later deid wrote."""
    series = series_in(tmp_path)
    later = msgspec.json.encode("deid-ledger/3")[1:-1].decode()
    with monkeypatch.context() as patched:
        patched.setattr("deid.ledger.Book", lambda *a, **k: Book(*a, **{**k, "version": later}))
        patched.setattr("deid.ledger.book.READ", (*READ, later))
        publish(series, "one", range(8))
    with pytest.raises(StorageError) as refused:
        store.open_ledger(series)
    assert "a later one" in str(refused.value.hint)
