"""Each bad input gives one SourceError or DocumentError with a hint, and no message holds a cell."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deid.describing.describe import draft
from deid.describing.guesses import guess_column
from deid.errors import DeidError, DocumentError, SourceError
from deid.sources import load_dataset, open_source
from deid.sources.paths import PathError, compile_path, referenced
from deid.sources.spelling import expand

SENTINEL = "Zzyzx-Sentinel-7731"
GOOD = f"id,name,code,note\np1,{SENTINEL},E11.9,fine\np2,{SENTINEL},I10,fine\n"
COLUMNS = "{id: patient_id, name: person_name, code: icd10cm, note: free_text}"


def _load(folder: Path, *, table: str = "", columns: str = COLUMNS, head: str = "format: csv") -> object:
    (folder / "d.yaml").write_text(
        f"dataset: d\n{head}\ntables:\n  patients:\n    path: t.csv\n    patient: id\n{table}    columns: {columns}\n"
    )
    return load_dataset(folder / "d.yaml")


def _read(folder: Path, data: bytes, *, table: str = "", columns: str = COLUMNS) -> list[dict[str, str | None]]:
    (folder / "t.csv").write_bytes(data)
    dataset = _load(folder, table=table, columns=columns)
    source = open_source(dataset)  # type: ignore[arg-type]
    needed = ["id", "name", "code", "note"]
    source.check({"patients": needed})
    return [row for batch in source.read("patients", needed) for row in batch.to_pylist()]


def _refused(error: pytest.ExceptionInfo[DeidError], *words: str) -> None:
    said = f"{error.value!s} {error.value!r} {error.value.__cause__!r}"
    assert SENTINEL not in said
    assert error.value.hint
    assert error.value.__cause__ is None
    for word in words:
        assert word in said


BAD = {
    "ragged": (GOOD.encode() + f"p3,{SENTINEL}\np4,{SENTINEL},x,y,z\n".encode(), ("2 rows", "4 columns")),
    "not utf-8": (GOOD.encode() + f"p3,{SENTINEL}\xff,c,n\n".encode("latin-1"), ("utf-8", "t.csv, line 4")),
    "not utf-8 in the header": (b"id,na\xffme\n", ("utf-8",)),
    "cut gzip": (gzip.compress(GOOD.encode() * 99)[:-5], ("cut or damaged",)),
    "damaged gzip": (gzip.compress(GOOD.encode() * 99)[:40] + b"\0" * 40, ("cut or damaged",)),
    "cut zstd": (pa.compress(GOOD.encode() * 99, "zstd", asbytes=True)[:-5], ("cut or damaged",)),
    "empty": (b"", ("empty",)),
    "byte order mark alone": (b"\xef\xbb\xbf", ("empty",)),
    "doubly named": (b"id,name,code,note,name\n", ("more than once: name",)),
    "missing": (b"id,name,note\n", ("code is missing",)),
    "extra": (b"id,name,code,note,ssn\n", ("not described: ssn",)),
    "renamed": (b"id,name,code,notes\n", ("note is missing", "renamed to notes?")),
    "no header": (f"p1,{SENTINEL},E11.9,fine\n".encode(), ("not the described header",)),
    "another delimiter": (GOOD.replace(",", "|").encode(), ("one single column",)),
    "nul bytes": (GOOD.replace("I10", "I\x0010").encode(), ("NUL",)),
    "open quote": (GOOD.encode() + f'p3,"{SENTINEL},E11.9,x\np4,a,b,c\n'.encode(), ("not closed",)),
    "quotes over lines": (GOOD.encode() + f'p3,"{SENTINEL}\np4",b,c\n'.encode(), ("line break", "name")),
    "a row without end": (b"id,name,code,note\n" + SENTINEL.encode() * 900_000, ()),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_bad_delimited_text_is_one_error_without_a_cell(tmp_path: Path, case: str) -> None:
    """Damage to delimited text is named, counted where it can be, and never quoted."""
    data, words = BAD[case]
    with pytest.raises(SourceError) as error:
        _read(tmp_path, data)
    _refused(error, *words)


GOOD_FORMS = {
    "plain": (GOOD.encode(), ""),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), ""),
    "windows lines": (GOOD.replace("\n", "\r\n").encode(), ""),
    "no last line end": (GOOD.rstrip("\n").encode(), ""),
    "gzip": (gzip.compress(GOOD.encode()), ""),
    "two gzip members": (gzip.compress(GOOD[:20].encode()) + gzip.compress(GOOD[20:].encode()), ""),
    "zstd": (pa.compress(GOOD.encode(), "zstd", asbytes=True), ""),
    "tabs": (GOOD.replace(",", "\t").encode(), '    delimiter: "\\t"\n'),
    "pipes": (GOOD.replace(",", "|").encode(), '    delimiter: "|"\n'),
    "quoted": (GOOD.replace(SENTINEL, f'"{SENTINEL}"').encode(), ""),
    "latin-1": (GOOD.encode("latin-1"), "    encoding: latin-1\n"),
    "utf-16": (GOOD.encode("utf-16"), "    encoding: utf-16\n"),
}


@pytest.mark.parametrize("form", sorted(GOOD_FORMS))
def test_every_form_of_delimited_text_reads_alike(tmp_path: Path, form: str) -> None:
    """Delimiters, quoting, marks, line ends, encodings and compression do not change what is read."""
    data, table = GOOD_FORMS[form]
    rows = _read(tmp_path, data, table=table)
    assert [row["id"] for row in rows] == ["p1", "p2"]
    assert {row["name"] for row in rows} == {SENTINEL}


def test_a_header_alone_is_no_rows(tmp_path: Path) -> None:
    """A file with a header and nothing else has zero rows, with or without its line end."""
    assert _read(tmp_path, b"id,name,code,note\n") == []
    assert _read(tmp_path, b"id,name,code,note") == []


def test_line_breaks_in_free_text_are_read(tmp_path: Path) -> None:
    """A note may hold line breaks and doubled quotes."""
    rows = _read(tmp_path, b'id,name,code,note\np1,a,b,"one\ntwo ""three"""\n')
    assert rows[0]["note"] == 'one\ntwo "three"'


