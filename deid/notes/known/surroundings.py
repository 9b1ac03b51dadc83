"""Whether a word that is a name of the record, and something else too, is the name where it stands in a text.

A patient may be called Graves, Ward, May, Long or Pain. Such a word is looked at with its neighbors: a title, a label,
another of the names or what only people do make it a name; an illness, a number or a usual pair of words make it none.
"""

from __future__ import annotations

import re
from collections.abc import Container

from deid.notes.known.beside import (
    ABBREVIATIONS,
    BETWEEN_NOUNS,
    COMPOUNDS,
    EPONYM_NOUNS,
    NAME_LABELS,
    NAMED_THINGS,
    OTHER_VERBS,
    PERSON_VERBS,
    PERSONAL_NOUNS,
    RELATIONS,
    THING_STATES,
    TITLES_BEFORE,
)
from deid.notes.known.ordinary import Sense, is_clinical, is_eponym, is_given_name, is_mostly_a_name, sense_of
from deid.notes.known.reading import Reading
from deid.notes.words import MONTHS

_BESIDE = re.compile(r",?[ \t]+(?:[A-Za-z]\.?[ \t]+)?|[ \t]?-[ \t]?|,")
_INITIAL_GAP = re.compile(r"[,.]?[ \t]+")
_LINE_BREAK = re.compile(r",?[ \t]*\n[ \t]*")
_AFTER_TITLE = re.compile(r"\.?[ \t]*\n?[ \t]*")
_LABEL = re.compile(r"[ \t]*[:=#][ \t]*")
_BLANK = re.compile(r"[ \t]*\n?[ \t]*")
_TO_THING = re.compile(r"'?[ \t]*\n?[ \t]*|[ \t]?-[ \t]?")
_COUNT_GAP = re.compile(r"[ \t]?[#.\-]?[ \t]?")
_HEAD = re.compile(r"(?:^|[.!?:;•*>|\n\r(\[\"])[ \t\-*•>(\"']*$")
_LOWER_TITLES = frozenset({"mr", "mrs", "ms", "mx", "dr", "drs", "mister", "missus"})
_CREDENTIALS = frozenset(
    {"md", "do", "rn", "np", "pa", "lpn", "phd", "cna", "dnp", "fnp", "pharmd", "dds", "lcsw", "msw", "aprn", "crna"}
)
_BEFORE_THINGS = frozenset(
    {"a", "an", "the", "this", "that", "no", "via", "indwelling", "new", "old", "her", "his", "size"}
)
_BEFORE_INITIALS = frozenset({"pt", "patient", "initials", "mr", "mrs", "ms", "initialed", "baby", "name"})
_BEFORE_PLACES = frozenset({"in", "from", "at", "near", "to", "of", "for", "around", "outside", "leaving"})
_BEFORE_STREETS = frozenset({"on", "at", "off", "from", "near", "of", "to"})
_STATE_AFTER = re.compile(r",?[ \t]+[A-Z]{2}\b")
_PRONOUNS = frozenset({"he", "she", "it", "we", "they", "you", "who", "one", "that", "this", "her", "his", "my", "an"})
_TESTED = frozenset({"negative", "positive", "neg", "pos", "modified", "bilateral"})
_AGES = frozenset({"y", "yo", "yr", "yrs", "year", "years", "m", "f"})


def is_person(reading: Reading, at: int, own: Container[str]) -> bool:
    """Return whether run `at`, which is one of the names `own`, stands for a person.

    `own`: the names looked for, in lower case.
    """
    sense = sense_of(reading.words[at])
    if sense is Sense.NONE or _after_title(reading, at) or _beside_own(reading, at, own):
        return True
    if bears_a_thing(reading, at):
        return False
    if not reading.word(at)[0].isupper():
        return is_mostly_a_name(reading.words[at])
    return _is_meant(reading, at, own, sense)


