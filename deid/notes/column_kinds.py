"""Which kind of identifier a column of a patient table holds, by the words of its name.

Data first: each row is a kind and the words that tell it, tried in order. A name is cut into words at blanks, marks and
changes of case, so that `Patient_LastName`, `patient last name` and `patientLastName` are one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from deid.kinds import KINDS, Value
from deid.notes.known import SEARCHED_KINDS

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Keys of a patient, the best first.
KEYS = (
    "patientid", "patient", "patid", "patkey", "patientkey", "patientnumber", "patientidentifier", "personid",
    "subjectid", "subject", "beneid", "id", "identifier", "key",
)  # fmt: skip

# What names nobody, whole or as the last word of a name.
PASSED = _words(
    """
    sex gender race ethnicity ethnic language languages marital maritalstatus religion state statecode country
    countrycode nationality citizenship income deceased alive active status age ageyears bloodtype payer payertype
    payorclass insurancetype coverage coveragetype healthcareexpenses healthcarecoverage expenses prefix suffix
    salutation title pronouns ispregnant smoker smokingstatus education occupation veteran interpreter interpreterneeded
    version rowversion deletedflag isactive isdeleted gendercode racecode ethnicitycode sexcode sexatbirth
    genderidentity birthsex relationship insurancename payername planname financialclass multiplebirth
    multiplebirthboolean multiplebirthinteger
    """
)
# What a patient has, takes or is tested for: such a column is no person's name, whatever else it is called.
_CLINICAL = _words(
    """
    diagnosis diagnoses dx icd cpt drg hcpcs loinc ndc snomed rxnorm drug drugs medication medications med meds allergy
    allergies allergen test tests lab labs result results vaccine immunization problem problems condition conditions
    symptom symptoms finding findings procedure procedures specialty
    """
)


@dataclass(frozen=True, slots=True)
class _Told:
    """A kind, the words of which one must be there, and those of which one must be there beside it (none: any)."""

    kind: str
    one_of: frozenset[str]
    beside: frozenset[str] = frozenset()


def _told(kind: str, one_of: str, beside: str = "") -> _Told:
    return _Told(kind, _words(one_of), _words(beside))


_NUMBER = "id ids number num no nbr code identifier key record"
_RELATIVES = (
    "mother mothers mom father fathers dad parent parents spouse husband wife partner guardian guarantor relative kin "
    "nok contact emergency child children son daughter sibling brother sister caregiver proxy subscriber insured "
    "policyholder household grandmother grandfather aunt uncle cousin fiance friend neighbor"
)
_PROVIDERS = (
    "provider pcp physician doctor clinician attending surgeon nurse referring consultant therapist resident "
    "practitioner prescriber author radiologist pathologist cardiologist oncologist psychiatrist dentist pharmacist"
)
_FACILITIES = "facility hospital clinic practice organization organisation site ward pharmacy department location"
_RULES = (
    _told("fax", "fax facsimile telefax"),
    _told("phone", "phone phones telephone tel mobile cell cellphone pager beeper telecom msisdn homephone workphone"),
    _told("email", "email emails mail"),
    _told("url", "url urls website web homepage"),
    _told("ip_address", "ip ipaddress"),
    _told("birth_place", "birthplace birthcity pob"),
    _told("birth_place", "birth", "place city town country state county hospital address"),
    _told("birth_date", "dob birthdate birthday birthdt dateofbirth"),
    _told("birth_date", "birth born", "date day dt year month time timestamp on"),
    _told("death_date", "dod deathdate deathdt deceaseddate dateofdeath"),
    _told("death_date", "death deceased died expired", "date day dt time datetime timestamp on"),
    _told("ssn", "ssn ssns social socialsecurity socialsecuritynumber"),
    _told("mrn", "mrn mrns emrn mpi empi medrec chart medicalrecord medicalrecordnumber"),
    _told("mrn", "medical med hospital record", _NUMBER),
    _told("vehicle_id", "vin plate vehicle car"),
    _told("device_id", "device udi serial serialnumber implant pacemaker imei mac"),
    _told("license_number", "license licence drivers driverslicense driverlicense dl passport certificate dea visa"),
    _told("npi", "npi"),
    _told("member_id", "mbi hicn medicare medicaid beneficiary bene memberid policynumber policyid"),
    _told("member_id", "member subscriber policy insurance plan group insured coverage payer", _NUMBER),
    _told("account_number", "account acct accountnumber accountno csn har fin billing iban card invoice"),
    _told("claim_id", "claim claims claimid"),
    _told("encounter_id", "encounterid visitid"),
    _told("encounter_id", "encounter visit admission stay appointment", _NUMBER),
    _told("provider_id", _PROVIDERS, _NUMBER),
    _told("facility_id", _FACILITIES, _NUMBER),
    _told("admit_date", "admitdate admitted admittime admit", ""),
    _told("admit_date", "admission", "date day dt time datetime start"),
    _told("discharge_date", "dischargedate discharged dischtime discharge disch"),
    _told("service_date", "servicedate visitdate encounterdate dos"),
    _told(
        "service_date", "service visit visits encounter appointment procedure surgery exam", "date dates day dt time"
    ),
    _told("record_date", "date dates datetime timestamp dt created updated modified lastupdated"),
    _told("zip_code", "zip zipcode zip4 zip5 postal postcode postalcode"),
    _told("county", "county parish borough fips"),
    _told("precinct", "precinct tract block censustract"),
    _told("geocode", "lat latitude lon lng longitude geocode geo coordinates"),
    _told("facility_name", _FACILITIES),
    _told("street_address", "address addresses addr street streets line line1 line2 address1 address2 addr1 addr2 apt"),
    _told("street_address", "unit apartment residence box"),
    _told("city", "city town village municipality suburb hometown township"),
    _told("employer_name", "employer company workplace business school university employment"),
    _told("provider_name", _PROVIDERS),
    _told("relative_name", _RELATIVES),
    _told("photo", "photo image picture"),
    _told("biometric", "biometric fingerprint voiceprint"),
    _told(
        "person_name",
        "name names fullname firstname lastname middlename givenname familyname surname forename fname lname mname "
        "given first last middle family maiden maidenname birthname nickname nick preferred preferredname alias "
        "aliases aka patientname legalname formername initials",
    ),
)

_FIRST = frozenset({"first", "firstname", "given", "givenname", "forename", "fname"})
_LAST = frozenset({"last", "lastname", "family", "familyname", "surname", "lname"})


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a column's name, in lower case, the indices of a nested member left out."""
    return tuple(word.lower() for word in _PARTS.findall(name) if not word.isdigit())


