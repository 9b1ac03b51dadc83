"""X12 837 claims: what is read, what keys know, what is counted, what is refused."""

from __future__ import annotations

import gzip
import itertools
import re
import traceback
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_silent, refused
from tiny_sources import World
from x12_claims import (
    CLAIM,
    HEAD,
    LINE,
    I,
    Marks,
    all_rows,
    dependent,
    described,
    interchange,
    one_claim,
    read,
    rows,
    subscriber,
)

from deid.errors import DocumentError, SourceError
from deid.sources import open_source
from deid.sources.paths import PathError
from deid.sources.x12 import reader, utf8
from deid.sources.x12.paths import compile_each, compile_path, unfit
from deid.synthetic import generate
from deid.synthetic.writers.x12 import write_x12_837
from deid.synthetic.x12_faults import X12Fault, break_interchange

SENTINEL = "Zzyzx-7731"


def test_a_subscriber_who_is_the_patient(tmp_path: Path) -> None:
    """Names, birth date, address and numbers of the subscriber are the patient's, and the member number is the key."""
    (patient,) = rows(tmp_path, one_claim(), "patients")
    assert {name: value for name, value in patient.items() if value is not None} == {
        "patient_id": "M-100", "family_name": "QUILL", "given_name": "OTTO", "birth_date": "19700102", "sex": "M",
        "relationship": "18", "street_address": "1 ELM ROAD", "city": "AMES", "state": "IA", "zip_code": "500101234",
        "member_id": "M-100", "subscriber_family_name": "QUILL", "subscriber_given_name": "OTTO", "group_number": "G-1",
    }  # fmt: skip


def test_a_dependent_has_a_key_of_its_own(tmp_path: Path) -> None:
    """The claim is the dependent's; subscriber and sibling are others, and the subscriber is kept as a relative."""
    body = [*HEAD, *subscriber(is_patient=False), *dependent(), *CLAIM, *LINE]
    body += [*dependent(4, name="Quill*Ben", born="20170809"), *CLAIM, *LINE, *subscriber(5, "M-200"), *CLAIM]
    found = rows(tmp_path, interchange(body), "patients")
    assert [row["given_name"] for row in found] == ["IDA", "Ben", "OTTO"]
    assert [row["birth_date"] for row in found] == ["20150607", "20170809", "19700102"]
    assert [row["member_id"] for row in found] == ["M-100", "M-100", "M-200"]
    assert [row["subscriber_given_name"] for row in found] == ["OTTO"] * 3
    assert [row["zip_code"] for row in found] == ["50010", "50010", "500101234"]
    keys = [row["patient_id"] for row in found]
    assert len(set(keys)) == 3
    assert keys[2] == "M-200"


def test_a_dependent_keeps_its_key_however_names_are_capitalized(tmp_path: Path) -> None:
    """`Ida` and `IDA` are one child; another birth date is another; a child without a name is nobody."""
    body = [*HEAD, *subscriber(is_patient=False)]
    for number, (name, born) in enumerate(
        (("QUILL*IDA", "20150607"), ("Quill*Ida", "20150607"), ("QUILL*IDA", "20150608"), ("", "20150607")), start=3
    ):
        body += [*dependent(number, name=name, born=born), *CLAIM, *LINE]
    keys = [row["patient_id"] for row in rows(tmp_path, interchange(body), "claims", "patient_id")]
    assert keys[0] == keys[1]
    assert keys[2] not in (None, keys[0])
    assert keys[3] is None


def test_without_a_member_number_there_is_no_key(tmp_path: Path) -> None:
    """Neither the subscriber nor the dependent of a subscriber without a number can be told from others."""
    bare = [line for line in subscriber(is_patient=False, member="") if line]
    body = [*HEAD, *bare, *CLAIM, *dependent(), *CLAIM]
    assert [row["patient_id"] for row in rows(tmp_path, interchange(body), "claims", "patient_id")] == [None, None]


def test_a_dependents_own_number_is_its_key(tmp_path: Path) -> None:
    """4010 lets a dependent have a member number."""
    body = [*HEAD, *subscriber(is_patient=False), *dependent(name="QUILL*IDA****MI*M-103"), *CLAIM]
    text = interchange(body, guide="004010X098A1", version="00401")
    assert rows(tmp_path, text, "claims", "patient_id") == [{"patient_id": "M-103"}]


