"""What can be filled into a note: every field gives its text in parts, each with the kind of identifier that it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib import resources
from typing import Any

import yaml

_NINETY = 90  # ages below are not identifiers (45 CFR 164.514(b)(2)(i)(C))
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Doctor:
    """A clinician as notes name one."""

    first: str
    last: str
    phone: str


@dataclass(slots=True)
class Case:
    """What one note is about; `draws` are the random numbers still to be used."""

    person: dict[str, Any]
    visit: dict[str, Any]
    code: str
    doctor: Doctor
    other: Doctor
    draws: list[float] = field(repr=False)

    def choose(self, options: list[str]) -> str:
        """Return one of the options."""
        return options[int(self.draws.pop() * len(options))]

    @property
    def age(self) -> int:
        """Age in whole years on the day of the encounter."""
        day, born = self.visit["admit_date"], self.person["birth_date"]
        return int(day.year - born.year - ((day.month, day.day) < (born.month, born.day)))


@cache
def forms() -> dict[str, Any]:
    """Return the forms of notes and the phrases that fill them."""
    text = resources.files(__package__).joinpath("data", "notes.yaml").read_text(encoding="utf-8")
    forms = yaml.safe_load(text)
    assert isinstance(forms, dict)
    return forms


def facility_name(facility_id: str) -> str:
    """Return the name that notes and trees give a facility."""
    names: list[str] = forms()["facilities"]
    return names[int(facility_id[1:]) % len(names)]


Parts = list[tuple[str, str | None]]


def _plain(key: str) -> Callable[[Case], Parts]:
    return lambda case: [(case.choose(forms()[key]), None)]


def _of_person(column: str, kind: str | None, absent: str) -> Callable[[Case], Parts]:
    def parts(case: Case) -> Parts:
        value = case.person[column]
        return [(absent, None)] if value is None else [(str(value), kind)]

    return parts


def _day(which: str, style: str | None = None) -> Callable[[Case], Parts]:
    def parts(case: Case) -> Parts:
        day, kind = _when(case, which)
        return [(_written(day, style or case.choose(["iso", "us", "short", "long", "dmy", "padded"])), kind)]

    return parts


def _when(case: Case, which: str) -> tuple[date, str]:
    start, stop = case.visit["admit_date"], case.visit["discharge_date"]
    if which == "born":
        return case.person["birth_date"], "birth_date"
    if which == "leave":
        return stop, "discharge_date"
    if which == "before":
        return max(start - timedelta(days=1 + int(case.draws.pop() * 120)), case.person["birth_date"]), "service_date"
    if which == "after":
        return stop + timedelta(days=3 + int(case.draws.pop() * 60)), "service_date"
    return start, "admit_date" if case.visit["encounter_class"] == "inpatient" else "service_date"


def _written(day: date, style: str) -> str:
    month = _MONTHS[day.month - 1]
    return {
        "iso": day.isoformat(),
        "us": f"{day.month}/{day.day}/{day.year}",
        "padded": f"{day.month:02}/{day.day:02}/{day.year}",
        "short": f"{day.month}/{day.day}/{day.year % 100:02}",
        "md": f"{day.month}/{day.day}",
        "long": f"{month} {day.day}, {day.year}",
        "dmy": f"{day.day:02}-{month[:3]}-{day.year}",
    }[style]


def _name(style: str) -> Callable[[Case], Parts]:
    def parts(case: Case) -> Parts:
        first, last = case.person["first_name"], case.person["last_name"]
        if style == "title":
            title = ("Mr. " if case.person["sex"] == "M" else case.choose(["Ms. ", "Mrs. "])) if case.age > 17 else ""
            return [(title, None), (last if title else first, "person_name")]
        middle = case.person["middle_name"]
        full = f"{first} {middle}. {last}" if middle and case.draws.pop() < 0.3 else f"{first} {last}"
        text = {"first": first, "last": last, "full": full, "comma": f"{last}, {first}"}
        text |= {"caps": last.upper(), "caps_comma": f"{last.upper()}, {first.upper()}"}
        return [(text[style], "person_name")]

    return parts


def _doctor(which: str, style: str) -> Callable[[Case], Parts]:
    def parts(case: Case) -> Parts:
        doctor: Doctor = getattr(case, which)
        if style == "last":
            return [(doctor.last, "provider_name")]
        if style == "short":
            return [("Dr. ", None), (doctor.last, "provider_name")]
        return [(f"{doctor.first} {doctor.last}", "provider_name"), (", MD", None)]

    return parts


def _relative(style: str) -> Callable[[Case], Parts]:
    def parts(case: Case) -> Parts:
        name = case.person["contact_name"]
        return [(name.split(" ")[0] if style == "first" else name, "relative_name")]

    return parts


def _phone(case: Case) -> Parts:
    number = case.person["phone"]
    return [("the number on file", None)] if number is None else [(_dialed(number, case), "phone")]


def _dialed(number: str, case: Case) -> str:
    area, rest = number[1:4], number[6:]
    return case.choose([number, f"{area}-{rest}", f"{area}.{rest.replace('-', '.')}", f"+1 {area} {rest}"])


def _relative_phone(case: Case) -> Parts:
    return [(_dialed(f"({case.other.phone[1:4]}) 555-01{int(case.draws.pop() * 100):02}", case), "phone")]


def _aged(style: str) -> Callable[[Case], Parts]:
    def parts(case: Case) -> Parts:
        age = case.age
        if age < 1:
            return [({"phrase": "infant", "a": "an infant", "A": "Infant"}[style], None)]
        kind = "age" if age >= _NINETY else None
        article = "an " if str(age).startswith("8") or age in (11, 18) else "a "
        tail = case.choose(["-year-old", " year old", " y/o", " yo"])
        return [(article if style == "a" else "", None), (str(age), kind), (tail, None)]

    return parts


def _adult(case: Case) -> Parts:
    old, young = {"M": ("man", "boy"), "F": ("woman", "girl")}[case.person["sex"]]
    return [(case.choose([old, old, "male" if old == "man" else "female"]) if case.age > 17 else young, None)]


def _pronoun(text: Callable[[str], str]) -> Callable[[Case], Parts]:
    return lambda case: [(text("he" if case.person["sex"] == "M" else "she"), None)]


def _kinship(text: Callable[[str], str]) -> Callable[[Case], Parts]:
    return lambda case: [(text(case.person["contact_relation"]), None)]


def _vitals(case: Case) -> Parts:
    a, b, c, d, e = (case.draws.pop() for _ in range(5))
    pressure = f"BP {100 + int(a * 70)}/{58 + int(b * 40)}"
    return [
        (f"{pressure}, HR {55 + int(c * 60)}, RR {12 + int(d * 10)}, T {97 + int(e * 50) / 10:.1f}, SpO2 97%", None)
    ]


def _complaint(case: Case) -> str:
    options: list[str] = forms()["complaints"]
    return options[int(case.draws[0] * len(options))]  # the first draw is left for this, so that one note agrees


def _labs(case: Case) -> Parts:
    a, b, c = (case.draws.pop() for _ in range(3))
    return [(f"glucose {80 + int(a * 300)}, WBC {4 + b * 12:.1f}, Hgb {9 + c * 6:.1f}, lactate 1.2", None)]


def _clock(case: Case) -> Parts:
    return [(f"{int(case.draws.pop() * 24):02}:{int(case.draws.pop() * 60):02}", None)]


FIELDS: dict[str, Callable[[Case], Parts]] = {
    "first": _name("first"),
    "last_name_alone": _name("last"),
    "first_last": _name("full"),
    "last_first": _name("comma"),
    "caps_last": _name("caps"),
    "caps_last_first": _name("caps_comma"),
    "title_last": _name("title"),
    "born": _day("born"),
    "visit": _day("visit"),
    "visit_long": _day("visit", "long"),
    "visit_short": _day("visit", "short"),
    "leave": _day("leave"),
    "leave_long": _day("leave", "long"),
    "leave_md": _day("leave", "md"),
    "before": _day("before"),
    "before_long": _day("before", "long"),
    "before_md": _day("before", "md"),
    "after": _day("after"),
    "doctor": _doctor("doctor", "full"),
    "doctor_short": _doctor("doctor", "short"),
    "other_doctor": _doctor("other", "full"),
    "other_doctor_short": _doctor("other", "short"),
    "other_doctor_last": _doctor("other", "last"),
    "doctor_phone": lambda case: [(case.doctor.phone, "facility_phone")],
    "relative": _relative("full"),
    "relative_first": _relative("first"),
    "relative_phone": _relative_phone,
    "phone": _phone,
    "mrn": _of_person("mrn", "mrn", ""),
    "member": _of_person("member_id", "member_id", ""),
    "ssn": _of_person("ssn", "ssn", ""),
    "ssn_last": lambda case: [(case.person["ssn"][-4:], "ssn")],
    "account": lambda case: [(case.visit["account_number"], "account_number")],
    "address": _of_person("street_address", "street_address", ""),
    "city": _of_person("city", "city", ""),
    "state": _of_person("state", None, ""),
    "zip": _of_person("zip_code", "zip_code", ""),
    "email": _of_person("email", "email", "the portal"),
    "employer": lambda case: [(case.choose(forms()["employers"]), "employer_name")],
    "facility": lambda case: [(facility_name(case.visit["facility_id"]), "facility_name")],
    "article_age": _aged("a"),
    "article_age_cap": _aged("A"),
    "age_phrase": _aged("phrase"),
    "adult": _adult,
    "sex_word": lambda case: [("male" if case.person["sex"] == "M" else "female", None)],
    "pronoun": _pronoun(str.capitalize),
    "pronoun_low": _pronoun(str),
    "kinship": _kinship(str),
    "kinship_cap": _kinship(str.capitalize),
    "complaint": lambda case: [(_complaint(case), None)],
    "complaint_cap": lambda case: [(_complaint(case).capitalize(), None)],
    "duration": _plain("durations"),
    "negative": _plain("negatives"),
    "exam": _plain("exams"),
    "plan": _plain("plans"),
    "meds": lambda case: [(", ".join(case.choose(forms()["medications"]) for _ in range(2)), None)],
    "allergy": _plain("allergies"),
    "pain": lambda case: [(f"{int(case.draws.pop() * 10) + 1}/10", None)],
    "vitals": _vitals,
    "labs": _labs,
    "clock": _clock,
    "code": lambda case: [(case.code, None)],
}
