"""Whose numbers of patients they are that name no assigning authority.

Number 1001 of one hospital is not 1001 of another. A number without authority (PID-3.4) is of the facility that sends
it (MSH-4): the same one from two facilities may be two people's, who would be read as one patient.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.patients.positions import Tagger
from deid.patients.tags import TagIndex
from deid.sources.hl7v2.framing import Place
from deid.sources.hl7v2.paths import Path, compile_path

SENDER = compile_path("MSH-4")
AUTHORITY = "^"  # between a number and its authority, see fields.Field
_NOBODY = -1


def wants_authority(path: Path) -> bool:
    """Return whether a path gives numbers with their authority; with a component it is the number alone."""
    return path.function in ("patient", "identifier") and not any(way.component for way in path.ways)


def bare(keys: pa.StringArray) -> pa.BooleanArray:
    """Return which keys have no authority; false for null."""
    return pc.fill_null(pc.invert(pc.match_substring(keys, AUTHORITY)), False)


class Senders:
    """Which facility each bare number came from: keyed tags and small numbers in memory, 21 to 25 bytes a patient."""

    __slots__ = ("_facilities", "_index", "_senders", "_tagger")

    def __init__(self) -> None:
        self._tagger = Tagger.fresh()
        self._index = TagIndex()
        self._senders: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        self._facilities: dict[str, int] = {}

    def note(self, numbers: pa.StringArray, facilities: pa.StringArray, place: Place) -> None:
        """Note who sent bare numbers; raise SourceError where one comes from a second facility."""
        coded = pc.utf8_upper(pc.utf8_trim_whitespace(pc.fill_null(facilities, ""))).dictionary_encode()
        known = [self._facilities.setdefault(name, len(self._facilities)) for name in coded.dictionary.to_pylist()]
        sender = np.array(known, np.int32)[coded.indices.to_numpy()]
        at, _ = self._index.add(self._tagger.tags(numbers))
        grown = np.full(len(self._index) - len(self._senders), _NOBODY, np.int32)
        self._senders = np.append(self._senders, grown)
        first = self._senders[at] == _NOBODY
        self._senders[at[first]] = sender[first]
        if (self._senders[at] != sender).any():
            raise place.fault(
                "one number of a patient, without assigning authority (PID-3.4), is of two sending facilities (MSH-4)",
                hint="describe each facility's files as a dataset of its own; where all of them share one numbering, "
                "write PID-3.1|patient in the patient column of every table",
            )
