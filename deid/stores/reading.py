"""Reading a store by pyarrow: what lies there, and the bytes of one object, which must stay the same one meanwhile."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from deid.errors import StoreError
from deid.stores.faults import code_of_arrow, store_fault
from deid.stores.settings import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS, Settings, unasked

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.fs import S3FileSystem

_FIRST, BLOCK = 1 << 16, 1 << 22  # bytes of a request: few where a head is looked at, many where a file is read


class Identity(NamedTuple):
    """What an object is told from another one under its key by, without reading it."""

    etag: bytes
    size: int
    changed: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """An object, or with `size` None what looks like a folder; `name` begins after the prefix that was listed."""

    name: str
    size: int | None
    changed: datetime


class Reader:
    """A connection that reads; holds no credentials, which the libraries below it look up."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def system(self) -> S3FileSystem:
        """The file system of pyarrow, for what reads by itself; its errors must go through `fault`."""
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem  # noqa: PLC0415 - the SDK takes 0.1 s

        with unasked():
            return S3FileSystem(
                scheme=self.settings.scheme,
                endpoint_override=self.settings.host,
                region=self.settings.region,
                tls_ca_file_path=self.settings.ca,
                connect_timeout=CONNECT_SECONDS,
                request_timeout=READ_SECONDS,
                proxy_options=self.settings.proxy,
                retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            )

    def list(self, bucket: str, prefix: str, *, deep: bool) -> list[Stored]:
        """Return what lies below a prefix, in the order of names whatever the store's; `deep`: in all folders of it.

        Raises StoreError, for a bucket that is not there too; of a prefix below which nothing lies, nothing comes.
        """
        from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415

        base = f"{bucket}/{prefix}" if prefix else bucket
        try:
            with self._explained(f"list the bucket {bucket}"):
                # Not `allow_not_found`: a bucket that is not there would be an empty one.
                found = self.system.get_file_info(FileSelector(base, recursive=deep))
        except FileNotFoundError:
            return []
        objects = [
            Stored(
                info.path.removeprefix(f"{base}/"),
                info.size if info.type is FileType.File else None,
                info.mtime or datetime.fromtimestamp(0, UTC),
            )
            for info in found
            if info.path.strip("/") != base  # the mark that some programs write for a folder
        ]
        return sorted(objects, key=lambda one: one.name)

    def identity(self, bucket: str, key: str) -> Identity:
        """Return what the object is now; raise FileNotFoundError or StoreError."""
        with self.jumping(bucket, key) as file:
            return _identity(file)

    def jumping(self, bucket: str, key: str) -> pa.NativeFile:
        """Open an object for reading here and there; what is read raises errors of pyarrow, see `fault`."""
        with self._explained(f"read from the bucket {bucket}"):
            return self.system.open_input_file(f"{bucket}/{key}")

    def stream(self, bucket: str, key: str) -> ObjectStream:
        """Open an object for reading from its beginning to its end; raise FileNotFoundError or StoreError."""
        return ObjectStream(self, bucket, key)

    def fault(self, bucket: str, error: Exception) -> StoreError:
        """Return the error to show for one of pyarrow's."""
        return store_fault(self.settings, f"read from the bucket {bucket}", code_of_arrow(error))

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise FileNotFoundError(2, "there is no such object") from None
        except OSError as error:
            raise store_fault(self.settings, doing, code_of_arrow(error)) from None


class ObjectStream(io.RawIOBase):
    """An object as a stream; at its end it is asked whether it is still the object that it was at its beginning."""

    def __init__(self, reader: Reader, bucket: str, key: str) -> None:
        super().__init__()
        self._reader, self._bucket, self._key = reader, bucket, key
        self._file = reader.jumping(bucket, key)
        self._was = _identity(self._file)
        self._is_proven = False
        self._block = memoryview(b"")
        self._ask = _FIRST
        self._place = 0

    @property
    def size(self) -> int:
        """The bytes of the object."""
        return self._was.size

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, empty at the end; raise StoreError, for an object exchanged meanwhile too."""
        if not self._block and self._place < self._was.size:
            self._block = self._next()
        elif not self._block and not self._is_proven:
            # Each block is a request of its own: without this, half of one object and half of another would be one.
            if self._reader.identity(self._bucket, self._key) != self._was:
                raise StoreError(
                    f"an object in the bucket {self._bucket} changed while it was read",
                    hint="run again when nothing writes there",
                )
            self._is_proven = True
        length = len(self._block) if size is None or size < 0 else size
        data, self._block = bytes(self._block[:length]), self._block[length:]
        return data

    def _next(self) -> memoryview:
        try:
            data: bytes = self._file.read(min(self._ask, self._was.size - self._place))
        except OSError as error:
            raise self._reader.fault(self._bucket, error) from None
        if not data:
            raise StoreError(
                f"an object in the bucket {self._bucket} ended before its stated size",
                hint="run again when nothing writes there",
            )
        self._place += len(data)
        self._ask = min(2 * self._ask, BLOCK)
        return memoryview(data)

    def close(self) -> None:
        """Close the object."""
        if not self.closed:
            self._file.close()
        super().close()


def _identity(file: pa.NativeFile) -> Identity:
    told = file.metadata()
    return Identity(told.get("ETag", b""), int(told["Content-Length"]), told.get("Last-Modified", b""))
