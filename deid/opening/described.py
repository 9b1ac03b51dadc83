"""What converters write beside clear files for other tools: a Data Package, and Croissant metadata for Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import structs

from deid.errors import ReleaseError
from deid.release.croissant import CROISSANT, about, croissant
from deid.release.data_package import PACKAGE, data_package
from deid.release.manifest import FileEntry, Manifest
from deid.sealing.private import write_new


def describe(
    manifest: Manifest, folder: Path, written: Mapping[str, Sequence[Path]], form: Literal["parquet", "csv"]
) -> None:
    """Write datapackage.json, and croissant.json for Parquet, into `folder`; `written` are the files of each table.

    Raises ReleaseError where a table's folder has the name of one of them.
    """
    if form == "parquet" and (clash := next((name for name in (PACKAGE, CROISSANT) if name in manifest.tables), None)):
        raise ReleaseError(f"a table of this release is named {clash}", hint="open the release to duckdb or csv")
    tables = {
        name: structs.replace(entry, files=tuple(_entry(folder, path) for path in written[name]))
        for name, entry in manifest.tables.items()
    }
    name = f"{manifest.request}-{manifest.release}".lower()
    title = f"{manifest.request}, release {manifest.release}, opened"
    write_new(folder / PACKAGE, data_package(tables, name=name, title=title, form=form))
    if form == "parquet":
        write_new(folder / CROISSANT, croissant(about(manifest), tables, is_encrypted=False))


def _entry(folder: Path, path: Path) -> FileEntry:
    with path.open("rb", buffering=0) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # Rows and row groups are told by neither document.
    return FileEntry(str(path.relative_to(folder)), digest, path.stat().st_size, rows=0, row_groups=0)
