"""Whether withholding fell on some patients more than on others: by sex, age and race, as released.

Three attributes that are no parts of each other, so that nobody gets a small count by subtracting one table from
another; the values of each are pooled until neither the released nor the withheld of any are one to ten patients.
"""

from __future__ import annotations

from deid.release.small_counts import shown
from deid.reports.small import pooled, rounded
from deid.reports.source_side import LOST, SourceSide, may_be_named
from deid.reports.utility import EMPTY
from deid.reports.utility_model import Bias, Group

ATTRIBUTES = {"sex": ("sex",), "age": ("birth_date", "age"), "race": ("race",)}  # by kind, the first that is released
_NOBODY = "nobody was withheld"
_FEW = "not shown: one to ten patients were withheld in all"
_SERIES = "not shown: in a series, what differs from one release to the next would tell who is new"
_EXACT = "not shown: the release holds exact values, and this report is not encrypted"
_POOLED = "not shown: values with few withheld patients leave nothing to compare"


def biases(source: SourceSide) -> tuple[Bias, ...]:
    """Return a table for each attribute that the vector holds."""
    kinds = [step.column.kind.name for step in source.steps]
    told = []
    for attribute, among in ATTRIBUTES.items():
        place = next((kinds.index(kind) for kind in among if kind in kinds), None)
        if place is not None:
            told.append(_bias(attribute, source, place))
    return tuple(told)


def _hidden(source: SourceSide) -> str:
    """Return why nothing is shown; in a series the reason itself must not tell whether few are withheld, or none."""
    if source.is_continued or (source.is_series and source.lost):
        return _SERIES
    return _FEW if source.lost else _NOBODY


def _bias(attribute: str, source: SourceSide, place: int) -> Bias:
    numbers, counts = source.vectors.table(place)
    lost = source.lost
    if not lost or not source.tells_lost:
        return Bias(attribute, (), 0, _hidden(source))
    if not may_be_named(source.steps[place]):
        return Bias(attribute, (), 0, _EXACT)
    table = pooled(counts)
    if table is None or len(table.counts) < 2:
        return Bias(attribute, (), 0, _POOLED)
    texts = source.values[place].texts
    names = [EMPTY if texts[numbers[row, 0]] is None else str(texts[numbers[row, 0]]) for row in table.kept]
    names += ["all others"] if table.pool else []
    asked, withheld = table.counts.sum(axis=1), table.counts[:, LOST]
    groups = []
    for row, name in enumerate(names):
        share = withheld[row] / asked[row]
        others = (lost - withheld[row]) / max(1, int(asked.sum() - asked[row]))
        groups.append(
            Group(
                name,
                shown(int(asked[row])),
                shown(int(withheld[row])),
                rounded(share),
                rounded(share / others, 2) if others else None,
            )
        )
    order = sorted(groups[: len(table.kept)], key=lambda group: group.value)
    return Bias(attribute, (*order, *groups[len(table.kept) :]), table.pool)
