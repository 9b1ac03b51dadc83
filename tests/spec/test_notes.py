# ruff: noqa: RUF001 - look-alike characters are among the examples
"""What is found in a note, and what stays: the reference by example."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pyarrow as pa
import pytest
from note_engine import NOBODY, known, patient, redact, redactor, without_known

from deid.notes import KnownIdentifiers, Redactor, Span, leaks
from deid.notes.detector import merged

NAME, SSN, DOB, PHONE = "person_name", "ssn", "birth_date", "phone"

# kind         | value in the record      | text                                   | after known identifiers are removed
FOUND = f"""
{NAME}         | de la Cruz               | Ms. de la Cruz's son                   | Ms. [PERSON_NAME]'s son
{NAME}         | de la Cruz               | CRUZ, seen today                       | [PERSON_NAME], seen today
{NAME}         | Ana Maria Cruz           | Cruz, Ana M. was seen                  | [PERSON_NAME], [PERSON_NAME] was seen
{NAME}         | Ana Maria Cruz           | ana q. cruz                            | [PERSON_NAME]
{NAME}         | Ana Maria Cruz           | ANAMARIACRUZ                           | [PERSON_NAME]
{NAME}         | O'Brien                  | O’Brien, OBRIEN and o brien            | [PERSON_NAME], [PERSON_NAME] and [PERSON_NAME]
{NAME}         | Smith-Jones              | Mrs. Jones or Smith Jones              | Mrs. [PERSON_NAME] or [PERSON_NAME]
{NAME}         | José Núñez               | Jose Nunez, JOSÉ                       | [PERSON_NAME], [PERSON_NAME]
{NAME}         | Jose Nunez               | Jose\u0301 Nún\u0303ez came             | [PERSON_NAME] came
{NAME}         | Smith                    | S\u200bmith and \uff33\uff4d\uff49\uff54\uff48   | [PERSON_NAME] and [PERSON_NAME]
{NAME}         | Maria                    | M\u0430ria with a Cyrillic a           | [PERSON_NAME] with a Cyrillic a
{NAME}         | Γιώργος                  | ΓΙΩΡΓΟΣ came                           | [PERSON_NAME] came
{NAME}         | Наташа                   | НАТАША came                            | [PERSON_NAME] came
{NAME}         | Abe604 Frami345          | Abe604 F. or Frami                     | [PERSON_NAME] or [PERSON_NAME]
{NAME}         | May                      | May may come in May                    | [PERSON_NAME] may come in [PERSON_NAME]
{NAME}         | Will Bell                | will bell, WILL, the bell will ring    | [PERSON_NAME], [PERSON_NAME], the bell will ring
{NAME}         | West                     | West, WEST and heading west            | [PERSON_NAME], [PERSON_NAME] and heading west
{NAME}         | Lane North               | Lane of the North                      | [PERSON_NAME] of the [PERSON_NAME]
email          | north.st@example.org     | North.St@example.org                   | [EMAIL]
city           | Saint Cloud              | St. Cloud                              | [CITY]
{NAME}         | Do                       | Mr. Do, do not do it                   | Mr. [PERSON_NAME], do not do it
{NAME}         | Li                       | Li's li                                | [PERSON_NAME]'s li
provider_name  | Dr. Jane Patel, MD       | MD to see Patel                        | MD to see [PROVIDER_NAME]
{SSN}          | 912-33-1234              | 912331234, 912 33 1234, 912.33.1234    | [SSN], [SSN], [SSN]
{SSN}          | 912331234                | SSN#912–33–1234.                       | SSN#[SSN].
mrn            | MRN-00123456             | MRN: 00123456 or 123456                | [MRN] or [MRN]
mrn            | A12-998877               | a12 998877/A12998877                   | [MRN]/[MRN]
member_id      | 1EG4-TE5-MK73            | 1EG4TE5MK73                            | [MEMBER_ID]
{PHONE}        | 617-555-0142             | (617) 555-0142, 617.555.0142           | [PHONE], [PHONE]
{PHONE}        | (617) 555-0142           | +1 617 555 0142; 16175550142           | [PHONE]; [PHONE]
{PHONE}        | +1-617-555-0142          | call 555-0142                          | call [PHONE]
email          | Ana.Cruz@Example.org     | ana.cruz@example.org.                  | [EMAIL].
zip_code       | 02139-1234               | 02139 or 02139-1234                    | [ZIP_CODE] or [ZIP_CODE]
{DOB}          | 1950-01-02               | 1/2/1950, 01/02/50, 1-2-50             | [BIRTH_DATE], [BIRTH_DATE], [BIRTH_DATE]
{DOB}          | 1950-01-02               | Jan 2, 1950; January 2nd 1950          | [BIRTH_DATE]; [BIRTH_DATE]
{DOB}          | 1950-01-02               | 2 January 1950; 2nd of Jan. '50        | [BIRTH_DATE]; [BIRTH_DATE]
{DOB}          | 1950-01-02               | 1950-01-02T08:00, 19500102, 02JAN1950  | [BIRTH_DATE]T08:00, [BIRTH_DATE], [BIRTH_DATE]
{DOB}          | 1/2/1950                 | 1950/01/02                             | [BIRTH_DATE]
street_address | 123 Main Street Apt 4    | 123 main st., apt 4                    | [STREET_ADDRESS]
street_address | 123 Main St #4, Boston   | 123 Main Street; Main Street           | [STREET_ADDRESS]; [STREET_ADDRESS]
street_address | 9 N Oak Ave              | 9 North Oak Avenue                     | [STREET_ADDRESS]
street_address | P.O. Box 881             | PO Box 881, box 881                    | [STREET_ADDRESS], [STREET_ADDRESS]
city           | Reading                  | in Reading, reading a book             | in [CITY], reading a book
city           | New Bedford              | NEW BEDFORD                            | [CITY]
"""

# kind         | value in the record      | text that stays as it is
STAYS = f"""
{NAME}         | de la Cruz               | de novo, la vie
{NAME}         | Ana                      | analysis, banana, Anatomy
{NAME}         | J                        | J was seen
{SSN}          | 912-33-1234              | 9123312345, 1912331234, 912-33-123
mrn            | 12080                    | BP 120/80
mrn            | 12                       | 12 tablets
{DOB}          | 1950-01-02               | 11/2/1950, 1/2/1951, 1950, January 1951
city           | Mobile                   | a mobile patient
street_address | 12 Oak Street            | 12 weeks, an oak, 112 Oak Avenue
"""

PATTERNS = {
    "Dr. Okafor and Mrs. Lindqvist-Hale": "Dr. [PROVIDER_NAME] and Mrs. [PERSON_NAME]",
    "Patient Name: aisha rahimi": "Patient Name: [PERSON_NAME]",
    "Attending: Priya Raman, MD": "Attending: [PROVIDER_NAME]",
    "SSN 912-33-1234, last four 1234": "SSN [SSN], last four [SSN]",
    "SSN: xxx-xx-4321": "SSN: [SSN]",
    "MRN: 0012345": "MRN: [MRN]",
    "Account number is 55-12345": "Account number is [ACCOUNT_NUMBER]",
    "MBI 1EG4-TE5-MK73": "MBI [MEMBER_ID]",
    "NPI 1234567893": "NPI [NPI]",
    "DEA AB1234563": "DEA [LICENSE_NUMBER]",
    "VIN 1HGCM82633A004352": "VIN [VEHICLE_ID]",
    "UDI (01)00643169007222(17)160712(21)21A3": "UDI [DEVICE_ID]",
    "Serial number PX4471K": "Serial number [DEVICE_ID]",
    "Call (617) 555-0142 x12 or 555-0199": "Call [PHONE] or [PHONE]",
    "Fax: 617-555-0143": "Fax: [FAX]",
    "Write to a.b+c@mail.example.org": "Write to [EMAIL]",
    "See https://example.org/p?id=7 or www.example.org": "See [URL] or [URL]",
    "from 192.168.14.7 and 2001:db8:0:0:1:2:3:4": "from [IP_ADDRESS] and [IP_ADDRESS]",
    "Admitted 03/14/2024, seen 2024-03-15T10:00Z": "Admitted [SERVICE_DATE], seen [SERVICE_DATE]",
    "on March 3rd, 2021 and 3-Mar-21": "on [SERVICE_DATE] and [SERVICE_DATE]",
    "since 3/14 and in February": "since [SERVICE_DATE] and in [SERVICE_DATE]",
    "She is a 93-year-old woman": "She is a [AGE]-year-old woman",
    "age 102; ninety-four years old": "age [AGE]; [AGE] years old",
    "Lives at 4410 Larkspur Lane Apt 7B": "Lives at [STREET_ADDRESS]",
    "Brookline, MA 02446": "[CITY] [ZIP_CODE]",
    "the sample 88123456 was sent": "the sample [UNIQUE_ID] was sent",
    "PO Box 1182": "[STREET_ADDRESS]",
    "Accession 88123456": "Accession [UNIQUE_ID]",
}

MEDICINE = (
    "Graves disease on methimazole, Bell's palsy, Parkinson's disease, Crohn's, Cushing syndrome, Hodgkin lymphoma. "
    "Takes metoprolol 25 mg BID, Lasix 40 mg daily, Tylenol as needed. BP 120/80, HR 72, RR 16, T 98.6 F, SpO2 98%. "
    "GCS 15/15, strength 5/5, pain 4/10, MMSE 26/30. Foley catheter in place, Babinski negative, Romberg negative. "
    "EF 55%, BNP 1200, creatinine 1.2, A1c 7.5, WBC 7.2, platelets 250. A 67-year-old woman with COPD, CHF and HTN "
    "for 3 weeks, 2 tablets every 6 hours for 10 days. CT chest and MRI of the brain without contrast. "
    "Wernicke encephalopathy was considered, Apgar 8 and 9, Glasgow coma scale 15. Follow up in 2 weeks."
)


def rows(table: str) -> list[tuple[str, ...]]:
    """Cut a text table into its cells."""
    return [tuple(cell.strip(" ") for cell in line.split("|")) for line in table.strip().splitlines()]


@pytest.mark.parametrize(("kind", "value", "text", "expected"), rows(FOUND))
def test_a_value_of_the_record_is_removed_in_every_written_form(
    kind: str, value: str, text: str, expected: str
) -> None:
    """The patient's own identifiers go, whatever their case, accents, punctuation or order."""
    assert without_known(text, known((kind, value))) == expected


