"""What one generation of a ledger says: frozen rules, releases, classes and patients; and how it becomes bytes."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET

from deid.cells.buffers import plain
from deid.ledger.records import NEWEST, READ, Frozen, Head, MapHead, ReleaseEntry
from deid.ledger.state import State
from deid.ledger.told import Told
from deid.ledger.withheld import Withheld
from deid.observing.controls import CodeMap, Place


@dataclass(frozen=True, slots=True)
class Book:
    """A ledger in memory.

    `vectors`: the values of each class, one array a place, all of one length. `prints`: the kind and rule of each
    column of `state.prints`. `readers`: SHA-256 of the keys of everybody who was ever a recipient of the series;
    version 1 did not know them. `told`: the codes that increments have shown.
    """

    request: str
    party: str
    frozen: Frozen
    releases: tuple[ReleaseEntry, ...]
    vectors: Mapping[Place, pa.Array] = field(repr=False)
    codes: Mapping[str, CodeMap] = field(repr=False)
    withheld: Withheld = field(repr=False)
    prints: tuple[str, ...]
    state: State = field(repr=False)
    readers: tuple[str, ...] = ()
    told: Told = field(default_factory=Told.nothing, repr=False)
    version: str = NEWEST

    @property
    def newest(self) -> ReleaseEntry:
        """The release made last."""
        return self.releases[-1]

    @property
    def is_increment(self) -> bool:
        """Whether the releases hold only what is new."""
        return self.frozen.mode == "increment"

    def confirmed(self) -> Book:
        """Return the book with its newest release confirmed."""
        newest = msgspec.structs.replace(self.newest, confirmed=True)
        return replace(self, releases=(*self.releases[:-1], newest))


def digest(book: Book, key: bytes) -> str:
    """Return the HMAC-SHA256 of a book, as hex, the same before and after its newest release is confirmed."""
    blank = msgspec.structs.replace(book.newest, manifest_sha256="", confirmed=False)
    head = _head(replace(book, releases=(*book.releases[:-1], blank)))
    state = book.state
    parts = [
        msgspec.json.encode(head, order="sorted"),
        *(msgspec.json.encode(plain(book.vectors[place]).to_pylist()) for place in book.frozen.places),
        *(
            msgspec.json.encode([kind, *(column.to_pylist() for column in (m.codes, m.items, m.levels))])
            for kind, m in sorted(book.codes.items())
        ),
        msgspec.json.encode(book.withheld.table().to_pydict()),
        *(
            np.ascontiguousarray(array).tobytes()
            for array in (state.tags, state.klass, state.state, state.since, state.arrival, state.left, state.prints)
        ),
    ]
    if len(book.told):
        parts.append(book.told.bytes())
    mac = hmac.new(key, digestmod="sha256")
    for part in parts:
        mac.update(len(part).to_bytes(8, "big") + part)
    return mac.hexdigest()


def encode(book: Book) -> dict[str, bytes]:
    """Return the parts of a generation by name."""
    values = [plain(book.vectors[place]) for place in book.frozen.places]
    state = book.state
    patients = {
        "tag": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(state), [None, pa.py_buffer(state.tags.astype(">u8").tobytes())]
        ),
        "class": pa.array(state.klass),
        "state": pa.array(state.state),
        "since": pa.array(state.since),
        "arrival": pa.array(state.arrival),
        "left": pa.array(state.left),
    }
    patients |= {f"print_{i}": pa.array(state.prints[:, i]) for i in range(len(book.prints))}
    parts = {
        "head": msgspec.json.encode(_head(book), order="sorted"),
        "vectors": _stream(pa.table(values, names=[str(number) for number in range(len(values))])),
        "codes": _stream(_codes_table(book.codes)),
        "withheld": _stream(book.withheld.table()),
        "patients": _stream(pa.table(patients)),
    }
    if len(book.told):
        parts |= {"told": _stream(book.told.table()), "items": _stream(book.told.items)}
    return parts


def decode(parts: Mapping[str, bytes]) -> Book:
    """Return the book that the parts hold; raise ValueError for what is no book of this version."""
    try:
        head = msgspec.json.decode(parts["head"], type=Head)
    except (KeyError, msgspec.MsgspecError):
        raise ValueError("no head of a ledger") from None
    if head.format not in READ:
        raise ValueError("another version")
    vectors = _table(parts["vectors"])
    patients = _table(parts["patients"])
    tags = np.frombuffer(b"".join(patients["tag"].to_pylist()), ">u8").reshape(-1, 2).astype(np.uint64)
    prints = np.zeros((len(tags), len(head.prints)), np.uint64)
    for number in range(len(head.prints)):
        prints[:, number] = patients[f"print_{number}"].to_numpy()
    state = State(
        tags,
        patients["class"].to_numpy().copy(),
        patients["state"].to_numpy().copy(),
        patients["since"].to_numpy().copy(),
        patients["arrival"].to_numpy().copy(),
        patients["left"].to_numpy().copy(),
        prints,
    )
    return Book(
        request=head.request,
        party=head.party,
        frozen=head.frozen,
        releases=head.releases,
        vectors={place: _whole(vectors.column(i)) for i, place in enumerate(head.frozen.places)},
        codes=_code_maps(_table(parts["codes"]), head.maps),
        withheld=Withheld.of(_table(parts["withheld"])),
        prints=head.prints,
        state=state,
        readers=() if head.readers is UNSET else head.readers,
        told=Told.of(_table(parts["told"]), _table(parts["items"])) if "told" in parts else Told.nothing(),
        version=head.format,
    )


def _head(book: Book) -> Head:
    maps = tuple(MapHead(m.kind, m.otherwise, m.declared, m.declared_at) for _, m in sorted(book.codes.items()))
    readers = book.readers if book.version == NEWEST else UNSET
    return Head(book.version, book.request, book.party, book.frozen, book.releases, book.prints, maps, readers)


def _codes_table(codes: Mapping[str, CodeMap]) -> pa.Table:
    schema = pa.schema([("kind", pa.string()), ("code", pa.string()), ("item", pa.string()), ("level", pa.string())])
    batches = [
        pa.record_batch(
            [pa.array([kind] * len(m.codes), pa.string()), *(plain(a).cast(pa.string()) for a in _columns(m))],
            schema=schema,
        )
        for kind, m in sorted(codes.items())
    ]
    return pa.Table.from_batches(batches, schema=schema)


def _columns(found: CodeMap) -> tuple[pa.Array, pa.Array, pa.Array]:
    return found.codes, found.items, found.levels


def _code_maps(table: pa.Table, heads: tuple[MapHead, ...]) -> dict[str, CodeMap]:
    kinds = table["kind"].to_numpy()
    found = {}
    for head in heads:
        own = table.filter(pa.array(kinds == head.kind))
        codes, items, levels = (_whole(own[name]) for name in ("code", "item", "level"))
        found[head.kind] = CodeMap(head.kind, codes, items, levels, head.otherwise, head.declared, head.declared_at)
    return found


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _table(data: bytes) -> pa.Table:
    try:
        return pa.ipc.open_stream(data).read_all()
    except pa.ArrowInvalid:
        raise ValueError("no Arrow stream") from None


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
