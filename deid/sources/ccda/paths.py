"""Paths into C-CDA documents; the grammar and its meaning are in docs/formats/dataset.md.

path     = way *( " or " way ) [ "|" function ]
way      = [ "%" around "/" ] [ step *( "/" step ) ] [ "@" attribute ]
step     = name *( "[" selector "]" ) / 1*( "[" selector "]" )
selector = number / template *( "," template ) / key ( "=" / "!=" ) value *( "," value )
key      = [ name *( "/" name ) "@" ] attribute
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from deid.sources.ccda.vocabulary import (
    AROUND,
    ATTRIBUTES,
    DOCUMENT,
    ELEMENTS,
    FIXED_CODES,
    HEADER,
    OID,
    SYSTEMS,
)
from deid.sources.paths import PathError

FUNCTIONS = ("identifier", "join", "text", "phone", "fax", "email", "url")
JOINING = ("join", "phone", "fax", "email", "url")
THE_DOCUMENT = "document"
# Attributes whose values HL7 fixes, and codes, whose system a path names.
_CODES = frozenset(("code", "classCode", "moodCode", "typeCode", "negationInd", "nullFlavor", "qualifier", "use"))
_AROUND = re.compile(r"%([A-Za-z]+)(?:/|$)")
_STEP = re.compile(r"(?P<name>(?:sdtc:)?[A-Za-z0-9]+)?(?P<brackets>(?:\[[^\[\]]+\])*)")
_BRACKET = re.compile(r"\[([^\[\]]+)\]")
_KEYED = re.compile(
    r"(?:(?P<names>(?:sdtc:)?[A-Za-z]+(?:/(?:sdtc:)?[A-Za-z]+)*)@)?(?P<attribute>(?:xsi:|sdtc:)?[A-Za-z]+)"
    r"(?P<unlike>!?)=(?P<values>.+)"
)


@dataclass(frozen=True, slots=True)
class Selector:
    """Keeps elements in which the attribute, of the element or of one at `names` below it, is one of `values`.

    `unlike`: those in which it is none of them.
    """

    attribute: str
    values: frozenset[str]
    names: tuple[str, ...] = ()
    unlike: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One element of a path; `name` is empty where any will do.

    `templates`: one of these templateIds must be the element's. `systems`: the element, or the translation in it, that
    has one of these code systems. `index`: which one of those that the selectors keep, from 1; 0 for the first that
    leads to a value.
    """

    name: str
    templates: frozenset[str] = frozenset()
    selectors: tuple[Selector, ...] = ()
    systems: frozenset[str] | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """Where a value lies: from the row, or from what is `around` it, along steps to an attribute or to text."""

    around: str
    steps: tuple[Step, ...]
    attribute: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path: its ways in order, and its function or nothing."""

    ways: tuple[Way, ...]
    function: str = ""

    @property
    def is_coded(self) -> bool:
        """Whether it leads to nothing but codes; text, display names and numbers are what people typed, and none."""
        return not self.function and all(way.attribute in _CODES for way in self.ways)


@dataclass(frozen=True, slots=True)
class Place:
    """Which elements give rows: those at the end of these steps, from the root or from anywhere in the body.

    `moods`: the description says itself which moods it wants; `negated`: whether it wants what was not so.
    """

    steps: tuple[Step, ...]
    from_root: bool
    moods: bool = False
    negated: bool = False


@cache
def compile_path(text: str) -> Path:
    """Compile a path; raise PathError with what is wrong with it."""
    body, bar, function = _outside(text, "|")
    if bar and function not in FUNCTIONS:
        raise PathError(f"a function is one of {', '.join(FUNCTIONS)}")
    ways = tuple(_way(part.strip()) for part in body.split(" or "))
    for way in ways:
        _check(way, function)
    return Path(ways, function)


@cache
def compile_each(text: str) -> tuple[Place, ...]:
    """Compile what `each` says; raise PathError with what is wrong with it."""
    return tuple(_place(part.strip()) for part in text.split(" or "))


def joins(text: str) -> bool:
    """Return whether a path makes one value of several; raise PathError for one that does not follow the grammar."""
    return compile_path(text).function in JOINING


def check_each(text: str) -> None:
    """Raise PathError where `each` does not follow the grammar."""
    compile_each(text)


def check_resource(text: str) -> None:
    """Raise PathError unless the resource is the one that there is."""
    if text != DOCUMENT:
        raise PathError(f"resource is {DOCUMENT}")


def _place(text: str) -> Place:
    steps = _steps(text)
    if not steps or any(step.systems is not None or step.index for step in steps):
        raise PathError("each is elements, or entries by their templateId: [2.16.840.1.113883.10.20.22.4.4]")
    from_root = steps[0].name in HEADER and steps[0].name != "component"
    if not from_root and not steps[0].templates and steps[0].name not in AROUND:
        raise PathError("each begins with a template, a section, an act, or an element of the header")
    told = {selector.attribute for selector in steps[-1].selectors if not selector.names}
    return Place(steps, from_root, "moodCode" in told, "negationInd" in told)


def _way(text: str) -> Way:
    body, at, attribute = _outside(text, "@")
    if not text or (at and not attribute):
        raise PathError("a path is elements and an attribute, as effectiveTime/low@value")
    begins = _AROUND.match(body)
    around = begins[1] if begins is not None else ""
    if around and around not in AROUND | {THE_DOCUMENT}:
        raise PathError(f"% is followed by {THE_DOCUMENT} or one of {', '.join(sorted(AROUND))}")
    if attribute and attribute not in ATTRIBUTES:
        raise PathError("there is no such attribute in CDA")
    return Way(around, _steps(body[begins.end() :] if begins is not None else body), attribute)


def _steps(text: str) -> tuple[Step, ...]:
    steps = []
    rest = text
    while rest:
        part, _, rest = _outside(rest, "/")
        steps.append(_step(part))
    return tuple(steps)


def _outside(text: str, sign: str) -> tuple[str, str, str]:
    """Return `text` parted at the first `sign` that stands in no bracket."""
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == sign and depth == 0:
            return text[:at], sign, text[at + 1 :]
    return text, "", ""


def _step(text: str) -> Step:
    match = _STEP.fullmatch(text)
    if match is None or not text:
        raise PathError("a step is an element's name, then [selector]s; or a template in brackets")
    name = match["name"] or ""
    if name and name not in ELEMENTS:
        raise PathError("there is no such element in CDA")
    if name in ("nonXMLBody", "observationMedia", "regionOfInterest"):
        raise PathError(f"{name} is never read: it holds files and images")
    templates: frozenset[str] = frozenset()
    systems: frozenset[str] | None = None
    selectors: list[Selector] = []
    index = 0
    for inside in _BRACKET.findall(match["brackets"]):
        parts = [part.strip() for part in inside.split(",")]
        if all(OID.fullmatch(part) for part in parts):
            templates = frozenset(parts) if not templates else templates & frozenset(parts)
        elif inside.isascii() and inside.isdigit() and 0 < int(inside) < 1000 and not index:
            index = int(inside)
        elif inside.startswith("codeSystem=") and systems is None:
            systems = _systems(inside.removeprefix("codeSystem="))
        else:
            selectors.append(_selector(inside))
    if not name and not templates:
        raise PathError("a step without a name has a template: [2.16.840.1.113883.10.20.22.4.4]")
    return Step(name, templates, tuple(selectors), systems, index)


def _selector(text: str) -> Selector:
    match = _KEYED.fullmatch(text)
    if match is None or match["attribute"] not in ATTRIBUTES:
        raise PathError("brackets hold a number, templates, or an attribute, an equals sign and values")
    names = tuple((match["names"] or "").split("/")) if match["names"] else ()
    if any(name not in ELEMENTS for name in names):
        raise PathError("there is no such element in CDA")
    values = frozenset(value.strip() for value in match["values"].split(","))
    return Selector(match["attribute"], values, names, bool(match["unlike"]))


def _systems(values: str) -> frozenset[str]:
    named: set[str] = set()
    for value in values.split(","):
        name = value.strip()
        if name not in SYSTEMS and not OID.fullmatch(name):
            raise PathError(f"a code system is an OID or one of {', '.join(SYSTEMS)}")
        named |= set(SYSTEMS.get(name, (name,)))
    return frozenset(named)


def _check(way: Way, function: str) -> None:
    last = way.steps[-1] if way.steps else None
    if last is None and not way.attribute:
        raise PathError("a path names an element or an attribute")
    if way.attribute == "code" and (last is None or (last.systems is None and last.name not in FIXED_CODES)):
        raise PathError("a code must name its code system, as in value[codeSystem=icd10cm]@code")
    if any(step.systems is not None for step in way.steps[:-1]):
        raise PathError("[codeSystem=…] stands at the last element of a path")
    is_value = last is not None and last.name == "value" and way.attribute in ("", "value")
    told_by = last.selectors if last is not None else ()
    if is_value and not any(told.attribute == "xsi:type" and not told.unlike for told in told_by):
        raise PathError("value says which type it reads: value[xsi:type=PQ,INT]@value, or value[xsi:type=ST]")
    if function == "identifier" and (way.attribute or last is None):
        raise PathError("`|identifier` stands at an id: id|identifier")
    if function in ("text", "phone", "fax", "email", "url") and way.attribute:
        raise PathError(f"`|{function}` takes a whole element")
    if function in ("phone", "fax", "email", "url") and (last is None or last.name != "telecom"):
        raise PathError(f"`|{function}` stands at telecom")
