"""What the report says of use: who was withheld, what is left of each column and of codes, how good the codes are."""

from __future__ import annotations

import msgspec

from deid.release.small_counts import Count


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Patients of one value: asked for, withheld, the share withheld, and that share over everybody else's."""

    value: str
    asked: Count
    withheld: Count
    share: float
    ratio: float | None


class Bias(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether withholding fell on some more than on others, by one attribute; values with few patients are pooled."""

    attribute: str
    groups: tuple[Group, ...]
    pooled: int
    note: str = ""


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A released value: patients who have it, and their share."""

    value: str
    patients: Count
    share: float


class Marginal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column of the vector.

    `granularity`: mean of (leaves under the value - 1) / (leaves - 1), 0 as fine as the source and 1 for nothing left,
    withheld patients counting 1. `bits`, `bits_before`: entropy of the released and of the source's values.
    `distance`: total variation between everybody asked for and the release, both at the released granularity.
    """

    column: str
    values: tuple[Value, ...]
    pooled: int
    granularity: float | None
    bits: float | None
    bits_before: float | None
    distance: float | None


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two columns of the vector together: the distance as in Marginal."""

    columns: tuple[str, str]
    distance: float


class CodeUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left of one column of codes; every share is of mentions of released patients.

    `levels`: share at each level, `left empty` among them. `top`: how many of the source's most frequent codes were
    compared; `top_full`: share of them that are released as they were; `top_error`: mean of |released - source| over
    source in counts of mentions, 1 for a code that is not released as it was; `rank`: Spearman's correlation of counts
    at the released level.
    """

    column: str
    kind: str
    rule: str
    levels: dict[str, float]
    items: int
    top: int
    top_full: float | None
    top_error: float | None
    rank: float | None


class Propensity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well a model tells released patients from all who were asked for (Snoke 2018).

    `pmse`: the mean squared error of propensity scores; `expected`: what a random choice of as many patients would
    give; `ratio` of both, about 1 where who was withheld looks like chance.
    """

    pmse: float
    expected: float | None
    ratio: float | None
    features: tuple[str, ...]


class Utility(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can still be done with the data."""

    granularity: float | None
    marginals: tuple[Marginal, ...]
    pairs: tuple[Pair, ...]
    codes: tuple[CodeUse, ...]
    propensity: Propensity | None


class QualityLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The codes of one column, and the findings that were met, from the report on coding quality."""

    column: str
    system: str
    codes: Count | None
    findings: dict[str, Count | None]
