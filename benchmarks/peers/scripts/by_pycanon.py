"""Measure k, l and t of a table with pycanon; the last column is the sensitive one."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import pandas as pd
from pycanon import anonymity
from timing import tell, timed

warnings.simplefilter("ignore")


def main() -> None:
    """Do the job of the first argument: `table` is a Parquet file."""
    data = pd.read_parquet(json.loads(sys.argv[1])["table"])
    *known, sensitive = data.columns
    tell(
        measured("k", lambda: anonymity.k_anonymity(data, known)),
        measured("l", lambda: anonymity.l_diversity(data, known, [sensitive])),
        measured("t", lambda: anonymity.t_closeness(data, known, [sensitive])),
    )


def measured(what: str, ask: Any) -> dict[str, Any]:
    """Time one measure."""
    return timed(lambda: {"value": float(ask())}) | {"work": what}


if __name__ == "__main__":
    main()