def _is_meant(reading: Reading, at: int, own: Container[str], sense: Sense) -> bool:
    """Return whether a capitalized word that has another meaning is the name."""
    if _acts(reading, at) or _is_labeled(reading, at):
        return True
    word = reading.words[at]
    if len(word) <= 3 and reading.word(at).isupper() and (word in ABBREVIATIONS or is_clinical(word)):
        return False
    if _is_counted(reading, at) or _is_pair(reading, at) or _is_thing(reading, at):
        return False
    return sense is Sense.SOME or not (_heads_a_sentence(reading, at) or _among_capitals(reading, at, own))


def is_place(reading: Reading, at: int) -> bool:
    """Return whether run `at`, a place that is a word too, stands for the place: with a capital of its own."""
    if sense_of(reading.words[at]) is not Sense.USUAL:
        return True
    if at and reading.words[at - 1] in _BEFORE_PLACES and not reading.gap(at).strip():
        return True
    if _STATE_AFTER.match(reading.plain, reading.ends[at]):
        return True
    return not (_heads_a_sentence(reading, at) or _among_capitals(reading, at, ()))


def is_on(reading: Reading, at: int) -> bool:
    """Return whether run `at`, the name of a street and a word too, stands behind what leads to a street."""
    return at > 0 and reading.words[at - 1] in _BEFORE_STREETS and not reading.gap(at).strip()


def tells_initials(reading: Reading, at: int, own: Container[str]) -> bool:
    """Return whether run `at`, capitals that are initials of the record, stand for a person: "pt JS", "(JS)"."""
    if not reading.word(at).isupper():
        return False
    start, end = reading.starts[at], reading.ends[at]
    if at and reading.words[at - 1] in _BEFORE_INITIALS and _AFTER_TITLE.fullmatch(reading.gap(at).replace(":", "")):
        return True
    in_brackets = reading.plain[start - 1 : start] == "(" and reading.plain[end : end + 1] == ")"
    beside = any(0 <= other < len(reading.words) and reading.words[other] in own for other in (at - 1, at + 1))
    return (in_brackets and at > 0 and reading.words[at - 1] in own) or (beside and _after_title(reading, at))


def _after_title(reading: Reading, at: int) -> bool:
    if not at or reading.words[at - 1] not in TITLES_BEFORE or not _AFTER_TITLE.fullmatch(reading.gap(at)):
        return False
    return reading.words[at - 1] in _LOWER_TITLES or reading.word(at)[0].isupper()


def _beside_own(reading: Reading, at: int, own: Container[str]) -> bool:
    """Return whether another of the names stands next to it: the two together are a person's name."""
    is_usual = sense_of(reading.words[at]) is Sense.USUAL
    is_capital = reading.word(at)[0].isupper()
    if is_usual and not is_capital:
        return False
    for step in (-1, 1):
        other = _neighbor(reading, at, step, over_lines=not is_usual)
        word = reading.words[other] if other is not None else ""
        if other is None or word == reading.words[at] or word not in own:
            continue
        if sense_of(word) is Sense.NONE or (reading.word(other)[0].isupper() and is_capital):
            return True
    return False


def _neighbor(reading: Reading, at: int, step: int, *, over_lines: bool) -> int | None:
    """Return the run next to run `at`, past an initial, where the two may be parts of one name."""
    other = at + step
    if not 0 <= other < len(reading.words):
        return None
    between = reading.gap(max(at, other))
    is_initial = len(reading.words[other]) == 1 and _INITIAL_GAP.fullmatch(between) is not None
    if not (is_initial or _BESIDE.fullmatch(between) or (over_lines and _LINE_BREAK.fullmatch(between))):
        return None
    if len(reading.words[other]) > 1:
        return other
    other += step
    if not 0 <= other < len(reading.words):
        return None
    return other if _INITIAL_GAP.fullmatch(reading.gap(max(at, other) if step > 0 else other + 1)) else None


def bears_a_thing(reading: Reading, at: int) -> bool:
    """Return whether an illness, a sign or a device follows: "Graves disease", "Bell's palsy"."""
    following, owns = at + 1, False
    if reading.words[following : following + 1] == ["s"] and reading.gap(following) == "'":
        following, owns = following + 1, True
    for _ in range(3):
        if following >= len(reading.words) or not _TO_THING.fullmatch(reading.gap(following)):
            return False
        word = reading.words[following]
        if word in EPONYM_NOUNS:
            return not (owns and word in PERSONAL_NOUNS)
        is_joined = "-" in reading.gap(following) and reading.word(following)[0].isupper()
        if not (word in BETWEEN_NOUNS or is_joined):
            return False
        following += 1
    return False


