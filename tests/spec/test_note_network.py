"""The network for notes: what it computes, that a note's spans are its own, and that its weights are one file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.errors import NotesError
from deid.notes.convolution import Convolution
from deid.notes.decoding import Settings
from deid.notes.features import NAMES, ROWS, SEPARATOR, Features
from deid.notes.lists import load as load_lists
from deid.notes.network import CLASSES, STRETCH, WEIGHTS, Network, average, load, save, shipped
from deid.notes.patterns import find
from deid.notes.span import Mark
from deid.notes.tagger import Tagger
from deid.notes.tokens import bounds, split

PIECES = st.sampled_from(
    [
        "Maria Lopez",
        "was seen",
        "in Akron, OH",
        "on 3/14/2021",
        "by Dr. Ward.",
        "\n",
        "MRN 4471123",
        "BP 120/80",
        "J. Smith",
        "é",
        "-",
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map(" ".join)


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    """Return the shipped network, read once."""
    return Tagger()


def small(seed: int = 3) -> Network:
    """Return a network of random weights with two layers."""
    draw = np.random.default_rng(seed).normal
    layers = (
        Convolution(draw(size=(5 * 4, 6)).astype(np.float32), draw(size=6).astype(np.float32), 5, 1),
        Convolution(draw(size=(3 * 6, 6)).astype(np.float32), draw(size=6).astype(np.float32), 3, 2),
    )
    return Network(
        draw(size=(ROWS, 4)).astype(np.float32),
        draw(size=(len(Mark), 4)).astype(np.float32),
        layers,
        draw(size=(6, len(CLASSES))).astype(np.float32),
        draw(size=len(CLASSES)).astype(np.float32),
        ("seen", "note"),
    )


def naive(network: Network, x: np.ndarray, is_text: np.ndarray) -> np.ndarray:
    """Return the probabilities by the definition: one token, one tap, one channel at a time."""
    padded = np.concatenate([np.zeros((network.reach, x.shape[1])), x, np.zeros((network.reach, x.shape[1]))])
    text = np.concatenate([np.zeros(network.reach, bool), is_text, np.zeros(network.reach, bool)])
    for number, layer in enumerate(network.layers):
        rows = []
        for at in range(layer.reach, len(padded) - layer.reach):
            taps = [padded[at + (k - layer.width // 2) * layer.dilation] for k in range(layer.width)]
            out = np.maximum(np.concatenate(taps) @ layer.weights + layer.bias, 0)
            rows.append((out + padded[at] if number else out) * text[at])
        padded, text = np.array(rows), text[layer.reach : len(text) - layer.reach]
    scores = np.exp(padded @ network.out_weights + network.out_bias)
    return scores / scores.sum(axis=1, keepdims=True)


def drawn(count: int, channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors of 200 tokens, and so many of them with their marks and whether they are text."""
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(200, channels)).astype(np.float32)
    marks = rng.integers(0, len(Mark), count).astype(np.int8)
    return vectors, rng.integers(0, 200, count), marks, rng.random(count) > 0.1


@pytest.mark.parametrize("count", [1, 2, 5, 17, 2_300, STRETCH + 3])
def test_layers_compute_what_their_definition_says(count: int) -> None:
    """Blocks, products shared by equal tokens and by two outputs change nothing but the last bits."""
    network = small()
    vectors, numbers, marks, is_text = drawn(count, 4)
    expected = naive(network, vectors[numbers] + network.marks[marks], is_text)
    np.testing.assert_allclose(average([network], vectors, numbers, marks, is_text), expected, atol=2e-5)


