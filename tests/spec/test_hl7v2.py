"""HL7 v2 as docs/formats/dataset.md says it: which rows and cells messages give, what is counted, what is refused."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from deid.cells.values import parse
from deid.errors import DocumentError, SourceError
from deid.kinds import KINDS
from deid.observing.rows import Rows
from deid.patients.positions import Patients
from deid.sources import Source, load_dataset, open_source
from deid.sources.hl7v2 import blocks, cells, framing
from deid.sources.spelling import built_in

INPUTS = Path(__file__).resolve().parents[2] / ".." / "shared" / "inputs" / "hl7v2"
SENTINEL = "Quixwerble"
KEY = "PID-3[5=MR] or PID-3 or PID-2|patient"
HEAD = "MSH|^~\\&|APP|HOSP|||20250110120000||{type}|{control}|P|{version}"
Row = dict[str, str | None]


def message(*segments: str, type_: str = "ADT^A08", version: str = "2.5.1", control: str = "1") -> list[str]:
    """Return a message of these segments."""
    return [HEAD.format(type=type_, control=control, version=version), *segments]


def person(number: str, *more: str, name: str = SENTINEL) -> str:
    """Return a PID of somebody, by a medical record number."""
    return "|".join(["PID", "1", "", f"{number}^^^HOSP^MR", "", name, *more])


def describe(folder: Path, tables: dict[str, dict[str, Any]], **fields: Any) -> Path:
    """Write a description; a column is its kind and its path in one text."""
    for table in tables.values():
        table.setdefault("patient", "id")
        table["columns"] = {"id": f"patient_id {KEY}"} | table["columns"]
        split = {name: text.split(" ", 1) for name, text in table["columns"].items()}
        table["columns"] = {name: {"kind": kind, "path": path} for name, (kind, path) in split.items()}
    document = {"dataset": "feed", "format": "hl7v2", "date_format": "hl7", "files": "*.hl7"}
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(document | fields | {"tables": tables}, sort_keys=False))
    return path


def write(folder: Path, *messages: list[str], name: str = "a.hl7", end: str = "\r") -> None:
    """Write messages as one file."""
    (folder / name).write_bytes("".join(s + end for each in messages for s in each).encode())


def source_of(folder: Path, columns: dict[str, str], *, resource: str = "ADT", **table: Any) -> Source:
    """Return the source of a description with one table."""
    fields = {name: table.pop(name) for name in ("encoding",) if name in table}
    tables = {"patients": {"resource": resource, "columns": columns, "repeats": "first"} | table}
    return open_source(load_dataset(describe(folder, tables, **fields)))


def rows_of(source: Source, columns: Sequence[str], table: str = "patients") -> list[Row]:
    """Read a table."""
    source.check({table: list(columns)})
    return [row for batch in source.read(table, list(columns)) for row in batch.to_pylist()]


def cell(folder: Path, path: str, *segments: str, kind: str = "free_text", type_: str = "ADT^A08") -> list[str | None]:
    """Return what a path gives, one cell for each message or for each segment of the path's own name."""
    write(folder, message(person("1"), *segments, type_=type_))
    own = path[:3] if path[:3] not in ("MSH", "PID") else None
    table = {"each": own} if own else {}
    read = rows_of(source_of(folder, {"x": f"{kind} {path}"}, resource=type_[:3], **table), ["x"])
    return [row["x"] for row in read]


