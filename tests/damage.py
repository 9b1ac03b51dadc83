"""The project's samples with canaries in them, ways to damage them, and what must come of it.

Damage either gives one refusal that names file and place and no cell, or rows that a naive reader of the same bytes
counts as well: a table is never silently short.
"""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from sites import REPOSITORY
from tiny_sources import NAMES, SENTINELS, SSN

from deid.errors import DeidError, DocumentError, SourceError
from deid.schema import DatasetDescription
from deid.sources import load_dataset, open_source

SAMPLES = REPOSITORY / "samples"
# What no message may hold, wherever in a file it stands: words, a number, and a name such as segments have.
CANARIES = (*SENTINELS, "QXW", "19870329")
DEADLINE = 10.0  # seconds for one case; a sound file takes hundredths
_LEAST = 5  # letters of a cell that is looked for in messages: shorter ones are in every sentence
Rows = Mapping[str, list[tuple[str | None, ...]]]


@dataclass(frozen=True)
class Sample:
    """One file of the project's samples, which is damaged.

    `end` is what ends its lines, segments or entries; `asked` the tables and columns that are read, the first of them
    the population; `counted` says of the bytes of a file how many rows its tables have; `planted` which canary stands
    for the first value of which column; `place` how a message says where in the file a fault is.
    """

    format: str
    path: str
    end: bytes
    asked: Mapping[str, list[str]]
    counted: Callable[[bytes], Mapping[str, int]]
    planted: Mapping[tuple[str, str], str]
    place: str
    more: str = ""

    @property
    def file(self) -> str:
        """The file's name."""
        return Path(self.path).name

    def write(self, folder: Path, data: bytes | None = None) -> Path:
        """Write the file, sound or with these bytes, and its description; return the description's path."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.file).write_bytes(self.sound if data is None else data)
        (folder / "dataset.yaml").write_text(f"dataset: damaged\nformat: {self.format}\n{self.more}")
        return folder / "dataset.yaml"

    @property
    def sound(self) -> bytes:
        """The sample with its canaries."""
        return _sound(self.format)

    @property
    def cells(self) -> frozenset[str]:
        """Every cell of the sound file that a message could be caught with."""
        return _cells(self.format)


@dataclass(frozen=True)
class Outcome:
    """What came of reading a file: rows, or a refusal; and what was said of parts that were passed over."""

    rows: Rows = field(repr=False)
    told: str
    withheld: int
    refusal: DeidError | None


def read(described: Path | DatasetDescription, asked: Mapping[str, list[str]]) -> Outcome:
    """Check and read these tables; anything but rows and refusals is raised."""
    rows: dict[str, list[tuple[str | None, ...]]] = {}
    try:
        source = open_source(load_dataset(described) if isinstance(described, Path) else described)
        source.check(asked)
        for table, columns in asked.items():
            batches = source.read(table, columns)
            rows[table] = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
    except DeidError as refusal:
        return Outcome({}, "", 0, refusal)
    return Outcome(rows, " ".join([*source.unread, *source.withheld]), sum(source.withheld.values()), None)


def refusal_of(found: Outcome) -> DeidError:
    """Return the refusal that came of reading; there must be one."""
    assert found.refusal is not None, f"read: {found}"
    return found.refusal


@contextmanager
def within(seconds: float = DEADLINE) -> Iterator[None]:
    """Raise TimeoutError where what is done takes longer."""

    def over(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"not done in {seconds} seconds")

    begun = time.monotonic()
    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if time.monotonic() - begun > seconds:  # the signal waits while a library computes
        raise TimeoutError(f"not done in {seconds} seconds")


def outcome(sample: Sample, data: bytes, folder: Path) -> Outcome:
    """Return what comes of reading these bytes in the place of the sample's file, before the deadline."""
    sample.write(folder, data)
    with within():
        return read(replace(_described(sample.format), root=folder), sample.asked)


