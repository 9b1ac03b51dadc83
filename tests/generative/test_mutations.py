"""Samples of every format, damaged at random: one sound refusal or right rows, and never a table silently short."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from damage import (
    BULK,
    CCDA,
    EVERY,
    FHIR,
    HL7V2,
    OMOP,
    SAMPLES,
    X12,
    Sample,
    assert_refused_or_right,
    assert_sound_refusal,
    outcome,
    refusal_of,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = 400 if os.environ.get("DEID_EXPLORE") else 25
examples = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# What is written over a piece or between two: canaries, marks of every format, bytes that are no text, numbers.
PIECES = st.sampled_from([
    b"Quixwerble", b"QXW", b"917-66-4242", b"\xff", b"\xe9", b"\0", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\x0b",
    b"\x1c", b"\x1c\r", b"~", b"*", b"^", b"|", b"&", b":", b'"', b"\\", b"'", b",", b"{", b"}", b"[", b"]", b"<", b">",
    b"/>", b"]]>", b"<!--", b"<![CDATA[", b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>", b"&x;", b"&#0;",
    b"MSH|^~\\&|", b"BTS|1\r", b"ISA*", b"SE*1*0001~", b"HL*2*1*22*0~", b"null", b"true", b"1e999", b"-1", b"NaN",
    b"9" * 5_000, b"\\ud800", b"\\u0000", b'"id":"Quixwerble",', b'"modifierExtension":[{}],', b"[" * 5_000, b"  ",
    b"\\Xff\\", b"\\E", b"2025-02-30", b"99999999",
])  # fmt: skip
PLACES = st.floats(0, 1, exclude_max=True)
Change = Callable[[bytes, bytes], bytes]  # bytes, and what ends a unit of them


def _cut(at: float) -> Change:
    return lambda data, _: data[: int(at * len(data))]


def _written_over(at: float, length: int, piece: bytes) -> Change:
    def change(data: bytes, _: bytes) -> bytes:
        begin = int(at * len(data))
        return data[:begin] + piece + data[begin + length :]

    return change


def _for_a_word(at: float, piece: bytes) -> Change:
    """Return a change of one whole word: a value, a name, a number, a tag."""

    def change(data: bytes, _: bytes) -> bytes:
        words = list(re.finditer(rb"[A-Za-z0-9.-]+", data))
        if not words:
            return data
        word = words[int(at * len(words))]
        return data[: word.start()] + piece + data[word.end() :]

    return change


def _of_units(at: float, other: float, what: str) -> Change:
    """Return a change that takes out, doubles or exchanges lines, segments or entries."""

    def change(data: bytes, end: bytes) -> bytes:
        units = data.split(end)
        one, two = int(at * len(units)), int(other * len(units))
        if what == "exchange":
            units[one], units[two] = units[two], units[one]
        elif what == "double":
            units.insert(two, units[one])
        else:
            del units[min(one, two) : min(one, two) + 1 + abs(one - two) % 3]
        return end.join(units)

    return change


def _flipped(at: float, bits: int) -> Change:
    def change(data: bytes, _: bytes) -> bytes:
        place = int(at * len(data))
        return data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :] if data else data

    return change


CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(_cut, PLACES),
    st.builds(_written_over, PLACES, st.sampled_from([0, 0, 1, 2, 30, 1_000]), PIECES | st.binary(max_size=6)),
    st.builds(_for_a_word, PLACES, PIECES),
    st.builds(_of_units, PLACES, PLACES, st.sampled_from(["exchange", "double", "take out"])),
    st.builds(_flipped, PLACES, st.integers(1, 255)),
)
MANY = st.lists(CHANGES, min_size=1, max_size=3)
FORMATS = pytest.mark.parametrize("sample", list(EVERY.values()), ids=list(EVERY))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for one file at a time."""
    return tmp_path_factory.mktemp("damaged")


def _below(sample: Sample) -> int:
    """Return where damage begins: what a header holds are names, which messages may say."""
    return sample.sound.index(b"\n") + 1 if sample is OMOP else 0


