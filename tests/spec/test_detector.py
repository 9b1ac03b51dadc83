"""The detector: what its finders find becomes one list of spans, whatever happens to one note or one process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import NotesError
from deid.notes import pool
from deid.notes.collapsing import windows
from deid.notes.detector import Detector, Note, batches, found_by_patterns
from deid.notes.known import KnownIdentifiers
from deid.notes.merging import RANKS, merged
from deid.notes.span import Span

spans = st.lists(
    st.builds(
        lambda start, length, rule: Span(start, start + length, f"kind {rule}", f"{rule}:x"),
        st.integers(0, 40),
        st.integers(1, 12),
        st.sampled_from(sorted(RANKS)),
    ),
    max_size=12,
)


@given(spans)
def test_merged_spans_cover_exactly_what_was_found(found: list[Span]) -> None:
    """Merged spans are in order, apart, and together cover the characters that were found and no others."""
    out = merged(found)
    assert {at for s in out for at in range(s.start, s.end)} == {at for s in found for at in range(s.start, s.end)}
    assert all(a.end <= b.start for a, b in pairwise(out))
    assert merged(out) == out


@given(spans, st.randoms())
def test_kind_and_rule_are_those_of_the_surest(found: list[Span], random: object) -> None:
    """A merged span is called what the surest of the finds in it is called, in whatever order they came."""
    for span in merged(found):
        inside = [s for s in found if s.start < span.end and s.end > span.start]
        surest = min(RANKS[s.rule.partition(":")[0]] for s in inside)
        assert RANKS[span.rule.partition(":")[0]] == surest
        assert (span.kind, span.rule) in {(s.kind, s.rule) for s in inside}
    shuffled = sorted(found, key=lambda s: (s.rule, s.end))
    assert [(s.start, s.end) for s in merged(shuffled)] == [(s.start, s.end) for s in merged(found)]


def test_finds_that_only_touch_stay_apart() -> None:
    """A date that touches a name does not become one span with it."""
    touching = [Span(0, 4, "person_name", "network:name"), Span(4, 9, "service_date", "pattern:date:iso")]
    assert merged(touching) == touching


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Return the one detector of this file."""
    return Detector()


NOTES = [
    "Dr. Okonkwo saw the patient on 03/14/2024.",
    "MRN",
    "4455667",
    "call 617-555-0142 or write to a.b@example.org\n",
    "Seen on March",
    "14, 2024 for follow up",
    "BP 120/80, metformin 500 mg twice daily",
    "SSN:",
    "912-33-1234",
    "",
    " ",
    "José\u0301 Núñez, 44 Larkspur Lane, Fernborough, MA 02139",
    "PATIENT: LOPEZ, MARIA  DOB 1/2/1950",
    "S M I T H , J O H N has MRN 1 2 3 4 5 6 7",
]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(NOTES), min_size=1, max_size=8))
def test_neighbors_in_a_batch_change_nothing(notes: list[str]) -> None:
    """A note has the same spans alone and among others."""
    with Detector() as one:
        alone = [one.detect([note], [None])[0] for note in notes]
        assert one.detect(notes, [None] * len(notes)) == alone


def test_a_find_over_two_notes_is_none() -> None:
    """The end of one note and the beginning of the next are not read together."""
    finds = found_by_patterns(["SSN 912-33", "-1234", "on March", "14, 2024"])
    assert all(
        f.end <= len(text)
        for text, own in zip(["SSN 912-33", "-1234", "on March", "14, 2024"], finds, strict=True)
        for f in own
    )


def test_every_span_says_who_found_it(detector: Detector) -> None:
    """Spans are inside of their text, in order and apart, with a kind and a rule that begins with its finder."""
    known = KnownIdentifiers([("person_name", "Maria Lopez")])
    for text, found in zip(NOTES, detector.detect(NOTES, [known] * len(NOTES)), strict=True):
        assert all(0 <= s.start < s.end <= len(text) for s in found)
        assert all(a.end <= b.start for a, b in pairwise(found))
        assert all(s.rule.partition(":")[0] in RANKS and s.kind.islower() for s in found)


