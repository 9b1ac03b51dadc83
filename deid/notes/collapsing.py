"""A second view of a text where identifiers are disguised: short windows, written plainly, with the way back.

Only what stands near a disguise is searched again, so that ordinary text costs one scan.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace

from deid.notes.disguises import Disguise, disguises
from deid.notes.folding import Edit, Folded, edited
from deid.notes.span import Span

CONTEXT = 80  # characters to either side, for the label before a number and the rest of a name
_LONGEST_WORD = 40


@dataclass(frozen=True, slots=True, repr=False)
class Window:
    """A stretch of a folded text from `start` on, with `disguises` undone in `view`."""

    start: int
    view: Folded
    disguises: tuple[Disguise, ...]

    @property
    def text(self) -> str:
        """The stretch as it would be written plainly."""
        return self.view.text

    def back(self, spans: list[Span]) -> Iterator[Span]:
        """Yield, in offsets of the folded text, the spans that reach into a disguise: the others were found before."""
        starts = [one.start for one in self.disguises]
        for span in spans:
            start, end = self.view.back(span.start, span.end)
            start, end = start + self.start, end + self.start
            at = bisect_right(starts, end - 1) - 1  # the last disguise that begins before the end; they lie apart
            if at >= 0 and self.disguises[at].end > start:
                yield replace(span, start=start, end=end)


def windows(text: str) -> list[Window]:
    """Return the windows of a folded `text`, in order and apart."""
    groups: list[tuple[int, int, list[Disguise]]] = []
    for one in disguises(text):
        start, end = _before(text, one.start - CONTEXT), _after(text, one.end + CONTEXT)
        if groups and start <= groups[-1][1]:
            first, last, members = groups[-1]
            groups[-1] = (first, max(last, end), [*members, one])
        else:
            groups.append((start, end, [one]))
    return [_window(text, *group) for group in groups]


def _window(text: str, start: int, end: int, members: list[Disguise]) -> Window:
    edits = (Edit(e.start - start, e.end - start, e.text) for one in members for e in one.edits)
    return Window(start, edited(text[start:end], edits), tuple(members))


def _before(text: str, at: int) -> int:
    """Return the blank nearest to `at` on its left, or `at` itself within a very long word."""
    if at <= 0:
        return 0
    first = max(0, at - _LONGEST_WORD)
    blank = max(text.rfind(" ", first, at), text.rfind("\n", first, at))
    return blank + 1 if blank >= 0 else at


def _after(text: str, at: int) -> int:
    """Return the blank nearest to `at` on its right, or `at` itself within a very long word."""
    if at >= len(text):
        return len(text)
    blanks = [b for b in (text.find(" ", at, at + _LONGEST_WORD), text.find("\n", at, at + _LONGEST_WORD)) if b >= 0]
    return min(blanks) if blanks else at
