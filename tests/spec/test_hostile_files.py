"""Size and reach of hostile files: time and memory are bounded, and nothing outside of the folder is opened."""

from __future__ import annotations

import gzip
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bad_files import MESSAGE, patient, swap, to, xml
from damage import BULK, CCDA, EVERY, FHIR, HL7V2, OMOP, X12, Sample, assert_sound_refusal
from measured import Measured, Measurer

from deid.errors import DocumentError, SourceError


@pytest.fixture(scope="module")
def measurer() -> Iterator[Measurer]:
    """A process that measures."""
    with Measurer() as running:
        yield running


def bomb(unit: bytes, times: int = 1_024) -> bytes:
    """Return gzip members that unpack to a mebibyte each: a gigabyte in all."""
    return gzip.compress(unit * (1 << 20), 9) * times


MEGABYTES = 50 << 20
HUGE: dict[str, tuple[Sample, Callable[[bytes], bytes], int, str]] = {
    **{f"{name}: a gigabyte of {word}": (sample, to(bomb(letter)), 250, "SourceError")
       for name, sample in EVERY.items() for word, letter in (("zeros", b"\0"), ("line ends", b"\n"), ("letters", b"A"))},
    "x12: a segment of 50 MB": (X12, swap(b"Quixwerble", b"Q" * MEGABYTES), 100, "SourceError"),
    "x12: a claim of 50 MB": (X12, swap(b"~\nCLM", b"~\nCLM" + b"~\nNTE*ADD*Quixwerble" * 2_700_000), 400, "SourceError"),
    "x12: a million elements": (X12, swap(b"Quixwerble", b"Q*" * 1_000_000), 100, "SourceError"),
    "x12: a million repetitions": (X12, swap(b"HI*", b"HI*ABK:I10" + b"^ABF:I10" * 1_000_000), 100, "SourceError"),
    "hl7: a segment of 50 MB": (HL7V2, swap(b"Quixwerble", b"Q" * MEGABYTES), 150, "SourceError"),
    "hl7: a million repetitions": (HL7V2, to(MESSAGE + b"NK1|1|" + b"Q~" * 1_000_000 + b"\r"), 250, ""),
    "hl7: three million subcomponents": (HL7V2, to(MESSAGE + b"NK1|1|" + b"&" * 3_000_000 + b"\r"), 400, ""),
    "hl7: fifteen million subcomponents": (HL7V2, to(MESSAGE + b"NK1|1|" + b"&" * 15_000_000 + b"\r"), 500, "SourceError"),
    "hl7: a million segments": (HL7V2, to(MESSAGE + b"DG1|1\r" * 1_000_000), 400, ""),
    "fhir: a line of 50 MB": (FHIR, swap(b"Quixwerble", b"Q" * MEGABYTES), 400, ""),
    "fhir: a document of 80 MB": (FHIR, swap(b"Quixwerble", b"Q" * (80 << 20)), 300, "SourceError"),
    "fhir: a million names": (FHIR, to(patient(b'"name":[' + b"{}," * 1_000_000 + b"{}]")), 200, "SourceError"),
    "fhir: five million values": (FHIR, to(patient(b'"x":[' + b"1," * 5_000_000 + b"1]")), 200, "SourceError"),
    "fhir: 300,000 members": (
        FHIR, to(patient(b",".join(b'"k%d":1' % number for number in range(300_000)))), 200, ""),
    "bulk: a line of 50 MB": (BULK, swap(b"Quixwerble", b"Q" * MEGABYTES), 400, ""),
    "bulk: a line of 80 MB": (BULK, swap(b"Quixwerble", b"Q" * (80 << 20)), 300, "SourceError"),
    "ccda: a line of 50 MB": (CCDA, swap(b"Quixwerble", b"Q" * MEGABYTES), 400, ""),
    "ccda: a tag of 50 MB": (CCDA, to(xml(b"<" + b"q" * MEGABYTES + b"/>")), 700, ""),
    "ccda: a comment of 50 MB": (CCDA, to(xml(b"<!--" + b"q" * MEGABYTES + b"-->")), 300, ""),
    "ccda: a million elements": (CCDA, to(xml(b"<a/>" * 1_000_000)), 300, "SourceError"),
    "ccda: a million attributes": (
        CCDA, to(xml(b"<a " + b" ".join(b'a%d="1"' % number for number in range(1_000_000)) + b"/>")), 400, "SourceError"),
    "omop: a cell of 50 MB": (OMOP, swap(b"SENTINEL", b"S" * MEGABYTES), 250, "SourceError"),
}  # fmt: skip


