"""A patient's own identifiers, taken from the record, and where they stand in a text.

A note is cut into runs of letters and runs of digits; each run is looked up in one set, so that the time for a note
does not depend on the number of identifiers. `leaks`, in deid/notes/leak_check.py, checks the released text otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from deid.notes.folding import fold, fold_lower
from deid.notes.leak_check import leaks
from deid.notes.words import COMMON_NAMES, COMMON_PLACES, PARTICLES, STREET_TYPES, STREET_WORDS, TITLES, UNIT_WORDS
from deid.notes.written_dates import Tokens, date_triggers, dates_at, parse_date

__all__ = ["SEARCHED_KINDS", "KnownIdentifiers", "Span", "leaks"]

NAME_KINDS = frozenset({"person_name", "relative_name", "provider_name"})
PHRASE_KINDS = frozenset({"city", "county", "birth_place", "employer_name", "facility_name", "facility_place"})
ADDRESS_KINDS = frozenset({"street_address"})
DATE_KINDS = frozenset({"birth_date", "death_date", "service_date", "admit_date", "discharge_date", "record_date"})
PHONE_KINDS = frozenset({"phone", "fax", "facility_phone"})
CODE_KINDS = frozenset(
    {
        "patient_id", "encounter_id", "claim_id", "mrn", "ssn", "member_id", "account_number", "license_number",
        "vehicle_id", "device_id", "email", "url", "ip_address", "unique_id", "npi", "provider_id", "facility_id",
        "zip_code", "geocode", "precinct", "photo", "biometric", *PHONE_KINDS,
    }
)  # fmt: skip
SEARCHED_KINDS = NAME_KINDS | PHRASE_KINDS | ADDRESS_KINDS | DATE_KINDS | CODE_KINDS

_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_NARROW_GAPS = frozenset({"", "-", " ", "."})
_COUNTRY_CODE = re.compile(r"(?<!\d)(?:\+?1[\s.\-]{0,2})?\(?$")
_INITIAL_BETWEEN = re.compile(r"[ \t]*-?[ \t]*(?:(?:[A-Zb-hj-z]\.?|[ai]\.)[ \t]+)?")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of a text, the kind of identifier they are, and the rule that found them."""

    start: int
    end: int
    kind: str
    rule: str


class _Phrase(NamedTuple):
    tokens: tuple[str, ...]
    kind: str
    rule: str
    capitalized: bool  # found only where it is written with a capital


class _Code(NamedTuple):
    target: str  # letters and digits only, in lower case
    kind: str
    gap: int  # how many marks may stand between its runs; 0 for one hyphen, blank or point


