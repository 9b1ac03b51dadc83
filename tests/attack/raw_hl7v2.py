"""What identifies the people of HL7 v2 messages, collected by splitting at the delimiters of each message's MSH.

Which field holds what is written down by hand from the chapters of the standard, whatever the product reads of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attack.raw_sources import Raw

_TYPES = {
    "MR": "mrn", "SS": "ssn", "SB": "ssn", "MB": "member", "MC": "member", "MA": "member", "DL": "license",
    "PPN": "license", "VN": "encounter", "AN": "account",
}  # fmt: skip
# Fields by data type: XPN and XCN hold names, XAD addresses, XTN telephones, CX numbers, DTM days.
_NAMES = {
    "name": {"PID": "5 9", "MRG": "7", "ZPI": "2"},
    "relative": {"PID": "6", "NK1": "2 30", "GT1": "3 4 45", "IN1": "16", "IN2": "7 9 40 52"},
}
_ADDRESSES = {"PID": "11", "NK1": "4 32", "GT1": "5", "IN1": "19"}
_PHONES = {
    "PID": "13 14 40", "NK1": "5 6 31 40 41", "GT1": "6 7 18", "IN2": "58 63 64",
}  # fmt: skip
_NUMBERS = {
    "account": {"PID": "18", "MRG": "3"},
    "encounter": {"PV1": "19 50", "MRG": "5"},
    "license": {"PID": "20"},
    "mrn": {"MRG": "1 4"},
    "member": {"IN1": "8 36 49", "IN2": "6 8 10 61"},
    "ssn": {"PID": "19", "NK1": "37", "GT1": "12", "IN2": "2"},
    "claim": {"FT1": "2"},
    "other_id": {
        "PID": "2 4 21", "NK1": "33", "GT1": "2 19", "IN1": "10 14", "IN2": "1", "PV1": "5 54", "TXA": "12 13 16",
        "ORC": "2 3", "OBR": "2 3", "MSH": "10", "MRG": "2 6",
    },
    "device": {"RXA": "15"},
}  # fmt: skip
_PROVIDERS = {
    "PV1": "7 8 9 17", "DG1": "16", "PR1": "8 11 12", "FT1": "20 21", "OBX": "16", "OBR": "10 16", "RXA": "10",
    "TXA": "5 9", "EVN": "5", "PD1": "4", "ORC": "10 12",
}  # fmt: skip
_DAYS = {
    "birth_date": {"PID": "7", "NK1": "16", "GT1": "8", "IN1": "18"},
    "death_date": {"PID": "29"},
    "service_date": {
        "MSH": "7", "EVN": "2 3 6", "PV1": "44 45", "DG1": "5 19", "PR1": "5", "FT1": "4 5", "OBX": "14 19",
        "OBR": "7 8 14 22", "TXA": "4 6 7 8", "RXA": "3 16", "AL1": "6", "IN1": "12 13", "ACC": "1",
    },
}  # fmt: skip
_PLACES = {
    "PID": {"county": "12.1", "birth_place": "23.1"},
    "PV1": {"provider": "3.4"},
    "MSH": {"provider": "4.1"},
}
# The tables that have a row for each segment, by the messages they are read from.
_ROWS = {
    "PID": {"patients": "ADT DFT BAR ORU VXU MDM", "identities": "ADT DFT BAR ORU VXU MDM"},
    "PV1": {"encounters": "ADT^A03", "visit_events": "ADT DFT BAR ORU VXU MDM"},
    "DG1": {"diagnoses": "ADT DFT BAR"},
    "PR1": {"procedures": "ADT DFT BAR"},
    "FT1": {"transactions": "DFT"},
    "IN1": {"insurance": "ADT DFT BAR"},
    "GT1": {"guarantors": "ADT DFT BAR"},
    "NK1": {"relatives": "ADT DFT BAR ORU VXU"},
    "AL1": {"allergies": "ADT"},
    "OBX": {"observations": "ADT ORU VXU"},
    "OBR": {"reports": "ORU"},
    "TXA": {"documents": "MDM"},
    "RXA": {"immunizations": "VXU"},
}  # fmt: skip


def collect_hl7v2(place: Path) -> Raw:
    """Collect from every message of a file, or of every file of a folder."""
    raw = Raw()
    for path in [place] if place.is_file() else sorted(place.glob("*.hl7")):
        type_ = ""
        for segment in segments_of(path):
            if segment.name == "MSH":
                type_ = "^".join(next(segment.repetitions(9))[:2])
                raw.rows["messages"] = raw.rows.get("messages", 0) + 1
            for table, types in _ROWS.get(segment.name, {}).items():
                is_read = type_ in types.split() or type_.partition("^")[0] in types.split()
                raw.rows[table] = raw.rows.get(table, 0) + is_read
            _collect(raw, segment)
    return raw


class Segment:
    """One segment: its name, and its fields by the standard's numbers."""

    def __init__(self, line: str, signs: str) -> None:
        fields = line.split(signs[0])
        self.name = fields[0]
        # MSH-1 is the delimiter itself.
        self._fields = ["MSH", signs[0], *fields[1:]] if self.name == "MSH" else fields
        self._signs = signs

    def repetitions(self, number: int) -> Iterator[list[str]]:
        """Yield the components of each repetition of a field, escapes decoded; nothing where it is not there."""
        _, component, repetition, escape, _ = self._signs
        named = dict(zip("FSRET", (self._signs[0], component, repetition, escape, self._signs[4]), strict=True))
        pattern = re.escape(escape) + "([FSRET])" + re.escape(escape)
        for one in self._fields[number].split(repetition) if len(self._fields) > number else []:
            parts = [re.sub(pattern, lambda found: named[found[1]], part) for part in one.split(component)]
            yield [*parts, *[""] * (20 - len(parts))]

    def pieces(self, part: str) -> list[str]:
        """Return the subcomponents of a component."""
        return part.split(self._signs[4])


