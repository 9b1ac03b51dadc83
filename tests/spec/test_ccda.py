"""C-CDA documents: what gives rows, what a path means, and what is refused before it can do anything."""

from __future__ import annotations

import codecs
import gzip
import re
import socket
import time
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from ccda_documents import (
    LOCAL,
    MRN_ROOT,
    SNOMED,
    SSN_ROOT,
    TEMPLATES,
    act,
    coded,
    dataset,
    document,
    patient,
    problem,
    rows,
    section,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import DocumentError, SourceError
from deid.schema import DatasetDescription
from deid.sources import load_dataset, open_source
from deid.sources.ccda.cells import _identifier
from deid.sources.ccda.encodings import MAX_DOCUMENT_BYTES, DocumentFaultError
from deid.sources.ccda.parsing import MAX_ATTRIBUTES, MAX_DEPTH, Element, read_document
from deid.sources.ccda.paths import compile_each, compile_path
from deid.sources.paths import PathError

SENTINEL = "Quixwerble-7731"


def _refusal(folder: Path, data: str | bytes, table: str = "patients") -> str:
    described = dataset(folder, data)
    with pytest.raises(SourceError) as caught:
        list(open_source(described).read(table, ["patient_id"]))
    assert caught.value.hint
    assert SENTINEL not in str(caught.value)
    return str(caught.value.message)


# Rows and paths.


def test_a_code_is_read_of_the_element_or_of_a_translation_that_has_the_named_system(tmp_path: Path) -> None:
    """An ICD code beside a SNOMED one, under an element without a code, or nested: each is found by its system."""
    icd, snomed = coded("E11.9", name="translation"), coded("73211009", SNOMED, name="translation")
    forms = [
        coded("E11.9", inside=snomed),
        coded("73211009", SNOMED, inside=icd),
        f'<value xsi:type="CD" nullFlavor="OTH">{icd}{snomed}</value>',
        coded("73211009", SNOMED, inside=coded("x", LOCAL, name="translation", inside=icd)),
    ]
    described = dataset(tmp_path, document(section(*(act("4", form) for form in forms))))
    assert rows(described, "diagnoses", "icd10cm", "snomed") == [("E11.9", "73211009")] * 4


def test_a_code_of_another_system_or_of_none_is_passed_over_and_counted(tmp_path: Path) -> None:
    """A local code, one without a system, and one that says its system by name only are read by nobody."""
    forms = [coded("E11.9", LOCAL), '<value code="E11.9"/>', '<value code="E11.9" codeSystemName="ICD-10-CM"/>']
    described = dataset(tmp_path, document(section(*(act("4", form) for form in forms))))
    source = open_source(described)
    found = [row for batch in source.read("diagnoses", ["icd10cm", "snomed"]) for row in batch.to_pylist()]
    assert found == [{"icd10cm": None, "snomed": None}] * 3
    assert source.unread["observation/value of a code system that is not described"] == 3


def test_a_null_flavor_is_null_and_leaves_what_stands_in_the_element(tmp_path: Path) -> None:
    """An element with a nullFlavor has no value of its own, whatever stands beside it."""
    times = '<effectiveTime><low nullFlavor="UNK" value="20240101"/><high value="20240105"/></effectiveTime>'
    value = coded("E11.9", more='nullFlavor="OTH"')
    described = dataset(tmp_path, document(section(act("4", times + value))))
    assert rows(described, "diagnoses", "onset_date", "resolved_date", "icd10cm") == [(None, "20240105", None)]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (problem(attributes='moodCode="EVN" negationInd="true"'), "said not to be so"),
        (problem(attributes='moodCode="EVN" sdtc:valueNegationInd="true"'), "said not to be so"),
        (act("4", f'<sdtc:valueNegationInd value="true"/>{coded("E11.9")}'), "said not to be so"),
        (problem(attributes='moodCode="RQO"'), "planned or wanted, and not done"),
        (problem(attributes='moodCode="GOL"'), "planned or wanted, and not done"),
        (problem(attributes=""), "planned or wanted, and not done"),
        (problem(attributes='moodCode="EVN" nullFlavor="NI"'), "with a nullFlavor"),
        (act("4", f"<subject><relatedSubject/></subject>{coded('E11.9')}"), "about somebody else"),
        (act("3", f"<entryRelationship negationInd='true'>{problem()}</entryRelationship>", name="act"), "said not to be so"),
        (act("3", f"<entryRelationship>{problem()}</entryRelationship>", name="act", attributes='nullFlavor="NA"'), "with a nullFlavor"),
        (act("45", f"<subject/><component>{problem()}</component>", name="organizer"), "about somebody else"),
    ],
)  # fmt: skip
def test_what_was_not_so_or_of_others_gives_no_row(tmp_path: Path, entry: str, reason: str) -> None:
    """A denied, planned, unknown or relative's problem is withheld and counted: it is no fact about the patient."""
    source = open_source(dataset(tmp_path, document(section(entry, problem("I10")))))
    found = [row["icd10cm"] for batch in source.read("diagnoses", ["icd10cm"]) for row in batch.to_pylist()]
    assert found == ["I10"]
    assert dict(source.withheld) == {f"diagnoses: rows {reason}": 1}


