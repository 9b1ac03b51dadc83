# ruff: noqa: RUF001 - look-alike characters are among the examples
"""Text made plain, and disguised identifiers written plainly: the reference by example."""

from __future__ import annotations

import pytest

from deid.notes.collapsing import windows
from deid.notes.folding import fold, fold_lower

# as written | plain
FOLDED = [
    ("ＪＯＨＮ ５５５", "JOHN 555"),
    ("𝐉𝐨𝐡𝐧 𝒮𝓂𝒾𝓉𝒽 𝟝𝟝𝟝", "John Smith 555"),
    ("Ⓜⓐⓡⓘⓐ 🄻🄾🄿🄴🅉", "Maria LOPEZ"),
    ("Мaria Lоpez", "Maria Lopez"),
    ("Ιοhn ΜΑΡΚ", "Iohn MAPK"),
    ("ᴊᴏʜɴ ꓢᎷith", "john SMith"),
    ("Jose\u0301 Nu\u0303n\u0303ez", "Jose Nunez"),
    ("J̲o̲h̲n̲ S̶m̶i̶t̶h̶", "John Smith"),
    ("Łukasz Straße Ærø", "Lukasz Strasse AEro"),
    ("S\u200bm\u200ci\u200dt\ufeffh", "Smith"),
    ("4111\u206011\u2063ㅤ11", "41111111"),
    ("Smith\u00a0Jr\u2009x\u3000y", "Smith Jr x y"),
    ("Her\u00adnan\u00addez", "Hernandez"),
    ("Hernan\u00ad\ndez", "Hernan-\ndez"),
    ("O\u2019Brien \u201cBob\u201d 555\u20130142 03\u204414", 'O\'Brien "Bob" 555-0142 03/14'),
    ("a\r\nb\rc\x0bd\u2028e", "a \nb\nc\nd\ne"),
    ("a\x00b\x07c", "a b c"),
    ("Lopez,&nbsp;Maria &amp; Jos&eacute; O&#39;Neil &#x4A;o", "Lopez, Maria & Jose O'Neil Jo"),
    ("R&D; &bogus; AT&T &#9999999; x", "R&D; &bogus; AT&T   x"),
    ("٠١٢-٣٤-５６", "012-34-56"),
    ("fi\ufb01 Ⅳ ½", "fifi IV 1/2"),
]


@pytest.mark.parametrize(("written", "plain"), FOLDED)
def test_text_becomes_plain(written: str, plain: str) -> None:
    """Look-alikes, marks, invisible characters, references and odd blanks give way to plain characters."""
    assert fold(written).text == plain


def test_ordinary_text_stays_itself() -> None:
    """ASCII text without references is returned as it is, and with offsets as they are."""
    text = "BP 120/80 & pulse 72; \tseen\n"
    folded = fold(text)
    assert folded.text is text
    assert folded.back(3, 9) == (3, 9)
    assert folded.origin is None


@pytest.mark.parametrize(
    ("written", "found", "original"),
    [
        ("x Jose\u0301 y", "Jose", "Jose\u0301"),
        ("\u200bSm\u200bith\u200b!", "Smith", "Sm\u200bith\u200b"),
        ("Dr Stra\u00dfe 4", "Strasse", "Stra\u00dfe"),
        ("Lopez&nbsp;&#77;aria;", "Lopez Maria", "Lopez&nbsp;&#77;aria"),
        ("\u00c6r\u00f8 \u00c6r\u00f8", "AEro", "\u00c6r\u00f8"),
        ("a\r\nSmith", "Smith", "Smith"),
    ],
)
def test_what_is_found_leads_back(written: str, found: str, original: str) -> None:
    """The offsets of what was found in plain text are those of what was written, marks behind it included."""
    folded = fold(written)
    at = folded.text.index(found)
    start, end = folded.back(at, at + len(found))
    assert written[start:end] == original


def test_lower_case_keeps_offsets() -> None:
    """Letters whose lower case is longer keep their place."""
    assert len(fold_lower("İSTANBUL ΟΔΟΣ")) == len("İSTANBUL ΟΔΟΣ")


