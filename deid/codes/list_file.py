"""Lists of codes that a site has added, on disk: docs/formats/code-list.md, "On disk"."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deid.codes.base import CodeSystem
from deid.errors import DocumentError, StorageError
from deid.sealing.private import make_folder, new_file, sync_folder

FORMAT = "deid-code-list/1"
SCHEMA = pa.schema([pa.field("code", pa.string(), nullable=False), pa.field("billable", pa.bool_())])
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_KEY = b"deid"


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the metadata of a list say; `source_sha256` is 64 hex digits."""

    format: str
    system: str
    release: str
    source: str
    source_sha256: str
    first: date
    last: date | None
    complete: bool
    codes: int


@dataclass(frozen=True, slots=True)
class AddedList:
    """One list: `codes`, strings in normal form, ascending and distinct; `billable`, bool, null where unknown."""

    facts: Facts
    codes: pa.Array = field(repr=False)
    billable: pa.Array = field(repr=False)


def check_release(release: str) -> None:
    """Refuse a name of a release that could not be the name of its file; raise DocumentError."""
    if not _RELEASE.fullmatch(release):
        raise DocumentError(
            "a release is named by letters, digits, '.', '_' and '-', at most 40, the first a letter or digit",
            hint="write for instance --release 2026-04",
        )


def write_list(folder: Path, added: AddedList) -> Path:
    """Write a list into `folder` and return its path; raise StorageError if the release is there or cannot be."""
    facts = added.facts
    check_release(facts.release)
    path = folder / facts.system / f"{facts.release}.parquet"
    if path.exists():
        raise StorageError(
            f"{path}: release {facts.release} of {facts.system} is already there",
            hint="remove the file to replace it, or name another release",
        )
    table = pa.table([added.codes, added.billable], SCHEMA.with_metadata({_KEY: msgspec.json.encode(facts)}))
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        make_folder(path.parent)
        pq.write_table(table, new_file(staged), compression="zstd")
        os.link(staged, path)  # unlike a rename, a link never replaces what somebody else has just put there
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", hint="check the folder and its disk") from None
    finally:
        staged.unlink(missing_ok=True)
    return path


def read_lists(folder: Path, system: CodeSystem) -> Iterator[AddedList]:
    """Yield the lists of `system` in `folder`, by name; raise DocumentError for a file that is none, StorageError."""
    home = folder / system.name
    for path in sorted(home.glob("[!.]*")) if home.is_dir() else ():
        yield _read(path, system)


def _read(path: Path, system: CodeSystem) -> AddedList:
    hint = "remove it, and add the list again with `deid codes add`"
    try:
        table = pq.read_table(path, schema=None, partitioning=None)
        metadata = table.schema.metadata or {}
        facts = msgspec.json.decode(metadata[_KEY], type=Facts)
    except (pa.ArrowException, msgspec.MsgspecError, KeyError, ValueError):
        raise DocumentError(f"{path} is no list of codes", hint=hint) from None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or 'no Parquet'}", hint=hint) from None
    if facts.format != FORMAT or (facts.system, f"{facts.release}.parquet") != (system.name, path.name):
        raise DocumentError(f"{path} is not the list that its name says", hint=hint)
    if not table.schema.remove_metadata().equals(SCHEMA) or len(table) != facts.codes or not _sound(facts):
        raise DocumentError(f"{path} is no list of codes", hint=hint)
    added = AddedList(facts, table["code"].combine_chunks(), table["billable"].combine_chunks())
    codes = added.codes
    ascending = len(codes) < 2 or pc.all(pc.less(codes[:-1], codes[1:])).as_py()
    if codes.null_count or not ascending or not system.normalize(codes).equals(codes):
        raise DocumentError(f"{path} holds codes that are no {system.title} in normal form", hint=hint)
    return added


def _sound(facts: Facts) -> bool:
    return bool(facts.codes) and (facts.last is None or facts.first <= facts.last)
