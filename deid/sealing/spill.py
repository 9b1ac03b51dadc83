"""A temporary file of sealed frames, whose key lives only in memory and whose name is gone where the system allows.

Every frame is AES-256-GCM under a key drawn for this file alone. The nonce is the number of the frame, which only
grows, so none is used twice; the caller's context (which partition, which place in it) is authenticated with it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from array import array
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deid.errors import StorageError
from deid.sealing.private import make_folder

_FULL_HINT = "free space in the temporary folder, or give another one with more room"


class SpillFile:
    """Appends frames and reads them back; makes its file at the first frame, so that what fits in memory needs none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1
        self._path: Path | None = None
        self._key: AESGCM | None = AESGCM(AESGCM.generate_key(bit_length=256))
        self._ends = array("Q", [0])  # the end of each frame, after a first 0
        self._owner = os.getpid()

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
        self._key = None
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
