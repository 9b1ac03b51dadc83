"""Names, places, facilities and odd identifiers, by two networks: from folded texts and pattern marks to spans.

Texts of one batch are read as one run of tokens, with separators between them that let nothing pass: a note's spans are
the same alone and among others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from deid.errors import NotesError
from deid.notes.convolution import Floats
from deid.notes.decoding import STRICT, Flags, Ints, Role, Settings, chosen_tokens, complete, role, weighed
from deid.notes.features import SEPARATOR, UNKNOWN_WORDS, Features
from deid.notes.kinds_of_spans import kind_of
from deid.notes.lists import Lists, load
from deid.notes.network import CLASSES, Network, average, shipped
from deid.notes.patterns.ages import is_temperature
from deid.notes.span import Find, Span
from deid.notes.tokens import bounds, split

_NAME = CLASSES.index("NAME")
_AT_ONCE = 1_024  # tokens whose vectors are summed at once
KNOWN_TOKENS = 300_000  # distinct tokens whose vectors are kept; they are text of notes, and memory


class _Known(dict[str, int]):
    """Distinct tokens of this run: summed vectors, and what each is to the decoder."""

    def __init__(self, networks: Sequence[Network], features: Features) -> None:
        super().__init__()
        self._networks, self._features = networks, features
        self.vectors = np.zeros((1 << 14, sum(network.vectors.shape[1] for network in networks)), np.float32)
        self.roles = np.zeros(1 << 14, np.int8)

    def numbers(self, tokens: Sequence[str]) -> Ints:
        """Return the number of each token; those not met before get one."""
        self._add([token for token in dict.fromkeys(tokens) if token not in self])
        return np.fromiter(map(self.__getitem__, tokens), np.int64, len(tokens))

    def _add(self, tokens: Sequence[str]) -> None:
        first, last = len(self), len(self) + len(tokens)
        while last > len(self.roles):
            self.vectors = np.concatenate([self.vectors, np.zeros_like(self.vectors)])
            self.roles = np.concatenate([self.roles, np.zeros_like(self.roles)])
        for at in range(0, len(tokens), _AT_ONCE):
            some = tokens[at : at + _AT_ONCE]
            columns = self._features.rows(some).T
            into = slice(first + at, first + at + len(some))
            self.vectors[into] = np.concatenate([_summed(n.vectors, columns) for n in self._networks], axis=1)
        self.roles[first:last] = [role(token, self._features.lists) for token in tokens]
        self.update(zip(tokens, range(first, last), strict=True))

    def __repr__(self) -> str:
        return f"_Known(<{len(self)} tokens>)"


def _summed(vectors: Floats, columns: Ints) -> Floats:
    """Return the sums of rows of `vectors`, one for each of `columns` (features, tokens)."""
    total: Floats = vectors[columns[0]]
    for rows in columns[1:]:
        total += np.take(vectors, rows, axis=0)
    return total


@dataclass(slots=True, repr=False)
class Tagger:
    """Finds identifiers by the network; `strict` asks less of a token before it is removed."""

    strict: bool = False
    networks: tuple[Network, ...] = field(default_factory=shipped)
    lists: Lists = field(default_factory=load)
    settings: Settings | None = None
    _known: _Known = field(init=False)

    def __post_init__(self) -> None:
        if len({network.words for network in self.networks}) != 1:
            raise NotesError("the networks for notes number their words differently", hint="install deid again")
        self._known = self._fresh()

    def tag(self, texts: Sequence[str], finds: Sequence[Sequence[Find]]) -> list[list[Span]]:
        """Return the spans of each folded text, in order and without overlaps; `finds` are the patterns' of each."""
        batch = self._read(texts, finds)
        return self.decode(batch, self.probabilities(batch))

    def _fresh(self) -> _Known:
        words = {word: UNKNOWN_WORDS + at for at, word in enumerate(self.networks[0].words)}
        return _Known(self.networks, Features(self.lists, words))

    def _read(self, texts: Sequence[str], finds: Sequence[Sequence[Find]]) -> Batch:
        if len(self._known) > KNOWN_TOKENS:
            self._known = self._fresh()
        apart = max(network.apart for network in self.networks)
        tokens, bases, at = [SEPARATOR] * apart, [], apart
        for text in texts:
            tokens += split(text.replace(SEPARATOR, " "))
            tokens += [SEPARATOR] * apart
            bases.append(at)
            at += len(text) + apart
        marks = np.zeros(at, np.int8)
        for base, found in zip(bases, finds, strict=True):
            for one in found:
                marks[base + one.start : base + one.end] = one.mark
        numbers = self._known.numbers(tokens)
        starts, ends = bounds(tokens)
        return Batch(texts, tokens, numbers, starts, ends, marks[ends - 1], np.array(bases, np.int64))

    def probabilities(self, batch: Batch) -> Floats:
        """Return the probability of each class for each token of a batch."""
        is_text = batch.numbers != self._known[SEPARATOR]
        return average(self.networks, self._known.vectors, batch.numbers, batch.marks, is_text)

    def decode(self, batch: Batch, probabilities: Floats) -> list[list[Span]]:
        """Return the spans that follow from the probabilities."""
        settings = self.settings or (STRICT if self.strict else Settings())
        roles = self._known.roles[batch.numbers]
        best = probabilities[:, 1:].argmax(axis=1) + 1
        removed = weighed(1 - probabilities[:, 0], batch.documents(), len(batch.texts), settings)
        chosen = chosen_tokens(removed, roles, settings)
        complete(chosen, best, roles)
        certain = (
            chosen
            & (probabilities[:, _NAME] > settings.repeated)
            & ((roles == Role.NAME_SHAPED) | (roles == Role.UNLISTED))
        )
        repeated = self._repeated(batch, certain, chosen)
        best[repeated] = _NAME
        return batch.spans(np.flatnonzero(chosen | repeated), best, repeated)

    def _repeated(self, batch: Batch, certain: Flags, chosen: Flags) -> Flags:
        """Return the tokens that are a name found surely elsewhere in the same document, written the same way."""
        again = np.zeros(len(chosen), np.bool_)
        sure = np.flatnonzero(certain)
        if not len(sure):
            return again
        words = [batch.tokens[at].strip() for at in sure.tolist()]
        names = set(zip(batch.documents(sure).tolist(), words, strict=True))
        alike = self._known.numbers([form for word in dict.fromkeys(words) for form in (word, " " + word)])
        flags = np.zeros(len(self._known), np.bool_)
        flags[alike] = True
        places = np.flatnonzero(flags[batch.numbers] & ~chosen)
        for at, document in zip(places.tolist(), batch.documents(places).tolist(), strict=True):
            again[at] = (document, batch.tokens[at].strip()) in names
        return again


