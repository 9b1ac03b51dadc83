"""From spans of a block to cells: bytes gathered a column at a time, escapes decoded, delimiters given back.

Escapes (chapter 2.7) are rare, so only cells that hold one are decoded one by one.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from deid.sources.hl7v2.block import COMPONENT, ESCAPE, FIELD, REPETITION, SUBCOMPONENT, Block, Bytes, Numbers, Spans

_SEQUENCE = re.compile(r"\x1b([^\x1b]{0,200})\x1b")
# The delimiters by their names in an escape, as places in MSH-1 and MSH-2.
_SIGNS = {"F": 0, "S": 1, "R": 2, "E": 3, "T": 4}
_BREAKS = re.compile(r"\.(?:br|sp|in|ti|ce)[+-]?[0-9]{0,4}")
_SILENT = re.compile(r"[HN]|\.(?:fi|nf|sk)[+-]?[0-9]{0,4}|Z.*|[CM][0-9A-Fa-f]+")
_HEXADECIMAL = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")
_LINE = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DELETED = b'""'


def texts(
    block: Block, spans: Spans, message: Numbers, *, marks: dict[int, str] | None = None, encoding: str = "utf-8"
) -> pa.StringArray:
    """Return the text of each span; an empty one, and `""`, which means deleted, are null.

    `message` is the message of each span. `marks` says what becomes of delimiters within a span: one character, or
    nothing; None gives them back as the message writes them, where a repetition becomes a line break.
    """
    lengths = _without_deleted(block.data, spans)
    if not lengths.any():
        return pa.nulls(len(lengths), pa.string())
    ends = np.cumsum(lengths)
    data = block.data[np.repeat(spans.starts - (ends - lengths), lengths) + np.arange(int(ends[-1]))]
    offsets = np.concatenate([np.zeros(1, np.int32), ends.astype(np.int32)])
    present = lengths > 0
    if int(data.min()) < 0x20:
        return _decoded(block, data, offsets, message, marks, encoding)
    return _array(data, offsets, present)


def _without_deleted(data: Bytes, spans: Spans) -> Numbers:
    lengths = spans.lengths
    pairs = np.flatnonzero(lengths == len(_DELETED))
    if len(pairs):
        starts = spans.starts[pairs]
        deleted = (data[starts] == _DELETED[0]) & (data[starts + 1] == _DELETED[1])
        lengths = lengths.copy()
        lengths[pairs[deleted]] = 0
    return lengths


def _array(data: Bytes, offsets: np.ndarray[tuple[int], np.dtype[np.int32]], present: np.ndarray) -> pa.StringArray:
    mask = None if present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
    buffers = [mask, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.string(), len(present), buffers)


def _decoded(
    block: Block,
    data: Bytes,
    offsets: np.ndarray[tuple[int], np.dtype[np.int32]],
    message: Numbers,
    marks: dict[int, str] | None,
    encoding: str,
) -> pa.StringArray:
    lengths = np.diff(offsets)
    plain = _array(data, offsets, lengths > 0)
    special = np.flatnonzero(data < 0x20)
    rows = np.unique(np.searchsorted(offsets, special, "right") - 1)
    cells: list[str | None] = plain.take(pa.array(rows)).to_pylist()
    changed = [
        _one(cell or "", bytes(block.delimiters[number]).decode("latin-1"), marks, encoding)
        for cell, number in zip(cells, message[rows].tolist(), strict=True)
    ]
    where = np.zeros(len(plain), np.bool_)
    where[rows] = True
    return pa.compute.replace_with_mask(plain, pa.array(where), pa.array(changed, pa.string()))


def _one(cell: str, signs: str, marks: dict[int, str] | None, encoding: str) -> str | None:
    if marks is None:
        back = {COMPONENT: signs[1], REPETITION: "\n", SUBCOMPONENT: signs[4], FIELD: signs[0]}
    else:
        back = {mark: marks.get(mark, " ") for mark in (COMPONENT, REPETITION, SUBCOMPONENT, FIELD)}
    # Delimiters first: what an escape stands for is data and must not be taken for one.
    text = cell.translate(back)
    line = "\n" if marks is None else " "
    text = _SEQUENCE.sub(lambda match: _escaped(match[1], signs, line, encoding), text)
    return text.replace(chr(ESCAPE), signs[3]) or None


def _escaped(name: str, signs: str, line: str, encoding: str) -> str:
    """Return what an escape sequence stands for; what is none stays as it is."""
    at = _SIGNS.get(name)
    if at is not None and signs[at] != "\0":
        return signs[at]
    found = _HEXADECIMAL.fullmatch(name)
    if found is not None:
        return _bytes(found[1], line, encoding)
    if name == "P":
        return "#"
    if _BREAKS.fullmatch(name):
        return line
    return "" if _SILENT.fullmatch(name) else f"{chr(ESCAPE)}{name}{chr(ESCAPE)}"


def _bytes(digits: str, line: str, encoding: str) -> str:
    try:
        return _CONTROL.sub(" ", _LINE.sub(line, bytes.fromhex(digits).decode(encoding)))
    except UnicodeDecodeError:
        return " "
