"""`deid redact`: what goes in, what comes out, and how it ends."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGTERM, getsignal, signal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deid.cli import main
from deid.notes import note_lines
from deid.notes.patient_tables import read_patients

SECRETS = ("Quintanilla", "Ximena", "00774411")
ROW = {"patient_id": "p7", "First Name": "Ximena", "LAST": "Quintanilla", "mrn": "MRN-00774411"}
NOTE = {"id": "n1", "patient": "p7", "text": "Quintanilla rang (record 00774411) on 03/14/2024; BP 120/80."}


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class _Input:
    """Standard input with these bytes."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.fixture
def redact(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Callable[..., Ended]]:
    """Return a function that runs `deid redact` in this process, with bytes on standard input."""
    handler = getsignal(SIGTERM)

    def run(*arguments: str | Path, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "argv", ["deid", "redact", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", _Input(stdin))
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capfdbinary.readouterr()
        assert not [secret for secret in SECRETS if secret in err.decode()]
        return Ended(code, out.decode(), err.decode())

    yield run
    signal(SIGTERM, handler)


def lines(*notes: Any) -> bytes:
    """Return notes as JSON lines."""
    return b"".join(json.dumps(note).encode() + b"\n" for note in notes)


def assert_one_error(ended: Ended, code: int, pattern: str) -> None:
    """Check that a command ended with one error and its hint, and wrote nothing."""
    assert ended.code == code, ended.err
    assert (ended.err.count("error: "), ended.err.count("hint: ")) == (1, 1), ended.err
    assert re.search(pattern, ended.err), ended.err


def test_a_text_on_standard_input(redact: Callable[..., Ended]) -> None:
    """A text comes out with tags, the rest of it as it was; nothing stands on standard error."""
    done = redact(stdin=b"Caf\xc3\xa9: call 617-555-0142\r\non 03/14/2024.\n")
    assert done == (0, "Café: call [PHONE]\r\non [SERVICE_DATE].\n", "")
    assert redact().out == ""


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_notes_with_their_patients(redact: Callable[..., Ended], tmp_path: Path, suffix: str) -> None:
    """Each format of table gives the patient's identifiers; offsets lead into the input text."""
    table = tmp_path / f"patients.{suffix}"
    mark = "\t" if suffix == "tsv" else ","
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist([ROW]), table)
    elif suffix == "jsonl":
        table.write_bytes(lines(ROW))
    else:
        table.write_text(f"{mark.join(ROW)}\n{mark.join(ROW.values())}\n", encoding="utf-8")
    notes = tmp_path / "notes.jsonl"
    notes.write_bytes(lines(NOTE))
    done = redact("--jsonl", notes, "--patients", table)
    assert done.code == 0
    [line] = [json.loads(text) for text in done.out.splitlines()]
    assert list(line) == ["id", "text", "spans"]
    assert line["text"] == "[PERSON_NAME] rang (record [MRN]) on [SERVICE_DATE]; BP 120/80."
    assert [NOTE["text"][s["start"] : s["end"]] for s in line["spans"]] == ["Quintanilla", "00774411", "03/14/2024"]
    assert [s["rule"].partition(":")[0] for s in line["spans"]] == ["known", "known", "pattern"]
    assert "1 notes, 3 identifiers replaced" in done.err


def test_without_their_patients_the_same_notes_tell_more(redact: Callable[..., Ended]) -> None:
    """What only the record knows stays without the table, and goes with it."""
    text = "She drives a school bus and likes the color green."
    alone = {"id": "n1", "text": text}
    assert json.loads(redact("--jsonl", "-", stdin=lines(alone)).out)["text"] == text
    told = {**alone, "identifiers": [["employer_name", "School Bus"]]}
    assert "school bus" not in json.loads(redact("--jsonl", "-", stdin=lines(told)).out)["text"]


def test_a_line_may_hold_identifiers(redact: Callable[..., Ended]) -> None:
    """Identifiers in the line count, in both spellings, whether the patient is in a table or not."""
    pair = {"id": 1, "text": "seen: ZEPHYRINE", "identifiers": [["person_name", "Zephyrine"]]}
    named = {"id": 2, "text": "seen: zephyrine", "identifiers": [{"kind": "person_name", "value": "Zephyrine"}]}
    done = redact("--jsonl", "-", stdin=lines(pair, named))
    assert [json.loads(text)["text"] for text in done.out.splitlines()] == ["seen: [PERSON_NAME]"] * 2


def test_the_example_of_the_page_is_real(redact: Callable[..., Ended], tmp_path: Path) -> None:
    """The line that the page shows comes out as the page shows it."""
    page = Path(__file__).resolve().parents[2] / "docs" / "formats" / "notes-jsonl.md"
    given, made = re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "t.csv").write_text("patient_id,last\np7,Lopez\n", encoding="utf-8")
    done = redact("--jsonl", "-", "--patients", tmp_path / "t.csv", stdin=given.encode())
    assert json.loads(done.out) == json.loads(made)