def test_plain_quotes_are_read_where_the_description_says_so(tmp_path: Path) -> None:
    """With `quote: none` an odd number of quotes is nothing special."""
    rows = _read(tmp_path, b'id,name,code,note\np1,5" tall,b,c\n', table="    quote: none\n")
    assert rows[0]["name"] == '5" tall'


@pytest.mark.parametrize("path", ["/etc/passwd", "../t.csv", "a/../../t.csv", "C:/t.csv", "*/t.csv", "a\\\\t.csv"])
def test_paths_that_climb_out_are_refused(tmp_path: Path, path: str) -> None:
    """A path that is absolute, climbs, or hides its folder is refused before anything is opened."""
    text = (
        f'dataset: d\nformat: csv\ntables: {{patients: {{path: "{path}", patient: id, columns: {{id: patient_id}}}}}}\n'
    )
    (tmp_path / "d.yaml").write_text(text)
    with pytest.raises(DocumentError) as error:
        load_dataset(tmp_path / "d.yaml")
    _refused(error)


@pytest.mark.parametrize(
    ("table", "columns", "words"),
    [
        ("", "{id: patient_id, x: no_such_kind}", "no kind"),
        ("", "{id: patient_id, 'x{1..3}': cpt, x2: cpt}", "described twice"),
        ("", "{id: patient_id, 'x{1..9999}{1..9999}': cpt}", "pattern"),
        ("", "{id: mrn}", "patient column"),
        ("    link: {to: patients, on: id}\n", "{id: patient_id}", "exactly one"),
        ("    secret: 1\n", "{id: patient_id}", "secret"),
        ("    resource: Patient\n", "{id: patient_id}", "FHIR"),
        ("    delimiter: ab\n", "{id: patient_id}", "delimiter"),
        ("    encoding: base64\n", "{id: patient_id}", "encoding"),
        ("", "{id: patient_id, x: {kind: sex, date_format: '%Y'}}", "date_format"),
        ("", "{id: patient_id, x: {kind: sex, path: gender}}", "path"),
    ],
)
def test_impossible_descriptions_are_refused_with_their_place(
    tmp_path: Path, table: str, columns: str, words: str
) -> None:
    """A description that says something impossible is refused, naming file and line."""
    with pytest.raises(DocumentError) as error:
        _load(tmp_path, table=table, columns=columns)
    _refused(error, words, "d.yaml:")


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    """A cut Parquet file, or nested values, give a SourceError."""
    pq.write_table(pa.table({"id": [SENTINEL], "name": [[SENTINEL]]}), tmp_path / "t.csv")
    dataset = _load(tmp_path, columns="{id: patient_id, name: person_name}", head="format: parquet")
    with pytest.raises(SourceError) as error:
        open_source(dataset).check({"patients": ["id", "name"]})  # type: ignore[arg-type]
    _refused(error, "nested")
    (tmp_path / "t.csv").write_bytes((tmp_path / "t.csv").read_bytes()[:-20])
    with pytest.raises(SourceError) as error:
        list(open_source(dataset).read("patients", ["id"]))  # type: ignore[arg-type]
    _refused(error, "Parquet")


