"""Deliberately bad variants of a file of X12 claims: input that must be refused, for tests of refusal."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path


class X12Fault(StrEnum):
    """One way in which a delivery of claims is broken."""

    CUT_IN_SEGMENT = "the transfer stopped within a segment"
    CUT_AFTER_SEGMENT = "the transfer stopped after a segment"
    NO_TRAILER = "the interchange has no IEA"
    LOST_SEGMENT = "a segment was lost on the way"
    WRONG_INTERCHANGE_NUMBER = "IEA02 is not ISA13"
    WRONG_GROUP_NUMBER = "GE02 is not GS06"
    WRONG_SET_NUMBER = "SE02 is not ST02"
    WRONG_SET_COUNT = "GE01 counts other transaction sets"
    WRONG_GROUP_COUNT = "IEA01 counts other groups"
    LINE_BEFORE_CLAIM = "a service line stands before its claim"
    LINE_WITHOUT_NUMBER = "a service stands without LX"
    CODES_TOO_LATE = "diagnoses stand after a provider"
    WRONG_PARENT = "HL02 names another level"
    SECOND_SUBSCRIBER = "two subscribers in one level"
    REMITTANCE = "a claim payment, 835"
    DENTAL = "a dental claim"
    NARROW_HEADER = "ISA without its blanks"
    SAME_MARKS = "one byte parts elements and components"
    BROKEN_LINES = "a line break within a segment"
    TWICE = "the interchange is there twice"
    TRAILING = "something follows the interchange"
    WRONG_BYTES = "bytes that are not UTF-8"
    NUL = "a NUL byte"
    EMPTY = "nothing but blanks"


def break_interchange(path: Path, fault: X12Fault) -> None:
    """Break a file written by `write_x12_837`; raise ValueError where it holds nothing to break in this way."""
    data = path.read_bytes()
    broken = _CHANGES[fault](data)
    if broken == data:
        raise ValueError(f"nothing to break: {fault}")
    path.write_bytes(broken)


def _first(pattern: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: re.sub(pattern, new, data, count=1)


def _without(pattern: bytes) -> Callable[[bytes], bytes]:
    return _first(pattern, b"")


def _swapped(data: bytes) -> bytes:
    """Put the first service line before its claim."""
    claim = re.search(rb"\nCLM\*[^~]*~", data)
    line = re.search(rb"\nLX\*[^~]*~", data)
    if claim is None or line is None:
        return data
    return data[: claim.start()] + line[0] + data[claim.start() : line.start()] + data[line.end() :]


_CHANGES: dict[X12Fault, Callable[[bytes], bytes]] = {
    X12Fault.CUT_IN_SEGMENT: lambda data: data[: data.rindex(b"NM1*") + 9],
    X12Fault.CUT_AFTER_SEGMENT: lambda data: data[: data.rindex(b"NM1*")],
    X12Fault.NO_TRAILER: _without(rb"IEA\*[^~]*~\n"),
    X12Fault.LOST_SEGMENT: _without(rb"REF\*D9[^~]*~\n"),
    X12Fault.WRONG_INTERCHANGE_NUMBER: _first(rb"IEA\*1\*0", b"IEA*1*9"),
    X12Fault.WRONG_GROUP_NUMBER: _first(rb"GE\*(\d+)\*\d+", rb"GE*\1*77"),
    X12Fault.WRONG_SET_NUMBER: _first(rb"SE\*(\d+)\*\d+", rb"SE*\1*7777"),
    X12Fault.WRONG_SET_COUNT: _first(rb"GE\*\d+", b"GE*99"),
    X12Fault.WRONG_GROUP_COUNT: _first(rb"IEA\*1", b"IEA*2"),
    X12Fault.LINE_BEFORE_CLAIM: _swapped,
    X12Fault.LINE_WITHOUT_NUMBER: _without(rb"LX\*[^~]*~\n"),
    X12Fault.CODES_TOO_LATE: _first(rb"(HI\*[^~]*~\n)(NM1\*82[^~]*~\n)", rb"\2\1"),
    X12Fault.WRONG_PARENT: _first(rb"HL\*2\*1\*22", b"HL*2*7*22"),
    X12Fault.SECOND_SUBSCRIBER: _first(rb"(NM1\*IL[^~]*~\n)", rb"\1\1"),
    X12Fault.REMITTANCE: lambda data: data.replace(b"GS*HC", b"GS*HP").replace(b"ST*837", b"ST*835"),
    X12Fault.DENTAL: lambda data: data.replace(b"005010X222A1", b"005010X224A2"),
    X12Fault.NARROW_HEADER: lambda data: data.replace(b"*          *", b"**", 1),
    X12Fault.SAME_MARKS: lambda data: data[:104] + b"*" + data[105:],
    X12Fault.BROKEN_LINES: _first(rb"NM1\*IL", b"NM1*\nIL"),
    X12Fault.TWICE: lambda data: data + data,
    X12Fault.TRAILING: lambda data: data + b"end of file",
    X12Fault.WRONG_BYTES: _first(rb"N3\*", b"N3*\xff\xfe"),
    X12Fault.NUL: _first(rb"N3\*", b"N3*\0"),
    X12Fault.EMPTY: lambda _: b"\r\n \n",
}