SLOW = re.compile("gigabyte of (line|letters)|300,000|[25]0 MB|(a|three) million (sub|seg|el|at)")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.long] if SLOW.search(case) else []) for case in sorted(HUGE)]
)
def test_size_is_bounded(tmp_path: Path, measurer: Measurer, case: str) -> None:
    """Bombs, endless lines and millions of parts end within seconds and megabytes: refused, or read."""
    sample, change, megabytes, said = HUGE[case]
    description = sample.write(tmp_path, change(sample.sound))
    found = measurer.measure(description, sample.asked, deadline=30)
    assert found.said == said, found
    assert found.megabytes < megabytes
    assert found.seconds < 15
    assert found.touched == ()
    assert_measured(sample, found)


def assert_measured(sample: Sample, found: Measured) -> None:
    """Check what another process said as `assert_sound_refusal` checks an error."""
    if found.said:
        refusal = {"SourceError": SourceError, "DocumentError": DocumentError}[found.said](
            found.message, hint=found.hint
        )
        assert_sound_refusal(sample, refusal)
        assert found.code == refusal.exit_code


# Nothing is fetched.


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that waits for whoever may come."""
    with socket.socket() as waiting:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen()
        waiting.setblocking(False)
        yield waiting


FETCHES: dict[str, tuple[Sample, str]] = {
    "an entity": (CCDA, '<!DOCTYPE a [<!ENTITY x SYSTEM "{url}">]><ClinicalDocument xmlns="urn:hl7-org:v3">&x;</ClinicalDocument>'),
    "a parameter entity": (CCDA, '<!DOCTYPE a [<!ENTITY % x SYSTEM "{url}"> %x;]><ClinicalDocument xmlns="urn:hl7-org:v3"/>'),
    "a document type": (CCDA, '<!DOCTYPE a SYSTEM "{url}"><ClinicalDocument xmlns="urn:hl7-org:v3"/>'),
    "a stylesheet": (CCDA, '<?xml-stylesheet href="{url}"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'),
    "a schema": (CCDA, ('<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
                       'xsi:schemaLocation="urn:hl7-org:v3 {url}"/>')),
    "an inclusion": (CCDA, ('<ClinicalDocument xmlns="urn:hl7-org:v3"><x:include href="{url}" '
                           'xmlns:x="http://www.w3.org/2001/XInclude"/></ClinicalDocument>')),
    "a reference": (CCDA, ('<ClinicalDocument xmlns="urn:hl7-org:v3"><component><nonXMLBody><text><reference value="{url}"/>'
                          '</text></nonXMLBody></component></ClinicalDocument>')),
    "a photo": (FHIR, ('{{"resourceType":"Patient","id":"p","photo":[{{"url":"{url}"}}],"contact":[{{"name":{{"text":"{url}"}}}}],'
                      '"link":[{{"other":{{"reference":"{url}"}}}}]}}')),
    "a pointer": (HL7V2, "MSH|^~\\&|A|B|||2025||ADT^A08|1|P|2.5\rPID|1||p\rOBX|1|RP|1||{url}\r"),
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["file", "http"])
@pytest.mark.parametrize("fetch", sorted(FETCHES))
def test_nothing_outside_of_the_folder_is_opened(
    tmp_path: Path, measurer: Measurer, listener: socket.socket, fetch: str, scheme: str
) -> None:
    """Whatever a document names, no other file is opened and no connection made; a pipe in its place would hang."""
    sample, text = FETCHES[fetch]
    os.mkfifo(tmp_path / "secret")
    web = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    url = (tmp_path / "secret").as_uri() if scheme == "file" else web
    written = text.replace("{url}", url).replace("{{", "{").replace("}}", "}")
    found = measurer.measure(sample.write(tmp_path / "source", written.encode()), sample.asked, deadline=10)
    assert found.touched == ()
    assert found.said in ("", "SourceError")
    assert (found.said != "") == (fetch in ("an entity", "a parameter entity", "a document type"))
    with pytest.raises(BlockingIOError):
        listener.accept()


# The harness can fail.


def test_the_measurer_finds_files_memory_and_hangs(tmp_path: Path) -> None:
    """A file outside of the folder, a hundred megabytes and a pipe that nobody writes to are all seen."""
    description = OMOP.write(tmp_path / "source")
    elsewhere = OMOP.write(tmp_path / "elsewhere")
    with Measurer() as running:
        assert running.measure(description, OMOP.asked, deadline=20).touched == ()
        moved = tmp_path / "source" / "moved.yaml"
        moved.write_text(f"dataset: moved\nformat: omop_cdm\nroot: {elsewhere.parent}\n")
        assert running.measure(moved, OMOP.asked, deadline=20).touched == (str(elsewhere.parent / OMOP.file),)
        large = OMOP.sound + b"".join(OMOP.sound.split(b"\n", 1)[1] for _ in range(9_000))
        assert running.measure(OMOP.write(tmp_path / "large", large), OMOP.asked, deadline=20).megabytes > 20
        os.mkfifo(tmp_path / "nobody.yaml")
        with pytest.raises(TimeoutError):
            running.measure(tmp_path / "nobody.yaml", OMOP.asked, deadline=1)
