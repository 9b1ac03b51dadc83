"""Folders of a lake: a table whose folders are named by the values of columns, as Hive, Spark and pyarrow write them.

`encounters/year=2024/month=07/part-0.parquet` holds rows of which year and month stand in the path alone. Values of a
path are cells: no message shows one, as a folder may be called `mrn=123`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from blake3 import blake3

from deid.errors import DocumentError

NULL = "__HIVE_DEFAULT_PARTITION__"
_HINT = "folders of a partitioned table are `column=value`, one level for each column of `partitioned_by`, in its order"
Values = tuple[str | None, ...]


def below(folder: Path, levels: int) -> Iterator[tuple[Path, bool]]:
    """Yield what lies below a folder, and whether it is a folder, so many levels of folders deep and one more."""
    for entry in sorted(folder.iterdir()):
        if is_passed_over(entry.name):
            continue
        yield entry, entry.is_dir()
        if levels and entry.is_dir():
            yield from below(entry, levels - 1)


def is_passed_over(name: str) -> bool:
    """Whether a name is one of those that writers give to what holds no rows, as `_SUCCESS` and `.crc` files."""
    return name.startswith(("_", "."))


def arranged(lying: Iterable[tuple[str, bool]], columns: Sequence[str]) -> list[str]:
    """Return the paths of the files of a partitioned table, in order.

    `lying`: paths below the table's folder, and whether each is a folder. Raises DocumentError for folders that are not
    named by `columns`, and for files of rows that lie at another depth.
    """
    files = []
    for path, is_folder in lying:
        parts = path.strip("/").split("/")
        if any(map(is_passed_over, parts)):
            continue
        folders = parts if is_folder else parts[:-1]
        if not is_folder and not path.endswith(".parquet"):
            continue
        if len(folders) > len(columns) or (not is_folder and len(folders) < len(columns)):
            raise DocumentError("files of the table lie at another depth than `partitioned_by` tells", hint=_HINT)
        values_of(folders, columns)
        if not is_folder:
            files.append(path)
    return sorted(files)


def values_of(folders: Sequence[str], columns: Sequence[str]) -> Values:
    """Return what folders say of the first columns, None for null; raise DocumentError for other names, or no UTF-8."""
    found: list[str | None] = []
    for folder, column in zip(folders, columns, strict=False):
        name, sign, value = folder.partition("=")
        if not sign or unquote(name) != column:
            raise DocumentError(f"a folder of the table is not called {column}=…", hint=_HINT)
        try:
            found.append(None if value == NULL else unquote(value, errors="strict"))
        except UnicodeDecodeError:
            raise DocumentError(
                f"a folder of the table holds a value of {column} that is not utf-8", hint="write the table again"
            ) from None
    return tuple(found)


def bound(digest: str, columns: Sequence[str], values: Values) -> str:
    """Return the digest (hex) of a file with that of what its folders say: rows that move are other rows."""
    if not columns:
        return digest
    told = [digest, *columns, *("n" if value is None else f"v{value}" for value in values)]
    return blake3("".join(f"{len(text.encode())}:{text}" for text in told).encode()).hexdigest()


def columns_of(folder: Path) -> tuple[str, ...]:
    """Return the columns that the folders in a folder are named by, outermost first; none where they are no partition.

    Raises DocumentError where folders beside each other are not named by one column.
    """
    inner = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_passed_over(entry.name))
    named = [unquote(entry.name.partition("=")[0]) for entry in inner if "=" in entry.name]
    if not named:
        return ()
    if len(named) < len(inner) or len(set(named)) > 1:
        raise DocumentError("the folders in a table's folder are not named by one column", hint=_HINT)
    return (named[0], *columns_of(inner[0]))
