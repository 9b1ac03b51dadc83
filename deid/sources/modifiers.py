"""What a FHIR record says must be understood: modifier extensions, and implicit rules.

A modifier extension may turn the meaning of what it stands on into its opposite ("was not given"), so a reader that
does not know one must not use the element (HL7 FHIR R4, Extensibility, "Modifier Extensions"). `implicitRules` is a
modifier element in the same sense. A security label says that a record is of a program under 42 CFR Part 2 (HL7 v3
ActCode 42CFRPart2); a description that does not read labels would release it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deid.sources.paths import Path

MODIFIER = "modifierExtension"
RULES = "implicitRules"
_LABEL = "42CFRPart2"
_SPELLED = (MODIFIER.encode(), RULES.encode(), b"CFRPart")
# JSON may write any letter of a name as an escape; a search of the bytes must take every escaped ASCII letter for one.
_ESCAPED = re.compile(rb"\\u00[4-7]")


@dataclass(frozen=True, slots=True)
class Understood:
    """What the description names: (place, URL) of modifier extensions, and whether implicit rules are read."""

    modifiers: frozenset[tuple[str, str]]
    rules: bool


def understood(paths: Iterable[Path], each: str | None) -> Understood:
    """Return what these compiled paths name; places are members joined by dots, without indices."""
    named: set[tuple[str, str]] = set()
    rules = False
    for path in paths:
        members = [] if path.absolute or not each else each.split(".")
        for step in path.steps:
            members.append(step.name)
            if step.name == MODIFIER:
                urls = {url for selector in step.selectors if selector.key == ("url",) for url in selector.values}
                named |= {(".".join(members), url) for url in urls}
        rules = rules or members[:1] == [RULES]
    return Understood(frozenset(named), rules)


def may_modify(text: bytes) -> bool:
    """Return whether JSON text may hold a member that must be understood; False is sure, True is worth a decoding."""
    return any(word in text for word in _SPELLED) or (b"\\" in text and _ESCAPED.search(text) is not None)


def not_understood(record: dict[str, Any], known: Understood) -> str | None:
    """Return why a whole, decoded record must be withheld, or None where nothing in it stands unexplained."""
    if RULES in record and not known.rules:
        return RULES
    if any(found not in known.modifiers for found in _modifiers(record, ())):
        return MODIFIER
    return None


def is_labelled(record: dict[str, Any]) -> bool:
    """Whether a label of a whole, decoded record says that it is of a program under 42 CFR Part 2."""
    meta = record.get("meta")
    labels = meta.get("security") if isinstance(meta, dict) else None
    return isinstance(labels, list) and any(isinstance(one, dict) and one.get("code") == _LABEL for one in labels)


def _modifiers(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for one in value:
            yield from _modifiers(one, place)
    elif isinstance(value, dict):
        for member, inner in value.items():
            if member == "contained":  # never read, so nothing in it can mislead
                continue
            here = (*place, member)
            if member == MODIFIER:
                for one in inner if isinstance(inner, list) else [inner]:
                    yield ".".join(here), str(one.get("url", "")) if isinstance(one, dict) else ""
            else:
                yield from _modifiers(inner, here)
