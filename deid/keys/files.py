"""Key files on disk: never readable by others, never half-written, never overwritten.

The rules are in docs/formats/keys.md. An outside audit of python-tuf found its key file world-readable for a moment;
here the mode is 0600 from the first byte.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deid.errors import KeyFaultError, StorageError
from deid.sealing.private import sync_folder

OTHERS = 0o077


def clean_passphrase(raw: bytes) -> bytes:
    """Return `raw` without one trailing line end; raise KeyFaultError if nothing is left."""
    passphrase = raw.removesuffix(b"\n").removesuffix(b"\r") if raw.endswith(b"\n") else raw
    if not passphrase:
        raise KeyFaultError("the passphrase is empty", hint="give a passphrase of several words")
    return passphrase


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to the new file `path`, mode 0600; raise KeyFaultError if it exists, StorageError if stuck."""
    _write_new(path, data, mode=0o600)


def write_public(path: Path, data: bytes) -> None:
    """Write `data` to the new file `path`, mode 0644; raise KeyFaultError if it exists, StorageError if stuck."""
    _write_new(path, data, mode=0o644)


def replace_file(path: Path, data: bytes, *, mode: int = 0o644, staged_as: Path | None = None) -> None:
    """Put `data` at `path` in one step that a crash cannot split; raise StorageError if it cannot be.

    `staged_as`: beside which name it is written first, on the same file system; `path` itself if not given.
    """
    staged = _staged(staged_as or path, data, mode=mode)
    try:
        staged.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _storage_fault(path, error) from None
    finally:
        staged.unlink(missing_ok=True)


def read_private(path: Path, *, limit: int) -> bytes:
    """Return the bytes of a private file; raise KeyFaultError if others may read it or it exceeds `limit` bytes."""
    return _read(path, limit=limit, private=True)


def read_public(path: Path, *, limit: int) -> bytes:
    """Return the bytes of a public file; raise KeyFaultError if it cannot be read or exceeds `limit` bytes."""
    return _read(path, limit=limit, private=False)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which ends with the process; raise StorageError if the folder cannot be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _storage_fault(folder, error) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sweep_staged(path: Path) -> None:
    """Remove what killed processes left while they wrote `path`; the caller holds a lock that every writer holds."""
    left = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}")
    for found in path.parent.iterdir():
        if left.fullmatch(found.name):
            found.unlink(missing_ok=True)


@contextmanager
def public_half(path_private: Path, path_public: Path, data: bytes) -> Iterator[None]:
    """Write the public file of a pair; inside, the private one is written, and if that fails the public one goes again.

    Raises KeyFaultError, before anything is written, if either exists or both have one name.
    """
    for path in (path_private, path_public):
        if path.exists() or path.is_symlink():
            raise KeyFaultError(f"{path.name} already exists", hint="choose another name; keys are never overwritten")
    if path_private == path_public:
        raise KeyFaultError(
            f"{path_private.name} cannot hold both halves of a key", hint="name the private file with .key at its end"
        )
    write_public(path_public, data)
    try:
        yield
    except BaseException:
        path_public.unlink(missing_ok=True)
        raise


def _read(path: Path, *, limit: int, private: bool) -> bytes:
    try:
        with path.open("rb") as file:
            # Asked of the open file, not of the path: the path may name another file a moment later.
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyFaultError(f"{path.name} is not a file", hint="give the path of an ordinary file")
            if private and status.st_mode & OTHERS:
                raise KeyFaultError(f"{path.name} may be read by others than its owner", hint=f"chmod 600 {path}")
            data = file.read(limit + 1)
    except OSError as error:
        raise KeyFaultError(
            f"cannot read {path.name}: {error.strerror}",
            hint="check the path and that this user may read it",
        ) from None
    if len(data) > limit:
        raise KeyFaultError(f"{path.name} is larger than {limit:,} bytes", hint="it is not a file of this kind")
    return data


def _write_new(path: Path, data: bytes, *, mode: int) -> None:
    staged = _staged(path, data, mode=mode)
    try:
        # A hard link gives the finished file its name, and fails if the name is taken: exclusive and atomic at once.
        os.link(staged, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise KeyFaultError(
            f"{path.name} already exists", hint="choose another name; keys are never overwritten"
        ) from None
    except OSError as error:
        raise _storage_fault(path, error) from None
    finally:
        staged.unlink(missing_ok=True)


def _staged(path: Path, data: bytes, *, mode: int) -> Path:
    staged = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _storage_fault(path, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            if os.fstat(handle).st_mode & OTHERS & ~mode:  # FAT and some shares ignore modes: nothing is written there
                raise StorageError(
                    f"the folder of {path.name} does not keep file modes", hint="keep keys on a file system that does"
                )
            file.write(data)
            file.flush()
            os.fsync(handle)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise _storage_fault(path, error) from None
    except StorageError:
        staged.unlink(missing_ok=True)
        raise
    return staged


def _storage_fault(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write {path.name}: {error.strerror}", hint="check that the folder exists and has room for it"
    )
