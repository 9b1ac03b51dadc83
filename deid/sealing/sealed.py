"""Maps and rows by tag that outgrow memory without ever standing on disk in clear.

Rows are kept under a tag (see `deid.patients.tags`) until they exceed a byte budget; from then on they are cut by the
top bits of the tag into partitions and appended to one temporary file as AES-256-GCM frames. The key is random, belongs
to one object, and lives only in memory: what a crash leaves behind is noise. `SealedMap` looks payloads up by tag;
`SealedRows` gives all rows of a tag together.

A third of the budget holds rows; the rest is for the copies that sorting and sealing them take. Frames are found by a
directory in memory (16 bytes a frame), and partitions that turn out too large are cut again, so memory stays within the
budget whatever the number of rows, unless a single tag has more rows than fit.
"""

from __future__ import annotations

import struct
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from deid.patients.tags import I64, U64, Bits, Bools, words
from deid.sealing.closing import Closing
from deid.sealing.runs import compact, distinct, gathered, in_order, joined, repeated_tags, search, take, united
from deid.sealing.spill import SpillCopy, SpillFile

DEFAULT_BUDGET = 48 << 20
TAG, TAG_LOW = "tag", "tag_low"
Duplicates = Literal["first", "error-count", "all equal", "united", "gathered"]
RECORD = "\x1e"  # between texts that were gathered under one tag

_MOST_BITS = 24  # partitions are not cut finer: what is larger then is a few tags with very many rows


@dataclass(slots=True)
class _Partition:
    """The tags that begin with `bits` given bits; `frames` holds the number of each frame in the spill file."""

    start: int
    bits: int
    frames: array[int] = field(default_factory=lambda: array("Q"))
    nbytes: int = 0


