"""Laws of folding and of the second view, for any text."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from deid.notes.collapsing import windows
from deid.notes.folding import Edit, edited, fold, plain_form
from deid.notes.span import Span

pieces = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["J o h n", "&nbsp;", "&#39;", "&eacute;", "-\n", "\r\n", "\u200b", "e\u0301", "\u00ad\n", "\u00c6", "\ufb03",
         "6l7-555-Ol42", "1 2 3 - 4 5", "five five five oh one two", "S-M-I-T-H", "W0rd", "x" * 60 + " John\nSmith "]
    ),
)  # fmt: skip
texts = st.lists(pieces, max_size=10).map("".join)


@settings(max_examples=300)
@given(texts)
def test_every_plain_character_leads_back_to_what_it_was_made_of(text: str) -> None:
    """Each character of folded text stands in the folded form of the stretch its offsets name; stretches are in order."""
    folded = fold(text)
    spans = [folded.back(at, at + 1) for at in range(len(folded.text))]
    for at, (start, end) in enumerate(spans):
        assert 0 <= start < end <= len(text)
        assert folded.text[at] in fold(text[start:end]).text or text[start] in "\u00ad\r\n"
    assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(spans))


@settings(max_examples=300)
@given(texts)
def test_only_what_is_invisible_is_left_out(text: str) -> None:
    """Every character that shows something is covered by the offsets of the whole."""
    folded = fold(text)
    covered = set()
    for at in range(len(folded.text)):
        covered |= set(range(*folded.back(at, at + 1)))
    lost = [text[at] for at in range(len(text)) if at not in covered]
    assert all(plain_form(c) == "" or c in "&;#shyzwnjlrmZWNJSHYLRM" for c in lost)


@settings(max_examples=200)
@given(st.text(max_size=40), st.data())
def test_edits_are_undone_exactly(text: str, data: st.DataObject) -> None:
    """Between edits every character leads back to itself, and within one to the whole of it."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), unique=True, max_size=8)))
    edits = [Edit(a, b, data.draw(st.text(max_size=3))) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    folded = edited(text, edits)
    expected: list[tuple[str, tuple[int, int]]] = []
    last = 0
    for edit in [*edits, Edit(len(text), len(text), "")]:
        expected += [(text[at], (at, at + 1)) for at in range(last, edit.start)]
        expected += [(c, (edit.start, edit.end)) for c in edit.text]
        last = edit.end
    assert folded.text == "".join(c for c, _ in expected)
    for at, (_, (start, end)) in enumerate(expected):
        found = folded.back(at, at + 1)
        following = next((e.end for e in edits if e.start == end and not e.text and e.start >= end), end)
        assert found == (start, following)


@settings(max_examples=300)
@given(texts)
def test_windows_are_in_order_and_inside(text: str) -> None:
    """Windows are in order, and a find in one leads back to a place within the text that reaches into a disguise."""
    plain = fold(text).text
    last = 0
    for window in windows(plain):
        assert window.start >= last
        whole = list(window.back([Span(0, len(window.text), "unique_id", "pattern:x:y")])) if window.text else []
        for span in whole:
            assert window.start <= span.start < span.end <= len(plain)
            assert any(span.start < one.end and span.end > one.start for one in window.disguises)
            last = span.end
