"""Paths into 837 claims; the grammar is in docs/formats/dataset.md, "X12 837 tables and paths"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deid.sources.paths import PathError
from deid.sources.x12.words import DIAGNOSES, FAMILIES, LEVEL_OF, NAMED, PLAIN, PROCEDURES, ROLES, Level, Loop

PATIENT = "%patient"
KEYS = (PATIENT, "%patient[payer]", "%claim", "%line", "%sequence", "%role", "%icd_version")
_OF_COMPOSITES = ("%role", "%icd_version")
_ELSE = " else "
_ROLES = r"\[(?P<roles>[A-Z0-9]{2}(?:,[A-Z0-9]{2})*)\]"
_LOOP = rf"(?P<loop>%patient|[0-9A-Z]{{2,6}})(?:{_ROLES})?/"
_SEGMENT = r"(?P<segment>[A-Z][A-Z0-9]{1,2})"
_AT = r"(?P<element>[0-9]{2})?(?:-(?P<component>[1-9][0-9]?))?(?:\|(?P<function>[a-z]+))?"
_PLACE = re.compile(rf"(?:{_LOOP})?{_SEGMENT}(?P<brackets>(?:\[[^\[\]]*\])*){_AT}")
_EACH = re.compile(rf"(?:{_LOOP})?{_SEGMENT}(?P<brackets>(?:\[[^\[\]]*\])*)")
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_SELECTOR = re.compile(
    r"(?P<element>[0-9]{2})(?:-(?P<component>[1-9][0-9]?))?=(?P<values>[A-Z0-9]{1,8}(?:,[A-Z0-9]{1,8})*)"
)
_QUALIFIERS = re.compile(r"[A-Z0-9]{1,3}(?:,[A-Z0-9]{1,3})*")
_FUNCTIONS = ("join", "from", "through")
_SHORTHAND = {
    "claim": "2300/CLM",
    "line": "2400/LX",
    "diagnosis": f"HI[{','.join(DIAGNOSES)}]",
    "procedure": f"HI[{','.join(PROCEDURES)}]",
}


@dataclass(frozen=True, slots=True)
class Where:
    """A loop: its family, and the roles of NM101 it may have (none: any, or a loop without a name)."""

    loop: Loop
    roles: tuple[str, ...] = ()

    @property
    def level(self) -> Level:
        """What the loop is part of."""
        return LEVEL_OF[self.loop]


@dataclass(frozen=True, slots=True)
class Selector:
    """Keeps the segments in which the element, or its component (0: the whole), is one of `values`."""

    element: int
    component: int
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands.

    `where` is None in the row's own segment or composite; `of_patient`: in the loop of the patient, whichever that is.
    `qualifiers`: the element is whichever composite of HI is so qualified; `element` 0 is then that composite.
    `component` counts from 1, 0 is the whole element. `function` is `join`, `from`, `through` or nothing.
    """

    segment: str
    element: int
    component: int = 0
    where: Where | None = None
    of_patient: bool = False
    selectors: tuple[Selector, ...] = ()
    qualifiers: frozenset[str] = frozenset()
    function: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """A value that is made for a row, and stands in no segment: one of KEYS."""

    name: str


@dataclass(frozen=True, slots=True)
class Path:
    """Where to look for a value, one place after the other."""

    places: tuple[Place | Key, ...]


@dataclass(frozen=True, slots=True)
class Each:
    """What gives one row: a segment in a loop, or the composites of HI that are so qualified."""

    where: Where
    segment: str
    selectors: tuple[Selector, ...] = ()
    qualifiers: frozenset[str] = frozenset()


def compile_path(text: str) -> Path:
    """Compile a path; raise PathError with what is wrong with it."""
    return Path(tuple(_place(part) for part in text.split(_ELSE)))