def test_a_section_about_a_newborn_gives_no_row(tmp_path: Path) -> None:
    """The subject of a section is the subject of all that stands in it."""
    about = document(section(problem(), inside="<subject><relatedSubject/></subject>"), section(problem("I10")))
    assert rows(dataset(tmp_path, about), "diagnoses", "icd10cm") == [("I10",)]
    assert len(rows(dataset(tmp_path, about), "notes", "section")) == 1


def test_a_description_may_ask_for_what_was_not_done(tmp_path: Path) -> None:
    """A refused vaccination is a row of its own table, and of no other; an order is a medication."""
    given_ = act("52", "", name="substanceAdministration")
    refused = act("52", "", name="substanceAdministration", attributes='moodCode="EVN" negationInd="true"')
    ordered = act("16", "", name="substanceAdministration", attributes='moodCode="INT"')
    wished = act("16", "", name="substanceAdministration", attributes='moodCode="PRP"')
    described = dataset(tmp_path, document(section(given_, refused, ordered, wished)))
    counts = {name: len(rows(described, name, "patient_id")) for name in
              ("immunizations", "immunizations_not_given", "medications")}  # fmt: skip
    assert counts == {"immunizations": 1, "immunizations_not_given": 1, "medications": 1}


def test_a_document_about_two_patients_or_nobody_gives_no_row(tmp_path: Path) -> None:
    """Whose an entry is cannot be told there: the document is withheld and counted."""
    two = document(section(problem()), target=patient("p1") + patient("p2"))
    source = open_source(
        dataset(tmp_path, two, document(section(problem()), target=""), document(section(problem("I10"))))
    )
    found = [row["icd10cm"] for batch in source.read("diagnoses", ["icd10cm"]) for row in batch.to_pylist()]
    assert found == ["I10"]
    assert source.withheld == {"diagnoses: documents that are not about exactly one patient": 2}


def test_the_patient_is_known_by_an_id_that_is_no_social_security_number(tmp_path: Path) -> None:
    """Whatever the order of ids; the key says who gave the number out, and an id without that is none."""
    ssn = f'<id root="{SSN_ROOT}" extension="917-66-4242"/>'
    homeless = '<id extension="77"/><id nullFlavor="NI" root="1.2.3"/>'
    described = dataset(tmp_path, document(target=patient("p1", ids=ssn + homeless)))
    assert rows(described, "patients", "patient_id", "ssn", "mrn") == [(f"{MRN_ROOT}^p1", "917-66-4242", "77 p1")]
    only = document(target=f"<recordTarget><patientRole>{homeless}</patientRole></recordTarget>")
    assert rows(dataset(tmp_path, only), "patients", "patient_id") == [(None,)]


