"""Where the identifiers of a note are: the patient's own first, then patterns, then the network; one list of spans.

Notes are searched in batches: patterns and network run over several notes as over one text, with marks between them
that no find crosses, so that the spans of a note are the same alone and among others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from threadpoolctl import ThreadpoolController

from deid.errors import NotesError
from deid.notes.collapsing import windows
from deid.notes.folding import fold
from deid.notes.hub_folder import checked
from deid.notes.merging import merged
from deid.notes.patterns import find
from deid.notes.span import Find, Span
from deid.notes.tagger import Tagger
from deid.sealing.closing import Closing

if TYPE_CHECKING:
    from deid.notes.hub import HubTagger
    from deid.notes.pool import Pool

__all__ = ["Detector", "Known", "Note", "merged"]

BATCH_CHARACTERS = 30_000
# What a note costs beside its characters, so that a batch of many short ones is bounded too.
_NOTE_CHARACTERS = 60
_PLAIN = "The patient is well."
_BETWEEN = "\n\x00\n"  # the mark in it stands in no folded text


class Known(Protocol):
    """What is asked of a patient's identifiers: where they stand in a text, and what they are."""

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """Pairs of kind name and text."""
        ...

    @property
    def on(self) -> date | None:
        """The day that tells who is over 89, None for today."""
        ...

    def find(self, text: str) -> list[Span]:
        """Return where they stand in `text`."""
        ...


Note = tuple[str, Known | None]


