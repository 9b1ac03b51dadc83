"""Makes the Elixhauser table from the reference file of the Agency for Healthcare Research and Quality (AHRQ).

`python -m deid.codes.build_comorbidity` writes deid/codes/data/elixhauser_icd10cm.csv. It needs the packages of the
`build` extra: `elixhauser-ahrq`, which carries AHRQ's workbook unchanged (a work of the US government, in the public
domain), and `openpyxl`, which reads it. The table of Charlson's conditions is short and stands as it was published.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

from deid.codes.conditions import POA_DEPENDENT

RELEASE = "v2026.1"
WORKBOOK = "CMR-Reference-File-v2026-1.xlsx"
SHEET = "DX_to_Comorb_Mapping"
TABLE = Path("deid/codes/data/elixhauser_icd10cm.csv")
# Codes among those that AHRQ ties to the indicator for which hospitals report none, because they are a sequela,
# congenital or a status: CDC/NCHS, list of codes exempt from present-on-admission reporting, FY 2025; beginnings of
# codes. Of the injuries (T82) those of later encounters and sequelae are exempt, by the seventh character.
EXEMPT = ("E640", "I69", "P9182", "Q22", "Q23", "Z49", "Z9115", "Z940", "Z944", "Z952", "Z953", "Z954", "Z9581", "Z992")
_LATER_ENCOUNTER = ("D", "S")

_HEAD = f"""\
# release: {RELEASE}
# source: AHRQ HCUP, Elixhauser Comorbidity Software Refined for ICD-10-CM, {WORKBOOK}
# exempt: 1 where a code counts whatever the indicator says; CDC/NCHS, POA exempt codes, FY 2025
# Made by `python -m deid.codes.build_comorbidity`; do not edit.
code,measures,exempt
"""


def table(rows: Iterable[tuple[object, ...]]) -> str:
    """Return the table as CSV, from the rows of AHRQ's sheet: a title, a header, codes, and a line that ends them."""
    content = iter(rows)
    next(content)
    header = [str(cell) for cell in next(content)]
    return _HEAD + "".join(f"{line}\n" for line in sorted(_lines(header, content)))


def _lines(header: list[str], rows: Iterator[tuple[object, ...]]) -> Iterator[str]:
    for row in rows:
        code = str(row[0])
        if code == "End of Content":
            return
        measures = [name for name, cell in zip(header[3:], row[3:], strict=True) if str(cell) == "1"]
        if str(len(measures)) != str(row[2]):
            raise ValueError(f"{code}: the sheet counts {row[2]} measures and marks {len(measures)}")
        depends = not POA_DEPENDENT.isdisjoint(measures)
        yield f"{code},{' '.join(measures)},{int(depends and is_exempt(code))}"


def is_exempt(code: str) -> bool:
    """Whether no indicator is reported for a code that AHRQ ties to one."""
    return code.startswith(EXEMPT) or (code.startswith("T82") and code.endswith(_LATER_ENCOUNTER))


def main() -> None:
    """Write the table."""
    workbook = resources.files("elixhauser_ahrq").joinpath("data", WORKBOOK)
    with workbook.open("rb") as file:
        book = importlib.import_module("openpyxl").load_workbook(file, read_only=True)
        text = table(book[SHEET].iter_rows(values_only=True))
    TABLE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
