"""One suite for the whole shelf of transforms: each keeps the promises that the plan is made of."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.cells.buffers import plain
from deid.cells.shapes import SHAPES, TextShape, malformed
from deid.codes import CODE_SYSTEMS
from deid.codes.mapped_levels import mapped_system
from deid.errors import PlanError
from deid.keys.prf import BatchCmac, base32
from deid.kinds import KINDS, Kind, Value
from deid.known_codes.mapped_codes import map_cells
from deid.observing.controls import CodeMap
from deid.schema import Column
from deid.transforms import TRANSFORMS, Context, Transform, build
from deid.transforms.keep import ARROW_TYPES

# Every transform with options that reach all of its branches; a new one must be entered here.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "keep": [{}],
    "pseudonymize": [{"method": "random"}, {"method": "keyed"}],
    "shift_date": [{}, {"max_days": 70, "multiple_of": 7}, {"method": "random"}],
    "generalize_date": [
        {"to": "year"},
        {"to": "year", "floor_age": 90},
        {"to": "year", "width": 7, "floor_age": 90},
        {"to": "quarter"},
        {"to": "month", "floor_age": 80},
        {"to": "week", "floor_age": 90},
    ],
    "generalize_age": [{}, {"top": 85, "width": 20}, {"top": 120}],
    "generalize_zip": [{"to": "zip3"}, {"to": "zip5"}],
    "generalize_code": [{"prefix": 1}, {"prefix": 3}],
    "roll_up": [{"level": name} for name in sorted({lv.name for s in CODE_SYSTEMS.values() for lv in s.levels})],
    "map_codes": [{}],
    "top_code": [{"at": 100}, {"at": -3}],
    "bottom_code": [{"at": 0}, {"at": 2**53}],
    "round": [{"to": 5}, {"to": 1000}, {"to": 0.05}, {"to": 0.3}, {"to": 2000, "top": 50000}],
    "redact_note": [{}],
}
INSTANCES = [build(name, options) for name, each in OPTIONS.items() for options in each]
TEXTS = (
    st.text(max_size=12)
    | st.from_regex(r"[A-Za-z]\d{2}\.?\d{0,3}", fullmatch=True)
    | st.from_regex(r"\d{3,9}", fullmatch=True)
)
CELLS: dict[Value, st.SearchStrategy[Any]] = {
    Value.TEXT: TEXTS,
    Value.CODE: TEXTS,
    Value.NOTE: TEXTS,
    Value.DATE: st.dates(dt.date(1800, 1, 1), dt.date(2200, 12, 31)),
    Value.INTEGER: st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 140) | st.integers(1790, 2210),
    Value.DECIMAL: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6).map(float),
}


def cells_of(kind: Kind) -> st.SearchStrategy[Any]:
    """Return cells of a kind's value type; where it has a shape of text, half of them have that shape."""
    shape = SHAPES.get(kind.name)
    if isinstance(shape, TextShape):
        return CELLS[kind.value] | st.from_regex(shape.pattern, fullmatch=True)
    return CELLS[kind.value]


def kinds_served(transform: Transform) -> list[Kind]:
    """Return the kinds that a transform accepts, one for each value type and oddity."""
    served = []
    for kind in KINDS.values():
        try:
            output = transform.output(Column("c", kind))
        except PlanError:
            continue
        if output is not None:
            served.append(kind)
    return served


def a_map(system: str, codes: pa.Array) -> pa.Array:
    """Return codes under a map that knows none of them but the first: what else there is, is rare."""
    levels = mapped_system(system)
    normal = plain(levels.values(codes, "code")).drop_null()[:1]
    known = CodeMap(system, normal, normal, pa.array(["code"] * len(normal), pa.string()), levels.rare)
    return map_cells(known, codes)


