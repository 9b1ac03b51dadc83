"""What a JSON document of FHIR holds: one resource, or the entries of a Bundle, and what their references mean.

Resources stay bytes: of a Bundle only `entry[].fullUrl` is decoded, of a resource its type and its id. `request`,
`response`, `search` and `link` are never read.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from deid.sources.json_names import has_doubled_names
from deid.sources.paths import referenced
from deid.sources.records import BAD_JSON

MAX_DOCUMENT_BYTES = 64 << 20
MAX_DOCUMENT_VALUES = 4_000_000  # a document of 64 MiB has about two million
BOM = codecs.BOM_UTF8
BUNDLE = "Bundle"
_LARGE = 1 << 20
# How most writers begin a resource. One that begins otherwise is decoded for its type, which takes longer.
_HEAD = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"([A-Za-z]{1,64})"\s*,\s*"id"\s*:\s*"([A-Za-z0-9.\-]{1,64})"')
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_BROKEN = "not one whole JSON document"


class DocumentFaultError(ValueError):
    """A document that is no resource and no Bundle of resources; the message holds nothing of it.

    `entry` is the number of the entry at fault, or 0; `line` the line of the document, or 0.
    """

    def __init__(self, what: str, *, entry: int = 0, line: int = 0) -> None:
        super().__init__(what)
        self.entry = entry
        self.line = line


_NOTHING = msgspec.Raw()


class _Silent(msgspec.Struct, gc=False):
    """What holds cells and prints none."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Head(_Silent, gc=False):
    resource_type: Any = msgspec.field(default=None, name="resourceType")
    id: Any = None


class _Entry(_Silent, gc=False):
    full_url: Any = msgspec.field(default=None, name="fullUrl")
    resource: msgspec.Raw = _NOTHING


class _Bundle(_Silent, gc=False):
    entry: list[_Entry] | None = None


_head = msgspec.json.Decoder(_Head).decode
_bundle = msgspec.json.Decoder(_Bundle).decode
_raw = msgspec.json.Decoder(msgspec.Raw).decode


class Resource(msgspec.Struct, frozen=True, gc=False):
    """One resource: the number of its entry (0 outside of a Bundle), its type, and the id that its `fullUrl` gives it.

    `raw` is its text in the document; only `text` makes a copy of it. The repr holds nothing of it.
    """

    entry: int
    type: str
    raw: bytes | msgspec.Raw
    given_id: str | None = None

    def __repr__(self) -> str:
        return f"Resource(entry={self.entry})"

    @property
    def text(self) -> bytes:
        """The JSON text of the resource, with an id."""
        text = bytes(self.raw)
        return b'{"id":"%b",%b' % (self.given_id.encode(), text.lstrip()[1:]) if self.given_id else text


def resources_of(document: bytes, known: dict[str, str]) -> Iterator[Resource]:
    """Yield the resources of a document; raise DocumentFaultError where it holds none.

    `known` is made anew: what each `fullUrl` of the Bundle means, as `Patient/12`. A resource without an id, as a
    transaction may create it, gets that of its `fullUrl`, for this is what other entries refer to.
    """
    known.clear()
    if len(document) > _LARGE and document.count(b",") > MAX_DOCUMENT_VALUES:
        raise DocumentFaultError(f"one document of more than {MAX_DOCUMENT_VALUES:,} values")
    kind, _ = _type_and_id(document)
    if kind != BUNDLE:
        yield Resource(0, kind, document)
        return
    # All entries before the first is given away: it may refer to the last. An answer to a transaction may hold none.
    entries = enumerate(_entries(document), start=1)
    yield from [_resource(number, entry, known) for number, entry in entries if entry.resource is not _NOTHING]


def _entries(document: bytes) -> list[_Entry]:
    try:
        return _bundle(document).entry or []
    except msgspec.ValidationError:
        raise DocumentFaultError("a Bundle whose `entry` is not a list of entries") from None
    except BAD_JSON:
        raise DocumentFaultError(_BROKEN) from None


def _resource(number: int, entry: _Entry, known: dict[str, str]) -> Resource:
    try:
        kind, own = _type_and_id(entry.resource)
    except DocumentFaultError as error:
        raise DocumentFaultError(str(error), entry=number) from None
    if kind == BUNDLE:
        raise DocumentFaultError("a Bundle within a Bundle; write each as a file of its own", entry=number)
    url = entry.full_url
    if not isinstance(url, str) or not url:
        return Resource(number, kind, entry.resource)
    given = _id_in(url) if own is None else None
    meant = f"{kind}/{own or given}"
    if (own or given) and known.setdefault(url, meant) != meant:
        raise DocumentFaultError("two different resources have one fullUrl", entry=number)
    return Resource(number, kind, entry.resource, given)


def _type_and_id(text: bytes | msgspec.Raw) -> tuple[str, str | None]:
    """Return the type of a resource, and its id: None where it has none, empty where it is no text."""
    match = _HEAD.match(text)
    if match is not None:
        return match[1].decode(), match[2].decode()
    try:
        head = _head(text)
    except msgspec.ValidationError:
        raise DocumentFaultError("not a FHIR resource, which is one JSON object") from None
    except BAD_JSON:
        raise DocumentFaultError(_BROKEN) from None
    if not isinstance(head.resource_type, str):
        raise DocumentFaultError("not a FHIR resource: it has no resourceType")
    return head.resource_type, head.id if head.id is None or isinstance(head.id, str) else ""


def _id_in(url: str) -> str | None:
    """Return the id that a fullUrl gives: the UUID or OID of a URN, the last part of a web address."""
    found = url.split(":", 2)[2] if url.startswith(("urn:uuid:", "urn:oid:")) else referenced(url)
    return found if found is not None and _ID.fullmatch(found) else None


def is_whole(text: bytes) -> bool:
    """Return whether a text is one JSON value from its beginning to its end."""
    try:
        _raw(text)
    except BAD_JSON:
        return False
    return True


def examine(text: bytes) -> None:
    """Raise DocumentFaultError, with the line, for text that is not one whole JSON value, or that two read differently.

    Once for each file is enough: every reading of a table looks at a part of it.
    """
    try:
        doubled = has_doubled_names(text)
    except json.JSONDecodeError as error:
        raise DocumentFaultError(_BROKEN, line=error.lineno) from None
    except UnicodeDecodeError as error:
        raise DocumentFaultError("not UTF-8 text", line=text.count(b"\n", 0, error.start) + 1) from None
    except (ValueError, RecursionError):
        raise DocumentFaultError(_BROKEN) from None
    if doubled:
        raise DocumentFaultError("a name stands twice in one object", entry=_doubled_entry(text))


def _doubled_entry(text: bytes) -> int:
    """Return the number of the entry in which a name stands twice, 0 where it is in none."""
    try:
        entries = _bundle(text).entry or []
        held = ((number, bytes(entry.resource)) for number, entry in enumerate(entries, start=1))
        return next((number for number, resource in held if resource and has_doubled_names(resource)), 0)
    except (*BAD_JSON, ValueError):  # what follows may be broken besides
        return 0


def refuse_beginning(head: bytes) -> None:
    """Raise DocumentFaultError where the first bytes of a file are not those of a JSON object in UTF-8."""
    if head.startswith(_WIDE) or b"\0" in head[:4]:
        raise DocumentFaultError("UTF-16 or UTF-32, where FHIR writes JSON in UTF-8")
    text = head.removeprefix(BOM).lstrip()
    if not text.startswith(b"{"):
        raise DocumentFaultError("not a FHIR resource, which is one JSON object" if text else "blank")