def _fhir(folder: Path, *lines: str | dict[str, object], columns: str, each: str = "") -> object:
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "Claim.ndjson").write_text("\n".join(text) + "\n")
    (folder / "d.yaml").write_text(
        "dataset: d\nformat: fhir_bulk\npopulation: claims\ntables:\n  claims:\n    resource: Claim\n    patient: p\n"
        f"{each}    columns:\n      p: {{kind: patient_id, path: '{'%resource.' if each else ''}patient.reference|reference:Patient'}}\n"
        + columns
    )
    return load_dataset(folder / "d.yaml")


CLAIM = {"resourceType": "Claim", "id": "c1", "patient": {"reference": f"Patient/{SENTINEL}"}}
TYPE = "      type: {kind: indicator, path: 'type.coding[system=http://known].code'}\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"resourceType":"Claim","patient":{"reference":"' + SENTINEL, "line 2"),
        (json.dumps(CLAIM | {"resourceType": "Patient"}), "not a Claim"),
        (json.dumps([SENTINEL]), "line 2"),
        (json.dumps(CLAIM | {"patient": {"reference": {"x": SENTINEL}}}), "object"),
    ],
)
def test_bad_ndjson_names_the_line_and_nothing_of_it(tmp_path: Path, line: str, words: str) -> None:
    """A broken line, another resource type or an object where a value was promised: line number, no content."""
    dataset = _fhir(tmp_path, CLAIM, line, columns=TYPE)
    with pytest.raises(SourceError) as error:
        list(open_source(dataset).read("claims", ["p", "type"]))  # type: ignore[arg-type]
    _refused(error, words)


def test_modifier_extensions_that_nobody_names_withhold_the_record(tmp_path: Path) -> None:
    """At the top, nested, or spelled with escapes: an unknown modifier extension withholds its resource, counted."""
    modifier = {"modifierExtension": [{"url": "http://not", "valueBoolean": True}]}
    escaped = json.dumps(CLAIM | {"item": [modifier]}).replace("modifierE", "modifier\\u0045")
    contained = CLAIM | {"contained": [modifier]}
    text = CLAIM | {"note": "modifierExtension"}
    dataset = _fhir(tmp_path, CLAIM | modifier, CLAIM | {"item": [modifier]}, escaped, contained, text, columns=TYPE)
    source = open_source(dataset)  # type: ignore[arg-type]
    rows = sum(len(batch) for batch in source.read("claims", ["p"]))
    assert rows == 2
    assert dict(source.withheld) == {"claims: modifierExtension": 3}
    assert source.unread["Claim.contained"] == 1


def test_a_described_modifier_extension_is_read(tmp_path: Path) -> None:
    """A modifier extension whose URL a path names is understood, and no other is."""
    known = CLAIM | {"modifierExtension": [{"url": "http://not", "valueBoolean": True}]}
    other = CLAIM | {"modifierExtension": [{"url": "http://else", "valueBoolean": True}]}
    column = "      negated: {kind: indicator, path: 'modifierExtension[url=http://not].valueBoolean'}\n"
    source = open_source(_fhir(tmp_path, known, other, columns=column))  # type: ignore[arg-type]
    rows = [row for batch in source.read("claims", ["negated"]) for row in batch.to_pylist()]
    assert rows == [{"negated": "true"}]


def test_codes_of_systems_that_are_not_named_never_pass(tmp_path: Path) -> None:
    """A local code stands first in the list and is passed over."""
    local = {"coding": [{"system": "urn:oid:1.2.3", "code": SENTINEL}, {"system": "http://known", "code": "x"}]}
    only = {"coding": [{"system": "urn:oid:1.2.3", "code": SENTINEL}, {"code": SENTINEL}]}
    dataset = _fhir(tmp_path, CLAIM | {"type": local}, CLAIM | {"type": only}, columns=TYPE)
    batches = open_source(dataset).read("claims", ["type"])  # type: ignore[arg-type]
    assert [row["type"] for batch in batches for row in batch.to_pylist()] == ["x", None]


def test_each_gives_one_row_for_each_element(tmp_path: Path) -> None:
    """Elements give rows that still reach the resource; a resource without elements gives none."""
    dataset = _fhir(
        tmp_path,
        CLAIM | {"item": [{"sequence": 1}, {"sequence": 2}]},
        CLAIM,
        columns="      n: {kind: sequence_number, path: sequence}\n",
        each="    each: item\n",
    )
    batches = open_source(dataset).read("claims", ["p", "n"])  # type: ignore[arg-type]
    assert [row for batch in batches for row in batch.to_pylist()] == [{"p": SENTINEL, "n": n} for n in ("1", "2")]


