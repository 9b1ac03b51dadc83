"""The other look at a redacted note: does one of the patient's own identifiers still stand in it?

It shares no matching code with `KnownIdentifiers.find`, on purpose: a fault of one is seen by the other. It searches
the plain text for each value by substring and looks at the neighbors of every hit, where `find` looks up runs.
It asks for less than `find` removes (names of three letters, numbers of five digits; names that are words only where
the whole name or a title tells that they are names), so that what it counts is a leak.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, Self

from deid.kinds import KINDS
from deid.notes.known.ordinary import Sense, sense_of
from deid.notes.words import PARTICLES, TITLES

_LETTERS = re.compile(r"[^\W\d_]+")
_DIGIT, _DIGITS = re.compile(r"[0-9]"), re.compile(r"[0-9]+")
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
_PHONES = frozenset({"phone", "fax"})
_WRITTEN = _NUMBERS | {"email", "url"}
_AFTER_NUMBER = re.compile(r"\s*(?:x|ext\.?|extension|#)\s*\d{1,6}\s*$", re.IGNORECASE)
_MISREAD = re.compile(r"[0-9][ .\-]?[OolISB]|[OolISB][ .\-]?[0-9]")
_AS_DIGITS = str.maketrans("OolISB", "001158")
_TITLED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr)\b\.? $")
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
_TAG_WORDS = frozenset({"DATE", "AGE", "LOCATION"})


class HasValues(Protocol):
    """What is asked of a patient's identifiers: the pairs of kind and text they were made of."""

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """Pairs of kind name and text."""
        ...


def leaks(text: str, known: HasValues) -> int:
    """Return how many whole occurrences of the patient's own identifiers are left in a redacted `text`.

    Counted: names of three letters or more, in parts and run together; numbers of five digits or more whatever their
    punctuation, of seven with letters that look like digits among them, phones without their area code; full dates;
    e-mail addresses and what stands before their @; street lines. Zero is what a release needs.
    """
    released = _Released.of(_plain(_TAG.sub(_blank_tag, text)))
    count = 0
    for kind, value in dict.fromkeys(known.values):
        bare = _plain(value)
        if kind in _NAMES:
            count += _names(bare, released)
        elif kind.endswith("_date"):
            count += _dates(bare, released)
        elif kind == "street_address":
            count += _street(bare, released)
        else:
            count += _count(kind, bare, released)
    return count


@dataclass(frozen=True, slots=True, repr=False)
class _Released:
    """A text without its tags, taken apart once for all values: of 3,000 each would take it apart again."""

    plain: str
    lower: str
    line: str  # in lower case, with one blank for what is between words
    misread: str  # with letters read as digits, empty where that changes nothing
    words: Mapping[str, Sequence[tuple[str, int]]]  # by what they are in lower case: as written, and where
    places: Sequence[int]  # of the digits
    digits: str
    runs: frozenset[str]

    @classmethod
    def of(cls, plain: str) -> Self:
        lower = plain.lower()
        words: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for match in _LETTERS.finditer(plain):
            words[match.group().lower()].append((match.group(), match.start()))
        places = [match.start() for match in _DIGIT.finditer(plain)]
        return cls(
            plain=plain,
            lower=lower,
            line=" ".join(lower.split()),
            misread=plain.translate(_AS_DIGITS) if _MISREAD.search(plain) else "",
            words=words,
            places=places,
            digits="".join(plain[at] for at in places),
            runs=frozenset(_DIGITS.findall(plain)),
        )


def _blank_tag(match: re.Match[str]) -> str:
    # What takes the place of a tag is no separator: the digits before and after a tag are not one number.
    word = match.group()[1:-1]
    return " | " if word in _TAG_WORDS or word.lower() in KINDS else match.group()


def _plain(text: str) -> str:
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Cf"))


def _count(kind: str, value: str, released: _Released) -> int:
    number = _AFTER_NUMBER.sub("", value) if kind in _PHONES else value
    digits = re.sub(r"\D", "", number)
    if kind in _NUMBERS and len(digits) >= 5 and not _LETTERS_WITHIN.search(number):
        count = _number(released, digits)
        if kind in _PHONES and len(digits) >= 10:
            count = _number(released, digits[-10:]) or _number(released, digits[-7:])
        elif kind == "zip_code" and len(digits) == 9:
            count = count or _number(released, digits[:5])
        return count + (_looks_like(released, digits) if released.misread and len(digits) >= 7 else 0)
    is_told = kind in _WRITTEN and sum(map(str.isalnum, value)) >= 6
    count = _whole(released.lower, value.lower()) if is_told else 0
    return count + (_local_part(value.lower(), released.lower) if kind == "email" else 0)


