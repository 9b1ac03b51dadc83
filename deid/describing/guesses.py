"""Guess the kind of a column from its name and from the shapes of a sample of its cells.

A name and a shape that agree make a guess sure; either alone, or a contradiction, does not. What nothing recognizes is
`unneeded`, unsure. A direct identifier that shapes reveal outweighs whatever the name says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deid.kinds import KINDS, Role, Value
from deid.notes.check_digits import is_npi


@dataclass(frozen=True, slots=True)
class Guess:
    """What a column may be: its kind, how sure that is from 0 to 1, and why, in words without values."""

    column: str
    kind: str
    confidence: float
    reason: str

    date_format: str = "iso"

    @property
    def is_sure(self) -> bool:
        """Whether the guess may stand without a question mark."""
        return self.confidence >= 0.9


# Tried in order on the name in lower case, words parted by `_`; the first that is found decides.
_NAMES: tuple[tuple[str, str], ...] = tuple(
    (rf"(?:^|_)(?:{words})(?:_|$)", kind)
    for words, kind in (
        ("ssn|social_security(?:_number|_no)?", "ssn"),
        ("mrn|medical_record(?:_number|_no)?", "mrn"),
        ("mbi|hicn?|member_(?:id|number|no)|subscriber_(?:id|number)|policy_(?:number|no)", "member_id"),
        ("(?:is_|in_)?(?:part_?2|42_?cfr(?:_part_?2)?|cfr_?42)(?:_.*)?", "part2"),
        ("npi", "npi"),
        ("patient_?(?:id|key|number|no)|pat_?id|bene_id|person_id|empi|desynpuf_id|subject_id", "patient_id"),
        ("encounter_?(?:id|key|number|no)|visit_?(?:id|number|no)|csn|fin", "encounter_id"),
        ("claim_?(?:id|key|number|no)|clm_(?:id|num|no)", "claim_id"),
        ("account_?(?:id|number|no)?|acct_?(?:id|no|num)?|har", "account_number"),
        ("driver_?s?_?(?:license|licence)?|passport|license_?(?:number|no)", "license_number"),
        ("udi|device_(?:id|serial)|serial_(?:number|no)", "device_id"),
        ("vin|license_plate", "vehicle_id"),
        ("(?:provider|physician|prescriber|doctor)_name", "provider_name"),
        ("(?:provider|physician|prescriber|payer|tax)_?(?:id|num|number|no)", "provider_id"),
        ("(?:facility|hospital|organization|org)_name", "facility_name"),
        ("facility_?(?:id|no)|hospital_?(?:id|no)|organization_?id|prvdr_num|ccn", "facility_id"),
        ("(?:mother|father|spouse|guarantor|contact|kin)s?(?:_.*)?_?name|maiden_name_mother", "relative_name"),
        ("employer(?:_name)?", "employer_name"),
        ("(?:first|last|middle|given|family|full|patient|preferred)_?name|surname|name|[fl]name|maiden", "person_name"),
        ("e_?mail(?:_address)?", "email"),
        ("fax(?:_.*)?", "fax"),
        ("phone(?:_.*)?|telephone|mobile|cell(?:_phone)?", "phone"),
        ("url|web_?site", "url"),
        ("ip_addr(?:ess)?", "ip_address"),
        ("photo|image", "photo"),
        ("address(?:_.*)?|addr(?:_?\\d)?|street(?:_.*)?", "street_address"),
        ("lat|lon|lng|latitude|longitude", "geocode"),
        ("zip|zip_?code|postal_?code|zip_cd", "zip_code"),
        ("census_tract|tract|block_group|precinct", "precinct"),
        ("county(?:_.*)?|fips", "county"),
        ("city|town", "city"),
        ("state(?:_c(?:o)?de?)?", "state"),
        ("country", "country"),
        ("birth_?date|date_of_birth|dob|birth_dt|birthdate", "birth_date"),
        ("birth_?place|place_of_birth", "birth_place"),
        ("death_?date|date_of_death|dod|death_dt|deathdate|deceased_date", "death_date"),
        ("admit(?:_?(?:date|dt|time))|admission_(?:date|dt)|admsn_dt|clm_admsn_dt", "admit_date"),
        ("disch(?:arge)?_?(?:date|dt|time)|dschrg_dt", "discharge_date"),
        (
            "(?:service|visit|encounter|procedure|onset|start|stop|end|from|thru)_?(?:date|dt)|dos",
            "service_date",
        ),
        (
            "(?:paid|billed|billing|posted|entry|created|updated|enrollment|recorded)_?(?:date|dt|at)",
            "record_date",
        ),
        ("discharge_(?:disposition|status)|dschrg_stus_cd", "discharge_status"),
        ("sex|gender", "sex"),
        ("race", "race"),
        ("ethnic(?:ity|_group)?|hispanic", "ethnicity"),
        ("marital(?:_status)?", "marital_status"),
        ("language|preferred_language", "language"),
        ("age|age_(?:years|at_.*)", "age"),
        ("income", "income"),
        ("icd_?(?:10)?_?pcs(?:_.*)?", "icd10pcs"),
        ("icd_?10(?:_?cm)?(?:_.*)?|dx_?\\d*|diag(?:nosis)?(?:_?(?:code|cd))?_?\\d*", "icd10cm"),
        ("icd_?9(?:_?cm)?(?:_.*)?", "icd9cm"),
        ("hcpcs(?:_cd|_code)?|cpt(?:_code)?|cpt_?4|proc(?:edure)?_(?:code|cd)", "cpt"),
        ("mod(?:ifier)?_?\\d*", "modifier"),
        ("ndc(?:_.*)?", "ndc"),
        ("rx_?norm|rxcui", "rxnorm"),
        ("loinc(?:_.*)?", "loinc"),
        ("snomed(?:_.*)?", "snomed"),
        ("drg(?:_.*)?|ms_drg", "drg"),
        ("rev(?:enue)?_(?:code|cd|cntr)", "revenue_code"),
        ("pos|place_of_service", "place_of_service"),
        ("payer|insurance|insurance_plan", "payer"),
        ("specialty|speciality|taxonomy", "provider_specialty"),
        ("encounter_?class|visit_type|patient_class|class", "encounter_class"),
        ("note(?:s|_text)?|narrative|report_text|impression|hpi", "clinical_note"),
        ("comment(?:s)?|remark(?:s)?|reason|free_?text|text|chief_complaint", "free_text"),
        ("desc(?:ription)?|.*_desc(?:ription)?", "code_description"),
        ("(?:.*_)?(?:amount|amt|charge|charges|cost|price|paid)", "charge_amount"),
        ("(?:.*_)?(?:count|cnt|qty|quantity|units|days|months)", "count"),
        ("line_?(?:no|num|number)|seq(?:uence)?(?:_.*)?", "sequence_number"),
        ("year", "year"),
    )
)
# Words so short that they count only as the whole name.
_WHOLE_NAMES = {
    "patient": "patient_id", "encounter": "encounter_id", "visit": "encounter_id", "organization": "facility_id",
    "provider": "provider_id", "first": "person_name", "last": "person_name", "middle": "person_name",
    "prefix": "person_name", "suffix": "person_name", "ip": "ip_address", "plan": "payer", "coverage": "payer",
    "start": "service_date", "stop": "service_date", "date": "service_date", "drivers": "license_number",
}  # fmt: skip
_COMPILED = tuple((re.compile(pattern), kind) for pattern, kind in _NAMES)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DATES = {
    "iso": re.compile(r"(?:18|19|20)\d\d-[01]\d-[0-3]\d(?:[T ].*)?"),
    "%m/%d/%Y": re.compile(r"[01]?\d/[0-3]?\d/(?:18|19|20)\d\d"),
    "%d/%m/%Y": re.compile(r"[0-3]?\d/[01]?\d/(?:18|19|20)\d\d"),
    "%Y%m%d": re.compile(r"(?:18|19|20)\d\d[01]\d[0-3]\d"),
    "%d-%b-%Y": re.compile(r"[0-3]?\d-[A-Za-z]{3}-(?:18|19|20)\d\d"),
}
_DATE_KINDS = frozenset(name for name, kind in KINDS.items() if kind.value is Value.DATE)
# Shapes are tried in this order; a sample fits one when at least three of four cells do.
_SHAPES: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("email", r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}", frozenset({"email"})),
    ("ssn", r"(?!000)\d{3}-\d{2}-\d{4}", frozenset({"ssn"})),
    ("url", r"https?://\S+", frozenset({"url", "photo"})),
    ("ip_address", r"(?:\d{1,3}\.){3}\d{1,3}", frozenset({"ip_address"})),
    ("phone", r"(?:\+?1[ .-]?)?\(?[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}(?:\s.*)?",
     frozenset({"phone", "fax", "facility_phone"})),
    ("member_id", r"[1-9][A-Z][A-Z0-9]\d-?[A-Z][A-Z0-9]\d-?[A-Z]{2}\d\d", frozenset({"member_id"})),
    ("zip_code", r"\d{5}-\d{4}", frozenset({"zip_code", "facility_place"})),
    ("icd10cm", r"[A-TV-Z]\d[0-9A-Z]\.?[0-9A-Z]{1,4}", frozenset({"icd10cm", "icd_any", "icd10"})),
    ("loinc", r"\d{1,5}-\d", frozenset({"loinc"})),
    ("unique_id", r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", frozenset()),
)  # fmt: skip
_SHAPE_PATTERNS = tuple((kind, re.compile(pattern), fits) for kind, pattern, fits in _SHAPES)
_FIVE_DIGITS = re.compile(r"\d{5}")
_FIVE_DIGIT_KINDS = frozenset({"zip_code", "facility_place", "cpt", "count", "charge_amount"})
_LONG_TEXT = 60
_MOST = 0.75
_CERTAIN_BY_NAME = frozenset({"sex", "race", "ethnicity", "marital_status", "state", "city", "county"})


def guess_column(column: str, sample: Sequence[str]) -> Guess:
    """Return the likeliest kind of a column; `sample` holds non-null cells as text and is never quoted."""
    named = _by_name(column)
    written = _date_format(sample)
    if written is None:
        return _undated(column, named, sample)
    return replace(_dated(column, named, written), date_format=written)


def _dated(column: str, named: str | None, written: str) -> Guess:
    if named is not None and named in _DATE_KINDS:
        unclear = written in ("%m/%d/%Y", "%d/%m/%Y")  # days up to the twelfth fit both
        return Guess(column, named, 0.8 if unclear else 0.95, f"the name says {named}; the sample is dates")
    says = "the name is not recognized" if named is None else f"the name says {named}"
    return Guess(column, "service_date", 0.5, f"the sample is dates, but {says}")


def _undated(column: str, named: str | None, sample: Sequence[str]) -> Guess:
    shaped = _by_shape(sample)
    if shaped is None:
        return _without_shape(column, named, sample)
    kind, share, fits = shaped
    found = f"{share:.0%} of {len(sample)} sampled cells have the shape of {kind}"
    if named is not None and (named == kind or named in fits or _is_key(named, kind)):
        return Guess(column, named, 0.95 if share >= 0.95 else 0.8, f"the name says {named}; {found}")
    if named is not None and KINDS[kind].role is not Role.DIRECT:
        return Guess(column, named, 0.5, f"the name says {named}, but {found}")
    return Guess(column, kind, 0.6, found if named is None else f"{found}, though the name says {named}")


def _without_shape(column: str, named: str | None, sample: Sequence[str]) -> Guess:
    if named is None:
        return Guess(column, "unneeded", 0.0, "neither the name nor the sample is recognized")
    kind = KINDS[named]
    if kind.value is Value.DATE and sample:
        return Guess(column, named, 0.4, f"the name says {named}, but the sample does not look like dates")
    if kind.value in (Value.DECIMAL, Value.INTEGER) and sample:
        numeric = _share(sample, _is_number)
        sure = 0.95 if numeric >= 0.95 else 0.4
        return Guess(column, named, sure, f"the name says {named}; {numeric:.0%} of the sample are numbers")
    if not sample:
        return Guess(column, named, 0.5, f"the name says {named}; the sample is empty")
    # Names alone are sure enough where being wrong only withholds: direct identifiers and free text.
    cautious = kind.role is Role.DIRECT or kind.value is Value.NOTE
    sure = 0.9 if cautious or named in _CERTAIN_BY_NAME else 0.7
    return Guess(column, named, sure, f"the name says {named}")


def _by_name(column: str) -> str | None:
    words = re.sub(r"[^a-z0-9]+", "_", _CAMEL.sub("_", column).lower()).strip("_")
    return _WHOLE_NAMES.get(words) or next((kind for pattern, kind in _COMPILED if pattern.search(words)), None)


def _date_format(sample: Sequence[str]) -> str | None:
    """Return how the dates of a sample are written, or None where it is not dates."""
    shares = {written: _share(sample, pattern.fullmatch) for written, pattern in _DATES.items()}
    best = max(shares, key=lambda written: shares[written])
    return best if shares[best] >= _MOST else None


def _by_shape(sample: Sequence[str]) -> tuple[str, float, frozenset[str]] | None:
    """Return the kind that the sample looks like, the share of cells that do, and the names that agree with it."""
    tests: list[tuple[str, Callable[[str], object], frozenset[str]]] = [
        *((kind, pattern.fullmatch, fits) for kind, pattern, fits in _SHAPE_PATTERNS),
        ("npi", _is_npi, frozenset({"npi", "provider_id"})),
        (
            "zip_code",
            _FIVE_DIGITS.fullmatch,
            frozenset({"zip_code", "cpt", "facility_place", "count", "charge_amount"}),
        ),
        ("free_text", lambda cell: len(cell) > _LONG_TEXT, frozenset({"clinical_note", "free_text"})),
    ]
    found = ((kind, _share(sample, fits), names) for kind, fits, names in tests)
    return next((one for one in found if one[1] >= (_MOST if one[0] != "free_text" else 0.5)), None)


def _is_key(named: str, shape: str) -> bool:
    """Whether a column named as a key holds what looks like UUIDs."""
    return shape == "unique_id" and KINDS[named].is_identifier_code


def _share(sample: Sequence[str], fits: Callable[[str], object]) -> float:
    return sum(bool(fits(cell)) for cell in sample) / len(sample) if sample else 0.0


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_npi(cell: str) -> bool:
    """Whether ten digits pass the Luhn check over 80840 and the number (45 CFR 162.406)."""
    return len(cell) == 10 and cell.isascii() and cell.isdigit() and is_npi(cell)