@dataclass(frozen=True, slots=True, repr=False)
class Batch:
    """Several texts as one run of tokens, with where each starts, ends and what pattern mark it has; shape (n,).

    Offsets are those of the texts joined by separators; `bases` is where each text begins in it.
    """

    texts: Sequence[str]
    tokens: list[str]
    numbers: Ints
    starts: Ints
    ends: Ints
    marks: npt.NDArray[np.int8]
    bases: Ints

    def documents(self, places: Ints | slice = slice(None)) -> Ints:
        """Return the text that each of these tokens is of, or follows; 0 before the first."""
        return np.maximum(np.searchsorted(self.bases, self.starts[places], side="right") - 1, 0)

    def spans(self, removed: Ints, best: Ints, repeated: Flags) -> list[list[Span]]:
        """Return the spans of each text: removed tokens of one class that follow each other on a line are one."""
        out: list[list[Span]] = [[] for _ in self.texts]
        if not len(removed):
            return out
        found = best[removed]
        first = np.flatnonzero(np.append(True, (np.diff(removed) != 1) | (np.diff(found) != 0)))
        last = np.append(first[1:], len(removed)) - 1
        documents = self.documents(removed[first])
        bases = self.bases[documents]
        starts, ends = self.starts[removed[first]] - bases, self.ends[removed[last]] - bases
        arrays = (documents, starts, ends, found[first], repeated[removed[first]])
        for document, start, end, number, is_repeated in zip(*(each.tolist() for each in arrays), strict=True):
            name = CLASSES[number]
            if name == "AGE" and is_temperature(self.texts[document], start, end):
                continue
            rule = "repeat:name" if is_repeated else f"network:{name.lower()}"
            out[document].append(Span(start, end, kind_of(name, self.texts[document][start:end]), rule))
        return out