@FORMATS
@given(changes=MANY)
@examples
def test_any_damage_is_one_refusal_or_right_rows(sample: Sample, folder: Path, changes: list[Change]) -> None:
    """Whatever is cut, written over, flipped or exchanged: a sound refusal, or the rows that the bytes hold."""
    head, data = sample.sound[: _below(sample)], sample.sound[_below(sample) :]
    for change in changes:
        data = change(data, sample.end)
    assert_refused_or_right(sample, head + data, outcome(sample, head + data, folder / sample.format))


def _is_whole(sample: Sample, data: bytes) -> bool:
    """Whether nothing but blanks was taken out or added."""
    return _units(sample, data) == _units(sample, sample.sound)


def _units(sample: Sample, data: bytes) -> list[bytes]:
    return [unit for part in data.split(sample.end) if (unit := part.strip())]


@pytest.mark.parametrize("sample", [X12, FHIR, CCDA, HL7V2], ids=lambda sample: sample.format)
@given(at=PLACES)
@examples
def test_a_cut_file_with_an_end_is_refused(sample: Sample, folder: Path, at: float) -> None:
    """Interchanges, batches, documents: where the end is missing nothing is read, wherever the cut is."""
    data = sample.sound[: int(at * len(sample.sound))]
    found = outcome(sample, data, folder / sample.format)
    if not _is_whole(sample, data):
        assert_sound_refusal(sample, refusal_of(found))


@pytest.mark.parametrize("sample", [BULK, OMOP], ids=lambda sample: sample.format)
@given(at=PLACES)
@examples
def test_a_cut_file_of_lines_is_refused_or_gives_its_whole_lines(sample: Sample, folder: Path, at: float) -> None:
    """Lines have no end of their own: those before the cut are read as they are, and half a line is none of them."""
    data = sample.sound[: max(_below(sample), int(at * len(sample.sound)))]
    found = outcome(sample, data, folder / sample.format)
    if found.refusal is not None:
        assert_sound_refusal(sample, found.refusal)
        return
    whole = outcome(sample, sample.sound, folder / f"{sample.format}-whole")
    ((table, rows),) = found.rows.items()
    count = len(rows) if data.endswith(b"\n") or sample is BULK else len(rows) - 1
    assert rows[:count] == whole.rows[table][:count]
    assert len(rows) == sample.counted(data)[table]


@given(at=PLACES)
@examples
def test_cut_messages_without_an_envelope_are_whole_but_the_last_and_told(folder: Path, at: float) -> None:
    """Messages in no envelope have no end to miss: those before the cut are as they were, and half a segment is told."""
    whole = (SAMPLES / "hl7v2" / "adt.hl7").read_bytes()
    data = whole[: int(at * len(whole))]
    found, sound = (outcome(HL7V2, one, folder / "messages") for one in (data, whole))
    if found.refusal is not None:
        assert_sound_refusal(HL7V2, found.refusal)
        return
    # Keys apart: of merges that were cut off nobody can know.
    cut, told = ([row[1:] for row in one.rows["patients"]] for one in (found, sound))
    assert cut[:-1] == told[: max(len(cut) - 1, 0)]
    assert len(cut) == HL7V2.counted(data)["patients"]
    assert data.endswith(b"\r") or "last segments without an end" in found.told


@given(at=PLACES, other=PLACES, what=st.sampled_from(["take out", "double"]))
@examples
def test_a_lost_or_doubled_segment_is_refused(folder: Path, at: float, other: float, what: str) -> None:
    """Every segment of an interchange is counted: neither one less nor one more of them passes."""
    data = _of_units(at, other, what)(X12.sound, X12.end)
    found = outcome(X12, data, folder / "x12")
    if not _is_whole(X12, data):
        assert_sound_refusal(X12, refusal_of(found), place=True)


@given(at=PLACES, other=PLACES)
@examples
def test_exchanged_segments_lose_no_claim(folder: Path, at: float, other: float) -> None:
    """Two segments that change places are refused, or every claim and every line is still there."""
    data = _of_units(at, other, "exchange")(X12.sound, X12.end)
    found = outcome(X12, data, folder / "x12")
    if found.refusal is None:
        sound = outcome(X12, X12.sound, folder / "x12-sound")
        assert {table: len(rows) for table, rows in found.rows.items()} == {t: len(r) for t, r in sound.rows.items()}
    else:
        assert_sound_refusal(X12, found.refusal, place=True)
