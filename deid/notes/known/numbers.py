"""Numbers and codes of the record in any punctuation: broken over lines, misread, without area code, by their end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from deid.notes.folding import fold
from deid.notes.known.kinds import ENDING_KINDS, PHONE_KINDS, WRITTEN_KINDS, ZIP_KINDS
from deid.notes.known.phrases import Phrases
from deid.notes.known.reading import Reading, read, runs_of, split
from deid.notes.span import Span

_NARROW = frozenset({"", "-", " ", "."})
_WIDE = 12  # characters that may stand between two runs of a number of seven digits and more, a line's end among them
_COUNTRY = re.compile(r"(?:\+[1-9]\d{0,2}[\s.\-]{0,2}|(?<!\d)1[\s.\-]{0,2})?\(?$")
_EXTENSION = re.compile(r"[ \t]*,?[ \t]*(?:x|ext(?:ension|n)?|#)[ \t.:#]*\d{1,6}(?!\w)", re.IGNORECASE)
_PLUS_FOUR = re.compile(r"[ \t]?-[ \t]?\d{4}(?!\d)")
_VALUE_EXTENSION = re.compile(r"(?:x|ext\.?|extension|#)[ \t]*\d{1,6}[ \t]*$", re.IGNORECASE)
_ENDING = re.compile(
    r"(?:(?:[x*#•.]{2,}[ \t\-.]{0,2})+|\bx|\b(?:end(?:s|ing|ed)?(?: in| with)?|last (?:four|4|digits)(?: digits)?"
    r"(?: of)?(?: (?:the|her|his|their))?(?: (?:ssn|ss|social|phone|account|card|mrn|member id|id|number|cell))*"
    r"(?: (?:is|are|was|were|number))?|ss[n#]?#?|social)[ \t:#=\"'(\-]{0,4})$"
)
_LABEL = re.compile(r"(?:#|\b(?:mrn|id|ids|no|num|number|acct|account|member|chart|record|case|claim|code|visit|enc|"
                    r"encounter|precinct|tract|county|provider|unit|serial|sn|lic|license|plate|policy|group|patient|pt))"
                    r"[ \t.:#=\-]{0,4}$")  # fmt: skip
_MISREAD = str.maketrans("oilsbzg", "0115826")
_MAY_BE_MISREAD = re.compile(r"(?<![0-9oilsbzg])[0-9oilsbzg](?:[\s().\-/]{0,3}[0-9oilsbzg]){5,40}")
_DIGIT = re.compile(r"[0-9]")
_LETTER = re.compile(r"[a-z]")


class Code(NamedTuple):
    """What is looked for: letters and digits in lower case; how many marks may stand between its runs, 0 for one."""

    target: str
    kind: str
    gap: int
    labeled: bool  # found only behind a word that says what it is

    def __repr__(self) -> str:
        """Return nothing of the record: reprs end up in logs and tracebacks."""
        return "Code()"


class Numbers:
    """All numbers and codes of one record, by the runs that they can begin with."""

    __slots__ = ("_endings", "_misread", "_starts", "phrases")

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        self.phrases = Phrases()
        self._starts: dict[str, list[Code]] = {}
        self._misread: dict[str, list[Code]] = {}
        self._endings: dict[str, str] = {}
        for kind, value in values:
            self._add(kind, value)

    def wanted(self, distinct: AbstractSet[str]) -> set[str]:
        """Return those of the distinct runs of a text that can begin a number."""
        starts = self._starts
        found = {word for word in distinct if (word[:2] if word[0] <= "9" else word) in starts}
        found |= {word for word in distinct if word[0] == "0" and word.lstrip("0")[:2] in starts}
        found |= {word for word in distinct if word in self._endings or word in self.phrases}
        return found

    def at(self, reading: Reading, at: int) -> Iterator[Span]:
        """Yield the numbers that stand at run `at`."""
        word = reading.words[at]
        for found in self._matches(self._starts, reading, at, "known:number"):
            yield _extended(reading.plain, found)
        if word in self._endings:
            before = _ENDING.search(reading.lower, max(0, reading.starts[at] - 60), reading.starts[at])
            if before is not None:
                mask = len(reading.lower[before.start() : reading.starts[at]].lstrip("x*#•.- \t")) == 0
                start = before.start() if mask else reading.starts[at]
                yield Span(start, reading.ends[at], self._endings[word], "known:last_four")
        found_phrase = self.phrases.longest(reading, reading.words, at)
        if found_phrase is not None:
            phrase, length = found_phrase
            yield Span(reading.starts[at], reading.ends[at + length - 1], phrase.kind, phrase.rule)

    def misread_in(self, plain: str, lower: str) -> Iterator[Span]:
        """Yield the numbers of six digits and more in which letters stand for digits: `4l7-555-O142`."""
        if not self._misread:
            return
        for chunk in _MAY_BE_MISREAD.finditer(lower):
            text = chunk.group()
            if text.isdigit() or not (_DIGIT.search(text) and _LETTER.search(text)):
                continue
            reading = read(text, text.translate(_MISREAD))
            for at in range(len(reading.words)):
                for found in self._matches(self._misread, reading, at, "known:ocr"):
                    start, end = found.start + chunk.start(), found.end + chunk.start()
                    is_glued = start > 0 and plain[start - 1].isalpha()
                    if not plain[end : end + 1].isalnum() and not (is_glued and plain[start].isalpha()):
                        yield Span(_start_of_run(plain, start), end, found.kind, found.rule)

    def _matches(self, starts: dict[str, list[Code]], reading: Reading, at: int, rule: str) -> Iterator[Span]:
        word = reading.words[at]
        found = _Matches(starts, reading, at, rule)
        yield from found.of(word, 3)
        if word[0] == "0":
            yield from found.of(word.lstrip("0"), 5)  # as some systems fill up what others write without

    def _add(self, kind: str, value: str) -> None:
        phone = kind in PHONE_KINDS
        whole = value
        value = _VALUE_EXTENSION.sub("", value) if phone else value
        runs = split(value)
        code = "".join(runs)
        digits = "".join(filter(str.isdigit, code))
        if len(code) < 3:
            return
        if not digits and len(code) < 6 and kind not in WRITTEN_KINDS:
            self.phrases.add([code], kind, "known:number", capitalized=True)
            return
        own_gaps = [gap for gap in runs_of_gaps(value) if gap not in _NARROW] if len(runs) > 1 else []
        longest = max(map(len, own_gaps), default=0)
        for target in _targets(kind, value, code, digits):
            if len(target) >= 3:
                wide = _WIDE if len(target) >= 7 else longest + 3 if own_gaps else 0
                labeled = target.isdigit() and len(target) < 5 and kind not in WRITTEN_KINDS
                self._enter(Code(target, kind, wide, labeled), runs if target == code else [])
        if kind in WRITTEN_KINDS:
            self._add_local_part(kind, value)
        elif len(digits) >= 6:
            self._enter_misread(code, digits, kind, phone=phone)
        if kind in ENDING_KINDS and (len(digits) >= 7 or len(digits) == 4):
            self._endings.setdefault(digits[-4:], kind)
            if whole != value:
                self._endings.setdefault(split(whole)[-1], kind)

    def _add_local_part(self, kind: str, value: str) -> None:
        local, at, _ = value.partition("@")
        runs = split(local)
        if at and sum(map(len, runs)) >= 5 and (len(runs) > 1 or any(map(str.isdigit, local))):
            self.phrases.add(runs, kind, "known:local_part")
        if at:
            host = value[len(local) + 1 :].replace(".", " dot ")
            for spoken in (f"{local} at {host}", f"{local.replace('.', ' dot ')} at {host}"):
                self._enter(Code("".join(split(spoken)), kind, _WIDE, labeled=False), runs)

    def _enter(self, code: Code, runs: list[str]) -> None:
        first = code.target[0]
        if first.isdigit():
            self._starts.setdefault(code.target[:2], []).append(code)
            self._starts.setdefault(first, []).append(code)
            return
        letters = runs[0] if runs else runs_of(code.target)[0]
        for start in {letters, runs_of(code.target)[0]} | ({first} if any(map(str.isdigit, code.target)) else set()):
            self._starts.setdefault(start, []).append(code)

    def _enter_misread(self, code: str, digits: str, kind: str, *, phone: bool) -> None:
        for target in {code, digits, digits[-10:]} if phone else {code, digits}:
            read_so = Code(target.translate(_MISREAD), kind, _WIDE if len(target) >= 7 else 0, labeled=False)
            if read_so.target[0].isdigit():
                for start in (read_so.target[:2], read_so.target[0]):
                    self._misread.setdefault(start, []).append(read_so)
            else:
                self._misread.setdefault(runs_of(read_so.target)[0], []).append(read_so)


class _Matches(NamedTuple):
    starts: dict[str, list[Code]]
    reading: Reading
    at: int
    rule: str

    def __repr__(self) -> str:
        """Return nothing of the record: reprs end up in logs and tracebacks."""
        return "_Matches()"

    def of(self, word: str, least: int) -> Iterator[Span]:
        """Yield the codes of `least` characters and more that stand at the run when it is read as `word`."""
        for code in self.starts.get(_start_of(word), ()):
            if len(code.target) < least or not code.target.startswith(word):
                continue
            end = _end_of(self.reading, self.at, word, code)
            if end is None:
                continue
            start = self.reading.starts[self.at]
            if not code.labeled or _LABEL.search(self.reading.lower, max(0, start - 25), start) is not None:
                yield Span(start, end, code.kind, self.rule)


def _start_of_run(plain: str, start: int) -> int:
    """Return where the letters begin that a number is glued to: `ZQX` of `ZQX8844l2097`."""
    while start and plain[start - 1].isalnum():
        start -= 1
    return start


def runs_of_gaps(value: str) -> list[str]:
    """Return what stands between the runs of a value."""
    plain = fold(value).text
    gaps, last = [], None
    for match in re.finditer(r"[^\W\d_]+|\d+", plain):
        if last is not None:
            gaps.append(plain[last : match.start()])
        last = match.end()
    return gaps


def _start_of(word: str) -> str:
    return word[:2] if word[:1].isdigit() else word


def _targets(kind: str, value: str, code: str, digits: str) -> set[str]:
    targets = {code}
    if len(digits) < 5 or kind in WRITTEN_KINDS:
        return targets
    targets.add(digits)
    if kind not in PHONE_KINDS:
        targets.add(digits.lstrip("0"))
    elif value.lstrip().startswith(("+", "00")) and not digits.lstrip("0").startswith("1"):
        bare = digits.lstrip("0")
        targets |= {bare, *(bare[cut:] for cut in (1, 2, 3)), *("0" + bare[cut:] for cut in (1, 2, 3))}
        return {target for target in targets if len(target) >= 7}
    elif len(digits) >= 10:
        targets |= {digits[-10:], "1" + digits[-10:], digits[-7:]}
    if kind in ZIP_KINDS and len(digits) == 9:
        targets.add(digits[:5])
    return targets


def _end_of(reading: Reading, at: int, first: str, code: Code) -> int | None:
    """Return where the code ends whose beginning is `first`, run `at`."""
    target = code.target
    done, length = len(first), len(target)
    while done < length:
        at += 1
        if at >= len(reading.words) or not target.startswith(reading.words[at], done):
            return None
        gap = reading.gap(at)
        if gap not in _NARROW and (len(gap) > code.gap or len(gap.strip()) > 4):
            return None
        done += len(reading.words[at])
    return reading.ends[at]


def _extended(plain: str, found: Span) -> Span:
    """Return a phone with its country code and extension, a ZIP code with its four further digits."""
    start, end = found.start, found.end
    if found.kind in PHONE_KINDS:
        before = _COUNTRY.search(plain, max(0, start - 6), start)
        start = before.start() if before else start
        further = _EXTENSION.match(plain, end)
        end = further.end() if further else end
    elif found.kind in ZIP_KINDS and end - start == 5:
        further = _PLUS_FOUR.match(plain, end)
        end = further.end() if further else end
    return Span(start, end, found.kind, found.rule)
