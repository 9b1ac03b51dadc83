"""Deliberately bad variants of a folder of claims: input that must be refused, for tests of refusal."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path


class Fault(StrEnum):
    """One way in which a delivery is broken, each in one file."""

    MISSING_COLUMN = "a column is missing"
    EXTRA_COLUMN = "a column nobody described"
    RENAMED_COLUMN = "a column under another name"
    DOUBLED_COLUMN = "two columns of one name"
    RAGGED_ROW = "a row with too few cells"
    IMPOSSIBLE_DATE = "a date that is in no calendar"
    WRONG_TYPE = "words where an amount is expected"
    INVALID_UTF8 = "bytes that are not UTF-8"
    EMPTY_FILE = "a file without a byte"
    TRUNCATED_GZIP = "a gzip file cut in the middle"
    SECOND_PATIENT_ROW = "two rows for one patient"
    ORPHAN_ENCOUNTER = "an encounter of nobody"


def break_folder(folder: Path, fault: Fault) -> Path:
    """Break one file of a folder written by `write_claims_csv` (commas, not compressed); return the file."""
    name, change = _CHANGES[fault]
    path = folder / f"{name}.csv"
    path.write_bytes(change(path.read_bytes()))
    return path


def _each_line(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    """Return a change of the cells of every line, the header among them; only for files without quoted cells."""

    def changed(data: bytes) -> bytes:
        return b"".join(b",".join(change(line.split(b","))) + b"\n" for line in data.splitlines())

    return changed


def _second_line(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        lines = data.split(b"\n")
        lines[1] = b",".join(change(lines[1].split(b",")))
        return b"\n".join(lines)

    return changed


def _header(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new, 1)


def _cell(at: int, value: bytes) -> Callable[[bytes], bytes]:
    return _second_line(lambda cells: [*cells[:at], value, *cells[at + 1 :]])


def _add_column(data: bytes) -> bytes:
    header, _, rest = data.partition(b"\n")
    return header + b",chart_note\n" + _each_line(lambda cells: [*cells, b"seen"])(rest)


def _repeat_first_row(data: bytes) -> bytes:
    return data + data.split(b"\n")[1] + b"\n"


def _cut_gzip(data: bytes) -> bytes:
    packed = gzip.compress(data, mtime=0)
    return packed[: len(packed) // 2]


_CHANGES: dict[Fault, tuple[str, Callable[[bytes], bytes]]] = {
    Fault.MISSING_COLUMN: ("diagnoses", _each_line(lambda cells: [*cells[:2], *cells[3:]])),
    Fault.EXTRA_COLUMN: ("diagnoses", _add_column),
    Fault.RENAMED_COLUMN: ("diagnoses", _header(b"icd10cm", b"dx_code")),
    Fault.DOUBLED_COLUMN: ("diagnoses", _header(b"sequence", b"icd10cm")),
    Fault.RAGGED_ROW: ("diagnoses", _second_line(lambda cells: cells[:-2])),
    Fault.IMPOSSIBLE_DATE: ("encounters", _cell(4, b"2025-02-30")),
    Fault.WRONG_TYPE: ("encounters", _cell(12, b"about nine")),
    Fault.INVALID_UTF8: ("diagnoses", _cell(2, b"\xff\xfe\xc3")),
    Fault.EMPTY_FILE: ("encounters", lambda _: b""),
    Fault.TRUNCATED_GZIP: ("encounters", _cut_gzip),
    Fault.SECOND_PATIENT_ROW: ("patients", _repeat_first_row),
    Fault.ORPHAN_ENCOUNTER: ("encounters", _cell(0, b"PNOBODY00")),
}
