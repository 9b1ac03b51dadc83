"""Files and folders of a source that lie in a store: what sources ask of a path, and no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Literal

from deid.errors import DocumentError, StoreError
from deid.stores.faults import code_of_arrow
from deid.stores.place import Place, parse_place
from deid.stores.reading import Identity, ObjectStream, Reader, Stored
from deid.stores.settings import settings


def refuse_folders(count: int) -> None:
    """Raise DocumentError where a table's folder holds folders: their files would not be read, and nobody would know.

    Their names are not told: in a lake they hold values, as `mrn=123`.
    """
    if count:
        raise DocumentError(
            f"the folder of a table holds {count:,} folders, whose files are not read",
            hint="name the columns after which they are called in `partitioned_by`, or describe one folder of files",
        )


@dataclass(frozen=True, slots=True)
class StoreFile:
    """One object, by the name that it has in its folder; `size` in bytes, as it was listed."""

    name: str
    size: int
    place: Place = field(repr=False)  # folders of a lake are named by values
    reader: Reader = field(repr=False, compare=False)

    def open(self, mode: Literal["rb"] = "rb", buffering: int = -1) -> ObjectStream:
        """Open the object as a stream; raise FileNotFoundError or StoreError."""
        return self.reader.stream(self.place.bucket, self.place.prefix)

    def identity(self) -> Identity:
        """Return what the object is told from another one under its name by."""
        return self.reader.identity(self.place.bucket, self.place.prefix)

    @property
    def path(self) -> str:
        """How the reader's file system names the object."""
        return f"{self.place.bucket}/{self.place.prefix}"

    def refused(self, error: Exception) -> StoreError | None:
        """Return what the store refused, where it is the store that an error of pyarrow is about."""
        told = isinstance(error, OSError) and code_of_arrow(error) is not None
        return self.reader.fault(self.place.bucket, error) if told else None


@dataclass(frozen=True, slots=True)
class StoreFolder:
    """The root of a dataset in a store."""

    place: Place
    reader: Reader = field(repr=False, compare=False)

    def located(self, path: PurePosixPath, *, any_case: bool) -> tuple[StoreFile, ...]:
        """Return the objects that a described path means, as `deid.sources.files.locate` does for files.

        `path` was checked there. Raises DocumentError for names that differ in case only, that do not print or hold a
        backslash, and for a name of both an object and a folder; StoreError.
        """
        parent = path.parent.as_posix()
        folder = self.place if parent == "." else self.place.below(*path.parent.parts)
        lying = self._lying(folder)
        fitting = _fitting(lying, path.name, any_case=any_case)
        if "*" not in path.name and any(one.size is None for one in fitting):
            if len(fitting) > 1:
                raise DocumentError(
                    f"{path.name[:80]} is the name of a folder and of an object", hint="keep one of the two"
                )
            folder = folder.below(fitting[0].name)
            inside = self._lying(folder)
            refuse_folders(sum(1 for one in inside if one.size is None and not one.name.startswith(("_", "."))))
            fitting = [one for one in _fitting(inside, "*.parquet") if not one.name.startswith("_")]
        files = [one for one in fitting if one.size is not None]
        for number, one in enumerate(files, start=1):
            if not one.name.isprintable() or "\\" in one.name:
                raise DocumentError(
                    f"the name of file {number:,} of {len(files):,} holds characters that do not print, or a backslash",
                    hint="give the object another key",
                )
        return tuple(StoreFile(one.name, one.size or 0, folder.below(one.name), self.reader) for one in files)

    def below(self, path: PurePosixPath) -> dict[str, StoreFile | None]:
        """Return everything below a folder by its name from there on, None for what is a folder itself."""
        folder = self.place.below(*path.parts)
        return {
            one.name: None
            if one.size is None
            else StoreFile(one.name.rpartition("/")[2], one.size, folder.below(*one.name.split("/")), self.reader)
            for one in self.reader.list(folder.bucket, folder.prefix, deep=True)
        }

    def _lying(self, folder: Place) -> list[Stored]:
        return self.reader.list(folder.bucket, folder.prefix, deep=False)


def open_folder(text: str) -> StoreFolder:
    """Return the folder that a description names; raise DocumentError or StoreError. Nothing is sent yet."""
    return StoreFolder(parse_place(text), Reader(settings()))


def _fitting(lying: list[Stored], name: str, *, any_case: bool = False) -> list[Stored]:
    if not any_case:
        return [one for one in lying if fnmatchcase(one.name, name) and not one.name.startswith(".")]
    found = [one for one in lying if fnmatchcase(one.name.lower(), name.lower()) and not one.name.startswith(".")]
    if len({one.name.lower() for one in found}) < len(found):
        raise DocumentError(
            f"{name[:80]} is the name of two files that differ in case only",
            hint="keep one of them, or write `case: exact` and the path as it is spelled",
        )
    return found