def kind_of_column(name: str) -> str | None:
    """Return the kind of the column `name`; None where its name tells none. Columns of `is_passed` come before."""
    words = words_of(name)
    whole = "_".join(words)
    if whole in SEARCHED_KINDS:
        return whole
    told = {*words, "".join(words), *("".join(pair) for pair in pairwise(words))}
    for rule in _RULES:
        if not rule.one_of.isdisjoint(told) and (not rule.beside or not rule.beside.isdisjoint(told)):
            return rule.kind
    return None


def is_passed(name: str) -> bool:
    """Whether the column names nobody: sex, race, a state, a status, a diagnosis."""
    words = words_of(name)
    kind = KINDS.get("_".join(words))
    if kind is not None:
        return kind.name not in SEARCHED_KINDS and kind.value is not Value.NOTE
    if "".join(words) in PASSED or (bool(words) and words[-1] in PASSED) or words[:1] == ("is",):
        return True
    return not _CLINICAL.isdisjoint(words) and kind_of_column(name) in (None, "person_name")


def part_of_name(name: str) -> str | None:
    """Return `first` or `last` for a column with that part of the patient's own name."""
    if kind_of_column(name) != "person_name":
        return None
    words = {*words_of(name), "".join(words_of(name))}
    return "first" if words & _FIRST else "last" if words & _LAST else None


def key_of(names: list[str]) -> str | None:
    """Return the column that tells patients apart, None if there is none."""
    flat = {"".join(words_of(name)): name for name in reversed(names)}
    return next((flat[key] for key in KEYS if key in flat), None)
