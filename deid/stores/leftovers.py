"""What lies at a place: releases, whole or half-delivered, and how the objects of a half-delivered one are deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from deid.documents.request import NAME
from deid.errors import ReleaseError
from deid.release.manifest import DOCUMENT_NAME, FILE_NAME, MANIFEST, RELEASE_ID, UNLISTED
from deid.stores.place import Place
from deid.stores.reading import Reader, Stored
from deid.stores.settings import Settings
from deid.stores.writing import Writer

YOUNG = timedelta(days=1)  # a delivery may still be running
_RELEASE = re.compile(rf"(?P<release>{NAME.pattern}/{RELEASE_ID.pattern})/(?P<name>.+)")


@dataclass(frozen=True, slots=True)
class Lying:
    """A release at a place, by `request/name`: its objects, their bytes, and whether its manifest is there."""

    release: str
    objects: int
    bytes: int
    is_whole: bool
    newest: datetime


def lying(settings: Settings, place: Place) -> Iterator[Lying]:
    """Yield what lies below a place, as `deid deliver` writes it there; raise StoreError."""
    found = [one for one in Reader(settings).list(place.bucket, place.prefix, deep=True) if one.size is not None]
    named = [(match, one) for one in found if (match := _RELEASE.fullmatch(one.name))]
    for release, group in groupby(sorted(named, key=lambda pair: pair[0]["release"]), lambda pair: pair[0]["release"]):
        pairs = list(group)
        yield Lying(
            release,
            len(pairs),
            sum(one.size or 0 for _, one in pairs),
            any(match["name"] == MANIFEST for match, _ in pairs),
            max(one.changed for _, one in pairs),
        )


def clean(settings: Settings, place: Place, *, now: datetime, at_once: bool = False) -> int:
    """Delete the objects of the half-delivered release at `place`, and return how many there were.

    Raises ReleaseError where a manifest lies, where something lies that no release has or, unless `at_once`, where an
    object is younger than a day; then nothing is deleted. Raises StoreError.
    """
    found = [one for one in Reader(settings).list(place.bucket, place.prefix, deep=True) if one.size is not None]
    _refuse(found, place)
    if not at_once and any(now - one.changed < YOUNG for one in found):
        raise ReleaseError(
            f"what lies at {place} is younger than a day: a delivery may be running",
            hint="deliver again, which resumes it; or clean --at-once, if you know that none runs",
        )
    Writer(settings).delete(place.bucket, [place.key(one.name) for one in found])
    return len(found)


def _refuse(found: list[Stored], place: Place) -> None:
    names = {one.name for one in found}
    if MANIFEST in names:
        raise ReleaseError(
            f"a whole release lies at {place}", hint="only what is half-delivered is cleaned; see `deid recall`"
        )
    if strangers := [n for n in names if not (n in UNLISTED or FILE_NAME.fullmatch(n) or DOCUMENT_NAME.fullmatch(n))]:
        raise ReleaseError(
            f"at {place} lie {len(strangers):,} objects that no release has",
            hint="give the place, the request and the release as they were delivered; somebody else's are not deleted",
        )
