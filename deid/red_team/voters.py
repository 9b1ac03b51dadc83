"""A voter list as somebody buys it: a CSV or Parquet file whose columns are named by kinds."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from deid.attacks.people import VOTER
from deid.cells.values import parse
from deid.errors import SourceError
from deid.kinds import KINDS
from deid.schema import Column


def read_voters(path: Path) -> pa.Table:
    """Return the list with its columns typed as their kinds; raise SourceError for one that cannot be joined.

    Columns of other names are not read. A row with a cell that cannot be read as its kind counts with it empty.
    """
    try:
        if path.suffix == ".parquet":
            table = pq.read_table(path)
        else:
            names = pc_csv.open_csv(path).schema.names
            told = pc_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True)
            table = pc_csv.read_csv(path, convert_options=told)
    except (OSError, pa.ArrowException):
        raise SourceError(f"cannot read {path.name} as a voter list", hint="give a CSV or a Parquet file") from None
    known = [name for name in table.column_names if name in VOTER]
    if "birth_date" not in known:
        raise SourceError(
            f"{path.name} has no column birth_date", hint=f"name its columns by kinds: {', '.join(sorted(VOTER))}"
        )
    columns = {}
    for name in known:
        text = table[name].combine_chunks().cast(pa.string())
        columns[name], _ = parse(Column(name, KINDS[name]), text)
    return pa.table(columns)
