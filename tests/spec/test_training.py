"""Training: the same seed gives the same weights, what is trained is what runs, and it learns."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from deid.annotated.document import Document, Labeled
from deid.annotated.generator import generate
from deid.notes.features import SEPARATOR, Features
from deid.notes.lists import load
from deid.notes.network import CLASSES
from deid.training.examples import IGNORED, TokenNumbers, batches, example, packed

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")


def numbers() -> TokenNumbers:
    """Return an empty numbering of tokens."""
    return TokenNumbers(Features(load(), {}))


def test_a_token_has_the_class_of_its_span() -> None:
    """What identifies has its class, what may stay or go counts for nothing, and everything else is ordinary."""
    text = "Dr. Lopez saw her in Akron."
    spans = (Labeled(0, 3, "ANY", "TITLE"), Labeled(4, 9, "NAME", "LAST"), Labeled(21, 26, "LOCATION", "CITY"))
    one = example(Document("a-1", text, spans), numbers())
    told = [CLASSES[c] if c != IGNORED else "-" for c in one.classes.tolist()]
    assert told == ["-", "-", "NAME", "O", "O", "O", "LOCATION", "O"]
    assert one.weights.tolist() == [0, 0, 1, 1, 1, 1, 1, 1]


def test_offsets_hold_where_folding_changes_lengths() -> None:
    """A span after characters that fold to two or none still covers its own tokens."""
    text = "\u00bd tab for Jos\u00e9\u200b Li\ufb01eld today"
    start = text.index("Jos")
    one = example(Document("a-1", text, (Labeled(start, text.index(" today"), "NAME", "FULL"),)), numbers())
    assert one.classes.tolist()[-3:] == [1, 1, 0]


def test_rows_hold_every_document_with_separators_between() -> None:
    """Packed rows are the documents one after the other, and nothing of one is lost at the end of a row."""
    own = numbers()
    pad = own[SEPARATOR]
    made = [example(document, own) for document in islice(generate(5), 60)]
    rows = list(packed(iter(made), pad, 4, 64))
    whole = np.concatenate([part for one in made for part in (one.tokens, np.full(4, pad, np.int32))])
    flat = np.concatenate([row.tokens for row in rows])
    assert len(rows) > 10
    assert np.array_equal(flat, whole[: len(flat)])
    assert next(batches(iter(rows), 8)).tokens.shape == (8, 64)


def test_the_same_seed_gives_the_same_weights() -> None:
    """Two runs of a few steps end in equal arrays; another seed does not."""
    from deid.training.train import Settings, train

    first, again, other = (train(Settings(steps=2, seed=seed, vocabulary=300)) for seed in (11, 11, 12))
    assert np.array_equal(first.vectors, again.vectors)
    assert first.words == again.words
    assert all(np.array_equal(a.weights, b.weights) for a, b in zip(first.layers, again.layers, strict=True))
    assert not np.array_equal(first.out_weights, other.out_weights)


def test_what_is_trained_is_what_runs() -> None:
    """The layers in numpy give the probabilities of the layers in torch, apart from half precision."""
    from deid.training.train import REACH, TokenNetwork, network_of

    torch.manual_seed(3)
    model = TokenNetwork().eval()
    network = network_of({name: value.detach() for name, value in model.state_dict().items()}, ("seen",))
    assert network.reach == REACH
    rng = np.random.default_rng(3)
    rows = rng.integers(0, len(network.vectors), size=(1, 900, 17))
    marks = rng.integers(0, len(network.marks), size=(1, 900))
    is_text = rng.random((1, 900)) > 0.1
    with torch.no_grad():
        scores = (
            model(torch.from_numpy(rows), torch.from_numpy(marks), torch.from_numpy(is_text))[0].softmax(-1).numpy()
        )
    summed = network.vectors[rows[0]].sum(axis=1) + network.marks[marks[0]]
    own = network.probabilities(summed, np.arange(len(summed)), is_text[0]).T
    np.testing.assert_allclose(own, scores[REACH:-REACH], atol=5e-3)


def test_it_learns() -> None:
    """A few dozen steps bring the loss well below that of the first ones."""
    from deid.training.train import Settings, train

    losses: list[float] = []
    train(Settings(steps=40, seed=11, warm=5, vocabulary=300), report=lambda _step, loss: losses.append(loss), every=10)
    assert losses[-1] < 0.8 * losses[0]