# path ;; kind ;; segment ;; what the cell is, "-" for null and "/" for a line break
CELLS = r"""
PV1-2                        ;; free_text        ;; PV1|1|I ;; I
PV1-3                        ;; free_text        ;; PV1|1||W3^214^B ;; W3
PV1-3.2                      ;; free_text        ;; PV1|1||W3^214^B ;; 214
PV1-3.4                      ;; free_text        ;; PV1|1||W3^214^B ;; -
PV1-44                       ;; free_text        ;; PV1|1|I ;; -
FT1-11                       ;; free_text        ;; FT1|1||||||||||100.50&USD^X ;; 100.50
FT1-11.1.2                   ;; free_text        ;; FT1|1||||||||||100.50&USD^X ;; USD
NK1-5                        ;; free_text        ;; NK1|1|||x|~^PRN~555 ;; 555
NK1-5[1]                     ;; free_text        ;; NK1|1|||x|~^PRN~555 ;; -
NK1-5[3]                     ;; free_text        ;; NK1|1|||x|~^PRN~555 ;; 555
NK1-5[2=PRN].2               ;; free_text        ;; NK1|1|||x|1^WPN~2^prn~3^PRN ;; prn
NK1-5[2=PRN][2].1            ;; free_text        ;; NK1|1|||x|1^WPN~2^prn~3^PRN ;; 3
NK1-5[2=PRN,WPN].1           ;; free_text        ;; NK1|1|||x|^WPN~2^PRN ;; 2
NK1-2.1|join                 ;; person_name      ;; NK1|1|A&de^B~C^D~""^E ;; A de C
NK1-2|join                   ;; person_name      ;; NK1|1|A&de^B~C^^D ;; A de B C D
NK1-3 or NK1-7               ;; free_text        ;; NK1|1|||||^x|b ;; b
NK1-3 or NK1-7               ;; free_text        ;; NK1|1||a||||b ;; a
NK1-33|identifier            ;; unique_id        ;; NK1|||||||||||||||||||||||||||||||||77^^^H&1.2&ISO ;; 77^H
NK1-33|identifier            ;; unique_id        ;; NK1|||||||||||||||||||||||||||||||||77^^^&1.2&ISO ;; 77^1.2
NK1-33|identifier            ;; unique_id        ;; NK1|||||||||||||||||||||||||||||||||77 ;; 77
NK1-33.1|identifier          ;; unique_id        ;; NK1|||||||||||||||||||||||||||||||||77^^^H ;; 77
DG1-4                        ;; free_text        ;; DG1|1|||a\F\b\S\c\T\d\R\e\E\f ;; a|b^c&d~e\f
DG1-4                        ;; free_text        ;; DG1|1|||\H\bold\N\ \X41\\X0D\ \.br\x ;; bold A   x
DG1-4                        ;; free_text        ;; DG1|1|||C:\temp \Q9\ 5\ ;; C:\temp \Q9\ 5\
DG1-4|text                   ;; free_text        ;; DG1|1|||a^b&c~d\.br\e ;; a^b&c/d/e
DG1-4                        ;; free_text        ;; DG1|1|||"" ;; -
DG1-3[system=icd10cm].1      ;; icd10cm          ;; DG1|1||E11.9^x^I10C ;; E11.9
DG1-3[system=icd10cm].2      ;; code_description ;; DG1|1||E11.9^x^I10C ;; x
DG1-3[system=icd10cm].1      ;; icd10cm          ;; DG1|1||E11.9^x^L ;; -
DG1-3[system=icd10cm].1      ;; icd10cm          ;; DG1|1||L7^x^99LOC^E11.9^y^i10 ;; E11.9
DG1-3[system=icd10cm].2      ;; code_description ;; DG1|1||L7^x^99LOC^E11.9^y^i10 ;; y
DG1-3[system=icd10cm].1      ;; icd10cm          ;; DG1|1||L7^x^L^^^^^^^E11.9^y^I10 ;; E11.9
DG1-3[system=icd10cm].1      ;; icd10cm          ;; DG1|1|I10|E11.9 ;; E11.9
DG1-3[system=icd10cm].1      ;; icd10cm          ;; DG1|1|I10|E11.9^x^L ;; -
DG1-3[system=icd9cm].1       ;; icd9cm           ;; DG1|1|I9|22298006^x^SCT ;; -
DG1-3[system=snomed].1       ;; snomed           ;; DG1|1|I9|22298006^x^SCT ;; 22298006
DG1-3[system=icd10cm].1      ;; icd10cm          ;; DG1|1||E11.9 ;; -
DG1-3[system=icd10cm,none].1 ;; icd10cm          ;; DG1|1||E11.9 ;; E11.9
FT1-19[system=icd10cm].1     ;; icd10cm          ;; FT1|1||||||||||||||||||A^^L~E11.9^^I10~I10^^I10 ;; E11.9
OBX-5[OBX-2=NM,SN]|structured ;; lab_value        ;; OBX|1|NM|8867-4^^LN||60 ;; 60
OBX-5[OBX-2=NM,SN]|structured ;; lab_value        ;; OBX|1|SN|8867-4^^LN||<^5 ;; <5
OBX-5[OBX-2=NM,SN]|structured ;; lab_value        ;; OBX|1|CE|8867-4^^LN||27^x^L ;; -
OBX-5[system=snomed].1       ;; snomed           ;; OBX|1|CE|8867-4^^LN||27268008^x^SCT ;; 27268008
OBX-5[system=snomed].1       ;; snomed           ;; OBX|1|ST|8867-4^^LN||27268008^x^SCT ;; -
MSH-4                        ;; free_text        ;;  ;; HOSP
MSH-9.2 or EVN-1             ;; free_text        ;; EVN|A01 ;; A08
PID-5                        ;; person_name      ;; PV1|1 ;; Quixwerble
"""


