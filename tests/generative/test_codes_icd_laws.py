"""Laws of ICD and MS-DRG systems, over real codes, damaged codes and text."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.cells.days import NO_DAY, number_of_day
from deid.cells.shapes import SHAPES
from deid.codes import CODE_SYSTEMS
from deid.codes.base import UNMAPPED, Status

NAMES = ("icd10cm", "icd10pcs", "icd9cm", "icd9cm_procedure", "drg", "icd10", "icd_any")
# From fine to coarse; each of these is a function of the one before.
LADDERS = {
    "icd10cm": ("category", "block", "chapter"),
    "icd10pcs": ("operation", "body_system", "section"),
    "icd9cm": ("category", "chapter"),
    "icd9cm_procedure": ("category", "chapter"),
    "icd10": ("category", "chapter"),
}
DAY = st.integers(number_of_day(1980, 1, 1), number_of_day(2030, 1, 1))
MARKS = (".", "X", "A", "0", "-", "V30", "*")


@functools.cache
def listed() -> tuple[str, ...]:
    """Return every code of the tables."""
    systems: list[Any] = [CODE_SYSTEMS[name] for name in ("icd10cm", "icd10pcs", "icd9cm", "drg")]
    return tuple(itertools.chain.from_iterable(system.table.rows.column("code").to_pylist() for system in systems))


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """Draw a listed code, whole, without its dot, in small letters, cut, extended, or among blanks."""
    code = listed()[draw(st.integers(0, len(listed()) - 1))]
    mark = draw(st.sampled_from(MARKS))
    return draw(st.sampled_from([code, code.replace(".", ""), code.lower(), code[:-1], code + mark, f" {code}\t"]))


FORMED = st.from_regex(r"[A-Z][0-9]{2}\.?[0-9A-Z]{0,4}|E[0-9]{3,4}|[0-9]{1,5}|[0-9A-Z]{7}", fullmatch=True)
CELLS = st.lists(st.none() | damaged() | FORMED | st.text(max_size=9), max_size=30).map(
    lambda cells: pa.array(cells, pa.string())
)


@settings(max_examples=40)  # each example asks every system at every level
@given(values=CELLS)
def test_the_normal_form_is_its_own_normal_form(values: pa.Array) -> None:
    """Normalizing twice is normalizing once, and every verdict and every level is that of the normal form."""
    for system in map(CODE_SYSTEMS.__getitem__, NAMES):
        normal = system.normalize(values)
        assert system.normalize(normal).equals(normal)
        formed = normal.is_valid().to_numpy(zero_copy_only=False)
        assert (system.validate(values)[formed] == system.validate(normal)[formed]).all()
        for level in system.levels:
            assert system.roll_up(normal, level.name).equals(system.roll_up(values, level.name))


@settings(max_examples=40)  # each example asks every system at every level
@given(values=CELLS)
def test_levels_obey_their_domains_and_null_is_null_or_malformed(values: pa.Array) -> None:
    """Nothing that rolls up lies outside its level's domain; exactly nulls and malformed codes roll up to null."""
    for system in map(CODE_SYSTEMS.__getitem__, NAMES):
        absent = np.isin(system.validate(values), (Status.ABSENT, Status.MALFORMED))
        for level in system.levels:
            rolled = system.roll_up(values, level.name)
            assert level.domain.violations(rolled) == 0
            assert (rolled.is_null().to_numpy(zero_copy_only=False) == absent).all()


@settings(max_examples=40)  # each example asks every system at every level
@given(values=CELLS, data=st.data())
def test_dictionary_and_plain_are_judged_alike(values: pa.Array, data: st.DataObject) -> None:
    """Encoding changes neither form, verdict nor level, and comes back as it went in."""
    coded = values.dictionary_encode()
    on = np.array(data.draw(st.lists(DAY | st.just(NO_DAY), min_size=len(values), max_size=len(values))), np.int32)
    for system in map(CODE_SYSTEMS.__getitem__, NAMES):
        assert (system.validate(values, on) == system.validate(coded, on)).all()
        for level in system.levels:
            rolled = system.roll_up(coded, level.name)
            assert isinstance(rolled, pa.DictionaryArray)
            assert rolled.dictionary_decode().equals(system.roll_up(values, level.name))


@given(values=CELLS)
def test_levels_lead_upward(values: pa.Array) -> None:
    """Codes that are equal at one level are equal at every coarser one."""
    for name, ladder in LADDERS.items():
        system = CODE_SYSTEMS[name]
        for fine, coarse in itertools.pairwise(ladder):
            below, above = (system.roll_up(values, level).to_pylist() for level in (fine, coarse))
            known = {pair for pair in zip(below, above, strict=True) if pair[0] not in {None, UNMAPPED}}
            assert len({low for low, _ in known}) == len(known)


@given(values=CELLS, days=st.lists(DAY, min_size=2, max_size=6))
def test_a_code_is_not_yet_valid_before_it_is_and_retired_after(values: pa.Array, days: list[int]) -> None:
    """In the order of days nothing is NOT_YET after another verdict, and what is listed is never UNKNOWN on a day."""
    for name in NAMES:
        system = CODE_SYSTEMS[name]
        ordered = [system.validate(values, np.full(len(values), day, np.int32)) for day in sorted(days)]
        ever = system.validate(values)
        known = np.isin(ever, (Status.VALID, Status.NOT_BILLABLE))
        for verdicts in ordered:
            assert (verdicts == ever)[~known].all()
            assert np.isin(verdicts[known], (Status.VALID, Status.NOT_BILLABLE, Status.NOT_YET, Status.RETIRED)).all()
        # In mixed revisions a code may be retired in one and not yet valid in the other.
        for before, after in itertools.pairwise(ordered if name != "icd_any" else []):
            assert not ((after == Status.NOT_YET) & (before != Status.NOT_YET)).any()


@given(values=CELLS)
def test_what_is_malformed_is_what_has_not_its_kinds_shape(values: pa.Array) -> None:
    """But for blanks around a code, a system and the shape of its kind agree on what is a code."""
    bare = pc.ascii_trim_whitespace(values)
    for name in NAMES:
        if name in SHAPES:
            formed = pc.fill_null(SHAPES[name].conforms(bare), False)
            assert CODE_SYSTEMS[name].normalize(bare).is_valid().equals(formed)