def test_order_withholding_and_counts(redact: Callable[..., Ended], tmp_path: Path) -> None:
    """Lines come out in order; what is too long or unreadable is null with its reason, counted, and no failure."""
    notes = [
        {"id": "a", "text": "x" * 51},
        {"id": "b", "text": "on 03/14/2024"},
        {"id": "c", "text": "was \ufffd"},
        {"id": "d", "text": ""},
        {"id": "e", "text": "y" * 51},
    ]
    out = tmp_path / "out.jsonl"
    done = redact("--jsonl", "-", "--max-chars", "50", "--out", out, stdin=lines(*notes))
    assert (done.code, done.out) == (0, "")
    made = [json.loads(text) for text in out.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in made] == list("abcde")
    assert [line.get("withheld") for line in made] == ["too_long", None, "unreadable", None, "too_long"]
    assert made[0] == {"id": "a", "text": None, "spans": [], "withheld": "too_long"}
    assert made[1]["text"] == "on [SERVICE_DATE]"
    assert "withheld: 2 notes longer than --max-chars" in done.err
    assert "withheld: 1 notes with characters" in done.err
    assert out.stat().st_mode & 0o077 == 0


def test_processes_change_nothing(redact: Callable[..., Ended]) -> None:
    """Two processes write what one writes."""
    notes = [{"id": n, "text": f"on 03/{1 + n % 28}/2024 call 617-555-0142. " + "Stable. " * 400} for n in range(30)]
    one = redact("--jsonl", "-", stdin=lines(*notes))
    two = redact("--jsonl", "-", "--processes", "2", stdin=lines(*notes))
    assert one.code == 0
    assert one == two


def test_surrogates_are_one_for_a_patient(redact: Callable[..., Ended], tmp_path: Path) -> None:
    """Surrogates replace what is found, the same in all notes of a patient, and none is left as it was."""
    table = tmp_path / "patients.jsonl"
    table.write_bytes(lines(ROW, {**ROW, "patient_id": "p8"}))
    notes = [{"id": n, "patient": patient, "text": "MRN 00774411 came"} for n, patient in enumerate(["p7", "p7", "p8"])]
    done = redact("--jsonl", "-", "--patients", table, "--replace", "surrogates", stdin=lines(*notes))
    texts = [json.loads(text)["text"] for text in done.out.splitlines()]
    assert texts[0] == texts[1] != texts[2]
    assert not any("00774411" in text for text in texts)


