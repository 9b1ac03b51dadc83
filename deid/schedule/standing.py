"""The standing requests of a site: found in folders, read once, and known again by the digest of their bytes.

Reading a request takes some milliseconds, and a due check may look at a thousand of them many times a day. What was
read is kept by SHA-256, and decides only what is due: a run reads the request again in full.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from deid.documents.reading import MAX_BYTES, load
from deid.documents.request import load_request
from deid.errors import DeidError, DocumentError, StorageError
from deid.keys.files import replace_file
from deid.schedule.calendar import Calendar, require_zone
from deid.sealing.private import FILE

_KNOWN = "known.json"
_MOST = 10_000  # documents; what is no longer there goes when there are more
_FORMAT = "deid-known-requests/1"


class Facts(msgspec.Struct, frozen=True):
    """What a due check needs of a request; `calendar` is None for what is no standing request."""

    name: str
    party: str
    expires: date
    calendar: Calendar | None


class _Known(msgspec.Struct):
    format: str
    requests: dict[str, Facts]


@dataclass(frozen=True, slots=True)
class Standing:
    """A standing request: its file, name and party, its last day, and its calendar."""

    path: Path
    name: str
    party: str
    expires: date
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class Unread:
    """A document that cannot be taken for a standing request, and why."""

    name: str
    fault: DeidError


def standing_requests(places: Sequence[Path], runs: Path) -> tuple[list[Standing], list[Unread]]:
    """Return the standing requests in these files and folders by name, and the documents that cannot be read.

    `runs`: the site's folder of records, where what was read is kept.
    """
    known = _load(runs / _KNOWN)
    seen: dict[str, Facts] = {}
    found: list[Standing] = []
    unread: list[Unread] = []
    for path, is_named in _files(places, unread):
        try:
            facts = _facts(path, known, seen, is_named=is_named)
        except DeidError as fault:
            unread.append(Unread(path.stem, fault))
            continue
        if facts is not None and facts.calendar is not None:
            found.append(Standing(path, facts.name, facts.party, facts.expires, facts.calendar))
    if seen.keys() - known.keys():
        _keep(runs / _KNOWN, known | seen if len(known) < _MOST else seen)
    return _alone(found, unread), unread


def _files(places: Sequence[Path], unread: list[Unread]) -> Iterator[tuple[Path, bool]]:
    """Yield each file with whether it was named by itself; what is named must be a standing request.

    A folder that cannot be read goes to `unread`: taken for an empty one, its months would be missed in silence.
    """
    for place in places:
        try:
            inside = sorted(path for path in place.iterdir() if path.suffix == ".yaml") if place.is_dir() else None
        except OSError as error:
            fault = DocumentError(
                f"cannot read the folder {place.name}: {error.strerror}", hint="check who may read it"
            )
            unread.append(Unread(place.name, fault))
            continue
        yield from ((path, False) for path in inside) if inside is not None else [(place, True)]


def _facts(path: Path, known: dict[str, Facts], seen: dict[str, Facts], *, is_named: bool) -> Facts | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"cannot read {path.name}: {error.strerror}", hint="check who may read it") from None
    digest = hashlib.sha256(data).hexdigest()
    facts = known.get(digest)
    if facts is None:
        facts = _read(path, is_named=is_named)
    if is_named and facts.calendar is None:
        raise DocumentError(
            f"{path.name} is no standing request", hint="give it a block `schedule`; docs/formats/schedule.md"
        )
    if facts.calendar is not None:
        require_zone(facts.calendar.zone)  # what was read earlier may name one that an update has removed since
    seen[digest] = facts
    return facts


def _read(path: Path, *, is_named: bool) -> Facts:
    """Read a document; one in a folder that does not claim to be a standing request is none of ours."""
    try:
        request = load_request(path)
    except DocumentError:
        content = None if is_named else load(path).content
        if content is None or (isinstance(content, dict) and isinstance(content.get("schedule"), dict)):
            raise
        return Facts("", "", date.max, None)
    return Facts(request.name, request.party, request.expires, request.calendar)


def _alone(found: list[Standing], unread: list[Unread]) -> list[Standing]:
    """Return the requests by name; of two that have one name neither is run, as nobody knows which is meant."""
    names = Counter(each.name for each in found)
    unread += [
        Unread(
            name,
            DocumentError(f"two standing requests are named {name}", hint="remove one: a name is a series of releases"),
        )
        for name, count in sorted(names.items())
        if count > 1
    ]
    return sorted((each for each in found if names[each.name] == 1), key=lambda each: each.name)


def _load(path: Path) -> dict[str, Facts]:
    with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        known = msgspec.json.decode(path.read_bytes(), type=_Known)
        if known.format == _FORMAT:
            return known.requests
    return {}


def _keep(path: Path, seen: dict[str, Facts]) -> None:
    # Only where runs have been made: whoever just looks makes no folder in the name of whoever runs.
    with contextlib.suppress(OSError, StorageError):
        replace_file(path, msgspec.json.encode(_Known(_FORMAT, seen)), mode=FILE)
