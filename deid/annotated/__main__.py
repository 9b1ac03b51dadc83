"""`python -m deid.annotated`: write annotated notes as JSON lines, and what records would hold beside them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import click

from deid.annotated.document import Document
from deid.annotated.generator import generate


def as_line(document: Document) -> str:
    """A document as one line of JSON; offsets count characters."""
    spans = [{"start": span.start, "end": span.end, "label": span.label, "slot": span.slot} for span in document.spans]
    row = {"id": document.id, "text": document.text, "spans": spans, "family": document.family}
    return json.dumps(row, ensure_ascii=False)


def as_record(document: Document) -> str:
    """What the record of the document's patient would hold, as one line of JSON."""
    held = [{"kind": kind, "text": text} for kind, text in document.identifiers]
    return json.dumps({"id": document.id, "identifiers": held}, ensure_ascii=False)


@click.command()
@click.option("--seed", default=7, show_default=True, help="Decides everything that is drawn.")
@click.option("--count", default=1000, show_default=True, help="How many documents.")
@click.option("--family", "families", multiple=True, help="A file of carriers, without .txt; all where none is named.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where the documents go, as JSON lines.")
@click.option("--patients", type=click.Path(path_type=Path), help="Where the identifiers of each go, as JSON lines.")
def main(seed: int, count: int, families: tuple[str, ...], out: Path, patients: Path | None) -> None:
    """Write annotated notes about people who do not exist."""
    with ExitStack() as stack:
        notes = stack.enter_context(out.open("w", encoding="utf-8", newline="\n"))
        held = stack.enter_context(patients.open("w", encoding="utf-8", newline="\n")) if patients else None
        for document in generate(seed, count, families=families or None):
            notes.write(as_line(document) + "\n")
            if held is not None:
                held.write(as_record(document) + "\n")
    click.echo(f"wrote {count} documents to {out}")


if __name__ == "__main__":
    main()