# kind | value in the record | text | what is removed
FOUND = [
    ("person_name", "John Smith", "Seen: J o h n  S m i t h today", "J o h n  S m i t h"),
    ("person_name", "John Smith", "Seen: S M I T H , J O H N today", "S M I T H , J O H N"),
    ("person_name", "Ana Hernandez", "The wife, Hernan-\ndez by name", "Hernan-\ndez"),
    ("person_name", "John Smith", "J0hn Sm1th rang", "J0hn Sm1th"),
    ("mrn", "4455667", "number 4 4 5 5 6 6 7 of the chart", "4 4 5 5 6 6 7"),
    ("mrn", "4455667", "number 44S5667 of the chart", "44S5667"),
    ("phone", "617-555-0142", "rings at 617-555-\n0142 now", "617-555-\n0142"),
    ("phone", "617-555-0142", "rings at six one seven five five five oh one four two now",
     "six one seven five five five oh one four two"),
    ("person_name", "John Smith", "Seen: <b>J</b>ohn today", "J</b>ohn"),
    ("facility_name", "Gentle Family Care", "at Gentle<br/>Family</td>\n<td class='x'>Care, well",
     "Gentle<br/>Family</td>\n<td class='x'>Care"),
    ("facility_name", "Gentle Family Care", r"at Gentle\nFamily\r\nCare, well", r"Gentle\nFamily\r\nCare"),
    ("facility_name", "Gentle Family Care", "at Gentle%20Family%20Care, well", "Gentle%20Family%20Care"),
    ("person_name", "John Smith", "\u200bJ\u200bo\u200bhn&nbsp;Sm\u0456th rang", "J\u200bo\u200bhn&nbsp;Sm\u0456th"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "text", "removed"), FOUND)
def test_disguised_identifiers_of_the_record_are_found(
    detector: Detector, kind: str, value: str, text: str, removed: str
) -> None:
    """An identifier of the record is removed where it is spaced out, broken, misread, dictated or spelled oddly."""
    [found] = detector.detect([text], [KnownIdentifiers([(kind, value)])])
    at = text.index(removed)
    covered = {i for s in found for i in range(s.start, s.end)}
    assert {i for i in range(at, at + len(removed)) if text[i].isalnum()} <= covered


@pytest.mark.parametrize("text", ["SSN 9 1 2 - 3 3 - 1 2 3 4", "SSN 9l2-33-l234", "SSN 912-33-\n1234"])
def test_disguised_numbers_are_found_without_a_record(detector: Detector, text: str) -> None:
    """Patterns read the second view too."""
    [found] = detector.detect([text], [None])
    assert [text[s.start : s.end] for s in found] == [text[4:]]


class _Broken(KnownIdentifiers):
    """Identifiers whose search fails, and whose error would tell them."""

    __slots__ = ()

    def find(self, text: str) -> list[Span]:
        raise RuntimeError(f"cannot find Quintanilla in {text}")


def test_a_failing_note_takes_no_other_along(detector: Detector) -> None:
    """One note without an answer among others; all at once have none, and the error tells no text."""
    notes: list[Note] = [("on 03/14/2024", None), ("Quintanilla", _Broken([])), ("on 03/15/2024", None)]
    first, failed, last = detector.each(notes)
    assert (len(first or []), failed, len(last or [])) == (1, None, 1)
    with pytest.raises(NotesError, match="1 of 3 notes") as raised:
        detector.detect([text for text, _ in notes], [known for _, known in notes])
    assert "Quintanilla" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_search_that_never_works_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the installation ends the run at once: it is not every note that could not be searched."""

    def broken(text: str) -> list[object]:
        raise AttributeError("no such rule")

    monkeypatch.setattr("deid.notes.detector.find", broken)
    with pytest.raises(NotesError, match="does not work: AttributeError"):
        list(Detector().each([("on 03/14/2024", None)]))


def test_without_its_network_there_is_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are missing or damaged end the run: notes are never searched by patterns alone."""

    def damaged(*, strict: bool) -> None:
        raise NotesError("the weights cannot be read", hint="install deid again")

    monkeypatch.setattr("deid.notes.detector.Tagger", damaged)
    with pytest.raises(NotesError, match="weights"):
        Detector().load()


def test_batches_are_bounded() -> None:
    """Batches keep order and size; a long note is one by itself, and many short ones are several."""
    notes: list[Note] = [("x" * n, None) for n in (10, 29_000, 29_000, 100_000, *[1] * 2_000)]
    made = list(batches(iter(notes)))
    assert [note for batch in made for note in batch] == notes
    assert max(len(batch) for batch in made) <= 500
    assert [len(batch) for batch in made[:4]] == [2, 1, 1, 491]


