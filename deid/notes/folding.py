"""Text made plain for matching, with the way back: compatibility forms, accents, look-alikes, invisible characters.

Everything that finds identifiers runs on the folded text, and reports offsets of the original.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from html.entities import html5

from deid.notes.look_alikes import INVISIBLE, SPECIAL

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# References to characters as HTML writes them: notes that were pages once are full of them.
_ENTITY = re.compile(r"&(?:#(?P<decimal>\d{1,7})|#[xX](?P<hex>[0-9a-fA-F]{1,6})|(?P<name>[a-zA-Z]\w{1,9}));")
_ODD_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_CONTROLS = {
    **dict.fromkeys((*range(9), *range(0x0E, 0x20), 0x7F), " "),
    **dict.fromkeys((0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E), "\n"),
}
_SOFT_HYPHEN = "\u00ad"
_BROKEN_BY_SOFT_HYPHEN = re.compile(rf"{_SOFT_HYPHEN}(?=[ \t]{{0,2}}\r?\n)")


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters [start, end) of a text, and what takes their place."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Folded:
    """A changed text and the way back to its original; `starts` is where in it each edit begins.

    `edits` and `starts` are as long as one another; between edits every character stands for itself.
    """

    text: str
    edits: tuple[Edit, ...] = field(default=(), repr=False)
    starts: tuple[int, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        """Return lengths only: reprs end up in logs and tracebacks."""
        return f"Folded(<{len(self.text)} characters, {len(self.edits)} edits>)"

    def back(self, start: int, end: int) -> tuple[int, int]:
        """Return the offsets in the original of the characters [start, end) of the changed text, start < end.

        The end reaches to the next kept character, so that marks and invisible characters that follow the last letter
        go with it.
        """
        if not self.edits:
            return start, end
        first, _ = self._origin(start)
        _, last = self._origin(end - 1)
        at = bisect_left(self.starts, end)
        while at < len(self.starts) and self.starts[at] == end and not self.edits[at].text:
            last = self.edits[at].end
            at += 1
        return first, last

    @property
    def origin(self) -> tuple[int, ...] | None:
        """Where each character comes from, and the length of the original; None where every one stayed in its place."""
        if not self.edits:
            return None
        whole = [self._origin(position)[0] for position in range(len(self.text))]
        past = len(self.text) - (self.starts[-1] + len(self.edits[-1].text))
        return (*whole, self.edits[-1].end + past)

    def _origin(self, position: int) -> tuple[int, int]:
        """Return where the original of one character begins and ends."""
        at = bisect_right(self.starts, position) - 1
        if at < 0:
            return position, position + 1
        edit, start = self.edits[at], self.starts[at]
        past = position - start - len(edit.text)
        return (edit.start, edit.end) if past < 0 else (edit.end + past, edit.end + past + 1)


def edited(text: str, edits: Iterable[Edit]) -> Folded:
    """Return `text` with `edits` made, which are in order and apart."""
    pieces: list[str] = []
    made: list[Edit] = []
    starts: list[int] = []
    last = length = 0
    for edit in edits:
        pieces += (text[last : edit.start], edit.text)
        length += edit.start - last
        made.append(edit)
        starts.append(length)
        length += len(edit.text)
        last = edit.end
    pieces.append(text[last:])
    return Folded("".join(pieces), tuple(made), tuple(starts))


def fold(text: str) -> Folded:
    """Return `text` in plain letters of the same case, digits in ASCII, without marks and invisible characters.

    Line ends are line feeds, other control characters blanks, references of HTML the characters they stand for.
    """
    if _ODD_CONTROLS.search(text):
        text = text.replace("\r\n", " \n").translate(_CONTROLS)
    has_entities = "&" in text and _ENTITY.search(text) is not None
    if text.isascii() and not has_entities:
        return Folded(text)
    if _SOFT_HYPHEN in text:
        text = _BROKEN_BY_SOFT_HYPHEN.sub("-", text)
    table = {character: plain_form(character) for character in set(_NOT_ASCII.findall(text))}
    changing = [re.escape(character) for character, plain in table.items() if len(plain) != 1]
    made: Iterable[Edit] = ()
    if changing or has_entities:
        wanted = ([_ENTITY.pattern] if has_entities else []) + ([f"[{''.join(sorted(changing))}]"] if changing else [])
        made = filter(None, (_edit_of(match, table) for match in re.finditer("|".join(wanted), text)))
    folded = edited(text, made)
    one_to_one = {ord(character): plain for character, plain in table.items()}
    return Folded(folded.text.translate(one_to_one), folded.edits, folded.starts)


def fold_lower(text: str) -> str:
    """Return the folded text in lower case, of the same length as the folded text."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower.replace("ς", "σ")  # noqa: RUF001 - lower() writes a capital sigma at the end of a word so
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _edit_of(match: re.Match[str], table: dict[str, str]) -> Edit | None:
    start, end = match.span()
    if end - start == 1:
        return Edit(start, end, table[match.group()])
    groups = match.groupdict()
    if groups["name"]:
        meant = html5.get(f"{groups['name']};", "")
        if not meant:
            return None
    else:
        number = int(groups["decimal"] or groups["hex"], 10 if groups["decimal"] else 16)
        is_character = 0x20 <= number < 0x110000 and not 0xD800 <= number < 0xE000
        meant = chr(number) if is_character else " "
    return Edit(start, end, "".join(map(plain_form, meant)))


@lru_cache(maxsize=65_536)
def plain_form(character: str) -> str:
    """Return what stands for a character in folded text: nothing for what is invisible."""
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isascii():
        return character
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if character in INVISIBLE or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return ""
    if character.isspace():
        return "\n" if character in "\u2028\u2029\u0085" else " "
    decomposed = unicodedata.normalize("NFKD", character)
    kept = "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Me", "Cf"))
    return "".join(SPECIAL.get(c, c) for c in kept) or character