BAD_LINES = {
    "no JSON": (b"Quintanilla\n", "line 2 is no note: it is no JSON"),
    "a list": (b'["Quintanilla"]\n', "line 2 is no note: it is no JSON object"),
    "two objects": (b'{"id":1,"text":"Quintanilla"} {}\n', "line 2 is no note: it is no JSON"),
    "no id": (b'{"text":"Quintanilla"}\n', "line 2 is no note: `id` is missing"),
    "an empty id": (b'{"id":"","text":"Quintanilla"}\n', "line 2 is no note: `id`"),
    "an id that is none": (b'{"id":true,"text":"Quintanilla"}\n', "line 2 is no note: `id`"),
    "no text": (b'{"id":"Quintanilla"}\n', "line 2 is no note: `text` is missing"),
    "a text that is none": (b'{"id":1,"text":["Quintanilla"]}\n', "line 2 is no note: `text`"),
    "a doubled id": (b'{"id":"first","text":"Quintanilla"}\n', "line 2 is no note: its `id` stood"),
    "a NUL": (b'{"id":1,"text":"Quintanilla\\u0000"}\n', "line 2 is no note: `text` holds a NUL"),
    "a lone surrogate": (b'{"id":1,"text":"Quintanilla \\ud800 "}\n', "line 2 is no note: it is no JSON"),
    "no UTF-8": (b'{"id":1,"text":"Quintanilla \xff"}\n', "line 2 is no note: it is no JSON"),
    "nesting": (b'{"id":1,"x":' + b"[" * 100_000 + b"\n", "line 2 is no note: it is no JSON"),
    "a patient that is none": (b'{"id":1,"text":"Quintanilla","patient":{}}\n', "line 2 is no note: `patient`"),
    "identifiers that are none": (b'{"id":1,"text":"","identifiers":"Ximena"}\n', "line 2 is no note: `identifiers`"),
    "a pair that is none": (b'{"id":1,"text":"","identifiers":[["Ximena"]]}\n', "line 2 is no note: `identifiers`"),
    "a kind that is none": (
        b'{"id":1,"text":"","identifiers":[["Ximena","x"]]}\n',
        "line 2: `identifiers` holds a kind",
    ),
    "a kind of no notes": (b'{"id":1,"text":"","identifiers":[["sex","Ximena"]]}\n', "line 2: `identifiers` holds a"),
}


@pytest.mark.parametrize("fault", BAD_LINES)
def test_a_bad_line_ends_the_run(redact: Callable[..., Ended], tmp_path: Path, fault: str) -> None:
    """A line that is no note is one error with its number and nothing of its text; no file is left."""
    line, pattern = BAD_LINES[fault]
    done = redact("--jsonl", "-", "--out", tmp_path / "out.jsonl", stdin=lines({"id": "first", "text": "x"}) + line)
    assert_one_error(done, 20, pattern)
    assert list(tmp_path.iterdir()) == []


