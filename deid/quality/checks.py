"""What is wrong with codes: findings on the distinct codes of a batch, and on rows where day, sex or age count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.days import NO_DAY
from deid.codes.base import CodeList, CodeSystem, Days, Status
from deid.codes.formed import entries_of

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
Sexes = npt.NDArray[np.uint8]  # FEMALE, MALE, or 0 where unknown

FEMALE, MALE = 1, 2
_SEVERAL = r"^[^,;|/ ]+(?:\s*[,;|/]\s*|\s+)[^,;|/ ]"
_PARTED = r"\s*[,;|/]\s*|\s+"
_WIDTHS = {"ndc": 11, "drg": 3, "revenue_code": 4, "discharge_status": 2}
_ICD9 = ("icd9cm", "icd9cm_procedure")
_CLINICAL = frozenset(
    {"icd10cm", "icd10pcs", "icd10", "icd_any", "icd_any_procedure", "cpt", "hcpcs", "snomed", "loinc", "rxnorm"}
) | frozenset(_ICD9)
_CHECKED = frozenset({"snomed", "loinc"})
_RECOGNIZABLE = ("icd10cm", "icd10pcs", "icd9cm", *sorted(_CHECKED))
_KNOWN = (Status.VALID, Status.NOT_BILLABLE, Status.NOT_YET, Status.RETIRED)
# Columns of these kinds may hold words, types of bill or CMS's own codes as well: only such cells are of the system.
_OF_SYSTEM = {
    "place_of_service": r"^\s*[0-9]{2}\s*$",
    "discharge_status": r"^[^A-Za-z]*$",
    "taxonomy": r"^\s*[0-9][0-9A-Za-z]{9}\s*$",
}


@dataclass(frozen=True, slots=True)
class Cells:
    """The codes of one column in one batch and what stands beside them, each with one entry for each row.

    `entries` are the distinct codes, plain, and `places` says which of them each row has, len(entries) for none.
    `day` is the day of service, int32, NO_DAY where unknown. `told` is the revision that the row tells, 9 or 10, or 0.
    `birth` is the patient's birth day, NO_DAY where unknown; None where no patient's is, as `sex` where no sex is.
    """

    entries: pa.Array = field(repr=False)
    places: Rows = field(repr=False)
    day: Days | None = None
    told: npt.NDArray[np.uint8] | None = None
    sex: Sexes | None = None
    birth: Days | None = None

    @property
    def codes(self) -> pa.Array:
        """The codes of the rows, dictionary-encoded."""
        indices = pa.array(self.places, mask=self.places == len(self.entries))
        return pa.DictionaryArray.from_arrays(indices, self.entries)

    def rows(self, flags: Flags) -> Rows:
        """Return the rows whose entry has a flag."""
        return np.flatnonzero(np.append(flags, np.False_)[self.places])


def cells_of(system: CodeSystem, codes: pa.Array) -> tuple[pa.Array, Rows]:
    """Return the distinct codes of a column and the place of each row's among them, for Cells.

    A cell that is none of the system's, though columns of its kind may hold it, is as good as empty.
    """
    entries, places = entries_of(codes if isinstance(codes, pa.DictionaryArray) else codes.cast(pa.string()))
    pattern = _OF_SYSTEM.get(system.name)
    if pattern is not None:
        judged = pc.fill_null(pc.match_substring_regex(entries, pattern), False).to_numpy(zero_copy_only=False)
        places = np.where(np.append(judged, True)[places], places, len(entries))
    return entries, places


def entry_findings(system: CodeSystem, entries: pa.Array, others: Mapping[str, CodeSystem]) -> dict[str, Flags]:
    """Return the findings that are the same on every day, as flags of distinct codes, bool of shape (m,).

    `others` are the systems by which a code that `system` does not know may be recognized. `unknown` and `not_billable`
    are what `row_findings` starts from.
    """
    ever = system.validate(entries)
    malformed, wrong = ever == Status.MALFORMED, np.isin(ever, _wrong(system))
    flags = {"malformed": malformed, "two_codes": _two_codes(system, entries, malformed)}
    if system.name in _WIDTHS or system.name in _ICD9:
        flags["lost_zeros"] = _lost_zeros(system, entries, wrong)
    flags["system_mismatch"] = _known_elsewhere(system, entries, wrong, others)
    if _is_complete(system):
        flags["unknown"] = ever == Status.UNKNOWN
    if system.lists:
        flags["not_billable"] = ever == Status.NOT_BILLABLE
    return flags


def row_findings(
    system: CodeSystem, cells: Cells, ever: Mapping[str, Flags], others: Mapping[str, CodeSystem]
) -> dict[str, Rows]:
    """Return the rows that have each finding that depends on more than the code; `ever` is of `entry_findings`."""
    found = {}
    if cells.told is not None:
        lies = _lies(cells, others)
        found["system_mismatch"] = np.union1d(cells.rows(ever["system_mismatch"]), np.flatnonzero(lies))
    if cells.day is None or not system.lists:
        return found
    is_covered = _covered(system.lists, cells.day)
    if "unknown" in ever:
        rows = cells.rows(ever["unknown"])
        found["unknown"] = rows[is_covered[rows]]
    on = system.validate(cells.codes, cells.day)
    for name, status in (("not_yet", Status.NOT_YET), ("retired", Status.RETIRED)):
        found[name] = np.flatnonzero((on == status) & (cells.day != NO_DAY) & is_covered)
    found["not_billable"] = np.flatnonzero(on == Status.NOT_BILLABLE)
    return found


def _covered(lists: tuple[CodeList, ...], day: Days) -> Flags:
    """Return the rows on whose day some list says what was valid; rows without a day are judged on any."""
    covered: Flags = day == NO_DAY
    for each in lists:
        inside = np.ones(len(day), bool) if each.first is None else day >= each.first
        covered = covered | (inside if each.last is None else inside & (day <= each.last))
    return covered


def _is_complete(system: CodeSystem) -> bool:
    return any(codes.complete for codes in system.lists)


def _wrong(system: CodeSystem) -> tuple[Status, ...]:
    """Return the verdicts by which an entry is no code: beyond a list with gaps well-formed codes may be valid."""
    return (Status.MALFORMED, Status.UNKNOWN) if _is_complete(system) else (Status.MALFORMED,)


def _two_codes(system: CodeSystem, entries: pa.Array, malformed: Flags) -> Flags:
    """Return which malformed entries are several well-formed codes in one cell."""
    found = np.zeros(len(entries), bool)
    if not malformed.any():
        return found
    several = pc.fill_null(pc.match_substring_regex(entries, _SEVERAL), False).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(malformed & several)
    lists = pc.split_pattern_regex(pc.utf8_trim_whitespace(entries.take(pa.array(rows))), _PARTED)
    bad = system.validate(lists.flatten()) == Status.MALFORMED
    parents = lists.value_parent_indices().to_numpy(zero_copy_only=False)
    parts = np.bincount(parents, minlength=len(rows))
    found[rows] = (parts > 1) & (np.bincount(parents, weights=bad, minlength=len(rows)) == 0)
    return found


def _lost_zeros(system: CodeSystem, entries: pa.Array, wrong: Flags) -> Flags:
    """Return which entries are digits that are too few, and a code once leading zeros are put back.

    ICD-9-CM codes have several lengths: there only what is no code as it stands can have lost a zero.
    """
    digits = pc.fill_null(pc.match_substring_regex(entries, r"^[0-9]+(?:\.[0-9]*)?$"), False)
    short = np.asarray(digits.to_numpy(zero_copy_only=False), bool)
    found = np.zeros(len(entries), bool)
    width = _WIDTHS.get(system.name)
    if width is not None:
        lengths = pc.fill_null(pc.binary_length(entries), width).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(short & (lengths < width))
        padded = system.validate(pc.utf8_lpad(entries.take(pa.array(rows)), width, "0"))
        found[rows] = ~np.isin(padded, _wrong(system))
        return found
    rows = np.flatnonzero(short & wrong)
    chosen = entries.take(pa.array(rows))
    tried = [system.validate(pc.binary_join_element_wise("0" * zeros, chosen, "")) for zeros in (1, 2)]
    found[rows] = np.logical_or.reduce([np.isin(verdicts, _KNOWN) for verdicts in tried])
    return found


def _known_elsewhere(system: CodeSystem, entries: pa.Array, wrong: Flags, others: Mapping[str, CodeSystem]) -> Flags:
    """Return which wrong entries another system knows: by its list, or by a check digit that chance seldom makes."""
    found = np.zeros(len(entries), bool)
    rows = np.flatnonzero(wrong)
    if system.name not in _CLINICAL or not len(rows):
        return found
    chosen = entries.take(pa.array(rows))
    for name in _RECOGNIZABLE:
        if name != system.name and name in others:
            verdicts = others[name].validate(chosen)
            found[rows] |= verdicts != Status.MALFORMED if name in _CHECKED else np.isin(verdicts, _KNOWN)
    return found


def _lies(cells: Cells, others: Mapping[str, CodeSystem]) -> Flags:
    """Return the rows whose code is known to the revision that the row does not tell, and to that one alone."""
    nine = _known_to(cells.entries, others, _ICD9)
    ten = _known_to(cells.entries, others, ("icd10cm", "icd10pcs"))
    told = cells.told if cells.told is not None else np.zeros(len(cells.places), np.uint8)
    lies_nine, lies_ten = (np.append(flags, np.False_)[cells.places] for flags in (ten & ~nine, nine & ~ten))
    return np.asarray((told == 9) & lies_nine | (told == 10) & lies_ten, bool)


def _known_to(entries: pa.Array, others: Mapping[str, CodeSystem], names: tuple[str, ...]) -> Flags:
    verdicts = [np.isin(others[name].validate(entries), _KNOWN) for name in names if name in others]
    return np.logical_or.reduce(verdicts) if verdicts else np.zeros(len(entries), bool)


def revisions(values: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the revision that version cells tell: 9, 10 (CMS writes 0), or 0 for none; uint8 of shape (n,)."""
    entries = values if isinstance(values, pa.DictionaryArray) else values.dictionary_encode()
    words = pc.replace_substring_regex(pc.utf8_upper(entries.dictionary.cast(pa.string())), "[^0-9]", "")
    told = np.array([{"9": 9, "10": 10, "0": 10}.get(word, 0) for word in words.to_pylist()] + [0], np.uint8)
    return np.asarray(told[entries.indices.fill_null(-1).to_numpy(zero_copy_only=False)], np.uint8)


def sexes(values: pa.Array) -> Sexes:
    """Return the sex that cells tell, uint8 of shape (n,): FEMALE, MALE or 0; CMS writes 2 and 1, OMOP 8532, 8507."""
    entries = values if isinstance(values, pa.DictionaryArray) else values.dictionary_encode()
    codes = {"F": FEMALE, "FEMALE": FEMALE, "2": FEMALE, "8532": FEMALE}
    codes |= {"M": MALE, "MALE": MALE, "1": MALE, "8507": MALE}
    words = pc.utf8_upper(pc.utf8_trim_whitespace(entries.dictionary.cast(pa.string()))).to_pylist()
    told = np.array([codes.get(word, 0) for word in words] + [0], np.uint8)
    return np.asarray(told[entries.indices.fill_null(-1).to_numpy(zero_copy_only=False)], np.uint8)
