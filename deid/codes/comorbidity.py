"""Comorbidities: from diagnosis codes to the conditions that they show, as bits, and from a visit's bits to answers.

Two measures, each with a table of public facts in deid/codes/data:

- Charlson's seventeen conditions by the coding algorithms of Quan 2005 (ICD-10 and ICD-9-CM, beginnings of codes);
- the thirty-eight of AHRQ's Elixhauser Comorbidity Software Refined for ICD-10-CM, v2026.1 (whole codes). AHRQ's list
  has no ICD-9-CM codes, and those of its older software show other conditions: ICD-9-CM is not covered.

The bits of a visit are the bits of its diagnoses, joined by OR; what excludes what is looked at last, on the visit.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.codes.conditions import AHRQ_CONDITIONS, MILDER_IN_CHARLSON, NOT_PRESENT, POA_DEPENDENT, Condition
from deid.codes.tables import pack

Bits = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
System = Literal["icd10cm", "icd10", "icd9cm"]
Reader = Callable[[pa.Array, System], Bits]

# Beside the conditions: a diagnosis was there whose system is covered, one whose system is not, and one with an
# indicator of presence on admission.
SEEN, UNCOVERED, MARKED = np.uint64(1 << 63), np.uint64(1 << 62), np.uint64(1 << 61)
CONDITIONS = np.uint64((1 << 61) - 1)
NOTHING = np.uint64(0)

# What can be a diagnosis, without dots, in capitals. A procedure of ICD-9-CM has its dot after two digits.
_FORMS: dict[System, str] = {
    "icd10cm": "[A-Z][0-9][0-9AB][0-9A-Z]{0,4}",
    "icd10": "[A-Z][0-9]{2}[0-9]{0,3}",
    "icd9cm": "[0-9]{3,5}|V[0-9]{2,4}|E[0-9]{3,4}",
}
_ICD9_PROCEDURE = r"^\s*[0-9]{2}\."


@dataclass(frozen=True, slots=True)
class CharlsonTable:
    """Charlson's conditions in the order of their bits, their weights, and the bits of each beginning of a code."""

    conditions: dict[str, Condition]
    weights: dict[str, npt.NDArray[np.int64]] = field(repr=False)
    beginnings: dict[str, dict[str, int]] = field(repr=False)


@functools.cache
def charlson_table() -> CharlsonTable:
    """Return the table that ships with the package; read once per process."""
    rows = _read("charlson_quan_2005.csv")
    conditions = {
        row["condition"]: Condition(
            row["condition"],
            row["condition"].replace("_", " ").replace("hiv aids", "HIV infection or AIDS"),
            (row["condition"],),
            MILDER_IN_CHARLSON.get(row["condition"], ()),
        )
        for row in rows
    }
    weights = {year: np.array([int(row[f"weight_{year}"]) for row in rows], np.int64) for year in ("1987", "2011")}
    beginnings: dict[str, dict[str, int]] = {"icd10": {}, "icd9cm": {}}
    for bit, row in enumerate(rows):
        for system, masks in beginnings.items():
            for code in row[system].split():
                masks[code] = masks.get(code, 0) | 1 << bit  # 404.03 shows a failing heart and a failing kidney
    return CharlsonTable(conditions, weights, beginnings)


@dataclass(frozen=True, slots=True)
class ElixhauserTable:
    """AHRQ's codes, packed and ascending, with their measures as bits; `places` gives the bit of each measure."""

    places: dict[str, int]
    codes: Bits = field(repr=False)
    measures: Bits = field(repr=False)
    exempt: Flags = field(repr=False)

    def mask(self, names: frozenset[str] | tuple[str, ...]) -> np.uint64:
        """Return the bits of measures."""
        return np.uint64(sum(1 << self.places[name] for name in names))


