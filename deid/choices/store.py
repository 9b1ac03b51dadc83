"""Where a site's lists of choices lie: sealed files that nobody but this site writes, and none of which gets lost.

The site's state notes the SHA-256 of each list as it was last written, before the list is replaced and after it: a
run that was killed in between finds either of the two, and whatever else lies there stops every run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from deid.choices.lists import ChoiceList
from deid.crosswalks.locking import lock
from deid.documents.request import NAME
from deid.documents.site import Site
from deid.errors import DocumentError, StorageError
from deid.keys.base import KeyProvider
from deid.keys.files import replace_file, sweep_staged
from deid.sealing.private import FILE, make_folder

SUFFIX = ".choices"
_MAGIC = b"deidcho1"
_KNOWN, _KNOWN_MAGIC = "known", b"deidchk1"
_NONCE = 12
_ABSENT = ""  # in the place of a digest: the list may not be there yet
_WAIT = 10.0  # seconds; an edit takes a fraction of one
_SOUND = "`deid choices check` names every list; docs/formats/choices.md, section Lists"
Known = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ChoiceStore:
    """The lists of one site; `home` is its folder of lists, `state` what it notes of them."""

    home: Path
    state: Path
    provider: KeyProvider

    @classmethod
    def of(cls, site: Site, provider: KeyProvider) -> ChoiceStore:
        """Return the store of a site."""
        return cls(site.choices, site.state / "choices", provider)

    def lists(self) -> tuple[ChoiceList, ...]:
        """Return every list, by name; raise StorageError unless each is there as it was last written here."""
        # Under the lock of who writes, for a list that is replaced while it is read is no list that was lost.
        with lock(self.state, wait=_WAIT, what="choices") if self.state.is_dir() else nullcontext():
            return self._lists()

    def faults(self) -> Mapping[str, str]:
        """Return what is wrong, by list: missing, unknown here, or another than was last written."""
        return self._faults(self._known())

    def find(self, name: str) -> ChoiceList | None:
        """Return a list, None where there is none of this name; raise StorageError as `lists`."""
        return next((found for found in self.lists() if found.name == name), None)

    def write(self, changed: ChoiceList) -> str:
        """Put a list in the place of its earlier version; return its SHA-256. Raise StorageError."""
        if not NAME.fullmatch(changed.name):
            raise DocumentError(
                "a list's name is of small letters, digits and hyphens, at most 63", hint="for instance opted-out"
            )
        self._make()
        with lock(self.state, wait=_WAIT, what="choices"):
            known, before = self._known(), self._digest(changed.name)
            if (before or _ABSENT) not in known.get(changed.name, (_ABSENT,)):
                raise StorageError(f"list {changed.name} is not as it was last written here", hint=_SOUND)
            if before is not None and self._open(changed.name).version != changed.version - 1:
                raise StorageError(f"list {changed.name} was changed by somebody else meanwhile", hint="try again")
            sweep_staged(self._path(changed.name))  # a killed change may have left older numbers, sealed
            data = _sealed(self._key(changed.name), changed.to_bytes(), _MAGIC, changed.name)
            after = hashlib.sha256(data).hexdigest()
            self._note(known | {changed.name: (before or _ABSENT, after)})
            replace_file(self._path(changed.name), data, mode=FILE)
            self._note(known | {changed.name: (after,)})
        return after

    def adopt(self, name: str) -> ChoiceList:
        """Take a list as it lies there for the right one; raise StorageError where it does not open."""
        self._make()
        with lock(self.state, wait=_WAIT, what="choices"):
            found, digest = self._open(name), self._digest(name)
            if digest is not None:
                self._note(self._known() | {name: (digest,)})
        return found

    def forget(self, name: str) -> None:
        """Stop asking for a list that is gone for good; raise StorageError while it lies there."""
        self._make()
        with lock(self.state, wait=_WAIT, what="choices"):
            if self._path(name).exists():
                raise StorageError(f"list {name} lies there", hint="remove its file first, if it shall hold no more")
            self._note({other: digests for other, digests in self._known().items() if other != name})

    def _lists(self) -> tuple[ChoiceList, ...]:
        known = self._known()
        faults = self._faults(known)
        if faults:
            listed = "".join(f"\n  - {name}: {fault}" for name, fault in faults.items())
            raise StorageError(
                f"the lists of patients' choices are not as they were written:{listed}",
                hint="bring them back from a backup, or see `deid choices adopt` and `deid choices forget`",
            )
        return tuple(self._open(name) for name in sorted(known) if self._path(name).exists())

    def _make(self) -> None:
        make_folder(self.home)
        make_folder(self.state)

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise DocumentError("there is no list of such a name", hint="`deid choices list` names every list")
        return self.home / f"{name}{SUFFIX}"

    def _key(self, name: str) -> bytes:
        return self.provider.subkey("choices", name)

    def _digest(self, name: str) -> str | None:
        path = self._path(name)
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"list {name} cannot be read: {error.strerror}", hint=_SOUND) from None

    def _open(self, name: str) -> ChoiceList:
        try:
            data = self._path(name).read_bytes()
        except OSError as error:
            raise StorageError(f"list {name} cannot be read: {error.strerror}", hint=_SOUND) from None
        return ChoiceList.from_bytes(name, _opened(self._key(name), data, _MAGIC, name))

    def _known(self) -> Known:
        path = self.state / _KNOWN
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(
                f"what is known of the lists of choices cannot be read: {error.strerror}", hint=_SOUND
            ) from None
        return msgspec.json.decode(_opened(self._key(_KNOWN), data, _KNOWN_MAGIC, _KNOWN), type=Known)

    def _note(self, known: Known) -> None:
        data = _sealed(self._key(_KNOWN), msgspec.json.encode(known), _KNOWN_MAGIC, _KNOWN)
        replace_file(self.state / _KNOWN, data, mode=FILE)

    def _faults(self, known: Known) -> dict[str, str]:
        faults = {}
        lying = {path.name.removesuffix(SUFFIX) for path in self.home.glob(f"*{SUFFIX}")}
        for name in sorted({*known, *lying}):
            if not NAME.fullmatch(name):
                faults["a file"] = "its name is none of a list"
            elif name not in lying and _ABSENT not in known[name]:
                faults[name] = "it is missing"
            elif name not in known:
                faults[name] = "it was not written here"
            elif (self._digest(name) or _ABSENT) not in known[name]:
                faults[name] = "it is not as it was last written"
        return faults


def _sealed(key: bytes, data: bytes, magic: bytes, name: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return magic + nonce + AESGCM(key).encrypt(nonce, data, magic + name.encode())


def _opened(key: bytes, data: bytes, magic: bytes, name: str) -> bytes:
    head = len(magic)
    try:
        if data[:head] != magic:
            raise InvalidTag
        return AESGCM(key).decrypt(data[head : head + _NONCE], data[head + _NONCE :], magic + name.encode())
    except (InvalidTag, ValueError):
        raise StorageError(
            f"{name} of the lists of choices is damaged, or of another site's keys", hint=_SOUND
        ) from None
