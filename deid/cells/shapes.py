"""The shape of each kind: what a well-formed value looks like, so that a column released as it is cannot hold text.

A kind says what a column should hold; sources hold what people typed. A value that does not have its kind's shape is
never released by `keep`, `generalize_code` or `roll_up`: a name, a number of a person or a sentence in a column of
codes becomes null and is counted. A shape is judged from the value alone: that a code exists is for code systems to
say, and a value that is well formed and still tells who it is about (a name that is a color in a column of results)
passes.

docs/reference/shapes.md is made from this registry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells import shape_words as words
from deid.cells.buffers import over_dictionary
from deid.kinds import KINDS, Kind
from deid.schema import Column


class Shape(Protocol):
    """A set of well-formed values; it serves as the output domain of whatever releases them (see Domain)."""

    def conforms(self, values: pa.Array) -> pa.Array:
        """Return for each value of a plain array whether it is well formed; null for null."""
        ...

    def violations(self, values: pa.Array) -> int:
        """Return how many non-null values, dictionary-encoded or not, are malformed."""
        ...

    def describe(self) -> str:
        """Return the shape in a few words."""
        ...


@dataclass(frozen=True, slots=True)
class TextShape:
    """Strings that one of two RE2 patterns matches from beginning to end: a code, or words parted by blanks and marks.

    `described` says so to people; `phrase` is empty where the kind has codes only.
    """

    pattern: str = field(repr=False)
    described: str
    phrase: str = field(default="", repr=False)

    def conforms(self, values: pa.Array) -> pa.Array:
        """See Shape."""
        # RE2's ^ and $ are the ends of the text, not of lines: "I10\n" and "I10\nJohn" do not match.
        codes = pc.match_substring_regex(values, f"^(?:{self.pattern})$")
        # A pattern of hundreds of words takes milliseconds to compile, and most columns hold codes alone.
        if not self.phrase or pc.all(codes).as_py() is not False:
            return codes
        return pc.or_(codes, pc.match_substring_regex(values, f"^(?:{self.phrase})$"))

    def violations(self, values: pa.Array) -> int:
        """See Shape."""
        return _count(self, values)

    def describe(self) -> str:
        """See Shape."""
        return self.described


@dataclass(frozen=True, slots=True)
class NumberShape:
    """Numbers from `low` to `high`, both included."""

    low: int
    high: int

    def conforms(self, values: pa.Array) -> pa.Array:
        """See Shape."""
        return pc.and_(pc.greater_equal(values, self.low), pc.less_equal(values, self.high))

    def violations(self, values: pa.Array) -> int:
        """See Shape."""
        return _count(self, values)

    def describe(self) -> str:
        """See Shape."""
        return f"{self.low} to {self.high}"


def wellformed(kind: Kind, values: pa.Array) -> pa.Array:
    """Return `values` with null where a value has not the shape of `kind`; as they are where the kind has none.

    Of a dictionary only the entries are judged, of plain strings each distinct one.
    """
    shape = SHAPES.get(kind.name)
    if shape is None or not len(values):
        return values
    if isinstance(values, pa.DictionaryArray):
        if pc.all(shape.conforms(values.dictionary)).as_py() is not False:
            return values
        return over_dictionary(values, lambda entries: _nulled(shape.conforms(entries), entries))
    good = _verdicts(shape, values)
    return values if good is None else _nulled(good, values)


def malformed(column: Column, values: pa.Array) -> int:
    """Return how many non-null `values` have not the shape of the column's kind; 0 where the kind has none."""
    shape = SHAPES.get(column.kind.name)
    return shape.violations(values) if shape is not None else 0


