"""Surrogates by example: form, case, sex and reserved ranges; and the same as operators of presidio-anonymizer."""

from __future__ import annotations

import re
from datetime import date

import pytest
from note_spans import KEY

from deid.notes.surrogates import Surrogates
from deid.notes.surrogates.people import MEN, WOMEN
from deid.notes.surrogates.writer import SURROGATE_KINDS

RECORD = (
    ("person_name", "Maria"),
    ("person_name", "O'Brien-Lopez"),
    ("relative_name", "Peter Lopez"),
    ("provider_name", "Dr. Ana de la Cruz, MD"),
)
S = Surrogates(KEY, RECORD)

# kind | text | form of the surrogate
FORMS = r"""
phone          | (617) 555-0142          | \([2-9]\d\d\) 555-01\d\d
phone          | +1 617.433.9142 x17     | \+1 [2-9]\d\d\.555\.01\d\d x\d\d
phone          | 433-9142                | 555-01\d\d
fax            | 6174339142              | [2-9]\d\d55501\d\d
phone          | 4471                    | \d{4}
ssn            | 123-45-6789             | 9\d\d-(?!00)[0-4]\d-\d{4}
ssn            | xxx-xx-6789             | xxx-xx-\d{4}
mrn            | MRN-00774411            | [A-Z]{3}-\d{8}
account_number | 55-ab12                 | \d\d-[a-z]{2}\d\d
member_id      | 1EG4-TE5-MK73           | 0[A-Z]{2}\d-[A-Z]{2}\d-[A-Z]{2}\d\d
email          | A.Cruz@mail.com         | \w+@example\.org
url            | https://www.x.com/p?i=7 | https://www\.example\.org/\w+
ip_address     | 10.20.30.40             | (192\.0\.2|198\.51\.100|203\.0\.113)\.\d+
ip_address     | fe80::1                 | 2001:db8::[0-9a-f:]+
zip_code       | 02139                   | 00[0-5]\d\d
zip_code       | 02139-1234              | 00[0-5]\d\d-\d{4}
street_address | 4410 Larkspur Ln Apt 7B | [1-9]\d{3} [A-Z][a-z]+ Ln Apt \d[A-M]
street_address | 5th Avenue              | \d+th Avenue
street_address | 9 Elm St, Troy, NY 12180 | \d [A-Z][a-z]+ St, [A-Z][a-z]+, NY 00[0-5]\d\d
city           | FERNBOROUGH             | [A-Z]+
facility_name  | Mass General Hospital   | [A-Z][a-z]+ General Hospital
facility_name  | Memorial Hospital       | [A-Z][a-z]+ Memorial Hospital
facility_name  | MGH                     | [A-Z]{3}
person_name    | Abe604 Frami345         | [A-Z][a-z]+\d{3} [A-Z][a-z]+\d{3}
vehicle_id     | 1HGCM82633A004352       | \d[A-Z]{4}\d{5}[A-Z]\d{6}
"""


def rows(table: str) -> list[list[str]]:
    """Cut a text table into its cells; a form may hold bars."""
    return [[cell.strip() for cell in line.split("|", 2)] for line in table.strip().splitlines()]


@pytest.mark.parametrize(("kind", "text", "form"), rows(FORMS))
def test_a_surrogate_has_the_form_of_what_it_replaces(kind: str, text: str, form: str) -> None:
    """Marks, length and case stay; numbers come out of ranges that are nobody's."""
    found = S.write(kind, text)
    assert found is not None
    assert re.fullmatch(form, found), found
    assert found.lower() != text.lower()


def test_a_name_is_one_person_in_every_form() -> None:
    """Order, case, accents, possessives and initials: each word of a name has one surrogate."""
    first, last, left = (S.write("person_name", name) for name in ("Maria", "Lopez", "O'Brien"))
    assert first
    assert last
    assert left
    for text, expected in {
        "Maria Lopez": f"{first} {last}",
        "LOPEZ, MARIA": f"{last}, {first}".upper(),
        "lopez's": f"{last.lower()}'s",
        "Ms. Lopez\u2019s": f"Ms. {last}'s",
        "M. Lopez": f"{first[0]}. {last}",
        "María López": f"{first} {last}",
        "O'Brien-Lopez": f"{left}-{last}",
        "OBRIEN": left.upper(),
        "Dr. Lopez, MD": f"Dr. {last}, MD",
        "de la Lopez": last,
        "Ma\u200bria": first,
        "ML": f"{first[0]}{last[0]}",
    }.items():
        assert S.write("relative_name", text) == expected


def test_given_names_keep_their_sex() -> None:
    """Women's names become women's, men's become men's."""
    assert all(S.write("person_name", name) in WOMEN for name in WOMEN)
    assert all(S.write("person_name", name) in MEN for name in MEN if name not in WOMEN and name != "Peter")


def test_an_initial_is_that_of_the_name_beside_it() -> None:
    """An initial whose name stands in the note, and not in the record, follows that name."""
    own = Surrogates(KEY)
    own.meet(["Walter Vandermolen"])
    full, short = own.write("provider_name", "Walter Vandermolen"), own.write("provider_name", "W. Vandermolen")
    assert full
    assert short == f"{full[0]}. {full.split()[1]}"


def test_a_telephone_line_is_the_same_with_and_without_its_area() -> None:
    """A number and its last seven digits are one telephone."""
    whole, local = S.write("phone", "(617) 433-9142"), S.write("phone", "433.9142")
    assert whole
    assert local
    assert whole[-4:] == local[-4:]