def test_a_key_may_take_in_the_payer(tmp_path: Path) -> None:
    """`%patient[payer]` keeps apart two members of two payers who were given one number; `%patient` joins them."""
    other = [line.replace("PAY1", "PAY2") for line in subscriber(3)]
    (tmp_path / "claims.txt").write_text(interchange([*HEAD, *subscriber(), *CLAIM, *other, *CLAIM]))
    plain = read(described(tmp_path), "claims", "patient_id")
    own = "tables:\n  claims:\n    columns:\n      patient_id: {kind: patient_id, path: '%patient[payer]'}\n"
    apart = read(described(tmp_path, own), "claims", "patient_id")
    assert len({row["patient_id"] for row in plain}) == 1
    assert len({row["patient_id"] for row in apart}) == 2


def test_claim_keys_are_unique_where_account_numbers_are_not(tmp_path: Path) -> None:
    """Corrections, other transaction sets, groups, interchanges and files repeat CLM01 and never a claim's key."""
    again = [*HEAD, *subscriber(), *CLAIM, *LINE, *(line.replace("11:B:1", "11:B:7") for line in CLAIM), *LINE]
    for number in (1, 2):
        text = interchange(again, again, control=number) + interchange(again, control=number + 10)
        (tmp_path / f"{number}.txt").write_text(text)
    found = read(described(tmp_path), "claims", "claim_id", "account_number", "frequency")
    assert [row["frequency"] for row in found] == ["1", "7"] * 6
    assert {row["account_number"] for row in found} == {"ACCT-17"}
    assert len({row["claim_id"] for row in found}) == 12
    lines = read(described(tmp_path), "lines", "claim_id", "line_id")
    assert [row["claim_id"] for row in lines] == [row["claim_id"] for row in found]
    assert len({row["line_id"] for row in lines}) == 12
    before = {row["claim_id"] for row in found}
    (tmp_path / "0.txt").write_text(interchange(again, control=90))  # a file that comes before all the others
    assert before < {row["claim_id"] for row in read(described(tmp_path), "claims", "claim_id")}


def test_an_institutional_claim(tmp_path: Path) -> None:
    """Stay, statement, type of bill, DRG, codes by role with revision and presence, procedures with dates."""
    claim = [
        "CLM*A-9*5000***11:A:1**A*Y*Y", "DTP*096*TM*1100", "DTP*434*RD8*20250201-20250205", "DTP*435*DT*202502010930",
        "CL1*1*7*01", "REF*F8*ORIG-1", "NTE*ADD*seen by her son", "NTE*DCP*home", "HI*ABK:I214:::::::Y", "HI*ABJ:R079",
        "HI*APR:R071*APR:R072", "HI*ABN:W1830XA:::::::N", "HI*ABF:E119:::::::1*ABF:I10", "HI*BBR:02703ZZ:D8:20250202",
        "HI*BBQ:4A023N7:D8:20250203*BBQ:B2111ZZ:D8:20250204", "HI*DR:247", "HI*BE:A0:::50010",
        "NM1*71*1*VALE*NORA****XX*1111111112", "LX*1", "SV2*0120**4000*DA*4", "LX*2", "SV2*0300*HC:80053:91*1000*UN*2",
    ]  # fmt: skip
    found = all_rows(tmp_path, interchange([*HEAD, *subscriber(), *claim], guide=I))
    (stay,) = found["claims"]
    expected = {"account_number": "A-9", "payer_control_number": "ORIG-1", "start_date": "20250201",
                "end_date": "20250205", "statement_from": "20250201", "statement_through": "20250205",
                "facility_type": "11", "place_of_service": None, "frequency": "1", "admission_type": "1",
                "admission_source": "7", "discharge_status": "01", "drg": "247", "attending_npi": "1111111112",
                "attending_family_name": "VALE", "rendering_npi": None, "payer_id": "PAY1", "billing_npi": "1234567893"}  # fmt: skip
    assert expected.items() <= stay.items()
    assert [(row["sequence"], row["role"], row["icd"], row["icd_version"], row["present_on_admission"])
            for row in found["diagnoses"]] == [
        ("1", "principal", "I214", "10", "Y"), ("2", "other", "E119", "10", "1"), ("3", "other", "I10", "10", None),
    ]  # fmt: skip
    assert [(row["role"], row["admitting_icd"], row["reason_icd"], row["external_icd"])
            for row in found["other_diagnoses"]] == [
        ("admitting", "R079", None, None), ("reason", None, "R071", None), ("reason", None, "R072", None),
        ("external", None, None, "W1830XA"),
    ]  # fmt: skip
    assert [(row["role"], row["icd"], row["procedure_date"]) for row in found["procedures"]] == [
        ("principal", "02703ZZ", "20250202"), ("other", "4A023N7", "20250203"), ("other", "B2111ZZ", "20250204"),
    ]  # fmt: skip
    assert [(row["note_type"], row["note"]) for row in found["notes"]] == [("ADD", "seen by her son"), ("DCP", "home")]
    assert [(row["line"], row["revenue_code"], row["cpt"], row["modifier_1"], row["charge"], row["units"])
            for row in found["lines"]] == [
        ("1", "0120", None, None, "4000", "4"), ("2", "0300", "80053", "91", "1000", "2"),
    ]  # fmt: skip
    assert {row["claim_id"] for table in ("diagnoses", "procedures", "lines", "notes") for row in found[table]} == {
        stay["claim_id"]
    }


