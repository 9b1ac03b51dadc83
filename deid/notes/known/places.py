"""Addresses, cities and institutions of the record, whole and in the parts that people write alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from deid.notes.known.beside import DIRECTIONS, FACILITY_TYPES
from deid.notes.known.kinds import ADDRESS_KINDS
from deid.notes.known.ordinary import Sense, is_state_or_country, sense_of
from deid.notes.known.phrases import Phrases
from deid.notes.known.reading import Reading, spelled
from deid.notes.known.surroundings import is_on, is_place
from deid.notes.span import Span
from deid.notes.words import COMMON_NAMES, COMMON_PLACES, STREET_TYPES, STREET_WORDS, UNIT_WORDS

_BREAK = re.compile(r"[,;\n]")
_ENDS_LINE = re.compile(r"[,\n#]")
_STATE_AND_ZIP = re.compile(r"(?:\b[A-Za-z]{2})?[ \t]*(?:\b\d{5}(?:-\d{4})?)?[ \t]*$")
_NUMBER_MARK = re.compile(r"#[ \t]?(?=\w)")


class Places:
    """All places of one record; `phrases` in the one spelling of street words."""

    __slots__ = ("_alone", "_streets", "phrases", "starts")

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        self.phrases = Phrases()
        self._alone: set[str] = set()  # words that are places only where they look like one
        self._streets: set[str] = set()  # words that are streets only behind "on" and the like
        for kind, value in values:
            if kind in ADDRESS_KINDS or (kind == "facility_place" and any(c.isdigit() for c in value)):
                self._add_address(kind, value)
            else:
                self._add_name(kind, value)
        self.starts = {*self.phrases, *(long for long, short in STREET_WORDS.items() if short in self.phrases)}

    def at(self, reading: Reading, at: int) -> Iterator[Span]:
        """Yield the place that stands at run `at`."""
        found = self.phrases.longest(reading, reading.spelled, at)
        if found is None:
            return
        phrase, length = found
        if length == 1 and phrase.tokens[0] in self._alone and not is_place(reading, at):
            return
        if (
            length == 1
            and phrase.rule == "known:street"
            and phrase.tokens[0] in self._streets
            and not is_on(reading, at)
        ):
            return
        yield Span(reading.starts[at], reading.ends[at + length - 1], phrase.kind, phrase.rule)

    def _add_name(self, kind: str, value: str) -> None:
        tokens = spelled(value)
        if not tokens:
            return
        self._add(tokens, kind, "known:place")
        if kind not in ("facility_name", "employer_name") or len(tokens) < 2:
            return
        named = next((at for at, token in enumerate(tokens) if token in FACILITY_TYPES), len(tokens))
        if 0 < named < len(tokens):  # "Fernborough" of "Fernborough Medical Center"
            stem = tokens[:named]
            if len(stem) > 1 or (len(stem[0]) >= 5 and not is_state_or_country(stem[0]) and not _is_careful(stem[0])):
                self.phrases.add(stem, kind, "known:place_part", capitalized=True)

    def _add(self, tokens: list[str], kind: str, rule: str) -> None:
        is_careful = len(tokens) == 1 and _is_careful(tokens[0])
        if is_careful:
            self._alone.add(tokens[0])
        self.phrases.add(tokens, kind, rule, capitalized=is_careful)

    def _add_address(self, kind: str, value: str) -> None:
        tokens = spelled(value)
        if len(tokens) < 2:
            if tokens:
                self.phrases.add(tokens, kind, "known:address", capitalized=True)
            return
        self.phrases.add(tokens, kind, "known:address")
        for piece in _BREAK.split(value)[1:]:
            self._add_rest(kind, piece)
        line = spelled(_ENDS_LINE.split(value)[0])
        unit = next((at for at, token in enumerate(line) if token in UNIT_WORDS and at > 1), len(line))
        self._add_unit(kind, spelled(_NUMBER_MARK.sub(" unit ", value)))
        if len(line := line[:unit]) >= 2:
            self._add_street(kind, line)

    def _add_street(self, kind: str, line: list[str]) -> None:
        self.phrases.add(line, kind, "known:address")
        types = [at for at, token in enumerate(line) if token in STREET_TYPES and at > 1]
        if types:  # what follows the street's kind is a unit, whatever it is called
            line = line[: types[-1] + 1]
            self.phrases.add(line, kind, "known:address")
            if line[1] in DIRECTIONS and len(line) > 3:
                self.phrases.add([line[0], *line[2:]], kind, "known:address")
        stem = line[:-1] if line[-1] in STREET_TYPES else line
        if len(stem) >= 2 and stem[0].isdigit() and stem[-1].isalpha():
            self.phrases.add(stem, kind, "known:address")
            name = stem[2:] if stem[1] in DIRECTIONS and len(stem) > 2 else stem[1:]
            is_own = len(name) == 1 and len(name[0]) >= 5 and sense_of(name[0]) is not Sense.USUAL
            if is_own and sense_of(name[0]) is Sense.SOME:
                self._streets.add(name[0])
            if is_own or (len(name) > 1 and not all(token.isdigit() for token in name)):
                self.phrases.add(name, kind, "known:street", capitalized=True)
        if line[0].isdigit() and len(line) >= 3 and line[-1] in STREET_TYPES:
            self.phrases.add(line[1:], kind, "known:street")
            if line[1] in DIRECTIONS and len(line) > 3:
                self.phrases.add(line[2:], kind, "known:street")
        if line[:3] == ["p", "o", "box"] or line[:2] == ["po", "box"]:
            box = line[line.index("box") :]
            for head in (["p", "o"], ["po"], []):
                self.phrases.add([*head, *box], kind, "known:address")

    def _add_unit(self, kind: str, tokens: list[str]) -> None:
        at = next((at for at, token in enumerate(tokens) if token in UNIT_WORDS and at > 1), None)
        if at is None:
            return
        number = (
            tokens[at + 1 : at + 3] if len(tokens) > at + 2 and len(tokens[at + 2]) == 1 else tokens[at + 1 : at + 2]
        )
        if number and any(token.isdigit() for token in number):
            for word in {tokens[at], "apt", "unit", "ste"} - {"fl", "floor", "room", "rm"}:
                self.phrases.add([word, *number], kind, "known:address")

    def _add_rest(self, kind: str, piece: str) -> None:
        """Take up a city that stands behind the street; ZIP codes are numbers, and states are free to stay."""
        tokens = spelled(_STATE_AND_ZIP.sub("", piece.strip()))
        is_name = 0 < len(tokens) <= 4 and not any(token.isdigit() or token in UNIT_WORDS for token in tokens)
        if is_name and len("".join(tokens)) > 2 and not is_state_or_country(" ".join(tokens)):
            self._add(tokens, kind, "known:place")


def _is_careful(word: str) -> bool:
    return len(word) < 4 or word in COMMON_NAMES or word in COMMON_PLACES or sense_of(word) is not Sense.NONE