def test_a_place_is_the_same_in_an_address_and_alone() -> None:
    """The city of an address is the city elsewhere."""
    town, address = S.write("city", "Fernborough"), S.write("street_address", "12 Oak Lane, Fernborough")
    assert town
    assert address
    assert address.endswith(f", {town}")


def _luhn(digits: str) -> bool:
    pairs = [int(d) * (2 if at % 2 else 1) for at, d in enumerate(reversed(digits))]
    return sum(n // 10 + n % 10 for n in pairs) % 10 == 0


def test_no_surrogate_has_a_valid_check_digit() -> None:
    """No NPI, card, DEA number or vehicle number that is made could be somebody's."""
    for n in range(300):
        own = Surrogates(n.to_bytes(16, "big"))
        npi, card = own.write("npi", "1234567893"), own.write("account_number", "4111 1111 1111 1111")
        assert npi
        assert card
        assert not _luhn("80840" + npi)
        assert not _luhn(card.replace(" ", ""))
        dea = own.write("license_number", "AB1234563")
        assert dea
        d = [int(c) for c in dea[2:]]
        assert (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 != d[6]


def test_what_a_record_holds_leaves_the_form_of_its_surrogates() -> None:
    """Types of streets, sorts of facilities and hosts name nobody: only a patient of that name loses them."""
    record = (
        ("street_address", "4410 Larkspur Lane Apt 7B"),
        ("facility_name", "Fernborough General Hospital"),
        ("email", "maria@example.org"),
        ("provider_name", "Dr. Ana Cruz, MD"),
    )
    own = Surrogates(KEY, record)
    for kind, text, form in (
        ("street_address", "4410 Larkspur Lane Apt 7B", r"\d{4} [A-Z][a-z]+ Lane Apt \d[A-M]"),
        ("facility_name", "Fernborough General Hospital", r"[A-Z][a-z]+ General Hospital"),
        ("email", "maria@example.org", r"\w+@example\.org"),
        ("provider_name", "Dr. Cruz, MD", r"Dr\. [A-Z][a-z]+, MD"),
    ):
        found = own.write(kind, text)
        assert found is not None
        assert re.fullmatch(form, found)
    lane = Surrogates(KEY, (("person_name", "Lois Lane"),)).write("street_address", "12 Oak Lane")
    assert lane is not None
    assert "lane" not in lane.lower()


def test_every_kind_of_identifier_that_can_be_found_is_decided() -> None:
    """Kinds without a surrogate are those that only a tag can replace."""
    from deid.notes.known import SEARCHED_KINDS

    dates = {kind for kind in SEARCHED_KINDS if kind.endswith("_date")}
    assert SEARCHED_KINDS - SURROGATE_KINDS - dates == {"geocode", "photo", "biometric"}


def test_presidio_users_have_the_same_replacements() -> None:
    """Each operator registers with AnonymizerEngine and answers as the redactor's functions do."""
    from presidio_anonymizer import AnonymizerEngine
    from presidio_anonymizer.entities import InvalidParamError, OperatorConfig, RecognizerResult

    from deid.notes.operators import OPERATORS

    engine = AnonymizerEngine()
    for operator in OPERATORS:
        engine.add_anonymizer(operator)
    text = "Maria Lopez, 93, of 02139, seen 3/14/21, then Easter, MRN 7744"
    pieces = {
        "PERSON": "Maria Lopez",
        "AGE": "93",
        "zip_code": "02139",
        "DATE_TIME": "3/14/21",
        "service_date": "Easter",
        "mrn": "7744",
    }
    found = [RecognizerResult(e, text.index(p), text.index(p) + len(p), 1.0) for e, p in pieces.items()]
    shift = OperatorConfig("deid_date_shift", {"days": 49})
    operators = {
        "PERSON": OperatorConfig("deid_surrogate", {"key": KEY, "record": RECORD}),
        "AGE": OperatorConfig("deid_age_cap", {}),
        "zip_code": OperatorConfig("deid_zip", {}),
        "DATE_TIME": shift,
        "service_date": shift,
        "DEFAULT": OperatorConfig("deid_tag", {}),
    }
    written = engine.anonymize(text, found, operators).text
    name = S.write("person_name", "Maria Lopez")
    assert written == f"{name}, 90+, of 021, seen 5/02/21, then [SERVICE_DATE], MRN [MRN]"
    for name, params in (
        ("deid_surrogate", {"key": b"short"}),
        ("deid_date_shift", {"days": "9"}),
        ("deid_date_shift", {"days": 1, "near": 2}),
    ):
        with pytest.raises(InvalidParamError):
            engine.anonymize(text, found[:1], {"DEFAULT": OperatorConfig(name, params)})


def test_an_operator_takes_the_year_from_a_date_beside() -> None:
    """A date without a year moves where the caller names the day by which it is read."""
    from deid.notes.operators import DeidDateShift

    operate = DeidDateShift().operate
    assert operate("12/30", {"days": 2, "near": date(2024, 1, 4), "entity_type": "DATE_TIME"}) == "01/01"
    assert operate("12/30", {"days": 2, "entity_type": "DATE_TIME"}) == "[SERVICE_DATE]"


@pytest.mark.parametrize("text", ["MD", "RN", "NP", "DR", "JR"])
def test_a_title_alone_has_no_surrogate(text: str) -> None:
    """Two capitals that are a title are no initials: there is nothing to invent, and nothing fails."""
    assert S.write("provider_name", text) is None
