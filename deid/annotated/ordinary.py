"""Ordinary English that says nothing of anybody: sentences for filling, and words for exchanging."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from deid.annotated.dice import Dice
from deid.annotated.vocabulary import vocabulary
from deid.notes.lists import CLINICAL_DESCRIPTION, COLUMNS, load

_LINKS = (" and", ", but", " because", ", so", " while", " when", " although", ";", " -", " after", " before")
_ENDS = (".", ".", ".", ".", ".", "!", "...", "")


def _listed() -> tuple[list[str], dict[str, npt.NDArray[np.uint8]]]:
    """Return the words of the lists, and what each list says of them."""
    lists = load()
    return list(lists.index), {name: lists.levels[1:, at] for at, name in enumerate(COLUMNS)}


@cache
def exchange_words() -> tuple[str, ...]:
    """Lower-case words of English and of medicine that hardly ever name people or places."""
    words, column = _listed()
    nobody = (column["surname"] < 3) & (column["given"] < 2) & (column["place"] == 0) & (column["ratio"] < 7)
    common = nobody & (column["english"] > 3)
    medical = nobody & ((column["clinical"] & CLINICAL_DESCRIPTION) > 0)
    # common words several times, so that they stay the most frequent
    chosen = [words[at] for kept in (common, common, common, medical) for at in np.flatnonzero(kept)]
    own = [word for part in ("nouns", "verbs", "adjectives") for word in vocabulary("ordinary")[part]]
    return tuple(word for word in (*own, *chosen) if word.isascii() and word.isalpha() and len(word) > 2)


@cache
def clinical_words() -> tuple[str, ...]:
    """Words of medicine, drugs among them, that no people and no places are called by."""
    words, column = _listed()
    nobody = (column["surname"] == 0) & (column["given"] == 0) & (column["place"] == 0) & (column["facility"] < 2)
    chosen = (words[at] for at in np.flatnonzero(nobody & (column["clinical"] > 0)))
    return tuple(word for word in chosen if word.isascii() and word.isalpha() and len(word) > 1)


@cache
def abbreviations() -> tuple[str, ...]:
    """Short clinical words that English does not have: most are abbreviations."""
    lists = load()
    english = lists.levels[:, COLUMNS.index("english")]
    return tuple(word for word in clinical_words() if len(word) < 6 and not english[lists.index[word]])


def sentence(dice: Dice) -> str:
    """One sentence of ordinary English."""
    words = vocabulary("ordinary")
    who, did, thing = dice.pick(words["subjects"]), dice.pick(words["verbs"]), dice.pick(words["nouns"])
    if dice.random() < 0.5:
        thing = f"{dice.pick(words['adjectives'])} {thing}"
    if dice.random() < 0.08:
        return f"Did {who} {_plain(did)} the {thing}?"
    text = f"{who} {did} the {thing}"
    if dice.random() < 0.5:
        text += f" {dice.pick(words['adverbs'])}"
    if dice.random() < 0.25:
        then = f"{dice.pick(words['subjects'])} {dice.pick(words['verbs'])} a {dice.pick(words['nouns'])}"
        text += f"{dice.pick(_LINKS)} {then}"
    if dice.random() < 0.15:
        return f"{dice.pick(words['openers'])} {text}."
    return text[0].upper() + text[1:] + dice.pick(_ENDS)


def _plain(verb: str) -> str:
    """A verb out of its past, roughly: the network needs words, not grammar."""
    return verb.removesuffix("ed")


def salad(dice: Dice) -> str:
    """Words in no order, for the network must not lean on grammar."""
    stock = exchange_words()
    words = [dice.pick(stock) for _ in range(dice.between(4, 14))]
    text = " ".join(words)
    return text.capitalize() + "." if dice.random() < 0.7 else text.title() if dice.random() < 0.3 else text


def filler(dice: Dice) -> str:
    """A sentence or a line of words."""
    return sentence(dice) if dice.random() < 0.7 else salad(dice)
