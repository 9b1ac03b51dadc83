"""What must be known of files before their first row, merged numbers; and what in them nobody described."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from deid.schema import DatasetDescription
from deid.sources.hl7v2.block import COMPONENT, REPETITION, Block, Spans
from deid.sources.hl7v2.cells import Reading
from deid.sources.hl7v2.merges import Merges
from deid.sources.hl7v2.paths import Path, Way, compile_path, compile_resource
from deid.sources.hl7v2.scope import at_segments
from deid.sources.hl7v2.senders import AUTHORITY
from deid.sources.hl7v2.vocabulary import HEADER, LINK, MERGES, MESSAGES, PRIOR, SEGMENTS, UNLINK, name_of, number_of

_ADT = number_of("ADT")
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Described:
    """What a dataset describes: segments by message type, coding systems by field, and the paths of patients' keys."""

    segments: Mapping[str, frozenset[str]]
    systems: Mapping[str, frozenset[str]]
    keys: tuple[str, ...]


# Only where one of these events stands in it must a piece of a file be looked at before its first row.
MERGING = re.compile(rf"(?:{'|'.join(sorted(MERGES | {LINK, UNLINK}))})(?![0-9A-Za-z])".encode())


@dataclass(slots=True)
class Survey:
    """What the first pass over files found; `merges` by the path of the key, `digests` by file in order."""

    merges: dict[str, Merges]
    withheld: Counter[str] = field(default_factory=Counter)
    digests: list[str] = field(default_factory=list)


def described(dataset: DatasetDescription) -> Described:
    """Return what all tables of a dataset describe."""
    segments: dict[str, frozenset[str]] = {}
    systems: dict[str, frozenset[str]] = {}
    keys: dict[str, None] = {}
    for table in dataset.tables:
        paths = {column.path or "": compile_path(column.path or "") for column in table.columns}
        ways = [way for path in paths.values() for way in path.ways]
        names = HEADER | {"MRG"} | {way.segment for way in ways} | ({table.each} if table.each else set())
        for resource in compile_resource(table.resource or ""):
            segments[resource.type] = segments.get(resource.type, frozenset()) | names
        for way in ways:
            if way.systems is not None:
                systems[way.name] = systems.get(way.name, frozenset()) | way.systems
        keys |= {text: None for text, path in paths.items() if path.function == "patient"}
    return Described(segments, systems, tuple(keys))


def kinds_of(block: Block) -> tuple[Codes, Codes]:
    """Return type and event of each message of a block, as numbers; 0 for what is none of HL7's."""
    field = block.nth(block.field(block.segments.take(block.heads), "MSH", 9), REPETITION, 0)
    types, events = (_codes(block, block.nth(field, COMPONENT, part)) for part in (0, 1))
    if not events.all():
        # Until 2.2 the event stood in EVN only.
        rows = at_segments(block, "MSH", np.ones(len(block.heads), np.bool_))
        told = block.field(block.segments.take(rows.reach("EVN").first()), "EVN", 1)
        events = np.where(events == 0, _codes(block, told), events)
    return types, events


def _codes(block: Block, spans: Spans) -> Codes:
    """Return names of three letters as numbers, 0 for any other text."""
    at = np.where(spans.lengths == 3, spans.starts, 0)
    letters = [block.data[at + place].astype(np.int64) for place in range(3)]
    return np.where(spans.lengths == 3, (letters[0] << 16) | (letters[1] << 8) | letters[2], 0)


def count_parts(block: Block, types: Codes, known: Described, unread: Counter[str]) -> None:
    """Count messages and segments that no table describes; those that HL7 does not name are not named either."""
    for number, count in zip(*np.unique(types, return_counts=True), strict=True):
        name = name_of(int(number))
        if name not in known.segments:
            unread[f"{name} messages" if name in MESSAGES else "messages of another type"] += int(count)
    pairs, counts = np.unique((types[block.message] << 24) | block.names, return_counts=True)
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        type_, segment = name_of(pair >> 24), name_of(pair & 0xFFFFFF)
        if type_ in known.segments and segment not in known.segments[type_]:
            unread[f"{type_} {_spoken(segment)}"] += count


def _spoken(segment: str) -> str:
    if segment.startswith("Z"):
        return "Z-segment"
    return segment if segment in SEGMENTS else "unknown segment"


def note_merges(block: Block, types: Codes, events: Codes, survey: Survey, encoding: str) -> None:
    """Note which numbers the merges, links and unlinks of a block say to be one person's."""
    merging = np.isin(events, [number_of(event) for event in MERGES]) & (types == _ADT)
    linking = np.isin(events, [number_of(LINK), number_of(UNLINK)]) & (types == _ADT)
    if not merging.any() and not linking.any():
        return
    for text, merges in survey.merges.items():
        path = compile_path(text)
        # Within a block merges and links are noted in the order of messages, for the last word counts.
        found = [*_merged(block, merging, path, encoding), *_linked(block, linking, path, encoding, events)]
        for _, one, other, is_joined in sorted(found, key=lambda entry: entry[0]):
            if one is None or other is None:
                survey.withheld["merges without both numbers"] += 1
            elif is_joined:
                merges.join(one, other)
            else:
                merges.part(one, other)


_Found = tuple[int, str | None, str | None, bool]


def _merged(block: Block, messages: npt.NDArray[np.bool_], path: Path, encoding: str) -> list[_Found]:
    """Return for each MRG its place, every number it retires, and the number that survives."""
    rows = at_segments(block, "MRG", messages)
    reading = Reading(rows, encoding, {})
    surviving = reading.column(path).to_pylist()
    retired = [reading.every(_prior(way), path) for way in path.ways]
    found: list[_Found] = []
    for row, (at, survivor) in enumerate(zip(rows.at.tolist(), surviving, strict=True)):
        numbers: list[str | None] = [*next((each[row] for each in retired if each[row]), [])]
        found += [(at, number, survivor, True) for number in numbers or [None]]
        found += [(at, one, other, True) for number in numbers for one, other in _completed(number, survivor)]
    # A merge message without any MRG says nothing of who was merged.
    silent = messages.copy()
    silent[block.message[rows.at]] = False
    return [*found, *((int(block.heads[message]), None, None, True) for message in np.flatnonzero(silent))]


def _completed(retired: str | None, surviving: str | None) -> list[tuple[str, str]]:
    """Return what else a merge joins where one of its two numbers is written without the authority of the other.

    Both are of one authority, or the message would name two; elsewhere each may be written with it.
    """
    if retired is None or surviving is None or (AUTHORITY in retired) == (AUTHORITY in surviving):
        return []
    _, mark, authority = (surviving if AUTHORITY in surviving else retired).partition(AUTHORITY)
    completed = mark + authority
    return [(retired + completed, surviving)] if AUTHORITY in surviving else [(surviving, surviving + completed)]


def _prior(way: Way) -> Way:
    segment, _, number = PRIOR[way.name].partition("-")
    return replace(way, segment=segment, field=int(number))


def _linked(block: Block, messages: npt.NDArray[np.bool_], path: Path, encoding: str, events: Codes) -> list[_Found]:
    """Return for each further PID of a link message its place, and its number and the first one's."""
    rows = at_segments(block, "PID", messages)
    numbers = Reading(rows, encoding, {}).column(path).to_pylist()
    found: list[_Found] = []
    first: dict[int, str | None] = {}
    for at, number in zip(rows.at.tolist(), numbers, strict=True):
        message = int(block.message[at])
        if message in first:
            found.append((at, number, first[message], int(events[message]) == number_of(LINK)))
        first.setdefault(message, number)
    return found
