"""Paths into tree-shaped records, compiled once and run on every record; the grammar is in docs/formats/dataset.md.

    path     = [ "%resource." ] step *( "." step ) *( "|" function )
    step     = member [ "[" digits "]" ] *( "[" member *( "." member ) "=" value *( "," value ) "]" )
    function = "reference" [ ":" type ] / "base64" / "join"

A coding is read only by a step that names its code system: a code of a local system may hide an identifier.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

RESOURCE = "%resource"
_STEP = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>(?:\[[^\[\]]*\])*)")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_MEMBERS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_FUNCTION = re.compile(r"reference(?::[A-Z][A-Za-z]+)?|base64|join")
_SYSTEM_TOLD = ("coding", "class")
_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})(?:/_history/[^/]*)?$")
_IDENTIFIER = re.compile(r"^([A-Z][A-Za-z]+)\?identifier=[^|]*\|(.+)$")


Getter = Callable[[Any], str | None]


class PathError(ValueError):
    """A path that does not follow the grammar."""


class NotTextError(ValueError):
    """Attached content that decodes, but is no text."""


class NotScalarError(ValueError):
    """A path that ends at an object, where a value was expected."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Keeps the elements in which the value at `key` is one of `values`."""

    key: tuple[str, ...]
    values: frozenset[str]

    def accepts(self, element: Any) -> bool:
        """Return whether any value at the key is wanted."""
        if type(element) is not dict:
            return False
        found = element.get(self.key[0])
        if type(found) is str and len(self.key) == 1:  # by far the most: a system, a url
            return found in self.values
        return any(value in self.values for value in _reach(found, self.key[1:]) if isinstance(value, str))


