"""The envelope of an interchange: control numbers and counts that must agree (X12.5, X12.6), and what kind it is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from blake3 import blake3

from deid.sources.x12.loops import Loops, Zone
from deid.sources.x12.segments import NUMBER_OF, Disorder, Segments, word
from deid.sources.x12.words import ERRATA, GUIDES, TRANSACTION, TRANSACTIONS

_WORD = re.compile(r"[0-9]{6}X[0-9]{3}(?:[A-Z][0-9])?")
_KEY_BYTES = 10
_SEEN_BYTES = 8
# GS01 of groups that are no claims: the transaction set they hold.
_GROUPS = {"HS": "270", "HB": "271", "HR": "276", "HN": "277", "HI": "278", "RA": "820", "BE": "834", "HP": "835",
           "FA": "999"}  # fmt: skip


@dataclass(slots=True)
class Envelope:
    """Follows the envelopes of one file.

    `seen` holds eight bytes of digest for each interchange of the table; `keys` a digest for each transaction set of
    the last stretch, in order, which no other transaction set has.
    """

    seen: set[bytes] = field(repr=False)
    keys: list[str] = field(default_factory=list, repr=False)
    _interchange: bytes = field(default=b"", repr=False)
    _control: dict[Zone, bytes] = field(default_factory=dict, repr=False)
    _guide: str = ""
    _groups: int = 0
    _sets: int = 0
    _begun: int = 0

    def follow(self, segments: Segments, loops: Loops, fresh: int, number: int) -> None:
        """Check the envelope segments from position `fresh` on, whose number in the file is `number`.

        Raises Disorder.
        """
        self.keys = self.keys[-1:] if fresh and np.any(loops.zones[loops.zone_at < fresh] == Zone.ST) else []
        opens = (loops.zones <= Zone.ST) | (loops.zones >= Zone.SE)
        opens &= loops.zone_at >= fresh
        for at, zone in zip(loops.zone_at[opens].tolist(), loops.zones[opens].tolist(), strict=True):
            _STEPS[Zone(zone)](self, segments, at, number + at - fresh)

    def _isa(self, segments: Segments, at: int, number: int) -> None:
        parts = segments.raw[segments.begins[at] : segments.ends[at]].split(segments.raw[3:4])
        if len(parts) != 17:
            raise Disorder(at, "ISA has not sixteen elements")
        identity = b"*".join(parts[5:11] + parts[13:14])
        seen = blake3(identity).digest(length=_SEEN_BYTES)
        if seen in self.seen:
            raise Disorder(at, "an interchange that was read before: sender, receiver, date, time and number are alike")
        self.seen.add(seen)
        self._interchange, self._control[Zone.ISA], self._groups = identity, parts[13].strip(), 0

    def _gs(self, segments: Segments, at: int, number: int) -> None:
        self._control[Zone.GS], self._guide = segments.text(at, 6).strip(), _ascii(segments.text(at, 8))
        self._groups, self._sets = self._groups + 1, 0

    def _st(self, segments: Segments, at: int, number: int) -> None:
        guide = _ascii(segments.text(at, 3)) or self._guide
        if not any(guide == base + errata for base in GUIDES for errata in ERRATA):
            said = f"follows the guide {guide}" if _WORD.fullmatch(guide) else "names no guide"
            raise Disorder(at, f"the transaction set {said}, and {', '.join(GUIDES)} are read")
        control = segments.text(at, 2).strip()
        self._control[Zone.ST], self._sets, self._begun = control, self._sets + 1, number
        place = b"*".join((self._interchange, b"%d" % self._groups, b"%d" % self._sets, control))
        self.keys.append(blake3(place).hexdigest(length=_KEY_BYTES))

    def _se(self, segments: Segments, at: int, number: int) -> None:
        self._agree(segments, at, Zone.ST, "SE02", "ST02")
        _count(segments, at, number - self._begun + 1, "SE01", "segments of its transaction set")

    def _ge(self, segments: Segments, at: int, number: int) -> None:
        self._agree(segments, at, Zone.GS, "GE02", "GS06")
        _count(segments, at, self._sets, "GE01", "transaction sets of its group")

    def _iea(self, segments: Segments, at: int, number: int) -> None:
        self._agree(segments, at, Zone.ISA, "IEA02", "ISA13")
        _count(segments, at, self._groups, "IEA01", "groups of its interchange")

    def _agree(self, segments: Segments, at: int, opener: Zone, said: str, meant: str) -> None:
        if segments.text(at, 2).strip() != self._control[opener]:
            raise Disorder(at, f"the control number {said} is not that of {meant}")


_STEPS = {
    Zone.ISA: Envelope._isa,  # noqa: SLF001 - the table of a class's own steps
    Zone.GS: Envelope._gs,  # noqa: SLF001
    Zone.ST: Envelope._st,  # noqa: SLF001
    Zone.SE: Envelope._se,  # noqa: SLF001
    Zone.GE: Envelope._ge,  # noqa: SLF001
    Zone.IEA: Envelope._iea,  # noqa: SLF001
}


def check_kind(segments: Segments) -> None:
    """Raise Disorder for a group or a transaction set that is no 837, which has another order altogether."""
    for name, wanted in (("GS", "HC"), ("ST", TRANSACTION)):
        at = np.flatnonzero(segments.names == NUMBER_OF[name])
        wrong = at[segments.words(segments.elements(at, 1)) != word(wanted)]
        if len(wrong):
            code = _ascii(segments.text(int(wrong[0]), 1))
            kind = code if name == "ST" else _GROUPS.get(code, "")
            said = f"this is no 837 but {TRANSACTIONS[kind]} ({kind})" if kind in TRANSACTIONS else "this is no 837"
            raise Disorder(int(wrong[0]), said)


def _count(segments: Segments, at: int, counted: int, said: str, what: str) -> None:
    stated = segments.text(at, 1).strip()
    if not stated.isdigit() or len(stated) > 18 or int(stated) != counted:
        raise Disorder(at, f"{said} is not the number of the {what}, which is {counted:,}")


def _ascii(text: bytes) -> str:
    return text.decode("ascii", errors="replace").strip()
