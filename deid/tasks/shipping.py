"""What goes from the driver to tasks and back, sealed: nothing of it is ever in clear outside of the two processes.

A shipment is a pickle in frames of AES-256-GCM, under a key that is derived from the one-time key of the run for this
shipment alone; the nonce is the number of the frame. Small ones travel with the task, large ones lie in a file of the
staging folder. Only what this run sealed is ever unpickled.
"""

from __future__ import annotations

import io
import os
import pickle
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deid.codes import CODE_SYSTEMS
from deid.codes.base import CodeSystem
from deid.crosswalks.crosswalk import Crosswalk
from deid.crosswalks.frozen import FrozenCrosswalk, tagger
from deid.crosswalks.generations import Generations, Index
from deid.errors import KeyFaultError, StorageError
from deid.keys.prf import BatchCmac, KeyInMemory, derive_key
from deid.sealing.private import private, write_new
from deid.sealing.sealed import SealedMap, SealedRows
from deid.tasks.attempts import ATTEMPT, SHARED

FRAME = 4 << 20
TRAVELS = 8 << 20  # sealed bytes that go with every task; more lie in a file, which each process reads once
_CROSSWALK = 32 << 20  # bytes of opened crosswalk that a process keeps
ANSWERED = 1 << 20  # bytes of an answer that go by Spark
_HERE, _THERE, _FILE = b"h", b"t", "answer.sealed"
_AGAIN = "run the export again; if it happens again, report it as a defect"


@dataclass(frozen=True, slots=True)
class Shipment:
    """Something sealed: `name` is unique in its run; `frames` travel with the task, or lie at `path`."""

    name: str
    frames: tuple[bytes, ...] = field(repr=False)
    path: str | None = None


def ship(
    content: object,
    key: bytes,
    name: str,
    folder: Path,
    instead: Mapping[int, object] | None = None,
) -> Shipment:
    """Seal an object for tasks under the run's key; a large one into a new file of `folder`.

    `instead`: what goes in the place of objects, by their `id`: a copy of the crosswalk that tasks look up, or nothing.
    Raises KeyFaultError where it needs a key that cannot leave a token or a service.
    """
    sink = _Sealing(derive_key(key, "spark", "shipment", name), name)
    _Packer(sink, instead or {}, folder / name).dump(content)
    frames = sink.finish()
    if sum(map(len, frames)) <= TRAVELS:
        return Shipment(name, frames)
    path = folder / f"{name}.sealed"
    with open(path, "xb", opener=private) as file:
        file.writelines(len(frame).to_bytes(4, "big") + frame for frame in frames)
        file.flush()
        os.fsync(file.fileno())
    return Shipment(name, (), str(path))


def unship(shipment: Shipment, key: bytes) -> Any:
    """Open what was sealed for this task; StorageError where it is not what the driver sealed."""
    source = _Opening(derive_key(key, "spark", "shipment", shipment.name), shipment)
    return pickle.load(source)  # noqa: S301 - authenticated: only the driver of this run has the key


def seal_answer(answer: object, key: bytes, number: int, attempt: Path | None = None) -> bytes:
    """Seal what a task tells the driver; a random nonce, as tasks are tried again under one number.

    A long one is put into the folder of its attempt, and what is returned names it: Spark holds all answers at once.
    """
    nonce = os.urandom(12)
    plain = io.BytesIO()
    _Packer(plain, {}, None).dump(answer)
    sealed = nonce + AESGCM(derive_key(key, "spark", "answer")).encrypt(nonce, plain.getvalue(), b"%d" % number)
    if attempt is None or len(sealed) <= ANSWERED:
        return _HERE + sealed
    write_new(attempt / _FILE, sealed)
    return _THERE + attempt.name.encode()


def open_answer(told: bytes, key: bytes, number: int, tasks: Path) -> Any:
    """Open the answer of a task; StorageError where no task of this run sealed it."""
    sealed = told[1:]
    try:
        if told[:1] == _THERE and ATTEMPT.fullmatch(sealed.decode()):
            sealed = (tasks / sealed.decode() / _FILE).read_bytes()
    except OSError as error:
        raise StorageError(
            f"the driver cannot read a task's answer: {os.strerror(error.errno or 0)}", hint=SHARED
        ) from None
    try:
        plain = AESGCM(derive_key(key, "spark", "answer")).decrypt(sealed[:12], sealed[12:], b"%d" % number)
    except InvalidTag:
        raise StorageError("a task's answer was changed on its way", hint=_AGAIN) from None
    return pickle.loads(plain)  # noqa: S301 - authenticated: only tasks of this run have the key


class _Sealing:
    """A file for a pickler that seals what is written."""

    def __init__(self, key: bytes, name: str) -> None:
        self._cipher, self._name = AESGCM(key), name.encode()
        self._frames: list[bytes] = []
        self._waiting = bytearray()

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._waiting += view
        while len(self._waiting) > FRAME:
            self._seal(bytes(self._waiting[:FRAME]), is_last=False)
            del self._waiting[:FRAME]
        return len(view)

    def finish(self) -> tuple[bytes, ...]:
        self._seal(bytes(self._waiting), is_last=True)
        return tuple(self._frames)

    def _seal(self, plain: bytes, *, is_last: bool) -> None:
        number = len(self._frames)
        self._frames.append(self._cipher.encrypt(_nonce(number), plain, _context(self._name, is_last=is_last)))