def segments_of(path: Path) -> Iterator[Segment]:
    """Yield the segments of a file, whatever frames its messages stand in."""
    signs = "|^~\\&"
    for line in re.split(r"[\r\n]+", path.read_bytes().decode("utf-8-sig").replace("\x0b", "").replace("\x1c", "")):
        if line.startswith("MSH"):
            signs = line[3:8]
        if line.strip():
            yield Segment(line, signs)


def _collect(raw: Raw, segment: Segment) -> None:
    _people(raw, segment)
    for kind, fields in _NUMBERS.items():
        for parts in _of(segment, fields):
            raw.add(kind, segment.pieces(parts[0])[0])
    for kind, fields in _DAYS.items():
        for parts in _of(segment, fields):
            raw.add(kind, _time(parts[0]))
    for parts in _of(segment, _PROVIDERS):
        raw.add("provider", parts[0])
        names = [segment.pieces(parts[1])[0], parts[2]]
        raw.add("provider_name", " ".join(names) if all(names) else "")
    for kind, place in _PLACES.get(segment.name, {}).items():
        number, part = map(int, place.split("."))
        for parts in segment.repetitions(number):
            raw.add(kind, parts[part - 1])
    if segment.name == "PID":
        for number_, _, _, authority, type_ in (parts[:5] for parts in segment.repetitions(3)):
            raw.add(_TYPES.get(type_, "other_id"), number_)
            raw.add("patient", f"{number_}^{authority}" if type_ == "MR" else "")


def _people(raw: Raw, segment: Segment) -> None:
    for kind, fields in _NAMES.items():
        for parts in _of(segment, fields):
            for name in (*segment.pieces(parts[0]), *segment.pieces(parts[1]), parts[2]):
                raw.add(kind, name)
    for parts in _of(segment, _ADDRESSES):
        _address(raw, segment.pieces(parts[0]), parts, is_patient=segment.name == "PID")
    for parts in _of(segment, _PHONES):
        raw.add("phone", parts[0])
        raw.add("phone", parts[11])
        raw.add("phone", f"{parts[5]}{parts[6]}")
        raw.add("email", parts[3] if "@" in parts[3] else "")


def _of(segment: Segment, fields: dict[str, str]) -> Iterator[list[str]]:
    for number in fields.get(segment.name, "").split():
        yield from segment.repetitions(int(number))


def _address(raw: Raw, street: list[str], parts: list[str], *, is_patient: bool) -> None:
    raw.add("address", " ".join(piece for piece in street[:2] if piece))
    raw.add("city", parts[2])
    raw.add("zip5", f"{parts[4][:5]}-{parts[4][5:]}" if re.fullmatch(r"\d{9}", parts[4]) else parts[4])
    raw.add("county", parts[8] if is_patient else "")


def _time(text: str) -> str:
    day = f"{text[:4]}-{text[4:6]}-{text[6:8]}"
    return "" if len(text) < 8 else f"{day}T{text[8:10]}:{text[10:12]}" if len(text) > 11 else day
