"""Pieces of C-CDA documents: elements, coded values, identifiers, times, and the people of the header."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from xml.sax.saxutils import escape, quoteattr

from deid.synthetic.note_fields import facility_name
from deid.synthetic.writers.fhir_terms import Case, Row

HL7 = "2.16.840.1.113883"
ENTRY = f"{HL7}.10.20.22.4"
SYSTEMS = {
    "icd10cm": f"{HL7}.6.90", "snomed": f"{HL7}.6.96", "loinc": f"{HL7}.6.1", "cpt": f"{HL7}.6.12",
    "hcpcs": f"{HL7}.6.285", "icd10pcs": f"{HL7}.6.4", "ndc": f"{HL7}.6.69", "cvx": f"{HL7}.12.292",
    "race": f"{HL7}.6.238", "sex": f"{HL7}.5.1", "marital": f"{HL7}.5.2", "act": f"{HL7}.5.4",
    "rxnorm": f"{HL7}.6.88",
    "discharge": f"{HL7}.6.301.5", "refusal": f"{HL7}.5.8", "relation": f"{HL7}.5.111", "nucc": f"{HL7}.6.101",
}  # fmt: skip
_HOSPITAL = "1.2.840.99999.1"  # an arc that nobody was given
MRN, VISIT, ACCOUNT, LOCAL = (f"{_HOSPITAL}.{number}" for number in (1, 2, 3, 4))
SSN, NPI, MBI = f"{HL7}.4.1", f"{HL7}.4.6", f"{HL7}.4.927"
_RACES = {"white": "2106-3", "black": "2054-5", "asian": "2028-9", "native": "1002-5", "hawaiian": "2076-8"}
_ETHNICITIES = {"hispanic": "2135-2", "nonhispanic": "2186-5"}


def tag(element: str, *inside: str, **attributes: str | None) -> str:
    """Return an element; a double underscore in an attribute's name is a colon, and None leaves it out."""
    told = "".join(f" {key.replace('__', ':')}={quoteattr(value)}" for key, value in attributes.items() if value)
    return f"<{element}{told}>{''.join(inside)}</{element}>" if any(inside) else f"<{element}{told}/>"


def text(element: str, content: object | None, **attributes: str | None) -> str:
    """Return an element that holds text, or nothing where there is none."""
    return tag(element, escape(str(content)), **attributes) if content else ""


def number(root: str, extension: str | None = None) -> str:
    """Return an identifier (data type II)."""
    return tag("id", root=root, extension=extension)


def coded(element: str, system: str, code: str, *inside: str, display: str = "", **attributes: str) -> str:
    """Return a coded element of a system by its name in SYSTEMS."""
    attributes |= {"code": code, "codeSystem": SYSTEMS[system]} | ({"displayName": display} if display else {})
    return tag(element, *inside, **attributes)


def template(last: str) -> str:
    """Return the templateId of an entry."""
    return tag("templateId", root=f"{ENTRY}.{last}", extension="2014-06-09")


def moment(day: date, hour: int = 9) -> str:
    """Return a time as documents write it, five hours behind UTC."""
    return f"{day:%Y%m%d}{hour:02}3000-0500"


def span(low: str | None, high: str | None = None) -> str:
    """Return an interval; an end that is not known says so."""
    ends = {"low": low, "high": high}
    parts = (tag(name, value=value, nullFlavor=None if value else "UNK") for name, value in ends.items())
    return tag("effectiveTime", *parts, xsi__type="IVL_TS")


def doctor(element: str, npi: str) -> str:
    """Return a participation of a clinician by NPI."""
    entity = tag("assignedEntity", number(NPI, npi), coded("code", "nucc", "207R00000X"))
    return tag(element, entity)


def target(person: Row) -> str:
    """Return the recordTarget of a person, with the Social Security number before the hospital's own."""
    ids = (number(SSN, person["ssn"]), number(MRN, person["mrn"]), number(MBI, person["member_id"]))
    telecoms = [tag("telecom", value=f"tel:{person['phone']}", use="HP")] if person["phone"] else []
    telecoms += [tag("telecom", value=f"mailto:{person['email']}")] if person["email"] else []
    role = tag("patientRole", *ids, _address(person), *telecoms, tag("patient", *_traits(person)))
    return tag("recordTarget", role)


def _address(person: Row) -> str:
    names = {"streetAddressLine": "street_address", "city": "city", "county": "county", "state": "state",
             "postalCode": "zip_code"}  # fmt: skip
    return tag("addr", *(text(element, person[name]) for element, name in names.items()), use="HP")


def _traits(person: Row) -> list[str]:
    names = [_name(person["last_name"], person["first_name"], person["middle_name"])]
    names += [_name(person["maiden_name"], person["first_name"], use="BR")] if person["maiden_name"] else []
    relative = tag("guardianPerson", text("name", person["contact_name"]))
    gone = person["death_date"]
    return [
        *names,
        coded("administrativeGenderCode", "sex", person["sex"]),
        tag("birthTime", value=f"{person['birth_date']:%Y%m%d}"),
        tag("sdtc:deceasedInd", value="true" if gone else "false"),
        tag("sdtc:deceasedTime", value=f"{gone:%Y%m%d}") if gone else "",
        coded("maritalStatusCode", "marital", person["marital_status"]) if person["marital_status"] else "",
        _of(person["race"], _RACES, "raceCode"),
        _of(person["ethnicity"], _ETHNICITIES, "ethnicGroupCode"),
        tag("guardian", relative),
        tag("languageCommunication", tag("languageCode", code=person["language"])) if person["language"] else "",
    ]


def _of(value: str, codes: Mapping[str, str], element: str) -> str:
    return coded(element, "race", codes[value]) if value in codes else tag(element, nullFlavor="UNK")


def _name(family: str, *given: str | None, use: str = "L") -> str:
    return tag("name", *(text("given", one) for one in given), text("family", family), use=use)


def relative(person: Row) -> str:
    """Return the participation of a person's contact."""
    given, _, family = person["contact_name"].partition(" ")
    return tag(
        "participant",
        tag(
            "associatedEntity",
            text("code", " ", nullFlavor="OTH"),
            tag("associatedPerson", _name(family, given)),
            classCode="ECON",
        ),
        typeCode="IND",
    )


def visit_time(stay: Row) -> str:
    """Return the time of a visit."""
    return span(moment(stay["admit_date"]), moment(stay["discharge_date"], 11))


def place(stay: Row) -> tuple[str, str]:
    """Return the number and the name of the facility of a visit."""
    return number(LOCAL, stay["facility_id"]), text("name", facility_name(stay["facility_id"]))


def story(case: Case) -> str:
    """Return a narrative about a visit that names its patient, as documents do."""
    person, stay = case.person, case.stay
    cells = (stay["admit_date"], f"{person['first_name']} {person['last_name']}", person["mrn"])
    row = tag("tr", *(text("td", cell) for cell in cells))
    return tag("text", tag("table", tag("tbody", row)))
