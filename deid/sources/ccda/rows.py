"""Which elements of a document give rows, and which of them tell of nothing that was: their meaning turns it.

CDA R2 turns the meaning of an act by `moodCode` (an order, a goal), by `negationInd`, by `nullFlavor` and by `subject`
(a relative, a newborn); a row that is read without them would be a fact that nobody stated about the patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from deid.sources.ccda.parsing import Element
from deid.sources.ccda.paths import Place, Selector, Step

_MOODED = frozenset(["act", "encounter", "observation", "organizer", "procedure", "substanceAdministration", "supply"])
_TRUE = ("true", "1")
_NEGATIONS = ("negationInd", "sdtc:valueNegationInd")
NOT_DONE = "planned or wanted, and not done"
NEGATED = "said not to be so"
UNKNOWN = "with a nullFlavor"
OTHERS = "about somebody else"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its element, and the elements around it from the document's root on."""

    element: Element = field(repr=False)
    around: tuple[Element, ...] = field(repr=False)
    place: Place | None = None

    def nearest(self, name: str) -> Element | None:
        """Return the nearest element of this name, the row's own among them; `document` is the root."""
        if name == "document":
            return self.around[0] if self.around else self.element
        if self.element.name == name:
            return self.element
        return next((element for element in reversed(self.around) if element.name == name), None)


def rows_of(document: Element, each: tuple[Place, ...]) -> list[Row]:
    """Return the rows of a document, place by place in its order; the document itself where `each` names nothing."""
    if not each:
        return [Row(document, ())]
    found: dict[int, Row] = {}
    for place in each:
        for row in _at(document, place):
            found.setdefault(id(row.element), row)
    return list(found.values())


def turned(row: Row) -> str:
    """Return why a row tells of nothing that was; empty where it does."""
    place, element = row.place, row.element
    chain = (*row.around, element)
    inner = max((at for at, one in enumerate(chain) if one.name == "section"), default=0)
    if any("nullFlavor" in one.attributes for one in chain[inner + 1 :]):
        return UNKNOWN
    asked = place is not None and place.negated
    if any(_is_negated(one) for one in (row.around if asked else chain)):
        return NEGATED
    if any(child.name == "subject" for one in chain for child in children(one)):
        return OTHERS
    is_act = element.name in _MOODED and not (place is not None and place.moods)
    return NOT_DONE if is_act and element.attributes.get("moodCode") != "EVN" else ""


def _is_negated(element: Element) -> bool:
    if any(element.attributes.get(name) in _TRUE for name in _NEGATIONS):
        return True
    return any(
        type(child) is Element and child.name == "sdtc:valueNegationInd" and child.attributes.get("value") in _TRUE
        for child in element.content
    )


def _at(document: Element, place: Place) -> Iterator[Row]:
    if place.from_root:
        yield from _along(document, (), place, place.steps)
        return
    for part in children(document):
        if part.name == "component":
            yield from _within(part, (document,), place)


def _within(element: Element, around: tuple[Element, ...], place: Place) -> Iterator[Row]:
    """Yield the rows at any depth; the depth of documents is bounded where they are parsed."""
    around = (*around, element)
    first, *rest = place.steps
    for child in children(element):
        if child.name == "text":
            continue
        if fits(child, first):
            if rest:
                yield from _along(child, around, place, tuple(rest))
            else:
                yield Row(child, around, place)
        if child.content:
            yield from _within(child, around, place)


def _along(element: Element, around: tuple[Element, ...], place: Place, steps: tuple[Step, ...]) -> Iterator[Row]:
    around = (*around, element)
    for child in children(element):
        if fits(child, steps[0]):
            if len(steps) > 1:
                yield from _along(child, around, place, steps[1:])
            else:
                yield Row(child, around, place)


def children(element: Element) -> list[Element]:
    """Return the elements directly in one."""
    return [child for child in element.content if type(child) is Element]


def fits(element: Element, step: Step) -> bool:
    """Whether an element has the name, a template and the attributes that a step asks for."""
    if step.name and element.name != step.name:
        return False
    if step.templates and not any(template in step.templates for template in templates_of(element)):
        return False
    return all(_keeps(selector, element) for selector in step.selectors)


def templates_of(element: Element) -> list[str]:
    """Return the templateIds of an element, without their versions."""
    return [child.attributes.get("root", "") for child in children(element) if child.name == "templateId"]


def _keeps(selector: Selector, element: Element) -> bool:
    values = {_plain(selector.attribute, found.attributes) for found in _below(element, selector.names)}
    is_in = not selector.values.isdisjoint(value for value in values if value is not None)
    return not is_in if selector.unlike else is_in


def _below(element: Element, names: tuple[str, ...]) -> list[Element]:
    level = [element]
    for name in names:
        level = [child for one in level for child in children(one) if child.name == name]
    return level


def _plain(attribute: str, attributes: dict[str, str]) -> str | None:
    value = attributes.get(attribute)
    # A type is a qualified name; its prefix is the document's business.
    return value.rpartition(":")[2] if value is not None and attribute == "xsi:type" else value
