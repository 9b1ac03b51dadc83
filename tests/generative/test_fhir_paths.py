"""FHIR paths mean what a naive reading of them means, on records of any build; nothing undescribed goes uncounted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deid.errors import SourceError
from deid.kinds import KINDS
from deid.schema import Column, DatasetDescription, Table
from deid.sources import open_source
from deid.sources.paths import NotScalarError, PathError, Step, compile_path, referenced, scalar

MEMBERS = ("a", "b", "c", "system")
TEXTS = ("x", "y", "z", "Patient/x", "Group/y")


def _reached(node: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    """Yield what a path reaches, in order: the specification, element by element."""
    step, *further = steps
    inner = node.get(step.name) if isinstance(node, dict) else None
    if inner is None:
        return
    kept = [one for one in (inner if isinstance(inner, list) else [inner]) if _is_kept(one, step)]
    for one in kept if step.index is None else kept[step.index : step.index + 1]:
        if further:
            yield from _reached(one, tuple(further))
        else:
            yield one


def _is_kept(element: Any, step: Step) -> bool:
    return all(
        isinstance(element, dict)
        and any(isinstance(text, str) and text in selector.values for text in _at(element, selector.key))
        for selector in step.selectors
    )


def _at(node: Any, key: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(node, list):
        for one in node:
            yield from _at(one, key)
    elif not key:
        yield node
    elif isinstance(node, dict) and key[0] in node:
        yield from _at(node[key[0]], key[1:])


def _cell(node: Any, path: str) -> str | None:
    compiled = compile_path(path)
    texts = (text for one in _reached(node, compiled.steps) if (text := scalar(one)) is not None)
    if compiled.function == "join":
        return " ".join(dict.fromkeys(texts)) or None
    if compiled.function == "reference":
        texts = (found for text in texts if (found := referenced(text, compiled.wanted)) is not None)
    return next(texts, None)


def _rows(record: dict[str, Any], paths: list[str], each: str | None) -> list[list[str | None]]:
    elements: list[Any] = [record]
    for member in each.split(".") if each else []:
        inner = [one.get(member) for one in elements]
        elements = [one for found in inner for one in (found if isinstance(found, list) else [found])]
        elements = [one for one in elements if isinstance(one, dict)]
    whole = [not each or path.startswith("%resource.") for path in paths]
    shared = [_cell(record, path) if is_whole else None for path, is_whole in zip(paths, whole, strict=True)]
    return [
        [one if is_whole else _cell(element, path) for path, one, is_whole in zip(paths, shared, whole, strict=True)]
        for element in elements
    ]


def _dataset(folder: Path, records: list[dict[str, Any]], paths: list[str], each: str | None) -> DatasetDescription:
    lines = [json.dumps({"resourceType": "Basic"} | record) for record in records]
    (folder / "Basic.ndjson").write_text("\n".join(lines) + "\n")
    columns = tuple(Column(f"c{at}", KINDS["free_text"], path=path) for at, path in enumerate(paths))
    table = Table("basics", "Basic.ndjson", columns, patient="c0", resource="Basic", each=each)
    return DatasetDescription("d", "fhir_bulk", folder, (table,), "basics", None, confirmed=True, digest="")


leaves = st.sampled_from([*TEXTS, 1, 2.5, True, None])
members = st.sampled_from(MEMBERS)
# Objects and lists of objects as FHIR has them, and everything else that JSON allows.
trees: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.dictionaries(members, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=14,
)
records = st.dictionaries(st.sampled_from([*MEMBERS, "other", "_b", "text"]), trees, max_size=5)
steps = st.builds(
    lambda name, bracket: name + bracket,
    members,
    st.sampled_from(["", "", "", "", "[0]", "[1]", "[system=x]", "[system=x,y]", "[a.b=x]", "[b=y][1]", "[a=x][b=y]"]),
)
functions = st.sampled_from(["", "", "", "|join", "|reference", "|reference:Patient"])
paths = st.builds(
    lambda absolute, parts, function: absolute + ".".join(parts) + function,
    st.sampled_from(["", "", "%resource."]),
    st.lists(steps, min_size=1, max_size=3),
    functions,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=st.lists(records, min_size=1, max_size=4),
    wanted=st.lists(paths, min_size=1, max_size=6),
    each=st.sampled_from([None, None, "a", "a.b"]),
)
@example(found=[{"a": {"b": "x"}}, {"a": [{"b": ["x", "y"]}, {"b": 1}]}], wanted=["a.b|join", "a[1].b"], each=None)
@example(found=[{"a": "x"}, {"a": [None, {"b": "y"}]}], wanted=["a", "a.b", "a[1].b"], each=None)
@example(found=[{"a": [{"b": {"system": "y", "c": "z"}}]}], wanted=["a.b[system=x].c", "a.b[system=y].c"], each=None)
@example(found=[{"a": {"a": [{"b": "z"}, {"b": "x"}], "c": "y"}}], wanted=["a[a.b=x].c"], each=None)
@example(found=[{"a": ["Group/y", "Patient/x", "Patient/z"]}], wanted=["a|reference:Patient"], each=None)
@example(found=[{"a": [{"b": 1}, None, "x", {}]}], wanted=["b", "%resource.a.b"], each="a")
def test_paths_mean_what_a_naive_reading_means(
    tmp_path: Path, found: list[dict[str, Any]], wanted: list[str], each: str | None
) -> None:
    """Rows, faults and counts are those of a reader that looks up one path after the other in whole records."""
    dataset = _dataset(tmp_path, found, wanted, each)
    tops = {compile_path(path).top for path in wanted if path.startswith("%") or not each}
    tops |= {each.split(".")[0]} if each else set()
    expected: list[list[str | None]] | None = []
    try:
        for record in found:
            expected += _rows(record, wanted, each)
    except NotScalarError:
        expected = None
    source = open_source(dataset)
    names = [column.name for column in dataset.tables[0].columns]
    if expected is None:
        with pytest.raises(SourceError, match="object"):
            list(source.read("basics", names))
        return
    read = [list(row.values()) for batch in source.read("basics", names) for row in batch.to_pylist()]
    assert read == expected
    undescribed = Counter(f"Basic.{member}" for record in found for member in record.keys() - tops)
    assert dict(source.unread) == dict(undescribed)


def test_the_naive_reading_can_fail() -> None:
    """The reference tells the second element from the first, and an object from a value."""
    assert _cell({"a": [{"b": "x"}, {"b": "y"}]}, "a[1].b") == "y"
    with pytest.raises(NotScalarError):
        _cell({"a": {"b": "x"}}, "a")
    with pytest.raises(PathError):
        compile_path("a[contained.b=x].c")
