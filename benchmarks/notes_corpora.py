"""The annotated notes that the search of notes is measured on: generated, written by hand, and beside the project."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deid.annotated.document import Document
from deid.annotated.generator import generate
from deid.annotated.score import Answer, Example, example_of, read_examples

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "corpora"
UNSEEN_SEED, WARM_SEED = 900_001, 900_002  # training counts its seeds from far below
WHOLE, QUICK = 1_500, 200  # generated documents
SAMPLE_SEED = 20_260_101
_CLINICAL, _SHORT, _FORMS = "clinical notes", "hand-offs, nursing, calls, messages", "forms and lists"
_GROUPS = dict.fromkeys(("handoff", "nursing", "ems", "phone", "portal", "message"), _SHORT) | {
    "administrative": _FORMS,
    "form": _FORMS,
    "query": "questions typed",
    "adversarial": "built to break taggers",
    "negative": "without identifiers",
}

# The letters of 45 CFR 164.514(b)(2)(i), by label where that tells, else by slot.
_BY_LABEL = {
    "NAME": "A names",
    "LOCATION": "B places",
    "FACILITY": "B places",
    "DATE": "C dates and ages",
    "AGE": "C dates and ages",
}
_BY_SLOT = {
    "D telephone": ("PHONE", "SHORTPHONE", "EXT", "PAGER"),
    "E fax": ("FAX",),
    "F e-mail": ("EMAIL",),
    "G social security": ("SSN", "SSN4"),
    "H medical record": ("MRN",),
    "I health plan": ("MEMBER", "MBI"),
    "J account": ("ACCOUNT", "CARD", "IBAN"),
    "K license": ("LICENSE", "DEA", "NPI"),
    "L vehicle": ("VIN", "PLATE"),
    "M device": ("DEVICE", "UDI"),
    "N URL": ("URL",),
    "O IP address": ("IP", "MAC"),
    "P biometric": ("BIOMETRIC",),
    "Q photograph": ("PHOTO",),
}
_LETTER_OF_SLOT = {slot: letter for letter, slots in _BY_SLOT.items() for slot in slots}


@dataclass(frozen=True, slots=True, repr=False)
class Corpus:
    """Annotated notes of one origin."""

    name: str
    title: str
    examples: tuple[Example, ...]


def corpora(*, quick: bool) -> list[Corpus]:
    """Return every corpus that is here; with `quick`, a part of each."""
    found = [
        *_by_hand("unseen"),
        *_by_hand("development"),
        Corpus("generated", f"generated, seed {UNSEEN_SEED}", tuple(map(example_of, generated(quick=quick)))),
    ]
    for path in sorted(SHARED.glob("*.jsonl")) if SHARED.is_dir() else ():
        found += [Corpus(path.stem, path.stem, tuple(read_examples(path)))]
    return [replace(one, examples=one.examples[:QUICK]) for one in found] if quick else found


def _by_hand(name: str) -> list[Corpus]:
    examples = read_examples(HERE / f"notes_{name}.jsonl")
    groups: dict[str, list[Example]] = {}
    for example in examples:
        kind = example.id.rpartition("-")[0]
        groups.setdefault(_GROUPS.get(kind, _CLINICAL), []).append(example)
    return [Corpus(f"{name} {title}", f"by hand, {name}: {title}", tuple(own)) for title, own in groups.items()]


def generated(*, quick: bool) -> list[Document]:
    """Return generated notes of a seed that no training ever uses."""
    return list(generate(UNSEEN_SEED, QUICK if quick else WHOLE))


def warming() -> list[str]:
    """Return the texts that are searched before anything is timed."""
    return [document.text for document in generate(WARM_SEED, 100)]


def sample(examples: Sequence[Example], characters: int) -> list[int]:
    """Return positions of documents drawn at random, of about so many characters together, in order."""
    order = list(range(len(examples)))
    random.Random(SAMPLE_SEED).shuffle(order)
    taken: list[int] = []
    total = 0
    for at in order:
        if total and total + len(examples[at].text) > characters:
            break
        taken.append(at)
        total += len(examples[at].text)
    return sorted(taken)


def by_letter(documents: Iterable[Document]) -> list[Example]:
    """Return generated documents as examples whose labels are the letters of Safe Harbor."""
    return [
        Example(
            document.id,
            document.text,
            tuple(
                Answer(span.start, span.end, letter_of(span.label, span.slot), span.label != "ANY")
                for span in document.spans
            ),
        )
        for document in documents
    ]


def letter_of(label: str, slot: str) -> str:
    """Return the letter of Safe Harbor that a labeled span comes under."""
    return _BY_LABEL.get(label) or _LETTER_OF_SLOT.get(slot, "R any other")
