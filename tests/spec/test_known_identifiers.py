# ruff: noqa: RUF001 - look-alike characters and typographic marks are among the examples
"""In which forms an identifier of the record is found in a note, and under which rule: the reference by example."""

from __future__ import annotations

import time
from datetime import date

import pytest
from note_engine import known, without_known

from deid.notes.known import SEARCHED_KINDS, KnownIdentifiers, Span
from deid.notes.known.nicknames import nicknames

NAME, SSN, DOB, PHONE, STREET = "person_name", "ssn", "birth_date", "phone", "street_address"

# kind  | value in the record      | text                                    | what is left                       | rule
FORMS = f"""
{NAME}  | Robert Garcia            | Bob and Bobby and ROB came              | # and # and # came                 | nickname
{NAME}  | Bob Garcia               | Robert came                             | # came                             | nickname
{NAME}  | Elizabeth Xu             | Betsy, Liz and Beth                     | #, # and #                         | nickname
relative_name | Guadalupe Ortega   | Lupita called                           | # called                           | nickname
{NAME}  | Ximena Garcia            | Gracia, Garzia and garciaa              | #, # and #                         | misspelt
{NAME}  | Quintanilla              | Quintnailla, Quintanila, Kintanilla     | #, #, #                            | misspelt
{NAME}  | Lisa                     | Lissa came                              | # came                             | misspelt
{NAME}  | Stephen                  | Steven came                             | # came                             | misspelt
{NAME}  | Catherine                | Katherine, Kathryn                      | #, #                               | misspelt
{NAME}  | Foley                    | Mr. Folley and a foley                  | Mr. # and a foley                  | misspelt
{NAME}  | Ximena Garcia            | GARCIA, XIMENA and Garcia,Ximena        | #, # and #,#                         | name_part
{NAME}  | Ximena Garcia            | the Garcias                             | the #                              | plural
{NAME}  | Reyes                    | the Reyeses; Reyes' wife                | the #; #' wife                     | plural
{NAME}  | Ximena Garcia-Lopez      | GarciaLopez, Garcia Lopez               | #, #                               | joined
{NAME}  | Maria del Carmen Ruiz    | delcarmen; del Carmen                   | #; #                               | name
{NAME}  | McAllister               | Mc Allister                             | #                                  | name
{NAME}  | John Smithson            | J. Smithson; Smithson, J.; J Smithson   | #; #; #                            | name_part
{NAME}  | John Smithson            | J.S. came, j.s. went; pt JS             | # came, j.s. went; pt #            | initials
{NAME}  | John Adam Smithson       | J.A.S. was seen                         | # was seen                         | initials
{NAME}  | Ivan Vogel               | I.V. fluids, JP drain                   | I.V. fluids, JP drain              |
{NAME}  | Vanessa Xu               | VanessaMRN:7 or isVanessa               | #:7 or #                           | glued
{NAME}  | Ximena Korhonen          | KORHONENMRN 7, Drkorhonen               | # 7, #                             | glued
{NAME}  | Ximena Quintanilla       | Quintan illa and ximen¶a; QUIN TANILLA  | # and #; #                         | divided
{NAME}  | Macone                   | Mac one concurs, JOHN; a mac one        | # concurs, JOHN; a mac one         | divided
{NAME}  | Forman                   | for man or woman                        | for man or woman                   |
{NAME}  | Ximena Quintanilla       | X1mena, Quintani11a; x1, B12, 1 in a    | #, #; x1, B12, 1 in a              | misread
{NAME}  | Simard                   | MS. 5imard, T5                          | MS. #, T5                          | misread
{NAME}  | Ana M Ruizdolo           | Ruizdolo, Ana M.; ana ruizdolo          | #, #; #                            | name
{NAME}  | Will Bell                | Bell, Will                              | #, #                               | name_part
{SSN}   | 912-33-1234              | 912-33-¶1234, 9 1 2 3 3 1 2 3 4        | #, #                               | number
{SSN}   | 912-33-1234              | ending in 1234; xxx-xx-1234; SSN 1234   | ending in #; #; SSN #              | last_four
{SSN}   | 912-33-1234              | last four of her SSN are 1234, ***1234  | last four of her SSN are #, #      | last_four
{SSN}   | 912-33-1234              | 1234 mL, BNP 1234, dose 1234            | 1234 mL, BNP 1234, dose 1234       |
{SSN}   | 912-33-1234              | 9l2-33-I234; 912331Z34                  | #; #                               | ocr
{SSN}   | ***-**-7206              | SSN: ***-**-7206 and 7206 steps         | SSN: # and 7206 steps              | last_four
mrn     | MRN-00774411             | MRN: OO7744l1                           | MRN: #                             | ocr
mrn     | 774411                   | 00774411                                | #                                  | number
member_id | ZQX884412097           | Z Q X 884 412 097; zqx-884412097        | #; #                               | number
member_id | ZQX884412097           | ZQX8844l2O97                            | #                                  | ocr
mrn     | 1204                     | MRN 1204 took 1204 mg                   | MRN # took 1204 mg                 | number
{PHONE} | 617-555-0142             | 6175550142; +1 (617) 555-0142; 555.0142 | #; #; #                            | number
{PHONE} | 617-555-0142 x33         | 617 555 0142 ext. 33, 555-0142 x33      | #, #                               | number
{PHONE} | +44 20 7946 0958         | 020 7946 0958; +44 20 7946 0958         | #; #                               | number
{PHONE} | 617-555-0142             | 6l7-555-O142                            | #                                  | ocr
email   | ximena.q@example.org     | write to ximena.q or Ximena.Q@mail.org  | write to # or #@mail.org           | local_part
email   | ximena.q@example.org     | ximena.q at example dot org             | #                                  | number
{STREET} | 123 Main Street Apt 4B  | 123 Main; Main St., Apt. 4B; apt 4-B    | #; #., #; #                        | address
{STREET} | 9 N Larkspur Ave        | 9 Larkspur Avenue; North Larkspur Ave   | #; #                               | address
{STREET} | 9 N Larkspur Ave        | lives on Larkspur                       | lives on #                         | street
{STREET} | 9 Elm St, Fernborough, MA 02139 | in Fernborough, MA 02139-1234    | in #, MA #                         | place
{STREET} | 9 Elm St, Suite 200     | Ste 200, suite 200                      | #, #                               | address
zip_code | 02139                   | 02139-1234                              | #                                  | number
county  | Polk                     | Polk County                             | # County                           | place
city    | Reading                  | Reading glasses; in Reading, PA         | Reading glasses; in #, PA          | place
facility_name | Fernborough Medical Center | seen at Fernborough Medical, Fernborough | seen at # Medical, #     | place_part
{DOB}   | 1950-03-14               | 14/3/1950, 14.03.50, 3-14-50            | #, #, #                            | date
{DOB}   | 1950-03-14               | 14th of March 1950; March 14 '50        | #; #                               | date
{DOB}   | 1950-03-14               | March fourteenth, nineteen fifty        | #                                  | date
{DOB}   | 1955-03-24               | the twenty-fourth of March 1955         | the #                              | date
{DOB}   | 1955-03-24               | March twenty fourth nineteen fifty-five | #                                  | date
{DOB}   | 2005-03-24               | 24 Mar two thousand and five            | #                                  | date
{DOB}   | 1950-03-14               | 1950 Mar 14; 14MAR1950; 19500314120000  | #; #; #                      | date
{DOB}   | 1950-03-14               | March 14; Mar 14th; the 14th of March   | #; #; the #                        | partial_date
{DOB}   | 1950-03-14               | March 1950; 3/1950; born in Mar. '50    | #; #; born in #                    | partial_date
{DOB}   | 1950-03-14               | on 3/14; since 03/14                    | on #; since #                      | partial_date
{DOB}   | 1950-03-14               | in March, on the 14th                   | in March, on the #                 | partial_date
{DOB}   | 1950-05-05               | strength 5/5, the 5th digit, 5/5 power  | strength 5/5, the 5th digit, 5/5 power |
service_date | 2024-11-02          | on 11/2/24 and 2 Nov                    | on # and #                         | date
"""

