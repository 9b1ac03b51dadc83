"""Puts what the sources say of each word into one row of small numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from deid.notes.lists import COLUMNS

PEOPLE = 3.3e8  # of the United States
_UNSEEN = 10**-8.5  # the share of English that a word has which no text of English has
LONGEST = 24  # characters of the longest word that is kept


@dataclass(frozen=True, slots=True)
class Known:
    """What the sources say: people by name, words in a million of English, bits, names of facilities with the word."""

    surnames: Mapping[str, int]
    given: Mapping[str, int]
    english: Mapping[str, float]
    clinical: Mapping[str, int]
    place: Mapping[str, int]
    facility: Mapping[str, int]

    def words(self) -> list[str]:
        """Return every word that a source has, in the order of its letters."""
        of_names = {*self.surnames, *self.given}
        others = {*self.english, *self.clinical, *self.place, *self.facility}
        return sorted(
            word for word in of_names | others if word.isascii() and word.isalpha() and 1 < len(word) <= LONGEST
        )

    def row(self, word: str) -> dict[str, int]:
        """Return the columns of a word."""
        surname, given = self.surnames.get(word, 0), self.given.get(word, 0)
        english = self.english.get(word, 0.0)
        return {
            "word_surnames": surname,
            "word_given": given,
            "surname": name_class(surname),
            "given": name_class(given),
            "english": english_class(english),
            "ratio": ratio_class(surname + given, english),
            "clinical": self.clinical.get(word, 0),
            "place": self.place.get(word, 0),
            "facility": facility_class(self.facility.get(word, 0)),
        }


def name_class(people: int) -> int:
    """Return 1 for the rarest names, borne by some 90 people, to 9 for those of millions; 0 for no name."""
    return 1 + min(8, int(math.log2(max(people, 90) / 90) / 1.7)) if people else 0


def english_class(share: float) -> int:
    """Return 1 for words of less than one in a hundred million to 12 for the most common; 0 for no word of English."""
    return min(12, max(1, 4 + math.floor(2 * math.log10(share)))) if share else 0


def ratio_class(people: int, english: float) -> int:
    """Return 1 for what is nearly always a word of English to 18 for what is nearly always a name.

    Half a step of the decimal logarithm of the share of people of that name over the share of English.
    """
    share = max(english / 1e6, _UNSEEN)
    return 1 + min(17, max(0, math.floor(2 * (math.log10((people + 1) / PEOPLE / share) + 5))))


def facility_class(names: int) -> int:
    """Return 1 for a word of a few names of facilities to 7 for one of thousands; 0 for a word of fewer than two."""
    return min(7, 1 + int(math.log2(names) / 1.9)) if names > 1 else 0


def word_table(known: Known) -> pa.Table:
    """Return the table: word, its columns as uint8, and how many people have it as surname and given name, uint32."""
    words = known.words()
    rows = [known.row(word) for word in words]
    columns = {name: pa.array(np.array([row[name] for row in rows], np.uint8)) for name in COLUMNS}
    counts = {
        f"{kind}_count": pa.array(np.array([row[column] for row in rows], np.uint32))
        for kind, column in (("surname", "word_surnames"), ("given", "word_given"))
    }
    return pa.table({"word": pa.array(words, pa.string()), **columns, **counts})
