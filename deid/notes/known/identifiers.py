"""A patient's own identifiers, taken from the record, and where they stand in a text.

A text is cut into runs of letters and runs of digits; its distinct runs are looked up in sets, so that the time for it
hardly depends on the number of identifiers. `leaks`, in deid/notes/leak_check.py, checks the released text otherwise.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from deid.notes.folding import fold, fold_lower
from deid.notes.known.days import Days
from deid.notes.known.kinds import ADDRESS_KINDS, DATE_KINDS, NAME_KINDS, PHRASE_KINDS, SEARCHED_KINDS
from deid.notes.known.names import Names
from deid.notes.known.numbers import Numbers
from deid.notes.known.places import Places
from deid.notes.known.reading import read, runs_of
from deid.notes.span import Span
from deid.notes.written_dates import parse_date

_INITIAL_BETWEEN = re.compile(r"[ \t]*-?[ \t]*(?:(?:[A-Zb-hj-z]\.?|[ai]\.)[ \t]+)?")
_INITIAL_BEFORE = re.compile(r"(?<![^\W_])([A-Z])(\.?)[ \t]+$")
_INITIAL_AFTER = re.compile(r",?[ \t]+([A-Z])(?:\.(?!\w)|(?=[ \t]*(?:[,;)\n]|$)))")


@dataclass(frozen=True, slots=True)
class _Ready:
    names: Names
    places: Places
    numbers: Numbers
    days: Days


class KnownIdentifiers:
    """The identifiers of one patient, ready to be looked for.

    `values` are pairs of a kind name out of `SEARCHED_KINDS` and its text (dates as `date` or ISO text); ValueError for
    any other kind. Empty values are passed over, and so are values under three characters that are not names: they
    would hit ordinary text. `on`: the day that tells who is over 89, today if none is given.
    """

    __slots__ = ("_ready", "on", "values")

    def __init__(self, values: Iterable[tuple[str, str | date]], *, on: date | None = None) -> None:
        self.values: tuple[tuple[str, str], ...] = tuple(
            dict.fromkeys((kind, _as_text(value)) for kind, value in values if value)
        )
        for kind, _ in self.values:
            if kind not in SEARCHED_KINDS:
                raise ValueError(f"kind {kind!r} is not looked for in notes")
        self.on = on
        self._ready: _Ready | None = None  # built at the first search: the leak check needs only `values`

    def __repr__(self) -> str:
        """Return the number of identifiers, never one of them: reprs end up in logs and tracebacks."""
        return f"KnownIdentifiers(<{len(self.values)} values>)"

    def find(self, text: str) -> list[Span]:
        """Return where this patient's identifiers stand in `text`, in order and without overlaps."""
        if not self.values:
            return []
        ready = self.prepare()
        folded = fold(text)
        lower = fold_lower(folded.text)
        found = list(_found(ready, folded.text, lower))
        if not found:
            return []
        joined = _joined(found, folded.text, ready.names.initials)
        return [Span(*folded.back(s.start, s.end), s.kind, s.rule) for s in joined]

    def prepare(self) -> _Ready:
        """Make ready what the first search needs, and return it."""
        if self._ready is None:
            self._ready = _prepared(self.values, self.on or datetime.now(UTC).date())
        return self._ready


def _prepared(values: Iterable[tuple[str, str]], on: date) -> _Ready:
    by_sort: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    days: list[tuple[str, date]] = []
    for kind, value in values:
        if kind in NAME_KINDS:
            by_sort["names"].append((kind, value))
        elif kind in DATE_KINDS and (day := parse_date(value)) is not None:
            days.append((kind, day))
        elif kind in PHRASE_KINDS | ADDRESS_KINDS:
            by_sort["places"].append((kind, value))
            if kind in ADDRESS_KINDS and (code := _ZIP_AT_END.search(value)) is not None:
                by_sort["numbers"].append(("zip_code", code.group()))
        else:
            by_sort["numbers"].append((kind, value))  # a date that nobody can read, as it is written, at least
    return _Ready(Names(by_sort["names"]), Places(by_sort["places"]), Numbers(by_sort["numbers"]), Days(days, on))


def _found(ready: _Ready, plain: str, lower: str) -> Iterable[Span]:
    distinct = set(runs_of(lower))
    names = ready.names.wanted(distinct)
    places = distinct & ready.places.starts
    numbers = ready.numbers.wanted(distinct)
    reading = read(plain, lower)
    wanted = names | places | numbers
    if wanted:
        for at, word in enumerate(reading.words):
            if word in wanted:
                if word in names:
                    yield from ready.names.at(reading, at)
                if word in places:
                    yield from ready.places.at(reading, at)
                if word in numbers:
                    yield from ready.numbers.at(reading, at)
    yield from ready.days.find(reading, distinct)
    yield from ready.numbers.misread_in(plain, lower)
    yield from ready.names.misread.find(lower)


def _as_text(value: str | date) -> str:
    return value.isoformat()[:10] if isinstance(value, date) else value.strip()


def _joined(found: list[Span], text: str, initials: frozenset[str]) -> list[Span]:
    """Merge spans that overlap; join two names with at most an initial between them, and initials beside names.

    Where several begin together, the longest gives kind and rule.
    """
    merged: list[Span] = []
    for span in sorted((_with_initials(s, text, initials) for s in found), key=lambda s: (s.start, -s.end)):
        last = merged[-1] if merged else None
        if last is not None and span.start < last.end:
            merged[-1] = Span(last.start, max(last.end, span.end), last.kind, last.rule)
        elif (
            last is not None
            and last.kind == span.kind
            and span.kind in NAME_KINDS
            and _INITIAL_BETWEEN.fullmatch(text, last.end, span.start)
        ):
            merged[-1] = Span(last.start, span.end, last.kind, last.rule)
        else:
            merged.append(span)
    return merged


def _with_initials(span: Span, text: str, initials: frozenset[str]) -> Span:
    """Return a name with initials of the record that stand beside it: `J. Smith`, `Cruz, Ana M.`."""
    if span.kind not in NAME_KINDS:
        return span
    start, end = span.start, span.end
    for _ in range(2):
        before = _INITIAL_BEFORE.search(text, max(0, start - 5), start)
        if before and before[1].lower() in initials and (before[2] or before[1] not in "AI"):
            start = before.start()
        after = _INITIAL_AFTER.match(text, end)
        if after and after[1].lower() in initials:
            end = after.end()
    return Span(start, end, span.kind, span.rule)


_ZIP_AT_END = re.compile(r"\b\d{5}(?:-\d{4})?(?=[ \t]*(?:,?[ \t]*(?:US|USA))?[ \t]*$)")
