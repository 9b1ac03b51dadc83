"""Paths into tree-shaped records, and what stands at their ends; the grammar is in docs/formats/dataset.md.

    path     = [ "%resource." ] step *( "." step ) *( "|" function )
    step     = member [ "[" digits "]" ] *( "[" member *( "." member ) "=" value *( "," value ) "]" )
    function = "reference" [ ":" type *( "," type ) ] / "base64" / "join"

A coding is read only by a step that names its code system: a code of a local system may hide an identifier.
"""

from __future__ import annotations

import binascii
import codecs
import re
from dataclasses import dataclass
from typing import Any

RESOURCE = "%resource"
_STEP = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>(?:\[[^\[\]]*\])*)")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_MEMBERS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_FUNCTION = re.compile(r"reference(?::[A-Z][A-Za-z]+(?:,[A-Z][A-Za-z]+)*)?|base64|join")
_SYSTEM_TOLD = ("coding", "class")
_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})(?:/_history/[^/]*)?$")
_IDENTIFIER = re.compile(r"^([A-Z][A-Za-z]+)\?identifier=[^|]*\|(.+)$")


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

    `absolute`: it begins at the resource although rows are elements of a list. `function`: `reference`, `base64`,
    `join`, or nothing. `wanted`: the type a reference must name, several with commas between them, or nothing.
    """

    absolute: bool
    steps: tuple[Step, ...]
    function: str = ""
    wanted: str = ""

    @property
    def top(self) -> str:
        """The member of the record at which the path begins."""
        return self.steps[0].name

    @property
    def joins(self) -> bool:
        """Whether all values that the path reaches become one."""
        return self.function == "join"


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
    function, _, wanted = functions[0].partition(":") if functions else ("", "", "")
    return Path(absolute, steps, function, wanted)


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
    if name == "contained" or any("contained" in selector.key for selector in selectors):
        raise PathError("contained resources are never read")
    return Step(name, index, tuple(selectors))


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

    The type matters: Group/7 is not the patient 7, and a performer may be the patient. A `urn:uuid` tells none; where
    several types are wanted, which is where it could be somebody else's, it gives nothing.
    """
    if text.startswith("urn:uuid:"):
        return None if "," in wanted else text[9:]
    match = _REFERENCE.search(text) or _IDENTIFIER.match(text)
    if match is None or (wanted and match[1] not in wanted.split(",")):
        return None
    return match[2]


def decoded(text: str) -> str:
    """Return base64 content as UTF-8 text; raise ValueError if it is not base64, NotTextError if it is not text."""
    try:
        content = _bytes_of(text)
    except ValueError:  # binascii.Error is one
        raise ValueError("not base64") from None
    try:
        plain = content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        raise NotTextError("not text") from None
    if "\0" in plain:
        raise NotTextError("not text")
    return plain


def _bytes_of(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # lines and blanks are allowed, and rare enough to be looked for only now
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
