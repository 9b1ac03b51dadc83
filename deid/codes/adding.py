"""Adds a release of codes to a site: reads a file, and writes a list. docs/formats/code-list.md, "Adding one"."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from deid.codes import CODE_SYSTEMS
from deid.codes.list_file import FORMAT, AddedList, Facts, check_release, write_list
from deid.codes.list_reader import Codes, Layout, read_codes
from deid.errors import DocumentError


def add_list(
    folder: Path,
    file: Path,
    *,
    system: str,
    release: str,
    first: date,
    last: date | None,
    layout: Layout,
    partial: bool,
) -> tuple[Path, Codes]:
    """Read the codes of `file` and write them into `folder` as a release; return where, and what was read.

    Raise DocumentError for options that cannot be, SourceError for a file without codes or with malformed ones,
    StorageError. Nothing is written unless all of it can be.
    """
    if system not in CODE_SYSTEMS:
        raise DocumentError(f"there is no code system {system!r}", hint=f"it is one of {', '.join(CODE_SYSTEMS)}")
    check_release(release)
    if last is not None and last < first:
        raise DocumentError("the last day of a release is before its first", hint="change --first or --last")
    codes = read_codes(file, CODE_SYSTEMS[system], layout)
    facts = Facts(
        format=FORMAT,
        system=system,
        release=release,
        source=file.name,
        source_sha256=codes.digest,
        first=first,
        last=last,
        complete=not partial,
        codes=len(codes.codes),
    )
    return write_list(folder, AddedList(facts, codes.codes, codes.billable)), codes
