"""From the bytes of one document to its elements: a parser that declares, expands and fetches nothing.

Expat is told the encoding, is given no document type (deid/sources/ccda/encodings.py), and has handlers that refuse
whatever a document type could bring; so there is no entity but the five of XML itself. Processing instructions, a
stylesheet among them, and comments are passed over unread. Namespaces are resolved here and not by Expat, whose full
names would be as long as the document likes. What is refused says the line and nothing that stands there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn
from xml.parsers import expat

from deid.sources.ccda.encodings import DocumentFaultError, utf8_of
from deid.sources.ccda.vocabulary import ATTRIBUTES, DOCUMENT, ELEMENTS, HL7, OTHER, SDTC, XSI

MAX_DEPTH = 100  # real documents have about thirty
MAX_ELEMENTS = 500_000  # some 250 MB as elements here; real documents have some thousands
MAX_ATTRIBUTES = 100
MAX_PREFIXES = 64
_PLAIN = frozenset(name for name in ATTRIBUTES if ":" not in name)
_FAULTS = {
    expat.errors.XML_ERROR_NO_ELEMENTS: "cut: it ends before its elements do",
    expat.errors.XML_ERROR_UNCLOSED_TOKEN: "cut: it ends within a tag",
    expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION: "cut: it ends within a section of text",
    expat.errors.XML_ERROR_PARTIAL_CHAR: "cut: it ends within a letter",
    expat.errors.XML_ERROR_TAG_MISMATCH: "an element ends that did not begin",
    expat.errors.XML_ERROR_UNDEFINED_ENTITY: "an entity that XML does not know",
    expat.errors.XML_ERROR_DUPLICATE_ATTRIBUTE: "an attribute that stands twice",
    expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT: "something follows the end of the document",
}


@dataclass(slots=True, eq=False)
class Element:
    """One element: its name (`section`, `sdtc:raceCode`, or OTHER), its attributes, and what stands in it, in order."""

    name: str
    attributes: dict[str, str] = field(repr=False)
    content: list[str | Element] = field(default_factory=list, repr=False)


def read_document(chunks: Iterable[bytes]) -> Element:
    """Return the root element of a C-CDA document; raise DocumentFaultError, with the line, for anything else."""
    builder = _Builder()
    waiting: list[bytes] = []
    size = 0
    for piece in utf8_of(chunks):
        waiting.append(piece)
        size += len(piece)
        # Expat before 2.6 reads a token that is not yet whole from its beginning, each time that it is given more
        # (CVE-2023-52425): so it is given at least as much again as it has not understood, and time stays linear.
        if size >= builder.behind:
            builder.feed(b"".join(waiting))
            waiting, size = [], 0
    builder.feed(b"".join(waiting))
    return builder.close()


class _Builder:
    def __init__(self) -> None:
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        for name in ("StartDoctypeDecl", "EntityDecl", "UnparsedEntityDecl", "NotationDecl", "ElementDecl",
                     "AttlistDecl", "ExternalEntityRef", "SkippedEntity"):  # fmt: skip
            setattr(self._parser, f"{name}Handler", self._declared)
        self._top = Element("", {})
        self._open = [self._top]
        self._count = 0
        self._fed = 0
        self._narrative = 0  # the depth of the narrative block, in which blanks part words
        self._bindings: dict[str, str] = {"": "", "xml": "http://www.w3.org/XML/1998/namespace"}
        self._outer: list[tuple[int, dict[str, str]]] = []
        self._bound()

    @property
    def behind(self) -> int:
        """How many bytes wait in the parser for the end of their tag, text or comment."""
        return self._fed - max(0, self._parser.CurrentByteIndex)

    def feed(self, data: bytes) -> None:
        self._fed += len(data)
        self._parse(data, is_last=False)

    def close(self) -> Element:
        self._parse(b"", is_last=True)
        for found in self._top.content:
            if isinstance(found, Element):
                return found
        raise DocumentFaultError("no element")

    def _parse(self, data: bytes, *, is_last: bool) -> None:
        try:
            self._parser.Parse(data, is_last)
        except expat.ExpatError as error:
            told = _FAULTS.get(expat.errors.messages[error.code], "not well-formed XML")
            raise DocumentFaultError(told, line=error.lineno) from None

    def _fault(self, what: str) -> NoReturn:
        raise DocumentFaultError(what, line=self._parser.CurrentLineNumber)

    def _declared(self, *_: Any) -> NoReturn:
        self._fault("a declaration of entities or elements: it is never read")

    def _start(self, raw: str, attributes: dict[str, str]) -> None:
        depth = len(self._open)
        self._count += 1
        if depth > MAX_DEPTH:
            self._fault(f"elements nested deeper than {MAX_DEPTH}")
        if self._count > MAX_ELEMENTS:
            self._fault(f"more than {MAX_ELEMENTS:,} elements")
        if not attributes.keys() <= self._known:
            if len(attributes) > MAX_ATTRIBUTES:
                self._fault(f"an element of more than {MAX_ATTRIBUTES} attributes")
            attributes = self._resolved(attributes, depth)
        name = self._names.get(raw) or self._name_of(raw)
        if depth == 1 and name != DOCUMENT:
            self._refuse_root(raw, name)
        if name == "text" and not self._narrative:
            self._narrative = depth
        element = Element(name, attributes)
        self._open[-1].content.append(element)
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()
        depth = len(self._open)
        if depth == self._narrative:
            self._narrative = 0
        if self._outer and self._outer[-1][0] == depth:
            self._bindings = self._outer.pop()[1]
            self._bound()

    def _text(self, data: str) -> None:
        if not data.isspace():
            self._open[-1].content.append(data)
        elif self._narrative:
            self._open[-1].content.append(" ")

    def _resolved(self, attributes: dict[str, str], depth: int) -> dict[str, str]:
        """Return the attributes that CDA has, by its names for them, after the namespaces that they declare."""
        declared = {raw[6:]: uri for raw, uri in attributes.items() if raw == "xmlns" or raw.startswith("xmlns:")}
        if declared:
            self._outer.append((depth, self._bindings))
            self._bindings = self._bindings | declared
            if len(self._bindings) > MAX_PREFIXES:
                self._fault(f"more than {MAX_PREFIXES} namespace prefixes")
            self._bound()
        found = {}
        for raw, value in attributes.items():
            prefix, colon, local = raw.partition(":")
            if raw == "xmlns" or prefix == "xmlns":
                continue
            name = raw if not colon else {XSI: f"xsi:{local}", SDTC: f"sdtc:{local}"}.get(self._uri(prefix), OTHER)
            if name in ATTRIBUTES:
                found[name] = value
        return found

    def _bound(self) -> None:
        """Note what follows from a change of namespaces: which attributes need no look, and that no name is known."""
        self._known = _PLAIN | {"xsi:type"} if self._bindings.get("xsi") == XSI else _PLAIN
        self._names: dict[str, str] = {}

    def _uri(self, prefix: str) -> str:
        uri = self._bindings.get(prefix)
        if uri is None:
            self._fault("a namespace prefix that is not declared: a fragment, and no document")
        return uri

    def _name_of(self, raw: str) -> str:
        prefix, colon, local = raw.partition(":")
        uri = self._uri(prefix if colon else "")
        name = {HL7: local if colon else raw, SDTC: f"sdtc:{local if colon else raw}"}.get(uri, OTHER)
        if name not in ELEMENTS:
            return OTHER
        self._names[raw] = name
        return name

    def _refuse_root(self, raw: str, name: str) -> NoReturn:
        local = raw.rpartition(":")[2]
        if name != OTHER:
            self._fault(f"not a C-CDA document: its root is {name}, and not {DOCUMENT}")
        if local == DOCUMENT:
            self._fault(f"not a C-CDA document: its {DOCUMENT} is not of the namespace {HL7}")
        self._fault(f"not a C-CDA document: its root is not {DOCUMENT}")