def test_a_line_too_long_ends_the_run(redact: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line over the limit is not read to its end."""
    monkeypatch.setattr(note_lines, "MAX_LINE", 100)
    assert_one_error(redact("--jsonl", "-", stdin=b'{"id":1,"text":"' + b"x" * 1_000), 20, "line 1 .* longer than 100")


def test_ids_are_remembered_over_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id that comes again far below is seen."""
    monkeypatch.setattr(note_lines, "_RECENT", 8)
    data = lines(*({"id": n, "text": ""} for n in [*range(100), 3]))
    with pytest.raises(note_lines.NotesError, match="line 101"):
        list(note_lines.read_lines(io.BytesIO(data)))
    assert len(list(note_lines.read_lines(io.BytesIO(lines({"id": 1, "text": ""}, {"id": "1", "text": ""}))))) == 2


BAD_TABLES = {
    "no key": ("t.csv", b"name,sex\nQuintanilla,F\n", 20, "row 1: no column tells the patient"),
    "an empty key": ("t.csv", b"patient_id,name\n,Quintanilla\n", 20, "row 1: the patient's key is empty"),
    "no header": ("t.csv", b"", 20, "has no header"),
    "a cell too many": ("t.csv", b"id,name\n1,Quintanilla,x\n", 20, "line 2: 3 cells where the header has 2"),
    "a bad quote": ("t.csv", b'id,name\n1,"Quintanilla" x\n', 20, "line 2: a cell is badly quoted"),
    "no UTF-8": ("t.csv", b"id,name\n1,Quintanilla \xff\n", 20, "no UTF-8"),
    "no Parquet": ("t.parquet", b"PAR1 Quintanilla PAR1", 20, "cannot be read as Parquet"),
    "no JSON": ("t.jsonl", b'{"id":1}\n{"id":2,"name":Quintanilla}\n', 20, "line 2: no JSON object"),
    "nesting": ("t.jsonl", b'{"id":1,"name":' + b"[" * 40 + b'"Quintanilla"' + b"]" * 40 + b"}\n", 20, "too deeply"),
}


@pytest.mark.parametrize("fault", BAD_TABLES)
def test_a_bad_table_ends_the_run(redact: Callable[..., Ended], tmp_path: Path, fault: str) -> None:
    """A table that cannot be read is one error with the place, and nothing of a cell."""
    name, data, code, pattern = BAD_TABLES[fault]
    (tmp_path / name).write_bytes(data)
    done = redact("--jsonl", "-", "--patients", tmp_path / name, "--out", tmp_path / "o", stdin=lines(NOTE))
    assert_one_error(done, code, pattern)
    assert not (tmp_path / "o").exists()


def test_files_that_stand_in_the_way(redact: Callable[..., Ended], tmp_path: Path) -> None:
    """Missing input, an output that is there and a folder that is not are errors of storage; what was there stays."""
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    assert_one_error(redact("--jsonl", "-", "--out", out, stdin=lines(NOTE)), 19, "already there")
    assert out.read_text() == "mine"
    assert_one_error(redact("--jsonl", tmp_path / "none.jsonl"), 19, "cannot read none.jsonl")
    assert_one_error(redact("--jsonl", "-", "--patients", tmp_path / "none.csv"), 19, "cannot read none.csv")
    assert_one_error(redact("--jsonl", "-", "--out", tmp_path / "no" / "o", stdin=lines(NOTE)), 19, "cannot write")
    assert redact("--patients", out).code == 2


@pytest.mark.parametrize(
    ("data", "pattern"), [(b"Quintanilla \xff", "no UTF-8"), (b"Quintanilla\x00", "NUL"), (b"x" * 9, "longer than"),
                          (b"x" * 3 + "\ufffd".encode(), "could not be decoded"), (b"x" * 99, "longer than")]
)  # fmt: skip
def test_a_text_that_cannot_be_redacted_is_refused(redact: Callable[..., Ended], data: bytes, pattern: str) -> None:
    """A text that is too long or unreadable is one error, and nothing is written."""
    done = redact("--max-chars", "8" if data[0] == 120 else "80", stdin=data)
    assert_one_error(done, 20, pattern)
    assert done.out == ""


def table_of(tmp_path: Path, *rows: dict[str, Any]) -> dict[str, set[str]]:
    """Return the identifiers of patient 1 by kind."""
    file = tmp_path / "t.jsonl"
    file.write_bytes(lines(*rows))
    kinds: dict[str, set[str]] = {}
    for kind, value in read_patients(file).identifiers("1") or []:
        kinds.setdefault(kind, set()).add(value)
    return kinds


# column | kind, - for one that is passed over, ? for one that is searched for as it is
COLUMNS = """
first|person_name, GIVEN|person_name, LastName|person_name, maiden_name|person_name, full name|person_name,
preferred_name|person_name, nickname|person_name, mother|relative_name, MothersMaidenName|relative_name,
spouse_name|relative_name, guardian|relative_name, emergency_contact|relative_name, emergencyContactPhone|phone,
pcp|provider_name, attending_physician|provider_name, dob|birth_date, BirthDate|birth_date, date_of_birth|birth_date,
DEATHDATE|death_date, address|street_address, AddressLine1|street_address, city|city, county|county, Postal-Code|zip_code,
Mobile|phone, home_phone|phone, FAX|fax, e-mail|email, MRN|mrn, medical record number|mrn, social_security|ssn,
member_number|member_id, acct_no|account_number, DRIVERS|license_number, passport|license_number, employer|employer_name,
hospital|facility_name, admit_date|admit_date, discharge_date|discharge_date, visit_date|service_date,
birthplace|birth_place, lat|geocode, sex|-, RACE|-, state|-, marital_status|-, drug_name|-, diagnosis|-, suffix|-,
is_active|-, shoe_size|?, favorite color|?, mrn|mrn, npi|npi, license_plate|vehicle_id, relationship|-
"""


@pytest.mark.parametrize("column", [column.strip() for column in COLUMNS.split(",")])
def test_columns_are_known_by_their_names(tmp_path: Path, column: str) -> None:
    """Each name of a column is taken for what it says, and one that says nothing is searched for as it is."""
    name, kind = column.split("|")
    found = table_of(tmp_path, {"patient_id": 1, name: "Some Value 77"})
    found.pop("patient_id")
    assert found == ({} if kind == "-" else {"unique_id" if kind == "?" else kind: {"Some Value 77"}})


def test_rows_lists_and_members_all_count(tmp_path: Path) -> None:
    """Several rows of a patient, lists and nested members are all searched for; what says nothing is not."""
    found = table_of(
        tmp_path,
        {"id": 1, "name": [{"given": ["Ximena", "Ana"], "family": "Quintanilla"}], "zip": 2139, "phone": None},
        {"id": 2, "name": "Other"},
        {"id": "1", "first": "Xim", "last": "Quint", "nick": "unknown", "ok": True, "code": "abc", "tag": "abcd"},
    )
    assert found == {
        "patient_id": {"1"},
        "person_name": {"Ximena", "Ana", "Quintanilla", "Ximena Quintanilla", "Xim", "Quint", "Xim Quint"},
        "zip_code": {"02139"},
        "unique_id": {"abcd"},
    }


def test_columns_of_unknown_meaning_are_named_once(redact: Callable[..., Ended], tmp_path: Path) -> None:
    """What is searched for as it is, is named on standard error, and removed."""
    table = tmp_path / "t.csv"
    table.write_text("id,locker\nn1,Blue-Heron\nn2,\n")
    notes = lines({"id": "n1", "text": "key of Blue-Heron"}, {"id": "n9", "text": "none"})
    done = redact("--jsonl", "-", "--patients", table, stdin=notes)
    assert json.loads(done.out.splitlines()[0])["text"] == "key of [UNIQUE_ID]"
    assert done.err.count("locker") == 1
    assert "1 notes of patients who are not in the table" in done.err


@pytest.mark.parametrize(("key", "asked"), [("007", 7), ("7", "007"), ("p7", " P7 "), ("7.0", "7"), (7.0, "07")])
def test_a_key_that_a_spreadsheet_changed_is_the_same(tmp_path: Path, key: object, asked: object) -> None:
    """Zeros in front, letter case and a decimal point part no patient from the record; two alike are both searched."""
    file = tmp_path / "t.jsonl"
    file.write_bytes(lines({"id": key, "first": "Ximena"}, {"id": "8", "first": "Zoe"}))
    assert ("person_name", "Ximena") in (read_patients(file).identifiers(str(asked)) or [])
    file.write_bytes(lines({"id": "007", "first": "Ximena"}, {"id": "07", "first": "Zoe"}))
    both = read_patients(file)
    assert {value for kind, value in both.identifiers("7") or [] if kind == "person_name"} == {"Ximena", "Zoe"}
    assert {value for kind, value in both.identifiers("07") or [] if kind == "person_name"} == {"Zoe"}


def test_a_table_of_other_patients_ends_the_run(redact: Callable[..., Ended], tmp_path: Path) -> None:
    """Where no note at all has its patient in the table, nothing is written: none had its record searched for."""
    table, out = tmp_path / "t.csv", tmp_path / "o.jsonl"
    table.write_text("id,first\nq1,Ximena\n")
    assert_one_error(redact("--jsonl", "-", "--patients", table, "--out", out, stdin=lines(NOTE)), 20, "no note is of")
    assert not list(tmp_path.glob("*.jsonl*"))
    table.write_text("id,first\n")
    assert_one_error(redact("--jsonl", "-", "--patients", table, stdin=lines(NOTE)), 20, "holds no patient")
    table.write_text("id,id,first\n1,2,Ximena\n")
    assert_one_error(redact("--jsonl", "-", "--patients", table, stdin=lines(NOTE)), 20, "two columns are called")


def test_a_full_disk_behind_standard_output_is_an_error() -> None:
    """What cannot be written is told with its cause, as a fault of the disk and not of deid."""
    with Path("/dev/full").open("wb") as full:
        run = [sys.executable, "-c", "from deid.cli import main; main()", "redact"]
        done = subprocess.run(run, input=b"Ximena Quintanilla", stdout=full, stderr=subprocess.PIPE, check=False)
    assert_one_error(Ended(done.returncode, "", done.stderr.decode()), 19, "standard output: No space left")