def _nulled(good: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(good, values, pa.scalar(None, values.type))


def _verdicts(shape: Shape, values: pa.Array) -> pa.Array | None:
    """Return for each row whether its value is well formed, null for null; None where no row is malformed."""
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        good = shape.conforms(values)
        return None if pc.all(good).as_py() is not False else good
    # Encoding takes a tenth of what a pattern takes, and most columns repeat few values.
    coded = values if isinstance(values, pa.DictionaryArray) else values.dictionary_encode()
    good = shape.conforms(coded.dictionary)
    return None if pc.all(good).as_py() is not False else good.take(coded.indices)


def _count(shape: Shape, values: pa.Array) -> int:
    good = _verdicts(shape, values)
    return 0 if good is None else len(good) - good.null_count - int(pc.sum(good).as_py() or 0)


def _one_of(names: frozenset[str]) -> str:
    """Return a pattern of these names in any case."""
    # Written out, for the (?i) of RE2 folds Unicode: it would let the Kelvin sign pass for a k.
    return "|".join("".join(_any_case(char) for char in name) for name in sorted(names))


def _any_case(char: str) -> str:
    return f"[{char.upper()}{char}]" if char.isalpha() else re.escape(char)


def _phrase(vocabulary: frozenset[str]) -> str:
    """Return a pattern of words of a vocabulary, in any case, parted by blanks or marks."""
    # Words are parted by at least one mark: run together, the short ones would spell any name.
    word = f"(?:{_one_of(vocabulary)})"
    return rf"\(?{word}(?:[ ,/&()_+:;=.-]{{1,3}}{word})*[).+]?"


def _worded(vocabulary: frozenset[str], codes: str, described: str) -> TextShape:
    return TextShape(codes, described, _phrase(vocabulary))


def _unit() -> str:
    """Return a pattern of UCUM units and the habits of laboratories, in any case: atoms from closed lists."""
    metric = rf"(?:[Dd]a|[Mm][Cc]|[fpnumcdhkgFPNUMCDHKGµμ])?(?:{_one_of(words.METRIC)})"
    bracketed = rf"(?:[mckMCK]?[Mm]|[munkMUNK])?\[(?:{_one_of(words.BRACKETS)})\]"
    atom = rf"(?:{metric}|{_one_of(words.UNITS)}|{bracketed})(?:[*^]?-?[1-9])?"
    term = rf"(?:[Xx] ?)?10[*^Ee]-?[0-9]{{1,2}}|1\.73 ?[Mm]\^?2|{atom}"
    note = rf"\{{(?:{_one_of(words.ANNOTATIONS)})\}}"
    factor = rf"(?:(?:{term})(?:{note})?|{note})"
    return rf"/?{factor}(?: ?[./*] ?{factor}){{0,3}}"


_UNIT = _unit()
_NUMBER = r"(?:(?:[0-9]{1,7}|[0-9]{1,3}(?:,[0-9]{3}){1,2})(?:\.[0-9]{0,17})?|\.[0-9]{1,17})(?:[eE][+-]?[0-9]{1,2})?"
_SMALL = r"[0-9]{1,3}(?:\.[0-9]{1,3})?"
# No date, telephone or Social Security number is a number, a ratio or a range as written here: those have more digits
# in a row, or more marks between them.
_MEASURED = rf"(?:[<>]=?|[≤≥~])? ?[+-]?{_NUMBER}|[<>]?{_SMALL} ?(?:-|to|/|:) ?{_SMALL}"
_GRADED = r"1 ?: ?[0-9]{1,5}|[0-4]?\+{1,4}|-|(?:A|B|AB|O) ?[+-]"
_CM = r"[A-Za-z][0-9Aa][0-9ABab](?:\.?[0-9A-Za-z]{1,4}|\.)?"
_WHO = r"[A-Za-z][0-9]{2}(?:\.?[0-9]{1,3}|\.-?)?[*+†!]?"
_ICD9 = r"[0-9]{2,3}(?:\.[0-9]{0,2})?|[0-9]{4,5}|[Vv][0-9]{2}(?:\.?[0-9]{1,2}|\.)?|[Ee][0-9]{3}(?:\.?[0-9]|\.)?"
# First and second characters by section: no table of ICD-10-PCS has others, and without them any seven digits pass.
_X = "[0-9A-HJ-NP-Za-hj-np-z]"
_PCS = rf"(?:[0BCDXbcdx]{_X}|10|2[WYwy]|3[0CEce]|4[ABab]|5[Aa]|6[Aa]|7[Ww]|8[CEce]|9[Ww]|[Ff][01]|[GHgh][Zz]){_X}{{5}}"
_HCPCS = r"[A-Za-z][0-9]{4}"
_CPT = r"[0-9]{4}[0-9FTUMAftuma]"
_OMB = r"[0-9]{4}-[0-9]|[Rr][0-9](?:\.[0-9]{2}){0,3}"
_LANGUAGE_TAG = r"(?:[a-z]{2,3}|[A-Z]{2,3})(?:[-_](?:Hans|Hant|Latn|Cyrl|Arab))?(?:[-_](?:[A-Z]{2}|[a-z]{2}|[0-9]{3}))?"
_TAG = r"[A-Z]{1,3}|[a-z]{1,2}|-?[0-9]{1,4}|[A-Za-z]{1,2}[0-9]{1,3}|[0-9]{1,2}[A-Za-z]"
# Concepts of the OMOP vocabularies Gender, Race and Ethnicity, and the null flavors that sites write in their place.
_OMOP_SEX = "8507|8532|8521|8551|8570"
_OMOP_UNKNOWN = "448146(?:49|50|53|60)"
_OMOP_RACE = (
    f"85(?:15|16|22|27|52|57)|8657|1546847|44814659|3800(?:357[2-9]|35[89][0-9]|360[0-9]|361[0-6])|{_OMOP_UNKNOWN}"
)
_OMOP_ETHNICITY = f"3800356[34]|{_OMOP_UNKNOWN}"
_SYSTEM = (
    r"http://(?:snomed\.info/sct|loinc\.org|www\.ama-assn\.org/go/cpt|unitsofmeasure\.org|hl7\.org/fhir/sid/"
    r"(?:icd-10-cm|icd-10|icd-9-cm|ndc|cvx)|www\.nlm\.nih\.gov/research/umls/rxnorm)"
    r"|1\.2\.840\.10008\.5\.1\.4\.1\.1(?:\.[0-9]{1,3}){1,3}"
)
_WORD = "A-Za-z\u00c0-\u024f'\u2019.()-"
_TOWN = f"[A-Za-z\u00c0-\u024f][{_WORD}]{{0,39}}(?: [{_WORD}]{{1,40}}){{0,5}}"
_STATE = TextShape(
    "[A-Za-z]{2}|US-[A-Z]{2}|[0-9]{1,2}",
    "two letters, one or two digits, or the name of a state or province",
    _one_of(words.STATES),
)

SHAPES: dict[str, Shape] = {
    "state": _STATE,
    "facility_state": _STATE,
    "country": TextShape(
        "[A-Z]{2,3}|[a-z]{2}|[0-9]{3}",
        "an ISO 3166 code, or the name of a country",
        _one_of(words.COUNTRIES),
    ),
    # A street, a box, a number of a person or a mail address has a digit, a comma or another mark.
    "city": TextShape(_TOWN, "words of letters, without digits"),
    "county": TextShape(f"[0-9]{{1,5}}|{_TOWN}", "up to five digits, or words of letters"),
    "zip_code": TextShape(r"[0-9]{5}(?:[- ]?[0-9]{4})?|[0-9]{4}(?:[- ][0-9]{4})?", "four, five or nine digits"),
    "year": NumberShape(1800, 2200),
    "age": NumberShape(0, 150),
    "part_of_year": TextShape(
        "[0-9A-Z]{1,2}|[0-9]{3}|[A-Z][0-9]{4}|[*]", "up to two letters or three digits, or a Medicare contract"
    ),
    "sex": _worded(words.SEX, f"[0-9]|{_OMOP_SEX}", "one digit, an OMOP concept, or words for sex and gender"),
    "race": _worded(
        words.RACE,
        rf"[0-9]|[A-Z]{{1,2}}|{_OMB}|{_OMOP_RACE}",
        "a digit, a CDC race code, an OMOP concept, or words for race",
    ),
    "ethnicity": _worded(
        words.ETHNICITY,
        rf"[0-9]|[A-Z]{{1,2}}|{_OMB}|{_OMOP_ETHNICITY}",
        "a CDC code, an OMOP concept, or words for ethnicity",
    ),
    "marital_status": _worded(words.MARITAL, "[0-9A-Za-z]", "one letter or digit, or words for marital status"),
    "language": _worded(words.LANGUAGE, _LANGUAGE_TAG, "an ISO 639 or BCP 47 code, or the name of a language"),
    "payer": _worded(
        words.PAYER, "[0-9A-Z]{1,2}|[0-9]{3,4}", "up to four digits or two letters, or words for kinds of insurance"
    ),
    "deceased": _worded(words.DECEASED, "[0-9V]", "one digit, V, or a word for yes and no, dead and alive"),
    "part2": _worded(words.YES_NO, "[01]", "0, 1, or a word for yes and no"),
    "icd10cm": TextShape(_CM, "ICD-10-CM: a letter and two to six characters, with or without dot"),
    "icd10pcs": TextShape(_PCS, "ICD-10-PCS: seven characters"),
    "icd10": TextShape(_WHO, "ICD-10: a letter and two to five digits, with or without dot"),
    "icd9cm": TextShape(_ICD9, "ICD-9-CM: two to five digits, or V or E and digits, with or without dot"),
    "icd_any": TextShape(f"{_CM}|{_PCS}|{_WHO}|{_ICD9}", "a code of any ICD revision"),
    "icd_version": TextShape(
        r"0|9|10|11|(?:ICD|icd)[- ]?(?:9|10|11)(?:[- ]?(?:CM|PCS|WHO|cm|pcs|who))?", "0, 9, 10, 11 or ICD-10-CM"
    ),
    "cpt": TextShape(f"{_CPT}|{_HCPCS}", "CPT: five characters; or HCPCS: a letter and four digits"),
    "hcpcs": TextShape(_HCPCS, "HCPCS: a letter and four digits"),
    "modifier": TextShape("[0-9A-Za-z]{2}", "two letters or digits"),
    "ndc": TextShape(
        r"[0-9]{10,11}|[0-9]{4}-[0-9]{4}-[0-9]{2}|[0-9]{5}-(?:[0-9]{3}-[0-9]{2}|[0-9]{4}-[0-9]{1,2})",
        "NDC: ten or eleven digits, or 4-4-2, 5-3-2, 5-4-1 or 5-4-2 with hyphens",
    ),
    "rxnorm": TextShape("[1-9][0-9]{0,6}", "RxNorm: up to seven digits"),
    "cvx": TextShape("[0-9]{1,3}", "CVX: up to three digits"),
    "loinc": TextShape(r"[0-9]{1,6}-[0-9]|L[AP][0-9]{1,6}-[0-9]", "LOINC: up to six digits and a check digit"),
    # The third and second last digits of a concept are 00 or 10 (SNOMED International, SCTID, partition identifier).
    "snomed": TextShape("[1-9][0-9]{2,14}[01]0[0-9]", "SNOMED CT: six to eighteen digits that number a concept"),
    "drg": TextShape("[0-9]{1,3}(?:[vV][0-9]{1,2}|-[0-4])?|OTH", "up to three digits, with version or severity; OTH"),
    "revenue_code": TextShape("[0-9]{1,4}", "up to four digits"),
    "place_of_service": _worded(
        words.VISITS, "[0-9]{1,2}|0?[0-9]{2}[0-9A-Za-z]", "place of service, type of bill, or words for visits"
    ),
    "discharge_status": _worded(words.VISITS, "[0-9]{1,2}|[A-Z]", "up to two digits, a letter, or words for visits"),
    "admission_type": _worded(words.VISITS, "[0-9]{1,2}|[A-Z]{1,2}", "up to two characters, or words for visits"),
    "encounter_class": _worded(
        words.VISITS,
        "[0-9]{1,2}|10[0-9]{2}|2[0-9]{3}|[A-Z]|262|920[1-3]",
        "two digits, a claim type of CMS, a letter, an OMOP concept (262, 9201 to 9203), or words for visits",
    ),
    "present_on_admission": TextShape("[YNUWEXZynuwexz01]", "Y, N, U, W, 1 or its like"),
    "betos": TextShape("[A-Za-z][0-9][0-9A-Za-z]?", "BETOS: two or three characters"),
    "npi": TextShape("[0-9]{10}", "ten digits"),
    "provider_specialty": _worded(
        words.SPECIALTIES, "[0-9A-Z]?[0-9]|[0-9]{3}[0-9A-Z]{6}X", "a CMS or NUCC code, or words for specialties"
    ),
    # A Social Security number, a telephone number with its area and a day as eight digits are larger than any count.
    "income": NumberShape(-99_999_999, 99_999_999),
    "charge_amount": NumberShape(-99_999_999, 99_999_999),
    "count": NumberShape(-9_999_999, 9_999_999),
    "lab_value": _worded(
        words.RESULTS,
        rf"(?:{_MEASURED})(?: ?{_UNIT})?|{_GRADED}",
        "a number, ratio or range, with or without unit; or words for results",
    ),
    "unit": TextShape("[0-9]", "one digit, or a unit of UCUM or of laboratories", _UNIT),
    "omop_concept": TextShape("0|[1-9][0-9]{0,7}", "OMOP: up to eight digits; local concepts have ten"),
    "readmission": TextShape("yes|no", "yes or no"),
    "comorbidity": TextShape("yes|no", "yes or no"),
    "comorbidity_score": NumberShape(-50, 100),
    "visit_flag": TextShape("yes|no", "yes or no"),
    "em_level": TextShape("[1-5]", "1 to 5"),
    "sequence_number": NumberShape(0, 99_999),
    "indicator": _worded(
        words.FLAGS, f"{_TAG}|{_SYSTEM}", "up to three letters, up to four digits, or words of public status lists"
    ),
}  # fmt: skip

_HEAD = """\
# Shapes

Generated from `deid.cells.shapes` by `python -m deid.cells.shapes`; do not edit.

What a value must look like to be released by `keep`, `generalize_code` or `roll_up`.
What has another shape becomes null and is counted; the columns of a release are held against the same shapes on disk.
Patterns are RE2 and match from the first character to the last.
Where words are allowed, they are those of `deid/cells/shape_words.py`, in any case, parted by blanks or marks.
Kinds that are not listed have no shape.

| kind | shape | pattern |
|---|---|---|
"""


def shapes_page() -> str:
    """Return docs/reference/shapes.md."""
    return _HEAD + "".join(
        f"| `{name}` | {SHAPES[name].describe()} | {_shown(SHAPES[name])} |\n" for name in KINDS if name in SHAPES
    )


def _shown(shape: Shape) -> str:
    if not isinstance(shape, TextShape):
        return ""
    # The pattern of a value with its unit is as long as the list of units.
    codes = "" if len(shape.pattern) > 400 else "`" + shape.pattern.replace("|", "\\|") + "`"
    return f"{codes}, or words" if codes and shape.phrase else codes or "words"


if __name__ == "__main__":
    Path("docs/reference/shapes.md").write_text(shapes_page(), encoding="utf-8")
