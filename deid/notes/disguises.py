"""Identifiers that are written apart, broken over lines, misread or spelled out, and how they would be written plainly.

Each finder is one cheap scan, cheaper still where it first looks for what every find of it holds (`..._INSIDE`); what
it yields is looked at closer only there. Nothing is decided here: a plain form is searched like any other text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from deid.notes.folding import Edit


@dataclass(frozen=True, slots=True, repr=False)
class Disguise:
    """Characters [start, end) of a folded text that may hide an identifier, and the edits that undo it."""

    start: int
    end: int
    edits: tuple[Edit, ...]


# S M I T H ,  J O H N and 1 2 3 - 4 5 - 6 7 8 9: single characters with one to three blanks between them.
_SPACED = re.compile(r"(?<!\S)(?:[(#]?\w[,.;:)]?|[\-/@.,:#])(?:[ \t]{1,3}(?:[(#]?\w[,.;:)]?|[\-/@.,:#])(?!\S)){3,}")
_GAP = re.compile(r"[ \t]+")
# S-M-I-T-H, j.o.h.n.d.o.e, 5_5_5_0_1_4_2: single characters with the same mark between them.
_MARKED_INSIDE = re.compile(r"[\-_.*~][^\W_][\-_.*~][^\W_][\-_.*~]")
_MARKED = re.compile(r"(?<![^\W_])[^\W_]([\-_.*~])[^\W_](?:\1[^\W_]){3,}(?![^\W_])")
_LEAST_LETTERS, _LEAST_NUMBERS, _LEAST_MIXED = 4, 5, 7

# The end of a line that broke a word or number: Hernan-/dez, 555-/0142, (617)/555-0142, 555/-0142. And a full line
# whose last word and the first of the next may belong together: John/Smith, March/14, 44/Larkspur.
_LINE_END = re.compile(r"\n[ \t]*(?=[\-/.]?[^\W_])")
_LAST_WORD = re.compile(r"(?:^|[\s(])\(?([A-Z\d][\w'\-./]*?)([,.)]?)$")
_LABEL_AHEAD = re.compile(r"[\w /]{0,30}:|\d{1,2}[.)][ \t]")
_FULL_LINE = 50
_LONGEST_WORD = 30
_ABBREVIATED = 4  # letters: Dr., Sept.

# O and l for 0 and 1 within what is mostly digits: 6l7-555-O142.
_MISREAD = re.compile(r"(?<![\w.])[(+]?(?:[\dOolISB][)\-./ ]{0,2}){6,24}(?!\w)")
_MISREAD_INSIDE = re.compile(r"\d(?:[OolISB]|(?<=[OolISB].))")
_DIGIT_OF = str.maketrans("OolISB", "001158")
_ODD = re.compile(r"(?<=\d)[OolISB]+|[OolISB]+(?=\d)")
_LEAST_DIGITS = 0.55
# 0 and 1 for o and i within a word: J0hn, WI11IAMS.
_LEETED = re.compile(
    r"(?<![\w.@/\-])(?:[A-Z][a-z]*[013457@$]+[a-z013457@$]*[a-z]|[A-Z]+[013457@$]+[A-Z013457@$]*[A-Z])(?!\w)"
)
_LEETED_INSIDE = re.compile(r"[013457@$](?<=[A-Za-z].)[013457@$]*[A-Za-z]")
_LETTER_OF = str.maketrans("013457@$", "oieastas")
_MOST_DIGITS = 0.4

# six one seven, five five five ...: a number as it is dictated.
_DIGIT_WORDS = {
    "zero": "0", "oh": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "dash": "-", "hyphen": "-", "double": "", "triple": "",
}  # fmt: skip
_WORD = f"(?:{'|'.join(_DIGIT_WORDS)})"
_DICTATED = re.compile(rf"\b(?=[zotfsendhZOTFSENDH])(?i:{_WORD}(?:(?:,? |-|, ?){_WORD}\b){{4,}})")
_LETTERS = re.compile(r"[A-Za-z]+")
# jane dot doe at example dot org: looked for where a word says `dot`.
_SAID_MARKS = {"dot": ".", "at": "@", "underscore": "_", "dash": "-", "hyphen": "-"}
_SAID_MARK = re.compile(r"[ (\[]{1,2}\b(dot|at|underscore|dash|hyphen)\b[ )\]]{1,2}", re.IGNORECASE)
_DOT = re.compile(r"[dD](?<!\w.)(?:ot|OT)\b")
_SAID_ADDRESS = re.compile(
    r"(?<![\w.])[\w.\-]{1,40}(?:[ (\[]{1,2}(?:dot|underscore|dash|hyphen)[ )\]]{1,2}[\w\-]{1,40}){0,4}"
    r"(?:@|[ (\[]{1,2}at[ )\]]{1,2})[\w\-]{1,40}(?:[ (\[]{1,2}dot[ )\]]{1,2}[\w\-]{1,40}){1,4}",
    re.IGNORECASE,
)
_TIMES = {"double": 2, "triple": 3}


# Jane<br>Doe, <b>D</b>oe, Jane\nDoe, Jane%20Doe: what markup, escapes and addresses leave of a blank.
_MARKUP = re.compile(
    r"(?:(?:</?[a-zA-Z][a-zA-Z0-9]{0,9}(?:[ \t\n][^<>]{0,200})?/?>|\\[nrt]|%20)[ \t\n]{0,4}){1,8}(?=[\w(&<\\%])"
)
_INLINE = re.compile(
    r"(?:</?(?:a|abbr|b|em|font|i|mark|small|span|strong|sub|sup|u)(?:[ \t\n][^<>]{0,200})?>)+", re.IGNORECASE
)
_BEFORE_MARKUP = re.compile(r"[\w.,;:)#'\-]")


def disguises(text: str) -> list[Disguise]:
    """Return what may be disguised in a folded `text`, in order and apart."""
    found = [*_spaced(text), *_marked(text), *_broken(text), *_misread(text), *_dictated(text)]
    found += [*_leeted(text), *_said(text), *_marked_up(text)]
    if not found:
        return []
    apart: list[Disguise] = []
    for one in sorted(found, key=lambda d: (d.start, -d.end)):
        if not apart or one.start >= apart[-1].end:
            apart.append(one)
    return apart


def _spaced(text: str) -> Iterator[Disguise]:
    for match in _SPACED.finditer(text):
        start, end = match.span()
        plain = "".join(c for c in match.group() if c.isalnum())
        least = _LEAST_LETTERS if plain.isalpha() else _LEAST_NUMBERS if plain.isdigit() else _LEAST_MIXED
        if len(plain) < least or _counts_up(match.group()):
            continue
        gaps = [gap.span() for gap in _GAP.finditer(text, start, end)]
        narrow = min(b - a for a, b in gaps)
        edits = []
        for a, b in gaps:
            beside_mark = not text[a - 1].isalnum() or not text[b].isalnum()
            # "J o h n S m i t h": where the case begins anew, so does a word.
            new_word = b - a > narrow or (text[a - 1].islower() and text[b].isupper())
            blank = text[a - 1] in ",;:" or (new_word and not beside_mark)
            edits.append(Edit(a, b, " " if blank else ""))
        yield Disguise(start, end, tuple(edits))


def _counts_up(run: str) -> bool:
    """Whether a run is a scale, as of pain: 0 1 2 3 4 5."""
    digits = run.split()
    return all(d.isdigit() for d in digits) and all(int(b) - int(a) == 1 for a, b in pairwise(digits))


def _marked(text: str) -> Iterator[Disguise]:
    if not _MARKED_INSIDE.search(text):
        return
    for match in _MARKED.finditer(text):
        start, end = match.span()
        yield Disguise(start, end, tuple(Edit(at, at + 1, "") for at in range(start + 1, end, 2)))


def _broken(text: str) -> Iterator[Disguise]:
    for match in _LINE_END.finditer(text):
        start, end = match.span()
        while start and text[start - 1] in " \t":
            start -= 1
        edit = _rejoined(text, start, end) if start > 1 else None
        if edit is not None:
            yield Disguise(edit.start, edit.end, (edit,))


def _marked_up(text: str) -> Iterator[Disguise]:
    if "<" not in text and "\\" not in text and "%20" not in text:
        return
    for match in _MARKUP.finditer(text):
        start, end = match.span()
        is_inline = _INLINE.fullmatch(match.group()) is not None
        if is_inline or _BEFORE_MARKUP.match(text, start - 1 if start else end):
            yield Disguise(start, end, (Edit(start, end, "" if is_inline else " "),))


def _rejoined(text: str, start: int, end: int) -> Edit | None:
    """Return how the line end [start, end) would be undone, None where it divides nothing."""
    mark, before, after = text[start - 1], text[start - 2], text[end]
    if mark == "-" and before.isalnum() and after.isalnum():
        # A hyphen that only broke the word goes; one that may belong to the name or number stays.
        only_broke = before.isalpha() and after.isalpha() and (after.islower() or before.isupper())
        return Edit(start - only_broke, end, "")
    if (mark in ")/" and before.isdigit() and after.isdigit()) or (mark.isdigit() and after in "-/."):
        return Edit(start, end, "")
    if (after.isupper() or after.isdigit()) and _is_wrapped(text, start, end):
        return Edit(start, end, " ")
    return None


def _is_wrapped(text: str, start: int, end: int) -> bool:
    line = text.rfind("\n", 0, start) + 1
    if start - line < _FULL_LINE or _LABEL_AHEAD.match(text, end):
        return False
    last = _LAST_WORD.search(text, max(line, start - _LONGEST_WORD), start)
    if last is None:
        return False
    return last[2] != "." or (last[1].isalpha() and len(last[1]) <= _ABBREVIATED)


def _misread(text: str) -> Iterator[Disguise]:
    if not _MISREAD_INSIDE.search(text):
        return
    for match in _MISREAD.finditer(text):
        run, start = match.group(), match.start()
        plain = [c for c in run if c.isalnum()]
        digits = sum(c.isdecimal() for c in plain)
        if digits == len(plain) or digits < _LEAST_DIGITS * len(plain):
            continue
        edits = [Edit(start + m.start(), start + m.end(), m.group().translate(_DIGIT_OF)) for m in _ODD.finditer(run)]
        if edits:
            yield Disguise(start, match.end(), tuple(edits))


def _leeted(text: str) -> Iterator[Disguise]:
    if not _LEETED_INSIDE.search(text):
        return
    for match in _LEETED.finditer(text):
        word, start = match.group(), match.start()
        odd = [(start + at, c) for at, c in enumerate(word) if not c.isalpha()]
        if len(word) - len(odd) < 3 or len(odd) > _MOST_DIGITS * len(word):
            continue
        letters = (c.translate(_LETTER_OF) for _, c in odd)
        edits = (Edit(at, at + 1, x.upper() if word.isupper() else x) for (at, _), x in zip(odd, letters, strict=True))
        yield Disguise(start, match.end(), tuple(edits))


def _dictated(text: str) -> Iterator[Disguise]:
    for match in _DICTATED.finditer(text):
        start, end = match.span()
        edits: list[Edit] = []
        last, times = start, 1
        for word in _LETTERS.finditer(text, start, end):
            said = word.group().lower()
            edits.append(Edit(last, word.end(), _DIGIT_WORDS[said] * times))
            times = _TIMES.get(said, 1)
            last = word.end()
        yield Disguise(start, end, tuple(edits))


def _said(text: str) -> Iterator[Disguise]:
    if not _DOT.search(text):
        return
    for match in _SAID_ADDRESS.finditer(text):
        marks = _SAID_MARK.finditer(text, *match.span())
        edits = (Edit(mark.start(), mark.end(), _SAID_MARKS[mark[1].lower()]) for mark in marks)
        yield Disguise(match.start(), match.end(), tuple(edits))
