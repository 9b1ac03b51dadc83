"""One list of spans out of what several finders found."""

from __future__ import annotations

from collections.abc import Iterable

from deid.notes.span import Span

# The surest first; what stands before the first colon of a span's rule.
RANKS = {"known": 0, "pattern": 1, "network": 2, "hub": 3, "repeat": 4}


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order and without overlaps that cover exactly what `spans` cover.

    A group of overlapping spans becomes one, so that no part of a find is left, with the kind and rule of its surest
    member: known before pattern before network, then the longest, then the first. Spans that only touch stay apart.
    """
    groups: list[list[Span]] = []
    end = -1
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if groups and span.start < end:
            groups[-1].append(span)
        else:
            groups.append([span])
        end = max(end, span.end)
    return [group[0] if len(group) == 1 else _one(group) for group in groups]


def _one(group: list[Span]) -> Span:
    best = min(group, key=lambda s: (RANKS.get(s.rule.partition(":")[0], len(RANKS)), s.start - s.end))
    return Span(group[0].start, max(s.end for s in group), best.kind, best.rule)