def a_context(rows: int, seed: int, largest: int) -> Context:
    """Return a context of `rows` rows with random patients; pseudonyms are real keyed ones."""
    random = np.random.default_rng(seed)
    mac = BatchCmac(bytes(32))

    def pseudonym(kind: str, ids: pa.Array) -> pa.Array:
        text = base32(mac.digest(ids)[:, :10])
        return pa.array(
            [None if missing else t for t, missing in zip(text.to_pylist(), ids.is_null().to_pylist(), strict=True)],
            pa.string(),
        )

    return Context(
        patient=np.arange(rows, dtype=np.int32),
        offset_days=random.integers(-largest, largest + 1, rows).astype(np.int32),
        aged=random.integers(0, 2, rows).astype(np.bool_),
        pseudonym=pseudonym,
        redact=lambda notes: notes,
        window=(dt.date(1990, 1, 1), dt.date(2020, 12, 31)),
        reference_year=2027,
        map_codes=a_map,
    )


def test_every_transform_is_under_contract() -> None:
    """The suite covers the whole registry; drop writes nothing and is the only one left out."""
    assert set(OPTIONS) | {"drop"} == set(TRANSFORMS)
    assert build("drop", {}).output(Column("c", KINDS["person_name"])) is None
    assert all(cls.name == name for name, cls in TRANSFORMS.items())


@pytest.mark.parametrize("transform", INSTANCES, ids=repr)
def test_a_transform_serves_some_kind(transform: Transform) -> None:
    """Each transform accepts at least one kind, so that the promises below are tested on something."""
    assert kinds_served(transform)


@pytest.mark.parametrize("transform", INSTANCES, ids=repr)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_outputs_are_what_was_promised(transform: Transform, data: st.DataObject) -> None:
    """Whatever the values: type and length as promised, nulls stay null, and all values lie in the domain."""
    kind = data.draw(st.sampled_from(kinds_served(transform)))
    column = Column("c", kind)
    cells = data.draw(st.lists(st.none() | cells_of(kind), max_size=12))
    values = pa.array(cells, ARROW_TYPES[kind.value])
    if pa.types.is_string(values.type) and data.draw(st.booleans()):
        values = values.dictionary_encode()
    values = values[data.draw(st.integers(0, 3)) :]
    context = a_context(len(values), data.draw(st.integers(0, 99)), getattr(transform, "max_days", 0))
    out = transform.apply(column, values, context)
    output = transform.output(column)
    assert output is not None
    assert plain(out).type == output.type
    assert len(out) == len(values)
    out.validate(full=True)
    assert not set(np.flatnonzero(values.is_null())) - set(np.flatnonzero(plain(out).is_null()))
    assert output.domain.violations(out) == 0
    assert output.domain.violations(plain(out)) == 0
    if transform.name in ("keep", "generalize_code", "roll_up", "map_codes"):
        assert out.null_count - values.null_count >= malformed(column, values)
    if isinstance(out, pa.DictionaryArray) and transform.name != "keep":
        assert len(set(out.dictionary.to_pylist())) == len(out.dictionary)


@pytest.mark.parametrize("transform", [t for t in INSTANCES if t.name not in ("redact_note", "shift_date")], ids=repr)
def test_domains_can_fail(transform: Transform) -> None:
    """A value that the transform would never write is counted, one for each row that holds it."""
    shaped = transform.name == "keep"  # what has no shape is kept whatever it is
    kind = next(kind for kind in kinds_served(transform) if not shaped or kind.name in SHAPES)
    output = transform.output(Column("c", kind))
    assert output is not None
    strange = {"top_code": 1e9, "bottom_code": -1e9, "round": 0.41}.get(transform.name, 2345)
    if output.type == pa.string():
        values = pa.array(["cell 7 of the source", None, "cell 7 of the source"])
        assert output.domain.violations(values.dictionary_encode()) == 2
    else:
        values = pa.array([strange, None, strange], pa.float64() if isinstance(strange, float) else output.type)
    assert output.domain.violations(values) == 2
