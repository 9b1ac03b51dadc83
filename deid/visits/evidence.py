"""What the codes of a visit tell, before they are generalized: which columns are read, and the bits of each row.

The codes of a visit stand in the encounters table, or in tables whose rows carry its number. Each row gives one
unsigned integer of 64 bits for each *family* of measures; those of a visit are joined by OR, in any order, and only
then answered. So a visit costs 8 bytes a family, however many rows it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.codes import comorbidity, visit_flags
from deid.codes.conditions import AHRQ_CONDITIONS
from deid.codes.formed import entries_of
from deid.schema import Column, DatasetDescription, Table
from deid.visits.diagnoses import KINDS, diagnoses, is_principal, read_codes

Bits = npt.NDArray[np.uint64]
CHARLSON, ELIXHAUSER, FLAGS, SPECIALTY = "charlson", "elixhauser", "flags", "specialty"
FAMILIES = (CHARLSON, ELIXHAUSER, FLAGS, SPECIALTY)
_NUCC, _CMS = r"^[0-9]{3}[0-9A-Z]{6}X$", r"^[0-9A-Z]?[0-9]$"
_WORD = np.uint64(32)  # a specialty in the lower half of its bits, its complement in the upper


def kinds_of(family: str) -> tuple[str, ...]:
    """Return the kinds of columns that a family is read from."""
    if family in (CHARLSON, ELIXHAUSER):
        # AHRQ's list is of ICD-10-CM; a source without any of its codes has no answer to give.
        return KINDS if family == CHARLSON else ("icd10cm", "icd_any")
    if family == SPECIALTY:
        return ("provider_specialty",)
    return tuple(dict.fromkeys(kind for kinds in visit_flags.TELLING.values() for kind in kinds))


def columns(table: Table, families: Iterable[str]) -> list[str]:
    """Return the columns of `table` that the families are read from."""
    names: list[str] = []
    for family in families:
        if family in (CHARLSON, ELIXHAUSER):
            for diagnosis in diagnoses(table):
                beside = [diagnosis.version]
                beside += [diagnosis.present, diagnosis.rank] if family == ELIXHAUSER else []
                names += [column.name for column in (diagnosis.column, *beside) if column is not None]
        else:
            names += [column.name for column in table.of_kind(*kinds_of(family))]
    return list(dict.fromkeys(names))


def visit_key_kind(dataset: DatasetDescription) -> str | None:
    """Return the kind of the numbers by which rows name their visit, or None where the encounters table has none."""
    encounters = dataset.table(dataset.encounters or "")
    kinds = ("encounter_id", "claim_id") if encounters is not None else ()
    return next((kind for kind in kinds if encounters is not None and any(encounters.of_kind(kind))), None)


def visit_key(dataset: DatasetDescription, table: Table) -> Column | None:
    """Return the column of `table` that names the visit that a row belongs to, or None.

    The number of the encounter; where claims stand in for encounters, that of the claim, but not in a table with a
    class of its own that is not linked to them: its rows are claims of their own, which it numbers by itself.
    """
    kind = visit_key_kind(dataset)
    if kind is None or (table.name == dataset.population and table.name != dataset.encounters):
        return None
    encounters = dataset.table(dataset.encounters or "")
    if encounters is None or table.name == encounters.name:
        return next(table.of_kind(kind), None)
    is_linked = table.link is not None and table.link.to == encounters.name
    if kind == "claim_id" and not is_linked and any(table.of_kind("encounter_class")):
        return None
    # A claim has many numbers; the one that its own table goes by is meant.
    named = table.column(next(encounters.of_kind(kind)).name)
    return named if named is not None and named.kind.name == kind else next(table.of_kind(kind), None)


def witnesses(dataset: DatasetDescription, families: Iterable[str]) -> list[Table]:
    """Return the tables whose rows tell of visits: the encounters table, and those that name one, with codes."""
    asked = tuple(families)
    return [
        table
        for table in dataset.tables
        if columns(table, asked) and (table.name == dataset.encounters or visit_key(dataset, table) is not None)
    ]


def bits_of(table: Table, values: Mapping[str, pa.Array], families: Iterable[str], rows: int) -> dict[str, Bits]:
    """Return the bits of each row for each family, uint64 of shape (rows,); `values` are typed columns by name."""
    return {family: _READERS[family](table, values, np.zeros(rows, np.uint64)) for family in families}


def _charlson(table: Table, values: Mapping[str, pa.Array], bits: Bits) -> Bits:
    for diagnosis in diagnoses(table):
        bits |= read_codes(diagnosis, values, comorbidity.charlson)
    return bits


def _elixhauser(table: Table, values: Mapping[str, pa.Array], bits: Bits) -> Bits:
    for diagnosis in diagnoses(table):
        shown = read_codes(diagnosis, values, lambda codes, system: comorbidity.elixhauser(codes, system)[0])
        exempt = read_codes(diagnosis, values, _exempt) != 0
        present = values[diagnosis.present.name] if diagnosis.present is not None else None
        counted = comorbidity.on_admission(shown, exempt, present)
        # AHRQ counts secondary diagnoses alone: what the visit was for is not beside itself.
        bits |= np.where(is_principal(diagnosis, values, len(bits)), counted & ~comorbidity.CONDITIONS, counted)
    return bits


def _exempt(codes: pa.Array, system: comorbidity.System) -> Bits:
    return comorbidity.elixhauser(codes, system)[1].astype(np.uint64)


def _flags(table: Table, values: Mapping[str, pa.Array], bits: Bits) -> Bits:
    for column in table.of_kind(*kinds_of(FLAGS)):
        entries, places = entries_of(values[column.name])
        bits |= np.append(visit_flags.table_of(column.kind.name).read(entries), np.uint64(0))[places]
    return bits


def _specialty(table: Table, values: Mapping[str, pa.Array], bits: Bits) -> Bits:
    for column in table.of_kind("provider_specialty"):
        entries, places = entries_of(values[column.name])
        codes = pc.ascii_upper(pc.ascii_trim_whitespace(entries.cast(pa.string())))
        nucc, cms = (pc.fill_null(pc.match_substring_regex(codes, form), False) for form in (_NUCC, _CMS))
        short = pc.if_else(nucc, pc.utf8_slice_codeunits(codes, 0, 4), pc.if_else(cms, pc.utf8_lpad(codes, 2, "0"), ""))
        words = np.array([int.from_bytes(text.encode()) for text in pc.fill_null(short, "").to_pylist()], np.uint64)
        # Words that are joined by OR, beside their complements joined by OR, tell whether all of them were the same.
        both = np.where(words != 0, words | (~words << _WORD), np.uint64(0))
        bits |= np.append(both, np.uint64(0))[places]
    return bits


def answers(asked: Sequence[tuple[str, str]], bits: Mapping[str, Bits]) -> dict[str, pa.Array]:
    """Return the values of measures, each named by its family and its own name, before their transforms.

    Conditions and flags are yes or no, levels and specialties codes, scores int64; null where the codes of the visit
    do not tell.
    """
    found: dict[str, pa.Array] = {}
    for family in dict.fromkeys(family for family, _ in asked):
        wanted = [name for other, name in asked if other == family]
        found |= {name: cells for name, cells in _ANSWERS[family](wanted, bits[family]).items() if name in wanted}
    return found


def _of_charlson(wanted: list[str], bits: Bits) -> dict[str, pa.Array]:
    known = comorbidity.known(bits)
    found = {f"charlson_{name}": _yes_no(yes, known) for name, yes in comorbidity.charlson_shown(bits).items()}
    if "charlson_score" in wanted:
        found["charlson_score"] = pa.array(comorbidity.charlson_score(bits, "1987"), mask=~known)
    if "charlson_score_2011" in wanted:
        found["charlson_score_2011"] = pa.array(comorbidity.charlson_score(bits, "2011"), mask=~known)
    return found


def _of_elixhauser(wanted: list[str], bits: Bits) -> dict[str, pa.Array]:
    shown = comorbidity.elixhauser_shown(bits)
    return {
        f"elixhauser_{name}": _yes_no(shown[name], comorbidity.known(bits, needs_present=condition.needs_present))
        for name, condition in AHRQ_CONDITIONS.items()
        if f"elixhauser_{name}" in wanted
    }


def _of_flags(wanted: list[str], bits: Bits) -> dict[str, pa.Array]:
    found = {name: _yes_no(*visit_flags.told(name, bits)) for name in wanted if name != "em_level"}
    level = visit_flags.highest_level(bits)
    return found | {"em_level": pa.array(level, mask=level == 0).cast(pa.string())}


def _of_specialty(_: list[str], bits: Bits) -> dict[str, pa.Array]:
    return {"specialty": specialty_answer(bits)}


def _yes_no(yes: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]) -> pa.Array:
    """Return yes, no, and null where it is neither shown nor can be denied."""
    return pa.array(np.where(yes, "yes", "no"), pa.string(), mask=~(yes | known))


def specialty_answer(bits: Bits) -> pa.Array:
    """Return the specialty that all rows of each visit share, string array; null where there is none, or several."""
    words, others = bits & np.uint64(0xFFFFFFFF), bits >> _WORD
    alone = (words != 0) & ((words & others) == 0)
    distinct, places = np.unique(np.where(alone, words, np.uint64(0)), return_inverse=True)
    texts = [int(word).to_bytes(4).lstrip(b"\0").decode() for word in distinct]
    named = [f"{text}00000X" if len(text) == 4 else text or None for text in texts]
    return pa.array(named, pa.string()).take(pa.array(places))


_READERS = {CHARLSON: _charlson, ELIXHAUSER: _elixhauser, FLAGS: _flags, SPECIALTY: _specialty}
_ANSWERS = {CHARLSON: _of_charlson, ELIXHAUSER: _of_elixhauser, FLAGS: _of_flags, SPECIALTY: _of_specialty}
