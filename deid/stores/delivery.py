"""Copies a release to a store: everything else first and read back, the manifest last and on a condition.

Until the manifest lies there, there is no release; so nothing has to be undone when this stops, and doing it again
resumes it. docs/formats/stores.md, "Delivering a release", is the specification.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deid.errors import ReleaseError, StoreError
from deid.release.manifest import ENVELOPE, MAC, MANIFEST, MAX_BYTES, RECALL, UNLISTED, Manifest
from deid.stores.place import Place
from deid.stores.reading import BLOCK, Reader
from deid.stores.settings import Settings
from deid.stores.writing import Writer

# What may change after a release was made: keys are rotated, it is signed, and recalled.
FOLLOWING = UNLISTED - {MANIFEST, MAC, ENVELOPE}
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of a delivery: where the release lies, and of its objects how many were sent and their bytes."""

    place: Place
    objects: int
    sent: int
    sent_bytes: int


class Delivery:
    """One release on its way to one place; `folder` was compared with `manifest` before."""

    def __init__(self, settings: Settings, folder: Path, manifest: Manifest, place: Place) -> None:
        self._reader, self._writer = Reader(settings), Writer(settings)
        self._folder, self._place = folder, place
        listed = [file.name for file in manifest.files()] + [document.name for document in manifest.documents]
        beside = sorted(name for name in UNLISTED - {MANIFEST} if (folder / name).is_file())
        self._names = (*listed, *beside)
        self._sent: list[int] = []

    def run(self, progress: Progress) -> Delivered:
        """Bring the release there, or what of it is missing; raise ReleaseError or StoreError."""
        is_there = self._compare_manifest()
        lying = self._lying()
        self._refuse_strangers(lying)
        for name in self._names:
            if name not in lying and self._writer.put_new(*self._at(name), self._folder / name):
                self._count(name, progress)
        self._refuse_careless_store()
        for name in self._names:
            self._read_back(name, progress)
        if not is_there and self._writer.put_new(*self._at(MANIFEST), self._folder / MANIFEST):
            self._count(MANIFEST, progress)
        if not self._compare_manifest():
            raise self._vanished(MANIFEST)
        # Somebody may have cleaned up while this ran: then it is here that it shows, and not at the recipient.
        lying = self._lying()
        if missing := [name for name in self._names if name not in lying]:
            raise self._vanished(missing[0])
        return Delivered(self._place, len(self._names) + 1, len(self._sent), sum(self._sent))

    def recall(self) -> None:
        """Bring the notice of recall to a place that has this release; raise ReleaseError or StoreError."""
        if not self._compare_manifest():
            raise ReleaseError(
                f"there is no such release at {self._place}, so no notice of recall was put there",
                hint="a recalled release is not delivered; clean what is half-delivered with `deid stores clean`",
            )
        for name in recall_names():
            if (self._folder / name).is_file():
                self._writer.replace(*self._at(name), self._folder / name)

    def _at(self, name: str) -> tuple[str, str]:
        return self._place.bucket, self._place.key(name)

    def _count(self, name: str, progress: Progress) -> None:
        self._sent.append((self._folder / name).stat().st_size)
        progress("objects sent", 1)

    def _lying(self) -> dict[str, int]:
        found = self._reader.list(self._place.bucket, self._place.prefix, deep=True)
        return {one.name: one.size for one in found if one.size is not None}

    def _compare_manifest(self) -> bool:
        """Whether this manifest lies there; raise ReleaseError for another one."""
        try:
            with self._reader.stream(*self._at(MANIFEST)) as stream:
                same = stream.size <= MAX_BYTES and _digest_of(stream.read) == _local(self._folder / MANIFEST)
        except FileNotFoundError:
            return False
        if not same:
            raise ReleaseError(
                f"another release lies at {self._place}: its {MANIFEST} is not this one's",
                hint="a release is never overwritten; deliver to another place",
            )
        return True

    def _refuse_strangers(self, lying: dict[str, int]) -> None:
        known = {*self._names, *UNLISTED}
        if strangers := [name for name in lying if name not in known]:
            raise ReleaseError(
                f"at {self._place} lie {len(strangers):,} objects that are none of this release; "
                f"the first is {_spoken(strangers[0])}",
                hint="somebody else writes there: deliver to another place",
            )

    def _refuse_careless_store(self) -> None:
        """Send the smallest object that lies there again, as a new one, which the store must refuse."""
        smallest = min(self._names, key=lambda name: (self._folder / name).stat().st_size)
        if self._writer.put_new(*self._at(smallest), self._folder / smallest):
            raise StoreError(
                f"the store {self._reader.settings.name} takes no notice of If-None-Match: it overwrites",
                hint="deliver to a store that keeps the condition; no manifest was written, so there is no release",
            )

    def _read_back(self, name: str, progress: Progress) -> None:
        """Compare an object with its file by SHA-256; what follows the release is replaced by the site's."""
        if not self._is_same(name):
            if name not in FOLLOWING:
                raise ReleaseError(
                    f"another object lies at {self._place} under {name}: it is not this release's",
                    hint="it was not overwritten; find out who wrote it, or deliver to another place",
                )
            self._writer.replace(*self._at(name), self._folder / name)
            self._count(name, progress)
            if not self._is_same(name):
                raise self._vanished(name)
        progress("objects compared", 1)

    def _is_same(self, name: str) -> bool:
        try:
            with self._reader.stream(*self._at(name)) as stream:
                path = self._folder / name
                return stream.size == path.stat().st_size and _digest_of(stream.read) == _local(path)
        except FileNotFoundError:
            raise self._vanished(name) from None

    def _vanished(self, name: str) -> StoreError:
        return StoreError(
            f"{name} was written to {self._place} and is not there as it was written",
            hint="deliver again: what is missing is written; find out who else writes or deletes there",
        )


def recall_names() -> list[str]:
    """Return the names of a recall's statement and of its notice, which comes last: who reads it finds who signed."""
    return sorted((name for name in UNLISTED if name.startswith(RECALL)), reverse=True)


def _digest_of(read: Callable[[int], bytes]) -> str:
    digest = hashlib.sha256()
    while data := read(BLOCK):
        digest.update(data)
    return digest.hexdigest()


def _local(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _spoken(name: str) -> str:
    return name[:80] if name.isprintable() else name[:80].encode("unicode_escape").decode("ascii")
