"""From decoded records to rows: all paths of a table walk a record together, each part of it visited once.

Paths that share a step share its visit, and selectors on one key (`identifier[type.coding.code=MR]`, `…=SS`) are one
look-up of what stands at that key. The meaning is that of docs/formats/dataset.md: lists are searched in order, and
the first element that leads to a value gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from operator import attrgetter
from typing import Any

from deid.sources.paths import NotTextError, Path, Selector, Step, decoded, referenced, scalar
from deid.sources.shapes import Shape

# The cells of one row while it is filled: text, None, or the set of texts that a `|join` has met so far.
Row = list[Any]
Visit = Callable[[Any, Row], None]
Texts = Callable[[Any], Sequence[str]]
REMEMBERED = 4096  # references repeat: to a patient in a run of encounters, to a few clinicians and places


@dataclass(frozen=True, slots=True)
class Want:
    """One column: where its cell lies in the row, its path, and what references mean that do not say it themselves."""

    slot: int
    path: Path
    known: Mapping[str, str] = field(default_factory=dict, repr=False)  # cells: links of a file to its people


def add_to(shape: Shape, path: Path) -> None:
    """Add every place that a path passes, selects by or ends at."""
    at: list[str] = []
    for step in path.steps:
        at.append(step.name)
        for selector in step.selectors:
            shape.add((*at, *selector.key))
    shape.add(at)


def visit_of(shape: Shape, wants: Sequence[Want], depth: int = 0) -> Visit:
    """Return what fills the cells of `wants` from one object of a sealed shape, `depth` steps into their paths."""
    groups: dict[str, list[Want]] = {}
    for want in wants:
        groups.setdefault(want.path.steps[depth].name, []).append(want)
    simple: dict[str, int] = {}
    elements: dict[str, Visit] = {}
    lists: dict[str, Visit] = {}
    for name, group in groups.items():
        field = shape.field(name)
        if _is_simple(group, depth):
            simple[field] = group[0].slot
            continue
        each, whole = _member((shape.members or {})[name], group, depth)
        elements |= {field: _together(each)} if each else {}
        lists |= {field: _together(whole)} if whole else {}
    made = (_fill(simple) if simple else None, _walk(elements) if elements else None, _pass(lists) if lists else None)
    return _together([visit for visit in made if visit is not None])


def finisher(wants: Sequence[Want], not_text: Callable[[int], None]) -> Callable[[Row], None] | None:
    """Return what completes a filled row, or None where nothing is to be done.

    Joined texts become one cell; attachments are decoded, and `not_text` is told the slot of one that is no text.
    """
    joins = [want.slot for want in wants if want.path.function == "join"]
    attached = [want.slot for want in wants if want.path.function == "base64"]

    def finish(row: Row) -> None:
        for slot in joins:
            if (met := row[slot]) is not None:
                row[slot] = (met if type(met) is str else " ".join(met)) or None
        for slot in attached:
            if (text := row[slot]) is not None:
                row[slot] = None
                try:
                    row[slot] = decoded(text)
                except NotTextError:
                    not_text(slot)

    return finish if joins or attached else None


def _is_simple(group: list[Want], depth: int) -> bool:
    """Return whether one column ends here, without selector, number or function."""
    if len(group) > 1 or len(group[0].path.steps) > depth + 1 or group[0].path.function not in ("", "base64"):
        return False
    step = group[0].path.steps[depth]
    return step.index is None and not step.selectors


def _fill(simple: dict[str, int]) -> Visit:
    """Return what copies members that are cells as they stand."""
    slots, gets = tuple(simple.values()), _getter(*simple)
    if len(slots) == 1:
        slot = slots[0]

        def one(element: Any, row: Row) -> None:
            if (value := gets(element)) is not None and row[slot] is None:
                row[slot] = value if type(value) is str else _first(value)

        return one

    def several(element: Any, row: Row) -> None:
        for slot, value in zip(slots, gets(element)):  # noqa: B905 - of one length by construction, and a hot loop
            if value is not None and row[slot] is None:
                row[slot] = value if type(value) is str else _first(value)

    return several


def _walk(members: dict[str, Visit]) -> Visit:
    """Return what visits every element that these members hold, in a list or alone."""
    visits, gets = tuple(members.values()), _getter(*members)
    if len(visits) == 1:
        return _walk_one(gets, visits[0])

    def several(element: Any, row: Row) -> None:
        for visit, value in zip(visits, gets(element)):  # noqa: B905 - as above
            if value is None:
                continue
            if type(value) is list:
                for inner in value:
                    visit(inner, row)
            else:
                visit(value, row)

    return several


def _walk_one(get: Callable[[Any], Any], visit: Visit) -> Visit:
    def one(element: Any, row: Row) -> None:
        value = get(element)
        if type(value) is list:
            for inner in value:
                visit(inner, row)
        elif value is not None:
            visit(value, row)

    return one


def _getter(*fields: str) -> Callable[[Any], Any]:
    """Return what gives one attribute, or several as a tuple."""
    return attrgetter(*fields)


def _pass(members: dict[str, Visit]) -> Visit:
    """Return what hands on what these members hold, lists as lists."""
    pairs = [(_getter(field), visit) for field, visit in members.items()]

    def handed(element: Any, row: Row) -> None:
        for get, visit in pairs:
            if (value := get(element)) is not None:
                visit(value, row)

    return handed


def _together(visits: Sequence[Visit]) -> Visit:
    if len(visits) == 1:
        return visits[0]

    def every(element: Any, row: Row) -> None:
        for visit in visits:
            visit(element, row)

    return every


def _first(value: Any) -> str | None:
    """Return the first value of a list, or a lone value, as text."""
    if type(value) is not list:
        return scalar(value)
    return next((text for one in value if (text := scalar(one)) is not None), None)


def _member(shape: Shape, group: list[Want], depth: int) -> tuple[list[Visit], list[Visit]]:
    """Return the visits of each element of a member, and those of all its elements, for every way that steps choose."""
    ways: dict[Step, list[Want]] = {}
    for want in group:
        ways.setdefault(want.path.steps[depth], []).append(want)
    each: list[Visit] = []
    whole: list[Visit] = []
    tables: dict[tuple[str, ...], dict[str, list[Visit]]] = {}
    for step, wants in ways.items():
        then = _element(shape, wants, depth + 1)
        if step.index is None and not step.selectors:
            each.append(then)
        elif step.index is None and len(step.selectors) == 1:
            table = tables.setdefault(step.selectors[0].key, {})
            for value in step.selectors[0].values:
                table.setdefault(value, []).append(then)
        else:
            whole.append(_chosen(shape, step, then))
    each += [_looked_up(shape, key, {k: _together(v) for k, v in table.items()}) for key, table in tables.items()]
    return each, whole


def _looked_up(shape: Shape, key: tuple[str, ...], table: dict[str, Visit]) -> Visit:
    """Return the visit of an element that goes the ways chosen by what stands at `key`."""
    texts = _texts_at(shape, key)

    def deep(element: Any, row: Row) -> None:
        for text in texts(element):
            if (visit := table.get(text)) is not None:
                visit(element, row)

    if len(key) > 1 or shape.ends:
        return deep
    get = _getter(shape.field(key[0]))

    def flat(element: Any, row: Row) -> None:
        # By far the most: a system or a URL. Several values in a list, which FHIR has nowhere here, go the long way.
        if type(text := get(element)) is str:
            if (visit := table.get(text)) is not None:
                visit(element, row)
        elif text is not None:
            deep(element, row)

    return flat


def _texts_at(shape: Shape, key: tuple[str, ...]) -> Texts:
    """Return what gives every text at a dotted key of an element, through lists."""
    get, inner, struct = _getter(shape.field(key[0])), (shape.members or {})[key[0]], shape.type
    deeper = _texts_at(inner, key[1:]) if key[1:] else _texts_in

    def texts(element: Any) -> Sequence[str]:
        if type(element) is not struct or (found := get(element)) is None:
            return ()
        if type(found) is not list:
            return deeper(found)
        return deeper(found[0]) if len(found) == 1 else [text for one in found for text in deeper(one)]

    return texts


def _texts_in(value: Any) -> Sequence[str]:
    if type(value) is str:
        return (value,)
    return [text for one in value for text in _texts_in(one)] if type(value) is list else ()


def _chosen(shape: Shape, step: Step, then: Visit) -> Visit:
    """Return the visit of a step with a number, or with several selectors."""
    tests = [(_texts_at(shape, selector.key), selector) for selector in step.selectors]

    def is_kept(element: Any) -> bool:
        return all(_accepts(selector, texts(element)) for texts, selector in tests)

    def chosen(value: Any, row: Row) -> None:
        kept = [one for one in (value if type(value) is list else (value,)) if is_kept(one)]
        for one in kept if step.index is None else kept[step.index : step.index + 1]:
            then(one, row)

    return chosen


def _accepts(selector: Selector, texts: Sequence[str]) -> bool:
    return any(text in selector.values for text in texts)


def _element(shape: Shape, wants: list[Want], depth: int) -> Visit:
    """Return the visit of one element: of those that end at it, and of those that go on."""
    visits = [_ending(want) for want in wants if len(want.path.steps) == depth]
    further = [want for want in wants if len(want.path.steps) > depth]
    if further:
        into = visit_of(shape, further, depth)
        visits.append(_if_object(shape, into) if shape.ends else into)
    return _together(visits)


def _if_object(shape: Shape, visit: Visit) -> Visit:
    """Return a visit that passes over values; only where one path ends and another goes on can there be any."""

    def guarded(element: Any, row: Row) -> None:
        if type(element) is shape.type:
            visit(element, row)

    return guarded


def _ending(want: Want) -> Visit:
    slot, function = want.slot, want.path.function
    if function == "join":
        return _join(slot)
    if function == "reference":
        return _refer(slot, lru_cache(REMEMBERED)(partial(referenced, wanted=want.path.wanted)), want.known)

    def first(element: Any, row: Row) -> None:
        if row[slot] is None:
            row[slot] = scalar(element)

    return first


def _join(slot: int) -> Visit:
    def join(element: Any, row: Row) -> None:
        text = element if type(element) is str else scalar(element)
        met = row[slot]
        if met is None:
            row[slot] = text
        elif type(met) is dict and text is not None:
            met[text] = None
        elif text is not None and met != text:
            row[slot] = {met: None, text: None}

    return join


def _refer(slot: int, id_of: Callable[[str], str | None], known: Mapping[str, str]) -> Visit:
    def refer(element: Any, row: Row) -> None:
        if row[slot] is None and (text := scalar(element)) is not None:
            row[slot] = id_of(known.get(text, text))

    return refer
