"""Names of the record as people write them: whole, in parts, short, misspelt, run together, and as initials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import NamedTuple

from deid.notes.known.beside import GLUED_LABELS, INITIALISMS
from deid.notes.known.divided import Divided, MisreadNames
from deid.notes.known.nicknames import nicknames
from deid.notes.known.ordinary import Sense, is_rare_word, is_rather_a_name, ordinary_words, sense_of
from deid.notes.known.phrases import Phrases
from deid.notes.known.reading import Reading, split
from deid.notes.known.spelling import is_misspelt, keys_of_name, keys_of_word
from deid.notes.known.surroundings import bears_a_thing, is_person, tells_initials
from deid.notes.span import Span
from deid.notes.words import PARTICLES, TITLES

_LONGEST = 24  # letters of a word that is looked at for mistakes
_SIBILANTS = ("s", "x", "z", "ch", "sh")
_POINT = re.compile(r"\.[ \t]?")


class Word(NamedTuple):
    """One word that names somebody; `base` is the name of the record that it was made of."""

    kind: str
    rule: str
    base: str

    def __repr__(self) -> str:
        """Return nothing of the record: reprs end up in logs and tracebacks."""
        return "Word()"


class Names:
    """All names of one record: single `words` by what they look like in lower case, `phrases`, and `initials`.

    `initials` are the first letters of the names in lower case.
    """

    __slots__ = ("_decided", "_keys", "_long", "_people", "divided", "initials", "misread", "phrases", "words")

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        self.words: dict[str, Word] = {}
        self.phrases = Phrases()
        self._keys: dict[str, list[str]] = {}
        self._decided: dict[str, Word | None] = {}
        self._people: list[tuple[str, str]] = []  # kind, and the first letters of the parts of one person's name
        own = ""
        for kind, value in values:
            letters = self._add(kind, value)
            if kind == "person_name":
                own += letters
            else:
                self._people.append((kind, letters))
        self._people = [("person_name", own), *self._people]
        self.initials = frozenset("".join(letters for _, letters in self._people))
        parts = [word for word in self.words.values() if word.rule == "known:name_part"]
        for word in parts:
            self._add_forms(word)
        # Names that may stand glued to a label: "VanessaMRN".
        self._long = tuple(w.base for w in parts if len(w.base) >= 5 and sense_of(w.base) is Sense.NONE)
        self.divided = Divided((word.base, word.kind) for word in parts)
        self.misread = MisreadNames({word.base: word.kind for word in parts if len(word.base) >= 3})

    def __contains__(self, word: object) -> bool:
        """Return whether a run of the text searched last names somebody, as it is written or misspelt."""
        return word in self.words or (isinstance(word, str) and self._decided.get(word) is not None)

    def wanted(self, distinct: AbstractSet[str]) -> set[str]:
        """Return those of the distinct runs of a text that may name somebody."""
        found = {word for word in distinct if word in self.words or word in self.phrases or word in self.initials}
        found |= self.divided.wanted(distinct)
        for word in distinct - ordinary_words() - found:
            if word not in self._decided:
                self._decided[word] = self._misspelt(word)
            if self._decided[word] is not None:
                found.add(word)
        return found

    def at(self, reading: Reading, at: int) -> Iterator[Span]:
        """Yield the names that stand at run `at`."""
        word = reading.words[at]
        found = self.phrases.longest(reading, reading.words, at)
        if found is not None:
            phrase, length = found
            yield Span(reading.starts[at], reading.ends[at + length - 1], phrase.kind, phrase.rule)
        meant = self.words.get(word) or self._decided.get(word)
        if meant is not None and self._is_meant(reading, at, meant):
            yield Span(reading.starts[at], reading.ends[at], meant.kind, meant.rule)
        if len(word) == 1:
            yield from self._pointed(reading, at)
        yield from self.divided.at(reading, at)

    def _is_meant(self, reading: Reading, at: int, meant: Word) -> bool:
        if meant.rule == "known:initials":
            return tells_initials(reading, at, self)
        if meant.rule == "known:glued":
            return _is_glued(reading.word(at), meant.base)
        is_capital = reading.word(at)[0].isupper()
        is_plain = sense_of(meant.base) is Sense.NONE
        if meant.rule == "known:misspelt":
            word = reading.words[at]
            return (is_capital or (is_plain and len(word) > 5 and not is_rare_word(word))) and (
                is_plain or not bears_a_thing(reading, at)
            )
        if meant.rule == "known:plural" and not (is_plain and sense_of(reading.words[at]) is Sense.NONE):
            return is_capital and at > 0 and reading.words[at - 1] == "the" and not bears_a_thing(reading, at)
        return is_person(reading, at, self)

    def _pointed(self, reading: Reading, at: int) -> Iterator[Span]:
        """Yield two or three initials with points that stand at run `at`: "J.S.", "J. A. S."."""
        last = at
        while last - at < 3 and last + 1 < len(reading.words) and len(reading.words[last + 1]) == 1:
            if not _POINT.fullmatch(reading.gap(last + 1)):
                break
            last += 1
        end = reading.ends[last]
        letters = "".join(reading.words[at : last + 1])
        is_whole = reading.plain[end : end + 1] == "." and not (at and reading.gap(at) == ".")
        if 2 <= len(letters) <= 3 and is_whole and letters not in INITIALISMS:
            kind = self._kind_of_initials(letters)
            if kind is not None and reading.plain[reading.starts[at]].isupper():
                yield Span(reading.starts[at], end + 1, kind, "known:initials")

    def _kind_of_initials(self, letters: str) -> str | None:
        for kind, own in self._people:
            rest = own
            for letter in letters:
                rest = rest.replace(letter, "", 1) if letter in rest else "?"
            if "?" not in rest and own:
                return kind
        return None

    def _misspelt(self, word: str) -> Word | None:
        """Return what name `word`, which is no ordinary word, may be meant for."""
        if len(word) < 2 or len(word) > _LONGEST or not word.isalpha():
            return None
        if len(word) <= 3 and word not in INITIALISMS:
            kind = self._kind_of_initials(word)
            if kind is not None:
                return Word(kind, "known:initials", word)
        for key in keys_of_word(word):
            for name in self._keys.get(key, ()):
                if is_misspelt(word, name):
                    return Word(self.words[name].kind, "known:misspelt", name)
        if word.startswith(self._long) or word.endswith(self._long):
            name = next(n for n in self._long if word.startswith(n) or word.endswith(n))
            return Word(self.words[name].kind, "known:glued", name)
        return None

    def _add(self, kind: str, value: str) -> str:
        """Take up one name and return the first letters of its parts."""
        tokens = split(value)
        for cut in range(len(tokens) - 1):  # the whole name and every tail of it: "de la Cruz", "la Cruz"
            self.phrases.add(tokens[cut:], kind, "known:name")
        words = value.split()
        for piece in words if len(words) < len(tokens) else ():  # O'Brien, Smith-Jones, Abe604: together, or "OBRIEN"
            pieces = split(piece)
            if 1 < len(pieces) < len(tokens):
                self.phrases.add(pieces, kind, "known:name")
            if len(pieces) > 1:
                self._add_word("".join(pieces), kind, "known:joined")
        named = [token for token in tokens if token.isalpha() and len(token) >= 2]
        parts = [token for token in named if token not in TITLES] or named
        for joined in ("".join(tokens), *(a + b for a, b in pairwise(parts))):
            if len(tokens) > 1 and len(joined) >= 5:
                self._add_word(joined, kind, "known:joined")
        if len(parts) > 1 and len(tokens) > 2:
            self.phrases.add([parts[0], parts[-1]], kind, "known:name")
        return self._add_parts(kind, parts) + "".join(token for token in tokens if len(token) == 1)

    def _add_parts(self, kind: str, parts: list[str]) -> str:
        letters = ""
        particles: list[str] = []
        for position, part in enumerate(parts):
            if part in PARTICLES and any(later not in PARTICLES for later in parts[position + 1 :]):
                particles.append(part)  # "de", "van": never a name alone
                continue
            if particles:
                self.phrases.add([*particles, part], kind, "known:name")
                particles = []
            known = self.words.get(part)
            if known is None or known.rule != "known:name_part":
                self.words[part] = Word(kind, "known:name_part", part)
            letters += part[0]
        return letters

    def _add_word(self, word: str, kind: str, rule: str, base: str = "") -> None:
        if word not in self.words:
            self.words[word] = Word(kind, rule, base or word)

    def _add_forms(self, word: Word) -> None:
        """Take up what else is written for one name: short names, the family's plural, what mistakes make of it."""
        name = word.base
        if word.kind != "provider_name":
            for short in nicknames().get(name, ()):
                self._add_word(short, word.kind, "known:nickname")
        if len(name) >= 4:
            self._add_word(name + ("es" if name.endswith(_SIBILANTS) else "s"), word.kind, "known:plural", name)
        if len(name) > 5 and name.startswith("mc"):
            self.phrases.add(["mc", name[2:]], word.kind, "known:name")
        if len(name) >= 3 and (sense_of(name) is Sense.NONE or is_rather_a_name(name)):
            for key in keys_of_name(name):
                self._keys.setdefault(key, []).append(name)


def _is_glued(written: str, name: str) -> bool:
    """Return whether a name ends or begins inside a run where case or a label says so: "VanessaMRN", "drvanessa"."""
    if written.lower().removeprefix(name) in GLUED_LABELS or written.lower().removesuffix(name) in GLUED_LABELS:
        return True
    if written[: len(name)].lower() == name and written[len(name) - 1 :][:1].islower():
        return written[len(name) :][:1].isupper()
    at = len(written) - len(name)
    return written[at:].lower() == name and written[at].isupper() and written[at - 1].islower()
