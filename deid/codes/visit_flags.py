"""What billing and administrative codes tell of a visit: telehealth, emergency, inpatient, the level of an E/M service.

Each code of a row gives bits; the bits of a visit are those of its rows, joined by OR. Numbers and ranges of codes are
facts; sources are named at each list. A list holds what tells the thing by itself, and leaves out what tells it mostly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bits = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

TELEHEALTH, EMERGENCY, INPATIENT = "telehealth", "emergency", "inpatient"
_TOLD = {name: 1 << bit for bit, name in enumerate((TELEHEALTH, EMERGENCY, INPATIENT))}
_ASKED = {name: 1 << (8 + bit) for bit, name in enumerate(_TOLD)}  # a code was there that could have told
_LEVELS = {level: 1 << (16 + level) for level in range(1, 6)}


def _numbers(first: int, last: int, letter: str = "") -> list[str]:
    return [f"{letter}{number:0{5 - len(letter)}d}" for number in range(first, last + 1)]


# CMS, place of service code set: 02 and 10 telehealth (not in, in the patient's home), 23 emergency room of a hospital,
# 21, 51 and 61 inpatient hospital, psychiatric and rehabilitation facility.
PLACES = {"02": TELEHEALTH, "10": TELEHEALTH, "23": EMERGENCY, "21": INPATIENT, "51": INPATIENT, "61": INPATIENT}
# NUBC, type of bill: 11x hospital inpatient, 41x the same of a religious nonmedical one; three digits, or four with 0.
BILLS = ("11", "41")
# CPT appendix A and HCPCS: 95 synchronous, 93 and FQ audio only, GT interactive, GQ asynchronous, G0 telestroke.
MODIFIERS = frozenset({"95", "93", "GT", "GQ", "G0", "FQ"})
# CPT 2025: 98000-98016 telemedicine and brief communication; telephone services until 2024 and of other professionals.
# HCPCS: virtual check-ins, remote evaluations, telehealth consultations, and facility and transmission fees.
TELEHEALTH_CODES = frozenset([
    *_numbers(98000, 98016), *_numbers(99441, 99443), *_numbers(98966, 98968),
    "G0071", "G0406", "G0407", "G0408", "G0425", "G0426", "G0427", "G0459", "G0508", "G0509",
    "G2010", "G2012", "G2025", "G2250", "G2251", "G2252", "Q3014", "T1014",
])  # fmt: skip
# CPT 99281-99285 emergency department visits; HCPCS G0380-G0384 in a type B emergency department.
EMERGENCY_CODES = frozenset([*_numbers(99281, 99285), *_numbers(380, 384, "G")])
# NUBC, revenue codes: 045x emergency room without 0456, urgent care; 0981 its professional fees.
EMERGENCY_REVENUE = frozenset({"0450", "0451", "0452", "0459", "0981"})
# NUBC, revenue codes: 010x to 021x room and board, nursery, leave of absence, subacute, intensive and coronary care.
ROOM_AND_BOARD = frozenset(f"{number:04d}" for number in range(100, 220))
# FHIR ActCode, HL7 v2 table 0004, plain words, the inpatient claim types of CMS, and OMOP's concepts of visits (262 is
# a stay that began in the emergency room).
INPATIENT_CLASSES = frozenset({"INPATIENT", "IMP", "ACUTE", "NONAC", "INP", "I", "60", "61", "9201", "262"})
EMERGENCY_CLASSES = frozenset({"EMERGENCY", "EMER", "ED", "ER", "E", "9203", "262"})
TELEHEALTH_CLASSES = frozenset({"VR", "VIRTUAL", "TELEHEALTH", "TELEMEDICINE", "5083"})

# CPT, evaluation and management: each family counts its levels upward from its first number.
FAMILIES: tuple[tuple[str, int, int, int], ...] = (
    ("office, new patient", 99201, 99205, 1),
    ("office, established patient", 99211, 99215, 1),
    ("observation until 2022, initial", 99218, 99220, 1),
    ("observation until 2022, subsequent", 99224, 99226, 1),
    ("hospital, initial", 99221, 99223, 1),
    ("hospital, subsequent", 99231, 99233, 1),
    ("hospital, admission and discharge on one day", 99234, 99236, 1),
    ("consultation, office", 99241, 99245, 1),
    ("consultation, hospital", 99251, 99255, 1),
    ("emergency department", 99281, 99285, 1),
    ("nursing facility, initial", 99304, 99306, 1),
    ("nursing facility, subsequent", 99307, 99310, 1),
    ("rest home until 2022, new patient", 99324, 99328, 1),
    ("rest home until 2022, established patient", 99334, 99337, 1),
    ("home or residence, new patient", 99341, 99345, 1),
    ("home or residence, established patient", 99347, 99350, 1),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Codes and the bits that each gives; `asked` are the bits of any code of the kind, whatever it tells."""

    codes: pa.Array
    bits: Bits
    asked: int
    normal: Callable[[pa.Array], pa.Array]

    def read(self, values: pa.Array) -> Bits:
        """Return the bits of each code of a plain string array, uint64 of shape (n,)."""
        codes = self.normal(values.cast(pa.string()))
        at = pc.fill_null(pc.index_in(codes, value_set=self.codes), len(self.codes))
        there = codes.is_valid().to_numpy(zero_copy_only=False)
        asked = np.where(there, np.uint64(self.asked), np.uint64(0))
        return np.asarray(self.bits[at.to_numpy(zero_copy_only=False)] | asked, np.uint64)


