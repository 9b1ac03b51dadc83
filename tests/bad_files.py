"""Bad files of every format, made of the project's samples: what is done to them, and what is said of it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import NamedTuple

from damage import BULK, CCDA, EVERY, FHIR, HL7V2, OMOP, X12, Sample

# What is exported of each format: columns that the Limited Data Set releases.
RELEASED = {
    "x12_837": {"patients": ["patient_id", "birth_date", "sex"], "claims": ["claim_id", "patient_id", "start_date"]},
    "hl7v2_messages": {"patients": ["patient_id", "birth_date", "sex"]},
    "us_core_json": {"patients": ["patient_id", "birth_date", "sex"], "conditions": ["patient_id", "icd10cm"]},
    "ccda_r21": {"patients": ["patient_id", "birth_date", "sex"]},
    "us_core_bulk": {"patients": ["patient_id", "birth_date", "sex"]},
    "omop_cdm": {"person": ["person_id", "birth_datetime", "gender_concept_id"]},
}


class Case(NamedTuple):
    """A sample's bytes made into others, and what the refusal says."""

    sample: Sample
    change: Callable[[bytes], bytes]
    said: str


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Return a change of the first place where `old` stands; it must be there."""

    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return change


def to(data: bytes) -> Callable[[bytes], bytes]:
    """Return a change into other bytes altogether."""
    return lambda _: data


def patient(members: bytes) -> bytes:
    """Return a Patient with further members."""
    return b'{"resourceType":"Patient","id":"SENTINEL-PAT-1",' + members + b"}\n"


def xml(inside: bytes, before: bytes = b"") -> bytes:
    """Return a C-CDA document about one patient."""
    target = b'<recordTarget><patientRole><id root="1.2.3" extension="SENTINEL-PAT-1"/></patientRole></recordTarget>'
    return before + b'<ClinicalDocument xmlns="urn:hl7-org:v3">' + target + inside + b"</ClinicalDocument>"


def entity(name: str, address: str) -> bytes:
    """Return a document whose entity stands outside of it."""
    return xml(b"<title>&x;</title>", f'<!DOCTYPE a [<!ENTITY x {name} "{address}">]>'.encode())


MESSAGE = b"MSH|^~\\&|A|B|||20250102||ADT^A08|1|P|2.5\rPID|1||SENTINEL-PAT-1^^^H^MR||Quixwerble^Jo||19870329|F\r"
NAMED = b'"family": "Quixwerble"'
NESTED = 100_000
BILLION = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
REMITTANCE, INQUIRY = (b"ST*835*", b"ST*270*")

CASES: dict[str, Case] = {
    # Envelopes that do not agree with what they hold, and other transactions.
    "x12: a remittance": Case(X12, swap(b"ST*837*", b"ST*835*"), r"segment 3: this is no 837 but a claim payment"),
    "x12: a group of eligibility": Case(X12, swap(b"GS*HC*", b"GS*HS*"), "segment 2: this is no 837 but an eligib"),
    "x12: an acknowledgment": Case(X12, swap(b"ST*837*", b"ST*999*"), "this is no 837 but an acknowledgment"),
    "x12: a set of a made-up kind": Case(X12, swap(b"ST*837*", b"ST*QXW*"), "segment 3: this is no 837"),
    "x12: another control number of the set": Case(X12, swap(b"ST*837*0001", b"ST*837*QXW1"), "SE02 is not that of"),
    "x12: another control number of the group": Case(X12, swap(b"*1*X*005010", b"*QXW*X*005010"), "GE02 is not that"),
    "x12: another control number of the interchange": Case(
        X12, swap(b"*000000001*", b"*QXW000001*"), "IEA02 is not that of"),
    "x12: a count that is no number": Case(X12, swap(b"~\nGE*", b"~\nGE*QXW"), "GE01 is not the number"),
    "x12: a count of a thousand digits": Case(X12, swap(b"~\nGE*", b"~\nGE*" + b"9" * 1_000), "GE01 is not the number"),
    "x12: a guide that is a name": Case(X12, swap(b"*0001*005010X222A1~", b"*0001*Quixwerble~"), "names no guide"),
    "x12: a group within a set": Case(X12, swap(b"~\nHL*2", b"~\nGS*HC*A*B*1*1*1*X*005010X222A1~\nHL*2"), "out of order"),
    "x12: a line break in a name": Case(X12, swap(b"Quixwerble", b"Quixwer\nble"), "a line break within a segment"),
    "x12: a byte order mark of UTF-16": Case(X12, lambda data: data.decode().encode("utf-16"), "segment 1: bytes that"),
    "x12: NUL": Case(X12, swap(b"Quixwerble", b"Quix\0werble"), "a NUL byte"),
    "x12: blanks": Case(X12, to(b" \r\n\t \n"), "segment 1: the file holds no interchange"),
    "hl7: an acknowledgment of another count": Case(HL7V2, swap(b"BTS|", b"BTS|9"), "message 28: BTS states another"),
    "hl7: a count that is a name": Case(HL7V2, swap(b"BTS|", b"BTS|Quixwerble"), "BTS states another number"),
    "hl7: an envelope in an envelope": Case(HL7V2, swap(b"\nMSH|", b"\nBHS|^~\\&|Quixwerble\nMSH|"), "open and close in turn"),
    "hl7: no MSH": Case(HL7V2, to(b"PID|1||SENTINEL-PAT-1\r"), "does not begin with a message"),
    "hl7: a frame that is cut": Case(HL7V2, to(b"\x0b" + MESSAGE + b"\x1c\r\x0b" + MESSAGE), "a[n]? MLLP frame|frame"),
    "hl7: a frame within a frame": Case(HL7V2, to(b"\x0b\x0b" + MESSAGE + b"\x1c\r"), "MLLP|begin|control"),
    "hl7: an end without a frame": Case(HL7V2, to(MESSAGE + b"\x1c\r" + MESSAGE), "MLLP frames are broken"),
    "hl7: a name of small letters": Case(HL7V2, to(MESSAGE + b"qxw|Quixwerble\r"), "message 1, segment 3: is no segment"),
    "hl7: a line break in a note": Case(HL7V2, to(MESSAGE + b"NTE|1||a\nQuixwerble\r"), "message 1, segment 4: is no seg"),
    "hl7: NUL": Case(HL7V2, swap(b"Quixwerble", b"Quix\0werble"), "message 1, segment 3: holds a control character"),
    "hl7: latin-1": Case(HL7V2, swap(b"Quixwerble", b"Quixwerbl\xe9"), "message 1: holds bytes that are not utf-8"),
    "hl7: ten thousand numbers of one patient": Case(
        HL7V2, to(MESSAGE.replace(b"SENTINEL-PAT-1", b"SENTINEL-PAT-1~" * 20_000)), "PID-3 repeats more than"),
    # JSON.
    "fhir: a name twice": Case(FHIR, swap(NAMED, NAMED + b"," + NAMED), "entry 1: a name stands twice"),
    "fhir: a Bundle in a Bundle": Case(
        FHIR, swap(b'"resource": {', b'"resource": {"resourceType":"Bundle"}},{"resource":{'), "entry 1: a Bundle within"),
    "fhir: a Bundle that holds itself": Case(
        FHIR, to(b'{"resourceType":"Bundle","entry":[{"resource":' * 90 + b"1" + b"}]}" * 90), "entry 1: a Bundle within"),
    "fhir: nested without end": Case(FHIR, to(patient(b'"x":' + b"[" * NESTED + b"]" * NESTED)), "not one whole JSON"),
    "fhir: objects without end": Case(
        FHIR, to(patient(b'"x":' + b'{"a":' * NESTED + b"1" + b"}" * NESTED)), "not one whole JSON"),
    "fhir: extensions without end": Case(
        FHIR, to(patient(b'"extension":' + b'[{"extension":' * NESTED + b"[]" + b"}]" * NESTED)), "not one whole JSON"),
    "fhir: modifiers without end": Case(
        FHIR, to(patient(b'"modifierExtension":' + b'[{"a":' * NESTED + b"1" + b"}]" * NESTED)), "not one whole JSON"),
    "fhir: a number of 6,000 digits": Case(FHIR, to(patient(b'"birthDate":' + b"9" * 6_000)), "not one whole JSON"),
    "fhir: a number beyond all": Case(FHIR, to(patient(b'"birthDate":1e99999')), "not one whole JSON"),
    "fhir: NaN": Case(FHIR, to(patient(b'"birthDate":NaN')), "not one whole JSON"),
    "fhir: half of a letter": Case(FHIR, to(patient(b'"birthDate":"\\ud800"')), "not one whole JSON"),
    "fhir: an object for a name": Case(
        FHIR, to(patient(b'"name":[{"family":{"x":"Quixwerble"}}]')), "ends at an object"),
    "fhir: a resource that is a name": Case(
        FHIR, to(b'{"resourceType":"Bundle","entry":[{"resource":"Quixwerble"}]}'), "entry 1: not a FHIR resource"),
    "fhir: a made-up type": Case(FHIR, to(b'{"resourceType":"Quixwerble","id":"SENTINEL-PAT-1"}'), "no Patient in any"),
    "fhir: entries that are none": Case(FHIR, to(b'{"resourceType":"Bundle","entry":{"a":"Quixwerble"}}'), "not a list"),
    "fhir: two documents": Case(FHIR, lambda data: data + data, "line [0-9]+: not one whole JSON"),
    "fhir: UTF-16": Case(FHIR, lambda data: data.decode().encode("utf-16"), "UTF-16"),
    "bulk: a name twice": Case(BULK, to(patient(b'"id":"Quixwerble"')), "line 1: a name stands twice"),
    "bulk: another type": Case(BULK, swap(b'"Patient"', b'"Quixwerble"'), "line 1: not a Patient resource"),
    "bulk: two in a line": Case(BULK, swap(b"}\n{", b"}{"), "line 1: not one whole JSON"),
    "bulk: blank": Case(BULK, to(b" \n\n \r\n"), "blank"),
    "bulk: an array": Case(BULK, lambda data: b"[" + data.replace(b"}\n{", b"},\n{") + b"]", "line 1: not one whole"),
    "bulk: nested without end": Case(BULK, to(patient(b'"x":' + b"[" * NESTED + b"]" * NESTED)), "line 1: not one whole"),
    "bulk: a mark in the middle": Case(BULK, swap(b"}\n{", b"}\n\xef\xbb\xbf{"), "line 2: not one whole JSON"),
    # XML.
    "ccda: an entity of the file system": Case(CCDA, to(entity("SYSTEM", "file:///etc/passwd")), "line 1: a document type"),
    "ccda: an entity of the web": Case(CCDA, to(entity("SYSTEM", "http://127.0.0.1:9/x")), "line 1: a document type"),
    "ccda: a billion laughs": Case(
        CCDA, to(xml(b"&l9;", b'<!DOCTYPE a [<!ENTITY l0 "Quixwerble">' + BILLION + b"]>")), "line 1: a document type"),
    "ccda: a parameter entity": Case(
        CCDA, to(xml(b"", b'<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]>')), "a document type"),
    "ccda: an entity nobody declared": Case(CCDA, to(xml(b"<title>&Quixwerble;</title>")), "line 1: an entity"),
    "ccda: nested without end": Case(CCDA, to(xml(b"<a>" * NESTED + b"</a>" * NESTED)), "nested deeper than 100"),
    "ccda: another root": Case(CCDA, to(b"<Quixwerble/>"), "its root is not ClinicalDocument"),
    "ccda: a root of nobody": Case(CCDA, to(b"<ClinicalDocument/>"), "not of the namespace"),
    "ccda: two documents": Case(CCDA, lambda data: data + data, "line [0-9]+: (something follows|not well-formed)"),
    "ccda: an encoding of nobody": Case(
        CCDA, to(xml(b"", b'<?xml version="1.0" encoding="Quixwerble"?>')), "in an encoding that is not read"),
    "ccda: an attribute twice": Case(
        CCDA, to(xml(b'<id root="1" root="Quixwerble"/>')), "line 1: an attribute that stands twice"),
    "ccda: a control letter": Case(CCDA, to(xml(b"<title>Quixwerble&#1;</title>")), "line 1: not well-formed"),
    # Tables.
    "omop: a lost line end": Case(OMOP, swap(b"\n", b""), "35 names|in the first line that may be cells"),
    "omop: a lost line end and a short row": Case(
        OMOP, swap(b"\n", b"SENTINEL-PAT-1,Quixwerble,Zandobrith\n"), "3 more in the first line that may be cells"),
    "omop: a name of two lines": Case(
        OMOP, swap(b",gender_concept_id", b',"gender\nQuixwerble"'), "1 more in the first line that may be cells"),
    "omop: no header": Case(OMOP, lambda data: data.split(b"\n", 1)[1], "not the described header"),
    "omop: a quote over the header": Case(OMOP, swap(b",gender", b',"gender'), "person.csv"),
    "omop: a ragged row that is no text": Case(OMOP, swap(b"\n", b"\nQuixwerble\xe9,1\n"), "line 2: bytes that are not utf-8"),
    "omop: half of a letter at the end": Case(OMOP, lambda data: data + b"Quixwerble\xc3", "line 62: bytes that are not"),
    "omop: ragged rows": Case(OMOP, swap(b"\n", b"\nQuixwerble,1\n917-66-4242\n"), "2 rows with more or fewer cells"),
    "omop: NUL": Case(OMOP, swap(b"SENTINEL", b"SENT\0INEL"), "NUL"),
    "omop: UTF-16": Case(OMOP, lambda data: data.decode().encode("utf-16"), "not utf-8 text"),
}  # fmt: skip


BAD_EXPORTS: dict[str, tuple[Sample, Callable[[bytes], bytes]]] = {
    **{f"{name}: cut": (sample, lambda data: gzip.compress(data)[:-9]) for name, sample in EVERY.items()},
    **{name: CASES[name][:2] for name in (
        "x12: a remittance", "x12: a count that is no number", "hl7: a count that is a name",
        "hl7: a line break in a note", "fhir: a name twice", "fhir: nested without end", "bulk: a name twice",
        "ccda: a billion laughs", "ccda: nested without end", "omop: ragged rows", "omop: a ragged row that is no text")},
}  # fmt: skip
