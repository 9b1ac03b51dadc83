"""A token-classification model: which word pieces of a text have which label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deid.errors import NotesError

Ints = npt.NDArray[np.int64]

OVERLAP = 4  # one piece of so many of a window is in the next one too
_SMALLEST_WINDOW = 16
_BATCHES_AT_ONCE = 8  # whose windows are put in order of length
# Embeddings of positions in these begin behind the padding.
_POSITIONS_AFTER_PADDING = ("roberta", "camembert", "mpnet", "longformer", "xlm", "esm", "ibert", "mega", "luke")


@dataclass(frozen=True, slots=True)
class Pieces:
    """Word pieces of a text in order: where each stands, and the number of its label."""

    starts: Ints
    ends: Ints
    labels: Ints


@dataclass(frozen=True, slots=True)
class _Window:
    text: int
    ids: list[int]
    types: list[int]
    places: Ints  # (pieces, 3): its place among ids, start, end; only those of the text whose label is taken here


class TokenModel:
    """The model and the tokenizer of a checked folder, on the processor, in 32 bits."""

    def __init__(self, path: Path, *, batch: int, threads: int, window: int) -> None:
        self._torch: Any = import_module("torch")
        self._batch, self._threads = batch, threads
        self._model, self._tokenizer = _loaded(path)
        self.labels = [str(self._model.config.id2label[at]) for at in range(int(self._model.config.num_labels))]
        self._window = _window_of(self._model, self._tokenizer, window)

    def pieces(self, texts: Sequence[str]) -> list[Pieces]:
        """Return the pieces of each text with the label that has the highest score."""
        found: list[list[tuple[Ints, Ints]]] = [[] for _ in texts]
        windows = (one for at, text in enumerate(texts) for one in self._windows(at, text))
        with threads_of(self._torch, self._threads):
            while group := list(islice(windows, self._batch * _BATCHES_AT_ONCE)):
                labels = self._labels(group)
                for window, own in zip(group, labels, strict=True):
                    found[window.text].append((window.places, own))
        return [_joined(parts) for parts in found]

    def _windows(self, at: int, text: str) -> Iterator[_Window]:
        if not text.strip():
            return
        overlap = self._window // OVERLAP
        encoded = self._tokenizer(
            text, truncation=True, max_length=self._window, stride=overlap, return_overflowing_tokens=True
        ).encodings
        for number, one in enumerate(encoded):
            places = np.flatnonzero(np.array(one.special_tokens_mask) == 0)
            # Of what two windows share, each has the half that it sees more of both sides of.
            first = overlap // 2 if number else 0
            last = len(places) - (overlap - overlap // 2 if number < len(encoded) - 1 else 0)
            own = places[first:last]
            spans = np.array(one.offsets, np.int64).reshape(-1, 2)[own]
            yield _Window(at, one.ids, one.type_ids, np.column_stack([own, spans]))

    def _labels(self, windows: Sequence[_Window]) -> list[Ints]:
        """Return for each window the labels of the pieces it decides on; those of like length go together."""
        out: list[Ints] = [np.zeros(0, np.int64)] * len(windows)
        order = sorted(range(len(windows)), key=lambda at: (len(windows[at].ids), at))
        for begin in range(0, len(order), self._batch):
            group = order[begin : begin + self._batch]
            best = self._best([windows[at] for at in group])
            for row, at in enumerate(group):
                out[at] = best[row][windows[at].places[:, 0]]
        return out

    def _best(self, windows: Sequence[_Window]) -> Ints:
        width = max(len(one.ids) for one in windows)
        rows = {"input_ids": [one.ids for one in windows], "token_type_ids": [one.types for one in windows]}
        rows["attention_mask"] = [[1] * len(one.ids) for one in windows]
        padding = {"input_ids": self._tokenizer.pad_token_id or 0}
        wanted = self._tokenizer.model_input_names
        inputs = {
            name: self._torch.tensor([row + [padding.get(name, 0)] * (width - len(row)) for row in values])
            for name, values in rows.items()
            if name in wanted
        }
        with self._torch.inference_mode():
            scores = self._model(**inputs).logits
            if not bool(self._torch.isfinite(scores).all()):
                raise NotesError("the model's scores are no numbers", hint="fetch the whole model again")
            best: Ints = scores.argmax(-1).numpy()
        return best


def _loaded(path: Path) -> tuple[Any, Any]:
    """Return model and tokenizer; NotesError for whatever keeps them from being whole."""
    torch: Any = import_module("torch")
    transformers: Any = import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path, **local)
        model, notes = transformers.AutoModelForTokenClassification.from_pretrained(
            path, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **local
        )
    # Whatever is wrong with the folder: the libraries raise all sorts of things, and some reach for a hub first.
    except Exception as error:  # noqa: BLE001
        raise _damaged(path, type(error).__name__) from None
    # The library fills in random numbers, and only warns.
    lacking = len(notes["missing_keys"]) + len(notes["mismatched_keys"])
    if lacking:
        raise _damaged(path, f"{lacking} of its tables are missing; was it trained to label words?")
    if not getattr(tokenizer, "is_fast", False):
        raise _damaged(path, "its tokenizer does not tell where a word stands")
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise _damaged(path, "its tokenizer belongs to another model")
    if not all(bool(torch.isfinite(values).all()) for values in model.parameters()):
        raise _damaged(path, "its weights are no numbers")
    return model.eval(), tokenizer


def _damaged(path: Path, reason: str) -> NotesError:
    return NotesError(
        f"the model in {path} cannot be used: {reason}", hint="fetch the whole model again, or take another"
    )


def _window_of(model: Any, tokenizer: Any, asked: int) -> int:
    """Return how many pieces, special ones among them, the model is shown at once."""
    positions = getattr(model.config, "max_position_embeddings", None) or asked
    if any(name in model.config.model_type for name in _POSITIONS_AFTER_PADDING):
        positions -= (getattr(model.config, "pad_token_id", None) or 0) + 1
    window = int(min(asked, positions, tokenizer.model_max_length))
    if window < _SMALLEST_WINDOW:
        raise NotesError(
            f"a window of {window} word pieces is too small", hint=f"it takes {_SMALLEST_WINDOW}, better 512"
        )
    return window


@contextmanager
def threads_of(torch: Any, threads: int) -> Iterator[None]:
    """Bound the threads of torch, which are the whole process's, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _joined(parts: Sequence[tuple[Ints, Ints]]) -> Pieces:
    places = np.concatenate([np.zeros((0, 3), np.int64), *(p for p, _ in parts)])
    labels = np.concatenate([np.zeros(0, np.int64), *(own for _, own in parts)])
    is_there = places[:, 1] < places[:, 2]
    return Pieces(places[is_there, 1], places[is_there, 2], labels[is_there])
