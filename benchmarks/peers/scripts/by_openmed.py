"""De-identify the claims tables, or X12 837 files, with OpenMed's own paths, which need no model and no network."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from openmed.interop.x12_837 import redact_x12_837
from openmed.multimodal.tabular_csv import redact_table
from timing import tell, timed


def main() -> None:
    """Do the job of the first argument: `tables` with their columns, or `x12`, where from and where to."""
    job = json.loads(sys.argv[1])
    source, out = Path(job["source"]), Path(job["out"])
    out.mkdir(parents=True)
    if "tables" not in job:
        files = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(source.glob("*.txt"))]
        tell(timed(lambda: claims(files, out)))
        return
    texts = {table: chosen(source / f"{table}.csv", columns) for table, columns in job["tables"].items()}
    tell(timed(lambda: tables(texts, out)))


def chosen(path: Path, columns: list[str]) -> str:
    """Return a table with some of its columns as text: it takes all that a file has. Not timed."""
    target = io.StringIO()
    with path.open(newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(target, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(csv.DictReader(file))
    return target.getvalue()


def tables(texts: dict[str, str], out: Path) -> None:
    """Redact each table by its own classes of columns."""
    for table, text in texts.items():
        (out / f"{table}.csv").write_text(redact_table(io.StringIO(text), has_header=True).text)


def claims(files: list[tuple[str, str]], out: Path) -> dict[str, Any]:
    """Redact each interchange; what is counted are claims."""
    for name, text in files:
        (out / name).write_text(redact_x12_837(text).deidentified_text)
    return {"count": sum(text.count("CLM*") for _, text in files)}


if __name__ == "__main__":
    main()