@pytest.mark.parametrize("line", CELLS.strip().splitlines())
def test_a_path_means_what_the_format_page_says(tmp_path: Path, line: str) -> None:
    """Fields, components, repetitions, selectors, systems, functions and escapes, one cell a line."""
    path, kind, segment, wanted = (part.strip() for part in line.split(";;"))
    found = cell(tmp_path, path, *([segment] if segment else []), kind=kind)
    assert found == [None if wanted == "-" else wanted.replace("/", "\n")]


def test_old_messages_say_event_and_patient_elsewhere(tmp_path: Path) -> None:
    """Version 2.1 has no event in MSH-9 and may number the patient in PID-2; both are found there."""
    write(tmp_path, ["MSH|^~\\&|A||||19990101||ADT|1|P|2.1", "EVN|A03", "PID||OLD7|||Roe", "PV1|1|I"])
    source = source_of(tmp_path, {"event": "indicator MSH-9.2 or EVN-1"}, resource="ADT^A03", each="PV1")
    assert rows_of(source, ["id", "event"]) == [{"id": "OLD7", "event": "A03"}]


def test_rows_are_messages_or_segments_of_the_named_types(tmp_path: Path) -> None:
    """A table reads the messages that `resource` names, whole or segment by segment; others are counted."""
    write(
        tmp_path,
        message(person("1"), "DG1|1", "DG1|2"),
        message(person("2"), type_="BAR^P01"),
        message(person("3"), "DG1|1", type_="ADT^A03"),
        message(person("4"), type_="SIU^S12"),
        message(person("5"), type_=f"{SENTINEL}^X"),
    )
    for resource, each, ids in (
        ("ADT", None, ["1", "3"]),
        ("ADT BAR", "PID", ["1", "2", "3"]),
        ("ADT", "DG1", ["1", "1", "3"]),
        ("BAR ADT^A03", None, ["2", "3"]),
    ):
        source = source_of(tmp_path, {}, resource=resource, **({"each": each} if each else {}))
        assert [row["id"] for row in rows_of(source, ["id"])] == [f"{i}^HOSP" for i in ids]
    assert source.unread["SIU messages"] == source.unread["messages of another type"] == 1
    assert SENTINEL not in str(dict(source.unread))


def test_undescribed_segments_are_counted_and_z_segments_not_named(tmp_path: Path) -> None:
    """What nobody described is counted by name; a name that is not HL7's may be a piece of a cell and is not said."""
    write(tmp_path, message(person("1"), "ZBQ|1", "IN3|1", "IN3|2", "QQ7|x"))
    source = source_of(tmp_path, {})
    rows_of(source, ["id"])
    assert dict(source.unread) == {"ADT Z-segment": 1, "ADT IN3": 2, "ADT unknown segment": 1}


def test_codes_of_other_systems_are_counted_by_field(tmp_path: Path) -> None:
    """A code is passed over where no table names its system; what another column reads is not counted."""
    write(tmp_path, message(person("1"), "DG1|1||A1^^L", "DG1|2||22298006^^SCT", "DG1|3||I10^^I10", "DG1|4"))
    columns = {"icd": "icd10cm DG1-3[system=icd10cm].1", "sct": "snomed DG1-3[system=snomed].1"}
    source = source_of(tmp_path, columns, each="DG1")
    rows_of(source, ["icd", "sct"])
    assert dict(source.unread) == {"patients: DG1-3 of a coding system that is not described": 1}