@pytest.mark.parametrize(("width", "dilation"), [(3, 1), (3, 4), (3, 8), (5, 1), (5, 3)])
def test_a_layer_is_a_convolution(width: int, dilation: int) -> None:
    """Four outputs computed together, and products looked up by token, are the rectified sums over taps."""
    rng = np.random.default_rng(width)
    layer = Convolution(
        rng.normal(size=(width * 6, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32), width, dilation
    )
    x = rng.normal(size=(layer.inputs(61), 6)).astype(np.float32)
    count = len(x) - 2 * layer.reach
    taps = np.concatenate([x[k * dilation : k * dilation + count] for k in range(width)], axis=1)
    expected = np.maximum(taps @ layer.weights + layer.bias, 0)
    np.testing.assert_allclose(layer.looked_up(layer.products(x), np.arange(len(x))), expected, atol=2e-5)
    if width == 3:
        np.testing.assert_allclose(layer(x), expected, atol=2e-5)


@given(st.lists(TEXTS, min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_the_spans_of_a_note_do_not_depend_on_its_neighbors(texts: list[str]) -> None:
    """What is read in one batch is found as if each text were alone."""
    tagger = TAGGER
    finds = [find(text) for text in texts]
    alone = [tagger.tag([text], [found])[0] for text, found in zip(texts, finds, strict=True)]
    assert tagger.tag(texts, finds) == alone


TAGGER = Tagger()


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_spans_are_in_order_apart_and_inside_the_text(text: str) -> None:
    """A span has an extent, ends before the next begins, and neither begins nor ends with a blank."""
    (spans,) = TAGGER.tag([text], [find(text)])
    ends = [0, *(span.end for span in spans)]
    assert all(before <= span.start < span.end for before, span in zip(ends, spans, strict=False))
    assert all(
        span.end <= len(text) and text[span.start : span.end].strip() == text[span.start : span.end] for span in spans
    )


@given(st.text(max_size=200))
def test_tokens_tile_the_text(text: str) -> None:
    """Nothing is left out and nothing stands twice, so that offsets are sums of lengths."""
    tokens = split(text)
    assert "".join(tokens) == text
    starts, ends = bounds(tokens)
    assert [text[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)] == [
        t[1:] if len(t) > 1 and t[0] == " " else t for t in tokens
    ]


@given(st.text(min_size=1, max_size=20).filter(lambda t: len(split(t)) == 1))
def test_every_token_has_rows_of_the_table(token: str) -> None:
    """Whatever stands in a note has features, each in its own part of the table."""
    [rows] = Features(load_lists(), {"note": 7}).rows([token]).tolist()
    assert len(rows) == len(NAMES)
    assert rows == sorted(rows)
    assert rows[0] >= 0
    assert rows[-1] < ROWS


def test_the_same_weights_are_the_same_file(tmp_path: Path) -> None:
    """Weights that were written, read and written again are equal byte for byte."""
    save(tmp_path / "a.npz", small())
    save(tmp_path / "b.npz", load(tmp_path / "a.npz"))
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("a.npz", "b.npz")}
    assert len(digests) == 1


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 nothing", None])
def test_damaged_weights_are_refused(tmp_path: Path, damage: bytes | None) -> None:
    """A file that is empty, no container, or cut raises one error and gives no network."""
    path = tmp_path / "network.npz"
    save(path, small())
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with pytest.raises(NotesError, match="cannot be read"):
        load(path)


def test_the_shipped_weights_fit_the_features_and_are_small() -> None:
    """The files in the package have the rows, marks and classes of the code beside them, and at most ten megabytes."""
    for network in shipped():
        assert network.vectors.shape[0] == ROWS
        assert network.marks.shape[0] == len(Mark)
        assert network.out_weights.shape[1] == len(CLASSES)
    assert sum(path.stat().st_size for path in WEIGHTS) <= 10_000_000


def test_several_networks_are_their_mean() -> None:
    """Two networks give the mean of what each gives by itself."""
    first, second = small(3), small(4)
    vectors, *rest = drawn(50, 8)
    alone = [average([n], vectors[:, i : i + 4], *rest) for n, i in ((first, 0), (second, 4))]
    np.testing.assert_allclose(average((first, second), vectors, *rest), (alone[0] + alone[1]) / 2, atol=1e-6)


def test_networks_that_number_words_differently_are_refused() -> None:
    """Vectors of one network's words are never read for another's."""
    with pytest.raises(NotesError, match="number their words"):
        Tagger(networks=(small(), replace(small(), words=("other",))))


def test_nothing_of_a_note_is_printed(tagger: Tagger) -> None:
    """What the tagger keeps of the texts it read is in no repr."""
    tagger.tag(["Quixwerble Sentinel was here"], [[]])
    assert "Quixwerble" not in repr(tagger) + repr(tagger._known) + repr(tagger.networks)


def test_a_separator_in_a_note_parts_nothing(tagger: Tagger) -> None:
    """The character that parts notes is a blank where a note holds it."""
    text = f"Seen by Maria{SEPARATOR}Lopez on 3/14/2021."
    (spans,) = tagger.tag([text], [find(text)])
    assert any(text[s.start : s.end].startswith("Maria") for s in spans)


def test_strict_removes_no_less(tagger: Tagger) -> None:
    """Everything that is removed by default is removed under strict, too."""
    text = "Mr. Graves of Alderfield was seen by J. Ward at Mercy on the 3rd; Pinebriar called, MRN 44-1X."
    finds = [find(text)]
    covered = {i for s in tagger.tag([text], finds)[0] for i in range(s.start, s.end)}
    strict = {i for s in Tagger(strict=True).tag([text], finds)[0] for i in range(s.start, s.end)}
    assert covered <= strict


def test_settings_bound_what_a_span_asks() -> None:
    """With a threshold of one nothing is removed."""
    sure = Settings(sure=1.0, touching=1.0, common=1.0, mark=1.0)
    text = "Maria Lopez was seen in Akron."
    assert Tagger(settings=sure).tag([text], [[]]) == [[]]


@pytest.mark.parametrize(
    "text", ["Pt seen by Dr. Okafor 3/14 for DKA, T 101 F, BUN 18 Cr 0.9.", "Temp 102 F at noon, better by night."]
)
def test_a_temperature_is_no_age(text: str, tagger: Tagger) -> None:
    """Degrees Fahrenheit behind a word of fever stay."""
    (spans,) = tagger.tag([text], [find(text)])
    assert [span for span in spans if span.kind == "age"] == []
