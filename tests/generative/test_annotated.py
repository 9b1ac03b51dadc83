from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.annotated import noise
from deid.annotated.__main__ import main
from deid.annotated.carriers import Choice, Part, Slot, families, parse
from deid.annotated.check_digits import dea, luhn_digit, npi, udi, vin
from deid.annotated.dice import Dice, Table
from deid.annotated.document import LABELS
from deid.annotated.filling import MAKERS, Piece, assembled
from deid.annotated.generator import generate
from deid.annotated.scene import Scene
from deid.annotated.slots import MACROS, PLAIN, SLOTS
from deid.errors import DocumentError
from deid.notes.known import SEARCHED_KINDS

SEEDS = st.integers(min_value=0, max_value=2**31)
NOISES = [getattr(noise, name) for name in (
    "exchanged", "spoken", "dictated", "mistyped", "glued", "in_capitals", "in_small_letters", "titled", "scanned",
    "oddly_blank", "laid_out", "wrapped", "disguised",
)]  # fmt: skip
PIECES = st.lists(
    st.builds(
        Piece, st.text("ab 1/\n.,-\u00a0éX", max_size=40), st.sampled_from(("", "NAME", "DATE", "ANY")), st.just("S")
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_spans_stand_in_order_inside_their_text(seed: int) -> None:
    """Spans are in order, apart, inside the text, not empty, of known labels, and neither begin nor end with a blank."""
    for document in generate(seed, 8):
        at = 0
        for span in document.spans:
            text = document.text[span.start : span.end]
            assert at <= span.start < span.end <= len(document.text)
            assert text == text.strip()
            assert span.label in LABELS
            assert SLOTS[span.slot] == span.label
            at = span.end


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_a_seed_decides_every_document(seed: int) -> None:
    """The same seed gives the same documents, records too, however many are asked for; another seed gives others."""
    some = list(generate(seed, 12))
    assert some == list(islice(generate(seed), 12))
    assert [one.identifiers for one in some] == [one.identifiers for one in generate(seed, 12)]
    assert [one.text for one in some] != [one.text for one in generate(seed + 1, 12)]


def test_ids_name_the_family_and_are_never_given_twice() -> None:
    """A document's id is its family and its number."""
    documents = list(generate(3, 500))
    assert all(one.id == f"{one.family}-{number}" for number, one in enumerate(documents))
    assert {one.family for one in documents} <= {family.name for family in families()}


def test_every_slot_is_filled_somewhere() -> None:
    """Every slot that has a label turns up, and every label of the network is learned from hundreds of spans."""
    seen = Counter((span.slot, span.label) for one in generate(11, 6000) for span in one.spans)
    assert {slot for slot, _ in seen} == {slot for slot, label in SLOTS.items() if label}
    labels: Counter[str] = Counter()
    for (_, label), count in seen.items():
        labels[label] += count
    assert set(labels) == set(LABELS)
    assert min(labels.values()) > 100


def test_every_plain_slot_stands_in_a_carrier() -> None:
    """No slot exists that no carrier uses."""
    found: set[str] = set()

    def walk(parts: tuple[Part, ...]) -> None:
        for part in parts:
            if isinstance(part, Slot):
                found.add(part.name)
            elif isinstance(part, Choice):
                for option in part.options:
                    walk(option)

    for family in families():
        for carrier in family.carriers:
            walk(carrier.parts)
    assert found == set(SLOTS)


def test_every_slot_has_a_maker_and_every_maker_a_slot() -> None:
    """Slots and makers are the same names; NEG alone is filled from carriers."""
    assert set(MAKERS) == set(SLOTS) - {"NEG"}
    assert not set(MACROS) & set(SLOTS)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from(sorted(set(SLOTS) - {"NEG"})))
def test_values_are_never_empty_and_agree_by_letter(seed: int, slot: str) -> None:
    """What a maker gives has a visible character, and numbers of one letter are the same twice."""
    scene = Scene(Dice(seed))
    first, second = MAKERS[slot](scene, "a"), MAKERS[slot](scene, "a")
    assert first.strip()
    if slot in {"MRN", "PHONE", "EMAIL", "SSN", "ZIP", "MEMBER", "ID", "ROOM"}:
        assert first == second


def test_negative_families_make_documents_without_identifiers() -> None:
    """Documents of negative carriers hold no span but of what may stay."""
    names = [family.name for family in families() if family.use == "negative"]
    assert names
    for one in generate(5, 1500, families=names):
        assert {span.label for span in one.spans} <= {"ANY"}


def test_a_share_of_documents_holds_nothing_to_remove() -> None:
    """Between one and three in ten documents are free of identifiers, so that the network sees enough of both."""
    free = sum(all(span.label in PLAIN for span in one.spans) for one in generate(2, 3000))
    assert 300 < free < 900


def test_families_confine_what_is_drawn() -> None:
    """Only the families asked for begin documents."""
    assert {one.family for one in generate(1, 200, families=["base_sentences"])} == {"base_sentences"}


def test_a_family_that_is_not_there_is_refused() -> None:
    """An unknown family is an error before anything is drawn."""
    with pytest.raises(DocumentError, match="1 of 1 families"):
        next(generate(1, 1, families=["no such family"]))


def test_the_record_holds_kinds_that_can_be_looked_for() -> None:
    """Identifiers of the record are of kinds that the known-identifier search takes, and patients are named by them."""
    named = 0
    for one in generate(4, 400):
        assert all(kind in SEARCHED_KINDS and text.strip() for kind, text in one.identifiers)
        named += any(kind == "person_name" for kind, _ in one.identifiers)
    assert named > 100


@settings(max_examples=150, deadline=None)
@given(SEEDS, PIECES, st.sampled_from(NOISES))
def test_noise_keeps_spans_right(seed: int, pieces: list[Piece], mishap: noise.Noise) -> None:
    """No mishap moves a label onto other text: the labeled pieces come out in the same order with the same labels."""
    made = mishap(Dice(seed), pieces)
    text, spans = assembled(made)
    assert all(text[span.start : span.end].strip() == text[span.start : span.end] != "" for span in spans)
    kept = [piece.label for piece in pieces if piece.label and piece.text.strip()]
    labels = [span.label for span in spans]
    merged = [label for at, label in enumerate(labels) if at == 0 or labels[at - 1] != label]
    assert merged == [label for at, label in enumerate(kept) if at == 0 or kept[at - 1] != label]


@settings(max_examples=60, deadline=None)
@given(SEEDS, PIECES)
def test_wrapping_changes_nothing_but_blanks(seed: int, pieces: list[Piece]) -> None:
    """Without blanks and line ends a wrapped text is the text."""
    made = noise.wrapped(Dice(seed), pieces)
    assert "".join("".join(p.text for p in made).split()) == "".join("".join(p.text for p in pieces).split())


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("one {NAME}\n---\ntwo {NOSUCH}", 3, "no slot is called"),
        ("%use: sentence\n\nfirst\nsecond {NAME", 4, "nothing closes"),
        ("shut}", 1, "nothing opens"),
        ("{{NAME} {DATE}", 1, "nothing closes"),
        ("%use: poem\nx", 1, "directive"),
        ("%weight: heavy\nx", 1, "directive"),
        ("%use: negative\nfine\n---\n{NAME} came", 4, "identifies"),
        ("%use: negative\n{ok|{PROVIDER}}", 2, "identifies"),
        ("a {} b", 1, "neither a slot nor a choice"),
        ("in {CITY|COUNTY|}", 1, "bare slot names"),
    ],
)
def test_a_faulty_carrier_is_named_by_file_and_line(text: str, line: int, what: str) -> None:
    """The error says which file and line hold the fault."""
    where = "" if what == "identifies" and "PROVIDER" in text else f"carrier file x.txt, line {line}:"
    with pytest.raises(DocumentError, match=what) as caught:
        parse(text, file="x.txt")
    assert where in str(caught.value)
    assert "x.txt" in str(caught.value)