def compile_each(text: str) -> Each:
    """Compile what `each` says; raise PathError with what is wrong with it."""
    match = _EACH.fullmatch(_SHORTHAND.get(text, text))
    if match is None:
        raise PathError("each is claim, line, diagnosis, procedure, HI[qualifiers], or a segment of a loop: 2300/NTE")
    if match["segment"] == "HI" and match["loop"] is None:
        return Each(Where(Loop.L2300), "HI", qualifiers=_qualifiers(match["brackets"]))
    where = _where(match["loop"], match["roles"])
    if where is None or where.level < Level.CLAIM:
        raise PathError("each names a segment of a claim or of a line, with its loop: 2300/NTE")
    return Each(where, match["segment"], _selectors(match["brackets"]))


def check_path(text: str) -> bool:
    """Return whether the path makes one value of several; raise PathError where it does not follow the grammar."""
    return any(isinstance(place, Place) and place.function == "join" for place in compile_path(text).places)


def check_each(text: str) -> None:
    """Raise PathError where `each` does not follow the grammar."""
    compile_each(text)


def unfit(path: Path, each: Each) -> str:
    """Return what keeps a path from being read where each row is such; nothing if it can be."""
    for place in path.places:
        if isinstance(place, Key):
            if place.name in _OF_COMPOSITES and not each.qualifiers:
                return f"{place.name} is said of composites of HI"
            if place.name == "%line" and each.where.level < Level.LINE:
                return "%line is said of lines"
        elif place.where is None and not place.of_patient and place.segment != each.segment:
            return f"a path without a loop begins in {each.segment}, as `each` says"
        elif place.where is None and not place.of_patient and bool(place.element) == bool(each.qualifiers):
            return "HI-2 is said of composites of HI, and NTE02 of segments"
    return ""


def _place(text: str) -> Place | Key:
    if text in KEYS:
        return Key(text)
    match = _PLACE.fullmatch(text)
    if match is None:
        raise PathError("a path is a loop, a segment and an element: 2300/CLM05-1, 2300/REF[01=EA]02, or %patient")
    function, component = match["function"] or "", int(match["component"] or 0)
    if function and function not in _FUNCTIONS:
        raise PathError("a function is join, from or through")
    where, of_patient = _where(match["loop"], match["roles"]), match["loop"] == PATIENT
    if match["element"] is None:
        if match["segment"] != "HI" or not component:
            raise PathError("an element has two digits, as in CLM01")
        inside = _qualifiers(match["brackets"]) if where is not None or match["brackets"] else frozenset()
        return Place("HI", 0, component, where, qualifiers=inside, function=function)
    if not int(match["element"]):
        raise PathError("elements are counted from 01")
    selectors = _selectors(match["brackets"])
    return Place(match["segment"], int(match["element"]), component, where, of_patient, selectors, function=function)


def _where(loop: str | None, roles: str | None) -> Where | None:
    if loop is None or (loop == PATIENT and roles is None):
        return None
    if roles is None and loop in PLAIN:
        return Where(PLAIN[loop])
    if roles is None and loop in NAMED:
        family, role = NAMED[loop]
        return Where(family, (role,))
    if loop in FAMILIES and roles is not None:
        unknown = [role for role in roles.split(",") if role not in ROLES]
        if unknown:
            raise PathError(f"no name of an 837 has the role {unknown[0]}")
        return Where(FAMILIES[loop], tuple(roles.split(",")))
    if loop in FAMILIES or loop[:4] in ("2310", "2330", "2420"):
        raise PathError("a loop of names is called by the role in NM101, as in 2310[82]")
    raise PathError("there is no such loop in an 837, or none that a path can name")


def _selectors(brackets: str) -> tuple[Selector, ...]:
    found = []
    for inside in _BRACKET.findall(brackets):
        match = _SELECTOR.fullmatch(inside)
        if match is None or not int(match["element"]):
            raise PathError("brackets hold an element, an equals sign and a value, as in [01=EA]")
        values = frozenset(match["values"].split(","))
        found.append(Selector(int(match["element"]), int(match["component"] or 0), values))
    return tuple(found)


def _qualifiers(brackets: str) -> frozenset[str]:
    found = _BRACKET.findall(brackets)
    if len(found) != 1 or not _QUALIFIERS.fullmatch(found[0]):
        raise PathError("composites of HI are called by their qualifiers, as in HI[BH] or 2300/HI[DR]-2")
    return frozenset(found[0].split(","))
