"""How the files of a release lie: row groups, statistics, metadata, dictionaries; read with the recipient's key."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.parquet as pq

from deid.opening.opened import OpenedRelease
from deid.release.manifest import FILE_NAME


def parquet_files(opened: OpenedRelease, table: str, *, dictionaries: bool = False) -> Iterator[pq.ParquetFile]:
    """Yield the opened Parquet files of a table; with `dictionaries`, text columns come as they were encoded."""
    for file in opened.manifest.tables[table].files:
        match = FILE_NAME.fullmatch(file.name)
        if match is None:
            continue
        names = [c.name for c in opened.manifest.tables[table].columns if c.type == "string"] if dictionaries else None
        properties = opened.keys.file_decryption_properties(match["table"], match["file"])
        with pq.ParquetFile(
            opened.folder / file.name, decryption_properties=properties, read_dictionary=names, pre_buffer=False
        ) as found:
            yield found


def row_groups(opened: OpenedRelease, table: str) -> list[int]:
    """Return the rows of each row group of a table, in the order of its files."""
    return [
        file.metadata.row_group(number).num_rows
        for file in parquet_files(opened, table)
        for number in range(file.metadata.num_row_groups)
    ]
