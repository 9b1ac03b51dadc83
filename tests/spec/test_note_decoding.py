"""What goes with a removed word: initials, credentials, particles, states, and the ending of a facility's name."""

from __future__ import annotations

import numpy as np
import pytest

from deid.notes.decoding import STRICT, Settings, chosen_tokens, complete, role, weighed
from deid.notes.lists import Lists, load
from deid.notes.network import CLASSES
from deid.notes.tokens import split


@pytest.fixture(scope="module")
def lists() -> Lists:
    """Return the shipped word lists."""
    return load()


def removed(text: str, found: dict[str, str], lists: Lists, sure: float = 0.99) -> str:
    """Return the text with every removed letter or digit as an `x`, when the network found these words."""
    tokens = ["\n", *split(text), "\n", "\n"]
    roles = np.array([role(token, lists) for token in tokens], np.int8)
    best = np.ones(len(tokens), np.int64)
    chances = np.zeros(len(tokens), np.float32)
    for at, token in enumerate(tokens):
        if token.strip() in found:
            best[at], chances[at] = CLASSES.index(found[token.strip()]), sure
    chosen = chosen_tokens(chances, roles, Settings())
    complete(chosen, best, roles)
    shown = ["".join("x" if c.isalnum() else c for c in t) if on else t for t, on in zip(tokens, chosen, strict=True)]
    return "".join(shown[1:-2])


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("at St. Odile's today", {"St": "FACILITY", "Odile": "FACILITY"}, "at xx. xxxxx'x today"),
        ("saw Odile's mother", {"Odile": "NAME"}, "saw xxxxx's mother"),
        ("by J. R. Tolland, MD", {"Tolland": "NAME"}, "by x. x. xxxxxxx, MD"),
        ("by Tolland MD", {"Tolland": "NAME"}, "by xxxxxxx xx"),
        ("of Akron, OH now", {"Akron": "LOCATION"}, "of xxxxx, xx now"),
        ("to Odile Hospital", {"Odile": "FACILITY"}, "to xxxxx xxxxxxxx"),
        ("Lives in Akron now", {"Akron": "LOCATION"}, "Lives in xxxxx now"),
        ("Ana de la Cruz fell", {"Cruz": "NAME"}, "xxx xx xx xxxx fell"),
        ("with nobody at all", {}, "with nobody at all"),
    ],
)
def test_what_goes_with_a_removed_word(text: str, found: dict[str, str], expected: str, lists: Lists) -> None:
    """Initials, states, credentials and the ending of a place go with a name; the ending of a person's name stays."""
    assert removed(text, found, lists) == expected


def test_an_ordinary_word_is_asked_more_than_one_that_no_list_knows(lists: Lists) -> None:
    """At the same probability a capitalized word of no list is removed, and a common one in lower case is not."""
    assert removed("Xyquorn walks", {"Xyquorn": "NAME", "walks": "NAME"}, lists, 0.2) == "xxxxxxx walks"


def test_a_document_in_which_nothing_is_evident_is_doubted() -> None:
    """Odds are divided in the documents that hold nothing evident, and in no others; strict doubts nothing."""
    removed = np.array([0.5, 0.3, 0.5, 0.95], np.float32)
    documents = np.array([0, 0, 1, 1])
    weighted = weighed(removed, documents, 2, Settings(doubt=4.0))
    np.testing.assert_allclose(weighted, [0.2, 0.3 / 3.1, 0.5, 0.95], rtol=1e-6)
    np.testing.assert_allclose(weighed(removed, documents, 2, STRICT), removed, rtol=1e-6)