MANY: list[Note] = [
    (f"Note {n}: Maria Lopez rang on 03/{1 + n % 28:02}/2024 from 617-555-01{n % 100:02}. " + "Stable. " * 900,
     KnownIdentifiers([("person_name", "Maria Lopez")]))
    for n in range(24)
]  # fmt: skip


@pytest.fixture
def two() -> Iterator[Detector]:
    """Return a detector with two workers."""
    with Detector(processes=2) as made:
        yield made


def workers(detector: Detector) -> list[int]:
    """Return the process ids of a detector's workers."""
    assert detector._pool is not None
    return [worker.process.pid for worker in detector._pool._all if worker.process.poll() is None]


def test_two_processes_find_what_one_finds(detector: Detector, two: Detector) -> None:
    """The answers of workers are those of one process, in order; closing ends the workers."""
    assert list(two.each(MANY)) == list(detector.each(MANY))
    ids = workers(two)
    assert len(ids) == 2
    two.close()
    for pid in ids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_few_batches_are_in_flight(two: Detector) -> None:
    """Notes are read only as fast as answers are taken."""
    read = 0

    def notes() -> Iterator[Note]:
        nonlocal read
        for note in MANY * 20:
            read += 1
            yield note

    answers = two.each(notes())
    next(answers)
    assert read * len(MANY[0][0]) < 8 * 30_000


def test_a_killed_worker_is_replaced(two: Detector) -> None:
    """Workers that are killed in mid-run cost no note its answer."""
    answers = two.each(MANY * 2)
    found = [next(answers)]
    for pid in workers(two):
        os.kill(pid, signal.SIGKILL)
    found += answers
    assert len(found) == 2 * len(MANY)
    assert all(found)


def test_the_note_a_worker_dies_of_has_no_answer(two: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note that ends every worker is the only one without an answer."""
    asked = pool._Worker.ask

    def ask(worker: pool._Worker, notes: Sequence[Note]) -> list[list[Span] | None] | None:
        if any("poison" in text for text, _ in notes):
            worker.process.kill()
        return asked(worker, notes)

    monkeypatch.setattr(pool._Worker, "ask", ask)
    found = list(two.each([*MANY[:3], ("poison", None), *MANY[3:6]]))
    assert [spans is None for spans in found] == [False] * 3 + [True] + [False] * 3


def test_a_worker_that_hangs_is_ended(two: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does not answer in time is replaced, and the notes it had are searched."""
    assert next(iter(two.each(MANY[:1])))
    for pid in workers(two):
        os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(pool, "SECONDS", 1.0)
    [found] = list(two.each([("on 03/14/2024", None)]))
    assert found


def test_workers_that_cannot_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no worker comes up the run ends with one error, and not with every note withheld."""
    monkeypatch.setattr(pool.sys, "executable", "/bin/false")
    with Detector(processes=2) as made, pytest.raises(NotesError, match="could not start"):
        list(made.each(MANY[:1]))


def test_workers_know_the_day_that_tells_an_age(detector: Detector, two: Detector) -> None:
    """Who is 90 on the day of a record is so in every process."""
    own = KnownIdentifiers([("birth_date", "1940-03-05")], on=date(2031, 1, 1))
    notes: list[Note] = [("Born 1940, is 90 now.", own), ("Born in 1940.", own)]
    found = list(two.each(notes))
    assert found == list(detector.each(notes))
    assert [[span.rule for span in spans or []][:1] for spans in found] == [["known:birth_year"]] * 2


def test_half_a_character_costs_no_note_its_answer(two: Detector) -> None:
    """Code points that UTF-8 cannot say, in notes and records, neither end the run nor move a span."""
    own = KnownIdentifiers([("person_name", "Quint\ud800"), ("mrn", "4455667")])
    found = list(two.each([("a \ud800: 4455667", own), ("on 03/14/2024", None)]))
    assert [[(s.start, s.end) for s in spans or []] for spans in found] == [[(5, 12)], [(3, 13)]]


def test_time_stays_linear_in_disguises(detector: Detector) -> None:
    """What is found in one long window is placed without looking at each of its disguises."""
    view = windows("on 03/1l/2024 5 5 5 5 0 1 4 2 " * 3_000)[0]
    spans = [Span(at, at + 8, "phone", "pattern:x") for at in range(0, len(view.text) - 8, 8)]
    started = time.process_time()
    assert list(view.back(spans))
    assert time.process_time() - started < 2


def test_no_process_is_refused() -> None:
    """A detector needs at least one process."""
    with pytest.raises(ValueError, match="processes"):
        Detector(processes=0)
