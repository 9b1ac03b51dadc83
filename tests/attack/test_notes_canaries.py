"""Canaries: identifiers of the record planted in notes are always gone, and the gate that says so can fail."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from note_engine import RECORD, patient, redact
from objects import deid_objects, shown

from deid.notes import KnownIdentifiers, Redactor, leaks
from deid.notes.detector import Detector, Note
from deid.notes.span import Span

TEMPLATES = (
    "{v}",
    "Seen today: {v}. Stable.",
    "the mother of {v}'s friend said ({v}) it hurts",
    "NAME/ID\t{v}\tEND",
    "...{v}...{v}-{v}",
    "PATIENT {v} DENIES CHEST PAIN",
    "re: {v}\r\n\r\nno change; take metoprolol with {v}",
)
CANARIES = ("Ximena", "Quintanilla", "Bartholomew", "Thaddeus", "Okonkwo", "912331234", "00774411", "884412097",
            "6175550142", "larkspur", "02139", "19500102", "fernborough", "b9c610cd")  # fmt: skip
CHECKED = [(kind, value) for kind, value in RECORD if kind != "city"]


def test_planted_identifiers_are_always_gone() -> None:
    """Every identifier of the record, in every surrounding, as written, in capitals and in lower case."""
    texts = [
        template.format(v=form)
        for template in TEMPLATES
        for _, value in RECORD
        for form in (value, value.upper(), value.lower())
    ]
    result = redact(list(texts), patient())
    assert result.withheld == 0
    for text in result.texts.to_pylist():
        squeezed = "".join(c for c in text.lower() if c.isalnum())
        assert not [canary for canary in CANARIES if canary.lower() in squeezed]
        assert leaks(text, patient()) == 0


@pytest.mark.parametrize(("kind", "value"), CHECKED)
def test_the_check_sees_an_identifier_put_back(kind: str, value: str) -> None:
    """The gate can fail: one identifier put back into a clean note is counted."""
    clean = redact([f"Seen on Monday, {value}, stable."], patient()).texts.to_pylist()[0]
    assert leaks(clean, patient()) == 0
    assert leaks(clean.replace("[", f"{value} [", 1), patient()) > 0
    assert leaks(f"{clean} {value.upper()}", patient()) > 0


class _Blind(Detector):
    """A search that finds nothing: the fault that the independent check is there for."""

    def search(self, batch: Sequence[Note]) -> list[list[Span]]:
        return [[] for _ in batch]


def test_a_blind_search_is_caught_and_the_note_withheld() -> None:
    """When the search misses an identifier, the note is withheld by the other check."""
    own = [KnownIdentifiers(RECORD)] * 2
    result = Redactor(detector=_Blind()).redact(pa.array(["xylophone ximena plays", "nothing"]), own)
    assert result.texts.to_pylist() == [None, "nothing"]
    assert result.reasons == {"leak": 1}


class _Watched(Detector):
    """A search that looks at every living object of the toolkit, and keeps the classes whose repr tells a canary."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0
        self.telling: set[str] = set()

    def search(self, batch: Sequence[Note]) -> list[list[Span]]:
        found = super().search(batch)
        for thing in deid_objects("deid.notes"):
            self.looked += 1
            told = shown(thing).lower()
            if any(canary.lower() in told for canary in CANARIES):
                self.telling.add(type(thing).__qualname__)
        return found


def test_no_object_prints_a_note_or_a_record_while_notes_are_searched() -> None:
    """Whatever is alive during a search may land in a traceback or a debugger's log."""
    detector = _Watched()
    text = " ".join(value for _, value in RECORD) + " Q u i n t a n i l l a, Quintan\nilla, 0077441l"
    Redactor(detector=detector).redact(pa.array([text, text.upper()]), [KnownIdentifiers(RECORD)] * 2)
    assert detector.looked > 100
    assert detector.telling == set()


def test_time_of_the_check_hardly_grows_with_the_record() -> None:
    """Thousands of identifiers do not each take the note apart again."""
    names = [("provider_name", f"Zyx{a}{b}or Qua{c}nt") for a in "bcdfgh" for b in "klmnpq" for c in "abcdefghijklmnop"]
    note = "The patient walks without pain and sleeps well, and takes 25 mg twice a day. " * 1_500
    started = time.process_time()
    assert leaks(note, KnownIdentifiers([*names, *(("mrn", f"7{n:07}") for n in range(1_000))])) == 0
    assert time.process_time() - started < 5


def test_nothing_of_a_note_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at its most talkative, no identifier and no text is logged."""
    caplog.set_level("DEBUG")
    redact([f"Ximena de la Quintanilla {value}" for _, value in RECORD] + ["a\x00 Quintanilla"], patient())
    assert not [canary for canary in CANARIES if canary.lower() in caplog.text.lower()]


def test_redaction_touches_no_network(tmp_path: Path) -> None:
    """Loading and running everything works where every way to the network raises; that the guard raises is shown too."""
    code = """
import socket, sys
def refuse(*args, **kwargs):
    sys.exit(99)
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = socket.create_connection = refuse
import pyarrow as pa
from deid.notes import KnownIdentifiers, Redactor
known = KnownIdentifiers([("person_name", "Ximena")])
out = Redactor().redact(pa.array(["Ximena: a.b@example.co.uk, https://example.org, +44 20 7946 0958"]), [known])
assert out.texts.to_pylist() == ["[PERSON_NAME]: [EMAIL], [URL], [PHONE]"], "unexpected redaction"
if "--dial" in sys.argv:
    socket.create_connection(("127.0.0.1", 9))
"""
    env = {"HOME": str(tmp_path), "PYTHONPATH": ":".join(path for path in sys.path if path)}
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, check=False, env=env, cwd=tmp_path).returncode == 0
    assert subprocess.run([*run, "--dial"], check=False, env=env, cwd=tmp_path).returncode == 99
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


CORPORA = Path(__file__).resolve().parents[2] / ".." / "shared" / "corpora"


@pytest.mark.skipif(not (CORPORA / "aci_dev.jsonl").exists(), reason="the corpora are not here")
def test_visit_notes_keep_their_medicine_and_lose_their_names() -> None:
    """On a few role-played visit notes nearly every name goes and hardly any other character."""
    import json

    from deid.notes import Detector

    lines = (CORPORA / "aci_dev.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    documents = [json.loads(line) for line in lines]
    found = Detector().detect([d["text"] for d in documents], [None] * len(documents))
    due = hit = other = over = 0
    for document, spans in zip(documents, found, strict=True):
        marked = {at for span in spans for at in range(span.start, span.end)}
        gold = {at for span in document["spans"] for at in range(span["start"], span["end"])}
        wanted = {at for span in document["spans"] if span["safe_harbor"] for at in range(span["start"], span["end"])}
        due, hit = due + len(wanted), hit + len(wanted & marked)
        other, over = other + len(document["text"]) - len(gold), over + len(marked - gold)
    assert hit / due > 0.75
    assert over / other < 0.02