ROWS = [tuple(cell.strip().replace("¶", "\n") for cell in line.split("|")) for line in FORMS.strip().splitlines()]


@pytest.mark.parametrize(("kind", "value", "text", "left", "rule"), ROWS)
def test_a_value_is_found_in_the_form_people_write(kind: str, value: str, text: str, left: str, rule: str) -> None:
    """What stands for the value goes, what does not stays, and a span says which rule found it."""
    own = known((kind, value))
    spans = own.find(text)
    out = text
    for span in reversed(spans):
        out = f"{out[: span.start]}#{out[span.end :]}"
    assert out == left
    assert (f"known:{rule}" in {span.rule for span in spans}) is bool(rule)


def test_names_are_found_in_parts_that_the_record_holds_apart() -> None:
    """Initials come of given and family names whichever cells they stand in."""
    own = known(("person_name", "Ximena"), ("person_name", "de la Quintanilla"))
    assert without_known("X.Q. and X. Quintanilla", own) == "[PERSON_NAME] and [PERSON_NAME]"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a 93 year old", "a # year old"),
        ("93yo F, ninety-three years", "#yo F, # years"),
        ("aged 93; born in 1930; in 1930", "aged #; born in #; in #"),
        ("93 mg, 93%, 89 years old", "93 mg, 93%, 89 years old"),
    ],
)
def test_the_age_of_a_patient_over_89_is_removed_as_it_is_written(text: str, left: str) -> None:
    """45 CFR 164.514(b)(2)(i)(C): such an age, and the year of birth that tells it."""
    own = KnownIdentifiers([("birth_date", "1930-06-01")], on=date(2024, 1, 1))
    for span in reversed(own.find(text)):
        text = f"{text[: span.start]}#{text[span.end :]}"
    assert text == left


