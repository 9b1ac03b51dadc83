"""Columns of a table: what paths lead to, and the keys that are made of several values.

What a key cannot know (twins, two numbers of one person, two payers) is said in docs/formats/dataset.md.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.sources.x12.cells import DEPENDENT, PAYER, SUBSCRIBER, Cells, Rows, cells_of, is_dependent, is_shared, placed
from deid.sources.x12.paths import Each, Key, Path, Place, Where
from deid.sources.x12.reader import Window
from deid.sources.x12.words import DIAGNOSES, PROCEDURES, Level, Loop

_UNIT = "\x1f"  # between the parts of a key
_OF_PERSON = "%patient"
_PEOPLE = Each(Where(Loop.L2000C), "HL")


def column(window: Window, rows: Rows, path: Path) -> pa.Array:
    """Return one cell for each row, null where there is none: strings, or a dictionary where rows share values."""
    found = None
    for place in path.places:
        one = _key(window, rows, place.name) if isinstance(place, Key) else cells_of(window, rows, place)
        found = one if found is None else found.otherwise(one)
    assert found is not None
    shared = any(
        place.name.startswith(_OF_PERSON) if isinstance(place, Key) else is_shared(place, rows.each)
        for place in path.places
    )
    return found.coded() if shared else found.plain()


def _key(window: Window, rows: Rows, name: str) -> Cells:
    if name.startswith(_OF_PERSON):
        return _patient(window, rows, with_payer=name.endswith("[payer]"))
    if name == "%sequence":
        return Cells.of(_sequence(window, rows))
    if name == "%claim":
        return Cells.of(_claim(window, rows))
    if name == "%line":
        return Cells.of(pc.binary_join_element_wise(_claim(window, rows), _line(window, rows), "-"))
    return Cells.of(_said(window, rows, 0 if name == "%role" else 1))


def _patient(window: Window, rows: Rows, *, with_payer: bool) -> Cells:
    """Return the key of each row's patient, made once for each person."""
    people = Rows(_PEOPLE, window.loops.openers(Level.PERSON))

    def said(segment: str, element: int, where: Where = DEPENDENT) -> pa.StringArray:
        return placed(window, people, Place(segment, element), where).plain()

    member, names = said("NM1", 9, SUBSCRIBER), [pc.utf8_upper(pc.utf8_trim_whitespace(said("NM1", n))) for n in (3, 4)]
    parts = [*names, said("DMG", 2), said("DMG", 3)]
    described = pc.binary_join_element_wise(member, *(part.fill_null("") for part in parts), _UNIT)
    # Without a name, all children of a family would be one patient, and each have the records of the others.
    named = pc.or_(names[0].is_valid(), names[1].is_valid())
    own = said("NM1", 9)
    # Senders repeat the subscriber's number here: taken for the dependent's own, it would make a family one patient.
    repeated = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(own), pc.utf8_trim_whitespace(member)), False)
    own = pc.if_else(repeated, pa.scalar(None, pa.string()), own)
    child = pc.coalesce(own, pc.if_else(named, described, pa.scalar(None, pa.string())))
    key = pc.if_else(pa.array(is_dependent(window, people)), child, member)
    if with_payer:
        key = pc.binary_join_element_wise(said("NM1", 9, PAYER).fill_null(""), key, _UNIT)
    of_people = Cells.of(key)
    return Cells(key.fill_null(""), of_people.at[window.loops.ordinals(Level.PERSON)[rows.at]])


def _claim(window: Window, rows: Rows) -> pa.StringArray:
    """Return the key of each row's claim: a digest of its transaction set, and the claim's position in that."""
    sets = window.loops.ordinals(Level.SET)
    numbers = np.arange(len(window.set_keys))
    earlier = np.where(numbers == 0, window.claims_before, 0)
    before = earlier - np.searchsorted(sets[window.claims], numbers) + 1
    ordinal = window.loops.ordinals(Level.CLAIM)[rows.at] + before[sets[rows.at]]
    digests = pa.array(window.set_keys, pa.string()).take(pa.array(sets[rows.at]))
    return pc.binary_join_element_wise(digests, pa.array(ordinal).cast(pa.string()), "-")


def _sequence(window: Window, rows: Rows) -> pa.StringArray:
    """Return the position of each row among those of its claim, from 1."""
    groups = window.loops.ordinals(Level.CLAIM)[rows.at]
    place = np.arange(len(groups))
    starts = np.zeros(len(groups), np.int64)
    starts[1:] = np.where(groups[1:] != groups[:-1], place[1:], 0)
    return pa.array(place - np.maximum.accumulate(starts) + 1).cast(pa.string())


def _line(window: Window, rows: Rows) -> pa.StringArray:
    """Return the position in its claim of the line that each row belongs to, from 1."""
    claim = window.loops.ordinals(Level.CLAIM)
    first = np.searchsorted(claim[window.loops.openers(Level.LINE)], claim[rows.at])
    return pa.array(window.loops.ordinals(Level.LINE)[rows.at] - first + 1).cast(pa.string())


def _said(window: Window, rows: Rows, which: int) -> pa.StringArray:
    """Return what the qualifier of each composite says: its role, or its revision of ICD."""
    assert rows.composites is not None
    known = DIAGNOSES | PROCEDURES
    found = window.segments.texts(window.segments.components(rows.composites, 1))
    at = pc.index_in(found, value_set=pa.array(list(known)))
    return pa.array([said[which] for said in known.values()], pa.string()).take(at)
