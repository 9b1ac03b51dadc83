"""The census's names as weighted tables, flattened three ways, so that common and very rare names are drawn alike."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from deid.annotated.dice import Dice, Table
from deid.notes.lists import load

_APOSTROPHES = (
    "Obrien",
    "Obryan",
    "Oconn",
    "Oneil",
    "Oneal",
    "Odonn",
    "Ohara",
    "Ohare",
    "Okeef",
    "Omall",
    "Orour",
    "Osull",
    "Otool",
    "Oshea",
    "Oreil",
    "Oleary",
    "Ograd",
    "Oban",
    "Odwy",
    "Ohern",
    "Ogorm",
    "Ofarr",
    "Dangelo",
    "Damico",
    "Dagost",
    "Dambros",
    "Dalessa",
    "Dandrea",
    "Damato",
)


class Tables(NamedTuple):
    """One list as it is, by the root of its counts, and nearly all alike."""

    common: Table[str]
    mixed: Table[str]
    rare: Table[str]

    def draw(self, dice: Dice) -> str:
        """A name: a third of them by the people who bear it, a third by the root of that, a third whatever there is."""
        part = dice.random()
        if part < 0.36:
            return dice.weighted(self.common)
        return dice.weighted(self.mixed if part < 0.7 else self.rare)


def proper(name: str) -> str:
    """A name of the census, which knows neither capitals nor apostrophes, as it is usually written."""
    name = name.title()
    if len(name) > 4 and name.startswith("Mc"):
        return "Mc" + name[2:].title()
    if name.startswith(_APOSTROPHES):
        return f"{name[0]}'{name[1:].title()}"
    return name


@cache
def surnames() -> Tables:
    """Surnames."""
    return _tables("surnames")


@cache
def given_names() -> Tables:
    """Given names."""
    return _tables("given_names")


def _tables(which: str) -> Tables:
    names, counts = load().surnames() if which == "surnames" else load().given_names()
    weights = {proper(name): float(count) for name, count in zip(names, counts.tolist(), strict=True) if len(name) > 1}
    return Tables(Table.of(weights.items()), Table.of(weights.items(), 0.5), Table.of(weights.items(), 0.1))
