"""What the labels of other people's models mean: from BIO and BILOU labels to kinds of deid/kinds.py.

The names are those that model cards of the model hub give: i2b2 and the models trained on it, Stanford's and OBI's
deidentifiers, the sets of general personal data that OpenMed and others were trained on, and plain CoNLL.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deid.errors import NotesError
from deid.kinds import KINDS
from deid.notes.kinds_of_spans import kind_of

UNKNOWN = "unique_id"  # what a label that nobody knows is taken for: it is never dropped
NOTHING = "O"
_OUTSIDE = frozenset({"O", "OUTSIDE", "NONE", "NONPHI", "NOTPHI"})
_PREFIX = re.compile(r"[BILUESM]-(?=.)")
_NUMBERED = re.compile(r"LABEL_?\d+")
_RULE_LETTERS = re.compile(r"[^\w .:/-]")

_NAMES: dict[str, str] = {
    "person_name": "NAME PERSON PER PATIENT PATIENTNAME PERSONNAME FULLNAME FIRSTNAME GIVENNAME MIDDLENAME LASTNAME "
    "SURNAME FAMILYNAME NICKNAME MAIDENNAME INITIALS NAMEPATIENT PRIVATEPERSON PREFIX SUFFIX",
    "relative_name": "RELATIVE RELATIVENAME FAMILYMEMBER FAMILY RELATEDPERSON",
    "provider_name": "DOCTOR DR HCW STAFF PROVIDER PROVIDERNAME PHYSICIAN PHYSICIANNAME CLINICIAN NURSE NAMEDOCTOR "
    "NAMEPROFESSIONAL CAREGIVER",
    "unique_id": "ID IDNUM IDENTIFIER UNIQUEID UNIQUEIDENTIFIER OTHERPHI OTHER PHI PII USERNAME NAMEUSERNAME BIOID "
    "EMPLOYEEID CUSTOMERID PASSWORD PIN APIKEY HTTPCOOKIE VENDOR ORG ORGANIZATION ORGANISATION COMPANY COMPANYNAME "
    "PATORG MISC NATIONALID TAXID IDCARD IDCARDNUM BIOMETRICIDENTIFIER BIOMETRIC OTHERID SECRET",
    "mrn": "MRN MEDICALRECORD MEDICALRECORDNUMBER MEDICALRECORDNUM",
    "encounter_id": "ENCOUNTERID VISITNUMBER VISITID ENCOUNTERNUMBER",
    "ssn": "SSN SOCIALSECURITYNUMBER SOCIALNUM SOCIALNUMBER USSSN",
    "member_id": "HEALTHPLAN HEALTHPLANNUMBER HEALTHPLANBENEFICIARYNUMBER INSURANCEID INSURANCENUMBER MEMBERID MBI "
    "BENEFICIARYNUMBER POLICYNUMBER",
    "account_number": "ACCOUNT ACCOUNTNUMBER ACCOUNTNUM CREDITCARD CREDITCARDNUMBER CREDITDEBITCARD IBAN BIC CVV "
    "BANKACCOUNT BANKROUTINGNUMBER SWIFTBIC CREDITCARDCVV USBANKNUMBER",
    "license_number": "LICENSE LICENSENUMBER LICENCE CERTIFICATELICENSENUMBER DRIVERLICENSE DRIVERSLICENSE "
    "DRIVERLICENSENUM DRIVERLICENSENUMBER PASSPORT PASSPORTNUM PASSPORTNUMBER DEA USDRIVERLICENSE USPASSPORT",
    "vehicle_id": "VEHICLE VEHICLEID VEHICLEIDENTIFIER VIN VEHICLEVIN VEHICLEVRM LICENSEPLATE",
    "device_id": "DEVICE DEVICEID DEVICEIDENTIFIER IMEI PHONEIMEI MAC MACADDRESS SERIALNUMBER",
    "phone": "PHONE PHONENUMBER PHONENUM TELEPHONE TELEPHONENUM PAGER",
    "fax": "FAX FAXNUMBER",
    "email": "EMAIL EMAILADDRESS",
    "url": "URL WEBSITE WEB",
    "ip_address": "IP IPADDRESS IPADDR IPV4 IPV6",
    "service_date": "DATE DATETIME",
    "birth_date": "DOB BIRTHDATE DATEOFBIRTH BIRTHDAY",
    "death_date": "DOD DEATHDATE DATEOFDEATH",
    "age": "AGE AGE90 AGEOVER89 AGEOVER90",
    "facility_name": "HOSPITAL HOSP FACILITY FACILITYNAME CLINIC DEPARTMENT WARD LOCATIONHOSPITAL "
    "LOCATIONORGANIZATION HEALTHCAREFACILITY",
    "street_address": "STREET STREETADDRESS ADDRESS STREETNAME BUILDINGNUM BUILDINGNUMBER SECONDARYADDRESS ROOM "
    "ROOMNUMBER LOCATIONSTREET LOCATIONOTHER LOCATIONADDRESS",
    "city": "CITY TOWN LOCATIONCITY",
    "county": "COUNTY",
    "zip_code": "ZIP ZIPCODE POSTCODE POSTALCODE LOCATIONZIP",
    "geocode": "COORDINATE COORDINATES GPS NEARBYGPSCOORDINATE LATLONG",
    "npi": "NPI",
    "employer_name": "EMPLOYER EMPLOYERNAME",
    # No identifiers in the sense of 45 CFR 164.514(b)(2)(i).
    NOTHING: "STATE COUNTRY LOCATIONSTATE LOCATIONCOUNTRY GENDER SEX SEXTYPE SEXUALITY RACE ETHNICITY RACEETHNICITY "
    "LANGUAGE MARITALSTATUS PROFESSION OCCUPATION JOBTITLE JOBTYPE JOBAREA EDUCATIONLEVEL EMPLOYMENTSTATUS TIME "
    "BLOODTYPE RELIGIOUSBELIEF POLITICALVIEW CURRENCY CURRENCYCODE CURRENCYNAME CURRENCYSYMBOL AMOUNT HEIGHT EYECOLOR",
}  # fmt: skip
# Labels wide enough that the text decides which kind it is.
_WIDE = {"LOCATION": "LOCATION", "LOC": "LOCATION", "GPE": "LOCATION", "PLACE": "LOCATION", "CONTACT": "CONTACT"}
_KINDS_OF_WIDE = {
    "LOCATION": frozenset({"city", "street_address", "zip_code"}),
    "CONTACT": frozenset({"phone", "email", "url"}),
}
_TABLE = {name: kind for kind, names in _NAMES.items() for name in names.split()}

_WORD = re.compile(r"\d+|[^\W\d_]+")
_WORDS_OF_AGE = frozenset({
    "y", "yo", "yr", "yrs", "year", "years", "old", "m", "mo", "mos", "month", "months", "w", "wk", "wks", "week",
    "weeks", "d", "day", "days", "s", "f", "male", "female", "age", "aged", "of", "in", "his", "her", "their",
    "the", "early", "mid", "late", "and",
})  # fmt: skip
_BARE_YEAR = re.compile(r"(?:19|20)\d\d")
OLDEST = 89


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one label of a model means; `begins` where it can only be the first of its span.

    `kind` is a name of deid.kinds, or a class of deid.notes.kinds_of_spans where the text decides which.
    """

    name: str
    kind: str
    begins: bool

    @property
    def rule(self) -> str:
        """The rule of spans with this label."""
        return f"hub:{self.name}"