@functools.cache
def table_of(kind: str) -> Table:
    """Return what the codes of a kind tell; raise KeyError for a kind that tells nothing of a visit."""
    return _MAKERS[kind]()


def told(name: str, bits: Bits) -> tuple[Flags, Flags]:
    """Return of which visits a flag is told, and for which it can be denied: one of their codes could have told it."""
    return (bits & np.uint64(_TOLD[name])) != 0, (bits & np.uint64(_ASKED[name])) != 0


def highest_level(bits: Bits) -> npt.NDArray[np.int64]:
    """Return the highest level of the E/M services of each visit, 0 where it has none."""
    level = np.zeros(len(bits), np.int64)
    for number, bit in _LEVELS.items():
        level[(bits & np.uint64(bit)) != 0] = number
    return level


def levels() -> dict[str, int]:
    """Return the level of every code of an E/M service that has one."""
    return {
        str(number): level
        for _, first, last, lowest in FAMILIES
        for level, number in enumerate(range(first, last + 1), lowest)
    }


def _folded(values: pa.Array) -> pa.Array:
    """Return codes in capitals, without blanks around them; null where nothing is left."""
    text = pc.ascii_upper(pc.ascii_trim_whitespace(values))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _revenue(values: pa.Array) -> pa.Array:
    """Return revenue codes of four digits: three have lost a leading zero."""
    text = pc.ascii_trim_whitespace(values)
    digits = pc.match_substring_regex(text, "^[0-9]{3,4}$")
    return pc.if_else(digits, pc.utf8_lpad(text, 4, "0"), pa.scalar(None, pa.string()))


def _place(values: pa.Array) -> pa.Array:
    """Return places of service as they are, and types of bill as their first two digits behind a letter.

    One digit is neither: in CMS files it is half of a type of bill.
    """
    text = _folded(values)
    bill = pc.struct_field(pc.extract_regex(text, "^0?(?P<first>[0-9]{2})[0-9A-Z]$"), [0])
    place = pc.if_else(pc.match_substring_regex(text, "^[0-9]{2}$"), text, pa.scalar(None, pa.string()))
    return pc.coalesce(pc.binary_join_element_wise("B", bill, ""), place)


def _services() -> Table:
    bits = dict.fromkeys(TELEHEALTH_CODES, _TOLD[TELEHEALTH])
    for code in EMERGENCY_CODES:
        bits[code] = bits.get(code, 0) | _TOLD[EMERGENCY]
    for code, level in levels().items():
        bits[code] = bits.get(code, 0) | _LEVELS[level]
    return _table(bits, (TELEHEALTH, EMERGENCY), _folded)


def _classes() -> Table:
    words = {INPATIENT: INPATIENT_CLASSES, EMERGENCY: EMERGENCY_CLASSES, TELEHEALTH: TELEHEALTH_CLASSES}
    bits: dict[str, int] = {}
    for name, some in words.items():
        for word in some:
            bits[word] = bits.get(word, 0) | _TOLD[name]
    return _table(bits, tuple(words), _folded)


def _places() -> Table:
    bits = {code: _TOLD[name] for code, name in PLACES.items()} | {f"B{bill}": _TOLD[INPATIENT] for bill in BILLS}
    return _table(bits, (TELEHEALTH, EMERGENCY, INPATIENT), _place)


def _revenues() -> Table:
    bits = dict.fromkeys(EMERGENCY_REVENUE, _TOLD[EMERGENCY]) | dict.fromkeys(ROOM_AND_BOARD, _TOLD[INPATIENT])
    return _table(bits, (EMERGENCY, INPATIENT), _revenue)


def _modifiers() -> Table:
    # A service without a modifier is none by telehealth either, but its own code says so.
    return _table(dict.fromkeys(MODIFIERS, _TOLD[TELEHEALTH]), (TELEHEALTH,), _folded)


def _table(bits: dict[str, int], asked: Iterable[str], normal: Callable[[pa.Array], pa.Array]) -> Table:
    codes = sorted(bits)
    values = np.array([*(bits[code] for code in codes), 0], np.uint64)
    return Table(pa.array(codes, pa.string()), values, sum(_ASKED[name] for name in asked), normal)


_MAKERS: dict[str, Callable[[], Table]] = {
    "cpt": _services,
    "hcpcs": _services,
    "modifier": _modifiers,
    "place_of_service": _places,
    "revenue_code": _revenues,
    "encounter_class": _classes,
}
# The kinds of columns that can tell each flag.
TELLING: dict[str, tuple[str, ...]] = {
    TELEHEALTH: ("place_of_service", "modifier", "cpt", "hcpcs", "encounter_class"),
    EMERGENCY: ("revenue_code", "cpt", "hcpcs", "place_of_service", "encounter_class"),
    INPATIENT: ("encounter_class", "place_of_service", "revenue_code"),
    "em_level": ("cpt", "hcpcs"),
}
