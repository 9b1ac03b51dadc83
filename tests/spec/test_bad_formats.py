"""Bad files of every format: one clear message with file and place, and nothing left behind.

tests/damage.py has the samples, their canaries and what is asked of every outcome; tests/bad_files.py the faults.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_files import BAD_EXPORTS, CASES, RELEASED
from damage import (
    BULK,
    CANARIES,
    EVERY,
    OMOP,
    X12,
    Sample,
    assert_refused_or_right,
    assert_silent_about,
    assert_sound_refusal,
    outcome,
    read,
    refusal_of,
    within,
)
from refusals import assert_silent, refused
from tiny_sources import REQUESTED, SOUND, World

from deid.errors import DocumentError, SourceError
from deid.export import export
from deid.sources.x12.reader import Spot
from deid.sources.x12.source import X12Source

ALL = pytest.mark.parametrize("sample", list(EVERY.values()), ids=list(EVERY))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site for all exports of this module."""
    return World(tmp_path_factory.mktemp("formats") / "site")


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_bad_file_is_one_message_with_its_place(tmp_path: Path, case: str) -> None:
    """Every fault is told in words, with file and segment, line, message or entry, and nothing of what stands there."""
    sample, change, said = CASES[case]
    refusal = refusal_of(outcome(sample, change(sample.sound), tmp_path))
    assert re.search(said, refusal.message), refusal.message
    assert_sound_refusal(sample, refusal)


PACKED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is empty"),
    "gzip of nothing": (lambda _: gzip.compress(b""), "."),
    "gzip of another file": (lambda _: gzip.compress(b"Quixwerble 917-66-4242\n"), "."),
    "gzip of gzip": (lambda data: gzip.compress(gzip.compress(data)), "."),
    "gzip that is cut": (lambda data: gzip.compress(data)[:-6], "cut or damaged"),
    "gzip that is damaged": (lambda data: gzip.compress(data)[:60] + b"\0" * 60, "cut or damaged"),
    "gzip with something behind": (lambda data: gzip.compress(data) + b"Quixwerble", "cut or damaged"),
    "two letters of gzip": (lambda _: b"\x1f\x8b", "cut or damaged"),
    "zstd that is cut": (lambda data: pa.compress(data, "zstd", asbytes=True)[:-6], "cut or damaged"),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR Quixwerble", "."),
    "an archive": (lambda data: b"PK\x03\x04\x14\0\0\0" + data, "."),
}


@ALL
@pytest.mark.parametrize("packed", sorted(PACKED))
def test_what_is_packed_wrong_is_refused(tmp_path: Path, sample: Sample, packed: str) -> None:
    """Compressed data is told by its bytes, and read whole or not at all."""
    change, said = PACKED[packed]
    refusal = refusal_of(outcome(sample, change(sample.sound), tmp_path))
    assert re.search(said, refusal.message), refusal.message
    assert_sound_refusal(sample, refusal)


@ALL
def test_the_samples_are_sound_before_they_are_damaged(tmp_path: Path, sample: Sample) -> None:
    """What the cases damage is read as it stands, plain and compressed, with its canaries and every row."""
    plain = outcome(sample, sample.sound, tmp_path)
    packed = outcome(sample, gzip.compress(sample.sound), tmp_path)
    assert plain.refusal is None
    assert packed.rows == plain.rows
    assert_refused_or_right(sample, sample.sound, plain)
    said = str(plain.rows)
    assert sum(canary in said for canary in CANARIES) == len(sample.planted)


# Segment terminators.


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "~", "~\r\n", "~ \n", "\x1c", "\x1d", "'", "!", "\t"])
def test_any_terminator_gives_the_same_claims(tmp_path: Path, end: str) -> None:
    """Segments may end with any mark, with or without line breaks behind it."""
    text = X12.sound.replace(b"'", b" ")  # of the names; here it may be a mark
    sound = outcome(X12, text, tmp_path / "sound")
    found = outcome(X12, text.replace(b"~\n", end.encode()), tmp_path / "other")
    assert found.refusal is None
    assert {table: len(rows) for table, rows in found.rows.items()} == {t: len(r) for t, r in sound.rows.items()}
    assert found.rows["patients"] == sound.rows["patients"]


@pytest.mark.parametrize("end", [b"A", b"z", b"7", b" ", b"*", b":", b"^", b"\xa7", b"\x7f"])
def test_a_terminator_that_could_be_data_is_refused(tmp_path: Path, end: bytes) -> None:
    """A letter, a digit, a blank or another delimiter ends no segments."""
    refusal = refusal_of(outcome(X12, X12.sound.replace(b"~\n", end), tmp_path))
    assert "segment 1: " in refusal.message
    assert_sound_refusal(X12, refusal, place=True)


