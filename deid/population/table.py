"""A table of the population, against which the journalist's risk is taken; docs/reference/population-risk.md.

A site names its own, or its size alone, in `site.yaml`. The one that is shipped tells how many people live under each
three-digit ZIP prefix (2020 Census, deid/data), and of their age and sex only what they are in the whole country.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from deid.cells import places
from deid.errors import DocumentError
from deid.kinds import KINDS, Role

PEOPLE = "count"
_CENSUS = "2020 Census, people by three-digit ZIP prefix"
_HINT = "docs/reference/population-risk.md: columns named by kinds (zip_code, birth_date, age, sex ...), and `count`"
_AGES = "age_sex_2019.csv"
_MOST = 64 * 2**20


@dataclass(frozen=True, slots=True)
class PopulationTable:
    """People counted by what is known of them: text columns by kind, and int64 (rows,) people.

    `is_of_places`: whether places are all that it tells. `split`: how what it does not tell is taken to be spread.
    """

    name: str
    columns: Mapping[str, pa.Array] = field(repr=False)
    people: npt.NDArray[np.int64] = field(repr=False)
    is_of_places: bool = False
    split: str = "taken as in the release"

    @property
    def total(self) -> int:
        """How many people there are."""
        return int(self.people.sum())


def census() -> PopulationTable:
    """Return the shipped table; a prefix stands as a ZIP code that begins with it."""
    known = places.populations()
    zips = pa.array([f"{prefix}01" for prefix in known], pa.string())
    people = np.array(list(known.values()), np.int64)
    split = "taken as in the release, age and sex as in the country (2019) where that is less"
    return PopulationTable(_CENSUS, {"zip_code": zips}, people, is_of_places=True, split=split)


@functools.cache
def nationwide() -> Mapping[str, PopulationTable]:
    """Return the people of the United States by year of age, for each sex (F, M); 100 stands for 100 and over."""
    rows = list(csv.DictReader(resources.files("deid.data").joinpath(_AGES).read_text().splitlines()))
    tables = {}
    for sex in ("F", "M"):
        own = [row for row in rows if row["sex"] == sex]
        people = np.array([int(row["population"]) for row in own], np.int64)
        tables[sex] = PopulationTable("United States", {"age": pa.array([row["age"] for row in own])}, people)
    return tables


def read_population(path: Path) -> PopulationTable:
    """Read a site's table, CSV in UTF-8 with a header; raise DocumentError for one that is no such table."""
    try:
        if path.stat().st_size > _MOST:
            raise _fault(path, f"is larger than {_MOST:,} bytes")
        table = pv.read_csv(path)
        texts = pv.read_csv(
            path, convert_options=pv.ConvertOptions(column_types=dict.fromkeys(table.column_names, pa.string()))
        )
    except OSError:
        raise _fault(path, "cannot be read") from None
    except (pa.ArrowInvalid, UnicodeDecodeError):  # whose messages quote cells
        raise _fault(path, "is no table in CSV") from None
    names = table.column_names
    if PEOPLE not in names or not pa.types.is_integer(table.column(PEOPLE).type) or len(set(names)) < len(names):
        raise _fault(path, f"needs each column once, and a column {PEOPLE} of whole numbers")
    for name in names:
        if name != PEOPLE and (name not in KINDS or KINDS[name].role is not Role.QUASI):
            raise _fault(path, "has a column that is not named by the kind of a quasi-identifier")
    people = table.column(PEOPLE)
    if people.null_count or (table.num_rows and pc.min(people).as_py() < 0) or len(names) < 2:
        raise _fault(path, f"needs a column beside {PEOPLE}, and a count of 0 or more in every row")
    columns = {name: texts.column(name).combine_chunks() for name in names if name != PEOPLE}
    return PopulationTable(f"the site's table {path.name}", columns, people.to_numpy().astype(np.int64))


def _fault(path: Path, what: str) -> DocumentError:
    return DocumentError(f"the population table {path.name} {what}", hint=_HINT)