def test_attachments_that_are_no_text_are_withheld_and_counted(tmp_path: Path) -> None:
    """Base64 of UTF-8 is decoded; other bytes become null and are counted; what is not base64 is an error."""
    column = "      note: {kind: clinical_note, path: 'data|base64'}\n"
    dataset = _fhir(tmp_path, CLAIM | {"data": "aGk="}, CLAIM | {"data": "/9j/4AAQ"}, columns=column)
    source = open_source(dataset)  # type: ignore[arg-type]
    assert [r["note"] for b in source.read("claims", ["note"]) for r in b.to_pylist()] == ["hi", None]
    assert dict(source.withheld) == {"claims: note is not text": 1}
    dataset = _fhir(tmp_path, CLAIM | {"data": SENTINEL}, columns=column)
    with pytest.raises(SourceError) as error:
        list(open_source(dataset).read("claims", ["note"]))  # type: ignore[arg-type]
    _refused(error, "line 1")


@pytest.mark.parametrize(
    ("reference", "wanted", "expected"),
    [
        ("Patient/12", "Patient", "12"),
        ("https://h/fhir/Patient/12/_history/3", "Patient", "12"),
        ("urn:uuid:ab-c", "Patient", "ab-c"),
        ("Practitioner?identifier=http://x|99", "", "99"),
        ("Group/12", "Patient", None),
        ("#inner", "", None),
    ],
)
def test_references_become_bare_ids_of_the_right_type(reference: str, wanted: str, expected: str | None) -> None:
    """A reference gives its id; another type or a contained resource gives nothing."""
    assert referenced(reference, wanted) == expected


@pytest.mark.parametrize(
    "path",
    ["", "a..b", "code.coding.code", "class.code", "a[", "a[x]", "a|upper", "contained.id", "a|join|join", "%x.a"],
)
def test_paths_outside_the_grammar_are_refused(path: str) -> None:
    """A path that does not follow the grammar, or reads a coding of any system, is refused."""
    with pytest.raises(PathError):
        compile_path(path)


def test_patterns_stand_for_finite_lists() -> None:
    """Braces expand to names in order."""
    assert expand("A{1..3}") == ["A1", "A2", "A3"]
    assert expand("{X,Y}_{1..2}") == ["X_1", "X_2", "Y_1", "Y_2"]
    assert expand("plain") == ["plain"]


def test_a_draft_is_not_confirmed_by_its_first_line_alone(tmp_path: Path) -> None:
    """A draft loads unconfirmed; saying `confirmed: true` is refused until every guess is decided."""
    rows = "".join(f"p{n},{SENTINEL},{n}Q,E11.9,2020-01-0{n}\n" for n in range(1, 9))
    (tmp_path / "patients.csv").write_text("patient_id,last_name,blob,dx1,dob\n" + rows)
    text = draft([tmp_path / "patients.csv"], name="mine")
    assert SENTINEL not in text
    assert "last_name: person_name  #" in text
    assert "blob: unneeded?  # unsure" in text
    file = tmp_path / "d.yaml"
    file.write_text(text)
    assert load_dataset(file).confirmed is False
    file.write_text(text.replace("confirmed: false", "confirmed: true"))
    with pytest.raises(DocumentError, match="guesses"):
        load_dataset(file)
    file.write_text(text.replace("confirmed: false\n", ""))
    with pytest.raises(DocumentError, match="guesses"):
        load_dataset(file)
    file.write_text(text.replace("confirmed: false", "confirmed: true").replace("?  #", "  #"))
    assert load_dataset(file).confirmed is True


def test_a_draft_never_takes_a_row_for_a_header(tmp_path: Path) -> None:
    """A file without a header is refused: its first row would stand in the draft."""
    (tmp_path / "patients.csv").write_text(f"{SENTINEL},F,1950-01-31\nOther,F,1951-01-31\n")
    with pytest.raises(SourceError) as error:
        draft([tmp_path / "patients.csv"], name="mine")
    _refused(error, "header")


@pytest.mark.parametrize(
    ("column", "sample", "kind", "is_sure"),
    [
        ("SSN", ["123-45-6789"] * 5, "ssn", True),
        ("XREF", ["123-45-6789"] * 5, "ssn", False),
        ("contact", ["a@b.org"] * 5, "email", False),
        ("npi", ["1234567893"] * 5, "npi", True),
        ("dob", ["17-Jan-1942"] * 5, "birth_date", True),
        ("sex", ["123-45-6789"] * 5, "ssn", False),
        ("whatever", ["x"] * 5, "unneeded", False),
    ],
)
def test_guesses_weigh_names_and_shapes(column: str, sample: list[str], kind: str, is_sure: bool) -> None:
    """Name and shape together make a guess sure; a direct identifier in the cells outweighs an innocent name."""
    guess = guess_column(column, sample)
    assert (guess.kind, guess.is_sure) == (kind, is_sure)
    assert sample[0] not in guess.reason
