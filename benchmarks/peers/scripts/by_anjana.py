"""Generalize a table to k with anjana, on ladders of bands; the last column is not generalized."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
from anjana.anonymity import k_anonymity
from timing import tell, timed

warnings.simplefilter("ignore")


def main() -> None:
    """Do the job of the first argument: `table`, `k`, `suppression` (a share), `widths` of the bands of each column."""
    job = json.loads(sys.argv[1])
    data = pd.read_parquet(job["table"])
    ladders = {name: ladder(data[name], widths) for name, widths in job["widths"].items()}
    tell(timed(lambda: generalized(data, ladders, job["k"], job["suppression"])) | {"work": "search"})


def ladder(column: pd.Series, widths: list[int]) -> dict[int, np.ndarray]:
    """Return, for each rung, what each distinct value is written as."""
    values = np.unique(column)
    return {level: (values // width).astype(str) if level else values for level, width in enumerate(widths)}


def generalized(data: pd.DataFrame, ladders: dict[str, Any], k: int, suppression: float) -> dict[str, Any]:
    """Search for a recoding and apply it; `value` is the share of the rows that are left."""
    left = k_anonymity(data, [], list(ladders), k, 100 * suppression, ladders)
    return {"value": len(left) / len(data)}


if __name__ == "__main__":
    main()
