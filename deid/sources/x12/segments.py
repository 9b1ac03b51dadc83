"""A stretch of an interchange as numpy arrays: where each segment, element and component begins and ends.

Nothing becomes a Python object before it is a cell: a stretch is split once, and values are cut out of its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.sources.x12.words import SEGMENTS

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

PADDING = 16
NO_WORD = np.uint64(2**64 - 1)  # what is longer than eight bytes equals no word
_CR, _LF, _BLANK = 13, 10, 32
_ELEMENT_AT = (3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103)
ISA_BYTES = 106
_REPETITION_SINCE = b"00402"  # in ISA12; before it ISA11 names a standard, U


class Disorder(Exception):  # noqa: N818 - a finding about a segment, made an error where file and number are known
    """What is wrong with the segment at a position of a stretch, in words without any value."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at
        self.what = what


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The bytes that part segments, elements, components and repetitions; `repetition` is 0 where there is none."""

    terminator: int
    element: int
    component: int
    repetition: int


@dataclass(frozen=True, slots=True)
class Spans:
    """Values cut out of a stretch: where each begins, where it ends, and the segment in which it stands."""

    at: Positions
    begins: Positions
    ends: Positions

    def where(self, flags: Flags | Positions) -> Spans:
        """Return those that are flagged, or at these positions."""
        return Spans(self.at[flags], self.begins[flags], self.ends[flags])

    @property
    def filled(self) -> Spans:
        """Those that are not empty."""
        return self.where(self.ends > self.begins)


def delimiters_of(head: bytes) -> Delimiters:
    """Return what an ISA segment of 106 bytes says; raise Disorder where it is none, or its marks are unusable.

    X12.5: ISA is the one segment of fixed width, which is how its delimiters are told.
    """
    if not head.startswith(b"ISA"):
        raise Disorder(0, "no interchange begins here: an ISA segment is expected")
    if len(head) < ISA_BYTES:
        raise Disorder(0, "the file ends within ISA")
    if any(head[at] != head[3] for at in _ELEMENT_AT) or head.count(head[3:4], 0, ISA_BYTES) != len(_ELEMENT_AT):
        raise Disorder(0, "ISA has not its fixed width of 106 bytes")
    repeats = head[84:89] >= _REPETITION_SINCE and not head[82:83].isalnum()
    found = Delimiters(head[105], head[3], head[104], head[82] if repeats else 0)
    marks = [found.terminator, found.element, found.component, *([found.repetition] if repeats else [])]
    usable = all(mark <= 126 and mark != _BLANK and not chr(mark).isalnum() for mark in marks)
    if not usable or len(set(marks)) < len(marks) or not {_CR, _LF}.isdisjoint(marks[1:]):
        raise Disorder(0, "the delimiters that ISA states are not different ASCII marks")
    return found


class Segments:
    """The whole segments of a stretch of UTF-8 bytes; blank ones and line breaks between them are passed over.

    `begins` and `ends` (int64) are byte positions, without the terminator; `names` (uint8) positions in SEGMENTS, from
    1, and 0 for other names. `used` is where the last whole segment ends, its terminator included.
    """

    def __init__(self, raw: bytes, delimiters: Delimiters) -> None:
        self.raw = raw
        self.delimiters = delimiters
        self.data = np.frombuffer(raw + bytes(PADDING), np.uint8)
        ends = np.flatnonzero(self.data[: len(raw)] == delimiters.terminator)
        self.used = int(ends[-1]) + 1 if len(ends) else 0
        begins = np.empty_like(ends)
        begins[:1] = 0
        begins[1:] = ends[:-1] + 1
        begins, breaks = self._without_breaks(begins, ends)
        if (blank := begins == ends).any():
            begins, ends, breaks = begins[~blank], ends[~blank], breaks[~blank]
        self.begins, self.ends, self._breaks = begins, ends, breaks
        self.names = self._names()
        self._marks: Positions | None = None
        self._first: Positions = begins
        self._of: dict[int, Positions] = {}

    def __len__(self) -> int:
        return len(self.begins)

    def cut(self, count: int) -> None:
        """Leave out all but the first `count` segments."""
        self.begins, self.ends = self.begins[:count], self.ends[:count]
        self.names, self._breaks = self.names[:count], self._breaks[:count]
        self._marks = None

    def check(self, longest: int) -> None:
        """Raise Disorder for a segment of more than `longest` bytes, and for a line break within one."""
        lengths = self.ends - self.begins
        if len(lengths) and int(lengths.max()) > longest:
            raise Disorder(int(lengths.argmax()), f"longer than {longest >> 20} MiB")
        breaks = [mark for mark in (_CR, _LF) if mark != self.delimiters.terminator]
        found = sum(self.raw.count(bytes([mark]), 0, int(self.ends[-1])) for mark in breaks) if len(self) else 0
        if found == (int(self._breaks[-1]) if len(self) else 0):
            return
        inside = np.flatnonzero(np.isin(self.data[: int(self.ends[-1])], breaks))
        owner = np.searchsorted(self.ends, inside)
        raise Disorder(int(owner[inside >= self.begins[owner]][0]), "a line break within a segment")

    def text(self, at: int, element: int) -> bytes:
        """Return one element of one segment, empty where there is none."""
        parts = self.raw[self.begins[at] : self.ends[at]].split(bytes([self.delimiters.element]), element + 1)
        return parts[element] if len(parts) > element else b""

    def elements(self, at: Positions, number: int) -> Spans:
        """Return an element of each of these segments, empty where a segment is shorter."""
        marks, first = self._separators()
        begin, count = first[at], first[at + 1] - first[at]
        ends = self.ends[at]
        begins = np.where(number <= count, marks[begin + np.minimum(number - 1, count)] + 1, ends)
        ends = np.where(number < count, marks[begin + np.minimum(number, count)], ends)
        return Spans(at, np.minimum(begins, ends), ends)

    def all_elements(self, at: Positions) -> tuple[Spans, Positions]:
        """Return every element of each of these segments, in order, and its number."""
        marks, first = self._separators()
        count = first[at + 1] - first[at]
        owner = np.repeat(at, count)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        mark = first[owner] + within
        last = within + 1 == np.repeat(count, count)
        return Spans(owner, marks[mark] + 1, np.where(last, self.ends[owner], marks[mark + 1])), within + 1

    def components(self, spans: Spans, number: int) -> Spans:
        """Return a component of each of these elements, empty where an element has fewer."""
        marks = self._positions(self.delimiters.component)
        begins, ends = spans.begins, spans.ends
        first = np.searchsorted(marks, begins)
        if number > 1:
            before = marks[np.minimum(first + number - 2, len(marks) - 1)]
            begins = np.minimum(before + 1, ends)
        after = marks[np.minimum(first + number - 1, len(marks) - 1)]
        return Spans(spans.at, begins, np.minimum(after, ends))

    @property
    def repeats(self) -> bool:
        """Whether a repetition separator stands anywhere, ISA11 aside."""
        return self.delimiters.repetition > 0 and len(self._positions(self.delimiters.repetition)) > 1

    def first_repetition(self, spans: Spans) -> Spans:
        """Return of each repeated element the first repetition."""
        if not self.repeats:
            return spans
        marks = self._positions(self.delimiters.repetition)
        after = marks[np.searchsorted(marks, spans.begins)]
        return Spans(spans.at, spans.begins, np.minimum(after, spans.ends))

    def repetitions(self, spans: Spans) -> Spans:
        """Return every repetition of each of these elements, in order."""
        if not self.repeats:
            return spans
        marks = self._positions(self.delimiters.repetition)
        low, high = np.searchsorted(marks, spans.begins), np.searchsorted(marks, spans.ends)
        times = high - low + 1
        owner = np.repeat(np.arange(len(times)), times)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(times) - times, times)
        begins = np.where(within == 0, spans.begins[owner], marks[low[owner] + within - 1] + 1)
        ends = np.where(within + 1 == times[owner], spans.ends[owner], marks[low[owner] + within])
        return Spans(spans.at[owner], begins, ends)

    def words(self, spans: Spans) -> Words:
        """Return values of up to eight bytes as numbers that `word` gives alike; NO_WORD for longer ones."""
        found = np.lib.stride_tricks.sliding_window_view(self.data, 8)[spans.begins].view("<u8").ravel()
        length = spans.ends - spans.begins
        shift = (8 * (8 - np.clip(length, 1, 8))).astype(np.uint64)
        kept = (found << shift) >> shift
        return np.where(length > 8, NO_WORD, np.where(length == 0, np.uint64(0), kept))

    def texts(self, spans: Spans) -> pa.StringArray:
        """Return values as text, null for empty ones."""
        lengths = spans.ends - spans.begins
        edges = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=edges[1:])
        content = self.data[np.arange(edges[-1]) + np.repeat(spans.begins - edges[:-1], lengths)]
        offsets = pa.py_buffer(edges.astype(np.int32))
        texts = pa.StringArray.from_buffers(len(lengths), offsets, pa.py_buffer(content))
        empty = lengths == 0
        return pc.if_else(pa.array(empty), pa.scalar(None, pa.string()), texts) if empty.any() else texts

    def _without_breaks(self, begins: Positions, ends: Positions) -> tuple[Positions, Positions]:
        """Return where segments begin after line breaks and blanks, and how many breaks were passed over up to each."""
        breaks = np.zeros(len(begins), np.int64)
        while len(begins):
            first = self.data[begins]
            is_break = ((first == _LF) | (first == _CR)) & (begins < ends)
            skipped = is_break | ((first == _BLANK) & (begins < ends))
            if not skipped.any():
                break
            breaks += is_break
            begins = begins + skipped
        return begins, np.cumsum(breaks)

    def _names(self) -> npt.NDArray[np.uint8]:
        """Return which name of SEGMENTS each segment has, from 1, or 0."""
        found = np.lib.stride_tricks.sliding_window_view(self.data, 4)[self.begins].view("<u4").ravel()
        length = self.ends - self.begins
        mark = self.delimiters.element
        two = (((found >> 16) & 0xFF) == mark) | (length == 2)
        three = ~two & (((found >> 24) == mark) | (length == 3)) & (length > 2)
        packed = np.where(two, found & 0xFFFF, np.where(three, found & 0xFFFFFF, 0)).astype(np.uint32)
        at = np.minimum(np.searchsorted(_NAMES, packed), len(_NAMES) - 1)
        return np.where(_NAMES[at] == packed, _NUMBERS[at], 0).astype(np.uint8)

    def _separators(self) -> tuple[Positions, Positions]:
        """Return where element separators stand, and which is the first of each segment (one more at the end)."""
        if self._marks is None:
            marks = self._positions(self.delimiters.element)
            self._marks = marks
            self._first = np.searchsorted(marks, np.append(self.begins, self.ends[-1:]))
        return self._marks, self._first

    def _positions(self, mark: int) -> Positions:
        """Return where a delimiter stands; one more position, beyond all, ends the array."""
        if mark not in self._of:
            self._of[mark] = np.append(np.flatnonzero(self.data[: len(self.raw)] == mark), len(self.data))
        return self._of[mark]


def word(text: str) -> np.uint64:
    """Return a text of up to eight bytes as a number."""
    return np.uint64(int.from_bytes(text.encode().ljust(8, b"\0"), "little"))


def _packed(name: str) -> int:
    return int.from_bytes(name.encode(), "little")


_SORTED = sorted(SEGMENTS, key=_packed)
_NAMES = np.array([_packed(name) for name in _SORTED], np.uint32)
_NUMBERS = np.array([SEGMENTS.index(name) + 1 for name in _SORTED], np.uint8)
NUMBER_OF = {name: number for number, name in enumerate(SEGMENTS, start=1)}
