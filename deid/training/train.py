"""Training: from a seed to weights.

The same seed, number of steps and versions give the same weights on the same kind of processor; across processors the
last bits of sums differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from deid.annotated.generator import generate
from deid.notes.convolution import Convolution
from deid.notes.features import FIRST_ROWS, LIST_FEATURES, ROWS, SEPARATOR, UNKNOWN_WORDS, Features
from deid.notes.lists import load
from deid.notes.network import CLASSES, Network
from deid.notes.span import Mark
from deid.training.examples import Example, TokenNumbers, batches, example, numbered, packed, vocabulary

CHANNELS = 64
HIDDEN = 96
FIRST_WIDTH = 5
DILATIONS = (1, 2, 4, 8, 1)
LENGTH, BATCH = 512, 16
VOCABULARY_SEED = 1  # networks that are averaged share their words
REACH = FIRST_WIDTH // 2 + sum(DILATIONS)
APART = max(FIRST_WIDTH // 2, *DILATIONS)  # separators between documents
_WORD_DROPPED, _LISTS_DROPPED, _MARKS_DROPPED = 0.25, 0.15, 0.08

Report = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a training run is made of; `warm` steps raise the rate, `decay` is of the average over steps."""

    seed: int = 7
    steps: int = 6_000
    rate: float = 3e-3
    identifier_weight: float = 1.5
    decay: float = 0.999
    warm: int = 200
    vocabulary: int = 12_000  # documents whose commonest words are features of their own


class TokenNetwork(nn.Module):  # type: ignore[misc]  # torch is an extra, and checked as if absent
    """The layers of deid.notes.network, as they are trained."""

    def __init__(self) -> None:
        super().__init__()
        self.vectors = nn.Embedding(ROWS, CHANNELS)
        self.marks = nn.Embedding(len(Mark), CHANNELS)
        nn.init.normal_(self.vectors.weight, std=0.1)
        nn.init.normal_(self.marks.weight, std=0.1)
        self.first = nn.Conv1d(CHANNELS, HIDDEN, FIRST_WIDTH, padding=FIRST_WIDTH // 2)
        self.rest = nn.ModuleList(nn.Conv1d(HIDDEN, HIDDEN, 3, padding=d, dilation=d) for d in DILATIONS)
        self.out = nn.Linear(HIDDEN, len(CLASSES))
        self.dropout = nn.Dropout(0.1)

    def forward(self, features: torch.Tensor, marks: torch.Tensor, is_text: torch.Tensor) -> torch.Tensor:
        """Return scores (batch, length, classes) from rows (batch, length, features) and marks (batch, length).

        `is_text` (batch, length) is false at separators, at which every layer gives zero.
        """
        shape = features.shape
        summed = functional.embedding_bag(features.reshape(-1, shape[-1]), self.vectors.weight, mode="sum")
        x = (summed.reshape(*shape[:2], -1) + self.marks(marks)).transpose(1, 2)
        kept = is_text[:, None, :].to(x.dtype)
        x = functional.relu(self.first(x)) * kept
        for layer in self.rest:
            x = (x + functional.relu(layer(self.dropout(x)))) * kept
        scores: torch.Tensor = self.out(x.transpose(1, 2).float())
        return scores


def train(settings: Settings, *, report: Report | None = None, every: int = 100) -> Network:
    """Return trained weights, averaged over the run's last steps; `report` gets step and loss now and then."""
    torch.manual_seed(settings.seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    lists = load()
    words = vocabulary(generate(VOCABULARY_SEED, settings.vocabulary))
    numbers = TokenNumbers(Features(lists, numbered(words)))
    source = generate(settings.seed)
    model = TokenNetwork()
    averaged = {name: value.detach().clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.rate, weight_decay=0.01)
    noise = np.random.default_rng(settings.seed)
    loss_of = 0.0
    pad = numbers[SEPARATOR]
    rows = packed((example(document, numbers) for document in source), pad, APART, LENGTH)
    for step, batch in enumerate(_first(batches(rows, BATCH), settings.steps)):
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * _share(step, settings)
        loss = _loss(model, *_noisy(batch, numbers, noise), batch.tokens != pad, settings)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        decay = min(settings.decay, (step + 1) / (step + 10))
        for name, value in model.state_dict().items():
            averaged[name].lerp_(value, 1 - decay)
        loss_of = 0.98 * loss_of + 0.02 * loss.item() if step else loss.item()
        if report is not None and step % every == every - 1:
            report(step + 1, loss_of)
    return network_of(averaged, words)


def _share(step: int, settings: Settings) -> float:
    warm = min(1.0, (step + 1) / settings.warm)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / settings.steps)))


def _first(source: Iterator[Example], count: int) -> Iterator[Example]:
    for _, one in zip(range(count), source, strict=False):
        yield one


def _noisy(
    batch: Example, numbers: TokenNumbers, noise: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Example]:
    """Return rows of features and marks with some of them hidden: a word must not be needed to tell what it is."""
    features = numbers.table[batch.tokens].astype(np.int64)
    shape = batch.tokens.shape
    hidden = (noise.random(shape) < _WORD_DROPPED) & (features[..., 0] >= UNKNOWN_WORDS)
    features[hidden, 0] = 1
    unlisted = noise.random(shape) < _LISTS_DROPPED
    for at in LIST_FEATURES:
        features[..., at][unlisted] = FIRST_ROWS[at]
    marks = np.where(noise.random((shape[0], 1)) < _MARKS_DROPPED, 0, batch.marks).astype(np.int64)
    return features, marks, batch


def _loss(
    model: TokenNetwork,
    features: npt.NDArray[np.int64],
    marks: npt.NDArray[np.int64],
    batch: Example,
    is_text: npt.NDArray[np.bool_],
    settings: Settings,
) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = model(torch.from_numpy(features), torch.from_numpy(marks), torch.from_numpy(is_text))
    aim = torch.from_numpy(batch.classes.astype(np.int64)).reshape(-1)
    weight = torch.tensor([1.0] + [settings.identifier_weight] * (len(CLASSES) - 1))
    each = functional.cross_entropy(
        scores.reshape(-1, len(CLASSES)).float(), aim.clamp(min=0), weight=weight, reduction="none"
    )
    counted: torch.Tensor = each * torch.from_numpy(batch.weights).reshape(-1) * (aim >= 0)
    return counted.mean()


def network_of(state: dict[str, torch.Tensor], words: tuple[str, ...]) -> Network:
    """Return trained arrays as the network that runs, in the half precision they are kept in."""
    arrays = {name: value.numpy().astype(np.float16).astype(np.float32) for name, value in state.items()}
    layers = [_layer(arrays, "first", FIRST_WIDTH, 1)]
    layers += [_layer(arrays, f"rest.{at}", 3, dilation) for at, dilation in enumerate(DILATIONS)]
    return Network(
        arrays["vectors.weight"],
        arrays["marks.weight"],
        tuple(layers),
        np.ascontiguousarray(arrays["out.weight"].T),
        arrays["out.bias"],
        words,
    )


def _layer(arrays: dict[str, npt.NDArray[np.float32]], name: str, width: int, dilation: int) -> Convolution:
    kernel = arrays[f"{name}.weight"]  # (out, in, width)
    weights = kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])
    return Convolution(np.ascontiguousarray(weights), arrays[f"{name}.bias"], width, dilation)