# Folders.


def _beside(folder: Path, sample: Sample) -> Path:
    """Return the place of a second file that the description takes in, before all others."""
    return folder / ("Patient.!.ndjson" if sample is BULK else f"!second{Path(sample.file).suffix}")


LINKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link out of the folder": (lambda path: path.symlink_to("/etc/passwd"), "leads out of the dataset's folder"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "leads nowhere or in a circle"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "leads nowhere or in a circle"),
    "a pipe": (os.mkfifo, "is neither a file nor a folder"),
    "a name of two lines": (
        lambda path: path.with_name(path.name.replace("!", "!\nerror: ")).touch(), "holds characters that do not print"),
}  # fmt: skip
IN_FOLDERS = [sample for sample in EVERY.values() if sample is not OMOP]


@pytest.mark.parametrize("sample", IN_FOLDERS, ids=lambda sample: sample.format)
@pytest.mark.parametrize("link", sorted(LINKS))
def test_what_is_no_plain_file_is_never_passed_over(tmp_path: Path, sample: Sample, link: str) -> None:
    """A link or a pipe among the files is refused: without it the tables would be short, and nobody would know."""
    make, said = LINKS[link]
    description = sample.write(tmp_path)
    make(_beside(tmp_path, sample))
    with within():
        refusal = refusal_of(read(description, sample.asked))
    assert type(refusal) is DocumentError
    assert said in refusal.message
    assert "\n" not in refusal.message
    assert refusal.hint


@pytest.mark.parametrize("link", ["a link out of the folder", "a link to nowhere", "a link to itself", "a pipe"])
def test_a_table_that_is_no_plain_file_is_not_left_out(tmp_path: Path, link: str) -> None:
    """A table that may be absent is not absent where a link of its name leads nowhere."""
    description = OMOP.write(tmp_path)
    LINKS[link][0](tmp_path / "death.csv")
    refusal = refusal_of(read(description, OMOP.asked))
    assert type(refusal) is DocumentError
    assert LINKS[link][1] in refusal.message


@pytest.mark.parametrize("sample", IN_FOLDERS, ids=lambda sample: sample.format)
def test_one_bad_file_among_good_ones_is_named(tmp_path: Path, sample: Sample) -> None:
    """Of two files the refusal names the bad one."""
    description = sample.write(tmp_path)
    _beside(tmp_path, sample).write_bytes(sample.sound[: len(sample.sound) // 2])
    refusal = refusal_of(read(description, sample.asked))
    assert _beside(tmp_path, sample).name in refusal.message
    assert_silent_about(sample, str(refusal))


def test_one_claim_file_twice_is_refused(tmp_path: Path) -> None:
    """Claims that were sent twice would count twice."""
    description = X12.write(tmp_path)
    _beside(tmp_path, X12).write_bytes(X12.sound)
    refusal = refusal_of(read(description, X12.asked))
    assert "professional.txt, segment 1: an interchange that was read before" in refusal.message


# Parquet.


@pytest.mark.parametrize("is_coded", [False, True], ids=["plain", "dictionary"])
def test_text_of_parquet_that_is_no_text_is_refused(tmp_path: Path, *, is_coded: bool) -> None:
    """A writer may call any bytes text; the column is named before a row of it is read, and no byte is."""
    broken = pa.array([b"Quixwerbl\xe9", b"SENTINEL-PAT-1"]).view(pa.string())
    names = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), broken) if is_coded else broken
    pq.write_table(pa.table({"id": ["1", "2"], "name": names}), tmp_path / "people.parquet", store_schema=is_coded)
    columns = {"id": "patient_id", "name": "person_name"}
    table = {"path": "people.parquet", "patient": "id", "columns": columns}
    (tmp_path / "dataset.yaml").write_text(
        json.dumps({"dataset": "d", "format": "parquet", "population": "people", "tables": {"people": table}})
    )
    refusal = refusal_of(read(tmp_path / "dataset.yaml", {"people": ["id", "name"]}))
    assert refusal.message == "people: column name of people.parquet is not utf-8 text"
    assert_silent("".join(traceback.format_exception(refusal)))


# Exports.


