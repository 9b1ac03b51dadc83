"""What stands in the place of identifiers, by example, and how a note is withheld when anything is in doubt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from note_spans import KEY, SHIFTED, Marked, one, written

from deid.errors import KeyFaultError
from deid.notes.known import KnownIdentifiers
from deid.notes.redactor import Redactor
from deid.notes.span import Span
from deid.notes.writing import Replacement, Writing

NOBODY = KnownIdentifiers([])
RECORD = (("person_name", "Ximena"), ("person_name", "Quintanilla"), ("mrn", "00774411"), ("birth_date", "1950-01-02"))
SURROGATES = {"surrogates": True, "dates": SHIFTED}

# days | the date | after the shift
SHIFTS = """
49   | 3/14/21                  | 5/02/21
49   | 03/14/2021               | 05/02/2021
49   | 2021-03-14               | 2021-05-02
49   | 2021-03-14T08:15:00Z     | 2021-05-02T08:15:00Z
49   | 20210314                 | 20210502
49   | 3-14-2021 at 10:30 pm    | 5-02-2021 at 10:30 pm
49   | March 14th, 2021         | May 2nd, 2021
49   | MARCH 14, 2021           | MAY 2, 2021
49   | Mar. 14, 2021            | May 2, 2021
49   | 14-MAR-2021              | 02-MAY-2021
49   | 14 March 2021            | 2 May 2021
49   | 14th of March, 2021      | 2nd of May, 2021
49   | Monday, March 15, 2021   | Monday, May 3, 2021
1    | Mon 3/15/2021            | Tue 3/16/2021
-40  | 2/29/20                  | 1/20/20
1    | 12/31/2021               | 01/01/2022
20   | 14/3/21                  | 03/4/21
60   | May 4, 2021              | July 3, 2021
1    | March 2021               | [SERVICE_DATE]
1    | 2021                     | [SERVICE_DATE]
1    | Feb 30, 2021             | [SERVICE_DATE]
1    | the 3rd                  | [SERVICE_DATE]
1    | Easter                   | [SERVICE_DATE]
1    | March 1421               | [SERVICE_DATE]
1    | 3/14/2019                | [SERVICE_DATE]
1    | 12/31/2024               | [SERVICE_DATE]
"""

# unit | the date | as it is written
UNITS = """
year     | 3/14/21          | 2021
year     | March 2021       | 2021
year     | March 14         | [SERVICE_DATE]
quarter  | March 14, 2021   | 2021-Q1
quarter  | 12/2021          | 2021-Q4
month    | 3/14/21          | 2021-03
month    | Mar 2021         | 2021-03
month    | 2021             | [SERVICE_DATE]
week     | 2021-01-03       | 2020-W53
week     | March 2021       | [SERVICE_DATE]
year     | 3/14/1937        | [SERVICE_DATE]
year     | 3/14/1938        | 1938
year     | 3/14/27          | 2027
year     | 3/14/28          | [SERVICE_DATE]
"""


def rows(table: str) -> list[tuple[str, ...]]:
    """Cut a text table into its cells."""
    return [tuple(cell.strip() for cell in line.split("|")) for line in table.strip().splitlines()]


@pytest.mark.parametrize(("days", "before", "after"), rows(SHIFTS))
def test_a_shifted_date_keeps_its_form(days: str, before: str, after: str) -> None:
    """The day moves, what surrounds it stays; what is no whole day, or outside of what tables show, is a tag."""
    shifted = one(f"Seen {{service_date:{before}}} here.", days=int(days), dates=SHIFTED)
    assert shifted == f"Seen {after} here."


@pytest.mark.parametrize(("unit", "before", "after"), rows(UNITS))
def test_a_date_is_cut_to_the_unit_of_the_tables(unit: str, before: str, after: str) -> None:
    """The unit is written as the tables write it; what tells less, or an age over 89, is a tag."""
    cut = one(f"Seen {{service_date:{before}}}.", dates={"service_date": unit}, floor_year=1937)
    assert cut == f"Seen {after}."


def test_a_date_without_a_year_goes_by_the_nearest_whole_date() -> None:
    """The year matters for 29 February and the end of the year; without a whole date beside it there is none."""
    note = "Admitted {service_date:12/28/2023}, CT {service_date:12/30}, home {service_date:January 3}. MRI {service_date:3/1}."
    assert one(note, days=1, dates=SHIFTED) == "Admitted 12/29/2023, CT 12/31, home January 4. MRI 3/2."
    assert one("CT {service_date:12/30}.", days=1, dates=SHIFTED) == "CT [SERVICE_DATE]."


def test_a_date_in_the_year_of_birth_is_read_as_the_birth() -> None:
    """Where units are written, a birth that was taken for a visit follows the rule for births: here, a tag."""
    note = "Born {service_date:March 1950}, seen {service_date:3/14/21}."
    assert one(note, record=RECORD, dates={"service_date": "month"}) == "Born [SERVICE_DATE], seen 2021-03."
    births = {"service_date": "month", "birth_date": "year"}
    assert one(note, record=RECORD, dates=births) == "Born 1950, seen 2021-03."
    assert one(note, record=RECORD, dates=births, aged=True) == "Born [SERVICE_DATE], seen 2021-03."


@pytest.mark.parametrize(
    ("days", "after"),
    [
        (0, "Born 1/2/1950, seen 3/14/21."),
        (365, "Born 1/2/1951, seen 3/14/22."),
    ],
)
def test_who_moves_by_nothing_is_written_like_everybody(days: int, after: str) -> None:
    """A note that were withheld, or a tag, because a birth date stands where it stood would tell that it is true."""
    note = "Born {birth_date:1/2/1950}, seen {service_date:3/14/21}."
    assert one(note, record=RECORD, days=days, dates=SHIFTED) == after


def test_a_date_that_lands_on_a_day_of_the_record_is_written_like_every_other() -> None:
    """A tag in that place alone would tell how far dates moved; a true date that is left withholds the note."""
    record = (("death_date", "2021-03-15"), ("service_date", "2021-03-16"))
    days = "Seen {service_date:3/14/21}, {service_date:3/15/21} and {service_date:3/16/21}."
    assert one(days, record=record, days=1, dates=SHIFTED) == "Seen 3/15/21, 3/16/21 and 3/17/21."
    assert one("Seen {service_date:3/14/21}, died 3/15/2021.", record=record, days=1, dates=SHIFTED) is None
    assert one("Seen {service_date:3/14/21}, died 3/15/2021.", record=record, days=0, dates=SHIFTED) is None


def test_ages_and_zip_codes_go_by_the_policy() -> None:
    """An age over 89 is 90+, a ZIP code three digits or 000, where the policy says so; else tags."""
    note = "A {age:93}-year-old of {zip_code:02139-1234}, before of {zip_code:03601}."
    assert one(note, caps_ages=True, zip3=True) == "A 90+-year-old of 021, before of 000."
    assert one(note) == "A [AGE]-year-old of [ZIP_CODE], before of [ZIP_CODE]."


def test_kinds_without_a_surrogate_are_tags() -> None:
    """What cannot be invented is never left as it is."""
    note = "at {geocode:42.3601, -71.0589}, age {age:97}, on {service_date:Easter}, {photo:img_17.png}"
    assert one(note, **SURROGATES) == "at [GEOCODE], age [AGE], on [SERVICE_DATE], [PHOTO]"


def test_parts_of_one_name_share_a_tag() -> None:
    """Two finds of one kind with nothing but a blank between are one name; two dates stay two."""
    note = "Dr. {provider_name:Ana} {provider_name:Cruz} {service_date:3/14/21} {service_date:3/15/21}"
    assert one(note, dates=SHIFTED, days=1) == "Dr. [PROVIDER_NAME] 3/15/21 3/16/21"


class _Faulty:
    """A detector with a fault of its own in certain notes."""

    def __init__(self, spans: Sequence[Span] = (), *, raises: bool = False, short: bool = False) -> None:
        self.spans, self.raises, self.short = spans, raises, short
        self.sizes: list[int] = []

    def detect(self, texts: Sequence[str], known: Sequence[Any]) -> list[Sequence[Span]]:
        self.sizes.append(len(texts))
        faulty = [text.startswith("canary") for text in texts]
        if self.raises and any(faulty):
            raise RuntimeError(f"cannot search {texts!r}")
        return [self.spans if fault else [] for fault in faulty][: len(texts) - (self.short and any(faulty))]


@pytest.mark.parametrize(
    "detector",
    [
        _Faulty(raises=True),
        _Faulty(short=True),
        _Faulty([Span(0, 7, "person_name", "x"), Span(6, 10, "person_name", "x")]),
        _Faulty([Span(4, 6, "person_name", "x"), Span(0, 2, "person_name", "x")]),
        _Faulty([Span(0, 99, "person_name", "x")]),
        _Faulty([Span(-3, 2, "person_name", "x")]),
        _Faulty([Span(3, 3, "person_name", "x")]),
        _Faulty([Span(0, 2, None, "x")]),  # type: ignore[arg-type]
    ],
    ids=["raises", "too few", "overlap", "disorder", "beyond", "before", "empty", "no kind"],
)
def test_a_note_whose_search_is_unsound_is_withheld_alone(detector: _Faulty, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the fault, that note is withheld, all others pass, and its text shows up nowhere."""
    caplog.set_level("DEBUG")
    texts = [f"note {n}" for n in range(9)]
    texts[4] = "canary Wolframite sings"
    result = Redactor(detector=detector).redact(pa.array(texts), [NOBODY] * 9)
    assert result.texts.to_pylist() == [None if n == 4 else f"note {n}" for n in range(9)]
    assert (result.withheld, result.reasons) == (1, {"failed": 1})
    assert "Wolframite" not in caplog.text + repr(result)


