"""Which loop each segment belongs to, and which claim, line and person; and whether the segments are in order.

An 837 does not mark its loops: the segments that open one are known (TR3, section 2.3), and a segment belongs to the
loop that was opened last. So loops are one forward fill, and ordinals of claims and lines are one running count.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from deid.sources.x12.segments import NUMBER_OF, Disorder, Positions, Segments, word
from deid.sources.x12.words import NAMED, PLAIN, ROLES, SEGMENTS, Level, Loop


class Zone(IntEnum):
    """The parts of an interchange that follow one another in a fixed order, each opened by one segment."""

    ISA = 0
    GS = 1
    ST = 2
    BILLING = 3
    SUBSCRIBER = 4
    DEPENDENT = 5
    CLAIM = 6
    LINE = 7
    SE = 8
    GE = 9
    IEA = 10


_BY_NAME = {"ISA": Zone.ISA, "GS": Zone.GS, "ST": Zone.ST, "CLM": Zone.CLAIM, "LX": Zone.LINE, "SE": Zone.SE,
            "GE": Zone.GE, "IEA": Zone.IEA}  # fmt: skip
_BY_LEVEL = {"20": Zone.BILLING, "22": Zone.SUBSCRIBER, "23": Zone.DEPENDENT}  # HL03
_LEVELS_AND_END = (Zone.BILLING, Zone.SUBSCRIBER, Zone.SE)
_AFTER: dict[Zone, tuple[Zone, ...]] = {
    Zone.ISA: (Zone.GS,),
    Zone.GS: (Zone.ST,),
    Zone.ST: (Zone.BILLING,),
    Zone.BILLING: _LEVELS_AND_END,
    Zone.SUBSCRIBER: (*_LEVELS_AND_END, Zone.DEPENDENT, Zone.CLAIM),
    Zone.DEPENDENT: (*_LEVELS_AND_END, Zone.DEPENDENT, Zone.CLAIM),
    Zone.CLAIM: (*_LEVELS_AND_END, Zone.DEPENDENT, Zone.CLAIM, Zone.LINE),
    Zone.LINE: (*_LEVELS_AND_END, Zone.DEPENDENT, Zone.CLAIM, Zone.LINE),
    Zone.SE: (Zone.ST, Zone.GE),
    Zone.GE: (Zone.GS, Zone.IEA),
    Zone.IEA: (Zone.ISA,),
}
_MAY_FOLLOW = np.array([[after in _AFTER[before] for after in Zone] for before in Zone])
_ZONE_OF_NAME = np.full(len(SEGMENTS) + 1, -1, np.int8)
for _name, _zone in _BY_NAME.items():
    _ZONE_OF_NAME[NUMBER_OF[_name]] = _zone
_HL, _NM1, _SBR = NUMBER_OF["HL"], NUMBER_OF["NM1"], NUMBER_OF["SBR"]

# The loop that a segment opens in a zone; -1 where it opens none.
_OPENS = np.full((len(Zone), len(SEGMENTS) + 1), -1, np.int8)
for _at, _opener, _loop in (
    (Zone.ST, "ST", Loop.HEADER), (Zone.ST, "NM1", Loop.L1000),
    (Zone.BILLING, "HL", Loop.L2000A), (Zone.BILLING, "NM1", Loop.L2010A),
    (Zone.SUBSCRIBER, "HL", Loop.L2000B), (Zone.SUBSCRIBER, "NM1", Loop.L2010B),
    (Zone.DEPENDENT, "HL", Loop.L2000C), (Zone.DEPENDENT, "NM1", Loop.L2010C),
    (Zone.CLAIM, "CLM", Loop.L2300), (Zone.CLAIM, "NM1", Loop.L2310), (Zone.CLAIM, "SBR", Loop.L2320),
    (Zone.LINE, "LX", Loop.L2400), (Zone.LINE, "LIN", Loop.L2410), (Zone.LINE, "NM1", Loop.L2420),
    (Zone.LINE, "SVD", Loop.L2430), (Zone.LINE, "LQ", Loop.L2440),
    *((zone, zone.name, Loop.ENVELOPE) for zone in (Zone.ISA, Zone.GS, Zone.SE, Zone.GE, Zone.IEA)),
):  # fmt: skip
    _OPENS[_at, NUMBER_OF[_opener]] = _loop
# Segments that mean something in one place only: elsewhere they would be passed over, and codes and lines be lost.
_AT_HOME = {
    "HI": (Loop.L2300,), "CL1": (Loop.L2300,), "SBR": (Loop.L2000B, Loop.L2320), "SV1": (Loop.L2400,),
    "SV2": (Loop.L2400,), "SV3": (Loop.L2400,), "LIN": (Loop.L2410,), "SVD": (Loop.L2430,),
}  # fmt: skip
_HOME = [(NUMBER_OF[name], name, np.array(loops, np.int8)) for name, loops in _AT_HOME.items()]
_ENVELOPE = np.array([NUMBER_OF[name] for name in ("ISA", "GS", "SE", "GE", "IEA", "TA1")], np.uint8)
_SERVICES = np.array([NUMBER_OF[name] for name in ("SV1", "SV2", "SV3")], np.uint8)
_OPENERS_OF = {
    Level.SET: (Zone.ST,), Level.BILLING: (Zone.BILLING,), Level.SUBSCRIBER: (Zone.SUBSCRIBER,),
    Level.PERSON: (Zone.SUBSCRIBER, Zone.DEPENDENT), Level.CLAIM: (Zone.CLAIM,), Level.LINE: (Zone.LINE,),
}  # fmt: skip
_ROLE_WORDS = np.array([int(word(role)) for role in ROLES], np.uint64)
_ROLE_ORDER = np.argsort(_ROLE_WORDS)
ROLE_NUMBER = {role: number for number, role in enumerate(ROLES, start=1)}
_ROLE_BITS, _NAME_BITS = 5, 6


def code_of(loop: Loop, role: str | None, segment: str) -> int:
    """Return the number of a segment in a loop of a role (None: a loop that no NM1 opens)."""
    return _code(int(loop), ROLE_NUMBER[role] if role else 0, NUMBER_OF[segment])


def _code(loop: int, role: int, name: int) -> int:
    return (loop << (_ROLE_BITS + _NAME_BITS)) | (role << _NAME_BITS) | name


def name_of(code: int) -> tuple[str, str]:
    """Return the loop and the segment of a code as a path writes them; of an unknown role `?`, of a name nothing."""
    loop, role = Loop(code >> (_ROLE_BITS + _NAME_BITS)), code >> _NAME_BITS & (1 << _ROLE_BITS) - 1
    name = code & (1 << _NAME_BITS) - 1
    said = ROLES[role - 1] if 0 < role <= len(ROLES) else "?"
    whole = {PLAIN[plain]: plain for plain in PLAIN}
    named = {found: plain for plain, found in NAMED.items()}
    family = whole.get(loop) or named.get((loop, said)) or f"{loop.name.removeprefix('L')}[{said}]"
    return family, SEGMENTS[name - 1] if name else ""


class Loops:
    """The order of a stretch that begins with ISA; raises Disorder for what is out of order.

    `zone_at` and `zones` are the segments that open a zone, and which.
    """

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self.zone_at, self.zones = _zones(segments)
        self._by_code: dict[int, Positions] = {}
        self._ordinals: dict[Level, Positions] = {}

    def cut(self, count: int) -> None:
        """Leave out the segments from the position `count` on."""
        kept = int(np.searchsorted(self.zone_at, count))
        self.zone_at, self.zones = self.zone_at[:kept], self.zones[:kept]

    def check(self) -> None:
        """Raise Disorder for segments that stand in a loop that is not theirs, and for people who share a level."""
        names, loops = self._segments.names, self.loops
        for number, name, home in _HOME:
            at = np.flatnonzero(names == number)
            astray = at[~np.isin(loops[at], home)]
            if len(astray):
                own = " or ".join(f"{Loop(loop).name.removeprefix('L')}" for loop in home)
                raise Disorder(int(astray[0]), f"{name} stands outside of its loop, {own}")
        outside = np.flatnonzero(loops == Loop.ENVELOPE)
        outside = outside[~np.isin(names[outside], _ENVELOPE)]
        if len(outside):
            raise Disorder(int(outside[0]), "a segment stands between transaction sets")
        for what, family, role, level in (
            ("subscriber", Loop.L2010B, "IL", Level.SUBSCRIBER),
            ("patient", Loop.L2010C, "QC", Level.PERSON),
        ):
            self._once(self.at(code_of(family, role, "NM1")), level, f"a second {what} in one level")
        self._once(np.flatnonzero(np.isin(names, _SERVICES)), Level.LINE, "a second service in one line, without LX")
        _check_parents(self._segments, self.zone_at, self.zones)

    def at(self, *codes: int) -> Positions:
        """Return the positions of the segments that have one of these codes, in order."""
        found = []
        for code in codes:
            if code not in self._by_code:
                self._by_code[code] = np.flatnonzero(self.codes == code)
            found.append(self._by_code[code])
        return found[0] if len(found) == 1 else np.sort(np.concatenate(found))

    def ordinals(self, level: Level) -> Positions:
        """Return for each segment how many of a level were opened up to it, less one."""
        if level not in self._ordinals:
            opened = np.zeros(len(self._segments), np.int64)
            opened[self.openers(level)] = 1
            self._ordinals[level] = np.cumsum(opened) - 1
        return self._ordinals[level]

    def openers(self, level: Level) -> Positions:
        """Return the positions of the segments that open this level."""
        return self.zone_at[np.isin(self.zones, _OPENERS_OF[level])]

    @cached_property
    def codes(self) -> npt.NDArray[np.uint16]:
        """For each segment its loop, its loop's role and its name, as one number; see code_of."""
        opener, loops, roles = self._opened
        shared = (loops.astype(np.int64) << (_ROLE_BITS + _NAME_BITS)) | (roles.astype(np.int64) << _NAME_BITS)
        filled = np.repeat(shared, np.diff(np.append(opener, len(self._segments))))
        return (filled | self._segments.names).astype(np.uint16)

    @cached_property
    def loops(self) -> npt.NDArray[np.uint16]:
        """For each segment its loop."""
        return self.codes >> np.uint16(_ROLE_BITS + _NAME_BITS)

    @cached_property
    def _opened(self) -> tuple[Positions, npt.NDArray[np.int8], Positions]:
        """Return the segments that open a loop, which loop that is, and the number of its role."""
        names = self._segments.names
        zone = np.repeat(self.zones, np.diff(np.append(self.zone_at, len(names))))
        opens = _OPENS[zone, names]
        at = np.flatnonzero(opens >= 0)
        loops, names = opens[at], names[at]
        # After an SBR a name in a claim is one of another payer's subscriber.
        place = np.arange(len(at))
        other = np.maximum.accumulate(np.where(loops == Loop.L2320, place, -1))
        claim = np.maximum.accumulate(np.where(loops == Loop.L2300, place, -1))
        loops = np.where((loops == Loop.L2310) & (other > claim), Loop.L2330, loops).astype(np.int8)
        roles = np.zeros(len(at), np.int64)
        named = np.flatnonzero(names == _NM1)
        roles[named] = self._roles(at[named])
        return at, loops, roles

    def _roles(self, at: Positions) -> Positions:
        found = self._segments.words(self._segments.elements(at, 1))
        place = np.minimum(np.searchsorted(_ROLE_WORDS[_ROLE_ORDER], found), len(ROLES) - 1)
        return np.where(_ROLE_WORDS[_ROLE_ORDER][place] == found, _ROLE_ORDER[place] + 1, len(ROLES) + 1)

    def _once(self, at: Positions, level: Level, what: str) -> None:
        ordinals = self.ordinals(level)[at]
        again = np.flatnonzero(ordinals[1:] == ordinals[:-1])
        if len(again):
            raise Disorder(int(at[again[0] + 1]), what)