GROUPS = message(
    "EVN|A08",
    person("1"),
    "PV1|1|I", "PV2|||rA", "IN1|1|planA", "IN2|eA", "IN1|2|planB",
    "OBR|1||f1", "OBX|1|ST|1-8^^LN||v1", "NTE|1||n1", "NTE|2||n2", "OBX|2|ST|1-8^^LN||v2",
    "OBR|2||f2", "OBX|3|ST|1-8^^LN||v3",
    person("2"),
    "OBX|4|ST|1-8^^LN||v4",
    "PV1|1|O", "PV2|||rB",
)  # fmt: skip


def test_nothing_is_taken_from_another_patients_part(tmp_path: Path) -> None:
    """Paths to other segments mean the nearest of the same patient, or those below the row's own."""
    write(tmp_path, GROUPS)
    expected: dict[str, dict[str, list[str | None]]] = {
        "OBX": {
            "id": ["1^HOSP", "1^HOSP", "1^HOSP", "2^HOSP"],
            "indicator OBR-3": ["f1", "f1", "f2", None],
            "indicator PV1-2": ["I", "I", "I", None],
            "free_text NTE-3|text": ["n1\nn2", None, None, None],
            "indicator EVN-1": ["A08"] * 4,
        },
        "IN1": {"indicator IN1-2": ["planA", "planB"], "unique_id IN2-1": ["eA", None]},
        "PV1": {"free_text PV2-3.2 or PV2-3.3 or PV2-4": [None, None], "unique_id IN2-1": [None, None]},
        "OBR": {"free_text OBX-5[OBX-2=ST]|text": ["v1\nv2", "v3"]},
        "PID": {"free_text OBX-5[OBX-2=ST]": ["v1", "v4"], "indicator PV1-2": ["I", "O"]},
        "PV2": {"indicator PV1-2": ["I", "O"]},
    }
    for each, wanted in expected.items():
        columns = {f"c{at}": path for at, path in enumerate(wanted) if path != "id"}
        source = source_of(tmp_path, columns, each=each)
        names = ["id" if path == "id" else f"c{at}" for at, path in enumerate(wanted)]
        found = rows_of(source, names)
        for name, cells_ in zip(names, wanted.values(), strict=True):
            assert [row[name] for row in found] == cells_, (each, name)


MERGES = {
    "merged": (["ADT^A40 new old"], {"new"}),
    "a chain": (["ADT^A40 b old", "ADT^A18 new b"], {"new"}),
    "a chain backwards": (["ADT^A34 new b", "ADT^A40 b old"], {"new"}),
    "a circle": (["ADT^A40 new old", "ADT^A40 old new"], {"new", "old"}),
    "linked": (["ADT^A24 new old"], {"new", "old"}),
    "linked and unlinked": (["ADT^A24 new old", "ADT^A37 new old"], set()),
    "an account only": (["ADT^A41 new old"], set()),
    "not of ADT": (["BAR^A40 new old"], set()),
}


@pytest.mark.parametrize("case", sorted(MERGES))
def test_merged_numbers_are_one_person(tmp_path: Path, case: str) -> None:
    """Whatever the order and the length of the chain, both numbers lead to one patient."""
    said, standing = MERGES[case]
    messages = [message(person("old"), "DG1|1"), message(person("new"), "DG1|1")]
    for type_, new, old in (text.split() for text in said):
        second = person(old) if type_ in ("ADT^A24", "ADT^A37") else f"MRG|{old}^^^HOSP^MR"
        messages.append(message(person(new), second, type_=type_))
    write(tmp_path, *messages)
    source = source_of(tmp_path, {}, each="DG1")
    found = {row["id"] for row in rows_of(source, ["id"])}
    if standing:
        assert len(found) == 1
        assert found <= {f"{number}^HOSP" for number in standing}
    else:
        assert found == {"old^HOSP", "new^HOSP"}


