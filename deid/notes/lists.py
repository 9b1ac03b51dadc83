"""What word lists say of a word: whether it names people or places, or is ordinary English or clinical.

The lists are one table, `data/words.parquet`, that `python -m deid.notes.build` makes; docs/reference/word-lists.md
says of what. Whole names of places and facilities stand in smaller tables beside it and are read only when asked for.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from deid.errors import NotesError

Counted = tuple[tuple[str, ...], npt.NDArray[np.int64]]

DATA = Path(__file__).parent / "data"
WORDS = "words.parquet"
PLACES = "places.parquet"
FACILITIES = "facilities.parquet"
FACTS = "word-lists.json"  # what the tables were made of, on which terms, with digests

# surname, given, english and facility are classes of how common the word is as such, 0 where it is not;
# ratio is low for words of English and high for words that are rather names; clinical and place are bits.
COLUMNS = ("surname", "given", "english", "ratio", "clinical", "place", "facility")

CLINICAL_DESCRIPTION = 1  # in descriptions of diagnoses and procedures, or a word or abbreviation of notes
CLINICAL_DRUG = 2  # a drug, generic or brand
CLINICAL_EPONYM = 4  # a person's name that diseases, signs, devices or procedures bear
CLINICAL_BODY = 8  # a part of the body, or a unit

PLACE_WORD = 1  # one word of the name of a city or county of the United States
PLACE_WHOLE = 2  # the whole name of one
PLACE_STATE = 4  # a word of a state's name, or its abbreviation
PLACE_COUNTRY = 8  # a word of a country, nationality, language or continent
PLACE_WORLD = 16  # a word of a city elsewhere of over 100,000 people
PLACE_STREET = 32  # a type of street

# Letters that Unicode does not take apart into a base and marks.
_WHOLE_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "ŋ": "n",
    }
)


@dataclass(frozen=True, slots=True, repr=False)
class Lists:
    """Rows of `levels`, uint8 of shape (n, len(COLUMNS)), by word as `plain` spells it; row 0 is of unknown words."""

    index: Mapping[str, int]
    levels: npt.NDArray[np.uint8]

    def surnames(self) -> Counted:
        """Return surnames in lower case without accents, and people of that name in the Census of 2020, int64."""
        return _counted("surname_count")

    def given_names(self) -> Counted:
        """Return given names in lower case without accents, and people of that name in the Census of 2020, int64."""
        return _counted("given_count")

    def cities(self) -> list[str]:
        """Return names of cities, towns and other places of the United States, each once."""
        return _places("city")

    def counties(self) -> list[str]:
        """Return names of counties and parishes as they are written in full: `Polk County`."""
        return _places("county")

    def hospital_names(self) -> list[str]:
        """Return names of hospitals, each once."""
        return _facilities("hospital")

    def clinic_names(self) -> list[str]:
        """Return names of clinics and other practices that are not named after one person, each once."""
        return _facilities("clinic")

    def streets(self) -> list[str]:
        """Return names of streets with their type, each once: `North Main Street`."""
        return _facilities("street")


def plain(word: str) -> str:
    """Return a word as the lists spell it: in lower case, letters without accents."""
    if word.isascii():
        return word.lower()
    parts = unicodedata.normalize("NFKD", word.lower().translate(_WHOLE_LETTERS))
    return "".join(c for c in parts if not unicodedata.combining(c))


@cache
def load() -> Lists:
    """Return the lists of this release; raise NotesError where they cannot be read."""
    with _opened(WORDS) as file:  # once: columns of one file belong together even while a new one takes its place
        words = file.read(["word"], use_threads=False).column("word").to_pylist()
        levels = np.zeros((len(words) + 1, len(COLUMNS)), np.uint8)
        for at, name in enumerate(COLUMNS):
            levels[1:, at] = file.read([name], use_threads=False).column(name).to_numpy()
    levels.flags.writeable = False
    pa.default_memory_pool().release_unused()
    return Lists(dict(zip(words, range(1, len(words) + 1), strict=True)), levels)


@cache
def _counted(column: str) -> Counted:
    table = _read(WORDS, ["word", column])
    counts = table.column(column).to_numpy().astype(np.int64)
    chosen = np.flatnonzero(counts)
    counts = counts[chosen]
    counts.flags.writeable = False
    return tuple(table.column("word").take(pa.array(chosen)).to_pylist()), counts


def _places(kind: str) -> list[str]:
    return _named(PLACES, kind)


def _facilities(kind: str) -> list[str]:
    return _named(FACILITIES, kind)


def _named(file: str, kind: str) -> list[str]:
    table = _read(file, ["kind", "name"])
    of_kind = table.column("kind").to_numpy(zero_copy_only=False) == kind
    names: list[str] = table.column("name").filter(pa.array(of_kind)).to_pylist()
    return names


def _read(name: str, columns: list[str]) -> pa.Table:
    with _opened(name) as file:
        return file.read(columns, use_threads=False)


@contextmanager
def _opened(name: str) -> Iterator[pq.ParquetFile]:
    try:
        # By one thread and unbuffered: half the memory, and no slower for files of this size.
        with pq.ParquetFile(DATA / name, pre_buffer=False) as file:
            yield file
    except (OSError, KeyError, pa.ArrowException):
        raise NotesError(
            f"a word list for notes cannot be read: {name}",
            hint="install the package again: the file belongs to it",
        ) from None