@pytest.mark.parametrize(("kind", "value", "text"), rows(STAYS))
def test_text_that_only_resembles_a_value_stays(kind: str, value: str, text: str) -> None:
    """Parts of longer words or numbers, other dates and common words are no identifiers."""
    assert known((kind, value)).find(text) == []


def test_a_date_of_the_record_may_be_given_as_a_date() -> None:
    """Dates come parsed from some sources and as text from others."""
    assert without_known("born 1/2/1950", known(("birth_date", date(1950, 1, 2)))) == "born [BIRTH_DATE]"


def test_an_unknown_kind_is_refused_without_its_value() -> None:
    """A kind nobody knows how to look for is an error, and the error shows no value."""
    with pytest.raises(ValueError, match="'favorite_color'") as caught:
        known(("favorite_color", "ultramarine"))
    assert "ultramarine" not in str(caught.value)


def test_identifiers_never_show_themselves() -> None:
    """The repr of a patient's identifiers holds a count, for it may end up in a log."""
    assert repr(patient()) == "KnownIdentifiers(<14 values>)"


@pytest.mark.parametrize(("text", "expected"), PATTERNS.items())
def test_identifiers_nobody_knew_are_removed_by_their_form(text: str, expected: str) -> None:
    """Patterns find what the record does not hold."""
    assert redact([text]).texts.to_pylist() == [expected]