def test_all_names_and_numbers_of_a_patient_are_read(tmp_path: Path) -> None:
    """Names in parts or in one piece, two addresses, telecoms by their scheme: each in the column of its kind."""
    inside = (
        "<addr><streetAddressLine>1 Elm St</streetAddressLine><city>Here</city></addr><addr>9 Oak Rd, There</addr>"
        '<telecom value="tel:+1(617)555-0100"/><telecom value="555-0101"/><telecom value="mailto:a@example.org"/>'
        '<telecom value="fax:555-0102"/><telecom value="https://example.org/a"/><telecom nullFlavor="UNK"/>'
    )
    person = "<name><given>Ann</given><given>B</given><family>Roe</family></name><name>Ann Smith</name>"
    described = dataset(tmp_path, document(target=patient(inside=inside, person=person)))
    names = ("name", "family_name", "given_name", "phone", "email", "fax", "url", "address_text", "city")
    assert rows(described, "patients", *names) == [
        ("Ann B Roe Ann Smith", "Roe", "Ann B", "+1(617)555-0100 555-0101", "a@example.org", "555-0102",
         "https://example.org/a", "1 Elm St Here 9 Oak Rd, There", "Here"),
    ]  # fmt: skip


def test_the_encounter_of_an_entry_is_the_one_around_it_else_the_document_s(tmp_path: Path) -> None:
    """A diagnosis in an Encounter Activity is that encounter's; every other one is the visit's that the header names."""
    header = (
        '<componentOf><encompassingEncounter><id root="1.2" extension="e0"/>'
        '<effectiveTime><low value="20240105"/></effectiveTime></encompassingEncounter></componentOf>'
    )
    inner = act("80", f"<entryRelationship>{problem('I10')}</entryRelationship>", name="act")
    visit = act(
        "49", f'<id root="1.2" extension="e1"/><entryRelationship>{inner}</entryRelationship>', name="encounter"
    )
    described = dataset(tmp_path, document(section(visit, problem()), header=header))
    assert rows(described, "diagnoses", "icd10cm", "encounter_id") == [("I10", "1.2^e1"), ("E11.9", "1.2^e0")]
    assert rows(described, "encounters", "encounter_id", "admit_date") == [("1.2^e0", "20240105"), ("1.2^e1", None)]


def test_results_are_read_by_the_type_of_their_value(tmp_path: Path) -> None:
    """Numbers with their unit, words, and coded answers; a day that is a result is not read as a number."""
    values = (
        '<value xsi:type="PQ" value="7.1" unit="%"/>',
        '<value xsi:type="ST">positive</value>',
        '<value xsi:type="TS" value="20240105"/>',
        coded("10828004", SNOMED),
        '<value xsi:type="IVL_PQ"><low value="3" unit="mg"/></value>',
    )
    described = dataset(tmp_path, document(section(*(act("2", value) for value in values))))
    assert rows(described, "results", "value", "unit", "value_snomed", "value_low") == [
        ("7.1", "%", None, None), ("positive", None, None, None), (None, None, None, None),
        (None, None, "10828004", None), (None, None, None, "3"),
    ]  # fmt: skip


def test_a_narrative_becomes_lines(tmp_path: Path) -> None:
    """Paragraphs, items and rows are lines, cells are parted, markup within a word parts nothing, comments are not read."""
    text = (
        "<text><paragraph>Seen  by\n Dr. <content>Ro</content>e</paragraph><list><item>one</item><item>two</item></list>"
        "<table><tbody><tr><td>BP</td><td>120<sup>*</sup></td></tr></tbody></table>line<br/>break<!-- never --></text>"
    )
    nested = f"<component>{section(inside='<text>inner</text>', code='1-8')}</component>"
    described = dataset(tmp_path, document(section(inside=text + nested)))
    assert rows(described, "notes", "section", "text") == [
        ("11450-4", "Seen by Dr. Roe\none\ntwo\nBP | 120*\nline\nbreak"),
        ("1-8", "inner"),
    ]


