"""What stands in a release folder, compared with what its manifest lists; no key is needed for it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from deid.errors import ReleaseError
from deid.release.manifest import MANIFEST, MAX_BYTES, RECALL, UNLISTED, Manifest
from deid.sinks.read_back import ASK_AGAIN, check_digest, check_file


def refuse_recalled(folder: Path) -> None:
    """Raise ReleaseError where a notice of recall lies in the release.

    The notice is not signed and its content is not read: that it lies there is enough to stop, and the worst that a
    false one can do is to make the recipient ask.
    """
    if os.path.lexists(folder / RECALL):
        raise ReleaseError(
            f"this release was recalled: there is a {RECALL} in {folder.name}",
            hint="the sending site put the notice there: do not use the data. `deid recall check` shows it, and "
            "whether an officer signed it",
        )


def read_small(folder: Path, name: str) -> bytes:
    """Return the bytes of a small file of the release; raise ReleaseError if it is missing or no plain file."""
    path = folder / name
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            raise ReleaseError(f"{name} is not a plain file of ordinary size", hint=ASK_AGAIN)
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        hint = ASK_AGAIN if folder.is_dir() else "give the folder of one release, the one that holds manifest.json"
        raise ReleaseError(f"there is no {name} in {folder.name}", hint=hint) from None
    except OSError as error:
        raise ReleaseError(f"cannot read {name}: {error.strerror}", hint="check that this user may read it") from None


def faults_in(folder: Path, manifest: Manifest) -> Iterator[ReleaseError]:
    """Yield a fault for every file that is extra, missing, cut, exchanged, in clear, or not a plain file.

    Nothing is decrypted. Names were checked when the manifest was read, so no path leads out of the folder.
    """
    listed = {file.name for file in manifest.files()} | {document.name for document in manifest.documents}
    yield from _strangers(folder, listed)
    for document in manifest.documents:
        try:
            check_digest(folder / document.name, name=document.name, sha256=document.sha256, size=document.bytes)
        except ReleaseError as fault:
            yield fault
    for file in manifest.files():
        try:
            check_file(folder, file)
        except ReleaseError as fault:
            yield fault


def _strangers(folder: Path, listed: set[str]) -> Iterator[ReleaseError]:
    known = listed | UNLISTED
    parents = {str(parent) for name in known for parent in Path(name).parents}
    for root, folders, files in os.walk(folder, followlinks=False):
        here = Path(root).relative_to(folder)
        for name in sorted(folders):
            path = here / name
            if (Path(root) / name).is_symlink() or str(path) not in parents:
                folders.remove(name)
                yield _stranger(str(path))
        for name in sorted(files):
            if str(here / name) not in known:
                yield _stranger(str(here / name))


def _stranger(name: str) -> ReleaseError:
    shown = name if name.isprintable() else name.encode("unicode_escape").decode("ascii")
    return ReleaseError(
        f"{shown} is not listed in {MANIFEST}",
        hint="remove it if you put it there yourself; otherwise ask the sending site for the release again",
    )