class KnownIdentifiers:
    """The identifiers of one patient, ready to be looked for.

    `values` are pairs of a kind name out of `SEARCHED_KINDS` and its text (dates as `date` or ISO text); ValueError for
    any other kind. Empty values are passed over, and so are values under three characters that are not names: they
    would hit ordinary text.
    """

    __slots__ = ("_codes", "_dates", "_phrases", "_places", "_short_dates", "_triggers", "values")

    def __init__(self, values: Iterable[tuple[str, str | date]]) -> None:
        self.values: tuple[tuple[str, str], ...] = tuple(
            dict.fromkeys((kind, _as_text(value)) for kind, value in values if value)
        )
        for kind, _ in self.values:
            if kind not in SEARCHED_KINDS:
                raise ValueError(f"kind {kind!r} is not looked for in notes")
        self._phrases: dict[str, list[_Phrase]] = {}
        self._places: dict[str, list[_Phrase]] = {}  # like phrases, with street words in one spelling
        self._codes: dict[str, list[_Code]] = {}
        self._dates: dict[tuple[int, int, int], str] = {}
        self._short_dates: dict[tuple[int, int, int], str] = {}
        self._triggers: frozenset[str] | None = None  # built at the first search: the leak check needs only `values`

    def _build(self) -> frozenset[str]:
        for kind, value in self.values:
            self._add(kind, value)
        for phrases in (*self._phrases.values(), *self._places.values()):
            phrases.sort(key=lambda phrase: -len(phrase.tokens))
        self._short_dates = {(y % 100, m, d): kind for (y, m, d), kind in self._dates.items()}
        looked_up = {*self._phrases, *self._codes, *self._places} | set(date_triggers(self._dates))
        return frozenset(looked_up | {long for long, short in STREET_WORDS.items() if short in self._places})

    def __repr__(self) -> str:
        """Return the number of identifiers, never one of them: reprs end up in logs and tracebacks."""
        return f"KnownIdentifiers(<{len(self.values)} values>)"

    def find(self, text: str) -> list[Span]:
        """Return where this patient's identifiers stand in `text`, in order and without overlaps."""
        if self._triggers is None:
            self._triggers = self._build()
        folded = fold(text)
        lower = fold_lower(folded.text)
        if self._triggers.isdisjoint(_TOKEN.findall(lower)):
            return []
        tokens = _tokens(folded.text, lower)
        found: list[Span] = []
        for at, word in enumerate(tokens.words):
            if word in self._triggers:
                found += self._at(tokens, at)
        return [Span(*folded.back(s.start, s.end), s.kind, s.rule) for s in _joined(found, folded.text)]

    def _at(self, tokens: Tokens, at: int) -> Iterable[Span]:
        for phrases, words in ((self._phrases, tokens.words), (self._places, tokens.spelled)):
            for phrase in phrases.get(words[at], ()):
                end = _phrase_end(tokens, words, at, phrase)
                if end is not None:
                    yield Span(tokens.starts[at], end, phrase.kind, phrase.rule)
                    break  # phrases are tried longest first
        for code in self._codes.get(tokens.words[at], ()):
            end = _code_end(tokens, at, code)
            if end is not None:
                start = tokens.starts[at]
                if code.kind in PHONE_KINDS:
                    before = _COUNTRY_CODE.search(tokens.plain, max(0, start - 6), start)
                    start = before.start() if before else start
                yield Span(start, end, code.kind, "known:number")
        if self._dates:
            for end, year, month, day in dates_at(tokens, at):
                day_read = (year, month, day)
                kind_of_date = self._dates.get(day_read) or self._short_dates.get(day_read)
                if kind_of_date is not None:
                    yield Span(tokens.starts[at], end, kind_of_date, "known:date")

    def _add(self, kind: str, value: str) -> None:
        if kind in NAME_KINDS:
            self._add_name(kind, value)
        elif kind in DATE_KINDS:
            self._add_date(kind, value)
        elif kind in ADDRESS_KINDS:
            self._add_address(kind, value)
        elif kind in PHRASE_KINDS:
            tokens = _spelled(value)
            word = tokens[0] if len(tokens) == 1 else ""
            careful = bool(word) and (len(word) < 4 or word in COMMON_NAMES or word in COMMON_PLACES)
            self._add_phrase(tokens, kind, "known:phrase", capitalized=careful)
        else:
            self._add_code(kind, value)

    def _add_phrase(self, tokens: list[str], kind: str, rule: str, *, capitalized: bool = False) -> None:
        if len("".join(tokens)) >= 2:
            into = self._places if kind in ADDRESS_KINDS | PHRASE_KINDS else self._phrases
            into.setdefault(tokens[0], []).append(_Phrase(tuple(tokens), kind, rule, capitalized))

    def _add_name(self, kind: str, value: str) -> None:
        tokens = _split(value)
        # The whole name and every tail of it ("de la Cruz", "la Cruz"), in any letter case.
        for cut in range(len(tokens) - 1):
            self._add_phrase(tokens[cut:], kind, "known:name")
        whole = "".join(tokens)
        if len(tokens) > 1 and len(whole) >= 5:
            self._add_phrase([whole], kind, "known:name")
        for word in value.split():  # O'Brien, Smith-Jones, Abe604: together, and written in one ("OBRIEN")
            pieces = _split(word)
            if len(pieces) > 1:
                self._add_phrase(pieces, kind, "known:name")
                self._add_phrase(["".join(pieces)], kind, "known:name", capitalized=len("".join(pieces)) < 4)
        letters = [token for token in tokens if token.isalpha() and len(token) >= 2]
        plain = [token for token in letters if token not in TITLES] or letters
        for position, token in enumerate(plain):
            if token in PARTICLES and any(later not in PARTICLES for later in plain[position + 1 :]):
                continue  # "de", "van": part of the tails above, never a name alone
            careful = len(token) == 2 or token in COMMON_NAMES or token in PARTICLES or token in TITLES
            self._add_phrase([token], kind, "known:name_part", capitalized=careful)

    def _add_date(self, kind: str, value: str) -> None:
        day = parse_date(value)
        if day is None:
            self._add_code(kind, value)  # as written, at least
        else:
            self._dates.setdefault((day.year, day.month, day.day), kind)

    def _add_address(self, kind: str, value: str) -> None:
        tokens = _spelled(value)
        if len(tokens) < 2:
            self._add_phrase(tokens, kind, "known:address", capitalized=True)
            return
        self._add_phrase(tokens, kind, "known:address")
        line = _spelled(re.split(r"[,\n#]", value)[0])
        unit = next((at for at, token in enumerate(line) if token in UNIT_WORDS and at > 1), len(line))
        line = line[:unit]
        if len(line) < 2:
            return
        self._add_phrase(line, kind, "known:street_line")
        kinds_of_street = [at for at, token in enumerate(line) if token in STREET_TYPES and at > 1]
        if kinds_of_street:  # what follows the street's kind is a unit, whatever it is called
            line = line[: kinds_of_street[-1] + 1]
            self._add_phrase(line, kind, "known:street_line")
        stem = line[:-1] if line[-1] in STREET_TYPES else line
        if len(stem) >= 2 and stem[0].isdigit() and stem[-1].isalpha():
            self._add_phrase(stem, kind, "known:street_line")
        if line[0].isdigit() and len(line) >= 3 and line[-1] in STREET_TYPES:
            self._add_phrase(line[1:], kind, "known:street_name")
        if line[:3] == ["p", "o", "box"]:
            self._add_phrase(["po", *line[2:]], kind, "known:street_line")
            self._add_phrase(line[2:], kind, "known:street_line")

    def _add_code(self, kind: str, value: str) -> None:
        code = "".join(_TOKEN.findall(fold_lower(fold(value).text)))
        digits = "".join(c for c in code if c.isdigit())
        if len(code) < 3:
            return
        if not digits and len(code) < 6 and kind not in ("email", "url"):
            self._add_phrase([code], kind, "known:code", capitalized=True)
            return
        targets = {code}
        if len(digits) >= 5 and kind not in ("email", "url", "photo"):
            targets |= {digits, digits.lstrip("0")} if kind not in PHONE_KINDS else {digits}
        if kind in PHONE_KINDS and len(digits) >= 10:
            targets |= {digits[-10:], "1" + digits[-10:], digits[-7:]}
        if kind == "zip_code" and len(digits) == 9:
            targets.add(digits[:5])
        # A short number is not looked for across a slash or a wide gap, unless it is written with such marks itself:
        # 120/80 is not the record number 12080.
        own_gaps = [gap for gap in _TOKEN.split(fold(value).text)[1:-1] if gap not in _NARROW_GAPS]
        for target in targets:
            if len(target) >= 3:
                wide = bool(own_gaps) or len(target) >= 7
                found = _Code(target, kind, max([4, *map(len, own_gaps)]) if wide else 0)
                for cut in range(1, len(target) + 1):  # a run that begins the number leads to it
                    self._codes.setdefault(target[:cut], []).append(found)


