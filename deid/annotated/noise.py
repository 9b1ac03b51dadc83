"""What happens to notes on their way: capitals, slips, speech, scanning, odd blanks, lines cut; spans stay right.

Every function takes pieces and gives pieces: a labeled piece keeps its label whatever becomes of its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from deid.annotated.dice import Dice
from deid.annotated.filling import Piece
from deid.annotated.layouts import laid_out
from deid.annotated.ordinary import abbreviations, clinical_words, exchange_words

Noise = Callable[[Dice, list[Piece]], list[Piece]]

_SPOKEN = (
    "um, ", "uh, ", "uh ", "um ", "er, ", "you know, ", "like, ", "I mean, ", "so, ", "let's see, ", "okay, ", "hmm ",
    "well, ", "sorry, ", "right, ", "uhh ", "mm ", "...",
)  # fmt: skip
_SCANNED = {
    "0": "O", "O": "0", "1": "l", "l": "1", "I": "l", "5": "S", "S": "5", "8": "B", "B": "8", "2": "Z", "Z": "2",
    "6": "G", "G": "6", "g": "9", "9": "g", "m": "rn", "w": "vv", "d": "cl", "h": "b", "e": "c", "c": "e", "i": "j",
    "t": "f", "n": "ri", "u": "ii", ".": ",", ",": ".", "/": "l", "a": "o", "7": "?",
}  # fmt: skip
_LOOK_ALIKE = str.maketrans("aceopxyiABCEHKMOPTXs", "асеорхуіАВСЕНКМОРТХѕ")  # noqa: RUF001 - that is the point
_UNSEEN = ("\u200b", "\u200c", "\u200d", "\u2060", "\u00ad", "\ufeff")
_BLANKS = ("\u00a0", "\u00a0", "\u2009", "\u202f", "\u3000", "\t", "  ", "   ")
_PUNCTUATED = re.compile(r"([,.;:]) (?=\S)")
_BARE = re.compile(r"([^\w\s]*)([A-Za-z]+|[0-9]+)([^\w\s]*)")
_POINTS = re.compile(r"\.(?= |$)")


def exchanged(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """Other words in the place of some that identify nobody; those next to an identifier stay, as they tell of it."""
    made = list(pieces)
    rate = dice.pick((0.06, 0.12, 0.12, 0.25))
    last_at = len(pieces) - 1
    for at, (text, label, slot) in enumerate(pieces):
        if label or len(text) < 20:
            continue
        words = text.split(" ")
        low = 2 if at and pieces[at - 1].label else 0
        high = len(words) - (3 if at < last_at and pieces[at + 1].label else 0)
        for _ in range(int((high - low) * rate + dice.random())):
            spot = dice.between(low, high - 1)
            words[spot] = _other(dice, words[spot])
        made[at] = Piece(" ".join(words), label, slot)
    return made


def _other(dice: Dice, word: str) -> str:
    """A word of the same make: ordinary, with a capital, an abbreviation, a number of as many digits."""
    found = _BARE.fullmatch(word)
    if found is None:
        return word
    before, bare, after = found.groups()
    if bare.isdecimal():
        new = "".join(dice.pick("0123456789") for _ in bare) if len(bare) < 3 else bare
    elif len(bare) > 3 and bare.islower():
        new = dice.pick(exchange_words())
    elif len(bare) > 3 and bare.istitle():
        new = dice.pick(clinical_words()).capitalize()
    elif 1 < len(bare) < 6 and bare.isupper():
        new = dice.pick(abbreviations()).upper()
    else:
        new = bare
    return f"{before}{new}{after}"


def in_capitals(_dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """All in capitals."""
    return [Piece(text.upper(), label, slot) for text, label, slot in pieces]


def in_small_letters(_dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """All in small letters."""
    return [Piece(text.lower(), label, slot) for text, label, slot in pieces]


def titled(_dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """Every word with a capital."""
    return [Piece(text if label else text.title(), label, slot) for text, label, slot in pieces]


def spoken(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """Hesitations between words, as a recording is written down."""
    return [
        piece if piece.label or " " not in piece.text or dice.random() < 0.4 else Piece(_hesitating(dice, piece.text))
        for piece in pieces
    ]


def _hesitating(dice: Dice, text: str) -> str:
    at = text.find(" ", dice.between(0, len(text) - 1))
    return text if at < 0 else f"{text[: at + 1]}{dice.pick(_SPOKEN)}{text[at + 1 :]}"


def dictated(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """Points and line ends as they are dictated."""
    end = dice.pick((" period", " period", " full stop"))
    return [
        piece if piece.label else Piece(_POINTS.sub(end, piece.text).replace("\n\n", " new paragraph "))
        for piece in pieces
    ]


def mistyped(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """Slips of the hand, in what identifies a tenth as often."""
    return [
        Piece(_slip(dice, text), label, slot)
        if len(text) > 8 and dice.random() < (0.05 if label else 0.5)
        else Piece(text, label, slot)
        for text, label, slot in pieces
    ]


def _slip(dice: Dice, text: str) -> str:
    at = dice.between(1, len(text) - 3)
    part = dice.random()
    if part < 0.35:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if part < 0.65:
        return text[:at] + text[at + 1 :]
    return text[:at] + (text[at] if part < 0.85 else dice.pick("etaoinshrdlu ")) + text[at:]


def scanned(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """Characters that a scanner takes for others."""
    rate = dice.pick((0.005, 0.01, 0.02, 0.04))
    return [Piece(_misread(dice, text, rate), label, slot) for text, label, slot in pieces]


def _misread(dice: Dice, text: str, rate: float) -> str:
    count = int(len(text) * rate + dice.random())
    for _ in range(count):
        at = int(dice.random() * len(text))
        text = text[:at] + _SCANNED.get(text[at], text[at]) + text[at + 1 :]
    return text


def disguised(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """Letters of other alphabets that look alike, or characters that nobody sees."""
    unseen, wide = dice.pick(_UNSEEN), dice.random() < 0.15
    hidden = dice.random() < 0.5
    made = []
    for text, label, slot in pieces:
        new = text
        if label and len(text) > 2 and dice.random() < 0.6:
            if hidden:
                at = dice.between(1, len(text) - 1)
                new = text[:at] + unseen + text[at:]
            else:
                new = _wide(text) if wide else text.translate(_LOOK_ALIKE)
        made.append(Piece(new, label, slot))
    return made


def _wide(text: str) -> str:
    return "".join([chr(ord(mark) + 0xFEE0) if "!" <= mark <= "~" else mark for mark in text])


def oddly_blank(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """Blanks of another kind or number."""
    blank, rate = dice.pick(_BLANKS), dice.pick((0.1, 0.3, 1.0))
    if rate == 1.0:
        return [Piece(text.replace(" ", blank), label, slot) for text, label, slot in pieces]
    return [
        Piece(text.replace(" ", blank, dice.between(1, 3)) if dice.random() < rate else text, label, slot)
        for text, label, slot in pieces
    ]


def glued(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """No blank after a mark."""
    return [
        Piece(_PUNCTUATED.sub(r"\1", text), label, slot)
        if not label and dice.random() < 0.5
        else Piece(text, label, slot)
        for text, label, slot in pieces
    ]


def wrapped(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """Lines broken at a width, in the middle of names and dates too; now and then in the middle of a word."""
    width = dice.between(40, 100)
    hard = dice.random() < 0.08
    made = []
    column = 0
    for text, label, slot in pieces:
        new, column = (_cut if hard else _folded)(text, column, width)
        made.append(Piece(new, label, slot))
    return made


def _folded(text: str, column: int, width: int) -> tuple[str, int]:
    out = []
    for line in text.split("\n"):
        rows = []
        words = line.split(" ")
        row = words[0]
        for word in words[1:]:
            if column + len(row) + 1 + len(word) > width and column + len(row) > 0:
                rows.append(row)
                row, column = word, 0
            else:
                row += f" {word}"
        rows.append(row)
        column = column + len(row) if len(rows) == 1 else len(row)
        out.append("\n".join(rows))
        last = column
        column = 0
    return "\n".join(out), last


def _cut(text: str, column: int, width: int) -> tuple[str, int]:
    out = []
    for line in text.split("\n"):
        rest, rows = line, []
        while column + len(rest) > width:
            room = max(width - column, 0)
            rows.append(rest[:room])
            rest, column = rest[room:], 0
        rows.append(rest)
        last = column + len(rest)
        out.append("\n".join(rows))
        column = 0
    return "\n".join(out), last


# What share of documents each of these befalls; a document may suffer several.
_SHARES: tuple[tuple[float, Noise], ...] = (
    (0.55, exchanged),
    (0.025, spoken),
    (0.012, dictated),
    (0.03, mistyped),
    (0.03, glued),
    (0.045, in_capitals),
    (0.045, in_small_letters),
    (0.008, titled),
    (0.03, scanned),
    (0.035, oddly_blank),
    (0.07, laid_out),
    (0.07, wrapped),
    (0.02, disguised),
)


def disturbed(dice: Dice, pieces: list[Piece]) -> list[Piece]:
    """`pieces` as they arrive: half of all documents hardly changed, the others by one or more mishaps."""
    for share, noise in _SHARES:
        if dice.random() < share:
            pieces = noise(dice, pieces)
    return pieces
