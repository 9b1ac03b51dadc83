"""From a line of NDJSON to a record: a decoder of just the members that are asked for, and a count of the others.

The decoder is closed: a member it does not know is an error. So an undescribed member is met once by the long way,
which counts it and teaches the decoder to know it as raw bytes; from then on it costs its skipping and one count.
Nothing is undercounted, for what is not known cannot be passed over in silence. Every fault of a line is found, or
found again, by the long way; what msgspec says of it, which may quote the line, goes no further than this file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import msgspec

from deid.sources.shapes import Shape, struct_of

BAD_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
TYPE = "resourceType"
LEARNED = 64  # members that the decoder learns; a FHIR resource type has fewer
_PLAIN_MEMBER = re.compile(r"_?[a-z][A-Za-z0-9]{0,60}")  # FHIR begins no member with a capital
_OTHER = "(other)"

Record = Any  # an instance of the Struct of a resource's shape

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_value = msgspec.json.Decoder().decode


class WrongTypeError(ValueError):
    """A record of another resource type, or of none."""


class RecordReader:
    """Decodes the records of one resource type into the shape that is asked for, and counts undescribed members."""

    def __init__(self, resource: str, shape: Shape, described: Iterable[str]) -> None:
        self._resource = resource
        self._shape = shape
        self._asked = shape.members or {}
        self._described = frozenset(described) | {TYPE}
        self._counts: dict[str, int] = {}
        self._learned: list[str] = []
        self._rebuild()

    @property
    def unread(self) -> dict[str, int]:
        """How often each undescribed member was met, by `Resource.member`.

        A name that no FHIR member could have may be data, and is not spoken.
        """
        return {f"{self._resource}.{name}": count for name, count in self._counts.items()}

    def read(self, line: bytes) -> Record:
        """Return one record.

        Raises WrongTypeError for another resource type, and one of BAD_JSON where the line is not one JSON object.
        """
        try:
            record = self._decode(line)
        except BAD_JSON:
            return self._read_loosely(line)
        if self._type_of(record) != self._resource:
            raise WrongTypeError
        counts = self._counts
        for name, raw in zip(self._learned, self._raws_of(record)):  # noqa: B905 - of one length, and a hot loop
            if raw is not None:
                counts[name] += 1
        return record

    def _read_loosely(self, line: bytes) -> Record:
        members = _members(line)
        if TYPE not in members or _value(members[TYPE]) != self._resource:
            raise WrongTypeError
        self._count(members.keys() - self._described)
        values = {name: _value(members[name]) for name in self._asked if name in members}
        return self._shape.loosely(values)

    def _count(self, undescribed: Iterable[str]) -> None:
        known = len(self._learned)
        for name in sorted(undescribed):
            spoken = name if _PLAIN_MEMBER.fullmatch(name) else _OTHER
            if spoken not in self._counts and len(self._counts) >= LEARNED:
                spoken = _OTHER
            if spoken not in self._counts and spoken != _OTHER:
                self._learned.append(name)
            self._counts[spoken] = self._counts.get(spoken, 0) + 1
        if len(self._learned) > known:
            self._rebuild()

    def _rebuild(self) -> None:
        """Make the decoder anew, for the members that are asked for, those described beside them, and those learned."""
        asked = {name: shape.annotation for name, shape in self._asked.items()}
        skipped = dict.fromkeys(sorted(self._described - asked.keys() - {TYPE}), msgspec.Raw)
        learned = dict.fromkeys(self._learned, msgspec.Raw)
        fields = asked | {TYPE: Any} | skipped | learned
        names = list(fields)
        self._decode = msgspec.json.Decoder(struct_of(fields, closed=True)).decode
        self._type_of = attrgetter(f"m{names.index(TYPE)}")
        self._raws_of = _getter([f"m{names.index(name)}" for name in self._learned])


def _getter(fields: list[str]) -> Callable[[Record], tuple[Any, ...]]:
    """Return what gives these attributes as a tuple, however many they are."""
    if len(fields) > 1:
        return attrgetter(*fields)
    if not fields:
        return lambda _record: ()
    get = attrgetter(*fields)
    return lambda record: (get(record),)
