"""Annotated documents from a seed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count as numbers

from deid.annotated.composition import Composer
from deid.annotated.dice import Dice
from deid.annotated.document import Document
from deid.annotated.filling import assembled
from deid.annotated.noise import disturbed
from deid.annotated.record import identifiers
from deid.annotated.scene import Scene


def generate(seed: int, count: int | None = None, *, families: Collection[str] | None = None) -> Iterator[Document]:
    """Documents with their identifiers marked, the same ones for the same seed; without `count`, without end.

    Args:
        seed: decides everything that is drawn.
        count: how many documents.
        families: names of carrier files, without `.txt`; all by default.

    Raises:
        DocumentError: a carrier file that cannot be read, or a family that is not there.
    """
    dice, composer = Dice(seed), Composer(families)
    for number in numbers() if count is None else range(count):
        scene = Scene(dice)
        family, pieces = composer.compose(scene)
        held = identifiers(scene, pieces)
        text, spans = assembled(disturbed(dice, pieces))
        yield Document(f"{family}-{number}", text, spans, family, held)
