"""Models of the model hub, from a folder of this machine: a second opinion on where identifiers are.

Nothing is fetched, no code of a model's is run and no pickle is opened. What is loaded is set off line for the whole
process: HF_HUB_OFFLINE and its like are put into the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from deid.notes.hub_folder import Sort, checked
from deid.notes.hub_gliner import GlinerModel
from deid.notes.hub_labels import Meaning, kind_in, kinds_of, meanings
from deid.notes.hub_tokens import Pieces, TokenModel
from deid.notes.merging import merged
from deid.notes.span import Span

WINDOW = 512
CHARACTERS_AT_ONCE = 200_000
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "TOKENIZERS_PARALLELISM": "false",  # it would take every core there is
}


class _Labels(Protocol):
    """What gives labeled stretches of texts."""

    @property
    def meanings(self) -> Sequence[Meaning | None]:
        """What its labels mean."""
        ...

    def labeled(self, texts: Sequence[str]) -> list[list[tuple[int, int, Meaning]]]:
        """Return (start, end, meaning) in each text."""
        ...


class HubTagger:
    """Finds what a model of other people's making takes for identifiers.

    Args:
        path: a folder with a token-classification model (`config.json`, a tokenizer, safetensors), or a GLiNER model
            as `save_pretrained` of its package writes it.
        labels: kinds of deid/kinds.py for labels of the model, before the table of deid/notes/hub_labels.py; "O" for
            what is no identifier. For GLiNER these are the labels it is asked for.
        batch: how many windows go through the model at once.
        threads: how many threads multiply.
        window: word pieces in a window, at most; fewer where the model has room for fewer.

    Raises NotesError when the extra is not installed, or the folder is not whole, has pickled weights or code. The
    same texts give the same spans on the same machine; what else is in a batch may move a score by its last bits.
    """

    def __init__(
        self,
        path: Path,
        *,
        labels: Mapping[str, str] | None = None,
        batch: int = 8,
        threads: int = 1,
        window: int = WINDOW,
    ) -> None:
        if batch < 1 or threads < 1:
            raise ValueError("batch and threads must be 1 or more")
        folder = checked(path)
        os.environ.update(_OFFLINE)
        self._model: _Labels
        if folder.sort is Sort.GLINER:
            self._model = GlinerModel(folder.path, labels, batch=batch, threads=threads, window=window)
        else:
            self._model = _Tokens(TokenModel(folder.path, batch=batch, threads=threads, window=window), labels)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that its spans can be of."""
        return frozenset(kind for meaning in self._model.meanings if meaning for kind in kinds_of(meaning))

    def tag(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return the spans of each text, in order, without overlaps, of whole words; rules are `hub:<label>`."""
        out: list[list[Span]] = []
        for group in _groups(texts):
            found = self._model.labeled(group)
            out += [spans_of(text, own) for text, own in zip(group, found, strict=True)]
        return out


class _Tokens:
    """A token-classification model, and what its labels mean."""

    def __init__(self, model: TokenModel, labels: Mapping[str, str] | None) -> None:
        self._model = model
        self.meanings: Sequence[Meaning | None] = meanings(model.labels, labels)
        self._means = np.array([meaning is not None for meaning in self.meanings])

    def labeled(self, texts: Sequence[str]) -> list[list[tuple[int, int, Meaning]]]:
        return [self._stretches(pieces) for pieces in self._model.pieces(texts)]

    def _stretches(self, pieces: Pieces) -> list[tuple[int, int, Meaning]]:
        """Join neighboring pieces of one name; a piece that begins a span does so only behind a gap.

        Models label the later pieces of a word carelessly: inside of a word nothing begins.
        """
        out: list[tuple[int, int, Meaning]] = []
        last = -2
        for at in np.flatnonzero(self._means[pieces.labels]).tolist():
            meaning = self.meanings[int(pieces.labels[at])]
            assert meaning is not None
            start, end = int(pieces.starts[at]), int(pieces.ends[at])
            if out and last == at - 1 and out[-1][2].name == meaning.name:
                begun, ended, first = out[-1]
                if not (meaning.begins and start > ended):
                    out[-1] = (begun, max(end, ended), first)
                    last = at
                    continue
            out.append((start, end, meaning))
            last = at
        return out


def spans_of(text: str, labeled: Sequence[tuple[int, int, Meaning]]) -> list[Span]:
    """Return spans of whole words without white space at their ends; half a name is a name still."""
    spans = []
    reached = 0
    for begun, ended, meaning in sorted(labeled, key=lambda one: one[:2]):
        start, end = begun, ended
        while start < end and text[start].isspace():
            start += 1
        while end > start and text[end - 1].isspace():
            end -= 1
        if start >= end or end <= reached:
            continue
        # No word is walked over twice, however many finds are in it.
        while start > reached and text[start - 1].isalnum() and text[start].isalnum():
            start -= 1
        while end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
            end += 1
        kind = kind_in(meaning, text[start:end])
        if kind is not None:
            spans.append(Span(start, end, kind, meaning.rule))
            reached = end
    return merged(spans)


def _groups(texts: Sequence[str]) -> list[Sequence[str]]:
    """Return texts in groups of a bounded number of characters."""
    out: list[Sequence[str]] = []
    begin = size = 0
    for at, text in enumerate(texts):
        if at > begin and size + len(text) > CHARACTERS_AT_ONCE:
            out.append(texts[begin:at])
            begin, size = at, 0
        size += len(text)
    if begin < len(texts):
        out.append(texts[begin:])
    return out
