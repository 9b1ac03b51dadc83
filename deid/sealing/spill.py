"""A temporary file of sealed frames, whose key lives only in memory and whose name is gone where the system allows.

Every frame is AES-256-GCM under a key drawn for this file alone. The nonce is the number of the frame, which only
grows, so none is used twice; the caller's context (which partition, which place in it) is authenticated with it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deid.errors import StorageError
from deid.sealing.private import make_folder

_COPIED = 8 << 20  # bytes at a time
_FULL_HINT = "free space in the temporary folder, or give another one with more room"


@dataclass(frozen=True, slots=True)
class SpillCopy:
    """A sealed file for other processes: its 32-byte key goes to them sealed, and nowhere else."""

    path: str
    key: bytes = field(repr=False)
    ends: tuple[int, ...] = field(repr=False)


class SpillFile:
    """Appends frames and reads them back; makes its file at the first frame, so that what fits in memory needs none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1
        self._path: Path | None = None
        self._secret = AESGCM.generate_key(bit_length=256)
        self._key: AESGCM | None = AESGCM(self._secret)
        self._ends = array("Q", [0])  # the end of each frame, after a first 0
        self._owner = os.getpid()

    @classmethod
    def shared(cls, copy: SpillCopy) -> SpillFile:
        """Opens what `copied` left for other processes, to be read and never written; StorageError if it is not there.

        Only its descriptor is closed with it: the file is removed by whoever made the copy.
        """
        file = cls(Path(copy.path).parent)
        file._secret, file._key, file._ends = copy.key, AESGCM(copy.key), array("Q", copy.ends)
        file._owner = 0  # nobody's: no frame is ever sealed under this key again
        try:
            file._descriptor = os.open(copy.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as fault:
            file._refuse("opening", fault)
        return file

    def copied(self, path: Path) -> SpillCopy:
        """Copies the sealed file, as it is, to a new file that other processes may open; StorageError if it cannot."""
        if self._key is None:
            raise ValueError("a closed spill file cannot be copied")
        try:
            target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                for begin in range(0, self.size, _COPIED):
                    _write_all(target, os.pread(self._descriptor, min(_COPIED, self.size - begin), begin), begin)
                os.fsync(target)
            finally:
                os.close(target)
        except OSError as fault:
            self._refuse("copying", fault)
        return SpillCopy(str(path), self._secret, tuple(self._ends))

    @property
    def size(self) -> int:
        """The bytes written so far."""
        return self._ends[-1]

    def append(self, plain: pa.Buffer, *, context: bytes) -> int:
        """Seals a frame at the end of the file and returns its number; StorageError if the disk refuses it."""
        if self._key is None or self._owner != os.getpid():
            # A forked child has the same key and the same next nonce: two frames under one nonce would reveal both.
            raise ValueError("a spill file is written by the process that made it, before it is closed")
        number = len(self._ends) - 1
        sealed = self._key.encrypt(_nonce(number), memoryview(plain).cast("B"), context)
        try:
            if self._descriptor < 0:
                self._create()
            _write_all(self._descriptor, sealed, self.size)
        except OSError as fault:
            self.close()
            self._refuse("writing", fault)
        self._ends.append(self.size + len(sealed))
        return number

    def read(self, number: int, *, context: bytes) -> bytes:
        """Opens a frame; StorageError if the disk fails or what it gives is not what was written."""
        if self._key is None:
            raise ValueError("a closed spill file cannot be read")
        begin, end = self._ends[number], self._ends[number + 1]
        try:
            # A read at a given place, as forked workers share the descriptor and so its position.
            sealed = os.pread(self._descriptor, end - begin, begin)
            return self._key.decrypt(_nonce(number), sealed, context)
        except OSError as fault:
            self._refuse("reading", fault)
        except InvalidTag:
            raise StorageError(
                "a temporary sealed file was changed or cut while it was in use",
                hint="find out what else writes to the temporary folder, then run again",
            ) from None

    def close(self) -> None:
        """Forgets the key and removes the file; may be called again."""
        self._key, self._secret = None, b""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _create(self) -> None:
        make_folder(self._folder)
        path = self._folder / f"spill-{secrets.token_hex(8)}"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._path = path
        with contextlib.suppress(PermissionError):
            # Without a name the space is freed even by kill -9. Windows keeps the name until `close`.
            path.unlink()
            self._path = None

    def _refuse(self, doing: str, fault: OSError) -> NoReturn:
        raise StorageError(
            f"{doing} temporary sealed rows in {self._folder} failed: {fault.strerror}", hint=_FULL_HINT
        ) from None


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
