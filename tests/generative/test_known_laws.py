# ruff: noqa: RUF001 - look-alike characters are among the texts
"""Laws of known identifiers against a writer of the tests' own: whatever form it chooses is covered, the rest stays."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from note_engine import known, without_known

from deid.notes import leaks
from deid.notes.known.ordinary import Sense, ordinary_words, sense_of

HEADS = ("bra", "dun", "kel", "mor", "vash", "tolu", "xim", "quin", "oka", "zel", "hurl", "pem", "gri", "yev")
MIDDLES = ("da", "le", "ri", "no", "vu", "ska", "tre", "ba")
TAILS = ("vitz", "ndez", "owsky", "enko", "alla", "ford", "wick", "stein", "mura", "dottir")
SHORT = {"robert": "Bob", "william": "Bill", "margaret": "Peggy", "elizabeth": "Betsy", "francisco": "Paco",
         "guadalupe": "Lupe", "katherine": "Katie", "anthony": "Tony", "patricia": "Trish", "theodore": "Teddy"}  # fmt: skip
PLAIN = (
    "the patient was seen today and denies fever or cough", "lungs are clear to auscultation with no wheezes",
    "continue metoprolol 25 mg twice daily", "blood pressure 120/80 and pulse 72", "hemoglobin 13.2 and platelets 250",
    "follow up in 2 weeks with repeat labs", "abdomen soft with no guarding", "strength 5/5 in all four limbs",
    "no known drug allergies", "Chest: clear. Heart: regular rate", "ASSESSMENT AND PLAN", "Lisinopril was stopped",
)  # fmt: skip

surnames = st.builds(
    "{}{}{}".format, st.sampled_from(HEADS), st.sampled_from(MIDDLES) | st.just(""), st.sampled_from(TAILS)
).filter(lambda name: sense_of(name) is Sense.NONE)
cases = st.sampled_from([str.title, str.upper, str.capitalize])
sentences = st.sampled_from(PLAIN)


@st.composite
def typos(draw: st.DrawFn, word: str) -> str:
    """Write a word with one letter left out, doubled, changed or swapped with the next."""
    at = draw(st.integers(0, len(word) - 2))
    way = draw(st.sampled_from(["out", "doubled", "changed", "swapped"]))
    if way == "out":
        return word[:at] + word[at + 1 :]
    if way == "doubled":
        return word[: at + 1] + word[at:]
    if way == "changed":
        return word[:at] + draw(st.sampled_from("aeioumnrst")) + word[at + 1 :]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


@st.composite
def written_names(draw: st.DrawFn) -> tuple[str, str, list[str]]:
    """Draw the name of a record, what a writer makes of it, and the pieces of it that must not be left."""
    given_name, family = draw(st.sampled_from(sorted(SHORT))), draw(surnames)
    first = draw(st.sampled_from([given_name, SHORT[given_name], given_name[0] + "."]))
    last = draw(st.sampled_from([family, family + "'s"]) | typos(family))
    assume(last not in ordinary_words())
    form = draw(st.sampled_from(["{f} {l}", "{l}, {f}", "{l},{f}", "Mr. {l}", "Mrs {l} ({f})", "{f}\n{l}"]))
    case = draw(cases)
    written = form.format(f=first if first.endswith(".") else case(first), l=case(last))
    pieces = [last.removesuffix("'s")] + ([] if first.endswith(".") or "{f}" not in form else [first])
    return f"{given_name} {family}".title(), written, pieces


@given(written_names(), sentences, sentences)
def test_a_name_is_covered_in_whatever_form_it_is_written(
    case: tuple[str, str, list[str]], before: str, after: str
) -> None:
    """Short, misspelt, possessive, turned around, in capitals, broken over lines: the name goes, the text stays."""
    value, written, pieces = case
    out = without_known(f"{before}; {written} {after}", known(("person_name", value)))
    assert not [piece for piece in pieces if piece.lower() in out.lower().replace("person_name", "")]
    assert before in out
    assert after in out


@given(surnames, st.data())
def test_one_mistake_hides_no_name_of_five_letters(name: str, data: st.DataObject) -> None:
    """Every word one mistake away is found, wherever in the name the mistake is."""
    wrong = data.draw(typos(name))
    assume(wrong != name and wrong not in ordinary_words() and len(name) >= 5)
    spans = known(("person_name", name)).find(f"saw {wrong.title()} today")
    assert [(s.start, s.end) for s in spans] == [(4, 4 + len(wrong))]


@given(st.lists(surnames, min_size=1, max_size=6), st.lists(sentences, max_size=6))
def test_a_text_without_the_names_loses_nothing(names: list[str], lines: list[str]) -> None:
    """Ordinary and clinical words are never taken for a misspelt name."""
    own = known(
        *(("person_name", name.title()) for name in names), ("ssn", "912-47-1386"), ("birth_date", "1951-07-23")
    )
    assert own.find("\n".join(lines)) == []


digits = st.text("0123456789", min_size=7, max_size=12).filter(lambda number: number[0] != "0")
CONFUSED = {"0": "O", "1": "l", "5": "S", "8": "B"}


@given(digits, st.lists(st.sampled_from(["", "-", " ", ".", "-\n", "  "]), min_size=12, max_size=12), sentences)
def test_a_number_is_covered_however_it_is_broken(number: str, gaps: list[str], around: str) -> None:
    """Digits set apart by marks, blanks and line ends are one number."""
    written = "".join(digit + gap for digit, gap in zip(number, gaps, strict=False)).rstrip("-. \n")
    assert without_known(f"{around}: {written}; x", known(("mrn", number))) == f"{around}: [MRN]; x"


@given(digits, st.sets(st.integers(0, 11), min_size=1, max_size=3), st.sampled_from(["", "-"]))
def test_a_misread_number_is_covered(number: str, places: set[int], mark: str) -> None:
    """O, l, S and B in the place of 0, 1, 5 and 8 hide no number, from the search or from the independent check."""
    letters = [CONFUSED.get(digit, digit) if at in places else digit for at, digit in enumerate(number)]
    assume(letters != list(number) and sum(map(str.isdigit, letters)) > len(letters) // 2)
    written = "".join(letters[:3]) + mark + "".join(letters[3:])
    own = known(("member_id", number))
    assert without_known(f"id {written}, x", own) == "id [MEMBER_ID], x"
    assert leaks(f"id {written}, x", own) == 1


MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
          "November", "December")  # fmt: skip
_DAYS = """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
    sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third twenty-fourth
    twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first
