"""What is remembered of the crosswalk beside its folder: it shows a folder that is gone, older, or of another site.

docs/formats/crosswalk.md, "The remembered head", is the specification.
"""

from __future__ import annotations

import hmac
from pathlib import Path

import msgspec

from deid.crosswalks.generations import Generations, Index
from deid.crosswalks.partitions import storage
from deid.errors import StorageError
from deid.keys.files import replace_file
from deid.keys.prf import derive_key

_MAX_BYTES = 4096
_RESTORE = "put the newest copy back by `deid crosswalk restore`; docs/formats/crosswalk.md says what each file is"


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A generation that was committed: its number and the SHA-256 of its index; `tag` authenticates both."""

    generation: int
    index: str
    tag: str


def head_path(folder: Path) -> Path:
    """Return where the head of the crosswalk in `folder` is remembered."""
    return folder.with_name(f"{folder.name}.head")


def remember(generations: Generations, index: Index) -> None:
    """Remember a generation as the current one; under the lock. Raises StorageError."""
    path = head_path(generations.folder)
    made = Head(index.generation, index.digest, _tag(generations.key, index.generation, index.digest))
    text = msgspec.json.encode(made, order="sorted") + b"\n"
    with storage("remembering the head of the crosswalk"):
        if not path.exists() or path.read_bytes() != text:
            replace_file(path, text, mode=0o600)


def check(generations: Generations, index: Index) -> None:
    """Hold what lies there against what is remembered; under the lock. Raises StorageError, KeyFaultError.

    Every opening brings the memory up to date, and so does every commit once it is done: what lies there is the
    generation that is remembered, or, after a kill in between, the one that follows it.
    """
    head = _read(head_path(generations.folder), generations.key)
    if head is None:
        return
    if index.generation < head.generation:
        raise StorageError(
            f"the crosswalk is at generation {index.generation}, and {head.generation} is remembered: "
            + ("the folder is gone or was emptied" if index.generation == 0 else "an old copy was put back"),
            hint=_RESTORE,
        )
    known = {index.generation: index.digest, index.generation - 1: index.previous}
    if known.get(head.generation) != head.index:
        raise StorageError(
            f"the crosswalk is not the one that is remembered: generation {index.generation} does not go on from "
            f"generation {head.generation} of this site",
            hint=f"it may be another site's, or a copy that went on elsewhere; {_RESTORE}",
        )


def remembered(folder: Path, key: bytes) -> int:
    """Return the number of the generation that is remembered, 0 where there is none; raise StorageError."""
    head = _read(head_path(folder), key)
    return head.generation if head is not None else 0


def _read(path: Path, key: bytes) -> Head | None:
    if not path.exists():
        return None
    with storage("reading the head of the crosswalk"), path.open("rb") as file:
        data = file.read(_MAX_BYTES)
    try:
        head = msgspec.json.decode(data, type=Head)
    except msgspec.MsgspecError:
        raise _damaged(path) from None
    if not hmac.compare_digest(_tag(key, head.generation, head.index), head.tag):
        raise _damaged(path)
    return head


def _tag(key: bytes, generation: int, index: str) -> str:
    text = f"{generation}:{index}"
    return hmac.digest(derive_key(key, "crosswalk", "head"), text.encode(), "sha256").hex()


def _damaged(path: Path) -> StorageError:
    return StorageError(
        f"{path.name} was changed, cut, or written by another site",
        hint="see that the crosswalk is the right one, then make its newest generation the current one: "
        "`deid crosswalk restore --generation N --older`",
    )