def test_files_in_documents_are_withheld(tmp_path: Path) -> None:
    """A body that is a PDF gives no notes, and neither does a text that is one; the header is read."""
    pdf = '<component><nonXMLBody><text mediaType="application/pdf" representation="B64">JVBERi0=</text></nonXMLBody></component>'
    packed = section(inside='<text representation="B64">SGVsbG8=</text>')
    source = open_source(dataset(tmp_path, document(body=pdf), document(packed)))
    notes = [row for batch in source.read("notes", ["text"]) for row in batch.to_pylist()]
    assert notes == [{"text": None}]
    assert sum(len(batch) for batch in source.read("patients", ["patient_id"])) == 2
    assert source.withheld == {"notes: bodies that are files and not XML": 1, "notes: text is a file and not text": 1}


def test_partial_dates_are_null_and_counted(tmp_path: Path) -> None:
    """A year or a month says no day; a time is left as it is written."""
    acts = [act("4", f'<effectiveTime><low value="{value}"/></effectiveTime>') for value in
            ("2024", "202401", "20240105", "202401051230-0500")]  # fmt: skip
    source = open_source(dataset(tmp_path, document(section(*acts))))
    found = [row["onset_date"] for batch in source.read("diagnoses", ["onset_date"]) for row in batch.to_pylist()]
    assert found == [None, None, "20240105", "202401051230-0500"]
    assert source.unread["diagnoses: onset_date of a year or month only"] == 2


def test_what_nobody_described_is_counted_by_public_names_only(tmp_path: Path) -> None:
    """Elements by name, entries by published template, everything else without; a second reading counts nothing twice."""
    goal = act("121", "<text>x</text>")
    local = f'<observation moodCode="EVN"><templateId root="1.2.3.{"9" * 9}"/></observation>'
    made_up = f'<x:{SENTINEL} xmlns:x="urn:clinic"/><{SENTINEL}/>'
    source = open_source(dataset(tmp_path, document(section(goal, goal, local), header=f"<dataEnterer/>{made_up}")))
    for table in ("patients", "notes", "patients"):
        list(source.read(table, ["patient_id"]))
    assert source.unread == {
        f"template {TEMPLATES}.121": 2,
        "entry/observation": 1,
        "ClinicalDocument/dataEnterer": 1,
        "ClinicalDocument/(other)": 2,
    }


@pytest.mark.parametrize("kind", ["icd10cm", "local_code", "encounter_class"])
@pytest.mark.parametrize(
    "path",
    ["value/originalText", "value[codeSystem=icd10cm]@displayName", "value[codeSystem=icd10cm]@codeSystemName",
     "id@extension", "id|identifier", "telecom@value", "value[codeSystem=icd10cm]@code or title"],
)  # fmt: skip
def test_what_people_typed_is_never_a_code(tmp_path: Path, kind: str, path: str) -> None:
    """Text, display names and extensions cannot be described as codes."""
    tables = {"diagnoses": {"columns": {"x": {"kind": kind, "path": path}}}}
    with pytest.raises(SourceError, match="never a code"):
        rows(dataset(tmp_path, document(), tables=tables), "diagnoses", "x")


@pytest.mark.parametrize(
    "path",
    [
        "", "@", "value@", "value@code", "code@code", "translation@code", "nosuch/low@value", "id@nosuch", "value@value",
        "value", "contained/x", "%nobody/id", "id|nothing", "addr|phone", "[1]", "observationMedia/value[xsi:type=ED]",
        "component/nonXMLBody/text", "value[codeSystem=nosuch]@code", "value[codeSystem=icd10cm]/low@value", "id[root]",
        "id@root|identifier", "value[nosuch=1]@code",
    ],
)  # fmt: skip
def test_paths_that_are_none_are_refused(tmp_path: Path, path: str) -> None:
    """A path without its code system, with an element or attribute that CDA has not, or into files, is no path."""
    with pytest.raises(PathError):
        compile_path(path)
    tables = {"diagnoses": {"columns": {"x": {"kind": "free_text", "path": path}}}}
    with pytest.raises(DocumentError):
        dataset(tmp_path, document(), tables=tables)