def test_medicine_stays_as_it_was_written() -> None:
    """Eponyms, drugs, scores, vital signs, durations and ages under 90 are no identifiers."""
    assert redact([MEDICINE]).texts.to_pylist() == [MEDICINE]


def test_names_in_capitals_are_found_where_they_stand() -> None:
    """The language model sees a line in capitals in title case; the tag stands where the name stood."""
    result = redact(["PATIENT SEEN WITH MARGARET THORNDIKE TODAY.\nRolf Andersson from Stockholm was there."])
    assert result.texts.to_pylist() == [
        "PATIENT SEEN WITH [PERSON_NAME] TODAY.\n[PERSON_NAME] from [CITY] was there.",
    ]


def test_a_name_found_once_is_removed_wherever_it_stands() -> None:
    """A surname after a title is looked for again in the rest of the note."""
    text = "Dr. Vandermolen saw her. Later, per Vandermolen's note, vandermolen lines were absent."
    assert redact([text]).texts.to_pylist()[0].count("Vandermolen") == 0


def test_counts_and_nulls_are_kept() -> None:
    """A null note stays null and is not counted as withheld; tags are counted by kind."""
    result = redact(["SSN 912-33-1234", None, "no identifiers"])
    assert result.texts.to_pylist() == ["SSN [SSN]", None, "no identifiers"]
    assert (result.withheld, result.spans_by_kind, result.reasons) == (0, {"ssn": 1}, {})


