"""What is said letter by letter and digit by digit: names that are spelled, numbers that are read aloud."""

from __future__ import annotations

from deid.annotated.date_forms import in_words
from deid.annotated.dice import Dice
from deid.annotated.people import of
from deid.annotated.scene import Maker, Scene

_WORDS = {
    "a": ("Alpha", "Adam", "apple", "Alice"),
    "b": ("Bravo", "boy", "Baker", "banana"),
    "c": ("Charlie", "cat", "Carol"),
    "d": ("Delta", "David", "dog"),
    "e": ("Echo", "Edward", "elephant"),
    "f": ("Foxtrot", "Frank", "father"),
    "g": ("Golf", "George", "good"),
    "h": ("Hotel", "Henry", "hat"),
    "i": ("India", "Ida", "igloo"),
    "j": ("Juliet", "John", "jump"),
    "k": ("Kilo", "king", "kite"),
    "l": ("Lima", "Larry", "lemon"),
    "m": ("Mike", "Mary", "mother"),
    "n": ("November", "Nancy", "Nora"),
    "o": ("Oscar", "Ocean", "orange"),
    "p": ("Papa", "Peter", "Paul"),
    "q": ("Quebec", "queen", "quiet"),
    "r": ("Romeo", "Robert", "rabbit"),
    "s": ("Sierra", "Sam", "sugar"),
    "t": ("Tango", "Tom", "table"),
    "u": ("Uniform", "uncle", "umbrella"),
    "v": ("Victor", "violet", "van"),
    "w": ("Whiskey", "William", "water"),
    "x": ("X-ray", "xylophone"),
    "y": ("Yankee", "yellow", "young"),
    "z": ("Zulu", "zebra", "zoo"),
}
_SAID = (" as in ", " as in ", " for ", " like ", " like in ")


def spelled(scene: Scene, letter: str) -> str:
    """A name letter by letter: "S-M-I-T-H", "J as in Juliet, O as in Oscar"."""
    dice, who = scene.dice, of(scene, letter)
    word = who.last if dice.random() < 0.7 else who.given
    letters = [mark for mark in word if mark.isalpha()] or ["X"]
    part = dice.random()
    if part < 0.68:
        join = dice.pick(("-", "-", "-", "-", " ", ", ", ". ", " - ", "..."))
        return join.join(letters).upper() if dice.random() < 0.85 else join.join(letters).lower()
    if part < 0.74:
        return _doubled(dice, letters)
    said = dice.pick(_SAID)
    often = 1.0 if part > 0.88 else 0.4
    words = [_helped(dice, mark, said if dice.random() < often else "") for mark in letters]
    return dice.pick((", ", ", ", " ", "... ")).join(words)


def _helped(dice: Dice, mark: str, said: str) -> str:
    known = _WORDS.get(mark.lower())
    return f"{mark.upper()}{said}{dice.pick(known)}" if said and known else mark.upper()


def _doubled(dice: Dice, letters: list[str]) -> str:
    """Twins told as one: "H, double T"."""
    made: list[str] = []
    for mark in letters:
        if made and made[-1] == mark.upper():
            made[-1] = f"double {mark.upper()}"
        else:
            made.append(mark.upper())
    return dice.pick((", ", "-", " ")).join(made)


def _aloud(dice: Dice, digits: str) -> str:
    """A row of digits in words; twins now and then as "double"."""
    zero, twins = dice.pick(("zero", "oh", "oh", "o")), dice.random() < 0.2
    if len(digits) > 2 and digits[1:] == "00" and digits[0] != "0" and dice.random() < 0.5:
        return f"{in_words(int(digits[0]))} hundred"
    if len(digits) == 4 and digits[0] != "0" and digits[2] != "0" and dice.random() < 0.2:
        return f"{in_words(int(digits[:2]))} {in_words(int(digits[2:]))}"
    words: list[str] = []
    at = 0
    while at < len(digits):
        word = zero if digits[at] == "0" else in_words(int(digits[at]))
        if twins and digits[at : at + 2] == digits[at] * 2:
            words.append(f"double {word}")
            at += 1
        else:
            words.append(word)
        at += 1
    return " ".join(words)


def spoken_digits(scene: Scene, letter: str) -> str:
    """A number that identifies, read aloud in groups."""
    text: str = scene.once("spoken number", letter, _number)
    return text


def _number(dice: Dice) -> str:
    join = dice.pick((" ", ", ", ", ", " - ", "... ", " dash "))
    groups = dice.pick(((3, 3), (4, 4), (2, 2, 2), (6,), (3, 2, 4), (7,), (4, 3), (1, 3, 3), (3, 3, 2), (5,), (8,)))
    text = join.join([_aloud(dice, dice.digits(count)) for count in groups])
    part = dice.random()
    if part < 0.15:
        return f"{dice.letters(1)} {text}"
    return text if part < 0.92 else text.capitalize()


def spoken_phone(scene: Scene, letter: str) -> str:
    """A telephone number read aloud, or in words and digits by turns."""
    text: str = scene.once("spoken phone", letter, _phone)
    return text


def _phone(dice: Dice) -> str:
    join = dice.pick((" ", ", ", ", ", " - ", "... ", " dash "))
    code, middle, line = dice.digits(3), dice.digits(3), dice.digits(4)
    if dice.random() < 0.3:
        middle = "555"
    part = dice.random()
    if part < 0.3:
        return f"{_aloud(dice, middle)}{join}{_aloud(dice, line)}"
    if part < 0.4:
        return f"area code {_aloud(dice, code)}{join}{_aloud(dice, middle)}{join}{_aloud(dice, line)}"
    if part < 0.5:
        return join.join((code, middle, _aloud(dice, line)))
    text = join.join([_aloud(dice, group) for group in (code, middle, line)])
    return text if part < 0.9 else f"{text}{join}extension {_aloud(dice, dice.digits(3))}"


MAKERS: dict[str, Maker] = {"SPELLED": spelled, "SPOKENDIGITS": spoken_digits, "SPOKENPHONE": spoken_phone}
