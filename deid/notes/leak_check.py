"""The other look at a redacted note: does one of the patient's own identifiers still stand in it?

It shares no matching code with `KnownIdentifiers.find`, on purpose: a fault of one is seen by the other. It searches
the plain text for each value by substring and looks at the neighbors of every hit, where `find` looks up runs.
It asks for less than `find` removes (names of three letters, numbers of five digits), so that what it counts is a leak.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Protocol

from deid.kinds import KINDS
from deid.notes.words import COMMON_NAMES, PARTICLES, TITLES

_TAG = re.compile(r"\[[A-Z][A-Z_]{2,30}\]")
_BETWEEN_DIGITS = re.compile(r"[\s().\-/]{0,3}")
_LETTERS_WITHIN = re.compile(r"\d[\W_]*[^\W\d_].*\d", re.DOTALL)
_UNIT = re.compile(r"\s+(?:apt|apartment|unit|suite|ste|room|rm|#).*$", re.DOTALL)
_NAMES = frozenset({"person_name", "relative_name", "provider_name"})
_NUMBERS = frozenset(
    {
        "ssn", "mrn", "member_id", "phone", "fax", "account_number", "license_number", "patient_id", "encounter_id",
        "claim_id", "device_id", "vehicle_id", "unique_id", "zip_code",
    }
)  # fmt: skip
_WRITTEN = _NUMBERS | {"email", "url"}
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_TAG_WORDS = frozenset({"DATE", "AGE", "LOCATION"})


class HasValues(Protocol):
    """What is asked of a patient's identifiers: the pairs of kind and text they were made of."""

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """Pairs of kind name and text."""
        ...


def leaks(text: str, known: HasValues) -> int:
    """Return how many whole occurrences of the patient's own identifiers are left in a redacted `text`.

    Counted: names of three letters or more, numbers of five digits or more whatever their punctuation, full dates,
    e-mail addresses, street lines. Zero is what a release needs.
    """
    plain = _plain(_TAG.sub(_blank_tag, text))
    lower = plain.lower()
    words = re.findall(r"[^\W\d_]+", plain)
    return sum(_count(kind, _plain(value), plain, lower, words) for kind, value in dict.fromkeys(known.values))


def _blank_tag(match: re.Match[str]) -> str:
    # What takes the place of a tag is no separator: the digits before and after a tag are not one number.
    word = match.group()[1:-1]
    return " | " if word in _TAG_WORDS or word.lower() in KINDS else match.group()


def _plain(text: str) -> str:
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Cf"))


def _count(kind: str, value: str, plain: str, lower: str, words: list[str]) -> int:
    if kind in _NAMES:
        return _names(value, words)
    if kind.endswith("_date"):
        return sum(_whole(lower, form) for form in _date_forms(value))
    if kind == "street_address":
        return _street(value, lower)
    digits = re.sub(r"\D", "", value)
    if kind in _NUMBERS and len(digits) >= 5 and not _LETTERS_WITHIN.search(value):
        return _number(plain, digits)
    return _whole(lower, value.lower()) if kind in _WRITTEN and sum(map(str.isalnum, value)) >= 6 else 0


def _names(value: str, words: list[str]) -> int:
    parts = {part.lower() for part in re.findall(r"[^\W\d_]{3,}", value)}
    parts -= TITLES
    parts -= PARTICLES
    return sum(1 for word in words if word.lower() in parts and not (word.islower() and word in COMMON_NAMES))


def _whole(text: str, needle: str) -> int:
    """Count `needle` in `text` where neither neighbor is a letter or digit."""
    count, at = 0, text.find(needle)
    while at >= 0 and needle:
        before = text[at - 1 : at] if at else ""
        after = text[at + len(needle) : at + len(needle) + 1]
        count += not (before.isalnum() or after.isalnum())
        at = text.find(needle, at + 1)
    return count


def _number(text: str, digits: str) -> int:
    places = [(m.start(), m.group()) for m in re.finditer(r"[0-9]", text)]
    stream = "".join(digit for _, digit in places)
    count, at = 0, stream.find(digits)
    while at >= 0:
        last = at + len(digits) - 1
        touching = (at and places[at - 1][0] == places[at][0] - 1) or (
            last + 1 < len(places) and places[last + 1][0] == places[last][0] + 1
        )
        gaps = [text[places[k][0] + 1 : places[k + 1][0]] for k in range(at, last)]
        # Fewer than seven digits with gaps are a blood pressure or a range as easily as a record number.
        near = all(_BETWEEN_DIGITS.fullmatch(gap) for gap in gaps) if len(digits) >= 7 else not any(gaps)
        count += bool(near and not touching)
        at = stream.find(digits, at + 1)
    return count


def _date_forms(value: str) -> set[str]:
    try:
        day = date.fromisoformat(value[:10])
    except ValueError:
        return {value.lower()} if len(value) >= 6 else set()
    m, d, y = day.month, day.day, day.year
    long = _MONTHS[m - 1]
    forms = {day.isoformat(), f"{y}/{m:02}/{d:02}", f"{y}{m:02}{d:02}"}
    for mark in "/-.":
        forms |= {f"{m}{mark}{d}{mark}{y}", f"{m:02}{mark}{d:02}{mark}{y}", f"{m:02}{mark}{d:02}{mark}{y % 100:02}"}
    for name in (long, long[:3]):
        forms |= {f"{name} {d}, {y}", f"{name} {d} {y}", f"{d} {name} {y}", f"{d:02} {name} {y}", f"{d:02}-{name}-{y}"}
    return forms


def _street(value: str, lower: str) -> int:
    line = _UNIT.sub("", value.lower().split(",")[0].split("\n")[0]).strip()
    line = " ".join(line.split())
    return _whole(" ".join(lower.split()), line) if len(line) >= 6 and " " in line else 0