def test_dictionary_encoded_notes_are_read() -> None:
    """A repeated note may come dictionary-encoded; plain strings come back."""
    texts = pa.array(["call 617-555-0142", "call 617-555-0142"]).dictionary_encode()
    assert redactor().redact(texts, [NOBODY, NOBODY]).texts == pa.array(["call [PHONE]", "call [PHONE]"])


def test_notes_that_cannot_be_searched_are_withheld_and_counted() -> None:
    """NULs, replacement characters and notes over the limit become null, each with its reason."""
    result = Redactor(max_chars=20).redact(pa.array(["a\x00b", "a\ufffdb", "x" * 21, None]), [NOBODY] * 4)
    assert result.texts.to_pylist() == [None] * 4
    assert (result.withheld, result.reasons) == (3, {"unreadable": 2, "too_long": 1})


def test_a_note_that_is_not_utf_8_is_withheld() -> None:
    """Bytes that are no text are never passed on."""
    good = pa.array(["fine"]).buffers()
    bad = pa.Array.from_buffers(pa.string(), 1, [None, good[1], pa.py_buffer(b"ab\xff\xfe")])
    result = redactor().redact(bad, [NOBODY])
    assert (result.texts.to_pylist(), result.reasons) == ([None], {"unreadable": 1})


class _Failing(KnownIdentifiers):
    """Identifiers whose search fails, with the text in the message as libraries do."""

    __slots__ = ()

    def find(self, text: str) -> list[Span]:
        raise RuntimeError(f"cannot search {text!r}")


def test_a_failing_note_is_withheld_alone(caplog: pytest.LogCaptureFixture) -> None:
    """One note that cannot be searched does not take its batch with it, and its text shows up nowhere."""
    caplog.set_level("DEBUG")
    texts = pa.array(["SSN 912-33-1234", "the canary Wolframite sings", "seen 2024-03-15"])
    result = redactor().redact(texts, [NOBODY, _Failing([]), NOBODY])
    assert result.texts.to_pylist() == ["SSN [SSN]", None, "seen [SERVICE_DATE]"]
    assert result.reasons == {"failed": 1}
    assert "Wolframite" not in caplog.text + repr(result.reasons)


def test_each_note_needs_its_patient() -> None:
    """Notes and patients that do not match one to one are an error, not a guess."""
    with pytest.raises(ValueError, match="different lengths"):
        redactor().redact(pa.array(["a", "b"]), [NOBODY])


def test_overlapping_finds_are_merged_under_the_surest_rule() -> None:
    """Known comes before pattern before language model; nothing that any of them found is left."""
    spans = [Span(4, 9, "city", "ner:x"), Span(0, 6, "person_name", "known:name"), Span(8, 12, "date", "pattern:x")]
    assert merged(spans) == [Span(0, 12, "person_name", "known:name")]
    assert merged([Span(0, 2, "age", "ner:x"), Span(2, 4, "age", "ner:x")]) == [
        Span(0, 2, "age", "ner:x"),
        Span(2, 4, "age", "ner:x"),
    ]


def test_importing_notes_loads_no_model() -> None:
    """A command that touches no note does not wait for Presidio and spaCy."""
    code = (
        "import sys, deid.notes, deid.notes.known, deid.notes.redactor as r; r.Redactor();"
        "sys.exit(any(m.split('.')[0] in ('spacy','presidio_analyzer','presidio_anonymizer') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("nothing of hers", 0),
        ("[PERSON_NAME] of [CITY] on [BIRTH_DATE], [SSN]", 0),
        ("QUINTANILLA came with Ximena", 3),  # the surname is hers and her relative's
        ("912 33 1234", 1),
        ("9912331234", 0),
        ("01/02/1950 or January 2, 1950", 2),
        ("at 4410 Larkspur  Lane", 1),
        ("XIMENA.Q@EXAMPLE.ORG", 2),  # the address, and the name in it
        ("774411 x", 0),
        ("00774411", 1),
    ],
)
def test_the_leak_check_counts_whole_identifiers(text: str, count: int) -> None:
    """The independent check counts names, numbers, dates, addresses and e-mails, and nothing else."""
    assert leaks(text, patient()) == count
