"""Which columns hold the diagnoses of a visit, and what each row's code is read as.

Beside a code other columns may tell its revision, whether it was present on admission, and its rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.codes import comorbidity
from deid.codes.comorbidity import Bits, Reader
from deid.codes.formed import entries_of
from deid.schema import Column, Table

KINDS = ("icd10cm", "icd10", "icd9cm", "icd_any")
_COUNTED = (None, "principal")  # uses of a code that are diagnoses of the visit; see schema.Column
_OF_LINES = ("cpt", "hcpcs", "revenue_code", "ndc")
_SYSTEMS: dict[str, comorbidity.System] = {"icd10cm": "icd10cm", "icd10": "icd10", "icd9cm": "icd9cm"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One column of diagnoses, and those beside it that tell its revision, its presence on admission and its rank.

    `principal` says that the column holds the principal diagnosis; where `rank` is set, rank 1 is it.
    """

    column: Column
    version: Column | None
    present: Column | None
    rank: Column | None

    @property
    def principal(self) -> bool:
        """Whether every code of the column is the principal diagnosis of its visit."""
        return self.column.use == "principal"


def diagnoses(table: Table) -> list[Diagnosis]:
    """Return the columns of `table` that hold diagnoses of the visit, with the columns that speak of them.

    A block of ICD columns is followed by as many columns that tell the revision, or the presence on admission, of each,
    in the same order; one such column speaks of the whole block. Admitting diagnoses, reasons for the visit, external
    causes and procedures are not asked.
    """
    ranks = list(table.of_kind("sequence_number"))
    blocks = list(_blocks(table))
    alone = sum(len(codes) for codes, _ in blocks) == 1 and len(ranks) == 1 and not any(table.of_kind(*_OF_LINES))
    found = []
    for codes, following in blocks:
        versions, presents = _spoken(codes, following, "icd_version"), _spoken(codes, following, "present_on_admission")
        for code, version, present in zip(codes, versions, presents, strict=True):
            if code.use in _COUNTED:
                found.append(Diagnosis(code, version, present, ranks[0] if alone else None))
    return found


def _blocks(table: Table) -> Iterator[tuple[list[Column], list[Column]]]:
    """Yield each block of neighboring ICD columns, and the columns between it and the next block."""
    codes: list[Column] = []
    following: list[Column] = []
    for column in table.columns:
        if column.kind.name in KINDS:
            if following:
                if codes:
                    yield codes, following
                codes, following = [], []
            codes.append(column)
        else:
            following.append(column)
    if codes:
        yield codes, following


def _spoken(codes: list[Column], following: list[Column], kind: str) -> list[Column | None]:
    speaking = [column for column in following if column.kind.name == kind]
    if len(speaking) == len(codes):
        return list(speaking)
    return [speaking[0] if len(speaking) == 1 else None] * len(codes)


def read_codes(diagnosis: Diagnosis, values: Mapping[str, pa.Array], read: Reader) -> Bits:
    """Return what `read` makes of each row's code, in the revision that the column's kind or its neighbor tells."""
    column = diagnosis.column
    entries, places = entries_of(values[column.name])
    if column.kind.name in _SYSTEMS:
        return np.append(read(entries, _SYSTEMS[column.kind.name]), np.uint64(0))[places]
    of_nine, of_ten = comorbidity.revisions(entries)
    nine = np.append(read(pc.if_else(pa.array(of_nine), entries, None), "icd9cm"), np.uint64(0))[places]
    ten = np.append(read(pc.if_else(pa.array(of_ten), entries, None), "icd10cm"), np.uint64(0))[places]
    either = np.append(of_nine & of_ten, False)[places]
    says_nine = _says_nine(diagnosis, values, len(places))
    return np.where(either, np.where(says_nine, nine, ten), nine | ten)


def _says_nine(diagnosis: Diagnosis, values: Mapping[str, pa.Array], rows: int) -> npt.NDArray[np.bool_]:
    if diagnosis.version is None:
        return np.zeros(rows, np.bool_)
    entries, places = entries_of(values[diagnosis.version.name])
    nine = pc.fill_null(pc.match_substring(entries.cast(pa.string()), "9"), False)
    return np.append(nine.to_numpy(zero_copy_only=False), False)[places]


def is_principal(diagnosis: Diagnosis, values: Mapping[str, pa.Array], rows: int) -> npt.NDArray[np.bool_]:
    """Return for which rows the code is the principal diagnosis of its visit, as far as the source tells."""
    if diagnosis.principal or diagnosis.rank is None:
        return np.full(rows, diagnosis.principal)
    first = pc.fill_null(pc.equal(values[diagnosis.rank.name], 1), False)
    return np.asarray(first.to_numpy(zero_copy_only=False), np.bool_)