def test_a_professional_claim(tmp_path: Path) -> None:
    """Lines with modifiers, pointers, drugs, their own renderer and a range of days; ICD-9 where the qualifier says it."""
    claim = [
        "CLM*A-9*300***22:B:1*Y*A*Y*Y", "DTP*431*D8*20250101", "HI*BK:25000*BF:4019",
        "NM1*DN*1*REED*AMY****XX*1111111120", "NM1*82*1*VALE*NORA****XX*1111111112", "PRV*PE*PXC*207Q00000X",
        "LX*1", "SV1*HC:J1745:JW:59:::remark here*200*UN*2*12**1:2", "DTP*472*RD8*20250110-20250112", "REF*6R*L-1",
        "NTE*ADD*given slowly", "LIN**N4*50242004001", "CTP****150*ML", "REF*XZ*RX-5", "NM1*82*1*FORD*JIM****XX*1111111138",
        "LX*2", "SV1*ER:W0001*100*UN*1***2", "DTP*472*D8*20250115",
    ]  # fmt: skip
    found = all_rows(tmp_path, interchange([*HEAD, *subscriber(), *claim]))
    (one,) = found["claims"]
    expected = {"start_date": "20250110", "end_date": "20250115", "onset_date": "20250101", "place_of_service": "22",
                "referring_npi": "1111111120", "rendering_npi": "1111111112", "rendering_specialty": "207Q00000X"}  # fmt: skip
    assert expected.items() <= one.items()
    assert [(row["icd"], row["icd_version"], row["role"], row["service_date"]) for row in found["diagnoses"]] == [
        ("25000", "9", "principal", "20250110"), ("4019", "9", "other", "20250110"),
    ]  # fmt: skip
    first, second = found["lines"]
    expected = {"cpt": "J1745", "modifier_1": "JW", "modifier_2": "59", "modifier_3": None, "remark": "remark here",
                "service_date": "20250110", "service_end": "20250112", "line_control_number": "L-1", "ndc": "50242004001",
                "ndc_quantity": "150", "ndc_unit": "ML", "prescription_number": "RX-5", "rendering_npi": "1111111138",
                "place_of_service": "12", "pointer_1": "1", "pointer_2": "2", "pointer_3": None}  # fmt: skip
    assert expected.items() <= first.items()
    assert second["cpt"] is None  # ER is no CPT or HCPCS code
    assert (second["ndc"], second["rendering_npi"], second["service_date"]) == (None, None, "20250115")
    assert [(row["line_id"], row["note"]) for row in found["line_notes"]] == [(first["line_id"], "given slowly")]


