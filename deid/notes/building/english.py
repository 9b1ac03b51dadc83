"""How common a word is in ordinary English: counts of our own over texts that anybody may use.

Only words in lower case are counted, so that names are not taken for words.
"""

from __future__ import annotations

import gzip
import html
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from deid.notes.building.inputs import Inputs

_WORD = re.compile(r"(?<![\w'@/\\.<&_-])[a-z]+(?![\w@/\\_])")
_TAG = re.compile(r"<(script|style|pre|code)\b.*?</\1>|<[^<>]*>", re.DOTALL)
_GLOSS = re.compile(r"\| (.*)")
_PRINTED = re.compile(rb"[\x20-\x7e]{20,}")
_DOCSTRING = re.compile(r'"""(.+?)"""', re.DOTALL)
_ROLE = re.compile(r":[a-z:]+:`[^`]*`|``[^`]*``|^\s*\.\. .*$|^ {4,}.*$", re.MULTILINE)


def count_words(text: str) -> Counter[str]:
    """Return the words of a text that are written in lower case throughout, with how often."""
    return Counter(_WORD.findall(text))


def read_english(inputs: Inputs) -> dict[str, Counter[str]]:
    """Return counts of words by text."""
    return {name: sum((count_words(t) for t in read(inputs)), Counter()) for name, read in _TEXTS.items()}


def read_tiers(inputs: Inputs) -> dict[str, int]:
    """Return the size of the smallest of SCOWL's lists that has a word: 10 for the most common, 70 for rare ones.

    Its still larger lists hold obsolete words, and many that are rather names.
    """
    tiers: dict[str, int] = {}
    for path, content in inputs.debian("scowl", "usr/share/dict/scowl/"):
        name, _, size = path.rpartition("/")[2].rpartition(".")
        if name in _LISTS and int(size) in _TIERS:
            for word in content.decode("latin-1").split():
                if word.isascii() and word.isalpha() and word.islower():
                    tiers[word] = min(int(size), tiers.get(word, 99))
    return tiers


def frequencies(counts: Mapping[str, Counter[str]], tiers: Mapping[str, int]) -> dict[str, float]:
    """Return words of English with how many of a million words they are.

    The weighted mean of the shares in each text, so that none rules, drawn to what the word's tier is worth. Words of
    no tier are those of a trade or misspelled, but for what stands before an apostrophe.
    """
    totals = {name: counted.total() for name, counted in counts.items()}
    weights = sum(_WEIGHTS[name] for name in counts)
    found = {}
    for word, tier in {**dict.fromkeys(_BEFORE_APOSTROPHE, 20), **tiers}.items():
        seen = sum(1e6 * counted[word] / totals[name] * _WEIGHTS[name] for name, counted in counts.items())
        found[word] = (2 * seen / weights + _TIERS[tier]) / 3
    return found


_LISTS = ("english-words", "american-words", "british-words")
# Words in a million, by tier of SCOWL: the mean of what words of that tier have in the texts, without the very common.
_TIERS = {10: 60.0, 20: 14.0, 35: 2.0, 40: 1.6, 50: 0.5, 55: 0.2, 60: 0.2, 70: 0.08}
_BEFORE_APOSTROPHE = (
    "aren", "couldn", "didn", "doesn", "don", "hadn", "hasn", "haven", "isn", "ll", "re", "shouldn", "ve", "wasn",
    "weren", "wouldn", "etc",
)  # fmt: skip


def _wordnet(inputs: Inputs) -> Iterator[str]:
    for _, content in inputs.debian("wordnet-base", "usr/share/wordnet/data."):
        yield " ".join(_GLOSS.findall(content.decode("latin-1")))


def _austen(inputs: Inputs) -> Iterator[str]:
    """Yield the six novels of Jane Austen out of R's file of lazily loaded data."""
    for _, content in inputs.debian("r-cran-janeaustenr", "usr/lib/R/", ("Rdata.rdb",)):
        yield _unpacked(content)


def _unpacked(content: bytes) -> str:
    """Return the printed text of all streams of zlib in a file, one after the other."""
    parts, at = [], 0
    while (at := content.find(b"\x78", at)) >= 0:
        stream = zlib.decompressobj()
        try:
            parts.append(stream.decompress(content[at:]))
            at = len(content) - len(stream.unused_data)
        except zlib.error:
            at += 1
    return " ".join(run.decode("ascii") for part in parts for run in _PRINTED.findall(part))


def _dictionary(package: str) -> Callable[[Inputs], Iterator[str]]:
    def read(inputs: Inputs) -> Iterator[str]:
        for _, content in inputs.debian(package, "usr/share/dictd/", (".dict.dz",)):
            yield gzip.decompress(content).decode("utf-8", "replace")

    return read


def _postgresql(inputs: Inputs) -> Iterator[str]:
    for _, content in inputs.debian("postgresql-doc-15", "usr/share/doc/", (".html",)):
        yield html.unescape(_TAG.sub(" ", content.decode("utf-8", "replace")))


def _python(inputs: Inputs) -> Iterator[str]:
    for package in ("libpython3.11-minimal", "libpython3.11-stdlib"):
        for _, content in inputs.debian(package, "usr/lib/python3.11/", (".py",)):
            yield "\n".join(_DOCSTRING.findall(content.decode("utf-8", "replace")))


def _manual(inputs: Inputs) -> Iterator[str]:
    for _, content in inputs.debian("python3.11-doc", "usr/share/doc/python3.11/html/_sources/", (".rst.txt",)):
        yield _ROLE.sub(" ", content.decode("utf-8", "replace"))


_TEXTS: dict[str, Callable[[Inputs], Iterator[str]]] = {
    "wordnet": _wordnet,
    "austen": _austen,
    "jargon": _dictionary("dict-jargon"),
    "devil": _dictionary("dict-devil"),
    "postgresql": _postgresql,
    "python": _python,
    "manual": _manual,
}
# Manuals of software count little: their words are those of a trade.
_WEIGHTS = {
    "wordnet": 4.0, "austen": 2.0, "jargon": 1.0, "devil": 1.0, "postgresql": 0.4, "python": 0.2, "manual": 0.4,
}  # fmt: skip
