"""Identifiers in notes: those that an outsider knows are looked for in every released note."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.base import Belief, Candidates, Trace
from deid.attacks.bits import NONE, Int64
from deid.attacks.knowledge import Knowledge
from deid.attacks.parts import parts
from deid.attacks.released import Released, Values, index
from deid.kinds import KINDS, Value

_SHORTEST_NUMBER, _SHORTEST_NAME = 6, 3
_ROWS = 4_096  # notes that are taken apart at once
NUMBERS = ("ssn", "mrn", "member_id", "account_number", "phone", "email", "patient_id")


class Notes:
    """Reads notes for numbers that are somebody's, and for names by which somebody may be found."""

    name: ClassVar[str] = "notes"
    asks: ClassVar[str] = "looks for known names and numbers of patients in released notes"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield how many known numbers stand in notes, and whose names stand in whose notes."""
        columns = [(t, c.name) for t, c in release.columns() if KINDS[c.kind].value is Value.NOTE]
        if not columns:
            return
        words = [_words(release, table, column) for table, column in columns]
        for kind in NUMBERS:
            if kind in known.identifiers:
                yield _numbers(kind, known.identifiers[kind], words)
        for targets, people in parts(known.close, len(release)):
            if not people.names:
                continue
            bits = None
            for names in people.names.values():
                found = _named(names, words)
                bits = found if bits is None else bits & found
            if bits is not None:
                told = pc.invert(pc.equal(next(iter(people.names.values())), "")).to_numpy(zero_copy_only=False)
                at = targets
                yield Candidates("full name in a note", at[told], bits[told])


def _words(release: Released, table: str, column: str) -> Values:
    """Return the words of notes, lower case, numbers without the marks between their digits, and who has which."""
    who = release.who(table)
    cells = release.cells(table, column)
    texts, owners = [], []
    for start in range(0, len(cells), _ROWS):
        text = pc.utf8_lower(pc.fill_null(cells.slice(start, _ROWS), ""))
        joined = pc.replace_substring_regex(text, r"(\d)[-.()/ ]+(\d)", r"\1\2")
        joined = pc.replace_substring_regex(joined, r"(\d)[-.()/ ]+(\d)", r"\1\2")
        for version in (text, joined):
            lists = pc.split_pattern_regex(version, r"[^\pL\pN@._-]+")
            texts.append(pc.utf8_trim(pc.list_flatten(lists), characters="._-"))
            rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64) + start
            owners.append(rows)
    if who is None or not texts:
        return index(pa.array([], pa.string()), np.zeros(0, np.int64), len(release))
    return index(pa.concat_arrays(texts), who[np.concatenate(owners)], len(release))


def _numbers(kind: str, ids: pa.Array, words: list[Values]) -> Trace:
    told = pc.utf8_lower(pc.drop_null(ids).cast(pa.string()))
    asked = told if kind == "email" else pc.replace_substring_regex(told, r"[-.()/ ]", "")
    asked = asked.filter(pc.greater_equal(pc.utf8_length(asked), _SHORTEST_NUMBER))
    # Lines 555-0100 to 555-0199 are nobody's: an invented number may be one, and a made-up population may have them.
    asked = pc.unique(asked.filter(pc.invert(pc.match_substring_regex(asked, r"^\d{3}55501\d\d$"))))
    backwards = pc.utf8_reverse(asked)
    control = backwards.filter(pc.invert(pc.is_in(backwards, value_set=asked)))
    told_of = f"known values of kind {kind} that stand in a note"
    return Trace(
        f"numbers of kind {kind}", _standing(asked, words), len(asked), told_of, float(_standing(control, words))
    )


def _standing(asked: pa.Array, words: list[Values]) -> int:
    """Return how many of these stand in a note."""
    return sum(int(pc.sum(pc.is_in(asked, value_set=held.distinct)).as_py() or 0) for held in words)


def _named(names: pa.Array, words: list[Values]) -> np.ndarray:
    long = pc.greater_equal(pc.utf8_length(names), _SHORTEST_NAME)
    asked = pc.if_else(long, names, pa.scalar(None, pa.string()))
    found = None
    for held in words:
        wanted: Int64 = held.find(asked, empty=NONE)
        bits = held.postings.bits(wanted)
        found = bits if found is None else found | bits
    assert found is not None
    return found