@pytest.mark.parametrize(
    "each", ["", "value", "nosuch", "[1]", "component/section", "section[codeSystem=loinc]", "id or"]
)
def test_rows_that_are_none_are_refused(each: str) -> None:
    """`each` names a template, a section, an act, or an element of the header."""
    with pytest.raises(PathError):
        compile_each(each)


def test_the_example_of_the_format_page_reads_a_document(tmp_path: Path) -> None:
    """The description that docs/formats/dataset.md shows is one that the code accepts, and reads by."""
    page = Path(__file__).resolve().parents[2] / "docs" / "formats" / "dataset.md"
    blocks = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "d.yaml").write_text(next(block for block in blocks if "format: ccda\n" in block), encoding="utf-8")
    times = '<effectiveTime><low value="20240105"/></effectiveTime>'
    (tmp_path / "d.xml").write_text(document(section(act("4", times + coded("E11.9")))))
    described = load_dataset(tmp_path / "d.yaml")
    assert rows(described, "problems", "patient_id", "icd10cm", "onset") == [(f"{MRN_ROOT}^p1", "E11.9", "20240105")]


# Files.


def _latin() -> bytes:
    return b'<?xml version="1.0" encoding="ISO-8859-1"?>' + document(target=_named()).encode("latin-1")


def _named() -> str:
    return patient(person="<name><family>Zo\u00eb</family></name>")


def _styled() -> str:
    sheet = '<?xml-stylesheet type="text/xsl" href="http://evil.example/CDA.xsl"?>'
    return f'<?xml version="1.0"?>\n{sheet}\n<!-- <!DOCTYPE no> -->\n{document(target=_named())}<!-- end -->'


def _prefixed() -> str:
    person = "<c:patient><c:name><c:family>Zo&#235;</c:family></c:name></c:patient>"
    role = f'<c:patientRole><c:id root="1.2.3.99" extension="p1"/>{person}</c:patientRole>'
    return f'<c:ClinicalDocument xmlns:c="urn:hl7-org:v3"><c:recordTarget>{role}</c:recordTarget></c:ClinicalDocument>'


WRITTEN: dict[str, Any] = {
    "utf-8": lambda: document(target=_named()).encode(),
    "utf-8 with mark": lambda: codecs.BOM_UTF8 + b'<?xml version="1.0" encoding="utf-8"?>' + document(target=_named()).encode(),
    "utf-16": lambda: ('<?xml version="1.0" encoding="UTF-16"?>\r\n' + document(target=_named())).encode("utf-16"),
    "utf-16-be": lambda: codecs.BOM_UTF16_BE + document(target=_named()).encode("utf-16-be"),
    "utf-16 without mark": lambda: document(target=_named()).encode("utf-16-le"),
    "latin-1": _latin,
    "windows-1252": lambda: _latin().replace(b"ISO-8859-1", b"windows-1252"),
    "gzip": lambda: gzip.compress(document(target=_named()).encode()),
    "stylesheet and comments": lambda: _styled().encode(),
    "prefix": lambda: _prefixed().encode(),
    "other namespace within": lambda: document(
        target=_named(), header='<author xmlns="urn:other"><recordTarget/></author>'
    ).encode(),
    "character data": lambda: document(target=patient(person="<name><family><![CDATA[Zo]]>&#xEB;</family></name>")).encode(),
    "one line of 50 MB": lambda: document(target=_named(), header=f"<!--{'x' * 50_000_000}-->").encode(),
}  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
def test_every_way_to_write_a_document_is_read(tmp_path: Path, written: str) -> None:
    """Encodings, byte order marks, prefixes, comments, stylesheets that nobody applies, and very long lines."""
    described = dataset(tmp_path, WRITTEN[written]())
    assert rows(described, "patients", "patient_id", "family_name") == [(f"{MRN_ROOT}^p1", "Zo\u00eb")]


BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
BAD: dict[str, tuple[Any, str]] = {
    "billion laughs": (lambda: f'<!DOCTYPE x [<!ENTITY a0 "{SENTINEL}">{BOMB}]>{document(header="<title>&a11;</title>")}', "document type"),
    "quadratic": (lambda: f'<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "{"x" * 100_000}">]>{document(header="&a;" * 100_000)}', "line 2: a document type"),
    "external entity": (lambda: f'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>{document(header="<title>&a;</title>")}', "document type"),
    "entity of the web": (lambda: f'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/{SENTINEL}.dtd">{document()}', "document type"),
    "parameter entity": (lambda: f'<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:9/">%a;]>{document()}', "document type"),
    "document type after comments": (lambda: f"<!-- {SENTINEL} -->\n<?x y?>\n\n<!DOCTYPE html>{document()}", "line 4: a document type"),
    "document type in utf-16": (lambda: f"<!DOCTYPE x []>{document()}".encode("utf-16"), "document type"),
    "document type in utf-7": (lambda: b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x+AD4-', "encoding"),
    "document type within": (lambda: document(header='<!DOCTYPE x [<!ENTITY a "b">]>'), "not well-formed"),
    "unknown entity": (lambda: document(header=f"<title>&{SENTINEL};</title>"), "entity"),
    "declared in nothing known": (lambda: b'<?xml version="1.0" encoding="EBCDIC-CP-US"?><x/>', "encoding"),
    "declared as utf-16": (lambda: f'<?xml version="1.0" encoding="utf-16"?>{document()}', "declared in one encoding"),
    "utf-16 declared as utf-8": (lambda: f'<?xml version="1.0" encoding="utf-8"?>{document()}'.encode("utf-16"), "declared in one encoding"),
    "mark of utf-8 declared as latin": (lambda: codecs.BOM_UTF8 + _latin(), "declared in one encoding"),
    "utf-8 declared as latin": (lambda: f'<?xml version="1.0" encoding="iso-8859-1"?>{document(target=_named())}', "written in UTF-8"),
    "latin that says nothing": (lambda: document(target=_named()).encode("latin-1"), "not well-formed"),
    "not ascii": (lambda: f'<?xml version="1.0" encoding="us-ascii"?>{document(target=_named())}', "not in the encoding"),
    "half a pair of utf-16": (lambda: document(header="<title>@</title>").encode("utf-16").replace("@".encode("utf-16-le"), b"\x00\xd8"), "not in the encoding"),
    "utf-32": (lambda: document().encode("utf-32"), "UTF-32"),
    "a zip": (lambda: b"PK\x03\x04" + b"\0" * 50, "not XML"),
    "json": (lambda: f'{{"x": "{SENTINEL}"}}', "not XML"),
    "blank": (lambda: " \n\n", "blank"),
    "only a comment": (lambda: f"<!-- {SENTINEL}", "no element"),
    "cut": (lambda: document()[:-30], "cut"),
    "cut in a tag": (lambda: document()[:-3], "cut"),
    "two documents": (lambda: document() * 2, "something follows"),
    "crossed": (lambda: document(header="<author><time></author></time>"), "line 1: an element ends that did not begin"),
    "html": (lambda: "<html><body/></html>", "its root is not ClinicalDocument"),
    "a section": (lambda: f'<section xmlns="urn:hl7-org:v3">{SENTINEL}</section>', "its root is section"),
    "another root": (lambda: f'<{SENTINEL} xmlns="urn:hl7-org:v3"/>', "its root is not ClinicalDocument"),
    "no namespace": (lambda: document().replace('xmlns="urn:hl7-org:v3"', ""), "not of the namespace"),
    "fragment": (lambda: f'<ClinicalDocument xmlns="urn:hl7-org:v3">\n<value xsi:type="{SENTINEL}"/></ClinicalDocument>', "line 2: a namespace prefix"),
    "fragment of elements": (lambda: f'<ClinicalDocument xmlns="urn:hl7-org:v3"><sdtc:{SENTINEL}/></ClinicalDocument>', "a namespace prefix"),
    "deep": (lambda: document(header="<author>" * 20_000), f"deeper than {MAX_DEPTH}"),
    "many attributes": (lambda: document(header=f"<author {' '.join(f'a{n}=' + quoteattr(SENTINEL) for n in range(200_000))}/>"), f"more than {MAX_ATTRIBUTES} attributes"),
    "many prefixes": (lambda: document(header=f"<author {' '.join(f'xmlns:a{n}=' + quoteattr('u') for n in range(90))}/>"), "namespace prefixes"),
    "twice an attribute": (lambda: document(header='<id root="1" root="2"/>'), "stands twice"),
    "nul": (lambda: document(header=f"<title>{SENTINEL}\0</title>"), "not well-formed"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_every_bad_document_is_one_refusal_that_fetches_nothing(
    tmp_path: Path, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entities, wrong encodings, fragments, cut and monstrous files: refused at once, in our words, without a fetch."""

    def fetched(*_: Any, **__: Any) -> Any:
        raise AssertionError("something was fetched")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, fetched)
    make, told = BAD[bad]
    began = time.monotonic()
    assert told in _refusal(tmp_path, make())
    assert time.monotonic() - began < 5


def test_a_document_type_is_refused_before_any_row_and_any_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the source sees it, and Expat is never given a byte of such a file."""
    from deid.sources.ccda import parsing

    described = dataset(tmp_path, BAD["external entity"][0]())
    monkeypatch.setattr(parsing._Builder, "feed", lambda *_: pytest.fail("the parser was fed"))
    with pytest.raises(SourceError, match="document type"):
        open_source(described).check({"patients": ["patient_id"]})
    with pytest.raises(SourceError, match="document type"):
        list(open_source(described).read("patients", ["patient_id"]))


def test_were_a_document_type_not_seen_the_parser_itself_would_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second lock holds where the first is taken away: entities are refused as they are declared."""
    from deid.sources.ccda import encodings, parsing

    monkeypatch.setattr(encodings, "_prolog_ends", lambda _: True)
    for name in ("billion laughs", "external entity", "entity of the web", "parameter entity"):
        with pytest.raises(encodings.DocumentFaultError, match="declaration"):
            parsing.read_document([BAD[name][0]().encode()])


def test_documents_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 64 MiB, and more elements than a document has, are refused; a bomb of gzip is the same."""
    from deid.sources.ccda import parsing

    huge = document(header=f"<!--{'x' * MAX_DOCUMENT_BYTES}-->").encode()
    assert "larger than 64 MiB" in _refusal(tmp_path, gzip.compress(huge, 1))
    monkeypatch.setattr(parsing, "MAX_ELEMENTS", 1_000)
    assert "more than 1,000 elements" in _refusal(tmp_path, document(header="<id/>" * 1_001))
    assert len(rows(dataset(tmp_path, document(header="<id/>" * 900)), "patients", "patient_id")) == 1


# Laws.

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), min_size=1, max_size=20)
_DIAGNOSIS = st.fixed_dictionaries(
    {
        "icd10cm": st.from_regex(r"[A-Z][0-9]{2}\.[0-9]", fullmatch=True),
        "onset_date": st.none() | st.dates().map(lambda day: f"{day:%Y}{day:%m}{day:%d}".rjust(8, "0")),
        "original_text": st.none() | _TEXT.map(lambda text: " ".join(text.split()) or None),
        "diagnosis_id": st.none() | st.from_regex(r"[A-Za-z0-9-]{1,12}", fullmatch=True),
    }
)


def _written(diagnosis: dict[str, str | None], depth: int, encounter: str | None) -> str:
    parts = ""
    if diagnosis["diagnosis_id"]:
        parts += f'<id root="1.9" extension={quoteattr(diagnosis["diagnosis_id"])}/>'
    if diagnosis["onset_date"]:
        parts += f'<effectiveTime><low value="{diagnosis["onset_date"]}"/></effectiveTime>'
    text = escape(diagnosis["original_text"] or "")
    parts += coded(str(diagnosis["icd10cm"]), inside=f"<originalText>{text}<reference value='#x'/></originalText>")
    found = act("4", parts)
    for _ in range(depth):
        found = act("3", f"<entryRelationship>{found}</entryRelationship>", name="act")
    if encounter:
        held = f"<entryRelationship>{found}</entryRelationship>"
        found = act("49", f'<id root="1.2" extension="{encounter}"/>{held}', name="encounter")
    return found


@pytest.fixture(scope="module")
def drawn_here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetDescription]:
    """One description for all drawn documents, and the file that it reads."""
    folder = tmp_path_factory.mktemp("drawn")
    return folder / "d0.xml", dataset(folder, document())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(_DIAGNOSIS, st.integers(0, 3), st.none() | st.sampled_from(["e1", "e2"])), max_size=8),
    st.sampled_from(["utf-8", "utf-16"]),
)
def test_random_diagnoses_are_read_back_as_they_were_written(
    drawn_here: tuple[Path, DatasetDescription],
    drawn: list[tuple[dict[str, str | None], int, str | None]],
    encoding: str,
) -> None:
    """Any diagnoses, at any depth, within encounters or not, in any encoding, are the rows, in their order."""
    text = document(section(*(_written(*one) for one in drawn[::2])), section(*(_written(*one) for one in drawn[1::2])))
    file, described = drawn_here
    file.write_bytes(text.encode(encoding))
    columns = ("icd10cm", "onset_date", "original_text", "diagnosis_id", "encounter_id")
    expected = [
        (d["icd10cm"], d["onset_date"], d["original_text"], d["diagnosis_id"] and f"1.9^{d['diagnosis_id']}",
         encounter and f"1.2^{encounter}")
        for d, _, encounter in [*drawn[::2], *drawn[1::2]]
    ]  # fmt: skip
    assert rows(described, "diagnoses", *columns) == expected


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300), st.integers(0, 400), st.integers(0, 20), st.sampled_from(["utf-8", "utf-16", "latin-1"])
)
def test_no_bytes_at_all_break_the_reader(noise: bytes, at: int, cut: int, encoding: str) -> None:
    """A document with noise in it is read or refused; nothing else comes of it."""
    sound = document(section(problem())).encode(encoding)
    try:
        read_document([sound[:at], noise, sound[at + cut :]])
    except DocumentFaultError:
        return


