"""`deid redact`: identifiers out of free text, from standard input or from JSON lines."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from deid.cli.common import PathArgument, progress_bar
from deid.errors import NotesError, StorageError

if TYPE_CHECKING:
    from deid.notes.note_lines import NoteRedaction

STANDARD_INPUT = Path("-")
_REASONS = {
    "too_long": "longer than --max-chars",
    "unreadable": "with characters that could not be decoded",
    "failed": "whose search failed",
    "leak": "in which an identifier of the record was left",
}


@click.command()
@click.option(
    "--jsonl", type=PathArgument, help="Notes, one JSON object a line with `id` and `text`; - is standard input."
)
@click.option("--patients", type=PathArgument, help="A table of the patients' identifiers: CSV, Parquet or JSON lines.")
@click.option("--out", type=PathArgument, help="A new file to write; standard output without it.")
@click.option("--strict", is_flag=True, help="Remove more: ask less of a word before it is taken for an identifier.")
@click.option("--hub", type=PathArgument, help="A folder with a model of the model hub; what it finds goes too.")
@click.option("--replace", type=click.Choice(["tags", "surrogates"]), default="tags", show_default=True)
@click.option("--processes", type=click.IntRange(1, 256), default=1, show_default=True, help="How many search at once.")
@click.option(
    "--max-chars", type=click.IntRange(1), default=200_000, show_default=True, help="Longer ones are withheld."
)
def redact(
    jsonl: Path | None,
    patients: Path | None,
    out: Path | None,
    strict: bool,
    replace: str,
    processes: int,
    max_chars: int,
    hub: Path | None,
) -> None:
    """Remove identifiers from a text on standard input, or from every note of --jsonl.

    What comes out is not proven clean: whoever releases it needs an expert's statement, as an export does.
    """
    from deid.notes.detector import Detector  # noqa: PLC0415 - loads numpy and the word lists
    from deid.notes.note_lines import SURROGATES, NoteRedaction  # noqa: PLC0415
    from deid.notes.patient_tables import read_patients  # noqa: PLC0415
    from deid.notes.writing import TAGS  # noqa: PLC0415

    if jsonl is None and (patients is not None or processes > 1):
        raise click.UsageError("--patients and --processes need --jsonl")
    table = read_patients(patients) if patients is not None else None
    if table is not None and table.unnamed:
        _tell(f"columns of unknown meaning, searched for as they are: {', '.join(map(_printable, table.unnamed))}")
    writing = SURROGATES if replace == "surrogates" else TAGS
    with Detector(strict=strict, processes=processes, hub=hub) as detector, _output(out) as output:
        work = NoteRedaction(detector, table, writing, max_chars)
        if jsonl is None:
            _text(work, output)
            return
        _lines(work, jsonl, output)
    _summary(work)


def _text(work: NoteRedaction, output: BinaryIO) -> None:
    """Redact one text; one that cannot be redacted is refused."""
    from deid.notes.note_lines import Line  # noqa: PLC0415

    data = sys.stdin.buffer.read(4 * work.max_characters + 1)
    if len(data) > 4 * work.max_characters:
        raise _refused("too_long")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NotesError("the text is no UTF-8", hint="convert it first") from None
    if "\x00" in text:
        raise NotesError("the text holds a NUL character", hint="is it a text?")
    done = next(iter(work.redact([Line("", text, "")])))
    if done["text"] is None:
        raise _refused(done["withheld"])
    output.write(done["text"].encode())


def _refused(reason: str) -> NotesError:
    return NotesError(f"the text is withheld: it is one {_REASONS[reason]}", hint="nothing was written")


def _lines(work: NoteRedaction, path: Path, output: BinaryIO) -> None:
    import msgspec  # noqa: PLC0415 - only here

    from deid.notes.note_lines import read_lines  # noqa: PLC0415

    encoder = msgspec.json.Encoder()
    with _input(path) as stream, progress_bar() as progress:
        for done in work.redact(read_lines(stream)):
            output.write(encoder.encode(done) + b"\n")
            progress("notes", 1)


def _summary(work: NoteRedaction) -> None:
    _tell(f"{work.notes:,} notes, {sum(work.spans.values()):,} identifiers replaced")
    for reason, notes in work.withheld.items():
        _tell(f"withheld: {notes:,} notes {_REASONS[reason]}")
    if work.strangers:
        _tell(f"{work.strangers:,} notes of patients who are not in the table were searched without a record")


@contextlib.contextmanager
def _input(path: Path) -> Iterator[BinaryIO]:
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise StorageError(f"cannot read {path.name}: {error.strerror}", hint="name a file of JSON lines") from None
    with stream:
        yield stream


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    """Yield standard output, or a file that has its name only when all went well."""
    from deid.sealing.private import private  # noqa: PLC0415

    if path is None:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StorageError(
                f"cannot write to standard output: {error.strerror}", hint="what was written is cut: remove it"
            ) from None
        return
    if path.exists():
        raise StorageError(f"{path} is already there", hint="name a new file")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "xb", opener=private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", hint="check the folder") from None
    finally:
        partial.unlink(missing_ok=True)


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name)[:60]


def _tell(message: str) -> None:
    click.echo(message, err=True)