def test_a_failing_batch_is_halved_not_taken_apart() -> None:
    """One bad note among many costs searches by the logarithm of their number."""
    detector = _Faulty(raises=True)
    texts = ["fine"] * 63 + ["canary"]
    Redactor(detector=detector).redact(pa.array(texts), [NOBODY] * 64)
    assert len(detector.sizes) == 13


def test_what_cannot_be_read_or_is_too_long_is_withheld() -> None:
    """NULs, replacement characters, bytes that are no UTF-8 and notes over the limit become null, with the reason."""
    detector = Marked([])
    texts = pa.array(["a\x00b", "a\ufffdb", "x" * 21, None, "y" * 20])
    result = Redactor(max_chars=20, detector=detector).redact(texts, [NOBODY] * 5)
    assert result.texts.to_pylist() == [None, None, None, None, "y" * 20]
    assert (result.withheld, result.reasons) == (3, {"unreadable": 2, "too_long": 1})
    ends = pa.py_buffer(np.array([0, 3, 6], np.int32))
    bad = pa.Array.from_buffers(pa.string(), 2, [None, ends, pa.py_buffer(b"abc\xed\xa0\x80")])  # a lone surrogate
    result = Redactor(detector=detector).redact(bad, [NOBODY] * 2)
    assert (result.texts.to_pylist(), result.reasons) == (["abc", None], {"unreadable": 1})


