"""Places in a store: `s3://bucket/prefix`, and nothing else in it; docs/formats/stores.md, "Places"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deid.errors import DocumentError

SCHEME = "s3://"
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_NAME = r"[A-Za-z0-9_=][A-Za-z0-9._=-]{0,127}"
PLACE = re.compile(rf"s3://(?P<bucket>{_BUCKET})(?:/(?P<prefix>{_NAME}(?:/{_NAME}){{0,15}}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket, and the names below it with slashes between them; `prefix` is empty for the bucket itself."""

    bucket: str
    prefix: str = ""

    def below(self, *names: str) -> Place:
        """Return the place under these names."""
        return Place(self.bucket, "/".join(part for part in (self.prefix, *names) if part))

    def key(self, name: str) -> str:
        """Return the key of the object of this name, which may hold slashes, below this place."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}" if self.prefix else f"{SCHEME}{self.bucket}"


def is_place(text: str) -> bool:
    """Whether a text means a place in a store, well written or not: it has a scheme, as no path has."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", text) is not None


def parse_place(text: str) -> Place:
    """Return the place that a text names; raise DocumentError, which does not quote it: it may hold a secret."""
    match = PLACE.fullmatch(text.removesuffix("/"))
    if match is None:
        raise DocumentError(
            "a place is not written as s3://bucket/prefix",
            hint="letters, digits and . _ = - between slashes; where the store is, and who asks, says the environment: "
            "docs/formats/stores.md",
        )
    return Place(match["bucket"], match["prefix"] or "")