class _Opening:
    """A file for an unpickler that opens what was sealed."""

    def __init__(self, key: bytes, shipment: Shipment) -> None:
        self._cipher, self._name = AESGCM(key), shipment.name.encode()
        self._frames = list(shipment.frames)
        self._number, self._held, self._at = 0, b"", 0
        if shipment.path is not None:
            try:
                raw = Path(shipment.path).read_bytes()
            except OSError as error:
                raise StorageError(
                    f"a task cannot read what the driver sealed for it: {os.strerror(error.errno or 0)}",
                    hint=SHARED,
                ) from None
            at = 0
            while at < len(raw):
                size = int.from_bytes(raw[at : at + 4], "big")
                self._frames.append(raw[at + 4 : at + 4 + size])
                at += 4 + size

    def read(self, size: int) -> bytes:
        parts = []
        while size > 0:
            if self._at == len(self._held) and not self._next():
                break
            part = self._held[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readline(self) -> bytes:
        line = bytearray()
        while (byte := self.read(1)) and byte != b"\n":
            line += byte
        return bytes(line) + byte

    def _next(self) -> bool:
        if self._number == len(self._frames):
            return False
        context = _context(self._name, is_last=self._number == len(self._frames) - 1)
        try:
            self._held = self._cipher.decrypt(_nonce(self._number), self._frames[self._number], context)
        except InvalidTag:
            raise StorageError("what the driver sealed for a task was changed or cut", hint=_AGAIN) from None
        self._frames[self._number] = b""
        self._number, self._at = self._number + 1, 0
        return True


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _context(name: bytes, *, is_last: bool) -> bytes:
    return name + (b"|last" if is_last else b"|more")


class _Packer(pickle.Pickler):
    """Pickles what a run decided; what holds keys or files is told how it is made again in a task."""

    def __init__(self, file: Any, instead: Mapping[int, object], beside: Path | None) -> None:
        super().__init__(file, protocol=5)
        self._instead, self._beside, self._maps = instead, beside, 0

    def reducer_override(self, obj: object) -> Any:
        if isinstance(obj, type):
            return NotImplemented
        if id(obj) in self._instead:
            other = self._instead[id(obj)]
            return _reduced_crosswalk(other) if isinstance(other, FrozenCrosswalk) else (_nothing, ())
        if isinstance(obj, SealedMap) and obj.is_frozen and obj.spilled_bytes and self._beside is not None:
            # Too large to be in every task's memory: tasks look up what they need in one file beside the shipment.
            self._maps += 1
            return SealedMap.opened, (obj.shared(self._beside.with_name(f"{self._beside.name}-{self._maps}.map")),)
        for kind, reduce in _REDUCERS.items():
            if isinstance(obj, kind):
                return reduce(obj)
        if id(obj) in _SHELF:
            return _system, (_SHELF[id(obj)],)
        if hasattr(obj, "each") and hasattr(obj, "chained"):  # a BlockCipher
            raise KeyFaultError(
                "a key of the site never leaves its token or service, and tasks on Spark need it",
                hint="use the local engine, or a policy whose pseudonyms and offsets are random",
            )
        return NotImplemented


_SHELF = {id(system): name for name, system in CODE_SYSTEMS.items()}  # the shelf's own are found there, not copied


Entries = list[tuple[npt.NDArray[np.uint64], pa.RecordBatch]]
Layout = tuple[pa.Schema, int, Any]


@dataclass(frozen=True, slots=True)
class CrosswalkTags:
    """What a task that notes identifiers has of a crosswalk that is not frozen yet: their tags."""

    key: bytes = field(repr=False)

    def tags(self, domain: str, ids: pa.Array) -> npt.NDArray[np.uint8]:
        """Give the tag of each identifier of a domain, uint8 (n, 16), as the crosswalk does."""
        return tagger(self.key, domain).digest(ids)


def _map(layout: Layout, entries: Entries | None) -> SealedMap:
    schema, budget, bits = layout
    made = SealedMap(schema, folder=Path(tempfile.gettempdir()), budget=budget, bits=bits)
    if entries is None:
        return made
    while entries:
        made.add(*entries.pop(0))
    made.freeze()
    return made


def _rows(layout: Layout) -> SealedRows:
    schema, budget, bits = layout
    return SealedRows(schema, folder=Path(tempfile.gettempdir()), budget=budget, bits=bits)


def _nothing() -> None:
    return None


def _crosswalk(home: Path, key: bytes, index: Index) -> FrozenCrosswalk:
    return FrozenCrosswalk(Generations(home, key), index, budget=_CROSSWALK, home=home)


def _proxy(held: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(held)


def _system(name: str) -> CodeSystem:
    return CODE_SYSTEMS[name]


def _reduced_crosswalk(codes: FrozenCrosswalk) -> tuple[Any, ...]:
    home, index = codes.place
    if home is None:
        raise AssertionError("a crosswalk is shipped as a copy of the domains that tasks need")
    return _crosswalk, (home, codes.key, index)


_REDUCERS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    BatchCmac: lambda cmac: (BatchCmac, (cmac.cipher,)),
    KeyInMemory: lambda cipher: (KeyInMemory, (cipher.key,)),
    # What is still being filled is filled by the driver alone: a task has an empty one, which nothing is added to.
    SealedMap: lambda held: (_map, (held.layout, list(held.entries()) if held.is_frozen else None)),
    SealedRows: lambda held: (_rows, (held.layout,)),
    Crosswalk: lambda held: (CrosswalkTags, (held.key,)),
    FrozenCrosswalk: _reduced_crosswalk,
    MappingProxyType: lambda held: (_proxy, (dict(held),)),
}