def _zones(segments: Segments) -> tuple[Positions, npt.NDArray[np.int8]]:
    zone = _ZONE_OF_NAME[segments.names]
    levels = np.flatnonzero(segments.names == _HL)
    if len(levels):
        found = segments.words(segments.elements(levels, 3))
        for text, kind in _BY_LEVEL.items():
            zone[levels[found == word(text)]] = kind
        unknown = levels[zone[levels] < 0]
        if len(unknown):
            raise Disorder(int(unknown[0]), "HL is of no level of an 837 (HL03 is 20, 22 or 23)")
    at = np.flatnonzero(zone >= 0)
    zones = zone[at]
    if not len(at) or at[0] != 0 or zones[0] != Zone.ISA:
        raise Disorder(0, "no interchange begins here: an ISA segment is expected")
    wrong = np.flatnonzero(~_MAY_FOLLOW[zones[:-1], zones[1:]])
    if len(wrong):
        found_at = int(at[wrong[0] + 1])
        raise Disorder(found_at, f"{SEGMENTS[segments.names[found_at] - 1]} is out of order")
    return at, zones


def _check_parents(segments: Segments, zone_at: Positions, zones: npt.NDArray[np.int8]) -> None:
    """Raise Disorder unless each HL02 names the HL above: else a claim would be given to another person."""
    above = {Zone.SUBSCRIBER: Zone.BILLING, Zone.DEPENDENT: Zone.SUBSCRIBER}
    for child, parent in above.items():
        at, candidates = zone_at[zones == child], zone_at[zones == parent]
        if not len(at):
            continue
        owner = candidates[np.searchsorted(candidates, at) - 1]
        said, own = segments.elements(at, 2), segments.elements(owner, 1)
        wrong = (segments.words(said) != segments.words(own)) | (said.ends - said.begins > 8)
        for row in np.flatnonzero(wrong):
            # Numbers of more than eight digits equal no word, and are compared as bytes.
            if segments.text(int(at[row]), 2) != segments.text(int(owner[row]), 1):
                raise Disorder(int(at[row]), "HL02 does not name the level above")
