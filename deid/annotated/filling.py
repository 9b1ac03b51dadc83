"""Carriers filled in: slots become values, choices are made, and every piece keeps its label."""

from __future__ import annotations

from typing import NamedTuple

from deid.annotated import (
    clinical,
    contacts,
    dates,
    facilities,
    numbers,
    people,
    places,
    speech,
    varied_names,
    word_names,
)
from deid.annotated.carriers import Carrier, Family, Part, Slot
from deid.annotated.document import Labeled
from deid.annotated.ordinary import filler
from deid.annotated.scene import Maker, Scene

MAKERS: dict[str, Maker] = {
    **people.MAKERS,
    **varied_names.MAKERS,
    **word_names.MAKERS,
    **speech.MAKERS,
    **places.MAKERS,
    **dates.MAKERS,
    **contacts.MAKERS,
    **numbers.MAKERS,
    **facilities.MAKERS,
    **clinical.MAKERS,
    "FILL": lambda scene, _letter: filler(scene.dice),
}
_DEPTH = 3


class Piece(NamedTuple):
    """Text with the label of what it is, empty for what is said around the identifiers."""

    text: str
    label: str = ""
    slot: str = ""


class Filler:
    """Fills carriers of one document; `negatives` are the families that slot NEG draws from."""

    __slots__ = ("_depth", "_negatives", "_scene")

    def __init__(self, scene: Scene, negatives: tuple[Family, ...]) -> None:
        self._scene = scene
        self._negatives = negatives
        self._depth = 0

    def fill(self, carrier: Carrier, into: list[Piece]) -> None:
        """Add the pieces of `carrier` to `into`."""
        self._parts(carrier.parts, into)

    def _parts(self, parts: tuple[Part, ...], into: list[Piece]) -> None:
        scene = self._scene
        for part in parts:
            if isinstance(part, str):
                into.append(Piece(part))
            elif isinstance(part, Slot):
                if part.name == "NEG":
                    self._negative(into)
                else:
                    into.append(Piece(MAKERS[part.name](scene, part.letter), part.label, part.name))
            else:
                self._parts(scene.dice.pick(part.options), into)

    def _negative(self, into: list[Piece]) -> None:
        if not self._negatives or self._depth >= _DEPTH:
            into.append(Piece(filler(self._scene.dice)))
            return
        self._depth += 1
        self.fill(self._scene.dice.pick(self._scene.dice.pick(self._negatives).carriers), into)
        self._depth -= 1


def assembled(pieces: list[Piece]) -> tuple[str, tuple[Labeled, ...]]:
    """The text of `pieces` and its spans, without blanks at their ends."""
    spans: list[Labeled] = []
    at = 0
    for text, label, slot in pieces:
        if label:
            start, end = at, at + len(text)
            bare = text.strip()
            if len(bare) != len(text):
                start += len(text) - len(text.lstrip())
                end = start + len(bare)
            if end > start:
                spans.append(Labeled(start, end, label, slot))
        at += len(text)
    return "".join([piece[0] for piece in pieces]), tuple(spans)
