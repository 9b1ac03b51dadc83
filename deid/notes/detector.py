"""Where the identifiers of a note are: known ones of the patient first, then patterns, then the language model.

Overlapping finds are merged over their whole extent, so that no part of a find is left; kind and rule are those of the
surest one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from deid.notes.clinical_words import EPONYMS, STOP_WORDS
from deid.notes.folding import Folded, fold
from deid.notes.known import NAME_KINDS, KnownIdentifiers, Span
from deid.notes.recognizers import NoteNlpEngine, artifacts_of, build_registry
from deid.notes.words import COMMON_NAMES, PARTICLES, TITLES

_LINE = re.compile(r"[^\n]+")
_WORD = re.compile(r"[^\W\d_]+")
_CAPITAL_RUN = re.compile(r"\b[A-Z][A-Z'\-]{2,}(?:,?[ \t]+[A-Z][A-Z'\-]{2,})+\b")
_RANKS = {"known": 0, "pattern": 1, "ner": 2, "repeat": 3}
_UNSURE = COMMON_NAMES | PARTICLES | TITLES | EPONYMS | STOP_WORDS


class Detector:
    """Known identifiers, patterns and spaCy's names and places; building one loads the language model (a second)."""

    def __init__(self) -> None:
        self._engine = NoteNlpEngine()
        self._engine.load()
        self._recognizers: list[Any] = list(build_registry().recognizers)

    def detect(self, texts: Sequence[str], known: Sequence[KnownIdentifiers | None]) -> list[list[Span]]:
        """Return the spans of each text, in order and without overlaps; `known` has one entry for each text.

        Raises whatever a part raises: a text that could not be searched has no answer.
        """
        folded = [fold(text) for text in texts]
        artifacts = artifacts_of(self._engine, [_readable(f.text) for f in folded])
        return [
            merged((own.find(text) if own is not None else []) + repeated(text, self._recognize(plain, output)))
            for text, own, plain, output in zip(texts, known, folded, artifacts, strict=True)
        ]

    def _recognize(self, plain: Folded, artifacts: Any) -> list[Span]:
        spans = []
        for recognizer in self._recognizers:
            for result in recognizer.analyze(plain.text, recognizer.supported_entities, artifacts):
                start, end = plain.back(result.start, result.end)
                spans.append(Span(start, end, result.entity_type, recognizer.name))
        return spans


def repeated(text: str, spans: list[Span]) -> list[Span]:
    """Return `spans`, and every other place in `text` where a surely found name stands again, capitalized.

    Sure is a name of two words or one that a pattern found; words that are also English or medicine are left out.
    """
    names = {
        word.group()
        for span in spans
        if span.kind in NAME_KINDS and (span.rule.startswith("pattern") or " " in text[span.start : span.end].strip())
        for word in _WORD.finditer(text, span.start, span.end)
    }
    sure = {n for n in names if len(n) >= 3 and n[0].isupper() and n.lower() not in _UNSURE}
    sure |= {n.upper() for n in sure} | {n.capitalize() for n in sure if n.isupper()}
    if not sure:
        return spans
    again = (Span(m.start(), m.end(), "person_name", "repeat:name") for m in _WORD.finditer(text) if m.group() in sure)
    return spans + list(again)


def merged(spans: list[Span]) -> list[Span]:
    """Return spans without overlaps that cover exactly what `spans` cover.

    A group of overlapping spans becomes one, with the kind and rule of its surest member: known before pattern before
    language model, then the longest, then the first of the rules.
    """
    groups: list[list[Span]] = []
    end = -1
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if groups and span.start < end:
            groups[-1].append(span)
        else:
            groups.append([span])
        end = max(end, span.end)
    return [_one(group) for group in groups]


def _one(group: list[Span]) -> Span:
    best = min(group, key=lambda s: (_RANKS[s.rule.split(":")[0]], s.start - s.end))
    return Span(min(s.start for s in group), max(s.end for s in group), best.kind, best.rule)


def _readable(text: str) -> str:
    """Return `text`, of the same length, with capitals taken out of ALL-CAPS lines and runs of ALL-CAPS words.

    The language model knows "Maria Lopez" and not "MARIA LOPEZ".
    """

    def soften(match: re.Match[str]) -> str:
        piece = match.group()
        letters = sum(c.isalpha() for c in piece)
        return _titled(piece) if letters >= 4 and piece.isupper() else piece

    text = _LINE.sub(soften, text)
    return _CAPITAL_RUN.sub(lambda match: _titled(match.group()), text)


def _titled(piece: str) -> str:
    def word(match: re.Match[str]) -> str:
        plain = match.group()
        lower = plain.lower()
        if len(lower) != len(plain):
            return plain
        # Clinical words go to lower case, so that "DENIES CHEST PAIN" does not read like a name.
        return lower if lower in STOP_WORDS else plain[0] + lower[1:]

    return _WORD.sub(word, piece)