@functools.cache
def elixhauser_table() -> ElixhauserTable:
    """Return the table that ships with the package; read once per process."""
    rows = _read("elixhauser_icd10cm.csv")
    names = [*(condition.raw[0] for condition in AHRQ_CONDITIONS.values()), "CBVD_SQLA", NOT_PRESENT]
    places = {name: bit for bit, name in enumerate(names)}
    measures = np.array([sum(1 << places[name] for name in row["measures"].split()) for row in rows], np.uint64)
    exempt = np.array([row["exempt"] == "1" for row in rows], np.bool_)
    return ElixhauserTable(places, pack(pa.array([row["code"] for row in rows])), measures, exempt)


def spelled(values: pa.Array, system: System) -> pa.Array:
    """Return the distinct strings of a column as diagnosis codes: capitals, no dots; null where one is none."""
    text = pc.ascii_upper(pc.ascii_trim_whitespace(values.cast(pa.string())))
    if system == "icd9cm":
        text = pc.if_else(pc.match_substring_regex(text, _ICD9_PROCEDURE), pa.scalar(None, pa.string()), text)
    text = pc.replace_substring(text, ".", "")
    return pc.if_else(pc.match_substring_regex(text, f"^(?:{_FORMS[system]})$"), text, pa.scalar(None, pa.string()))


def revisions(values: pa.Array) -> tuple[Flags, Flags]:
    """Return which strings of a column of any revision can be ICD-9-CM diagnoses, and which ICD-10-CM.

    The form tells, where it can: what begins with a digit is ICD-9-CM. A supplementary code of ICD-9-CM has at most
    five characters and one of ICD-10-CM that begins with V has seven; those that begin with E can be either. Seven
    characters that ICD-10-PCS may have are a procedure, whatever column they stand in.
    """
    nine, ten = spelled(values, "icd9cm"), spelled(values, "icd10cm")
    external = pc.match_substring_regex(ten, "^V.{0,5}$")
    procedure = pc.match_substring_regex(ten, "^(?:[BDFGHX]|C[^4]|C4[^4]).{4,6}$")
    procedure = pc.and_(procedure, pc.equal(pc.utf8_length(ten), 7))
    never = pc.fill_null(pc.or_(external, procedure), True)
    return nine.is_valid().to_numpy(zero_copy_only=False), pc.invert(never).to_numpy(zero_copy_only=False)


def charlson(values: pa.Array, system: System) -> Bits:
    """Return the conditions that each code of a plain string array shows, uint64 of shape (n,); 0 for what is none."""
    codes = spelled(values, system)
    table = charlson_table()
    beginnings = table.beginnings["icd9cm" if system == "icd9cm" else "icd10"]
    bits = _where(codes, SEEN)
    for length in sorted({len(beginning) for beginning in beginnings}):
        known = [beginning for beginning in beginnings if len(beginning) == length]
        at = pc.index_in(pc.utf8_slice_codeunits(codes, 0, length), value_set=pa.array(known, pa.string()))
        masks = np.array([*(beginnings[beginning] for beginning in known), 0], np.uint64)
        bits |= masks[pc.fill_null(at, len(known)).to_numpy(zero_copy_only=False)]
    return bits


def elixhauser(values: pa.Array, system: System) -> tuple[Bits, Flags]:
    """Return AHRQ's measures of each code, uint64 of shape (n,), and which codes are exempt from the indicator.

    A code of another system than ICD-10-CM is UNCOVERED, and no condition of its visit can be denied.
    """
    codes = spelled(values, system)
    if system != "icd10cm":
        return _where(codes, UNCOVERED), np.zeros(len(values), np.bool_)
    table = elixhauser_table()
    wanted = pack(codes)
    at = np.minimum(np.searchsorted(table.codes, wanted), len(table.codes) - 1)
    found = table.codes[at] == wanted
    return _where(codes, SEEN) | np.where(found, table.measures[at], NOTHING), found & table.exempt[at]