def test_a_merge_counts_in_every_file_and_makes_one_position(tmp_path: Path) -> None:
    """A merge told in the last file joins the rows of the first one: one patient is admitted, not two."""
    write(tmp_path, message(person("old"), "DG1|1"), message(person("else")), name="a.hl7")
    write(tmp_path, message(person("new"), "DG1|1"), name="b.hl7")
    write(tmp_path, message(person("new"), "MRG|old^^^HOSP", type_="ADT^A40"), name="z.hl7")
    tables = {
        "patients": {"resource": "ADT", "each": "PID", "repeats": "first", "columns": {}},
        "diagnoses": {"resource": "ADT", "each": "DG1", "columns": {}},
    }
    dataset = load_dataset(describe(tmp_path, tables))
    patients = Patients(keeps=frozenset())
    rows = Rows(open_source(dataset), dataset, patients)
    kept = [p for batch in rows.read(dataset.tables[0], []) for p in batch.patient.tolist()]
    of_diagnoses = [p for batch in rows.read(dataset.tables[1], []) for p in batch.patient.tolist()]
    assert len(patients) == len(kept) == 2
    assert of_diagnoses == [kept[0], kept[0]]


def test_numbers_of_two_hospitals_are_two_patients(tmp_path: Path) -> None:
    """A number is nobody's outside of its assigning authority, unless the description takes it alone."""
    write(tmp_path, message("PID|1||1001^^^EAST^MR"), message("PID|1||1001^^^WEST^MR"))
    assert {row["id"] for row in rows_of(source_of(tmp_path, {}), ["id"])} == {"1001^EAST", "1001^WEST"}
    alone = source_of(tmp_path, {"id": "patient_id PID-3[5=MR].1|patient"})
    assert {row["id"] for row in rows_of(alone, ["id"])} == {"1001"}


def test_a_merge_that_says_too_little_is_counted(tmp_path: Path) -> None:
    """A merge without one of its numbers joins nobody, and is told."""
    bad = [message(person("1"), "MRG|", type_="ADT^A40"), message(person("1"), type_="ADT^A40"),
           message("PID|1", "MRG|2^^^HOSP^MR", type_="ADT^A40")]  # fmt: skip
    write(tmp_path, *bad)
    source = source_of(tmp_path, {})
    rows_of(source, ["id"])
    assert dict(source.withheld) == {"merges without both numbers": 3}


@pytest.mark.parametrize(
    ("text", "day"),
    [("19530704", "1953-07-04"), ("195307041126+0215", "1953-07-04"), ("19530704112630.1234-0500", "1953-07-04"),
     ("1953", None), ("195307", None), ("1953+0100", None), ('""', None)],
)  # fmt: skip
def test_dates_of_any_precision(tmp_path: Path, text: str, day: str | None) -> None:
    """The written day is taken; a date of less than a day is null and counted, and makes no row bad."""
    write(tmp_path, message(person("1", "", text)))
    source = source_of(tmp_path, {"born": "birth_date PID-7"})
    values, bad = _born(tmp_path, source)
    assert not bad.any()
    assert [None if v is None else v.isoformat() for v in values.to_pylist()] == [day]
    counted = source.unread.get("patients: born of a year or month only", 0)
    assert counted == (1 if day is None and text != '""' else 0)


def _born(folder: Path, source: Source) -> tuple[pa.Array, Any]:
    column = load_dataset(folder / "dataset.yaml").tables[0].column("born")
    assert column is not None
    born = pa.Table.from_batches(source.read("patients", ["born"])).column("born")
    return parse(column, born.combine_chunks())


def test_a_day_that_is_none_is_a_bad_cell(tmp_path: Path) -> None:
    """Thirteen months and letters are no dates of lesser precision."""
    write(tmp_path, message(person("1", "", "19531301")), message(person("2", "", "soon")))
    source = source_of(tmp_path, {"born": "birth_date PID-7"})
    _, bad = _born(tmp_path, source)
    assert bad.tolist() == [True, True]


FRAMES = {
    "CR": lambda text: text,
    "LF": lambda text: text.replace("\r", "\n"),
    "CRLF": lambda text: text.replace("\r", "\r\n"),
    "blank lines": lambda text: text.replace("\r", "\r\n \r\n"),
    "no last end": lambda text: text.rstrip("\r"),
    "byte order mark": lambda text: "\ufeff" + text,
    "joined files with marks": lambda text: "\ufeff" + text.replace("\rMSH", "\r\n\ufeffMSH"),
    "joined files with marks and no ends": lambda text: "\ufeff" + text.replace("\rMSH", "\ufeffMSH"),
    "MLLP": lambda text: "".join(f"\x0bMSH{m}\x1c\r" for m in text.split("MSH")[1:]),
    "MLLP with LF": lambda text: "".join(f"\x0bMSH{m}\x1c\n" for m in text.replace("\r", "\n").split("MSH")[1:]),
    "a batch": lambda text: f"BHS|^~\\&\r{text}BTS|3\r",
    "a file of batches": lambda text: f"FHS|^~\\&\rBHS|^~\\&\r{text}BTS|3|x\rBHS|^~\\&\rBTS|0\rFTS|2\r",
    "uncounted batches": lambda text: f"FHS|^~\\&\nBHS|^~\\&\n{text}BTS\nFTS||x\n",
    "a framed batch": lambda text: f"\x0bBHS|^~\\&\r{text}BTS|3\r\x1c\r",
}


