"""Bad rows: refused with a count of each reason, or set aside encrypted under the site's own key.

What is set aside is the raw row as read, in an encrypted Parquet file below the site's state folder; nobody but a
holder of the site's keys can read it, and it never leaves with a release.
"""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from deid.documents.request import OnBadRow, Profile, Request
from deid.errors import SourceError, StorageError
from deid.keys.base import KeyProvider
from deid.observing.rows import TypedRows
from deid.release.manifest import FileEntry
from deid.release.staging import sweep, workspace
from deid.schema import Table
from deid.sealing.private import make_folder, sync_folder, write_new
from deid.sinks.encrypted_parquet import TableWriter
from deid.sinks.read_back import batches_of
from deid.sinks.release_keys import ReleaseKeys

KEY_FILE = "key.wrapped"


def refuse_bad_rows(table: str, reasons: Counter[str]) -> None:
    """Raise SourceError naming each reason and its number of rows; return if there is none."""
    if reasons:
        listed = "".join(f"\n  - {count:,} rows: {reason}" for reason, count in sorted(reasons.items()))
        raise SourceError(
            f"{table} holds bad rows:{listed}",
            hint="mend the source or its description, or set `on_bad_row: quarantine` in the request",
        )


@dataclass(frozen=True, slots=True)
class BadRowsState:
    """Bad rows as text, batch by batch: identified cells, which nothing may show and only Quarantine may write."""

    batches: tuple[pa.RecordBatch, ...] = field(repr=False)


class BadRowsKept:
    """Keeps the bad rows of some batches of one table in memory until the run's quarantine takes them.

    `refuses`: whether the request refuses bad rows, so that none need be kept. Memory: the bad rows as text.
    """

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses
        self._batches: list[pa.RecordBatch] = []

    def take(self, rows: TypedRows) -> None:
        """Keep the bad rows of a batch, as text."""
        if not self._refuses and rows.bad.any():
            self._batches.append(_bad_rows(rows))

    def state(self) -> BadRowsState:
        """Return what was kept so far."""
        return BadRowsState(tuple(self._batches))

    def merge(self, state: BadRowsState) -> None:
        """Take what another object kept of later batches of the same table."""
        self._batches += state.batches


class Quarantine:
    """Takes the bad rows of one run, or refuses them, as the request says; a context manager.

    `rows` counts what was set aside, per table. Enter it before the release is staged, so that it sees whether the
    release was published: where it was not, nothing is left.
    """

    def __init__(self, request: Request, release: str, state: Path, provider: KeyProvider) -> None:
        self.refuses = request.on_bad_row is OnBadRow.REFUSE
        self._home = state / "quarantine" / request.name / release
        self._provider = provider
        self._keys = ReleaseKeys.portable(quarantine_id(request.name, release))
        self._open = ExitStack()
        self._folder: Path | None = None
        self._writer: TableWriter | None = None
        self._kept = False
        self.rows: Counter[str] = Counter()

    def __enter__(self) -> Self:
        with suppress(OSError):
            sweep(self._home.parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.abort()
        self._open.close()
        if self._kept and kind is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    def take(self, rows: TypedRows) -> None:
        """Set the bad rows of a batch aside, as text."""
        if self.refuses or not rows.bad.any():
            return
        self._set_aside(rows.table, _bad_rows(rows))

    def merge(self, table: Table, state: BadRowsState) -> None:
        """Set aside what was kept of a part of a table; the parts in their order, before the table is finished."""
        if not self.refuses:
            for text in state.batches:
                self._set_aside(table, text)

    def _set_aside(self, table: Table, text: pa.RecordBatch) -> None:
        if self._folder is None:
            self._folder = self._open.enter_context(workspace(make_folder(self._home.parent)))
        if self._writer is None:
            self._writer = TableWriter(self._folder, table.name, text.schema, self._keys)
        self._writer.write(text)
        self.rows[table.name] += text.num_rows

    def finish_table(self, table: str, reasons: Counter[str]) -> None:
        """Refuse what must be refused, or close the table's file."""
        if self.refuses:
            refuse_bad_rows(table, reasons)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def keep(self) -> None:
        """Seal the key to the site and keep what was set aside; called when the release was verified."""
        if self._folder is None:
            return
        wrapped = self._provider.wrap(f"quarantine/{self._keys.release}", self._keys.key)
        write_new(self._folder / KEY_FILE, wrapped)
        sync_folder(self._folder)
        # What is already there belongs to a run that was killed before it published, or to a release that was removed:
        # otherwise this run would have been refused before it began.
        shutil.rmtree(self._home, ignore_errors=True)
        self._folder.rename(self._home)
        self._kept = True
        sync_folder(self._home.parent)


def read_quarantined(folder: Path, provider: KeyProvider) -> dict[str, list[pa.RecordBatch]]:
    """Return what a run set aside in `folder` (state/quarantine/<request>/<release>), by table, as text.

    For the holder of the site's keys, who mends the source. Raises KeyFaultError where the keys are not the site's,
    StorageError where a file is missing or damaged.
    """
    name = quarantine_id(folder.parent.name, folder.name)
    try:
        wrapped = (folder / KEY_FILE).read_bytes()
    except OSError as error:
        raise StorageError(
            f"cannot read the key of quarantined rows: {error.strerror}", hint="name the folder of one release"
        ) from None
    keys = ReleaseKeys(name, Profile.PORTABLE.value, provider.unwrap(f"quarantine/{name}", wrapped))
    rows: dict[str, list[pa.RecordBatch]] = {}
    for file in sorted((folder / "data").glob("*/part-*.parquet")):
        entry = FileEntry(str(file.relative_to(folder)), "", 0, 0, 0)
        rows.setdefault(file.parent.name, []).extend(batches_of(folder, entry, keys, fault=StorageError))
    return rows


def quarantine_id(request: str, release: str) -> str:
    """Return the name under which the key of a release's quarantined rows is wrapped, behind `quarantine/`."""
    return f"quarantine.{request}.{release}"


def _bad_rows(rows: TypedRows) -> pa.RecordBatch:
    raw = rows.raw.filter(pa.array(rows.bad))
    return pa.RecordBatch.from_arrays([_as_text(cells) for cells in raw.columns], names=raw.schema.names)


def _as_text(cells: pa.Array) -> pa.Array:
    """Return cells as text; bytes that are no text, which is what may be bad about them, in base 16."""
    kind = cells.type.value_type if isinstance(cells, pa.DictionaryArray) else cells.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_string(kind)):
        return cells.cast(pa.string())
    try:
        text = cells.cast(pa.string())
        text.validate(full=True)
    except pa.ArrowInvalid:  # its message may quote the cell
        words = cells.cast(pa.binary()).to_pylist()
        return pa.array([word.hex() if word is not None else None for word in words], pa.string())
    return text