def test_text_is_not_in_a_repr() -> None:
    """The repr of a folded text tells lengths only."""
    assert "Lopez" not in repr(fold("Lópe\u0301z"))


# as written | as it would be written plainly
DISGUISED = [
    ("Patient J o h n  S m i t h came", "Patient John Smith came"),
    ("J o h n S m i t h", "John Smith"),
    ("S M I T H , J O H N was seen", "SMITH, JOHN was seen"),
    ("SSN 1 2 3 - 4 5 - 6 7 8 9 on file", "SSN 123-45-6789 on file"),
    ("M R N : 4 4 5 5 6 6", "MRN: 445566"),
    ("write j o h n @ e x a m p l e . o r g", "write john@example.org"),
    ("spelled S-M-I-T-H", "spelled SMITH"),
    ("id 5_5_5_0_1_4_2", "id 5550142"),
    ("call 555-\n0142 now", "call 555-0142 now"),
    ("call (617)\n555-0142", "call (617)555-0142"),
    ("call 617-555\n -0142", "call 617-555-0142"),
    ("Mr. Hernan-\n  dez came", "Mr. Hernandez came"),
    ("Mr. HERNAN-\nDEZ came", "Mr. HERNANDEZ came"),
    ("Ms. Smith-\nJones came", "Ms. Smith-Jones came"),
    ("6l7-555-Ol42 rings", "617-555-0142 rings"),
    ("SSN 4O2-l9-88B7", "SSN 402-19-8887"),
    ("on O3/l4/2O24 seen", "on 03/14/2024 seen"),
    ("six one seven, five five five oh one four two", "6175550142"),
    ("mail jane dot doe at example dot org now", "mail jane.doe@example.org now"),
    ("mail jane_doe(at)example(dot)org now", "mail jane_doe@example.org now"),
    ("Seen by Dr. 0kafor and J0hn Sm1th", "Seen by Dr. 0kafor and John Smith"),
]


@pytest.mark.parametrize(("written", "plain"), DISGUISED)
def test_a_disguise_is_undone(written: str, plain: str) -> None:
    """What is written apart, broken, misread or dictated is written plainly in a second view."""
    assert [window.text for window in windows(written)] == [plain]


FULL = "The patient was seen today in the clinic together with her husband "


@pytest.mark.parametrize(("end", "begin"), [("John", "Smith and is well"), ("March", "14 for tests"), ("Dr.", "Ojo")])
def test_what_a_full_line_divides_is_joined(end: str, begin: str) -> None:
    """The last word of a full line and the first of the next are read together where they may be one name or date."""
    [window] = windows(f"{FULL}{end}\n{begin}")
    assert window.text.endswith(f"{end} {begin}")


@pytest.mark.parametrize(
    "text",
    [
        "Pain scale 0 1 2 3 4 5 6 7 8 9 10 shown.",
        "T2 N0 M0, HbA1c 7.2, B12 low, O2 98 %, COVID19, H1N1, 2x/day, 10 mg PO q8h, ICD S72.001A, I48.91",
        "U.S.A., b.i.d., q.i.d., p.r.n., e.g. and so on",
        "Strength 5/5, reflexes 2+, A&O x 3; a 2 x 3 cm mass",
        "BP 120/80\nHR 72\nRR 16\nTemp 98.6",
        "1. Metformin\n2. Lisinopril\n3. Aspirin",
        f"{FULL}Metformin.\nShe is well",
        f"{FULL}today\nPlan: rest",
        "a red dot at the wrist, dot blot at baseline",
        "one or two drinks, three or four times",
        "",
    ],
)
def test_ordinary_notes_have_no_second_view(text: str) -> None:
    """Scales, scores, codes, lists and doses are not taken for disguises."""
    assert windows(text) == []


def test_only_the_surroundings_are_read_again() -> None:
    """A disguise in a long note costs a short window, whose words are whole."""
    text = "word " * 5_000 + "S M I T H " + "word " * 5_000
    [window] = windows(text)
    assert window.text.split() == ["word"] * window.text.split().index("SMITH") + ["SMITH"] + ["word"] * (
        len(window.text.split()) - window.text.split().index("SMITH") - 1
    )
    assert len(window.text) < 300
