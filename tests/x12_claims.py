"""Small interchanges for tests: segments as lists of lines, any delimiters, and counts that agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid.schema import DatasetDescription
from deid.sources import load_dataset, open_source

P, I = "005010X222A1", "005010X223A2"  # noqa: E741 - professional and institutional, as the guides call them
HEAD = ("BHT*0019*00*77*20250301*1200*CH", "NM1*41*2*SENDER*****46*S1", "NM1*40*2*RECEIVER*****46*R1",
        "HL*1**20*1", "NM1*85*2*HILL CLINIC*****XX*1234567893", "N3*9 MILL LANE", "N4*AMES*IA*50010")  # fmt: skip
CLAIM = ("CLM*ACCT-17*125.5***11:B:1*Y*A*Y*Y", "REF*EA*MRN-4711", "HI*ABK:E119*ABF:I10")
LINE = ("LX*1", "SV1*HC:99213:25*125.5*UN*1***1:2", "DTP*472*D8*20250214")


@dataclass(frozen=True)
class Marks:
    """The delimiters of an interchange; `between` stands after each segment."""

    terminator: str = "~"
    element: str = "*"
    component: str = ":"
    repetition: str = "^"
    between: str = "\n"


def subscriber(
    number: int = 2, member: str = "M-100", *, is_patient: bool = True, name: str = "QUILL*OTTO"
) -> list[str]:
    """Return the segments of a subscriber's level."""
    return [
        f"HL*{number}*1*22*{0 if is_patient else 1}",
        f"SBR*P*{18 if is_patient else ''}*G-1******CI",
        f"NM1*IL*1*{name}****MI*{member}",
        *(["N3*1 ELM ROAD", "N4*AMES*IA*500101234", "DMG*D8*19700102*M"] if is_patient else []),
        "NM1*PR*2*OAK PLAN*****PI*PAY1",
    ]


def dependent(number: int = 3, above: int = 2, *, name: str = "QUILL*IDA", born: str = "20150607") -> list[str]:
    """Return the segments of a dependent's level."""
    return [f"HL*{number}*{above}*23*0", "PAT*19", f"NM1*QC*1*{name}", "N3*1 ELM ROAD", "N4*AMES*IA*50010",
            f"DMG*D8*{born}*F"]  # fmt: skip


def interchange(
    *sets: Sequence[str], guide: str = P, control: int = 1, version: str = "00501", marks: Marks = Marks()
) -> str:
    """Return a sound interchange of these transaction sets, each written from BHT on."""
    repetition = "^" if version > "00402" else "U"
    lines = [
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{'SENDER':15}*ZZ*{'RECEIVER':15}*250301*1200*{repetition}*{version}*{control:09}*0*T*:"
    ]
    lines.append(f"GS*HC*SENDER*RECEIVER*20250301*1200*{control}*X*{guide}")
    for number, body in enumerate(sets, start=1):
        said = f"*{guide}" if guide.startswith("005") else ""
        lines += [f"ST*837*{number:04}{said}", *body, f"SE*{len(body) + 2}*{number:04}"]
    lines += [f"GE*{len(sets)}*{control}", f"IEA*1*{control:09}"]
    text = "".join(f"{line}~" for line in lines)
    marked = text.translate(
        str.maketrans("~*:^", marks.terminator + marks.element + marks.component + marks.repetition)
    )
    return marked.replace(marks.terminator, marks.terminator + marks.between)


def one_claim(*, head: Iterable[str] = HEAD, **other: Any) -> str:
    """Return an interchange of one claim of one subscriber."""
    return interchange([*head, *subscriber(), *CLAIM, *LINE], **other)


def described(folder: Path, text: str = "", *, files: str = "*.txt") -> DatasetDescription:
    """Return the built-in description over the files of a folder; `text` is added to the document."""
    (folder / "dataset.yaml").write_text(f'dataset: d\nformat: x12_837\nfiles: "{files}"\n{text}')
    return load_dataset(folder / "dataset.yaml")


def read(dataset: DatasetDescription, table: str, *columns: str) -> list[dict[str, str | None]]:
    """Return the rows of a table; of all columns where none are named."""
    source = open_source(dataset)
    described_table = dataset.table(table)
    assert described_table is not None
    names = list(columns) or [column.name for column in described_table.columns]
    source.check({table: names})
    return [row for batch in source.read(table, names) for row in batch.to_pylist()]


def rows(folder: Path, text: str | bytes, table: str, *columns: str) -> list[dict[str, str | None]]:
    """Write one file and return the rows of a table."""
    (folder / "claims.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(described(folder), table, *columns)


def all_rows(folder: Path, text: str | bytes) -> dict[str, list[dict[str, str | None]]]:
    """Write one file and return the rows of every table."""
    (folder / "claims.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    dataset = described(folder)
    return {table.name: read(dataset, table.name) for table in dataset.tables}