@dataclass(frozen=True, slots=True)
class Step:
    """One member of a path.

    `index`: which element of a list is meant; None means the first that leads to a value. `selectors` must all hold.
    """

    name: str
    index: int | None
    selectors: tuple[Selector, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path.

    `absolute`: it begins at the resource although rows are elements of a list. `top`: its first member.
    `get`: from what the first member holds (a decoded JSON value) to text, or None where there is nothing.
    """

    absolute: bool
    steps: tuple[Step, ...]
    joins: bool
    get: Getter

    @property
    def top(self) -> str:
        """The member of the record at which the path begins."""
        return self.steps[0].name


def compile_path(text: str) -> Path:
    """Compile a path; raise PathError with what is wrong with it."""
    body, *functions = _outside_brackets(text, "|")
    absolute = body.startswith(f"{RESOURCE}.")
    steps = tuple(_step(part) for part in _outside_brackets(body.removeprefix(f"{RESOURCE}."), "."))
    for function in functions:
        if not _FUNCTION.fullmatch(function):
            raise PathError("a function is reference, reference:Type, base64 or join")
    if len(functions) > 1:
        raise PathError("a path ends with one function at most")
    function = functions[0] if functions else ""
    return Path(absolute, steps, function == "join", _getter(steps, function))


def _outside_brackets(text: str, sign: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == sign and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


def _step(text: str) -> Step:
    match = _STEP.fullmatch(text)
    if match is None:
        raise PathError("a step is a member's name, then [number] or [member=value]")
    index: int | None = None
    selectors = []
    for inside in _BRACKET.findall(match["rest"]):
        key, equals, values = inside.partition("=")
        if not equals and inside.isascii() and inside.isdigit() and len(inside) < 5 and index is None:
            index = int(inside)
        elif equals and values and _MEMBERS.fullmatch(key):
            selectors.append(Selector(tuple(key.split(".")), frozenset(values.split(","))))
        else:
            raise PathError("brackets hold a number, or a member, an equals sign and a value")
    name = match["name"]
    told = any(selector.key == ("system",) for selector in selectors)
    if (name in _SYSTEM_TOLD or name.endswith("Coding")) and not told:
        raise PathError(f"the step {name} must name its code system, as in {name}[system=http://loinc.org]")
    if name == "contained":
        raise PathError("contained resources are never read")
    return Step(name, index, tuple(selectors))


def _getter(steps: tuple[Step, ...], function: str) -> Getter:
    """Return the path as one chain of closures, built from its end: nothing is looked up again for each record."""
    if function == "join":
        return lambda top: _joined(steps, top)
    get = _ending(function)
    for at in range(len(steps) - 1, -1, -1):
        get = _elements(steps[at], get)
        if at:
            get = _member(steps[at].name, get)
    return get


def _ending(function: str) -> Getter:
    if not function:
        return scalar
    wanted = function.partition(":")[2]
    finish = decoded if function == "base64" else lambda text: referenced(text, wanted)

    def end(value: Any) -> str | None:
        text = scalar(value)
        return None if text is None else finish(text)

    return end


def _member(name: str, then: Getter) -> Getter:
    def get(value: Any) -> str | None:
        inner = value.get(name) if type(value) is dict else None
        return None if inner is None else then(inner)

    return get


def _elements(step: Step, then: Getter) -> Getter:
    """Return a getter that tries the elements a step means, in order, until one leads to a value."""
    selectors, index = step.selectors, step.index

    def plain(value: Any) -> str | None:
        if type(value) is not list:
            return then(value)
        for one in value:
            if (found := then(one)) is not None:
                return found
        return None

    def selected(value: Any) -> str | None:
        for one in value if type(value) is list else (value,):
            if selectors[0].accepts(one) and (found := then(one)) is not None:
                return found
        return None

    def chosen(value: Any) -> str | None:
        return next((found for one in _spread(step, value) if (found := then(one)) is not None), None)

    if index is None and not selectors:
        return plain
    return selected if index is None and len(selectors) == 1 else chosen


def _joined(steps: tuple[Step, ...], top: Any) -> str | None:
    """Return all values that the path reaches, each once, in order and separated by blanks."""
    level = _spread(steps[0], top)
    for step in steps[1:]:
        level = [
            found
            for one in level
            if isinstance(one, dict) and (inner := one.get(step.name)) is not None
            for found in _spread(step, inner)
        ]
    texts = dict.fromkeys(text for one in level if (text := scalar(one)) is not None)
    return " ".join(texts) or None


def _spread(step: Step, value: Any) -> list[Any]:
    elements = value if isinstance(value, list) else [value]
    kept = [one for one in elements if all(selector.accepts(one) for selector in step.selectors)]
    return kept if step.index is None else kept[step.index : step.index + 1]


def _reach(value: Any, key: tuple[str, ...]) -> Iterator[Any]:
    """Yield every value at a dotted key, through lists."""
    if isinstance(value, list):
        for one in value:
            yield from _reach(one, key)
    elif not key:
        yield value
    elif isinstance(value, dict) and key[0] in value:
        yield from _reach(value[key[0]], key[1:])


def scalar(value: Any) -> str | None:
    """Return a JSON value as text: of a list its first element, null as None; raise NotScalarError for an object."""
    if type(value) is str:
        return value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return scalar(value[0]) if value else None
    raise NotScalarError("a path ends at an object")


def referenced(text: str, wanted: str = "") -> str | None:
    """Return the bare id of a FHIR reference, or None where it refers to another type or to a contained resource.

    The type matters: Group/7 is not the patient 7.
    """
    if text.startswith("urn:uuid:"):
        return text[9:]
    match = _REFERENCE.search(text) or _IDENTIFIER.match(text)
    if match is None or (wanted and match[1] != wanted):
        return None
    return match[2]


def decoded(text: str) -> str:
    """Return base64 content as UTF-8 text; raise ValueError if it is not base64, NotTextError if it is not text."""
    try:
        content = binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    try:
        plain = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotTextError("not text") from None
    if "\0" in plain:
        raise NotTextError("not text")
    return plain