class _SealedStore(Closing):
    """What `SealedMap` and `SealedRows` share: buffering, sealing, cutting and loading of partitions."""

    def __init__(self, schema: pa.Schema, *, folder: Path, budget: int = DEFAULT_BUDGET, bits: Bits = 64) -> None:
        if {TAG, TAG_LOW} & set(schema.names) or any(pa.types.is_dictionary(kind) for kind in schema.types):
            raise ValueError("a payload has neither columns named tag or tag_low nor dictionary columns")
        self._bits: Bits = bits
        # Look-ups give nulls for what is absent, so every field of a payload may be null.
        self._payload = pa.schema([column.with_nullable(True).remove_metadata() for column in schema])
        self._heads = bits // 64
        heads = [pa.field(TAG, pa.uint64())] + ([pa.field(TAG_LOW, pa.uint64())] if bits == 128 else [])
        self._schema = pa.schema([*heads, *self._payload])
        self._budget = budget
        self._limit = max(budget // 3, 1)
        self._buffer: list[pa.RecordBatch] = []
        self._buffered = 0
        self._rows = 0
        self._folder = folder
        self._file = SpillFile(folder)
        # Frames below some 16 KiB would spend more on their framing than on their rows.
        first_bits = 8 if self._limit >= 4 << 20 else 4
        self._partitions = [_Partition(p << (64 - first_bits), first_bits) for p in range(1 << first_bits)]
        self._starts = _starts(self._partitions)
        self._frozen = False

    def __len__(self) -> int:
        """The number of rows added, before duplicates are looked at."""
        return self._rows

    @property
    def spilled_bytes(self) -> int:
        """The bytes of the temporary file; 0 where everything fitted in memory."""
        return self._file.size

    @property
    def is_frozen(self) -> bool:
        """Whether it takes no more rows."""
        return self._frozen

    @property
    def layout(self) -> tuple[pa.Schema, int, Bits]:
        """The schema of the payload, the budget in bytes, and the bits of a tag: what an equal one is made with."""
        return self._payload, self._budget, self._bits

    def close(self) -> None:
        """Forgets the key and gives the space back; the object is of no use afterwards."""
        self._buffer.clear()
        self._partitions.clear()
        self._frozen = True
        self._file.close()

    def add(self, tags: npt.NDArray[np.generic], payload: pa.RecordBatch) -> None:
        """Keeps rows under their tags.

        Args:
            tags: n tags, as `deid.patients.tags.words` takes them.
            payload: n rows of the schema this object was made for.

        Raises:
            StorageError: The spill file cannot grow; nothing of it is left.
        """
        if self._frozen:
            raise ValueError("a frozen or closed store takes no more rows")
        high, low = words(tags, self._bits)
        if len(high) != payload.num_rows or payload.schema.types != self._payload.types:
            raise ValueError(f"{len(high)} tags came with {payload.num_rows} rows, or with another schema")
        if not len(high):
            return
        heads = [pa.array(high.copy())] + ([] if low is None else [pa.array(low.copy())])
        batch = compact(pa.record_batch([*heads, *payload.columns], schema=self._schema))
        self._buffer.append(batch)
        self._buffered += batch.nbytes
        self._rows += len(high)
        if self._buffered > self._limit:
            self._spill(self._take_buffer(), self._partitions, self._starts)

    def _freeze(self) -> None:
        self._frozen = True
        if not self._file.size:
            # Everything fits: one partition that is never sealed and never leaves.
            self._partitions = [_Partition(0, 0)]
            self._starts = _starts(self._partitions)
            self._buffer = [self._take_buffer()]
            return
        if self._buffer:
            self._spill(self._take_buffer(), self._partitions, self._starts)
        cut = [part for whole in self._partitions for part in self._cut(whole)]
        self._partitions = cut
        self._starts = _starts(cut)

    def _take_buffer(self) -> pa.RecordBatch:
        batches, self._buffer, self._buffered = self._buffer, [], 0
        return in_order(batches, self._schema, heads=self._heads)

    def _spill(self, rows: pa.RecordBatch, into: list[_Partition], starts: U64) -> None:
        high = rows.column(0).to_numpy()
        edges = np.append(np.searchsorted(high, starts, side="left"), rows.num_rows).tolist()
        for part, begin, end in zip(into, edges[:-1], edges[1:], strict=True):
            if end > begin:
                piece = rows.slice(begin, end - begin)
                part.frames.append(self._file.append(piece.serialize(), context=_context(part, len(part.frames))))
                part.nbytes += piece.nbytes

    def _cut(self, whole: _Partition) -> list[_Partition]:
        """Cuts a partition in sixteen, and again, until each can be loaded within the budget."""
        if whole.nbytes <= self._limit // 3 or whole.bits >= _MOST_BITS:
            return [whole]
        bits = whole.bits + 4
        parts = [_Partition(whole.start + (p << (64 - bits)), bits) for p in range(16)]
        starts = _starts(parts)
        pieces: list[pa.RecordBatch] = []
        for piece in self._frames(whole, self._file):
            pieces.append(piece)
            if sum(p.nbytes for p in pieces) > self._limit:
                self._spill(in_order(pieces, self._schema, heads=self._heads), parts, starts)
                pieces = []
        if pieces:
            self._spill(in_order(pieces, self._schema, heads=self._heads), parts, starts)
        return [part for piece in parts for part in self._cut(piece)]

    def _frames(self, part: _Partition, file: SpillFile) -> Iterator[pa.RecordBatch]:
        for number, frame in enumerate(part.frames):
            plain = file.read(frame, context=_context(part, number))
            yield pa.ipc.read_record_batch(pa.py_buffer(plain), self._schema)

    def _load(self, part: _Partition, *, file: SpillFile | None = None) -> pa.RecordBatch:
        """Gives the rows of one partition, sorted by tag, in the order they were added within a tag."""
        if not part.bits:
            return self._buffer[0]
        return in_order(list(self._frames(part, file or self._file)), self._schema, heads=self._heads)


class SealedRows(_SealedStore):
    """Rows of any schema, given back tag by tag: for readmissions, and for the identifiers of each patient.

    `add` in any order, `freeze` once, then `partitions` as often as needed; a context manager that removes its file.
    """

    def freeze(self) -> None:
        """Ends adding; a second time changes nothing."""
        if not self._frozen:
            self._freeze()

    def partitions(self) -> Iterator[pa.Table]:
        """Gives the rows in tables, each sorted by tag and holding all rows of its tags, tables ascending too.

        Columns: `tag` (uint64; its first 64 bits, with `tag_low` for the others of 128), then the payload's. Rows of
        one tag keep the order in which they were added.
        """
        if not self._frozen:
            raise ValueError("rows are given after freeze()")
        for part in self._partitions:
            rows = self._load(part)
            if rows.num_rows:
                yield pa.Table.from_batches([rows])


@dataclass(frozen=True, slots=True)
class _Run:
    """A partition that was opened: distinct tags in order, and their payloads."""

    high: U64
    low: U64 | None
    payload: pa.RecordBatch
    nbytes: int


@dataclass(frozen=True, slots=True)
class SharedMap:
    """A sealed map on disk, as another process opens it: where each partition's frames are, and the sealed file."""

    layout: tuple[pa.Schema, int, Bits]
    places: tuple[tuple[int, int, tuple[int, ...]], ...] = field(repr=False)
    copy: SpillCopy


class SealedMap(_SealedStore):
    """A map from tag to one row of a fixed schema: added to, frozen, then looked up; a context manager."""

    def __init__(self, schema: pa.Schema, *, folder: Path, budget: int = DEFAULT_BUDGET, bits: Bits = 64) -> None:
        if not schema.names:
            raise ValueError("a map has at least one payload column")
        super().__init__(schema, folder=folder, budget=budget, bits=bits)
        self._cache: OrderedDict[int, _Run] = OrderedDict()
        self._cached = 0
        self._cache_limit = budget // 2

    def close(self) -> None:
        """Forgets the key, what was opened, and gives the space back."""
        self._cache.clear()
        super().close()

    def freeze(self, duplicates: Duplicates = "first") -> int:
        """Ends adding, and says how many tags had more rows than the policy allows.

        Args:
            duplicates: "first" counts nothing; "error-count" counts tags with more than one row; "all equal" counts
                tags whose rows differ. Whatever is counted, look-ups give the row that was added first. "united" counts
                nothing, and look-ups give all bits that any row of the tag has; payloads are uint64 without nulls.
                "gathered" counts nothing, and look-ups give every different text of the tag, joined by `RECORD`; the
                payload is one column of strings without nulls.
        """
        self._freeze()
        if self._file.size:
            return self._consolidate(duplicates)
        rows, faulty = self._settled(self._buffer[0], duplicates)
        self._buffer = [rows]
        return faulty

    def _consolidate(self, duplicates: Duplicates) -> int:
        """Seals every partition anew as one frame, sorted and without repeats: look-ups then only have to open it."""
        before, self._file = self._file, SpillFile(self._folder)
        total = 0
        try:
            for part in self._partitions:
                rows, faulty = self._settled(self._load(part, file=before), duplicates)
                total += faulty
                part.frames = array("Q", [self._file.append(rows.serialize(), context=_context(part, 0))])
        finally:
            before.close()
        return total

    def _settled(self, rows: pa.RecordBatch, duplicates: Duplicates) -> tuple[pa.RecordBatch, int]:
        faulty = 0
        if duplicates == "united":
            return united(rows, heads=self._heads), 0
        if duplicates == "gathered":
            return gathered(rows, heads=self._heads, mark=RECORD), 0
        if duplicates != "first":
            faulty = repeated_tags(rows, heads=self._heads, differing=duplicates == "all equal")
        return distinct(rows, heads=self._heads), faulty

    def entries(self) -> Iterator[tuple[npt.NDArray[np.uint64], pa.RecordBatch]]:
        """Gives what look-ups find, partition by partition: tags as `add` takes them, and their payload rows.

        Added to another map that is frozen as "first", they make one that answers as this one does.
        """
        if not self._frozen:
            raise ValueError("a map gives its entries after freeze()")
        for number in range(len(self._partitions)):
            run = self._opened(number)
            if len(run.high):
                yield run.high if run.low is None else np.stack([run.high, run.low], axis=1), run.payload

    def shared(self, path: Path) -> SharedMap | None:
        """Copies what is sealed on disk to a new file for other processes; None where everything is in memory."""
        if not self._frozen:
            raise ValueError("a map is shared after freeze()")
        if not self._file.size:
            return None
        places = tuple((part.start, part.bits, tuple(part.frames)) for part in self._partitions)
        return SharedMap(self.layout, places, self._file.copied(path))

    @classmethod
    def opened(cls, shared: SharedMap) -> SealedMap:
        """Opens a map that another process shared; partitions are read as they are asked for."""
        schema, budget, bits = shared.layout
        made = cls(schema, folder=Path(shared.copy.path).parent, budget=budget, bits=bits)
        made._file = SpillFile.shared(shared.copy)
        made._partitions = [_Partition(start, width, array("Q", frames)) for start, width, frames in shared.places]
        made._starts = _starts(made._partitions)
        made._frozen = True
        return made

    def find(self, tags: npt.NDArray[np.generic]) -> tuple[Bools, pa.RecordBatch]:
        """Looks tags up.

        Args:
            tags: n tags in any order; more at once is better, as each call may have to open every partition once
                (of 6 million entries of 9 bytes with the default budget: 470 ns a tag in calls of 65,536).

        Returns:
            Whether each tag is known, bool (n,), and n payload rows in the order of `tags`, null where it is not.
        """
        if not self._frozen:
            raise ValueError("a map is looked up after freeze()")
        high, low = words(tags, self._bits)
        order = np.argsort(high)
        high = high.take(order)
        low = None if low is None else low.take(order)
        edges = np.append(np.searchsorted(high, self._starts, side="left"), len(high)).tolist()
        asked = [p for p in range(len(self._partitions)) if edges[p + 1] > edges[p]]
        # Cached partitions go first: asked in plain order, a cyclic scan would evict each just before it is needed.
        asked.sort(key=lambda p: p not in self._cache)
        found = np.zeros(len(high), dtype=np.bool_)
        pieces: list[pa.RecordBatch] = []
        places: list[I64] = []
        for p in asked:
            part = slice(edges[p], edges[p + 1])
            run = self._run(p)
            at = search(run.high, run.low, high[part], None if low is None else low[part])
            found[order[part]] = at >= 0
            pieces.append(take(run.payload, at))
            places.append(order[part])
        return found, self._gather(pieces, places)

    def _gather(self, pieces: list[pa.RecordBatch], places: list[I64]) -> pa.RecordBatch:
        whole = joined(pieces, self._payload)
        back = np.empty(whole.num_rows, dtype=np.int64)
        if places:
            back[np.concatenate(places)] = np.arange(whole.num_rows)
        return whole.take(pa.array(back))

    def _run(self, number: int) -> _Run:
        run = self._cache.get(number)
        if run is not None:
            self._cache.move_to_end(number)
            return run
        run = self._opened(number)
        while self._cache and self._cached + run.nbytes > self._cache_limit:
            _, gone = self._cache.popitem(last=False)
            self._cached -= gone.nbytes
        self._cache[number] = run
        self._cached += run.nbytes
        return run

    def _opened(self, number: int) -> _Run:
        part = self._partitions[number]
        rows = next(self._frames(part, self._file)) if part.bits else self._buffer[0]
        return _Run(
            high=rows.column(0).to_numpy(),
            low=rows.column(1).to_numpy() if self._heads == 2 else None,
            payload=rows.select(self._payload.names),
            nbytes=rows.nbytes,
        )


def _starts(partitions: list[_Partition]) -> U64:
    return np.array([part.start for part in partitions], dtype=np.uint64)


def _context(part: _Partition, number: int) -> bytes:
    """What is authenticated with a frame: its partition and its place there, so that frames cannot be swapped."""
    return struct.pack(">QBQ", part.start, part.bits, number)
