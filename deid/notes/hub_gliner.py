"""A GLiNER model: spans for the labels that it is asked for, through its own package."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any

from deid.errors import NotesError
from deid.notes.hub_labels import NOTHING, Meaning, meanings
from deid.notes.hub_tokens import threads_of

# What a model that takes any label is asked for.
ASKED: dict[str, str] = {
    "person": "person_name",
    "doctor": "provider_name",
    "hospital": "facility_name",
    "organization": "unique_id",
    "street address": "street_address",
    "city": "city",
    "county": "county",
    "zip code": "zip_code",
    "date": "service_date",
    "phone number": "phone",
    "email address": "email",
    "url": "url",
    "medical record number": "mrn",
    "social security number": "ssn",
    "identification number": "unique_id",
    "license plate": "vehicle_id",
    "device serial number": "device_id",
}
THRESHOLD = 0.3  # below the package's 0.5: it is asked for a second opinion, and a miss costs more than a word
_SPECIAL = 8  # places that the model puts between and around what it is shown
_SMALLEST_ROOM = 16


class GlinerModel:
    """The model of a checked folder; `labels` are what it is asked for and the kinds they mean."""

    def __init__(self, path: Path, labels: Mapping[str, str] | None, *, batch: int, threads: int, window: int) -> None:
        self._torch: Any = import_module("torch")
        self._batch, self._threads = batch, threads
        self._asked = list(labels or ASKED)
        self.meanings = meanings([*self._asked, NOTHING], labels or ASKED)
        self._means = dict(zip(self._asked, self.meanings, strict=False))
        self._model = _loaded(path)
        self._tokenizer: Any = self._model.data_processor.transformer_tokenizer
        # Its package cuts off what is too long without a word; here, nothing is.
        self._tokenizer.model_max_length = 1 << 30
        encoder = self._model.config.encoder_config
        positions = min(window, getattr(encoder, "max_position_embeddings", None) or window)
        # For each label asked for there is one mark more.
        self._room = positions - sum(self._lengths([word for one in self._asked for word in one.split()]))
        self._room -= len(self._asked) + _SPECIAL
        self._most_words = int(self._model.config.max_len)
        if min(self._room, self._most_words) < _SMALLEST_ROOM:
            raise NotesError(
                f"{len(self._asked)} labels leave no room for the text in a window of {positions} word pieces",
                hint="ask for fewer labels",
            )

    def labeled(self, texts: Sequence[str]) -> list[list[tuple[int, int, Meaning]]]:
        """Return (start, end, meaning) in each text; what two windows share is what either finds."""
        places = [(at, begin, end) for at, text in enumerate(texts) for begin, end in self._windows(text)]
        out: list[list[tuple[int, int, Meaning]]] = [[] for _ in texts]
        with threads_of(self._torch, self._threads), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote the text
            found = self._model.inference(
                [texts[at][begin:end] for at, begin, end in places],
                self._asked,
                threshold=THRESHOLD,
                batch_size=self._batch,
            )
        for (at, begin, _), spans in zip(places, found, strict=True):
            for span in spans:
                meaning = self._means[span["label"]]
                if meaning is not None:
                    out[at].append((begin + span["start"], begin + span["end"], meaning))
        return out

    def _windows(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield windows of whole words that the model has room for, each a quarter into the one before."""
        words = [(start, end) for _, start, end in self._model.data_processor.words_splitter(text)]
        lengths = self._lengths([text[start:end] for start, end in words])
        if max(lengths, default=0) > self._room:
            raise NotesError("a word is longer than the model's window", hint="search the note without the model")
        taken = list(accumulate(lengths, initial=0))
        first = 0
        while first < len(words):
            last = first + 1
            while (
                last < len(words) and last - first < self._most_words and taken[last + 1] - taken[first] <= self._room
            ):
                last += 1
            yield words[first][0], words[last - 1][1]
            if last == len(words):
                return
            first = max(last - (last - first) // 4, first + 1)

    def _lengths(self, words: Sequence[str]) -> list[int]:
        """Return how many pieces each word has; no word has fewer than one."""
        if not words:
            return []
        ids = self._tokenizer(list(words), add_special_tokens=False)["input_ids"]
        return [max(len(own), 1) for own in ids]


def _loaded(path: Path) -> Any:
    gliner: Any = import_module("gliner")
    transformers: Any = import_module("transformers")
    transformers.utils.logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = gliner.GLiNER.from_pretrained(str(path), local_files_only=True, map_location="cpu", strict=True)
        return model.to(import_module("torch").float32).eval()
    # Whatever is wrong with the folder: the libraries raise all sorts of things.
    except Exception as error:  # noqa: BLE001
        raise NotesError(
            f"the model in {path} cannot be used: {type(error).__name__}", hint="fetch the whole model again"
        ) from None