"""
DAYS = _DAYS.split()
FORMS = (
    "{m}/{d}/{y}", "{m:02}/{d:02}/{y}", "{d}.{m}.{y}", "{y}-{m:02}-{d:02}", "{y}/{m:02}/{d:02}", "{m}-{d}-{s:02}",
    "{d:02}.{m:02}.{s:02}", "{name} {d}, {y}", "{name} {d} {y}", "{short} {d}, {y}", "{d} {name} {y}", "{d}-{short}-{y}",
    "{d} {short}. '{s:02}", "{name} {nth} {y}", "{name} {word}, {y}", "{d}{short}{y}", "{y} {short} {d}", "{name} {d}",
    "{d} {name}", "{name} {y}", "{m:02}{d:02}{y}", "{y}{m:02}{d:02}", "{m} / {d} / {y}", "{name}\n{d}, {y}",
)  # fmt: skip


@given(st.dates(date(1905, 1, 1), date(2029, 12, 31)), st.sampled_from(FORMS), cases, sentences)
def test_a_date_is_covered_in_whatever_form_it_is_written(day: date, form: str, case: object, around: str) -> None:
    """American, European, ISO, spelled, of two digits, in part: a day of the record goes."""
    name = MONTHS[day.month - 1]
    endings = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
    written = form.format(
        y=day.year, s=day.year % 100, m=day.month, d=day.day, name=name, short=name[:3], word=DAYS[day.day - 1],
        nth=f"{day.day}{endings.get(day.day, 'th')}",
    )  # fmt: skip
    own = known(("service_date", day.isoformat()))
    out = without_known(f"{around}. Seen {case(written)}; x", own)  # type: ignore[operator]
    assert out == f"{around}. Seen [SERVICE_DATE]; x"
    assert leaks(out, own) == 0


anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
foreign = st.sampled_from(["é", "ß", "\u200b", "ﬁ", "İ", "Ａ", "\u0301", "А", " ", "\n", "&amp;", "\u00ad\n"])


@settings(max_examples=200)
@given(st.lists(anything | foreign | surnames | digits, max_size=8), st.lists(surnames, max_size=3), digits)
@example(["İ", "vashvitz", "İ"], ["vashvitz"], "1234567")
def test_spans_are_in_order_apart_and_cut_no_character(pieces: list[str], names: list[str], number: str) -> None:
    """Whatever the text holds, spans are sorted and disjoint, and what stands between them is as it was."""
    text = " ".join([*pieces, *names, number])
    own = known(*(("person_name", name) for name in names), ("mrn", number))
    spans = own.find(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(first.end <= second.start for first, second in pairwise(spans))
    assert all(span.rule.startswith("known:") for span in spans)
    covered = {at for span in spans for at in range(span.start, span.end)}
    start = len(text) - len(number)
    assert set(range(start, len(text))) <= covered
