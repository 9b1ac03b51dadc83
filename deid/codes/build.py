"""Makes the tables of codes again: `python -m deid.codes.build`, with the extra `build-codes` installed.

Writes deid/codes/data/*.parquet and docs/reference/code-lists.md below the current folder. The same packages give the
same tables; constraints.txt pins them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from deid.codes.building.drg import build_drg
from deid.codes.building.icd9cm import build_icd9cm
from deid.codes.building.icd10cm import build_icd10cm
from deid.codes.building.icd10pcs import build_icd10pcs
from deid.codes.building.medicare import read_medicare
from deid.codes.building.packages import Packages
from deid.codes.building.writing import code_lists_page, write_table

DATA = Path("deid/codes/data")
PAGE = Path("docs/reference/code-lists.md")


def _from_medicare(build: Callable[..., pa.Table]) -> pa.Table:
    packages = Packages()
    return build(packages, read_medicare(packages))


# One entry for each file of deid/codes/data.
TABLES: dict[str, Callable[[], pa.Table]] = {
    "drg": lambda: build_drg(Packages()),
    "icd10cm": lambda: _from_medicare(build_icd10cm),
    "icd10pcs": lambda: _from_medicare(build_icd10pcs),
    "icd9cm": lambda: _from_medicare(build_icd9cm),
}


def main() -> None:
    """Write every table and the page."""
    for name, build in TABLES.items():
        write_table(build(), DATA / f"{name}.parquet")
    PAGE.write_text(code_lists_page(DATA), encoding="utf-8")


if __name__ == "__main__":
    main()