def test_another_payers_subscriber_is_no_provider_and_no_patient(tmp_path: Path) -> None:
    """Names after SBR in a claim are of another payer's loop; the next claim begins anew."""
    other = ["SBR*S*18*******CI", "NM1*IL*1*MOSS*EVA****MI*OTH-1", "NM1*PR*2*ELM PLAN*****PI*PAY9",
             "SBR*T*18*******CI", "NM1*IL*1*MOSS*TED****MI*OTH-2"]  # fmt: skip
    body = [*HEAD, *subscriber(), *CLAIM, *other, *LINE, *CLAIM, "NM1*82*1*VALE*NORA****XX*1111111112", *LINE]
    found = rows(tmp_path, interchange(body), "patients")
    assert [row["other_member_id"] for row in found] == ["OTH-1 OTH-2", None]
    assert [row["family_name"] for row in found] == ["QUILL", "QUILL"]
    claims = read(described(tmp_path), "claims", "payer_id", "rendering_npi")
    assert claims == [{"payer_id": "PAY1", "rendering_npi": None}, {"payer_id": "PAY1", "rendering_npi": "1111111112"}]


MARKS = [
    Marks("~", "*", ":", "^", ""), Marks("~", "*", ":", "^", "\r\n"), Marks("\n", "|", ">", "!", ""),
    Marks("\r", "*", ":", "^", "\n"), Marks("\x1c", "\x1d", "\x1f", "\x1e", ""), Marks("'", "+", ":", "*", ""),
    Marks("\x15", "\t", "\\", "{", "\n\n"), Marks("?", "~", "^", ":", " "),
]  # fmt: skip


@pytest.mark.parametrize("marks", MARKS, ids=repr)
def test_any_delimiters_give_the_same_tables(tmp_path: Path, marks: Marks) -> None:
    """Terminators and separators of every kind, and line breaks after segments, change nothing."""
    body = [
        *HEAD,
        *subscriber(),
        *CLAIM,
        *LINE,
        *subscriber(3, "M-2", is_patient=False),
        *dependent(4, 3),
        *CLAIM,
        *LINE,
    ]
    assert all_rows(tmp_path, interchange(body, marks=marks)) == all_rows(tmp_path, interchange(body))


def test_interchanges_of_one_file_may_have_delimiters_of_their_own(tmp_path: Path) -> None:
    """Each ISA states the delimiters of its interchange; files may be compressed and begin with a byte order mark."""
    texts = [one_claim(control=number, marks=marks) for number, marks in enumerate(MARKS, start=1)]
    found = rows(tmp_path, gzip.compress(b"\xef\xbb\xbf" + "\n".join(texts).encode()), "claims", "account_number")
    assert found == [{"account_number": "ACCT-17"}] * len(MARKS)


@pytest.mark.parametrize("size", [900])
def test_stretches_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Claims that are read a few at a time have the keys, people and codes that they have when read at once."""
    write_x12_837(generate(3, 3, notes=0.6), tmp_path)
    (tmp_path / "z.txt").write_text(one_claim(control=77, marks=MARKS[2]) + one_claim(control=78))
    dataset = described(tmp_path)
    tables = ("patients", "diagnoses", "lines", "notes")
    whole = {table: read(dataset, table) for table in tables}
    told = _unread(dataset)
    monkeypatch.setattr(reader, "WINDOW", size)
    monkeypatch.setattr(utf8, "CHUNK", size // 3)
    assert {table: read(dataset, table) for table in tables} == whole
    assert _unread(dataset) == told


def _unread(dataset: Any) -> dict[str, int]:
    source = open_source(dataset)
    for _ in source.read("claims", ["claim_id"]):
        pass
    return dict(source.unread)


def test_what_nobody_described_is_counted_by_name(tmp_path: Path) -> None:
    """Segments, elements, other qualifiers of HI and repetitions, of every table's files once; odd names are not spoken."""
    claim = ["CLM*A*1***11:B:1*Y", "K3*a remark", "K3*another", "REF*ZZ*hidden", "ZSM*x", f"{SENTINEL}*x", "HI*ABK:I10",
             "HI*BE:A0:::50010*BG:09", "REF*EA*MRN-1^MRN-2"]  # fmt: skip
    (tmp_path / "claims.txt").write_text(interchange([*HEAD, *subscriber(), *claim]))
    source = open_source(described(tmp_path))
    for table in ("claims", "lines", "claims"):
        for _ in source.read(table, ["claim_id"]):
            pass
    assert dict(source.unread) == {
        "ST/BHT01": 1, "ST/BHT03": 1, "ST/BHT05": 1, "1000A/NM1": 1, "1000B/NM1": 1, "2300/CLM06": 1, "2300/K3": 2,
        "2300/REF": 1,  "(other)": 2, "2300/HI of other qualifiers": 2, "2300/REF02 repeated": 1,
    }  # fmt: skip


