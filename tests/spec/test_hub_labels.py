"""Models of others: what their labels mean, and which folders are refused before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deid.errors import NotesError
from deid.kinds import KINDS
from deid.notes import hub_folder
from deid.notes.detector import Detector
from deid.notes.hub import spans_of
from deid.notes.hub_folder import Sort, checked
from deid.notes.hub_labels import Meaning, kind_in, kinds_of, meanings

STANFORD = ["O", "VENDOR", "DATE", "HCW", "HOSPITAL", "ID", "PATIENT", "PHONE"]
OBI = ["B-STAFF", "I-STAFF", "L-STAFF", "U-STAFF", "B-HOSP", "U-PATORG", "U-LOC", "U-OTHERPHI", "B-EMAIL", "U-AGE", "O"]
GENERAL = ["O", "B-first_name", "I-first_name", "B-medical_record_number", "B-date_of_birth", "B-ipv4", "B-state"]


def kinds(labels: list[str], own: dict[str, str] | None = None) -> list[str | None]:
    """Return the kind of each label."""
    return [meaning and meaning.kind for meaning in meanings(labels, own)]


def test_labels_of_well_known_models_have_their_kinds() -> None:
    """Labels with and without prefixes, in any case, mean the kinds that their makers say."""
    assert kinds(STANFORD) == [
        None, "unique_id", "service_date", "provider_name", "facility_name", "unique_id", "person_name", "phone",
    ]  # fmt: skip
    assert kinds(OBI) == [
        *["provider_name"] * 4, "facility_name", "unique_id", "LOCATION", "unique_id", "email", "age", None,
    ]  # fmt: skip
    assert kinds(GENERAL) == [None, "person_name", "person_name", "mrn", "birth_date", "ip_address", None]


def test_every_label_means_kinds_that_exist() -> None:
    """Whatever the table says, a span can only be of a kind of the vocabulary."""
    for meaning in meanings([*STANFORD, *OBI[:-1], "LOC", "CONTACT", "GPE"]):
        assert meaning is None or kinds_of(meaning) <= set(KINDS)


def test_a_label_nobody_knows_is_an_identifier() -> None:
    """An unknown label is unique_id, whatever it looks like."""
    assert kinds(["O", "B-FLURB", "I-FLURB"]) == [None, "unique_id", "unique_id"]
    assert kinds(["O", "E-MAIL", "FLURB"]) == [None, "email", "unique_id"]


def test_labels_given_go_before_the_table() -> None:
    """The caller's meaning holds, for a label with or without its prefix."""
    own = {"flurb": "device_id", "STATE": "city", "B-DATE": "birth_date"}
    assert kinds(["O", "B-FLURB", "B-STATE", "B-DATE", "I-DATE"], own) == [
        None, "device_id", "city", "birth_date", "service_date",
    ]  # fmt: skip
    assert kinds(["LABEL_0", "LABEL_1"], {"LABEL_0": "O", "LABEL_1": "mrn"}) == [None, "mrn"]