class Detector(Closing):
    """Known identifiers, patterns and the network; the network is loaded with the first note.

    `strict` asks less of a word before it is removed. `hub` is a folder with a model of other people's making, whose
    finds join the others (deid.notes.hub); NotesError where it cannot be used. `processes` above 1 starts as many
    workers at the first search; `close` ends them, and so does leaving a `with` block.
    """

    def __init__(self, *, strict: bool = False, processes: int = 1, hub: Path | None = None) -> None:
        if processes < 1:
            raise ValueError("there is no search without a process: processes must be 1 or more")
        if hub is not None:
            checked(hub)
        self.strict, self.processes, self.hub = strict, processes, hub
        self._second: HubTagger | None = None
        self._tagger: Tagger | None = None
        self._blas: ThreadpoolController | None = None
        self._pool: Pool | None = None
        self._is_sound = False

    def load(self) -> None:
        """Load the network and search one plain sentence; NotesError when that does not work.

        A fault of the installation is told at once, and not as so many notes that could not be searched.
        """
        if self._is_sound:
            return
        try:
            self.search([(_PLAIN, None)])
        except NotesError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no search; its text could quote a note
            raise NotesError(
                f"the search of notes does not work: {type(error).__name__}", hint="install deid again"
            ) from None
        self._is_sound = True

    def _loaded(self) -> tuple[Tagger, ThreadpoolController]:
        if self._tagger is None or self._blas is None:
            self._tagger, self._blas = Tagger(strict=self.strict), ThreadpoolController()
        return self._tagger, self._blas

    def _second_opinion(self, texts: Sequence[str]) -> list[list[Span]]:
        if self.hub is None:
            return [[] for _ in texts]
        if self._second is None:
            from deid.notes.hub import HubTagger  # noqa: PLC0415 - only where it is asked for

            self._second = HubTagger(self.hub)
        return self._second.tag(texts)

    def close(self) -> None:
        """End the workers, if there are any; a later search starts new ones."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def detect(self, texts: Sequence[str], known: Sequence[Known | None]) -> list[list[Span]]:
        """Return the spans of each text, in order and without overlaps; `known` has one entry for each text.

        Offsets count code points of the text as it came. Raises NotesError when one of them could not be searched.
        """
        found = list(self.each(zip(texts, known, strict=True)))
        failed = sum(spans is None for spans in found)
        if failed:
            raise NotesError(
                f"{failed:,} of {len(found):,} notes could not be searched",
                hint="search them one by one with `Detector.each`, and withhold those without an answer",
            )
        return [spans for spans in found if spans is not None]

    def each(self, notes: Iterable[Note]) -> Iterator[list[Span] | None]:
        """Yield the spans of each note as `detect` does, None where its search failed; a few batches are held at once.

        A note that fails takes no other with it. What went wrong is dropped: its text, and its locals, quote the note.
        """
        if self.processes == 1:
            self.load()
            for batch in batches(notes):
                yield from self.searched(batch)
            return
        if self._pool is None:
            from deid.notes.pool import Pool  # noqa: PLC0415 - only where there are workers

            self._pool = Pool(self.processes, strict=self.strict, hub=self.hub)
        yield from self._pool.each(batches(notes))

    def searched(self, batch: Sequence[Note]) -> list[list[Span] | None]:
        """Return the spans of each note of a batch, None for one that failed, alone, after the batch failed."""
        try:
            return list(self.search(batch))
        except Exception:  # noqa: BLE001 - any fault at all means that the note has no answer
            if len(batch) == 1:
                return [None]
        return [self.searched([note])[0] for note in batch]

    def search(self, batch: Sequence[Note]) -> list[list[Span]]:
        """Return the spans of each note of one batch, in this process; raise whatever a part raises."""
        folded = [fold(text) for text, _ in batch]
        views = [windows(one.text) for one in folded]
        # Windows are read like notes of their own: one run of patterns and network serves all.
        found = iter(self._recognized([*(one.text for one in folded), *(w.text for own in views for w in own)]))
        plain = [next(found) for _ in folded]
        others = self._second_opinion([one.text for one in folded])
        out = []
        for (text, own), one, seen, other, view in zip(batch, folded, plain, others, views, strict=True):
            spans = [*seen, *other]
            for window in view:
                disguised = next(found) + (own.find(window.text) if own is not None else [])
                spans += window.back(disguised)
            known = own.find(text) if own is not None else []
            out.append(merged([*known, *(_placed(span, *one.back(span.start, span.end)) for span in spans)]))
        return out

    def _recognized(self, texts: Sequence[str]) -> list[list[Span]]:
        """Return what patterns and network find in each folded text."""
        finds = found_by_patterns(texts)
        tagger, blas = self._loaded()
        # The matrices are small: with several threads each waits for the others longer than it multiplies.
        with blas.limit(limits=1, user_api="blas"):
            tagged = tagger.tag(texts, finds)
        return [
            [*(Span(f.start, f.end, f.kind, f.rule) for f in own if f.sure), *spans]
            for own, spans in zip(finds, tagged, strict=True)
        ]


def found_by_patterns(texts: Sequence[str]) -> list[list[Find]]:
    """Return what patterns find in each folded text, searched as one; offsets are those of each text."""
    starts = list(accumulate((len(text) + len(_BETWEEN) for text in texts), initial=len(_BETWEEN)))[:-1]
    out: list[list[Find]] = [[] for _ in texts]
    for one in find(_BETWEEN + _BETWEEN.join(texts) + _BETWEEN):
        at = max(bisect_right(starts, one.start) - 1, 0)
        start, end = one.start - starts[at], one.end - starts[at]
        if start < 0 or end > len(texts[at]):
            # It reaches over a mark: what it hides is found when each text is searched by itself.
            return [_clipped(find(_BETWEEN + text + _BETWEEN), len(text)) for text in texts]
        out[at].append(replace(one, start=start, end=end))
    return out


def _clipped(finds: Iterable[Find], length: int) -> list[Find]:
    before = len(_BETWEEN)
    moved = (replace(f, start=max(f.start - before, 0), end=min(f.end - before, length)) for f in finds)
    return [f for f in moved if f.start < f.end]


def _placed(span: Span, start: int, end: int) -> Span:
    return span if (start, end) == (span.start, span.end) else Span(start, end, span.kind, span.rule)


def batches(notes: Iterable[Note]) -> Iterator[list[Note]]:
    """Yield notes in batches of about BATCH_CHARACTERS; a longer note is a batch of its own."""
    batch: list[Note] = []
    size = 0
    for note in notes:
        cost = len(note[0]) + _NOTE_CHARACTERS
        if batch and size + cost > BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
        batch.append(note)
        size += cost
    if batch:
        yield batch
