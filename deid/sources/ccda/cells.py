"""From a row to its cells: the first value that its path leads to, or all of them in one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from deid.sources.ccda.narrative import lines_of, text_of
from deid.sources.ccda.parsing import Element
from deid.sources.ccda.paths import JOINING, Path, Step, Way
from deid.sources.ccda.rows import Row, children, fits

End = Callable[[Element], str | None]
_SCHEMES = {"": "phone", "tel": "phone", "sms": "phone", "mailto": "email", "fax": "fax", "x-text-fax": "fax"}
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_KNOWN_SCHEMES = ("http", "https", "ftp", "file", "nfs", "telnet", "modem", "mllp")


def cell_of(row: Row, path: Path) -> str | None:
    """Return the cell of a row; None where the path leads to nothing."""
    if path.function in JOINING:
        found = (value for way in path.ways for value in _every(row, way, _end(way, path.function)))
        return " ".join(dict.fromkeys(found)) or None
    for way in path.ways:
        value = next(_every(row, way, _end(way, path.function)), None)
        if value is not None:
            return value
    return None


def coded(element: Element, systems: frozenset[str]) -> Iterator[Element]:
    """Yield the element and the translations in it that have a code of one of these systems."""
    for one in spoken(element):
        if one.attributes.get("codeSystem") in systems:
            yield one


def spoken(element: Element) -> Iterator[Element]:
    """Yield a coded element and, in any depth, its translations."""
    yield element
    for child in children(element):
        if child.name == "translation":
            yield from spoken(child)


def is_file(element: Element) -> bool:
    """Whether an element holds a file and no text."""
    return element.attributes.get("representation") == "B64" or "compression" in element.attributes


def _every(row: Row, way: Way, end: End) -> Iterator[str]:
    start = row.nearest(way.around) if way.around else row.element
    if start is not None:
        yield from _values(start, way.steps, end)


def _values(element: Element, steps: Sequence[Step], end: End) -> Iterator[str]:
    if not steps:
        value = end(element)
        if value is not None:
            yield value
        return
    for child in _chosen(element, steps[0]):
        yield from _values(child, steps[1:], end)


def _chosen(element: Element, step: Step) -> Iterator[Element]:
    found = (child for child in element.content if type(child) is Element and fits(child, step))
    if step.systems is not None:
        found = (one for child in found for one in coded(child, step.systems or frozenset()))
    if not step.index:
        yield from found
        return
    for number, child in enumerate(found, start=1):
        if number == step.index:
            yield child


def _end(way: Way, function: str) -> End:
    if way.attribute:
        return lambda element: _attribute(element, way.attribute)
    if function == "identifier":
        return _identifier
    if function == "text":
        return lambda element: None if is_file(element) or _is_null(element) else lines_of(element)
    if function in ("phone", "fax", "email", "url"):
        return lambda element: _telecom(element, function)
    return lambda element: None if is_file(element) or _is_null(element) else text_of(element)


def _is_null(element: Element) -> bool:
    return "nullFlavor" in element.attributes


def _attribute(element: Element, name: str) -> str | None:
    # An element with a nullFlavor has no value of its own; translations in it have theirs.
    if name != "nullFlavor" and _is_null(element):
        return None
    return element.attributes.get(name, "").strip() or None


def _identifier(element: Element) -> str | None:
    """Return an identifier as text that is the same in every document: who gave it out, and the number."""
    root, extension = (element.attributes.get(name, "").strip() for name in ("root", "extension"))
    # A number without who gave it out could be anybody's: no identifier at all (data type II).
    if not root or _is_null(element):
        return None
    if extension:
        return f"{root.lower()}^{extension}"
    # An OID alone names whoever gives numbers out, and would join all their patients; a UUID is a number of its own.
    return root.lower() if _UUID.fullmatch(root) else None


def _telecom(element: Element, function: str) -> str | None:
    value = _attribute(element, "value") or ""
    scheme, colon, rest = value.partition(":")
    scheme = scheme.strip().lower() if colon else ""
    if scheme and scheme not in _SCHEMES and scheme not in _KNOWN_SCHEMES:
        scheme, rest = "", value
    kind = _SCHEMES.get(scheme, "url")
    if kind != function:
        return None
    return (value if kind == "url" or not colon else rest).strip() or None