@pytest.mark.parametrize(
    ("labels", "own", "message"),
    [
        (["LABEL_0", "LABEL_1"], None, "does not say what its labels mean"),
        (["PATIENT", "DATE"], None, "no identifier"),
        (["O", "PATIENT"], {"PATIENT": "person"}, "kinds that do not exist"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(labels: list[str], own: dict[str, str] | None, message: str) -> None:
    """Labels without a name, without an outside, or mapped to no kind are an error and not a guess."""
    with pytest.raises(NotesError, match=message):
        meanings(labels, own)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("age", "45", None),
        ("age", "45-year-old", None),
        ("age", "late 80s", None),
        ("age", "90", "age"),
        ("age", "94-year-old", "age"),
        ("age", "ninety-four", "age"),
        ("age", "45 Elm", "age"),
        ("age", "145", "age"),
        ("service_date", "2024", None),
        ("service_date", "May 2024", "service_date"),
        ("birth_date", "1931", "birth_date"),
        ("LOCATION", "02139", "zip_code"),
        ("LOCATION", "12 Elm St", "street_address"),
        ("LOCATION", "Salem", "city"),
        ("CONTACT", "a@b.org", "email"),
    ],
)
def test_what_the_law_lets_stay_stays(kind: str, text: str, expected: str | None) -> None:
    """Ages under 90 and bare years are no identifiers; wide labels are told apart by the text."""
    assert kind_in(Meaning("X", kind, begins=True), text) == expected


def test_spans_are_whole_words() -> None:
    """A find of part of a word takes all of it, and no white space; many in one long word take linear time."""
    name = Meaning("PATIENT", "person_name", begins=False)
    text = "seen: Ünlü-Quintanilla ; well"
    [span] = spans_of(text, [(5, 8, name)])
    assert (span.start, span.end, span.rule) == (6, 10, "hub:PATIENT")
    [span] = spans_of(text, [(14, 16, name), (17, 19, name)])
    assert text[span.start : span.end] == "Quintanilla"
    long = "a" * 400_000
    [span] = spans_of(long, [(at, at + 1, name) for at in range(0, len(long), 2)])
    assert (span.start, span.end) == (0, len(long))


def folder(path: Path, **files: str | bytes) -> Path:
    """Write a folder that would do, with these files in it or instead; `__` in a name is a point."""
    made: dict[str, str | bytes] = {
        "config.json": "{}", "tokenizer.json": "{}", "model.safetensors": "x", "tokenizer_config.json": "{}",
    }  # fmt: skip
    made.update({name.replace("__", "."): content for name, content in files.items()})
    path.mkdir()
    for name, content in made.items():
        if content != "":
            (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


NO_WEIGHTS = {"model__safetensors": ""}
CODE = json.dumps({"encoder": [{"auto_map": {"AutoModel": "evil.Model"}}]})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (NO_WEIGHTS, "no weights"),
        (NO_WEIGHTS | {"pytorch_model__bin": "x"}, "pickled"),
        (NO_WEIGHTS | {"model__pt": "x"}, "pickled"),
        (NO_WEIGHTS | {"model__safetensors__index__json": '{"weight_map": {"a": "b.safetensors"}}'}, "are missing"),
        (NO_WEIGHTS | {"model__safetensors__index__json": '{"weight_map": {"a": "../b.safetensors"}}'}, "are missing"),
        (NO_WEIGHTS | {"a__bin": "x", "model__safetensors__index__json": '{"weight_map": {"a": "a.bin"}}'}, "missing"),
        ({"config__json": ""}, "cannot read config.json"),
        ({"config__json": "{"}, "config.json .* damaged"),
        ({"config__json": "[]"}, "config.json .* damaged"),
        ({"config__json": b"\xff\xfe{"}, "config.json .* damaged"),
        ({"config__json": "[" * 100_000}, "config.json .* damaged"),
        ({"config__json": CODE}, "code of its own"),
        ({"tokenizer_config__json": CODE}, "code of its own"),
        ({"adapter_config__json": "{}"}, "adapter"),
        ({"tokenizer__json": ""}, "no tokenizer"),
        ({"gliner_config__json": '{"model_name": "a/b"}'}, "files of another model"),
        ({"gliner_config__json": CODE}, "code of its own"),
    ],
)
def test_a_folder_that_is_not_whole_or_not_safe_is_refused(
    tmp_path: Path, files: dict[str, str | bytes], message: str
) -> None:
    """Pickles, code, adapters and missing or damaged parts are named before a library sees them."""
    with pytest.raises(NotesError, match=message):
        checked(folder(tmp_path / "model", **files))


def test_a_name_of_the_hub_is_no_folder() -> None:
    """A model is never fetched: its name alone is an error with the remedy."""
    with pytest.raises(NotesError, match="there is no folder") as refused:
        Detector(hub=Path("some/model"))
    assert "never from a hub" in refused.value.hint


@pytest.mark.parametrize(
    ("files", "extra"), [({}, "hub"), ({"gliner_config__json": '{"encoder_config": {}}'}, "gliner")]
)
def test_without_the_extra_there_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], extra: str
) -> None:
    """Where the packages are missing the detector is refused when it is made, with the extra to install."""
    monkeypatch.setattr(hub_folder, "find_spec", lambda _: None)
    with pytest.raises(NotesError, match="not installed") as refused:
        Detector(hub=folder(tmp_path / "model", **files))
    assert refused.value.hint == f"pip install 'deid[{extra}]'"


def test_the_sort_of_a_model_is_told_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with gliner_config.json is GLiNER's, any other is a token-classification model."""
    monkeypatch.setattr(hub_folder, "find_spec", lambda _: object())
    assert checked(folder(tmp_path / "a")).sort is Sort.TOKENS
    assert checked(folder(tmp_path / "b", gliner_config__json='{"encoder_config": {}}')).sort is Sort.GLINER