UNENDED = {"no last end": 1, "joined files with marks and no ends": 2}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("size", [7, 64, 1 << 20])
def test_every_framing_gives_the_same_rows(
    tmp_path: Path, frame: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends of segments, frames, envelopes and marks change nothing, wherever reads of the file are cut."""
    monkeypatch.setattr(framing, "READ_BYTES", size)
    text = "".join(s + "\r" for n in "123" for s in message(person(n), "NK1|1", f"DG1|{n}"))
    (tmp_path / "a.hl7").write_bytes(FRAMES[frame](text).encode())
    source = source_of(tmp_path, {"n": "sequence_number DG1-1", "key": "unique_id %message"}, each="DG1")
    found = rows_of(source, ["id", "n", "key"])
    assert found == [{"id": f"{n}^HOSP", "n": n, "key": f"a.hl7/{n}"} for n in "123"]
    assert source.unread.get("last segments without an end", 0) == UNENDED.get(frame, 0)


def test_compressed_files_and_other_encodings_are_read(tmp_path: Path) -> None:
    """Gzip is told by its bytes; latin-1 is read where the description says so."""
    text = "".join(s + "\r" for s in message(person("1", name="Zoë")))
    (tmp_path / "a.hl7").write_bytes(gzip.compress(text.encode("latin-1")))
    source = source_of(tmp_path, {"name": "person_name PID-5.1|join"}, encoding="latin-1")
    assert rows_of(source, ["name"]) == [{"name": "Zoë"}]


def _msh(**changed: str) -> str:
    return "\r".join(message(person("1"))).replace(changed["old"], changed["new"]) + "\r"


GOOD = "".join(s + "\r" for n in "12" for s in message(person(n)))
BAD: dict[str, tuple[str | bytes, str]] = {
    "lines before MSH": (f"{SENTINEL}\r{GOOD}", "does not begin with a message"),
    "no MSH": (f"PID|1||{SENTINEL}\r", "does not begin with a message"),
    "binary": (b"\x89PNG\r\n" + SENTINEL.encode(), "does not begin with a message"),
    "nothing but an envelope": ("BHS|^~\\&\rBTS|0\r", "holds no message"),
    "blanks only": ("\r\n \r\n", "holds no message"),
    "a line break in a value": (f"{GOOD}OBX|1|TX|||{SENTINEL}\n{SENTINEL}\r", "message 2, segment 4: is no segment"),
    "another field separator": (f"{GOOD}DG1^1^{SENTINEL}\r", "message 2, segment 3: is no segment"),
    "small letters": (f"{GOOD}dg1|1|{SENTINEL}\r", "message 2, segment 3: is no segment"),
    "a cut MSH": (GOOD + "MSH|^~", "message 3, segment 1: MSH-1 and MSH-2"),
    "doubled delimiters": (_msh(old="^~\\&", new="^^\\&"), "message 1, segment 1: MSH-1 and MSH-2"),
    "a letter as delimiter": (_msh(old="^~\\&", new="^~\\Q"), "message 1, segment 1: MSH-1 and MSH-2"),
    "NUL": (GOOD.replace("Quix", "Qu\0ix", 1), "message 1, segment 2: holds a control character"),
    "a delimiter's own mark": (GOOD + f"NK1|\x1e{SENTINEL}\r", "message 2, segment 3: holds a control character"),
    "utf-16": (GOOD.encode("utf-16"), "does not begin with a message"),
    "not utf-8": (GOOD.replace("Quix", "Qu\xefx").encode("latin-1"), "message 1: holds bytes that are not utf-8"),
    "not utf-8 in the second": (
        GOOD.encode() + b"NK1|1|\xff\r", "message 2: holds bytes that are not utf-8"),
    "another character set": (
        "\r".join([HEAD.format(type="ADT^A08", control="1", version="2.5") + "||||||8859/1", person("1", name="Zoë")]),
        "message 1: MSH-18 names another character set"),
    "joined without an end": (GOOD.rstrip("\r") * 2, "message 1: holds a message that begins within a segment"),
    "a control character in an envelope": ("BHS|\x1e\rBTS|0\r", "holds a control character"),
    "a cut frame": (f"\x0b{GOOD}", "an MLLP frame begins and does not end"),
    "a frame without beginning": (f"{GOOD}\x1c\r", "MLLP frames are broken"),
    "two frames cut": (f"\x0b{GOOD}\x0b{GOOD}", "MLLP frames are broken"),
    "a cut batch": (f"BHS|^~\\&\r{GOOD}", "envelope .* is opened and not closed"),
    "a cut file of batches": (f"FHS|^~\\&\rBHS|^~\\&\r{GOOD}BTS|2\r", "envelope .* is opened and not closed"),
    "a wrong count": (f"BHS|^~\\&\r{GOOD}BTS|3\r", "BTS states another number of messages than the 2 that are there"),
    "a count that is none": (f"BHS|^~\\&\r{GOOD}BTS|{SENTINEL}\r", "BTS states another number"),
    "a wrong count of batches": (f"FHS|^~\\&\rBHS|^~\\&\r{GOOD}BTS|2\rFTS|2\r", "FTS states another number of batches"),
    "batches in batches": (f"BHS|^~\\&\rBHS|^~\\&\r{GOOD}BTS|2\r", "do not open and close in turn"),
    "an end without beginning": (f"{GOOD}BTS|2\r", "do not open and close in turn"),
    "repeated without end": (f"{GOOD}NK1|1|{'~' * 20_000}\r", "message 2, segment 3: NK1-2 repeats more than 10,000"),
    "a cut gzip": (gzip.compress(GOOD.encode() * 99)[:-5], "cut or damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(BAD))
def test_bad_files_are_one_error_that_names_message_and_segment(tmp_path: Path, case: str) -> None:
    """What is no HL7 v2, is cut, or is not in the stated encoding is refused, and never quoted."""
    data, pattern = BAD[case]
    (tmp_path / "a.hl7").write_bytes(data if isinstance(data, bytes) else data.encode())
    source = source_of(tmp_path, {"kin": "relative_name NK1-2.1|join"})
    with pytest.raises(SourceError, match=pattern) as caught:
        rows_of(source, ["id", "kin"])
    assert caught.value.hint
    assert "a.hl7" in str(caught.value)
    assert SENTINEL not in f"{caught.value!s} {caught.value!r} {caught.value.__cause__!r}"


def test_a_message_without_end_is_refused_before_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single segment of any length stops at the limit, however long the file is."""
    monkeypatch.setattr(framing, "MAX_MESSAGE_BYTES", 1 << 20)
    monkeypatch.setattr(framing, "READ_BYTES", 1 << 16)
    (tmp_path / "a.hl7").write_bytes(GOOD.encode() + b"OBX|1|TX|||" + SENTINEL.encode() * 300_000)
    with pytest.raises(SourceError, match="longer than 1 MiB"):
        rows_of(source_of(tmp_path, {}), ["id"])


def test_delimiters_and_shared_values_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither millions of delimiters nor one huge field that every row repeats can fill the memory."""
    monkeypatch.setattr(blocks, "MAX_MARKS", 1000)
    write(tmp_path, message(person("1"), "NK1" + "|" * 2000))
    with pytest.raises(SourceError, match="more than 1,000 delimiters"):
        rows_of(source_of(tmp_path, {}), ["id"])
    monkeypatch.setattr(blocks, "MAX_MARKS", 10_000)
    write(tmp_path, message("PID|1||" + "7" * (cells.MAX_SHARED_BYTES + 1), *["DG1|1"] * 50))
    with pytest.raises(SourceError, match="message 1, segment 2: PID-3 is longer than 4,096 bytes"):
        rows_of(source_of(tmp_path, {}, each="DG1"), ["id"])


def test_long_files_come_in_bounded_batches(tmp_path: Path) -> None:
    """Rows of one message come in batches of at most 16,384."""
    write(tmp_path, message(person("1"), *["DG1|1"] * 40_000))
    source = source_of(tmp_path, {"n": "sequence_number DG1-1"}, each="DG1")
    assert [len(batch) for batch in source.read("patients", ["id", "n"])] == [16_384, 16_384, 7_232]


PATHS = {
    "PID": "segment-field", "PID-0": "segment-field", "pid-3": "segment-field", "PID-3.0": "segment-field",
    "ZPI-1": "Z-segments are never read", "QQQ-1": "no such segment", "MSH-2": "holds the delimiters",
    "PID-3[MR]": "brackets hold", "PID-3[0]": "brackets hold", "PID-3[x=1]": "selector's key",
    "PID-3[PV1-2=I]": "selector's key", "DG1-3.1": "must name its coding system", "DG1-3": "must name its coding system",
    "OBX-3.4": "must name its coding system", "FT1-7|join": "must name its coding system",
    "DG1-3[system=L].3": "there is .1", "OBX-5": "says which results", "OBX-5[OBX-2=CWE].1": "says which results",
    "PV1-19|patient": "stands at PID-2", "PID-5.1|text": "takes a whole field",
    "PID-5[2].1|join": "takes all repetitions", "PID-5|lower": "a function is one of",
    "PID-5.1|join or PID-9.1": "a function is one of",
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_are_none_are_refused_with_the_description(tmp_path: Path, path: str) -> None:
    """A description is refused before any file is opened, and says what is wrong with the path."""
    write(tmp_path, message(person("1")))
    with pytest.raises(DocumentError, match=PATHS[path].replace(".", r"\.")):
        source_of(tmp_path, {"x": f"person_name {path}"})


def test_unknown_types_and_segments_are_refused_with_the_description(tmp_path: Path) -> None:
    """`resource` and `each` are HL7's own names."""
    for resource, each in (("Patient", None), ("XYZ", None), ("ADT^1", None), ("ADT", "ZPI"), ("ADT", "PID-3")):
        with pytest.raises(DocumentError):
            source_of(tmp_path, {}, resource=resource, **({"each": each} if each else {}))


def test_a_coded_field_is_never_read_whole_by_the_built_in_description() -> None:
    """Every diagnosis, procedure and vaccine of the built-in tables is read by its coding system."""
    columns = built_in("hl7v2_messages").columns
    named = [c.path or "" for table in columns.values() for c in table.values() if KINDS[c.kind].is_medical_code]
    coded = [path for path in named if path.startswith(("DG1-3", "PR1-3", "FT1-7", "FT1-25", "RXA-5", "OBX-3"))]
    assert len(coded) > 10
    assert all("[system=" in path for path in coded)


REAL_ROWS = {
    "patients": 12, "identities": 12, "encounters": 1, "visit_events": 11, "diagnoses": 9, "procedures": 7,
    "transactions": 4, "insurance": 9, "guarantors": 6, "relatives": 7, "allergies": 3, "observations": 13, "reports": 1,
    "documents": 1, "immunizations": 1,
}  # fmt: skip


def test_real_messages_are_read(tmp_path: Path) -> None:
    """Twelve messages of public samples, 2.3 to 2.8: every one is read, with every described column."""
    if not INPUTS.is_dir():
        pytest.skip("the real inputs are not here")
    (tmp_path / "d.yaml").write_text(f"dataset: h\nformat: hl7v2_messages\nroot: {INPUTS}\n")
    dataset = load_dataset(tmp_path / "d.yaml")
    source = open_source(dataset)
    found: dict[str, list[Row]] = {}
    for table in dataset.tables:
        found[table.name] = rows_of(source, [column.name for column in table.columns], table.name)
    assert {name: len(rows) for name, rows in found.items()} == REAL_ROWS
    assert {row["patient_id"] for row in found["patients"]} == {
        "PATID1234^test1", "12345^BCBS", "10006579^1", "MRN12345", "987654321", "14^IA PHIMS Stage",
    }  # fmt: skip
    assert [row["snomed"] or row["icd9cm"] for row in found["diagnoses"]].count(None) == 0
    assert found["encounters"][0]["discharge_date"] == "20150209113419+0110"
    assert found["immunizations"][0]["ndc"] == "49281021588"
    assert not source.withheld