@pytest.mark.parametrize("token", ["<!--{}-->", '<id root="{}"/>', "<title>{}</title>", "<{}/>", "<?x {}?>"])
def test_time_is_linear_in_the_length_of_one_token(token: str) -> None:
    """Eight times the length takes nothing like the sixty-four times that a parser may take that begins anew."""

    def seconds(length: int) -> float:
        data = document(header=token.format("x" * length)).encode()
        began = time.process_time()
        read_document(data[at : at + 65_536] for at in range(0, len(data), 65_536))
        return time.process_time() - began

    # The quickest of three: what else runs on the machine, and what its caches hold, only ever adds.
    long, short = (min(seconds(length) for _ in range(3)) for length in (16 << 20, 2 << 20))
    assert long < 32 * max(short, 0.01)


@pytest.mark.parametrize(
    ("root", "extension", "expected"),
    [
        ("1.2.3.99", "1001", "1.2.3.99^1001"),
        ("9937012E-8A5B-4C3D-9E11-2F0A6B7C8D9E", "", "9937012e-8a5b-4c3d-9e11-2f0a6b7c8d9e"),
        ("1.2.3.99", "", None),
        ("", "1001", None),
    ],
)
def test_an_id_is_one_persons_own(root: str, extension: str, expected: str | None) -> None:
    """Who gives numbers out is no number: an OID without an extension would make one patient of everybody."""
    element = Element("id", {"root": root, "extension": extension})
    assert _identifier(element) == expected
