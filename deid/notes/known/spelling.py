"""Whether a word is a name written wrongly: a few letters off, or written as it sounds.

Cost is bounded by keys: a name of up to eight letters with one mistake keeps its head or its tail, and two longer words
with two mistakes are the same when at most two letters are left out of each.
"""

from __future__ import annotations

import re
from functools import lru_cache

SHORTEST = 5  # letters of a name that one mistake is looked for in
LONG = 9  # letters of a name that two are looked for in

_SOUNDS = tuple(
    (re.compile(before), after)
    for before, after in (
        (r"^(?:kn|gn|pn)", "n"),
        (r"^wr", "r"),
        (r"^(?:ps|x)", "s"),
        (r"^wh", "w"),
        (r"^mac(?=[^aeiouy])", "mc"),
        (r"tch", "ch"),
        (r"sch", "sh"),
        (r"ch(?=[rl])", "k"),
        (r"ph|v", "f"),
        (r"^ge(?=o)", "je"),
        (r"dg(?=[eiy])|^g(?=[eiy])", "j"),
        (r"gh(?=$|[^aeiouy])", ""),
        (r"gh", "g"),
        (r"ck|q(?:u(?=[aeiouy]))?", "k"),
        (r"c(?=[eiy])|z", "s"),
        (r"c(?!h)", "k"),
        (r"x", "ks"),
        (r"th", "t"),
        (r"(?<=[a-z])h|w(?=[^aeiouy]|$)", ""),
        (r"eigh|[ae][iy]|ie|e[eao]|ii|y", "i"),
        (r"o[ouw]", "u"),
        (r"a[uw]|o[ae]", "o"),
        (r"(.)\1+", r"\1"),
        (r"(?<=[^aeiou])e(?=$|s$)", ""),
    )
)
_CLASSES = str.maketrans({**dict.fromkeys("aeiouhwy"), **dict(zip("cqzxvgd", "kkssfjt", strict=True))})
_VOWELS = re.compile(r"(?<!^)[aeiou]")


@lru_cache(maxsize=65_536)
def sound(word: str) -> str:
    """Return what a word in lower case sounds like: the same for Jon and John, Steven and Stephen."""
    for pattern, after in _SOUNDS:
        word = pattern.sub(after, word)
    return word


@lru_cache(maxsize=65_536)
def consonants(word: str) -> str:
    """Return the sound of a word without its vowels but a first one: the same for Katherine and Kathryn."""
    return _VOWELS.sub("", sound(word))


def keys_of_name(name: str) -> list[str]:
    """Return keys of a name; a word that may be meant for it has one of them among its own."""
    length = len(name)
    found = [f"~{rough(name)}"]
    if length >= LONG:
        found += _shortened(name)
    elif length >= SHORTEST:
        size = 2 if length <= 6 else 3
        found += (f"{name[:size]}<", f">{name[-size:]}")
    return found


@lru_cache(maxsize=65_536)
def keys_of_word(word: str) -> frozenset[str]:
    """Return keys of a word of a text."""
    length = len(word)
    found = {f"~{rough(word)}"}
    if length < LONG + 1:
        found |= {f"{word[:2]}<", f">{word[-2:]}", f"{word[:3]}<", f">{word[-3:]}"}
    if length >= LONG - 2:
        found.update(_shortened(word))
    return frozenset(found)


@lru_cache(maxsize=65_536)
def rough(word: str) -> str:
    """Return the consonants of a word in classes, none twice in a row: the same for names of like sound."""
    found, last = [], ""
    for letter in word.replace("ph", "f").replace("kn", "n").translate(_CLASSES):
        if letter != last:
            found.append(letter)
            last = letter
    return "".join(found)


def _shortened(word: str) -> list[str]:
    """Return the word with up to two letters left out."""
    once = [word[:at] + word[at + 1 :] for at in range(len(word))]
    return [word, *once, *(shorter[:at] + shorter[at:][1:] for last, shorter in enumerate(once) for at in range(last))]


def mistakes(first: str, second: str, most: int) -> int:
    """Return how many letters are left out, put in, changed or swapped with their neighbor; `most` + 1 if more.

    The optimal string alignment distance.
    """
    if abs(len(first) - len(second)) > most:
        return most + 1
    start = 0
    while start < min(len(first), len(second)) and first[start] == second[start]:
        start += 1
    first, second = first[start:], second[start:]
    while first and second and first[-1] == second[-1]:
        first, second = first[:-1], second[:-1]
    if not first or not second:
        return len(first) + len(second)
    if most == 1:
        return 1 if len(first) == len(second) == 1 or (len(first) == 2 and first == second[::-1]) else 2
    rows = [list(range(len(second) + 1))]
    for at, letter in enumerate(first, start=1):
        row = [at]
        for to, other in enumerate(second, start=1):
            cost = min(rows[-1][to] + 1, row[-1] + 1, rows[-1][to - 1] + (letter != other))
            if at > 1 and to > 1 and letter == second[to - 2] and first[at - 2] == other:
                cost = min(cost, rows[-2][to - 2] + 1)
            row.append(cost)
        rows.append(row)
    return min(rows[-1][-1], most + 1)


@lru_cache(maxsize=65_536)
def is_misspelt(word: str, name: str) -> bool:
    """Return whether `word` may be `name` written wrongly, both in lower case.

    One mistake in names of five letters and more, two in those of nine and more; or the same sound.
    """
    most = 2 if len(name) >= LONG else 1 if len(name) >= SHORTEST else 0
    if most and mistakes(word, name, most) <= most:
        return True
    return sounds_alike(word, name)


def sounds_alike(word: str, name: str) -> bool:
    """Return whether two words sound the same, or nearly so where they are long enough."""
    if len(word) >= 3 and len(name) >= 3 and sound(word) == sound(name):
        return True
    if min(len(word), len(name)) < 6 or consonants(word) != consonants(name):
        return False
    return len(consonants(name)) >= 3 and mistakes(sound(word), sound(name), 2) <= 2
