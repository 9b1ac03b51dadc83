# ruff: noqa: E501 - an expression is easier to read in one piece
"""What stands around a date, and what looks like one and is none: scores, fractions, amounts, codes."""

from __future__ import annotations

import re

from deid.notes.patterns.pieces import UNIT_WORDS, follows_code, follows_score

_SURE_WORDS = (
    r"on|since|until|till|through|thru|dated?|admitted|admit|admission|discharged?|scheduled|appt|appointment|visit|as[ ]of|week[ ]of|seen|dob|born"
    r"|started|starting|stopped|due|d/c'?d?|dc'?d|f/u|follow[ \-]?up|surgery|mon|monday|tues?|tuesday|wed|wednesday|thurs?|thursday|fri"
    r"|friday|sat|saturday|sun|sunday|effective|collected|drawn|resulted|performed|placed|lmp|edd|edc|expires?|exp|before|after|by"
    r"|signed|updated|returned?|yesterday|today|tomorrow|labs|note|notes|cxr|ct|mri|echo|culture|cultures|ekg"
    r"|from|end|ended|ending|last|tte|eeg|ecg|egd|kub|pet|dexa|colonoscopy|cath|biopsy|bx|bcx|ucx|swallow"
)
_DATED = re.compile(
    rf"(?<![^\W_])(?:{_SURE_WORDS})(?:[ ](?:on|the|date|was|is|of|for|by))?[ \t]{{0,2}}[:=,(]?[ \t(]{{0,2}}\Z",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"(?<![^\W_])(?:since|until|till|dated?|admitted|admit|admission|discharged?|scheduled|appt|appointment|visit|as[ ]of|week[ ]of|seen|dob|born"
    r"|due|mon|monday|tues?|tuesday|wed|wednesday|thurs?|thursday|fri|friday|sat|saturday|sun|sunday|effective|collected|drawn|resulted"
    r"|performed|lmp|edd|edc|d/c'?d|signed|updated|surgery|seen[ ]on|yesterday|today|tomorrow)(?:[ ](?:on|the|date|was|is|of|for))?[ \t]{0,2}[:=,(]?[ \t(]{0,2}\Z",
    re.IGNORECASE,
)
_NOT_A_DAY = re.compile(
    rf"[ \t\-]{{0,2}}(?:(?:{UNIT_WORDS}|strength|pain|scale|occasions?|attempts?|tries|murmur|vision|systolic|diastolic|holosystolic|power|correct"
    r"|positive|negative|points?|throughout|bilaterally|bilateral|in[ ](?:all|both|the[ ](?:upper|lower|left|right|bilateral))|intensity|severity|score|normal|reflexes|dilution|normal[ ]saline"
    r"|ns|of[ ](?:a|the|an)[ ](?!month|year)|full|ppd|way|filled|saline|strong|cups?|of[ ]\w{1,12}[ ](?:were|was))\b|%|/)",
    re.IGNORECASE,
)
_DENOMINATORS = frozenset({2, 3, 4, 5, 6, 8, 10})  # of what is written like a day and is a fraction or a score
_BIRTH = re.compile(
    r"(?<![^\W_])(?:dob|d\.o\.b\.?|born|birth|birth[ ]?da(?:te|y)|b)(?![^\W_])[^\w\n]{0,4}(?:on|is|was|of)?[ (]{0,2}\Z",
    re.IGNORECASE,
)
_DEATH = re.compile(
    r"(?<![^\W_])(?:dod|died|death|deceased|expired|passed[ ]away)(?![^\W_])[^\w\n]{0,4}(?:on|is|was|of|date)?[ :(]{0,2}\Z",
    re.IGNORECASE,
)


def kind_of_date(match: re.Match[str]) -> str:
    """Return the kind that the word before a date tells."""
    start = match.start()
    before = max(0, start - 24)
    if _BIRTH.search(match.string, before, start):
        return "birth_date"
    return "death_date" if _DEATH.search(match.string, before, start) else "service_date"


def full_date(match: re.Match[str]) -> bool | None:
    """A month, a day and a year written in numbers, unless a score or a public code is announced."""
    return None if follows_code(match) or (follows_score(match) and not re.search(r"\d{4}", match[0])) else True


def day_of_month(match: re.Match[str]) -> bool | None:
    """A month and a day in numbers: sure where words of dates stand before it and nothing tells of a score."""
    text, start, end = match.string, match.start("v"), match.end("v")
    if follows_code(match) or follows_score(match) or _NOT_A_DAY.match(text, end):
        return None
    before = max(0, start - 24)
    if match["v"] in ("24/7", "9/11"):
        return None
    first, second = (int(part) for part in re.findall(r"\d+", match["v"])[:2])
    score = first <= second and second in _DENOMINATORS
    if _STRONG.search(text, before, start):
        return True
    if not score and text[end : end + 1] == ":" and (start == 0 or text[start - 1] == "\n"):
        return True
    return not score and _DATED.search(text, before, start) is not None


def padded_day(match: re.Match[str]) -> bool | None:
    """A month and a day of two digits each: sure, unless a score, a code or an amount is told."""
    if follows_code(match) or follows_score(match) or _NOT_A_DAY.match(match.string, match.end()):
        return None
    return True


def two_days(match: re.Match[str]) -> bool | None:
    """Two months and days: strength is written so too, but with numbers up to five."""
    if follows_code(match) or follows_score(match) or _NOT_A_DAY.match(match.string, match.end()):
        return None
    return max(int(part) for part in re.findall(r"\d{1,2}", match[0])) > 5


def announced(match: re.Match[str]) -> bool | None:
    """Sure only right behind a word of dates, such as DOB, since or admitted."""
    if follows_code(match):
        return None
    start = match.start("v")
    return _STRONG.search(match.string, max(0, start - 24), start) is not None


def near_date_words(match: re.Match[str]) -> bool | None:
    """Sure only behind any word that dates follow, such as on."""
    if follows_code(match):
        return None
    start = match.start("v")
    return _DATED.search(match.string, max(0, start - 24), start) is not None


def no_ratio(match: re.Match[str]) -> bool | None:
    """A month and a year in numbers: sure, unless they are a score, a code or a dilution."""
    return (
        None
        if follows_code(match)
        or follows_score(match)
        or re.match(r"[ ]?(?:dilution|titer)", match.string[match.end() : match.end() + 12])
        else True
    )
