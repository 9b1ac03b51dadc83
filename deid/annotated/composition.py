"""Documents put together: whole carriers, notes of a head, sections and an end, single sentences, and plain text."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from deid.annotated.carriers import Carrier, Family, chosen_families, families
from deid.annotated.dice import Dice, Table
from deid.annotated.filling import Filler, Piece
from deid.annotated.scene import Scene
from deid.annotated.vocabulary import vocabulary
from deid.errors import DocumentError

_GAPS = (" ", " ", " ", " ", "\n", "\n", "\n\n", "  ", "\n- ", "\n* ", "; ", "\n\n\n", "\n• ")


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The families of one use, by their share."""

    table: Table[Family]

    def draw(self, dice: Dice) -> tuple[str, Carrier]:
        family = dice.weighted(self.table)
        return family.name, dice.pick(family.carriers)


class Composer:
    """Composes documents of the families asked for; what is between identifiers may come from all negatives."""

    __slots__ = ("_kinds", "_negatives", "_shelves")

    def __init__(self, names: Collection[str] | None) -> None:
        chosen = chosen_families(names)
        self._negatives = tuple(family for family in families() if family.use == "negative")
        self._shelves = {
            use: _shelf(tuple(family for family in chosen if family.use == use))
            for use in {family.use: None for family in chosen}
        }
        # Most of what a hospital writes is medicine, and must stay: "about nobody" are whole notes of negatives.
        kinds = {
            "document": 0.38, "note": 0.24, "sentence": 0.11, "negative": 0.09, "about nobody": 0.07, "plain": 0.11,
        }  # fmt: skip
        if "sentence" not in self._shelves:
            del kinds["sentence"]
        if not {"sentence", "header", "tail"} & set(self._shelves):
            del kinds["note"]
        uses = {"document": "document", "negative": "negative", "about nobody": "negative", "plain": "plain"}
        for kind, use in uses.items():
            if use not in self._shelves:
                del kinds[kind]
        if not kinds:
            raise DocumentError("no family of carriers was asked for", hint="name one, or leave the choice out")
        self._kinds = Table.of(kinds.items())

    def compose(self, scene: Scene) -> tuple[str, list[Piece]]:
        """The name of the first carrier's family, and the pieces of one document."""
        filler, dice = Filler(scene, self._negatives), scene.dice
        kind = dice.weighted(self._kinds)
        if kind == "note":
            return self._note(dice, filler)
        if kind == "about nobody":
            return self._about_nobody(dice, filler)
        pieces: list[Piece] = []
        family, carrier = self._shelves[kind].draw(dice)
        filler.fill(carrier, pieces)
        if kind not in {"document", "plain"}:
            for _ in range(_few(dice)):
                pieces.append(Piece(dice.pick(_GAPS)))
                filler.fill(self._shelves[kind].draw(dice)[1], pieces)
        return family, pieces

    def _note(self, dice: Dice, filler: Filler) -> tuple[str, list[Piece]]:
        pieces: list[Piece] = []
        family = ""
        if "header" in self._shelves and dice.random() < 0.7:
            family, carrier = self._shelves["header"].draw(dice)
            filler.fill(carrier, pieces)
        for _ in range(_sections(dice) if "sentence" in self._shelves else 0):
            family = self._section(dice, filler, pieces) or family
        if "tail" in self._shelves and dice.random() < 0.55:
            name, carrier = self._shelves["tail"].draw(dice)
            pieces.append(Piece(dice.pick(("\n\n", "\n", "\n\n\n", "\n---\n", " "))))
            filler.fill(carrier, pieces)
            family = family or name
        if not family:
            family, carrier = self._shelves[next(iter(self._shelves))].draw(dice)
            filler.fill(carrier, pieces)
        return family, pieces

    def _about_nobody(self, dice: Dice, filler: Filler) -> tuple[str, list[Piece]]:
        """A note in sections that holds nothing of anybody."""
        pieces: list[Piece] = []
        family = ""
        for _ in range(dice.between(2, 9)):
            if pieces:
                pieces.append(Piece(dice.pick(("\n\n", "\n\n", "\n"))))
            if dice.random() < 0.6:
                pieces.append(Piece(_heading(dice)))
            gap = dice.pick(_GAPS)
            for at in range(dice.between(1, 6)):
                if at:
                    pieces.append(Piece(gap))
                name, carrier = self._shelves["negative"].draw(dice)
                filler.fill(carrier, pieces)
                family = family or name
        return family, pieces

    def _section(self, dice: Dice, filler: Filler, pieces: list[Piece]) -> str:
        """One section under a heading or without; the family of its first carrier that identifies."""
        if pieces:
            pieces.append(Piece(dice.pick(("\n\n", "\n\n", "\n"))))
        if dice.random() < 0.6:
            pieces.append(Piece(_heading(dice)))
        gap, family = dice.pick(_GAPS), ""
        for at in range(dice.between(1, 5)):
            if at:
                pieces.append(Piece(gap))
            if dice.random() < 0.45 and "negative" in self._shelves:
                filler.fill(self._shelves["negative"].draw(dice)[1], pieces)
            else:
                name, carrier = self._shelves["sentence"].draw(dice)
                filler.fill(carrier, pieces)
                family = family or name
        return family


def _few(dice: Dice) -> int:
    part = dice.random()
    return 0 if part < 0.5 else 1 if part < 0.75 else dice.between(2, 8)


def _sections(dice: Dice) -> int:
    part = dice.random()
    return dice.between(1, 3) if part < 0.45 else dice.between(3, 7) if part < 0.85 else dice.between(8, 16)


def _heading(dice: Dice) -> str:
    text = dice.pick(vocabulary("ordinary")["headings"])
    part = dice.random()
    if part < 0.35:
        text = text.upper()
    return text + dice.pick((": ", ":\n", ":\n", "\n", " - ", ":", "\n---\n", ": \n"))


def _shelf(chosen: tuple[Family, ...]) -> _Shelf:
    # a long file is drawn from more often than a short one, but not by its whole length
    return _Shelf(Table.of((family, family.weight * len(family.carriers) ** 0.5) for family in chosen))