@pytest.mark.parametrize("surrogates", [False, True])
def test_an_identifier_that_was_missed_withholds_the_note(*, surrogates: bool) -> None:
    """Among tags and among surrogates, the other check sees what the search did not."""
    notes = ["{person_name:Ximena} came", "QUINTANILLA came", "mrn 0077-4411", "{person_name:Ximena} and Ximena-X"]
    result = written(notes, record=RECORD, surrogates=surrogates)
    assert [text is None for text in result.texts.to_pylist()] == [False, True, True, False]
    assert result.reasons == {"leak": 2}


def test_surrogates_need_a_key_for_every_patient() -> None:
    """A short key is a fault of the caller, not of a note: it is raised, not counted; so are lists that do not fit."""
    with pytest.raises(KeyFaultError, match="at least 16 bytes, found 3"):
        written(["a"], key=b"abc", surrogates=True)
    off = Replacement(Writing(), [KEY], np.zeros(1, np.int32), np.zeros(1, bool))
    with pytest.raises(ValueError, match="different lengths"):
        Redactor(detector=Marked([])).redact(pa.array(["a", "b"]), [NOBODY] * 2, off)


def test_what_a_run_knows_of_a_patient_is_in_no_repr() -> None:
    """Keys, offsets and texts never reach a log by way of a repr."""
    replacement = Replacement(Writing(), [b"secretsecretsecret"], np.full(1, 12345, np.int32), np.zeros(1, bool))
    shown = repr(replacement) + repr(replacement.owner(0)) + repr(written(["{person_name:Ximena}"]))
    assert not any(secret in shown for secret in ("secret", "12345", "Ximena"))


class _Each:
    """A detector that tells for each note whether it was searched, and counts what it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def each(self, notes: Iterable[Any]) -> Iterator[list[Span] | None]:
        """Return nothing found, a span out of the text, and no answer, by turns."""
        for number, _ in enumerate(notes):
            self.asked += 1
            yield [[], [Span(0, 99, "phone", "pattern:x")], None][number % 3]

    def detect(self, texts: Sequence[str], known: Sequence[Any]) -> list[list[Span]]:
        """Must not be asked."""
        raise AssertionError


def test_no_note_is_searched_twice_for_another_that_failed() -> None:
    """Where the detector tells which notes failed, those alone are withheld, and none is searched again."""
    detector = _Each()
    result = Redactor(detector=detector).redact(pa.array(["well", "ill", "worse"] * 3), [KnownIdentifiers([])] * 9)
    assert result.texts.to_pylist() == ["well", None, None] * 3
    assert (detector.asked, result.reasons) == (9, {"failed": 6})
