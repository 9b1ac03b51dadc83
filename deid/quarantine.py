"""Bad rows: refused with a count of each reason, or set aside encrypted under the site's own key.

What is set aside is the raw row as read, in an encrypted Parquet file below the site's state folder; nobody but a
holder of the site's keys can read it, and it never leaves with a release.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Self

import pyarrow as pa

from deid.errors import SourceError
from deid.keys.base import KeyProvider
from deid.request import OnBadRow, Request
from deid.rows import TypedRows
from deid.sinks.encrypted_parquet import TableWriter
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


class Quarantine:
    """Takes the bad rows of one run, or refuses them, as the request says; a context manager.

    `rows` counts what was set aside, per table. Where the run fails, nothing is left.
    """

    def __init__(self, request: Request, release: str, state: Path, provider: KeyProvider) -> None:
        self._refuses = request.on_bad_row is OnBadRow.REFUSE
        self._folder = state / "quarantine" / request.name / release
        self._provider = provider
        self._keys = ReleaseKeys.portable(f"quarantine.{request.name}.{release}")
        self._writer: TableWriter | None = None
        self._kept = False
        self.rows: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.abort()
        if not self._kept and self.rows:
            shutil.rmtree(self._folder, ignore_errors=True)

    def take(self, rows: TypedRows) -> None:
        """Set the bad rows of a batch aside, as text."""
        if self._refuses or not rows.bad.any():
            return
        raw = rows.raw.filter(pa.array(rows.bad))
        text = pa.RecordBatch.from_arrays([c.cast(pa.string()) for c in raw.columns], names=raw.schema.names)
        if self._writer is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._writer = TableWriter(self._folder, rows.table.name, text.schema, self._keys)
        self._writer.write(text)
        self.rows[rows.table.name] += text.num_rows

    def finish_table(self, table: str, reasons: Counter[str]) -> None:
        """Refuse what must be refused, or close the table's file."""
        if self._refuses:
            refuse_bad_rows(table, reasons)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def keep(self) -> None:
        """Seal the key to the site and keep what was set aside; called when the release was verified."""
        if self.rows:
            wrapped = self._provider.wrap(f"quarantine/{self._keys.release}", self._keys.key)
            (self._folder / KEY_FILE).write_bytes(wrapped)
        self._kept = True
