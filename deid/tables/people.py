"""The attributes of patients by which tables divide them: places, sex, race, ethnicity, as numbers of labels.

Labels come out of cells, so one that fewer than `smallest` patients have is counted under `other`: it may be a slip of
the pen, or a name in the wrong column. An empty cell is `unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.places import zip3
from deid.schema import Table
from deid.tables.system import Flags
from deid.tables.tabulation import PLACES

OTHER, UNKNOWN, NOWHERE = "other", "unknown", "000"
BETWEEN = "/"  # between a state and its county
_KIND = {"zip3": "zip_code"}
Numbers = npt.NDArray[Any]  # whole numbers of several widths


def kind_of(dimension: str) -> str:
    """Return the kind of column that tells a dimension of patients."""
    return _KIND.get(dimension, dimension)


def columns_of(table: Table, dimension: str) -> list[str]:
    """Return the columns of the population table that tell a dimension; a county is told with its state."""
    kinds = ("state", "county") if dimension == "county" else (kind_of(dimension),)
    found = [next(table.of_kind(kind), None) for kind in kinds]
    return [column.name for column in found if column is not None]


@dataclass(slots=True)
class Attribute:
    """One dimension of the patients: a number for each, which counts into `labels`; number 0 is UNKNOWN.

    Memory: 4 bytes a patient, and the distinct labels.
    """

    dimension: str
    labels: list[str] = field(default_factory=lambda: [UNKNOWN], repr=False)
    of_patient: Numbers = field(default_factory=lambda: np.zeros(0, np.int32), repr=False)

    def see(self, patient: Numbers, columns: Sequence[pa.Array]) -> None:
        """Keep the values of a batch; `patient` holds no -1."""
        text = zip3(columns[0]) if self.dimension == "zip3" else _joined(columns)
        encoded = text if isinstance(text, pa.DictionaryArray) else pc.dictionary_encode(text)
        known = {label: number for number, label in enumerate(self.labels)}
        for label in encoded.dictionary.to_pylist():
            if label and label not in known:
                known[label] = len(self.labels)
                self.labels.append(label)
        lookup = np.array([known.get(label or UNKNOWN, 0) for label in encoded.dictionary.to_pylist()] + [0], np.int32)
        numbers = lookup[encoded.indices.fill_null(len(lookup) - 1).to_numpy(zero_copy_only=False)]
        if len(patient):
            size = int(patient.max()) + 1
            self.of_patient = np.append(self.of_patient, np.zeros(max(0, size - len(self.of_patient)), np.int32))
            self.of_patient[patient] = numbers

    def settled(self, patients: int, *, smallest: int, allowed: Sequence[str] | None) -> Attribute:
        """Return the attribute with sorted labels, those not allowed, or of few patients, under OTHER.

        `allowed`: the labels of an earlier publication or of the denominators, which stay whatever their counts.
        """
        numbers = np.append(self.of_patient, np.zeros(max(0, patients - len(self.of_patient)), np.int32))[:patients]
        counts = np.bincount(numbers, minlength=len(self.labels))
        if allowed is None:
            kept = {label for label, count in zip(self.labels, counts.tolist(), strict=True) if count >= smallest}
        else:
            kept = set(allowed)
        special = {UNKNOWN, OTHER}
        labels = [*sorted(kept - special), OTHER, UNKNOWN]
        place = {label: i for i, label in enumerate(labels)}
        other, unknown = len(labels) - 2, len(labels) - 1
        lookup = np.array([place.get(label, other) if i else unknown for i, label in enumerate(self.labels)], np.int32)
        numbers = lookup[numbers]
        there = np.bincount(numbers, minlength=len(labels)) > 0
        # Labels that nobody has are of no use, unless an earlier table or the denominators have them.
        there |= np.array([label in kept for label in labels])
        renumbered = (np.cumsum(there) - 1).astype(np.int32)
        return Attribute(self.dimension, [la for la, t in zip(labels, there, strict=True) if t], renumbered[numbers])


def _joined(columns: Sequence[pa.Array]) -> pa.Array:
    """Return the text of one column, or of state and county, null where either is; blanks at the ends are cut."""
    texts = []
    for column in columns:
        plain = column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
        text = pc.utf8_trim_whitespace(plain.cast(pa.string()))
        texts.append(pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text))
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, BETWEEN)


@dataclass(frozen=True, slots=True)
class People:
    """All patients of a source, by position: their attributes, birth days, and whether the cohort holds them."""

    attributes: Mapping[str, Attribute] = field(repr=False)
    birth_day: Numbers = field(repr=False)
    chosen: Flags = field(repr=False)

    def __len__(self) -> int:
        return len(self.chosen)

    def labels(self, dimension: str) -> list[str]:
        """Return the labels of a dimension in their canonical order."""
        return self.attributes[dimension].labels


def places_inside(people: People) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Return for each place, by level and name, the places of other levels in which all its patients live.

    What maps tell of ZIP codes, counties and states, as far as the source bears it out. A county names its state.
    """
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    levels = [level for level in PLACES if level in people.attributes]
    for fine, coarse in permutations(levels, 2):
        if (fine, coarse) in (("county", "state"), ("state", "county")):
            continue
        part, whole = people.attributes[fine], people.attributes[coarse]
        shape = (len(part.labels), len(whole.labels))
        flat = part.of_patient.astype(np.int64) * shape[1] + whole.of_patient
        both = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape) > 0
        for number in np.flatnonzero(both.sum(axis=1) == 1):
            name, holder = part.labels[number], whole.labels[int(both[number].argmax())]
            if not {name, holder} & {OTHER, UNKNOWN, NOWHERE}:
                found.setdefault((fine, name), []).append((coarse, holder))
    return found


def settled(people: People, *, least: Mapping[str, int], allowed: Mapping[str, Sequence[str]]) -> People:
    """Return the people with labels in canonical order, those of fewer patients than `least` under `other`.

    `least`, `allowed`: by dimension; the latter are the labels that stay whatever their counts.
    """
    kept = {
        d: attribute.settled(len(people), smallest=least[d], allowed=allowed.get(d))
        for d, attribute in people.attributes.items()
    }
    return replace(people, attributes=kept)


@dataclass(frozen=True, slots=True)
class Visits:
    """Distinct pairs of a visit and a code group, sorted by patient and day; 24 bytes for each of them.

    `group`: the number of the code group, 0 that of all visits. `begin`: the day from which on the source tells visits,
    None where that is unknown.
    """

    patient: Numbers = field(repr=False)
    day: Numbers = field(repr=False)
    group: Numbers = field(repr=False)
    labels: tuple[str, ...] = field(repr=False)
    begin: int | None = None

    def of(self, group: int) -> tuple[Numbers, Numbers]:
        """Return patients and days of the visits of one group."""
        at = self.group == group
        return self.patient[at], self.day[at]
