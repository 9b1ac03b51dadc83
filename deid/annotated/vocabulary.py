"""Word lists of the generator, from `deid/annotated/words/*.txt`.

A file holds sections under `[name]`; entries stand between `|` or line ends, in quotes where blanks at their ends
belong to them; lines that begin with `%%` are comments.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def vocabulary(topic: str) -> dict[str, tuple[str, ...]]:
    """Sections of one word file: their name and their entries in order."""
    text = (files("deid.annotated") / "words" / f"{topic}.txt").read_text("utf-8")
    sections: dict[str, list[str]] = {}
    entries: list[str] = []
    for line in text.splitlines():
        row = line.strip()
        if not row or row.startswith("%%"):
            continue
        if row.startswith("[") and row.endswith("]"):
            entries = sections.setdefault(row[1:-1], [])
        else:
            entries.extend(_bare(entry.strip()) for entry in row.split("|") if entry.strip())
    return {name: tuple(found) for name, found in sections.items()}


def _bare(entry: str) -> str:
    return entry[1:-1] if len(entry) > 2 and entry[0] == entry[-1] == '"' else entry