def meanings(labels: Collection[str], own: Mapping[str, str] | None = None) -> list[Meaning | None]:
    """Return what each label means, None where it is no identifier; `own` goes before the table.

    `own` maps labels, with or without prefix and in any spelling, to kinds, or to "O" for no identifier. A label that
    neither has is `unique_id`. Raises NotesError for a kind that is not there, for labels without a name, and where
    no label means that a word is none.
    """
    chosen = _checked(own or {})
    found = [_meaning(label, chosen) for label in labels]
    if all(found):
        raise NotesError(
            "none of the model's labels says that a word is no identifier",
            hint='give labels with the one that does, as in {"LABEL_0": "O"}',
        )
    return found


def _checked(own: Mapping[str, str]) -> dict[str, str]:
    unknown = sum(kind not in KINDS and kind != NOTHING for kind in own.values())
    if unknown:
        raise NotesError(
            f"{unknown} of the {len(own)} labels given are mapped to kinds that do not exist",
            hint='take names of docs/reference/kinds.md, or "O" for what is no identifier',
        )
    return {_squeezed(label): kind for label, kind in own.items()}


def _meaning(label: str, own: Mapping[str, str]) -> Meaning | None:
    # `B-DATE` is a date that begins, and `E-MAIL` no MAIL that ends.
    prefixed = bool(_PREFIX.match(label)) and _squeezed(label) not in _TABLE
    name = label[2:] if prefixed else label
    squeezed = _squeezed(name)
    kind = own.get(_squeezed(label)) or own.get(squeezed)
    if kind is None and _NUMBERED.fullmatch(name.upper()):
        raise NotesError(
            "the model does not say what its labels mean",
            hint='give labels, as in {"LABEL_0": "O", "LABEL_1": "person_name"}',
        )
    if kind is None and squeezed in _OUTSIDE:
        kind = NOTHING
    if kind is None:
        kind = _WIDE.get(squeezed) or _TABLE.get(squeezed, UNKNOWN)
    if kind == NOTHING:
        return None
    return Meaning(_RULE_LETTERS.sub("?", name)[:60], kind, prefixed and label[0] in "BUS")


def kind_in(meaning: Meaning, text: str) -> str | None:
    """Return the kind of a span whose characters are `text`; None for what the law lets stay.

    That is an age under 90 and a year alone (45 CFR 164.514(b)(2)(i)(C)).
    """
    kind = kind_of(meaning.kind, text) if meaning.kind in _KINDS_OF_WIDE else meaning.kind
    if kind == "age":
        return None if _is_young(text) else kind
    if kind == "service_date" and _BARE_YEAR.fullmatch(text):
        return None
    return kind


def kinds_of(meaning: Meaning) -> frozenset[str]:
    """Return the kinds that spans of a meaning can be of."""
    return _KINDS_OF_WIDE.get(meaning.kind, frozenset({meaning.kind}))


def _is_young(text: str) -> bool:
    """Whether a text holds numbers below 90 and otherwise words of ages alone."""
    words = _WORD.findall(text.lower())
    numbers = [word for word in words if word.isdecimal()]
    return (
        bool(numbers)
        and all(len(n) < 3 and int(n) <= OLDEST for n in numbers)
        and all(word.isdecimal() or word in _WORDS_OF_AGE for word in words)
    )


def _squeezed(label: str) -> str:
    return "".join(c for c in label.upper() if c.isalnum())