def assert_refused_or_right(sample: Sample, data: bytes, found: Outcome) -> None:
    """Check a case: one sound refusal, or as many rows as a naive reader counts; and no cell in what is said."""
    if found.refusal is not None:
        assert_sound_refusal(sample, found.refusal)
        return
    # A member of a name such as FHIR's own is told by this name, where a resource has it besides.
    assert_silent_about(sample, re.sub(r"\b[A-Z]\w+\._?[a-z]\w*", "", found.told))
    for table, count in sample.counted(data).items():
        read_or_withheld = len(found.rows[table])
        assert read_or_withheld <= count <= read_or_withheld + found.withheld, f"{table} is not as long as its file"


def assert_sound_refusal(sample: Sample, refusal: DeidError, *, place: bool = False) -> None:
    """Check that a refusal has code and hint, names the file (with `place`, where in it), and is silent about cells."""
    assert type(refusal) in (SourceError, DocumentError)
    assert refusal.exit_code >= 10
    assert refusal.hint
    # That nobody of the population is anywhere is said of all files, however many.
    assert sample.file in refusal.message or "in any of" in refusal.message, refusal.message
    if place:
        assert re.search(sample.place, refusal.message), refusal.message
    assert_silent_about(sample, "".join(traceback.format_exception(refusal)).replace(str(REPOSITORY), ""))


def assert_silent_about(sample: Sample, said: str) -> None:
    """Check that neither a canary nor a cell of the sample stands in what is said."""
    assert [canary for canary in CANARIES if canary in said] == [], said
    words = set(re.findall(r"[\w./@-]+", said.replace(sample.file, "")))
    assert sample.cells & words == set(), said


# What a naive reader counts.


def _claims(data: bytes) -> dict[str, int]:
    """Count the segments that open a claim, by the terminator and separator of the first ISA."""
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    segments = [segment.strip() for segment in text.split(text[105:106])] if len(text) > 105 else []
    return {"claims": sum(segment.startswith(b"CLM" + text[3:4]) for segment in segments)}


def _people(data: bytes) -> dict[str, int]:
    """Count the PID segments of messages of the types that tell of patients."""
    count, is_told = 0, False
    for line in re.split(rb"[\r\n\x0b\x1c]+", data):
        segment = line.strip(b" \t")
        if segment.startswith(b"MSH"):
            kind = (segment.split(segment[3:4]) + [b""] * 9)[8]
            is_told = kind.split(segment[4:5])[0].split(segment[5:6])[0] in _TOLD
        count += is_told and segment.startswith(b"PID")
    return {"patients": count}


_TOLD = (b"ADT", b"DFT", b"BAR", b"ORU", b"VXU", b"MDM")


def _entries(data: bytes) -> dict[str, int]:
    """Count the resources of a document of JSON."""
    document = json.loads(data.removeprefix(b"\xef\xbb\xbf"))
    held = document.get("entry") or [] if document.get("resourceType") == "Bundle" else [{"resource": document}]
    kinds = [entry["resource"]["resourceType"] for entry in held if "resource" in entry]
    return {"patients": kinds.count("Patient"), "conditions": kinds.count("Condition")}


def _document(data: bytes) -> dict[str, int]:
    return {"patients": 1 if data.strip() else 0}


def _lines(data: bytes) -> dict[str, int]:
    return {"patients": sum(bool(line.strip()) for line in data.split(b"\n"))}


def _records(data: bytes) -> dict[str, int]:
    """Count the rows below a header; nothing where quotes or lone carriage returns leave it open what a row is."""
    if b'"' in data or b"\r" in data:
        return {}
    rows = [row for row in csv.reader(io.StringIO(data.decode())) if row]
    return {"person": len(rows) - 1}


