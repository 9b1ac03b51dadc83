"""HL7 v2 messages mean what a naive reading of them means, whatever their delimiters, escapes, frames and merges."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deid.kinds import KINDS
from deid.schema import Column, DatasetDescription, Table
from deid.sources import open_source
from deid.sources.hl7v2.merges import Merges
from deid.sources.hl7v2.paths import Way, compile_path
from deid.sources.paths import PathError
from deid.synthetic.writers.hl7v2 import Delimiters

# A message is segments, a segment a name and fields, a field repetitions, these components, these subcomponents: text.
Field = list[list[list[str]]]
Segment = tuple[str, list[Field]]
NAMES = ("PID", "PV1", "PV2", "DG1", "FT1", "PR1", "NK1", "NTE", "IN1", "IN2")
SIGNS = "|^~\\&#$%*!:;@"

texts = st.one_of(
    st.sampled_from(["", "", "", "a", "MR", "mr ", "7", '""', "|^~\\&", "\\F\\", "é|", "MSH|", "x" * 40]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=6),
)
fields: st.SearchStrategy[Field] = st.lists(
    st.lists(st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=5), min_size=1, max_size=3
)
segments = st.tuples(st.sampled_from(NAMES), st.lists(fields, max_size=5))
signs = st.permutations(SIGNS).map(lambda found: Delimiters(*found[:5]))
messages = st.tuples(signs, st.lists(segments, max_size=8))
selectors = st.sampled_from(["", "", "", "[1]", "[2]", "[5=MR]", "[1=A,7]", "[5=MR][2]", "[2.2=a]"])
parts = st.sampled_from(["", "", ".1", ".2", ".1.2", ".4"])
ways = st.builds(lambda n, f, s, p: f"{n}-{f}{s}{p}", st.sampled_from(NAMES), st.integers(1, 6), selectors, parts)
plain = st.lists(ways, min_size=1, max_size=3).map(" or ".join)
whole = st.builds(lambda n, f, s: f"{n}-{f}{s}", st.sampled_from(NAMES), st.integers(1, 6), selectors)
paths = st.one_of(
    plain,
    plain,
    plain.map(lambda path: f"{path}|identifier"),
    ways.map(lambda way: f"{way}|join"),
    whole.map(lambda way: f"{way}|text"),
)


def _is_path(text: str) -> bool:
    try:
        compile_path(text)
    except PathError:  # coded fields, which tests/spec/test_hl7v2.py draws, and numbers where all are taken
        return False
    return True


paths = paths.filter(_is_path)


def _written(message: tuple[Delimiters, list[Segment]], end: str) -> str:
    by, found = message
    head = f"MSH{by.field}{by.component}{by.repetition}{by.escape}{by.subcomponent}{by.field * 7}ADT{by.component}A08"
    lines = [by.field.join([name, *(_field(by, one) for one in inner)]) for name, inner in found]
    return "".join(line + end for line in [head + by.field * 4, *lines])


def _field(by: Delimiters, field: Field) -> str:
    return by.repetition.join(
        by.component.join(by.subcomponent.join(map(by.text, component)) for component in repetition)
        for repetition in field
    )


def _value(text: str) -> str | None:
    return None if text in ("", '""') else text


def _part(repetition: list[list[str]], component: int, subcomponent: int) -> str | None:
    found = repetition[component - 1] if component <= len(repetition) else []
    return _value(found[subcomponent - 1]) if subcomponent <= len(found) else None


def _kept(field: Field, way: Way) -> list[list[list[str]]]:
    return [
        repetition
        for repetition in field
        if all(
            (_part(repetition, selector.component, selector.subcomponent) or "").strip().upper() in selector.values
            and _part(repetition, selector.component, selector.subcomponent) is not None
            for selector in way.selectors
        )
    ]


def _reached(found: list[Segment], at: int, name: str) -> list[int]:
    """Return the segments that a row at `at` means by a name: the format page, word by word."""
    own = found[at][0]
    before = [i for i in range(at, -1, -1) if found[i][0] == "PID"]
    start = before[0] if before else -1
    if not before:  # in the header: the rows are about the first patient
        first = next((i for i in range(at + 1, len(found)) if found[i][0] == "PID"), len(found))
        stop = next((i for i in range(first + 1, len(found)) if found[i][0] == "PID"), len(found))
    else:
        stop = next((i for i in range(at + 1, len(found)) if found[i][0] == "PID"), len(found))
    if name == own:
        return [at]
    if name == "PID":
        return [i for i in range(max(start, 0), stop) if found[i][0] == "PID"]
    if name == "NTE":
        after = next((i for i in range(at + 1, len(found)) if found[i][0] != "NTE"), len(found))
        return list(range(at + 1, min(after, stop)))
    if own == "PID":
        return [i for i in range(at + 1, stop) if found[i][0] == name]
    below = {"PV1": ("PV2",), "IN1": ("IN2",), "FT1": ("PR1",)}
    if name in below.get(own, ()):
        next_ = next((i for i in range(at + 1, stop) if found[i][0] == own), stop)
        return [i for i in range(at + 1, next_) if found[i][0] == name]
    nearest = [i for i in range(at - 1, start - 1 if before else -1, -1) if found[i][0] == name]
    return nearest[:1]


def _cell(found: list[Segment], at: int, text: str) -> str | None:
    path = compile_path(text)
    for way in path.ways:
        reached = [found[i][1] for i in _reached(found, at, way.segment)]
        kept = [
            repetition
            for inner in (reached if path.function in ("join", "text") else reached[:1])
            for repetition in _kept(inner[way.field - 1] if way.field <= len(inner) else [], way)
        ]
        if path.function in ("join", "text"):
            values = [v for repetition in kept if (v := _whole(repetition, way, path.function))]
            joined = (" " if path.function == "join" else "\n").join(values) or None
            return re.sub(" {2,}", " ", joined) if joined and path.function == "join" else joined
        if way.index:
            kept = kept[way.index - 1 : way.index]
        for repetition in kept:
            if (value := _one(repetition, way, path.function)) is not None:
                return value
    return None


def _one(repetition: list[list[str]], way: Way, function: str) -> str | None:
    value = _part(repetition, way.component or 1, way.subcomponent or 1)
    if function != "identifier":
        return value
    number = (value or "").strip() or None
    authority = next((a for n in (1, 2) if (a := (_part(repetition, 4, n) or "").strip())), None)
    return number if way.component or not authority or not number else f"{number}^{authority}"


def _whole(repetition: list[list[str]], way: Way, function: str) -> str | None:
    if way.subcomponent:
        return _part(repetition, way.component, way.subcomponent)
    if way.component:
        chosen = repetition[way.component - 1] if way.component <= len(repetition) else []
        return _value(" ".join(chosen))
    by = _CURRENT[0]
    component, subcomponent = (" ", " ") if function == "join" else (by.component, by.subcomponent)
    return _value(component.join(subcomponent.join(inner) for inner in repetition))


_CURRENT = [Delimiters()]  # those of the message that is read, which `|text` gives back


def _expected(sent: list[tuple[Delimiters, list[Segment]]], wanted: list[str], each: str) -> Iterator[list[str | None]]:
    for by, found in sent:
        _CURRENT[0] = by
        for at, (name, _) in enumerate(found):
            if name == each:
                yield [_cell(found, at, path) for path in wanted]


@settings(max_examples=60, deadline=None)
@given(
    sent=st.lists(messages, min_size=1, max_size=4),
    wanted=st.lists(paths, min_size=1, max_size=6),
    each=st.sampled_from(NAMES),
    end=st.sampled_from(["\r", "\n", "\r\n"]),
    frame=st.sampled_from(["", "mllp", "batch"]),
)
@example(
    sent=[(Delimiters(), [("PID", []), ("DG1", []), ("PID", []), ("PV1", [[[["x"]]]]), ("DG1", [])])],
    wanted=["PV1-1", "PV1-1|join"],
    each="DG1",
    end="\r",
    frame="",
)
def test_messages_are_read_as_they_were_written(
    sent: list[tuple[Delimiters, list[Segment]]], wanted: list[str], each: str, end: str, frame: str
) -> None:
    """Any delimiters, escapes, ends and frames: each path gives what a naive reading of the structure gives."""
    written = [_written(message, end) for message in sent]
    if frame == "mllp":
        written = [f"\x0b{text}\x1c\r" for text in written]
    elif frame == "batch":
        written = [f"BHS|^~\\&{end}", *written, f"BTS|{len(written)}{end}"]
    columns = tuple(Column(f"c{at}", KINDS["free_text"], path=path) for at, path in enumerate(wanted))
    table = Table("rows", "m.hl7", columns, patient="c0", resource="ADT", each=each)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "m.hl7").write_bytes("".join(written).encode())
        dataset = DatasetDescription("d", "hl7v2", Path(folder), (table,), "rows", None, confirmed=True, digest="")
        source = open_source(dataset)
        found = [row for batch in source.read("rows", [c.name for c in columns]) for row in batch.to_pylist()]
    assert [list(row.values()) for row in found] == list(_expected(sent, wanted, each))


numbers = st.sampled_from("abcdefgh")
events = st.lists(st.tuples(st.sampled_from(["join", "part"]), numbers, numbers), max_size=14)


@given(events)
def test_numbers_are_one_persons_exactly_where_merges_connect_them(said: list[tuple[str, str, str]]) -> None:
    """Two numbers resolve to one where standing merges lead from one to the other, in any order and direction."""
    merges = Merges()
    standing: set[frozenset[str]] = set()
    for event, one, other in said:
        if event == "join":
            merges.join(one, other)
            standing |= {frozenset((one, other))}
        else:
            merges.part(one, other)
            standing -= {frozenset((one, other))}
    names = list("abcdefgh")
    found = dict(zip(names, merges.resolve(pa.array(names)).to_pylist(), strict=True))
    groups = {name: {name} for name in names}
    for pair in standing:
        together = set().union(*(groups[name] for name in pair))
        groups |= dict.fromkeys(together, together)
    for one in names:
        assert found[one] in groups[one]
        for other in names:
            assert (found[one] == found[other]) == (other in groups[one])


@given(st.permutations([("a", "b"), ("b", "c"), ("c", "d"), ("x", "d")]))
def test_a_chain_ends_at_the_number_that_nobody_retired(said: list[tuple[str, str]]) -> None:
    """However the merges of a chain are ordered, the last survivor stands for all."""
    merges = Merges()
    for retired, surviving in said:
        merges.join(retired, surviving)
    assert set(merges.resolve(pa.array(list("abcdx"))).to_pylist()) == {"d"}
