"""The closed vocabulary of kinds: what a column is, and what the law says of it.

Each kind carries its Safe Harbor identifier, a letter of 45 CFR 164.514(b)(2)(i)(A)-(R), or none; its Limited Data Set
identifier, a numeral of 164.514(e)(2)(i)-(xvi), or none; its role in disclosure control (ISO/IEC 20889); and the type
that its values are parsed to. Everything else about a kind follows from these.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a value can do to a person's privacy (ISO/IEC 20889: direct identifier, quasi-identifier, sensitive)."""

    DIRECT = "direct identifier"
    QUASI = "quasi-identifier"
    SENSITIVE = "sensitive"
    OTHER = "other"


class Value(StrEnum):
    """What the text of a cell is parsed to before any transform sees it."""

    TEXT = "text"
    CODE = "code"
    DATE = "date"
    INTEGER = "integer"
    DECIMAL = "decimal"
    NOTE = "note"


class Group(StrEnum):
    """The families in which the reference page lists the kinds."""

    IDENTIFIER = "identifiers"
    PLACE = "places"
    TIME = "dates and ages"
    PERSON = "demographics"
    CODE = "coded data"
    PROVIDER = "providers and facilities"
    AMOUNT = "charges and counts"
    TEXT = "free text"
    DERIVED = "derived measures"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.

    `safe_harbor` is a letter A-R or None; `limited` a numeral i-xvi or None.
    """

    name: str
    group: Group
    role: Role
    value: Value
    safe_harbor: str | None
    limited: str | None
    meaning: str

    @property
    def is_identifier_code(self) -> bool:
        """Whether the kind is a number or code that stands for one person, event or provider, and so may be a key."""
        return self.name in _IDENTIFIER_CODES

    @property
    def is_medical_code(self) -> bool:
        """Whether the kind belongs to a clinical or billing code system with a hierarchy."""
        return self.group is Group.CODE


_D, _Q, _S, _O = Role.DIRECT, Role.QUASI, Role.SENSITIVE, Role.OTHER
_T, _C, _DT, _I, _N, _NOTE = Value.TEXT, Value.CODE, Value.DATE, Value.INTEGER, Value.DECIMAL, Value.NOTE
_IDENTIFIER_CODES = frozenset({"patient_id", "mrn", "encounter_id", "claim_id", "account_number", "member_id",
                               "npi", "provider_id", "facility_id", "unique_id"})  # fmt: skip

_ROWS: dict[Group, tuple[tuple[str, Role, Value, str | None, str | None, str], ...]] = {
    Group.IDENTIFIER: (
        ("patient_id", _D, _T, "R", "vii", "the source's key for a patient"),
        ("person_name", _D, _T, "A", "i", "a name, or part of one, of the patient"),
        ("relative_name", _D, _T, "A", "i", "a name of a relative, guarantor or household member"),
        ("employer_name", _D, _T, "A", "i", "the name of an employer of the patient or of a relative"),
        ("phone", _D, _T, "D", "iii", "a telephone number"),
        ("fax", _D, _T, "E", "iv", "a fax number"),
        ("email", _D, _T, "F", "v", "an electronic mail address"),
        ("ssn", _D, _T, "G", "vi", "a Social Security number"),
        ("mrn", _D, _T, "H", "vii", "a medical record number"),
        ("member_id", _D, _T, "I", "viii", "a health plan beneficiary number (MBI, HICN, member number)"),
        ("account_number", _D, _T, "J", "ix", "an account number, a patient control number among them"),
        ("license_number", _D, _T, "K", "x", "a certificate or license number (driver, passport, professional)"),
        ("vehicle_id", _D, _T, "L", "xi", "a vehicle identifier or serial number, license plates among them"),
        ("device_id", _D, _T, "M", "xii", "a device identifier or serial number (UDI)"),
        ("url", _D, _T, "N", "xiii", "a web address"),
        ("ip_address", _D, _T, "O", "xiv", "an internet protocol address"),
        ("biometric", _D, _T, "P", "xv", "a biometric identifier, finger and voice prints among them"),
        ("photo", _D, _T, "Q", "xvi", "a full-face photograph or comparable image, or a reference to one"),
        ("encounter_id", _D, _T, "R", None, "the source's key for an encounter"),
        ("claim_id", _D, _T, "R", None, "the source's key for a claim, a line or a claim group"),
        ("unique_id", _D, _T, "R", None, "any other unique number, characteristic or code"),
    ),
    Group.PLACE: (
        ("street_address", _D, _T, "B", "ii", "street, house, box or apartment"),
        ("city", _Q, _T, "B", None, "town or city of the patient"),
        ("county", _Q, _T, "B", None, "county or its code"),
        ("precinct", _Q, _T, "B", "ii", "precinct, census tract or block"),
        ("zip_code", _Q, _T, "B", None, "ZIP code of the patient"),
        ("geocode", _D, _T, "B", "ii", "latitude, longitude or an equivalent geocode"),
        ("birth_place", _Q, _T, "B", "ii", "place of birth"),
        ("state", _Q, _T, None, None, "state of the patient"),
        ("country", _Q, _T, None, None, "country of the patient"),
    ),
    Group.TIME: (
        ("birth_date", _Q, _DT, "C", None, "date of birth"),
        ("death_date", _Q, _DT, "C", None, "date of death"),
        ("service_date", _Q, _DT, "C", None, "when a service, diagnosis or encounter was, began or ended"),
        ("admit_date", _Q, _DT, "C", None, "date of admission"),
        ("discharge_date", _Q, _DT, "C", None, "date of discharge"),
        ("record_date", _Q, _DT, "C", None, "when something about the patient was written, billed, paid or enrolled"),
        ("year", _Q, _I, "C", None, "a calendar year that concerns the patient"),
        ("age", _Q, _I, "C", None, "age in whole years"),
        ("part_of_year", _Q, _C, "C", None, "a status or count that tells a part of a year, as one of a single month"),
    ),
    Group.PERSON: (
        ("sex", _Q, _C, None, None, "administrative sex or gender"),
        ("race", _Q, _C, None, None, "race"),
        ("ethnicity", _Q, _C, None, None, "ethnicity"),
        ("marital_status", _Q, _C, None, None, "marital status"),
        ("language", _Q, _C, None, None, "language"),
        ("payer", _Q, _C, None, None, "kind of payer, plan or coverage"),
        ("income", _Q, _N, None, None, "income"),
        ("deceased", _Q, _C, None, None, "whether the patient has died"),
    ),
    Group.CODE: (
        ("icd10cm", _Q, _C, None, None, "ICD-10-CM diagnosis code"),
        ("icd10pcs", _Q, _C, None, None, "ICD-10-PCS procedure code"),
        ("icd10", _Q, _C, None, None, "WHO ICD-10 code"),
        ("icd9cm", _Q, _C, None, None, "ICD-9-CM diagnosis or procedure code"),
        ("icd_any", _Q, _C, None, None, "ICD code whose revision another column tells"),
        ("icd_version", _O, _C, None, None, "which ICD revision a code belongs to"),
        ("cpt", _Q, _C, None, None, "CPT code, or CPT and HCPCS in one column"),
        ("hcpcs", _Q, _C, None, None, "HCPCS Level II code"),
        ("modifier", _Q, _C, None, None, "CPT or HCPCS modifier"),
        ("ndc", _Q, _C, None, None, "National Drug Code"),
        ("rxnorm", _Q, _C, None, None, "RxNorm concept"),
        ("cvx", _Q, _C, None, None, "vaccine code (CVX)"),
        ("loinc", _Q, _C, None, None, "LOINC code"),
        ("snomed", _Q, _C, None, None, "SNOMED CT concept"),
        ("drg", _Q, _C, None, None, "diagnosis-related group"),
        ("revenue_code", _Q, _C, None, None, "UB-04 revenue code"),
        ("place_of_service", _Q, _C, None, None, "place of service or facility type code"),
        ("discharge_status", _Q, _C, None, None, "patient discharge status"),
        ("admission_type", _Q, _C, None, None, "type or source of admission"),
        ("encounter_class", _Q, _C, None, None, "class of encounter: inpatient, outpatient, emergency"),
        ("present_on_admission", _O, _C, None, None, "present-on-admission indicator"),
        ("omop_concept", _Q, _C, None, None, "concept of the OMOP standardized vocabularies"),
        ("betos", _Q, _C, None, None, "Berenson-Eggers type of service"),
        ("local_code", _Q, _C, "R", None, "code of a local system, which may hide an identifier"),
    ),
    Group.PROVIDER: (
        ("npi", _Q, _T, "R", None, "National Provider Identifier"),
        ("provider_id", _Q, _T, "R", None, "any other number of a provider, payer contract or tax number"),
        ("provider_name", _Q, _T, None, None, "name of a provider"),
        ("provider_specialty", _Q, _C, None, None, "specialty or taxonomy of a provider"),
        ("facility_id", _Q, _T, "R", None, "number of a facility or organization"),
        ("facility_name", _Q, _T, None, None, "name of a facility or organization"),
        ("facility_place", _Q, _T, "B", None, "address, ZIP, county or geocode of a provider or facility"),
        ("facility_state", _Q, _T, None, None, "state of a provider or facility"),
        ("facility_phone", _Q, _T, "D", None, "telephone or fax number of a provider or facility"),
    ),
    Group.AMOUNT: (
        ("charge_amount", _Q, _N, None, None, "money charged, allowed or paid"),
        ("count", _Q, _N, None, None, "count of units, days, months or services"),
        ("lab_value", _S, _T, "C", None, "result of a measurement or an answer, which may be an age or a date"),
        ("unit", _O, _C, None, None, "unit of a measurement"),
    ),
    Group.TEXT: (
        ("clinical_note", _S, _NOTE, "A", "i", "free clinical text, which may hold any identifier"),
        ("free_text", _S, _NOTE, "A", "i", "any other free text: a comment, a remark, a reason as typed"),
        ("code_description", _O, _T, None, None, "display text of a code, typed or chosen by people"),
    ),
    Group.DERIVED: (
        ("length_of_stay", _Q, _I, None, None, "days from admission to discharge"),
        ("readmission", _Q, _C, None, None, "whether another admission followed within 30 days"),
        ("comorbidity", _Q, _C, None, None, "whether the diagnoses of a visit show a chronic condition"),
        ("comorbidity_score", _Q, _I, None, None, "weighted sum of the chronic conditions of a visit"),
        ("visit_flag", _Q, _C, None, None, "what codes tell of a visit: telehealth, emergency, inpatient"),
        ("em_level", _Q, _C, None, None, "level of the evaluation and management service of a visit, 1 to 5"),
    ),
    Group.OTHER: (
        ("sequence_number", _O, _I, None, None, "position of a row within its claim or encounter"),
        ("part2", _S, _C, None, None, "whether a row or provider is of a program under 42 CFR Part 2; no, or else yes"),
        ("indicator", _O, _C, None, None, "closed administrative flag or status from a short public list"),
        ("unneeded", _O, _T, "R", "vii", "described as never to be released"),
    ),
}

KINDS: dict[str, Kind] = {
    name: Kind(name, group, role, value, letter, numeral, meaning)
    for group, rows in _ROWS.items()
    for name, role, value, letter, numeral, meaning in rows
}

SAFE_HARBOR_LETTERS: dict[str, str] = {
    "A": "names",
    "B": "geographic subdivisions smaller than a state, except an allowed three-digit ZIP",
    "C": "elements of dates except year, ages over 89 and all elements that indicate one",
    "D": "telephone numbers",
    "E": "fax numbers",
    "F": "electronic mail addresses",
    "G": "Social Security numbers",
    "H": "medical record numbers",
    "I": "health plan beneficiary numbers",
    "J": "account numbers",
    "K": "certificate and license numbers",
    "L": "vehicle identifiers and serial numbers, license plates among them",
    "M": "device identifiers and serial numbers",
    "N": "web addresses",
    "O": "internet protocol addresses",
    "P": "biometric identifiers",
    "Q": "full-face photographs and comparable images",
    "R": "any other unique identifying number, characteristic or code",
}

LIMITED_NUMERALS: dict[str, str] = {
    "i": "names",
    "ii": "postal address other than town or city, state and ZIP code",
    "iii": "telephone numbers",
    "iv": "fax numbers",
    "v": "electronic mail addresses",
    "vi": "Social Security numbers",
    "vii": "medical record numbers",
    "viii": "health plan beneficiary numbers",
    "ix": "account numbers",
    "x": "certificate and license numbers",
    "xi": "vehicle identifiers and serial numbers, license plates among them",
    "xii": "device identifiers and serial numbers",
    "xiii": "web addresses",
    "xiv": "internet protocol addresses",
    "xv": "biometric identifiers",
    "xvi": "full-face photographs and comparable images",
}