def on_admission(bits: Bits, exempt: Flags, present: pa.Array | None) -> Bits:
    """Return the measures of rows after AHRQ's rule: some only count for what was present on admission.

    `present`: the indicator of each row, strings with nulls, or None where the source has none. Y and W say present,
    N and U say not; what is exempt counts without.
    """
    table = elixhauser_table()
    dependent = table.mask(POA_DEPENDENT)
    if present is None:
        return np.where(exempt, bits, bits & ~dependent)
    mark = pc.ascii_upper(pc.ascii_trim_whitespace(present.cast(pa.string())))
    counts = exempt | _among(mark, ("Y", "W"))
    absent = ~exempt & _among(mark, ("N", "U")) & ((bits & table.mask(("CBVD_POA",))) != 0)
    told = _among(mark, ("Y", "W", "N", "U")) & (bits != 0)
    kept: Bits = np.where(counts, bits, bits & ~dependent)
    kept |= np.where(absent, table.mask((NOT_PRESENT,)), NOTHING)
    return kept | np.where(told, MARKED, NOTHING)


def charlson_shown(bits: Bits) -> dict[str, Flags]:
    """Return which visits show each of Charlson's conditions, the milder form left out where the severer is there."""
    conditions = charlson_table().conditions
    shown = {name: (bits & np.uint64(1 << bit)) != 0 for bit, name in enumerate(conditions)}
    return _excluded(shown, conditions)


def elixhauser_shown(bits: Bits) -> dict[str, Flags]:
    """Return which visits show each of AHRQ's conditions, after its exclusions."""
    table = elixhauser_table()
    shown = {name: (bits & table.mask(condition.raw)) != 0 for name, condition in AHRQ_CONDITIONS.items()}
    sequela = ((bits & table.mask(("CBVD_SQLA",))) != 0) & ((bits & table.mask((NOT_PRESENT,))) == 0)
    shown["cerebrovascular_disease"] |= sequela
    return _excluded(shown, AHRQ_CONDITIONS)


def charlson_score(bits: Bits, year: Literal["1987", "2011"]) -> npt.NDArray[np.int64]:
    """Return the weighted sum of Charlson's conditions, by the weights of 1987 or those updated in 2011."""
    shown = charlson_shown(bits)
    return np.asarray(np.stack(list(shown.values()), axis=1) @ charlson_table().weights[year], np.int64)


def known(bits: Bits, *, needs_present: bool = False) -> Flags:
    """Return for which visits a condition that is not shown can be denied.

    It can where a diagnosis was there, none of them of a system without a list and, for what AHRQ ties to the indicator
    of presence on admission, one of them had an indicator.
    """
    covered = ((bits & SEEN) != 0) & ((bits & UNCOVERED) == 0)
    return np.asarray(covered & ((bits & MARKED) != 0) if needs_present else covered, np.bool_)


def _excluded(shown: dict[str, Flags], conditions: dict[str, Condition]) -> dict[str, Flags]:
    left = dict(shown)
    for name, condition in conditions.items():
        for milder in condition.milder:
            left[milder] = left[milder] & ~shown[name]
    return left


def _where(codes: pa.Array, bit: np.uint64) -> Bits:
    """Return `bit` for each code that is there."""
    return np.where(codes.is_valid().to_numpy(zero_copy_only=False), bit, NOTHING)


def _among(marks: pa.Array, words: tuple[str, ...]) -> Flags:
    hit = pc.is_in(marks, value_set=pa.array(words, pa.string()))
    return np.asarray(hit.to_numpy(zero_copy_only=False), np.bool_)


def release_of(name: str) -> str:
    """Return the release that a table of this module says it is of."""
    return _text(name).partition("# release: ")[2].partition("\n")[0]


def codes_of_measures() -> dict[str, int]:
    """Return how many codes AHRQ's table has for each measure."""
    table = elixhauser_table()
    return {name: int(((table.measures >> np.uint64(bit)) & np.uint64(1)).sum()) for name, bit in table.places.items()}


def _read(name: str) -> list[dict[str, Any]]:
    return list(csv.DictReader(line for line in _text(name).splitlines() if not line.startswith("#")))


def _text(name: str) -> str:
    return (resources.files("deid.codes") / "data" / name).read_text(encoding="utf-8")
