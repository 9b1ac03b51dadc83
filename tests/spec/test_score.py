"""The scorer of annotated notes: its laws, and its agreement with references that share no line with it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sites import SHARED

from deid.annotated.document import Document, Labeled
from deid.annotated.score import Answer, Example, Scores, Share, example_of, read_examples, score
from deid.errors import DocumentError

REFERENCE = SHARED / "corpora" / "score.py"
LETTERS = "aB7 .\n-é"


@st.composite
def places(draw: st.DrawFn, length: int) -> list[tuple[int, int]]:
    """Draw spans within a text of this length, in any order and overlapping as they come."""
    if not length:
        return []
    edges = draw(st.lists(st.tuples(st.integers(0, length - 1), st.integers(1, 6)), max_size=5))
    return [(start, min(length, start + size)) for start, size in edges]


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Example], list[list[tuple[int, int]]]]:
    """Draw a few examples and what somebody found in them."""
    examples, found = [], []
    for number in range(draw(st.integers(0, 5))):
        text = draw(st.text(LETTERS, max_size=30))
        answers = tuple(
            Answer(start, end, draw(st.sampled_from(("NAME", "ID"))), draw(st.booleans()))
            for start, end in draw(places(len(text)))
        )
        examples.append(Example(str(number), text, answers))
        found.append(draw(places(len(text))))
    return examples, found


def ratio(part: int, whole: int) -> float | None:
    """Return a share, None of nothing."""
    return part / whole if whole else None


def naive(examples: list[Example], found: list[list[tuple[int, int]]]) -> dict[str, float | None]:
    """Score character by character, by sets of positions."""
    touched = covered = answers = hidden = characters = right = spans = removed = other = 0
    whole = masked = clean = disturbed = 0
    for example, own in zip(examples, found, strict=True):
        gone = {at for start, end in own for at in range(start, end)}
        marked = {at for a in example.answers for at in range(a.start, a.end)}
        full = []
        for a in example.answers:
            if not a.counted:
                continue
            inside = set(range(a.start, a.end))
            full.append({at for at in inside if example.text[at].isalnum()} <= gone)
            answers, touched, covered = answers + 1, touched + bool(inside & gone), covered + full[-1]
            characters, hidden = characters + len(inside), hidden + len(inside & gone)
        if full:
            whole, masked = whole + 1, masked + all(full)
        for start, end in own:
            spans += 1
            right += any(set(range(start, end)) & set(range(a.start, a.end)) for a in example.answers)
        outside = set(range(len(example.text))) - marked
        other, removed = other + len(outside), removed + len(outside & gone)
        if not example.answers:
            clean, disturbed = clean + 1, disturbed + bool(own)
    return {
        "touched": ratio(touched, answers),
        "covered": ratio(covered, answers),
        "characters": ratio(hidden, characters),
        "precision": ratio(right, spans),
        "removed": ratio(removed, other),
        "masked": ratio(masked, whole),
        "disturbed": ratio(disturbed, clean),
    }


def values(scores: Scores) -> dict[str, float | None]:
    """Return each score by its name."""
    shares: dict[str, Share] = {
        "touched": scores.recall.touched,
        "covered": scores.recall.covered,
        "characters": scores.recall.characters,
        "precision": scores.precision,
        "removed": scores.removed,
        "masked": scores.masked,
        "disturbed": scores.disturbed,
    }
    return {name: share.value for name, share in shares.items()}


@given(cases())
def test_it_agrees_with_a_naive_reference(case: tuple[list[Example], list[list[tuple[int, int]]]]) -> None:
    """Every score is that of a reference that looks at one character after the other."""
    assert values(score(*case)) == naive(*case)


@given(cases())
def test_what_is_perfect_scores_one(case: tuple[list[Example], list[list[tuple[int, int]]]]) -> None:
    """All answers and nothing else: recall and precision are 1, and nothing else is removed."""
    examples, _ = case
    found = [[(a.start, a.end) for a in example.answers] for example in examples]
    scores = values(score(examples, found))
    assert {scores[name] for name in ("touched", "covered", "characters", "precision", "masked")} <= {1.0, None}
    assert {scores["removed"], scores["disturbed"]} <= {0.0, None}


@given(cases())
def test_what_is_empty_scores_nothing(case: tuple[list[Example], list[list[tuple[int, int]]]]) -> None:
    """Nothing found: no character is masked, and none removed."""
    examples, _ = case
    scores = values(score(examples, [[] for _ in examples]))
    assert {scores[name] for name in ("touched", "characters", "removed", "disturbed")} <= {0.0, None}
    assert scores["precision"] is None


@given(cases(), st.integers(0, 3))
def test_labels_sum_to_the_whole(case: tuple[list[Example], list[list[tuple[int, int]]]], seed: int) -> None:
    """The counts of the labels together are those of all answers."""
    scores = score(*case, seed=seed)
    assert sum(recall.covered.whole for _, recall in scores.labels) == scores.recall.covered.whole
    assert sum(recall.characters.part for _, recall in scores.labels) == scores.recall.characters.part


@given(cases())
def test_intervals_are_of_shares(case: tuple[list[Example], list[list[tuple[int, int]]]]) -> None:
    """An interval lies within [0, 1] and runs upward; it is there where there is something to count."""
    share = score(*case).removed
    if share.whole:
        assert share.low is not None
        assert share.high is not None
        assert 0 <= share.low <= share.high <= 1
    else:
        assert share == Share(0, 0, None, None)


def test_intervals_draw_whole_documents() -> None:
    """A hundred answers in two documents tell less than a hundred in fifty: the interval knows."""
    line = "ab " * 50
    answers = tuple(Answer(at, at + 2, "NAME") for at in range(0, 150, 3))
    spread = [Example(str(at), "ab ab ", (Answer(0, 2, "NAME"), Answer(3, 5, "NAME"))) for at in range(50)]
    few = score([Example("1", line, answers), Example("2", line, answers)], [[(0, 150)], []])
    many = score(spread, [[(0, 5)] if at % 2 else [] for at in range(50)])
    assert few.recall.covered.value == many.recall.covered.value == 0.5
    assert (few.recall.covered.low, few.recall.covered.high) == (0.0, 1.0)
    assert many.recall.covered.low is not None
    assert 0.3 < many.recall.covered.low < 0.5


def test_the_same_seed_gives_the_same_interval() -> None:
    """Figures can be repeated: the samples come from the seed alone."""
    examples = [Example(str(at), "abc", (Answer(0, 3, "ID"),)) for at in range(30)]
    found = [[(0, at % 4)] for at in range(30)]
    assert score(examples, found, seed=5) == score(examples, found, seed=5)
    assert score(examples, found, seed=5) != score(examples, found, seed=6)


def test_marks_between_letters_need_not_be_masked() -> None:
    """A span is covered when its letters and digits are: a point between them tells nothing."""
    [example] = [Example("1", "J. R.", (Answer(0, 5, "NAME"),))]
    scores = score([example], [[(0, 1), (3, 4)]])
    assert scores.recall.covered.value == 1
    assert scores.recall.characters.value == 0.4


def test_what_may_stay_is_neither_hit_nor_miss() -> None:
    """An answer that is not counted adds to no recall, is no false find, and its document is not free of spans."""
    example = Example("1", "aged 41", (Answer(5, 7, "AGE", counted=False),))
    for found in ([], [(5, 7)]):
        scores = score([example], [found])
        assert scores.recall.touched.whole == scores.disturbed.whole == scores.removed.part == 0
    assert score([example], [[(5, 7)]]).precision.value == 1


def test_a_span_outside_its_text_is_refused() -> None:
    """A span beyond the end is an error of whoever found it, not a hit."""
    with pytest.raises(ValueError, match="within its text"):
        score([Example("1", "abc", ())], [[(1, 4)]])
    with pytest.raises(ValueError, match="shorter"):
        score([Example("1", "abc", ())], [])


def test_generated_documents_are_examples() -> None:
    """What a generated document marks as free to stay or go is not counted."""
    made = Document("g-1", "Ana 2019", (Labeled(0, 3, "NAME"), Labeled(4, 8, "ANY")))
    assert example_of(made) == Example("g-1", "Ana 2019", (Answer(0, 3, "NAME"), Answer(4, 8, "ANY", counted=False)))


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"id": "1"}',
        '{"id": "1", "text": "Zebedee", "spans": [{"start": 0, "end": 8, "norm": "NAME", "safe_harbor": true}]}',
        '{"id": "1", "text": "Zebedee", "spans": [{"start": "0", "end": 2, "norm": "NAME", "safe_harbor": true}]}',
    ],
)
def test_a_line_that_is_no_document_is_named_and_not_quoted(tmp_path: Path, line: str) -> None:
    """The error tells the line by its number, and nothing of what stands in it."""
    path = tmp_path / "notes.jsonl"
    path.write_text('{"id": "0", "text": "", "spans": []}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DocumentError, match="line 2") as caught:
        read_examples(path)
    assert "Zebedee" not in str(caught.value)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the annotated corpora are not beside the repository")
@pytest.mark.parametrize("name", ["aci_dev", "micro_adversarial", "pediatric_handoffs_adversarial"])
def test_it_agrees_with_the_scorer_of_the_corpora(name: str) -> None:
    """On a whole corpus, with answers shifted, left out and made up, every score is that of the corpora's own scorer."""
    told = importlib.util.spec_from_file_location("corpora_score", REFERENCE)
    assert told is not None
    assert told.loader is not None
    theirs: Any = importlib.util.module_from_spec(told)
    told.loader.exec_module(theirs)
    path = REFERENCE.with_name(f"{name}.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = [
        [(max(0, s["start"] - at % 2), s["end"] - at % 3 % 2) for at, s in enumerate(row["spans"]) if at % 5]
        + [(at, at + 3) for at in range(0, max(0, len(row["text"]) - 3), 401)]
        for row in rows
    ]
    expected = theirs.score(rows, {row["id"]: own for row, own in zip(rows, found, strict=True)})
    scores = values(score(read_examples(path), found))
    names = {
        "touched": "recall_overlap",
        "covered": "recall_full",
        "characters": "char_recall",
        "precision": "precision",
        "removed": "over_redacted_chars",
        "masked": "docs_fully_masked",
        "disturbed": "no_phi_docs_touched",
    }
    assert {n: None if v is None else round(v, 4) for n, v in scores.items()} == {
        n: expected[other] for n, other in names.items()
    }