def _as_text(value: str | date) -> str:
    return value.isoformat()[:10] if isinstance(value, date) else value.strip()


def _split(value: str) -> list[str]:
    return _TOKEN.findall(fold_lower(fold(value).text))


def _spelled(value: str) -> list[str]:
    return [STREET_WORDS.get(token, token) for token in _split(value)]


def _tokens(plain: str, lower: str) -> Tokens:
    matches = list(_TOKEN.finditer(lower))
    words = [match.group() for match in matches]
    spelled = [STREET_WORDS.get(word, word) for word in words]
    return Tokens(plain, words, spelled, [match.start() for match in matches], [match.end() for match in matches])


def _phrase_end(tokens: Tokens, words: list[str], at: int, phrase: _Phrase) -> int | None:
    length = len(phrase.tokens)
    if length == 1:
        if phrase.capitalized and not tokens.plain[tokens.starts[at]].isupper():
            return None
        return tokens.ends[at]
    if tuple(words[at : at + length]) != phrase.tokens:
        return None
    for k in range(at, at + length - 1):
        if len(tokens.plain[tokens.ends[k] : tokens.starts[k + 1]].strip()) > 2:
            return None
    return tokens.ends[at + length - 1]


def _code_end(tokens: Tokens, at: int, code: _Code) -> int | None:
    joined = ""
    for k in range(at, len(tokens.words)):
        if k > at:
            gap = tokens.plain[tokens.ends[k - 1] : tokens.starts[k]]
            if gap not in _NARROW_GAPS and len(gap) > code.gap:
                return None
        joined += tokens.plain[tokens.starts[k] : tokens.ends[k]].lower()
        if joined == code.target:
            return tokens.ends[k]
        if not code.target.startswith(joined):
            return None
    return None


def _joined(found: list[Span], text: str) -> list[Span]:
    """Merge spans that overlap; join two names with at most an initial between them, so that no initial is left."""
    merged: list[Span] = []
    for span in sorted(found, key=lambda s: (s.start, -s.end)):
        last = merged[-1] if merged else None
        if last is not None and span.start < last.end:
            merged[-1] = Span(last.start, max(last.end, span.end), last.kind, last.rule)
        elif (
            last is not None
            and last.kind == span.kind
            and span.kind in NAME_KINDS
            and _INITIAL_BETWEEN.fullmatch(text, last.end, span.start)
        ):
            merged[-1] = Span(last.start, span.end, last.kind, last.rule)
        else:
            merged.append(span)
    return merged
