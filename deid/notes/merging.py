"""One list of spans out of what several finders found."""

from __future__ import annotations

from collections.abc import Iterable

from deid.notes.span import Span

# The surest first; what stands before the first colon of a span's rule.
RANKS = {"known": 0, "pattern": 1, "network": 2, "hub": 3, "repeat": 4}


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order and without overlaps that cover exactly what `spans` cover.

    A group of overlapping spans becomes one, so that no part of a find is left, with the kind and rule of its surest
    member: known before pattern before network, then the longest, then the first. Where its surest members lie apart
    and are of several kinds, such as a town and its ZIP code, each begins a span. Spans that only touch stay apart.
    """
    groups: list[list[Span]] = []
    end = -1
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if groups and span.start < end:
            groups[-1].append(span)
        else:
            groups.append([span])
        end = max(end, span.end)
    return [span for group in groups for span in (group if len(group) == 1 else _parts(group))]


def _parts(group: list[Span]) -> list[Span]:
    end = max(s.end for s in group)
    surest = min(map(_rank, group))
    kept: list[Span] = []
    for span in sorted(group, key=lambda s: s.start - s.end):
        if _rank(span) == surest and all(span.end <= one.start or one.end <= span.start for one in kept):
            kept.append(span)
    if len({span.kind for span in kept}) == 1:
        kept = kept[:1]
    kept.sort(key=lambda s: s.start)
    starts = [group[0].start, *(span.start for span in kept[1:]), end]
    return [Span(starts[at], starts[at + 1], span.kind, span.rule) for at, span in enumerate(kept)]


def _rank(span: Span) -> int:
    return RANKS.get(span.rule.partition(":")[0], len(RANKS))