def _acts(reading: Reading, at: int) -> bool:
    """Return whether what follows is what people do; "May is", "Will has" only of a name that many are given."""
    if at + 1 >= len(reading.words) or not _BLANK.fullmatch(reading.gap(at + 1)):
        return False
    following = reading.words[at + 1]
    if reading.words[at] in _PRONOUNS:
        return False
    if following in PERSON_VERBS:
        return True
    return following in OTHER_VERBS and is_given_name(reading.words[at]) and not reading.word(at + 1)[0].isupper()


def _is_labeled(reading: Reading, at: int) -> bool:
    """Return whether a title, label or relation stands before, or a credential behind."""
    gap = reading.gap(at)
    before = reading.words[at - 1] if at else ""
    following = reading.word(at + 1) if at + 1 < len(reading.words) else ""
    if following.lower() in _CREDENTIALS and following.isupper() and reading.gap(at + 1).strip() == ",":
        return True
    goes_on = following[:1].islower() and not reading.gap(at + 1).strip() and "\n" not in reading.gap(at + 1)
    if before in NAME_LABELS and _LABEL.fullmatch(gap):
        return sense_of(reading.words[at]) is Sense.SOME or not goes_on
    return before in RELATIONS and not gap.strip() and not reading.word(at - 1).isupper()


def _is_counted(reading: Reading, at: int) -> bool:
    """Return whether a number makes it a ward, a page, or the month of May."""
    is_month = reading.words[at] in MONTHS
    if is_month and at and _COUNT_GAP.fullmatch(reading.gap(at)) and reading.word(at - 1).isdigit():
        return True
    if not reading.word(at + 1).isdigit() or at + 1 >= len(reading.words):
        return False
    gap = reading.gap(at + 1)
    if is_month and _COUNT_GAP.fullmatch(gap.replace(",", "")):
        return True
    is_age = reading.word(at + 2).lower() in _AGES
    return bool(gap) and _COUNT_GAP.fullmatch(gap) is not None and not is_age


def _is_pair(reading: Reading, at: int) -> bool:
    beside = COMPOUNDS.get(reading.words[at])
    if beside is None:
        return False
    following = at + 1 < len(reading.words) and reading.gap(at + 1).strip() in ("", "-", "/")
    before = at > 0 and reading.gap(at).strip() in ("", "-", "/")
    return (following and reading.words[at + 1] in beside) or (before and reading.words[at - 1] in beside)


def _is_thing(reading: Reading, at: int) -> bool:
    if at and reading.words[at - 1] in _TESTED and is_eponym(reading.words[at]):
        return True
    if reading.words[at] not in NAMED_THINGS:
        return False
    if at and reading.words[at - 1] in _BEFORE_THINGS and _BLANK.fullmatch(reading.gap(at)):
        return True
    after = at + 1 < len(reading.words) and _BLANK.fullmatch(reading.gap(at + 1)) is not None
    return after and reading.words[at + 1] in THING_STATES


def _heads_a_sentence(reading: Reading, at: int) -> bool:
    start = reading.starts[at]
    return _HEAD.search(reading.plain[max(0, start - 12) : start]) is not None


def _among_capitals(reading: Reading, at: int, own: Container[str]) -> bool:
    """Return whether a neighbor on the line has a capital too, as in headings: the capital tells nothing then."""
    for other, gap in ((at - 1, at), (at + 1, at + 1)):
        if 0 <= other < len(reading.words):
            written, between = reading.word(other), reading.gap(gap)
            if "\n" in between or between.strip(" \t-/&") or reading.words[other] in own or len(written) < 2:
                continue
            if written.isupper() or (written[0].isupper() and not reading.word(at).isupper()):
                return True
    return False