def test_nested_repeats_are_told_apart(tmp_path: Path) -> None:
    """Repeated composites of HI are rows of their own; of a repeated element the first counts, or with `join` all."""
    claim = ["CLM*A*1***11:B:1", "REF*EA*MRN-1^MRN-2", "HI*ABK:I10^ABF:E119*ABF:E1165^ABF:J45909^ABF:N179"]
    sub = [*subscriber(), "REF*SY*900112222^900113333"]
    text = interchange([*HEAD, *sub[:3], sub[-1], *sub[3:-1], *claim])
    assert [row["icd"] for row in rows(tmp_path, text, "diagnoses", "icd")] == [
        "I10",
        "E119",
        "E1165",
        "J45909",
        "N179",
    ]
    assert rows(tmp_path, text, "claims", "medical_record_number") == [{"medical_record_number": "MRN-1"}]
    assert rows(tmp_path, text, "patients", "ssn") == [{"ssn": "900112222 900113333"}]


def test_text_in_latin_1_is_read_where_it_is_described(tmp_path: Path) -> None:
    """Umlauts arrive as themselves, by the stated encoding, also at the border of two pieces."""
    text = interchange([*HEAD, *subscriber(name="MÜLLER*ÄNNE"), *CLAIM])
    (tmp_path / "claims.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceError, match=r"segment 13: bytes that are not utf-8 text"):
        read(described(tmp_path), "patients", "family_name")
    found = read(described(tmp_path, "encoding: latin-1\n"), "patients", "family_name", "given_name")
    assert found == [{"family_name": "MÜLLER", "given_name": "ÄNNE"}]
    (tmp_path / "claims.txt").write_bytes(text.encode("utf-16"))
    assert read(described(tmp_path, "encoding: utf-16\n"), "patients", "family_name") == [{"family_name": "MÜLLER"}]
    assert rows(tmp_path, text, "patients", "family_name") == [{"family_name": "MÜLLER"}]


SAID = {
    X12Fault.CUT_IN_SEGMENT: r"segment \d+: the file ends within this segment",
    X12Fault.CUT_AFTER_SEGMENT: r"segment \d+: the file ends within an interchange",
    X12Fault.NO_TRAILER: "the file ends within an interchange",
    X12Fault.LOST_SEGMENT: r"SE01 is not the number of the segments of its transaction set, which is \d+",
    X12Fault.WRONG_INTERCHANGE_NUMBER: "IEA02 is not that of ISA13",
    X12Fault.WRONG_GROUP_NUMBER: "GE02 is not that of GS06",
    X12Fault.WRONG_SET_NUMBER: "SE02 is not that of ST02",
    X12Fault.WRONG_SET_COUNT: "GE01 is not the number of the transaction sets",
    X12Fault.WRONG_GROUP_COUNT: "IEA01 is not the number of the groups",
    X12Fault.LINE_BEFORE_CLAIM: r"segment 22: LX is out of order",
    X12Fault.LINE_WITHOUT_NUMBER: "SV1 stands outside of its loop, 2400",
    X12Fault.CODES_TOO_LATE: "HI stands outside of its loop, 2300",
    X12Fault.WRONG_PARENT: "segment 14: HL02 does not name the level above",
    X12Fault.SECOND_SUBSCRIBER: "segment 17: a second subscriber in one level",
    X12Fault.REMITTANCE: r"segment 2: this is no 837 but a claim payment \(835\)",
    X12Fault.DENTAL: "segment 3: the transaction set follows the guide 005010X224A2",
    X12Fault.NARROW_HEADER: "segment 1: ISA has not its fixed width",
    X12Fault.SAME_MARKS: "segment 1: ",
    X12Fault.BROKEN_LINES: "segment 16: a line break within a segment",
    X12Fault.TWICE: "an interchange that was read before",
    X12Fault.TRAILING: "the file goes on after its interchange",
    X12Fault.WRONG_BYTES: "segment 11: bytes that are not utf-8 text",
    X12Fault.NUL: "segment 11: a NUL byte",
    X12Fault.EMPTY: "the file holds no interchange",
}
REQUESTED = {"patients": ["patient_id", "birth_date", "sex"], "claims": ["claim_id", "patient_id", "start_date"],
             "lines": ["claim_id", "patient_id", "cpt"]}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One site for all refusals of this module."""
    return World(tmp_path_factory.mktemp("x12") / "site")


@pytest.mark.parametrize("fault", list(X12Fault), ids=lambda fault: fault.name)
def test_damage_is_one_error_with_the_number_of_its_segment(fault: X12Fault, tmp_path: Path) -> None:
    """Every way to break an interchange is named, with file and segment, and no cell is quoted."""
    _sound(tmp_path)
    break_interchange(tmp_path / "professional.txt", fault)
    with pytest.raises(SourceError, match=SAID[fault]) as caught:
        read(described(tmp_path), "claims", "claim_id")
    assert re.match(r"claims: professional\.txt, segment [\d,]+: ", caught.value.message)
    assert caught.value.hint
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert_silent("".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize(
    "fault", [X12Fault.NO_TRAILER, X12Fault.LOST_SEGMENT, X12Fault.LINE_BEFORE_CLAIM, X12Fault.NUL]
)
def test_a_broken_interchange_is_refused_whole(
    world: World, fault: X12Fault, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not one claim of a broken file is released, and nothing is left behind."""
    request = world.request(_sound(tmp_path), REQUESTED)
    break_interchange(tmp_path / "professional.txt", fault)
    with refused(world, SourceError, SAID[fault], caplog):
        world.site.run(request)


def test_the_interchange_is_sound_before_it_is_broken(world: World, tmp_path: Path) -> None:
    """What the faults break is read and released as it stands."""
    opened = world.site.tables(world.request(_sound(tmp_path), REQUESTED))
    assert all(table.num_rows > 5 for table in opened.values())


def _sound(folder: Path) -> Path:
    """Write a small sample whose first member has a name and a number that are looked for everywhere."""
    write_x12_837(generate(5, 6, notes=0.0), folder)
    path = folder / "professional.txt"
    lines = path.read_text().split("\n")
    at = next(at for at, line in enumerate(lines) if line.startswith("NM1*IL"))
    lines[at] = "NM1*IL*1*Quixwerble*Zandobrith****MI*SENTINEL-PAT-1~"
    path.write_text("\n".join(lines))
    return folder / "dataset.yaml"


def test_the_segment_is_numbered_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a file is cut into stretches, a fault has the number that a person finds by counting terminators."""
    text = interchange(*([*HEAD, *subscriber(), *CLAIM, *LINE] for _ in range(6)))
    broken = text[::-1].replace("DTP*472"[::-1], "DTP\n*472"[::-1], 1)[::-1]
    number = broken[: broken.index("DTP\n")].count("~") + 1
    for size, (damage, what, at) in itertools.product(
        (200, 4_000),
        ((broken, "a line break", number), (text.replace("SE*22*0005", "SE*21*0005"), "SE01", 112)),
    ):
        monkeypatch.setattr(reader, "WINDOW", size)
        with pytest.raises(SourceError, match=rf"segment {at}: .*{what}"):
            rows(tmp_path, damage, "claims", "claim_id")


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("CLM", "two digits"), ("2300/CLM00", "from 01"), ("2310A/NM109", "role"), ("2310[QQ]/NM109", "no name"),
        ("9999/NM109", "no such loop"), ("2300/REF[EA]02", "brackets"), ("2300/CLM01|first", "function"),
        ("2300/HI-2", "qualifiers"), ("%people", "a path is"), ("2300/HI[dr]-2", "qualifiers"), ("clm01", "a path is"),
    ],
)  # fmt: skip
def test_a_path_that_is_none_is_refused(tmp_path: Path, path: str, wrong: str) -> None:
    """What is wrong with a path is said when the description is read."""
    with pytest.raises(PathError, match=wrong):
        compile_path(path)
    text = f"tables:\n  claims:\n    columns:\n      other: {{kind: unique_id, path: '{path}'}}\n"
    with pytest.raises(DocumentError, match="other"):
        described(tmp_path, text)


@pytest.mark.parametrize("each", ["patient", "2010AA/NM1", "NTE", "HI", "2000B/SBR", "claim.line", "HI[abk]"])
def test_rows_are_of_claims_or_lines(each: str) -> None:
    """What stands above claims gives no rows, for no row of it would be of a patient."""
    with pytest.raises(PathError):
        compile_each(each)


def test_paths_must_fit_their_rows() -> None:
    """A path without a loop is of the row's own segment; keys of composites and lines are said of those."""
    assert unfit(compile_path("NTE02"), compile_each("2300/NTE")) == ""
    assert unfit(compile_path("HI-2"), compile_each("diagnosis")) == ""
    for path, each in (("NTE02", "claim"), ("HI01", "diagnosis"), ("%role", "claim"), ("%line", "claim")):
        assert unfit(compile_path(path), compile_each(each)), path


def test_a_description_needs_resource_and_each(tmp_path: Path) -> None:
    """A table of another transaction set, or without `each`, is refused before a file is opened."""
    (tmp_path / "claims.txt").write_text(one_claim())
    column = "{patient_id: {kind: patient_id, path: '%patient'}}"
    for said in ("resource: '837'", "resource: '835'\n    each: claim"):
        (tmp_path / "d.yaml").write_text(
            f"dataset: d\nformat: x12\nfiles: claims.txt\ntables:\n  patients:\n    {said}\n    patient: patient_id\n"
            f"    columns: {column}\n"
        )
        from deid.sources import load_dataset

        with pytest.raises(SourceError, match="resource"):
            open_source(load_dataset(tmp_path / "d.yaml")).check({"patients": ["patient_id"]})


def test_a_segment_without_end_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    """Fifty megabytes without a terminator, or a segment of a million elements, end at one mebibyte."""
    good = one_claim()
    cut = good.index("HI*ABK")
    for filling in (b"REF*EA*" + b"9" * (50 << 20), b"HI" + b"*ABF:I10" * 1_000_000, b"REF" + b"*" * 3_000_000):
        (tmp_path / "claims.txt").write_bytes(good[:cut].encode() + filling)
        tracemalloc.start()
        with pytest.raises(SourceError, match=r"segment 20: longer than 1 MiB"):
            read(described(tmp_path), "diagnoses", "icd")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 64 << 20


def test_a_claim_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim of more lines than fit into the largest stretch is no claim."""
    monkeypatch.setattr(reader, "WINDOW", 1 << 12)
    monkeypatch.setattr(reader, "MAX_CLAIM", 1 << 15)
    monkeypatch.setattr(utf8, "CHUNK", 1 << 12)
    text = interchange([*HEAD, *subscriber(), *CLAIM, *LINE * 2_000])
    with pytest.raises(SourceError, match="is over 0 MiB"):
        rows(tmp_path, text, "lines", "cpt")


@pytest.mark.long
def test_fifty_megabytes_in_one_line_are_read_in_bounded_memory(tmp_path: Path) -> None:
    """Memory does not grow with the file, nor with the transaction set; every claim of one endless line is read."""
    body = [*subscriber(), *CLAIM, *LINE]
    count = 210_000
    levels = "~".join("~".join([f"HL*{at}*1*22*0", *body[1:]]) for at in range(2, count + 2))
    whole = interchange([*HEAD, "@"], marks=Marks(between="")).replace("@", levels)
    segments = len(HEAD) + len(body) * count + 2
    (tmp_path / "claims.txt").write_text(whole.replace(f"SE*{len(HEAD) + 3}*", f"SE*{segments}*"))
    assert (tmp_path / "claims.txt").stat().st_size > 50 << 20
    source = open_source(described(tmp_path))
    tracemalloc.start()
    found = sum(len(batch) for batch in source.read("lines", ["claim_id", "cpt"]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == count
    assert peak < 100 << 20
