"""A model of the model hub as a Presidio recognizer, for those who run Presidio's analyzer themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from deid.notes.hub import HubTagger

SCORE = 0.85


class HubRecognizer(EntityRecognizer):  # type: ignore[misc,unused-ignore]
    """What a model in a folder of this machine finds; its entities are kinds of deid/kinds.py.

    Register it with `registry.add_recognizer(HubRecognizer(folder))`; it needs no language model of Presidio's. The
    arguments are those of deid.notes.hub.HubTagger; the model is loaded at once, so that a fault of it is told here.
    """

    def __init__(
        self,
        path: Path,
        *,
        labels: Mapping[str, str] | None = None,
        batch: int = 8,
        threads: int = 1,
        supported_language: str = "en",
    ) -> None:
        self._tagger = HubTagger(path, labels=labels, batch=batch, threads=threads)
        super().__init__(
            supported_entities=sorted(self._tagger.kinds), name="hub:deid", supported_language=supported_language
        )

    def load(self) -> None:
        """Load nothing: the model is loaded when the recognizer is made."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return what the model finds of `entities` in `text`; all of it where `entities` is empty."""
        (spans,) = self._tagger.tag([text])
        return [
            RecognizerResult(span.kind, span.start, span.end, SCORE)
            for span in spans
            if not entities or span.kind in entities
        ]
