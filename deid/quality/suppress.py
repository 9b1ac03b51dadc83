"""What may be shown of a column's findings: no cell of one to ten patients, and none that could be had by subtraction.

Each *line* (the codes of a column, or a finding) is a total that splits into years, and years into months. Counts can
be subtracted from each other wherever one of them is a part of another:

- a finding from the codes, the codes from the rows, which other columns and manifests tell;
- a finding from another that holds it, as two codes in one cell from malformed cells;
- the findings of which a code has one at most, all together, from the codes;
- what is shown of periods from the total, and months from their year, which a report by years tells.

Whatever is left by such a subtraction belongs to nobody or to eleven patients at least, else a count is hidden; see
docs/formats/quality.md. Source of the rule: CMS cell suppression policy, ResDAC article 1506.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from deid.quality.findings import BITS, EMPTY, LISTED, PARTS_OF, UNLISTED, VERDICTS
from deid.quality.tally import Counts, Flags, marked
from deid.release.small_counts import SMALL, Count

CODES = "codes"  # the line of the codes themselves
Hidden = dict[str, Flags]  # of each line the periods that are hidden, bool of shape (p,)


@dataclass(frozen=True, slots=True)
class Shown:
    """One line as it may be shown: its total, and its periods that are not 0; None where even a range would tell."""

    total: Count | None
    periods: Mapping[int, Count | None]


@dataclass(frozen=True, slots=True)
class _Lines:
    """The counts of a column, and of each of its lines the marks whose rows it counts."""

    counts: Counts
    marks: dict[str, Flags] = field(repr=False)

    def is_small(self, marks: Flags, periods: Flags) -> bool:
        return self.counts.is_small(marks, periods)

    def within(self, line: str) -> Flags:
        """Return the marks of what a line is a part of: rows, or codes."""
        return np.ones(len(self.counts.marks), bool) if line in _OF_ROWS else self.marks[CODES]


_OF_ROWS = (CODES, "principal_missing")


def shown_lines(counts: Counts, findings: Iterable[str]) -> dict[str, Shown]:
    """Return what may be shown of the codes of a column, under CODES, and of each finding that was judged.

    Periods are numbers as in deid.quality.report.period_name.
    """
    marks = {name: marked(counts.marks, [BITS[name]]) for name in findings}
    lines = _Lines(counts, {CODES: ~marked(counts.marks, [EMPTY]), **marks})
    everything = np.ones(len(counts.periods), bool)
    told = _may_show(lines, everything, [name for name, some in lines.marks.items() if counts.total(some, everything)])
    years = _years(counts)
    hidden = _hidden(lines, everything, [years == year for year in np.unique(years)], told)
    for year in np.unique(years):
        inside = years == year
        whole = [name for name in told if not hidden[name][inside].any()]
        months = [np.arange(len(years)) == place for place in np.flatnonzero(inside)]
        if len(months) > 1:
            for name, periods in _hidden(lines, inside, months, whole).items():
                hidden[name] |= periods
    return {name: _shown(lines, name, hidden.get(name)) for name in lines.marks}


def _years(counts: Counts) -> Flags:
    """Return the year of each period; months are twelve times the year and the month, 0 is unknown."""
    return np.where(counts.periods > 9_999, (counts.periods - 1) // 12, counts.periods)


def _shown(lines: _Lines, name: str, hidden: Flags | None) -> Shown:
    counts, marks = lines.counts, lines.marks[name]
    total = int(counts.rows[marks].sum())
    if not total:
        return Shown(0, {})
    if hidden is None:
        return Shown(SMALL if lines.is_small(marks, np.ones(len(counts.periods), bool)) else None, {})
    rows = counts.rows[marks].sum(axis=0).tolist()
    # Small or not, a hidden period says nothing: beside the total of the codes in it, a range would tell its rest.
    periods = zip(counts.periods.tolist(), rows, hidden.tolist(), strict=True)
    return Shown(total, {period: None if is_hidden else n for period, n, is_hidden in periods if n or is_hidden})


def _hidden(lines: _Lines, whole: Flags, parts: Sequence[Flags], told: Sequence[str]) -> Hidden:
    """Return which parts of a period must be hidden of the lines `told` of the whole, as periods."""
    may = [set(_may_show(lines, part, told)) for part in parts]
    hidden = {name: [place for place in range(len(parts)) if name not in may[place]] for name in told}
    for name, places in hidden.items():
        _hide_more(lines, name, places, parts)
    found = {name: _union(whole, (parts[place] for place in places)) for name, places in hidden.items()}
    while worse := {name for left in _left(whole, found) for name in _too_much(lines, found, left)}:
        found |= {name: whole.copy() for name in worse}
    return found


def _left(whole: Flags, found: Hidden) -> list[Flags]:
    """Return the periods that are told as one: what is hidden of a line, and of all lines together.

    Whatever is shown elsewhere can be taken from the totals, so the sum over these is known.
    """
    some = [*found.values(), _union(whole, found.values())]
    distinct = {periods.tobytes(): periods for periods in some if periods.any() and (periods != whole).any()}
    return list(distinct.values())


def _too_much(lines: _Lines, found: Hidden, left: Flags) -> list[str]:
    """Return the lines that may not be known for some periods together, beside the others that are."""
    known = [name for name, hidden in found.items() if not (hidden & ~left).any() or not (hidden & left).any()]
    may = set(_may_show(lines, left, known))
    return [name for name in known if name not in may]


def _hide_more(lines: _Lines, name: str, hidden: list[int], parts: Sequence[Flags]) -> None:
    """Hide the smallest parts of a line, those without rows last, until what is hidden cannot be had from the whole."""
    marks = lines.marks[name]
    sizes = [lines.counts.total(marks, part) for part in parts]
    candidates = sorted(set(range(len(parts))) - set(hidden), key=lambda place: (not sizes[place], sizes[place], place))
    while hidden and candidates and not _is_covered(lines, name, [parts[place] for place in hidden]):
        hidden.append(candidates.pop(0))


def _is_covered(lines: _Lines, name: str, hidden: Sequence[Flags]) -> bool:
    together = np.logical_or.reduce(hidden)
    return len(hidden) > 1 and _stands(lines, name, together)


def _stands(lines: _Lines, name: str, periods: Flags) -> bool:
    """Whether neither a line nor the rest of what it is a part of is small."""
    marks = lines.marks[name]
    return not lines.is_small(marks, periods) and not lines.is_small(lines.within(name) & ~marks, periods)


def _may_show(lines: _Lines, periods: Flags, names: Sequence[str]) -> list[str]:
    """Return the lines whose counts in a period, or in several together, may stand beside each other."""
    if lines.counts.all_many(periods):
        return list(names)
    told = [name for name in names if _stands(lines, name, periods)]
    told = [name for name in told if not any(_leaves_few(lines, name, whole, periods) for whole in _wholes(name, told))]
    verdicts = [name for name in VERDICTS if name in told and lines.counts.total(lines.marks[name], periods)]
    if verdicts and _is_small_rest(lines, verdicts, periods):
        told.remove(min(verdicts, key=lambda name: lines.counts.total(lines.marks[name], periods)))
    # What is empty can be had from the codes and the rows.
    if {CODES, "principal_missing"} <= set(told) and lines.is_small(
        ~lines.marks[CODES] & ~lines.marks["principal_missing"], periods
    ):
        told.remove("principal_missing")
    unlisted = [name for name in UNLISTED if name in told]
    return [name for name in told if name not in LISTED or not _is_small_rest(lines, [*unlisted, name], periods)]


def _wholes(part: str, told: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the lines, and lines together, of which another may be a part."""
    wholes = [name for name in PARTS_OF.get(part, ()) if name in told]
    return [*((name,) for name in wholes), *([tuple(wholes)] if len(wholes) > 1 else [])]


def _leaves_few(lines: _Lines, part: str, wholes: tuple[str, ...], periods: Flags) -> bool:
    """Whether some lines together hold another in a period, and the difference is small."""
    one, other = lines.marks[part], np.logical_or.reduce([lines.marks[whole] for whole in wholes])
    return not lines.counts.total(one & ~other, periods) and lines.is_small(other & ~one, periods)


def _is_small_rest(lines: _Lines, names: Sequence[str], periods: Flags) -> bool:
    """Whether the codes that have none of some findings belong to one to ten patients."""
    rest = lines.marks[CODES].copy()
    for name in names:
        rest &= ~lines.marks[name]
    return lines.is_small(rest, periods)


def _union(whole: Flags, some: Iterable[Flags]) -> Flags:
    union = np.zeros(len(whole), bool)
    for periods in some:
        union |= periods
    return union
