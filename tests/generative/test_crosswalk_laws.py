"""Laws of the crosswalk against a dictionary: whatever is shown, committed, copied and put back, and in both ways."""

from __future__ import annotations

import base64
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.crosswalks import growing
from deid.crosswalks.checking import verify
from deid.crosswalks.copies import export_copy, restore_copy
from deid.crosswalks.crosswalk import Crosswalk
from deid.crosswalks.frozen import tagger
from deid.crosswalks.lookup import DomainLookup
from deid.crosswalks.partitions import DomainFile, DomainWriter, Entries
from deid.crosswalks.reversing import tags_of
from deid.keys.prf import BatchCmac, base32
from deid.patients.tags import U64
from deid.reidentify.marks import Marks, surrogate_bytes

KEY = bytes(range(32))
DOMAINS = ("a/p/patient_id", "b/p/patient_id", "a/p/date-offset")
IDS = st.text(max_size=20) | st.integers(0, 60).map(str)
RUNS = st.lists(
    st.dictionaries(st.sampled_from(DOMAINS), st.lists(IDS, max_size=30), max_size=3), min_size=1, max_size=4
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions of a few entries, so that domains are halved."""
    monkeypatch.setattr(growing, "_FULL", 4)


@settings(max_examples=40, deadline=None)
@given(runs=RUNS, copied_after=st.integers(0, 3), budget=st.sampled_from([256, 4096, 1 << 20]))
def test_it_is_a_dictionary_that_can_be_copied_and_reversed(
    runs: list[dict[str, list[str]]], copied_after: int, budget: int
) -> None:
    """Pseudonyms stay through runs, a copy and a restore; are one-to-one in a domain; and lead back to their tags."""
    with tempfile.TemporaryDirectory() as name:
        base, known = Path(name), {domain: dict[str, str]() for domain in DOMAINS}
        folder = base / "crosswalk"
        for number, shown in enumerate(runs):
            with Crosswalk.open(folder, KEY, spill=base / "spill", budget=budget) as crosswalk:
                for domain, ids in shown.items():
                    crosswalk.observe(domain, pa.array(ids, pa.string()))
                frozen = crosswalk.freeze()
                for domain, ids in shown.items():
                    told = frozen.pseudonyms(domain, pa.array(ids, pa.string())).to_pylist()
                    for text, pseudonym in zip(ids, told, strict=True):
                        assert known[domain].setdefault(text, pseudonym) == pseudonym
                assert {domain: frozen.count(domain) for domain in DOMAINS} == {d: len(k) for d, k in known.items()}
            if number == copied_after and any(known.values()):
                export_copy(folder, KEY, base / "copy", site="north", at=datetime.now(UTC))
                restore_copy(folder, KEY, base / "copy", site="north")
        assert (
            verify(folder, KEY).domains == {d: len(k) for d, k in known.items() if k} if any(known.values()) else True
        )
        for domain, table in known.items():
            assert len(set(table.values())) == len(table)
            _leads_back(folder, domain, table)


def _leads_back(folder: Path, domain: str, table: dict[str, str]) -> None:
    """Every pseudonym of a domain leads to its identifier, by its tag, and one that was never given to none."""
    pseudonyms = [*table.values(), "a" * 16]
    given_, tags = tags_of(folder, KEY, domain, surrogate_bytes(pseudonyms))
    assert given_.tolist() == [True] * len(table) + [False]
    if table:
        everyone = pa.array([*table, "somebody else"], pa.string())
        assert Marks(tagger(KEY, domain), tags[:-1]).find([everyone, everyone]) == list(table)


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(IDS, min_size=1, max_size=40, unique=True), chosen=st.data())
def test_keyed_pseudonyms_lead_back_by_their_key(ids: list[str], chosen: st.DataObject) -> None:
    """Any choice of keyed pseudonyms finds its identifiers in any batches of the source, dictionary-encoded or not."""
    cmac = BatchCmac(KEY)
    told = base32(cmac.digest(pa.array(ids))[:, :10]).to_pylist()
    rows = chosen.draw(st.lists(st.integers(0, len(ids) - 1), max_size=10, unique=True))
    cut = chosen.draw(st.integers(0, len(ids)))
    batches = [pa.array([*ids[:cut], None], pa.string()).dictionary_encode(), pa.array(ids[cut:], pa.string())]
    wanted = surrogate_bytes([told[row] for row in rows] + ["a" * 16])
    assert Marks(cmac, wanted).find(batches) == [*(ids[row] for row in rows), None]
    assert [base64.b32encode(mark.tobytes()).decode().lower() for mark in np.atleast_2d(wanted)][-1] == "a" * 16


@given(
    held=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), unique=True, max_size=20),
    asked=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=20),
    soon=st.none() | st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), max_size=20),
    budget=st.sampled_from([0, 60, 1 << 20]),
)
@settings(max_examples=150, deadline=None)
def test_tags_that_share_their_first_word_are_told_apart(
    held: list[tuple[int, int, bool]],
    asked: list[tuple[int, int, bool]],
    soon: set[tuple[int, int, bool]] | None,
    budget: int,
) -> None:
    """Kept, foreseen or opened each time, tags that begin alike are told apart; none is found that is not there."""
    with tempfile.TemporaryDirectory() as name:
        table = {_tag(*each): bytes([number]) * 10 for number, each in enumerate(held)}
        writer = DomainWriter(Path(name), "d", 2, KEY)
        for half in range(2):
            mine = sorted(tag for tag in table if tag[0] >> 63 == half)
            drawn = np.frombuffer(b"".join(table[tag] for tag in mine), np.uint8).reshape(-1, 10)
            writer.write(Entries(*_columns(mine), drawn))
        entry = writer.finish()
        writer.close()
        wanted = sorted(_tag(*each) for each in asked)
        with DomainLookup(DomainFile(Path(name) / entry.file, entry, KEY), budget=budget) as lookup:
            for _ in range(2):
                if soon is not None:
                    lookup.foresee(*_columns(sorted(_tag(*each) for each in soon)))
                found, surrogates = lookup.find(*_columns(wanted))
                assert found.tolist() == [tag in table for tag in wanted]
                assert [row.tobytes() for row in surrogates] == [table.get(tag, bytes(10)) for tag in wanted]


def _tag(high: int, low: int, upper: bool) -> tuple[int, int]:
    return high + (upper << 63), low


def _columns(tags: list[tuple[int, int]]) -> tuple[U64, U64]:
    return np.array([high for high, _ in tags], np.uint64), np.array([low for _, low in tags], np.uint64)
