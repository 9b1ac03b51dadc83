"""Files of installed packages, read as they are: no package's code runs, and every file read is digested."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path


@dataclass(slots=True)
class Packages:
    """Reads files of installed distributions and remembers which."""

    digests: dict[str, str] = field(default_factory=dict)

    def path(self, distribution: str, name: str) -> Path:
        """Return where the file `name` of a distribution lies, by its path in the wheel; note its SHA-256.

        Raises FileNotFoundError for a file, and PackageNotFoundError for a distribution, that is not installed.
        """
        found = metadata.distribution(distribution)
        path = Path(str(found.locate_file(name)))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.digests[f"{distribution} {found.version} {name}"] = digest
        return path

    def text(self, distribution: str, name: str) -> str:
        """Return a text file of a distribution."""
        return self.path(distribution, name).read_text(encoding="utf-8")


def version(distribution: str) -> str:
    """Return the name and version of an installed distribution."""
    return f"{distribution} {metadata.version(distribution)}"
