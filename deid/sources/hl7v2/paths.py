"""Paths into HL7 v2 messages; the grammar and its meaning are in docs/formats/dataset.md.

path     = way *( " or " way ) [ "|" function ]  /  "%message"
way      = segment "-" field *( "[" selector "]" ) [ "." component [ "." subcomponent ] ]
selector = number  /  ( component [ "." subcomponent ] / segment "-" field / "system" ) "=" value *( "," value )
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from deid.sources.hl7v2.vocabulary import CODED, CODED_RESULTS, MESSAGES, NO_SYSTEM, PRIOR, RESULT, SEGMENTS, SYSTEMS
from deid.sources.paths import PathError

MESSAGE = "%message"
FUNCTIONS = ("patient", "identifier", "join", "text", "structured")
_WAY = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})-(?P<field>[1-9][0-9]{0,2})(?P<brackets>(?:\[[^\[\]]+\])*)"
    r"(?:\.(?P<component>[1-9][0-9]?)(?:\.(?P<subcomponent>[1-9][0-9]?))?)?"
)
_BRACKET = re.compile(r"\[([^\[\]]+)\]")
_PLACE = re.compile(r"([1-9][0-9]?)(?:\.([1-9][0-9]?))?")
_FIELD = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9][0-9]{0,2})")
_RESOURCE = re.compile(r"(?P<type>[A-Z]{3})(?:\^(?P<event>[A-Z][0-9A-Z]{2}))?")


@dataclass(frozen=True, slots=True)
class Selector:
    """Keeps the repetitions in which a component is one of `values`; these are upper case and trimmed.

    With `field` it is the first component of that field of the same segment.
    """

    values: frozenset[str]
    component: int = 1
    subcomponent: int = 1
    field: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """Where a value lies: everything is counted from 1; a component or subcomponent of 0 was not written.

    `index` is which repetition is meant, of those that the selectors keep; 0 is the first that leads to a value.
    `systems` are the coding systems by which a coded field is read (upper case), "" for an empty one.
    """

    segment: str
    field: int
    selectors: tuple[Selector, ...] = ()
    systems: frozenset[str] | None = None
    index: int = 0
    component: int = 0
    subcomponent: int = 0

    @property
    def name(self) -> str:
        """The field, as HL7 names it."""
        return f"{self.segment}-{self.field}"


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path: its ways in order, and its function or nothing; no way at all is `%message`."""

    ways: tuple[Way, ...]
    function: str = ""


@cache
def compile_path(text: str) -> Path:
    """Compile a path; raise PathError with what is wrong with it."""
    if text == MESSAGE:
        return Path(())
    body, _, function = text.partition("|")
    if "|" in text and function not in FUNCTIONS:
        raise PathError(f"a function is one of {', '.join(FUNCTIONS)}")
    path = Path(tuple(_way(part.strip()) for part in body.split(" or ")), function)
    for way in path.ways:
        _check(way, function)
    return path


def _way(text: str) -> Way:
    match = _WAY.fullmatch(text)
    if match is None:
        raise PathError("a path is segment-field.component.subcomponent, as PID-3[5=MR].1")
    segment = match["segment"]
    if segment.startswith("Z"):
        raise PathError("Z-segments are never read: nobody but their maker knows what is in them")
    if segment not in SEGMENTS:
        raise PathError("there is no such segment in HL7 v2")
    selectors: list[Selector] = []
    systems: frozenset[str] | None = None
    index = 0
    for inside in _BRACKET.findall(match["brackets"]):
        key, equals, values = inside.partition("=")
        if not equals and inside.isascii() and inside.isdigit() and 0 < int(inside) < 1000 and not index:
            index = int(inside)
        elif key == "system" and values and systems is None:
            systems = _systems(values)
        elif equals and values:
            selectors.append(_selector(segment, key, values))
        else:
            raise PathError("brackets hold a number, or a component, a field or `system`, an equals sign and values")
    places = (int(match["component"] or 0), int(match["subcomponent"] or 0))
    return Way(segment, int(match["field"]), tuple(selectors), systems, index, *places)


def _selector(segment: str, key: str, values: str) -> Selector:
    wanted = frozenset(value.strip().upper() for value in values.split(","))
    if (place := _PLACE.fullmatch(key)) is not None:
        return Selector(wanted, int(place[1]), int(place[2] or 1))
    if (field := _FIELD.fullmatch(key)) is not None and field[1] == segment:
        return Selector(wanted, field=int(field[2]))
    raise PathError("a selector's key is a component, `system`, or a field of the same segment")


def _systems(values: str) -> frozenset[str]:
    named: set[str] = set()
    for value in values.split(","):
        name = value.strip()
        named |= {""} if name == NO_SYSTEM else set(SYSTEMS.get(name, (name.upper(),)))
    return frozenset(named)


def _check(way: Way, function: str) -> None:
    if way.segment in ("MSH", "FHS", "BHS") and way.field < 3:
        raise PathError(f"{way.name} holds the delimiters")
    if way.name in CODED and way.systems is None and (way.component in (0, 1, 4, 10) or function):
        raise PathError(f"{way.name} is coded and must name its coding system, as in {way.name}[system=icd10cm].1")
    if way.systems is not None and (function or way.component not in (0, 1, 2)):
        raise PathError("after [system=…] there is .1, the code, or .2, its text")
    if way.name == RESULT and way.systems is None:
        told = [selector.values for selector in way.selectors if selector.field == 2]
        if not told or any(values & CODED_RESULTS for values in told):
            raise PathError("OBX-5 says which results it reads: [OBX-2=NM,ST], or for coded ones [system=snomed]")
    if function == "patient" and way.name not in PRIOR:
        raise PathError("`|patient` stands at PID-2, PID-3 or PID-4")
    if function in ("join", "text") and way.index:
        raise PathError(f"`|{function}` takes all repetitions that the selectors keep")
    if function in ("text", "structured") and way.component:
        raise PathError(f"`|{function}` takes a whole field")


def joins(text: str) -> bool:
    """Return whether a path makes one value of several; raise PathError for one that does not follow the grammar."""
    return compile_path(text).function == "join"


def check_each(each: str) -> None:
    """Raise PathError unless `each` is a segment that may give rows."""
    if each not in SEGMENTS or each.startswith("Z"):
        raise PathError("each is a segment of HL7 v2, as DG1; Z-segments are never read")


@dataclass(frozen=True, slots=True)
class Resource:
    """Messages that give rows: a type, and an event or nothing for all of its events."""

    type: str
    event: str = ""


@cache
def compile_resource(text: str) -> tuple[Resource, ...]:
    """Return the messages that `resource` names; raise PathError for a type that HL7 does not have."""
    found = []
    for word in text.split():
        match = _RESOURCE.fullmatch(word)
        if match is None or match["type"] not in MESSAGES:
            raise PathError("resource is message types of HL7 v2, with or without an event: `ADT^A03 DFT`")
        found.append(Resource(match["type"], match["event"] or ""))
    if not found:
        raise PathError("resource names no message type")
    return tuple(found)
