"""The native layout as delimited text or Parquet, a file for each table."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from deid.synthetic.hazards import NULLS, with_hazards
from deid.synthetic.layout import TABLES, description
from deid.synthetic.population import Population
from deid.synthetic.writers.delimited import DelimitedFile, Dialect


def write_claims_csv(
    population: Population | Iterable[Population],
    folder: Path,
    *,
    compression: str | None = None,
    delimiter: str = ",",
    hazards: bool = False,
) -> None:
    """Write a population, or the parts of one, as delimited text with its `dataset.yaml` into `folder`.

    `compression` is None, `gzip` or `zstd`. `hazards` adds a byte order mark, CRLF line ends and badly written cells
    that the description written beside them still reads rightly.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dialect = Dialect(delimiter=delimiter, compression=compression)
    if hazards:
        dialect = replace(dialect, has_bom=True, line_end="\r\n")
    suffix = f".csv{dialect.suffix}"
    with ExitStack() as stack:
        files = {name: stack.enter_context(DelimitedFile(folder / f"{name}{suffix}", dialect)) for name in TABLES}
        for number, part in enumerate(_parts(population)):
            written = with_hazards(part, seed=number) if hazards else part
            for name, file in files.items():
                file.append(getattr(written, name))
    text = description(suffix=suffix, delimiter=delimiter, nulls=NULLS if hazards else ("",))
    (folder / "dataset.yaml").write_text(text, encoding="utf-8")


def write_claims_parquet(population: Population | Iterable[Population], folder: Path) -> None:
    """Write a population, or the parts of one, as Parquet with its `dataset.yaml` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files: dict[str, pq.ParquetWriter] = {}
        for part in _parts(population):
            for name in TABLES:
                table = getattr(part, name)
                if name not in files:
                    files[name] = stack.enter_context(pq.ParquetWriter(folder / f"{name}.parquet", table.schema))
                files[name].write_table(table)
    text = description(file_format="parquet", suffix=".parquet")
    (folder / "dataset.yaml").write_text(text, encoding="utf-8")


def _parts(population: Population | Iterable[Population]) -> Iterable[Population]:
    return (population,) if isinstance(population, Population) else population