def test_braces_choices_and_letters_are_read() -> None:
    """Doubled braces are braces, choices nest and may begin with a slot, comments and directives are left out."""
    text = "%use: document\n%weight: 2.5\n%% nothing\n{{x}} {NAME:a}'s {{CITY:b} office|home|}\n---\n\n---\nlast"
    family = parse(text, file="some.txt")
    assert (family.name, family.use, family.weight, len(family.carriers)) == ("some", "document", 2.5, 2)
    literal, name, possessive, choice = family.carriers[0].parts
    assert (literal, name, possessive) == ("{x} ", Slot("NAME", "a", "NAME"), "'s ")
    assert isinstance(choice, Choice)
    assert choice.options == ((Slot("CITY", "b", "LOCATION"), " office"), ("home",), ())
    assert [carrier.line for carrier in family.carriers] == [4, 8]


@settings(max_examples=50, deadline=None)
@given(SEEDS)
def test_most_check_digits_are_right_and_some_are_wrong(seed: int) -> None:
    """NPI, DEA, VIN and UDI keep their shapes; about one check digit in nine is wrong, as in real notes."""
    dice = Dice(seed)
    good = 0
    for _ in range(80):
        number = npi(dice)
        assert len(number) == 10
        good += luhn_digit(f"80840{number[:-1]}") == number[-1]
    assert 55 <= good <= 80
    assert len(dea(dice)) == 9
    assert len(vin(dice)) == 17
    gtin = udi(dice)[4:18]
    assert sum(int(mark) * (3 if at % 2 == 0 else 1) for at, mark in enumerate(gtin)) % 10 == 0


def test_a_table_draws_by_weight() -> None:
    """Three of four draws are of the thing with three of four parts of the weight; power 0 makes things alike."""
    dice = Dice(1)
    drawn = Counter(dice.weighted(Table.of([("a", 3), ("b", 1)])) for _ in range(4000))
    assert 2800 < drawn["a"] < 3200
    flat = Counter(dice.weighted(Table.of([("a", 3000), ("b", 1)], 0)) for _ in range(4000))
    assert 1850 < flat["a"] < 2150


def test_the_command_writes_documents_and_records(tmp_path: Path) -> None:
    """`python -m deid.annotated` writes one line a document, with offsets that hold, and one line a record."""
    notes, records = tmp_path / "notes.jsonl", tmp_path / "records.jsonl"
    result = CliRunner().invoke(main, ["--seed", "9", "--count", "20", "--out", str(notes), "--patients", str(records)])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in notes.read_text("utf-8").splitlines()]
    held = [json.loads(line) for line in records.read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == [row["id"] for row in held]
    for row, document in zip(rows, generate(9, 20), strict=True):
        assert row["text"] == document.text
        assert [row["text"][s["start"] : s["end"]] for s in row["spans"]] == [
            document.text[s.start : s.end] for s in document.spans
        ]
