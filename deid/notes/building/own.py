"""Lists of words that were written for this project, one file of words each beside this module.

A line that begins with `#` is a comment; every other line holds words, from a to z, with blanks between them.
"""

from __future__ import annotations

import re
from pathlib import Path

_FOLDER = Path(__file__).parent
_PLAIN = re.compile(r"[a-z]{2,24}")

DRUGS = "own_drugs.txt"
CLINICAL = "own_clinical.txt"
ENGLISH = "own_english.txt"
MISSPELLINGS = "own_misspellings.txt"
EPONYMS = "own_eponyms.txt"
FILES = (DRUGS, CLINICAL, ENGLISH, MISSPELLINGS, EPONYMS)

# Words in a million, modest because nothing was counted: a word of everyday writing, and a misspelling of one.
_SHARES = {ENGLISH: 1.0, MISSPELLINGS: 0.1}


def read_own(file: str) -> frozenset[str]:
    """Return the words of one of FILES; raise ValueError with the line where one is not plain."""
    found: set[str] = set()
    for number, line in enumerate((_FOLDER / file).read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            continue
        words = line.split()
        if not all(map(_PLAIN.fullmatch, words)):
            raise ValueError(f"{file}, line {number}: a word is not of 2 to 24 letters from a to z")
        found.update(words)
    return frozenset(found)


def own_english() -> dict[str, float]:
    """Return words of everyday writing and misspellings, with how many of a million words each is taken to be."""
    return {word: share for file, share in reversed(_SHARES.items()) for word in read_own(file)}