@pytest.mark.parametrize("case", sorted(BAD_EXPORTS))
def test_a_bad_file_leaves_nothing_behind(
    world: World, tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An export of a bad file ends with the refusal, and without release, staging, spill or quarantine."""
    sample, change = BAD_EXPORTS[case]
    request = world.request(sample.write(tmp_path), RELEASED[sample.format])
    (tmp_path / sample.file).write_bytes(change(sample.sound))
    with within(), refused(world, SourceError, sample.file, caplog):
        world.site.run(request)


@ALL
def test_a_file_that_changes_in_between_gives_old_rows_or_none(world: World, tmp_path: Path, sample: Sample) -> None:
    """A file that is cut while an export runs is refused, or was read whole before: never half old and half new."""
    description = sample.write(tmp_path)
    whole = len(world.site.tables(world.request(description, RELEASED[sample.format]))[next(iter(sample.asked))])
    plan = world.site.plan(world.request(description, RELEASED[sample.format]))
    before = world.site.leftovers()

    def cut(_what: str, _rows: int) -> None:
        (tmp_path / sample.file).write_bytes(sample.sound[: len(sample.sound) // 3])

    try:
        done = export(plan, world.site.site, world.site.provider, progress=cut)
    except SourceError as refusal:
        told, left = str(refusal), world.site.leftovers()
    else:
        assert done.rows[next(iter(sample.asked))] == whole
        return
    assert sample.file in told or "changed between" in told
    assert_silent(told)
    assert left == before


# Measures of bad cells.

ODD_CELLS = {
    "codes that are none": ("diagnoses", "E11.9", "E11.9;Quixwerble"),
    "a code of a thousand letters": ("diagnoses", "E11.9", "E" * 1_000),
    "codes of nobody": ("diagnoses", "E11.9", "QXW"),
    "a visit that ends before it begins": ("encounters", "2025-07-25", "2020-07-25"),
    "a visit before the birth": ("patients", "1987-03-29", "2025-12-29"),
    "a day that is none": ("encounters", "2025-07-23", "2025-02-30"),
    "a year of five digits": ("encounters", "2025-07-23", "20250-07-23"),
    "a class of nobody": ("encounters", "inpatient", "Quixwerble"),
}


@pytest.mark.parametrize("case", sorted(ODD_CELLS))
def test_derived_measures_of_odd_cells_are_right_or_null(world: World, case: str) -> None:
    """Cells that say nothing give no measure: the other patient's visit is delivered with its own."""
    table, old, new = ODD_CELLS[case]
    dataset = world.source(**{table: SOUND[table].replace(old, new)})
    measures = ["age_at_visit", "length_of_stay", "readmitted_30d", "charlson_score"]
    rows = world.released(dataset, REQUESTED, derive=measures, on_bad_row="quarantine")["encounters"]
    other = next(row for row in rows if str(row["START"]) == "2025-01-10")
    assert (other["age_at_visit"], other["length_of_stay"], other["charlson_score"]) == (75, 0, 0)
    assert_silent(str([row[name] for row in rows for name in measures]))
    assert len(rows) in (1, 2)


# The harness can fail.


def test_the_harness_finds_a_cell_in_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that quotes a canary, or any other cell of the file, does not pass."""
    sound = Spot.fault
    for quoted in ("Quixwerble", max(X12.cells)):

        def quoting(spot: Spot, number: int, what: str, _hint: str = "", cell: str = quoted) -> SourceError:
            return sound(spot, number, f"{what} near {cell}")

        monkeypatch.setattr(Spot, "fault", quoting)
        refusal = refusal_of(outcome(X12, CASES["x12: a remittance"].change(X12.sound), tmp_path))
        with pytest.raises(AssertionError):
            assert_sound_refusal(X12, refusal)


def test_the_harness_finds_a_message_without_file_or_place(tmp_path: Path) -> None:
    """What does not say where it is does not pass."""
    with pytest.raises(AssertionError):
        assert_sound_refusal(X12, SourceError("something is wrong", hint="look"))
    with pytest.raises(AssertionError):
        assert_sound_refusal(X12, SourceError("professional.txt: something is wrong", hint="look"), place=True)
    with pytest.raises(AssertionError):
        assert_sound_refusal(X12, SourceError("professional.txt, segment 1: wrong", hint=""))


def test_the_harness_finds_a_short_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that loses its last batch of claims does not pass."""
    whole = X12Source.read

    def short(self: X12Source, table: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in whole(self, table, columns):
            yield batch.slice(0, batch.num_rows - 1)

    monkeypatch.setattr(X12Source, "read", short)
    with pytest.raises(AssertionError, match="not as long as its file"):
        assert_refused_or_right(X12, X12.sound, outcome(X12, X12.sound, tmp_path))


def test_the_harness_finds_a_defect_and_a_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is no refusal goes through, and so does a deadline that passes."""

    def broken(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(Spot, "fault", broken)
    with pytest.raises(ValueError):  # noqa: PT011 - the planted one has no words
        outcome(X12, CASES["x12: a remittance"].change(X12.sound), tmp_path)
    with pytest.raises(TimeoutError), within(0.05):
        time.sleep(1)
