"""The patterns as Presidio recognizers, for those who run Presidio's analyzer themselves.

`for recognizer in pattern_recognizers(): registry.add_recognizer(recognizer)`; the network is in
deid/notes/network_recognizer.py. Neither needs a language model of Presidio's.
"""

from __future__ import annotations

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from deid.notes.folding import fold
from deid.notes.patterns import RULES, Finder

LANGUAGE = "en"
SURE_SCORE = 0.95
HINT_SCORE = 0.4  # below what is worth removing by itself: something else has to agree


class NotePatternRecognizer(EntityRecognizer):  # type: ignore[misc,unused-ignore]
    """The rules for one kind of identifier; the entity is named as in deid/kinds.py."""

    def __init__(self, kind: str, supported_language: str = LANGUAGE) -> None:
        rules = [rule for rule in RULES if rule.kind == kind]
        if not rules:
            raise ValueError(f"no pattern finds {kind!r}")
        self._finder = Finder(rules)
        super().__init__(supported_entities=[kind], name=f"pattern:{kind}", supported_language=supported_language)

    def load(self) -> None:
        """Load nothing: expressions are compiled when the recognizer is made."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return what the rules find in `text`, scored 0.95 where they are sure and 0.4 where they are not."""
        folded = fold(text)
        return [
            RecognizerResult(find.kind, *folded.back(find.start, find.end), SURE_SCORE if find.sure else HINT_SCORE)
            for find in self._finder.find(folded.text)
            if not entities or find.kind in entities
        ]


def pattern_recognizers(supported_language: str = LANGUAGE) -> list[EntityRecognizer]:
    """Return one recognizer for each kind that patterns find."""
    return [NotePatternRecognizer(kind, supported_language) for kind in sorted({rule.kind for rule in RULES})]
