"""How lists of values are compared patient by patient where pseudonyms stand for the patients."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

Lists = Counter[tuple[str, ...]]


def lists(pairs: Iterable[tuple[str, str | None]]) -> Lists:
    """Return how many patients have each sorted list of values; a patient without any counts too."""
    held: dict[str, list[str]] = defaultdict(list)
    for patient, value in pairs:
        held[patient] += [value] if value else []
    return Counter(tuple(sorted(values)) for values in held.values())


def of_release(table: pa.Table, patient: str, column: str) -> Lists:
    """Return the lists of a released column; numbers in one spelling."""
    return lists(zip(table[patient].to_pylist(), map(spelled, table[column].to_pylist()), strict=True))


def spelled(value: Any) -> str | None:
    """Return a released value as text."""
    return None if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def read_as(text: str, like: pa.DataType) -> str | None:
    """Return a raw cell as text in the spelling of a released type."""
    if not text.strip():
        return None
    if pa.types.is_floating(like):
        return spelled(float(text))
    return str(int(float(text))) if pa.types.is_integer(like) else text.strip()
