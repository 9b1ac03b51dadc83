"""The network as a Presidio recognizer, for those who run Presidio's analyzer themselves."""

from __future__ import annotations

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from deid.notes.folding import fold
from deid.notes.kinds_of_spans import KINDS_OF_NETWORK
from deid.notes.patterns import find
from deid.notes.tagger import Tagger

SCORE = 0.85


class NetworkRecognizer(EntityRecognizer):  # type: ignore[misc,unused-ignore]
    """Names, places, facilities and odd identifiers of US clinical English; needs no language model of Presidio's.

    Register it with `registry.add_recognizer(NetworkRecognizer())`. Its entities are kinds of deid/kinds.py.
    """

    def __init__(self, *, strict: bool = False, supported_language: str = "en") -> None:
        self._strict = strict
        self._tagger: Tagger | None = None
        super().__init__(
            supported_entities=sorted(KINDS_OF_NETWORK), name="network:deid", supported_language=supported_language
        )

    def load(self) -> None:
        """Read the weights and word lists out of the package."""
        self._tagger = Tagger(strict=self._strict)

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return what the network finds of `entities` in `text`; all of it where `entities` is empty."""
        if self._tagger is None:
            self.load()
        assert self._tagger is not None
        folded = fold(text)
        (spans,) = self._tagger.tag([folded.text], [find(folded.text)])
        return [
            RecognizerResult(span.kind, *folded.back(span.start, span.end), SCORE)
            for span in spans
            if not entities or span.kind in entities
        ]