def _local_part(address: str, lower: str) -> int:
    local, at, _ = address.partition("@")
    if not at or sum(map(str.isalnum, local)) < 6 or not re.search(r"[^\W_][\d._\-]+[^\W_]", local):
        return 0
    return _whole(lower.replace(f"{local}@", "@"), local)


def _looks_like(released: _Released, digits: str) -> int:
    """Count a number in the text with letters read as digits, where at least one of them is a letter."""
    pattern = r"(?<!\w)" + "[ .-]?".join(digits) + r"(?!\w)"
    found = [released.plain[match.start() : match.end()] for match in re.finditer(pattern, released.misread)]
    return sum(1 for piece in found if re.search("[A-Za-z]", piece) and re.search("[0-9]", piece))


def _names(value: str, released: _Released) -> int:
    pieces = [part.lower() for part in _LETTERS.findall(value)]
    parts = {part for part in pieces if len(part) >= 3} - TITLES - PARTICLES
    usual = {part for part in parts if sense_of(part) is not Sense.NONE}
    joined = "".join(pieces)
    sought = parts | ({joined} if len(joined) >= 8 and len(pieces) > 1 else set())
    count = 0
    for name in sought:
        for word, start in released.words.get(name, ()):
            titled = name in usual and _TITLED.search(released.plain, max(0, start - 6), start) is not None
            count += (word[0].isupper() and titled) if name in usual else 1
    if usual and parts == usual and len(parts) > 1:  # of nothing but words, the whole name: "Will Bell"
        count += _whole(released.lower, " ".join(value.lower().split()))
    return count


def _whole(text: str, needle: str) -> int:
    """Count `needle` in `text` where neither neighbor is a letter or digit."""
    count, at = 0, text.find(needle)
    while at >= 0 and needle:
        before = text[at - 1 : at] if at else ""
        after = text[at + len(needle) : at + len(needle) + 1]
        count += not (before.isalnum() or after.isalnum())
        at = text.find(needle, at + 1)
    return count


def _number(released: _Released, digits: str) -> int:
    text, places, stream = released.plain, released.places, released.digits
    count, at = 0, stream.find(digits)
    while at >= 0:
        last = at + len(digits) - 1
        touching = (at and places[at - 1] == places[at] - 1) or (
            last + 1 < len(places) and places[last + 1] == places[last] + 1
        )
        gaps = [text[places[k] + 1 : places[k + 1]] for k in range(at, last)]
        # Fewer than seven digits with gaps are a blood pressure or a range as easily as a record number.
        near = all(_BETWEEN_DIGITS.fullmatch(gap) for gap in gaps) if len(digits) >= 7 else not any(gaps)
        count += bool(near and not touching)
        at = stream.find(digits, at + 1)
    return count


def _dates(value: str, released: _Released) -> int:
    try:
        day = date.fromisoformat(value[:10])
    except ValueError:
        return _whole(released.lower, value.lower()) if len(value) >= 6 else 0
    years = {f"{day.year}", f"{day.year % 100:02}"}
    days = {f"{day.day}", f"{day.day:02}"}
    # Without both numbers no form of the day is there: most days of a long record are passed over so.
    whole = f"{day.year}{day.month:02}{day.day:02}"
    if whole not in released.runs and (years.isdisjoint(released.runs) or days.isdisjoint(released.runs)):
        return 0
    return sum(_whole(released.lower, form) for form in _date_forms(day))


def _date_forms(day: date) -> set[str]:
    m, d, y = day.month, day.day, day.year
    long = _MONTHS[m - 1]
    forms = {day.isoformat(), f"{y}/{m:02}/{d:02}", f"{y}{m:02}{d:02}"}
    for mark in "/-.":
        forms |= {f"{m}{mark}{d}{mark}{y}", f"{m:02}{mark}{d:02}{mark}{y}", f"{m:02}{mark}{d:02}{mark}{y % 100:02}"}
    nth = f"{d}{_ENDINGS.get(d, 'th')}"
    for name in (long, long[:3]):
        forms |= {f"{name} {d}, {y}", f"{name} {d} {y}", f"{d} {name} {y}", f"{d:02} {name} {y}", f"{d:02}-{name}-{y}"}
        forms |= {f"{name} {nth}, {y}", f"{name} {nth} {y}", f"{nth} {name} {y}", f"{nth} of {name} {y}"}
    return forms


def _street(value: str, released: _Released) -> int:
    line = _UNIT.sub("", value.lower().split(",")[0].split("\n")[0]).strip()
    line = " ".join(line.split())
    return _whole(released.line, line) if len(line) >= 6 and " " in line else 0
