"""Says what the word lists were made of: the facts beside the data, and the page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.notes.building.inputs import Inputs
from deid.notes.building.sources import SOURCES, Source
from deid.notes.lists import (
    CLINICAL_BODY,
    CLINICAL_DESCRIPTION,
    CLINICAL_DRUG,
    CLINICAL_EPONYM,
    PLACE_COUNTRY,
    PLACE_STATE,
    PLACE_STREET,
    PLACE_WHOLE,
    PLACE_WORD,
    PLACE_WORLD,
    WORDS,
)

_BITS = {
    "clinical": {
        CLINICAL_DESCRIPTION: "in descriptions of codes, or a word or abbreviation of notes",
        CLINICAL_DRUG: "a drug",
        CLINICAL_EPONYM: "an eponym",
        CLINICAL_BODY: "a part of the body, or a unit",
    },
    "place": {
        PLACE_WORD: "of the name of a city or county of the United States",
        PLACE_WHOLE: "the whole name of one",
        PLACE_STATE: "of a state's name, or its abbreviation",
        PLACE_COUNTRY: "of a country, nationality, language or continent",
        PLACE_WORLD: "of a large city elsewhere",
        PLACE_STREET: "a type of street",
    },
}
_CLASSES = {
    "surname": "surnames, in classes of how many people bear them",
    "given": "given names, in classes of how many people bear them",
    "english": "words of English, in classes of how common they are",
    "facility": "words of names of facilities, in classes of how many have them",
}
_HEAD = """\
# Word lists for notes

Generated from the data in `deid/notes/data` by `python -m deid.notes.build`; do not edit.

The detector of identifiers in notes asks for every word whether it names people, places or facilities, and whether it
is a word of English or of medicine. No list is an annotated corpus, and none was made from notes.
Lists of abbreviations, words of notes of care, parts of the body, units, eponyms, drugs, misspellings, words of
everyday writing, states, countries, types of streets, words of facilities and words that English writes with a capital
were written for this project; they stand in `deid/notes/building`.
"""


def described(inputs: Inputs, tables: Mapping[str, pa.Table], folder: Path) -> dict[str, Any]:
    """Return the facts of the tables that were written to a folder; raise ValueError where a package is not of SOURCES.

    Keys: files, sources (each with the SHA-256 of its package) and notices.
    """
    used = {source.package: _package(source, inputs.digests) for source in SOURCES}
    if set(inputs.digests) != {file for file, _ in used.values()}:
        raise ValueError("a package was read that is not among the sources")
    return {
        "files": {name: _file(folder / name, table) for name, table in tables.items()},
        "sources": [
            {**asdict(source), "notices": list(source.notices), "file": file, "sha256": digest}
            for source, (file, digest) in zip(SOURCES, used.values(), strict=True)
        ],
        "notices": {
            s.package: "\n\n".join(inputs.notice(s.package, n) for n in s.notices) for s in SOURCES if s.notices
        },
    }


def page(facts: Mapping[str, Any]) -> str:
    """Return docs/reference/word-lists.md."""
    files = [_file_section(name, said) for name, said in facts["files"].items()]
    rows = [f"| {s['gives']} | {s['origin']} | {s['license']} | {_shown(s)} |" for s in facts["sources"]]
    sources = ["\n## Sources\n", "| what | origin | license | package |\n|---|---|---|---|", *rows, "\nPackages:\n"]
    digests = [f"- `{s['sha256']}  {s['file']}`" for s in facts["sources"]]
    notices = [f"\n### {package}\n\n```text\n{_plain(text)}\n```" for package, text in facts["notices"].items()]
    return "\n".join([_HEAD, *files, *sources, *digests, "\n## Notices", *notices]) + "\n"


def _package(source: Source, digests: Mapping[str, str]) -> tuple[str, str]:
    found = [(file, digest) for file, digest in digests.items() if source.is_of(file)]
    if len(found) != 1:
        raise ValueError(f"{source.package} {source.version} was not read")
    return found[0]


def _file(path: Path, table: pa.Table) -> dict[str, Any]:
    content = path.read_bytes()
    counts = _word_counts(table) if path.name == WORDS else _kind_counts(table)
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "rows": table.num_rows, "of": counts}


def _word_counts(table: pa.Table) -> dict[str, int]:
    """Return how many words each column and bit says something of."""
    counts = {f"{name}: {what}": int(np.count_nonzero(table.column(name))) for name, what in _CLASSES.items()}
    for name, bits in _BITS.items():
        column = table.column(name).to_numpy()
        counts |= {f"{name} {bit}: {what}": int(np.count_nonzero(column & bit)) for bit, what in bits.items()}
    return counts


def _kind_counts(table: pa.Table) -> dict[str, int]:
    counted: Sequence[Mapping[str, Any]] = pc.value_counts(table.column("kind")).to_pylist()
    return {str(row["values"]): int(row["counts"]) for row in counted}


def _file_section(name: str, said: Mapping[str, Any]) -> str:
    head = (
        f"## `{name}`\n\n{said['bytes']:,} bytes, {said['rows']:,} rows, SHA-256 `{said['sha256']}`\n\n| | |\n|---|---|"
    )
    return "\n".join([head, *(f"| {what} | {count:,} |" for what, count in said["of"].items())]) + "\n"


def _shown(source: Mapping[str, Any]) -> str:
    return f"{source['package']} {source['version'].replace('%3a', ':')}"


def _plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.expandtabs().splitlines())
