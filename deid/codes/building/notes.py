"""Columns of what the Medicare Code Editor says of diagnosis codes beside their days."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa

from deid.codes.building.medicare import AGE_GROUPS, AgeRange, Span

SEXES = {"female": 1, "male": 2}
_NOT_PRINCIPAL = frozenset({"unacceptable", "ecodepdx", "manifestation"})


def note_columns(
    codes: list[str],
    spans: Mapping[str, tuple[Span, ...]],
    ages: tuple[AgeRange, ...],
    unspecified: Collection[str],
    sides: Collection[str],
) -> dict[str, pa.Array]:
    """Return the columns of Attributes for `codes`, which are spelled as in the other arguments."""
    last = {code: of_code[-1].attributes for code, of_code in spans.items()}
    limits = [_age(spans[code][-1], ages) if code in spans else None for code in codes]
    return {
        "unspecified": pa.array([code in unspecified for code in codes]),
        "laterality_missing": pa.array([code in sides for code in codes]),
        "manifestation": pa.array(["manifestation" in last.get(code, ()) for code in codes]),
        "not_principal": pa.array([not _NOT_PRINCIPAL.isdisjoint(last.get(code, ())) for code in codes]),
        "sex": pa.array([_sex(spans.get(code, ())) for code in codes], pa.int8()),
        "age_low": pa.array([limit and limit[0] for limit in limits], pa.int16()),
        "age_high": pa.array([limit and limit[1] for limit in limits], pa.int16()),
    }


def _sex(spans: tuple[Span, ...]) -> int:
    """Return the last that the editor said of sex; its edit ended with 2024-10-01, the code's meaning did not."""
    said = [SEXES[word] for span in spans for word in span.attributes if word in SEXES]
    return said[-1] if said else 0


def _age(span: Span, ages: tuple[AgeRange, ...]) -> tuple[int, int] | None:
    """Return the limits of age on the last day of a span: where it belongs to two groups, those of both."""
    groups = span.attributes & AGE_GROUPS
    limits = [age for age in ages if age.group in groups and age.first <= span.last <= age.last]
    return (max(age.low for age in limits), min(age.high for age in limits)) if limits else None
