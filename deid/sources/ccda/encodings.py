"""In which encoding an XML document is written, and its beginning: the declaration, comments, and no document type.

A parser is told the encoding that is found here, so that the two can never read one file differently. Before the root
element there may be comments and processing instructions, which are passed over; a document type (where entities are
declared, and the only place where XML lets a document reach outside of itself) is refused before a parser sees it.
See XML 1.0, 2.8 (prolog) and appendix F (encodings).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import chain

MAX_PROLOG = 1 << 20
MAX_DOCUMENT_BYTES = 64 << 20
_SLICE = 1 << 16
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UNMARKED = {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
_KNOWN = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "ascii": "ascii", "iso-8859-1": "latin-1",
    "iso8859-1": "latin-1", "latin1": "latin-1", "latin-1": "latin-1", "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252", "cp1252": "cp1252", "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
}  # fmt: skip
_ONE_BYTE = ("latin-1", "cp1252", "iso8859-15")
_BLANK = r"[ \t\r\n]"
_DECLARED = re.compile(
    rf"""<\?xml{_BLANK}[^>]{{0,200}}?encoding{_BLANK}*={_BLANK}*["']([A-Za-z][A-Za-z0-9._-]{{0,40}})["']"""
)
_PROLOG = re.compile(r"(?:[ \t\r\n]+|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)
_UNDECIDED = ("", "<", "<!", "<!-")


class DocumentFaultError(ValueError):
    """A file that is no readable document; the message holds nothing of it. `line` is where, or 0."""

    def __init__(self, what: str, *, line: int = 0) -> None:
        super().__init__(what)
        self.line = line


def utf8_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a document as UTF-8, in slices of 64 KiB; its prolog has been examined before the first.

    Raises DocumentFaultError for a document type, for an encoding that is not known or not what the bytes are in, and
    for more than 64 MiB.
    """
    source = _limited(chunks)
    head, encoding = _examined(source)
    slices = _sliced(chain([head], source))
    if encoding in _ONE_BYTE:
        slices = _not_utf8(slices)
    yield from slices if encoding == "utf-8" else _decoded(slices, encoding)


def examine(chunks: Iterable[bytes]) -> None:
    """Raise DocumentFaultError where a file does not begin as a document that may be read; no more of it is read."""
    _examined(_limited(chunks))


def _limited(chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_DOCUMENT_BYTES:
            raise DocumentFaultError(f"larger than {MAX_DOCUMENT_BYTES >> 20} MiB")
        yield chunk


def _sliced(chunks: Iterable[bytes]) -> Iterator[bytes]:
    # A parser goes on to the end of what it was given when a handler has refused it: so it is given little at a time.
    for chunk in chunks:
        for start in range(0, len(chunk), _SLICE):
            yield chunk[start : start + _SLICE]


def _examined(source: Iterator[bytes]) -> tuple[bytes, str]:
    """Return the beginning of a document, with its whole prolog and no byte order mark, and its encoding."""
    head = b""
    for chunk in source:
        head += chunk
        mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
        encoding = _encoding_of(head, mark)
        text = codecs.getincrementaldecoder(encoding)("replace").decode(head[len(mark) :])
        if _prolog_ends(text):
            return head[len(mark) :], encoding
        if len(head) > MAX_PROLOG:
            break
    if not head.strip():
        raise DocumentFaultError("blank")
    raise DocumentFaultError("no element of XML, or none within the first MiB")


def _prolog_ends(text: str) -> bool:
    """Return whether the root element begins in `text`, False where more must be read.

    Raises DocumentFaultError where something else begins than an element, a document type above all.
    """
    match = _PROLOG.match(text)
    after = match.end() if match is not None else 0
    rest = text[after : after + 4]
    if rest in _UNDECIDED or rest == "<!--" or rest.startswith("<?"):
        return False
    line = text.count("\n", 0, after) + 1
    if rest.startswith("<!"):
        raise DocumentFaultError("a document type (DOCTYPE), where entities are declared: it is never read", line=line)
    if not rest.startswith("<"):
        raise DocumentFaultError("not XML", line=line)
    return True


def _encoding_of(head: bytes, mark: bytes) -> str:
    """Return the encoding by byte order mark and declaration, as Python calls it; they must not disagree."""
    if head.startswith(_UTF32):
        raise DocumentFaultError("UTF-32, in which no C-CDA is written")
    found = _MARKS.get(mark) or _UNMARKED.get(head[:2])
    beginning = head[len(mark) : 1024].decode(found or "latin-1", errors="replace")
    told = _DECLARED.match(beginning)
    if told is None:
        return found or "utf-8"
    declared = _KNOWN.get(told[1].lower())
    if declared is None:
        raise DocumentFaultError("declared in an encoding that is not read; write UTF-8", line=1)
    if declared.startswith("utf-16") != bool(found and found != "utf-8") or (found == "utf-8" and declared != found):
        raise DocumentFaultError("declared in one encoding and written in another; correct the declaration", line=1)
    return found or declared


def _not_utf8(slices: Iterable[bytes]) -> Iterator[bytes]:
    """Pass slices on; raise DocumentFaultError where all of them are UTF-8, which letters of one byte never are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    plain = is_utf8 = True
    for piece in slices:
        plain = plain and piece.isascii()
        if is_utf8:
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                is_utf8 = False
        yield piece
    if is_utf8 and not plain:
        raise DocumentFaultError("declared in one encoding and written in UTF-8; correct the declaration", line=1)


def _decoded(slices: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    for piece, is_last in chain(((piece, False) for piece in slices), [(b"", True)]):
        try:
            text = decoder.decode(piece, is_last)
        except UnicodeDecodeError:
            raise DocumentFaultError("not in the encoding that it says", line=line) from None
        line += text.count("\n")
        # Half of a pair of UTF-16 decodes to nothing that UTF-8 could hold, and the decoder has refused it.
        yield text.encode("utf-8")
