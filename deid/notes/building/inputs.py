"""Files inside wheels and Debian packages of one folder, read as they are: no package's code runs."""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_AR_HEAD = 60


@dataclass(slots=True)
class Inputs:
    """Reads packages of a folder by name and remembers the SHA-256 of each that was opened, by its file name."""

    folder: Path
    digests: dict[str, str] = field(default_factory=dict)

    def wheel(self, name: str) -> zipfile.ZipFile:
        """Return the wheel of a distribution, opened; raise FileNotFoundError for one that is not in the folder."""
        return zipfile.ZipFile(io.BytesIO(self._package(f"{name}-*.whl")))

    def text(self, wheel: str, member: str, encoding: str = "utf-8") -> str:
        """Return one text of a wheel."""
        with self.wheel(wheel) as opened:
            return opened.read(member).decode(encoding)

    def rows(self, wheel: str, member: str) -> list[dict[str, str]]:
        """Return the rows of one CSV file of a wheel."""
        return list(csv.DictReader(io.StringIO(self.text(wheel, member))))

    def debian(self, name: str, below: str = "", ends: tuple[str, ...] = ("",)) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of the files of a Debian package whose path starts and ends so, by path."""
        content = _member(self._package(f"{name}_*.deb"), "data.tar")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            chosen = {m.name.removeprefix("./"): m for m in archive.getmembers() if m.isfile()}
            for path in sorted(chosen):
                opened = archive.extractfile(chosen[path]) if path.startswith(below) and path.endswith(ends) else None
                if opened:
                    yield path, opened.read()

    def notice(self, package: str, member: str) -> str:
        """Return the text of a license or notice of a package, wheel or Debian package."""
        if list(self.folder.glob(f"{package}-*.whl")):
            return self.text(package, member).strip()
        return next(content.decode("utf-8") for path, content in self.debian(package, member)).strip()

    def _package(self, pattern: str) -> bytes:
        file = self._file(pattern)
        content = file.read_bytes()
        self.digests[file.name] = hashlib.sha256(content).hexdigest()
        return content

    def _file(self, *patterns: str) -> Path:
        found = sorted(file for pattern in patterns for file in self.folder.glob(pattern))
        if len(found) != 1:
            raise FileNotFoundError(f"{patterns[0]}: one such file is needed, {len(found)} are there")
        return found[0]


def _member(archive: bytes, name: str) -> bytes:
    """Return the content of the member of an `ar` archive whose name starts with `name`."""
    at = len("!<arch>\n")
    while at + _AR_HEAD <= len(archive):
        head = archive[at : at + _AR_HEAD]
        size = int(head[48:58])
        if head[:16].decode("ascii").startswith(name):
            return archive[at + _AR_HEAD : at + _AR_HEAD + size]
        at += _AR_HEAD + size + size % 2
    raise FileNotFoundError(f"{name} is in no member of the package")