def test_the_birth_year_of_a_younger_patient_stays() -> None:
    """A year alone may stay where it tells no age over 89."""
    own = KnownIdentifiers([("birth_date", "1935-06-01")], on=date(2024, 1, 1))
    assert own.find("born in 1935, 93 years") == []
    assert KnownIdentifiers([("birth_date", "1934-06-01")], on=date(2024, 1, 1)).find("in 1934") == [
        Span(3, 7, "birth_date", "known:birth_year")
    ]


def test_a_table_of_short_names_leads_both_ways() -> None:
    """Every short name leads back to the name it stands for; there are at least 400."""
    table = nicknames()
    assert len(table) >= 400
    for name in ("robert", "elizabeth", "william", "margaret", "guadalupe", "francisco", "anthony", "katherine"):
        assert len(table[name]) >= 3
        assert all(name in table[short] for short in table[name])
    assert {"robert", "rob", "bobby"} <= set(table["bob"])


def test_offsets_are_those_of_the_text_as_it_was_given() -> None:
    """Marks, invisible characters and typographic forms move no span."""
    text = "Señora Nún\u0303e\u200bz’s DOB: １/２/1950"
    spans = known(("person_name", "Nuñez"), ("birth_date", "1950-01-02")).find(text)
    assert [text[s.start : s.end] for s in spans] == ["Nún\u0303e\u200bz", "１/２/1950"]


def test_every_kind_of_the_vocabulary_that_is_searched_can_be_found() -> None:
    """No kind is taken and then never looked for."""
    for kind in sorted(SEARCHED_KINDS):
        value = "1951-07-23" if kind.endswith("_date") else "Zyxfordia 4417"
        assert known((kind, value)).find(f"x {value} y"), kind


def test_time_stays_linear_in_the_days_of_a_note() -> None:
    """A note of nothing but days and months takes seconds, not minutes."""
    own = known(("service_date", "2024-03-05"))
    started = time.process_time()
    assert len(own.find("the 5th of the march " * 9_000)) == 9_000
    assert time.process_time() - started < 10