X12 = Sample(
    "x12_837", "x12_837/professional.txt", b"~",
    {"patients": ["patient_id", "family_name", "given_name", "birth_date", "sex", "zip_code"],
     "claims": ["claim_id", "patient_id", "start_date"], "lines": ["claim_id", "patient_id", "cpt", "charge"]},
    _claims, {("patients", "family_name"): NAMES[0], ("patients", "given_name"): NAMES[1],
              ("patients", "patient_id"): "SENTINEL-PAT-1"}, r"segment [\d,]+: ", 'files: "*.txt"\n',
)  # fmt: skip
HL7V2 = Sample(
    "hl7v2_messages", "hl7v2/dft.hl7", b"\n",
    {"patients": ["patient_id", "family_name", "given_name", "birth_date", "sex", "zip_code"],
     "transactions": ["patient_id", "transaction_date"]},
    _people, {("patients", "family_name"): NAMES[0], ("patients", "given_name"): NAMES[1]}, r"message [\d,]+",
)  # fmt: skip
FHIR = Sample(
    "us_core_json", "fhir_json/patient-01.json", b"\n",
    {"patients": ["patient_id", "family_name", "birth_date", "sex", "zip_code", "ssn"],
     "conditions": ["patient_id", "icd10cm"]},
    _entries, {("patients", "family_name"): NAMES[0], ("patients", "patient_id"): "SENTINEL-PAT-1",
               ("patients", "ssn"): SSN}, r"line [\d,]+|entry [\d,]+",
)  # fmt: skip
CCDA = Sample(
    "ccda_r21", "ccda/ccd-03.xml", b"\n",
    {"patients": ["patient_id", "family_name", "birth_date", "sex"], "diagnoses": ["patient_id", "icd10cm"]},
    _document, {("patients", "family_name"): NAMES[0], ("patients", "birth_date"): "19870329"}, r"line [\d,]+",
)  # fmt: skip
BULK = Sample(
    "us_core_bulk", "fhir_bulk/Patient.000.ndjson", b"\n",
    {"patients": ["patient_id", "family_name", "birth_date", "sex", "zip_code", "ssn"]},
    _lines, {("patients", "family_name"): NAMES[0], ("patients", "patient_id"): "SENTINEL-PAT-1",
             ("patients", "ssn"): SSN}, r"line [\d,]+",
)  # fmt: skip
OMOP = Sample(
    "omop_cdm", "omop/person.csv", b"\n",
    {"person": ["person_id", "birth_datetime", "gender_concept_id", "person_source_value"]},
    _records, {("person", "person_source_value"): "SENTINEL-PAT-1"}, r"line [\d,]+|column |rows",
)  # fmt: skip
EVERY = {sample.format: sample for sample in (X12, HL7V2, FHIR, CCDA, BULK, OMOP)}


@cache
def _described(name: str) -> DatasetDescription:
    """Return the description of a sample, whose reading takes longer than the sample's."""
    with TemporaryDirectory() as folder:
        return load_dataset(EVERY[name].write(Path(folder)))


@cache
def _sound(name: str) -> bytes:
    """Return the bytes of a sample with each canary in the place of a value that is read there."""
    sample = EVERY[name]
    data = (SAMPLES / sample.path).read_bytes()
    for (table, column), canary in sample.planted.items():
        first = next(value for value in _column(sample, data, table, column) if value).split()[0]
        data = data.replace(first.encode(), canary.encode())
        assert any(canary in (value or "") for value in _column(sample, data, table, column))
    return data


def _column(sample: Sample, data: bytes, table: str, column: str) -> list[str | None]:
    with TemporaryDirectory() as folder:
        found = read(sample.write(Path(folder), data), {table: [column]})
    assert found.refusal is None
    return [row[0] for row in found.rows[table]]


@cache
def _cells(name: str) -> frozenset[str]:
    sample = EVERY[name]
    with TemporaryDirectory() as folder:
        description = sample.write(Path(folder))
        dataset: DatasetDescription = load_dataset(description)
        asked = {table.name: [column.name for column in table.columns] for table in dataset.tables}
        found = read(description, asked)
    assert found.refusal is None
    words = {str(cell) for rows in found.rows.values() for row in rows for cell in row if cell is not None}
    # Small letters alone are words such as `completed`, which a message may hold of its own.
    return frozenset(word for word in words if len(word) >= _LEAST and re.search(r"[A-Z0-9]", word))
