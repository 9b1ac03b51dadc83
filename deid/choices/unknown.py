"""Numbers of a list that no patient has: a slip in one would let its patient out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.buffers import plain
from deid.cells.values import parse
from deid.choices.lists import ChoiceList
from deid.errors import DocumentError
from deid.kinds import KINDS
from deid.schema import Column, DatasetDescription
from deid.sources import open_source


def unknown_numbers(dataset: DatasetDescription, listed: ChoiceList) -> int:
    """Return how many numbers of a list the population of a dataset does not know; raise SourceError."""
    population = dataset.table(dataset.population)
    if population is None or population.patient is None:
        raise DocumentError(f"dataset {dataset.name} has no population", hint="describe it first")
    column = population.column(population.patient) or Column(population.patient, KINDS["unique_id"])
    source = open_source(dataset)
    source.check({population.name: [column.name]})
    ids = listed.rows["id"].combine_chunks()
    found = np.zeros(len(ids), bool)
    for raw in source.read(population.name, [column.name]):
        texts = plain(parse(column, raw.column(0))[0]).cast(pa.string())
        place = pc.index_in(texts, value_set=ids, skip_nulls=True).drop_null()
        found[place.to_numpy()] = True
    return int(np.count_nonzero(~found))
