"""Two recipients put their releases together: pseudonyms differ, and what was released of a person may not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.base import Against, Belief, Labels, Trace
from deid.attacks.bits import Int64
from deid.attacks.knowledge import Knowledge, Place
from deid.attacks.released import Released
from deid.kinds import KINDS, Group, Value

_SEED = 20  # of the hash; any will do, for nobody is to be surprised by it
_EVERY = "everything that both show"


class Recipients:
    """Joins two releases on the contents of whole records."""

    name: ClassVar[str] = "recipients"
    asks: ClassVar[str] = "joins another recipient's release by days, codes, charges and pseudonyms"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield labels by which records of both are alike, for each family of columns and for all of them."""
        if known.other is None:
            return
        other = Released(known.other)
        same = int(pc.sum(pc.is_in(release.patients, value_set=other.patients)).as_py() or 0)
        told = "pseudonyms that stand in both releases"
        yield Trace("shared pseudonyms", same, len(release), told)
        for name, places in families(release, other).items():
            yield Labels(name, *signatures(release, other, places), Against.OTHER_RELEASE)


def families(mine: Released, other: Released) -> dict[str, list[Place]]:
    """Return the columns that both releases have under one rule, by what they tell; pseudonyms aside."""
    found: dict[str, list[Place]] = {_EVERY: []}
    for table, column in mine.columns():
        kind = KINDS.get(column.kind)
        theirs = other.entry((table, column.name))
        if theirs is None or kind is None or kind.is_identifier_code or other.who(table) is None:
            continue
        if theirs.transform != column.transform or column.transform.startswith("shift_date"):
            continue
        if kind.value is Value.NOTE:
            continue
        place = (table, column.name)
        found[_EVERY].append(place)
        if family := _FAMILIES.get(kind.group):
            found.setdefault(family, []).append(place)
    return {name: places for name, places in found.items() if places}


_FAMILIES = {Group.TIME: "days", Group.CODE: "codes", Group.AMOUNT: "charges and counts", Group.PERSON: "demographics"}


def signatures(mine: Released, other: Released, places: list[Place]) -> tuple[Int64, Int64]:
    """Return a label for each patient of both releases, equal where all cells of these columns are.

    A label stands for the bag of cells of each column, in whatever order rows stand: the sum of 64 random bits a value.
    """
    rng = np.random.default_rng(_SEED)
    totals = [np.zeros(len(release), np.uint64) for release in (mine, other)]
    for place in places:
        parts = [release.cells(*place) for release in (mine, other)]
        kind = parts[0].type
        whole = pa.concat_arrays([part.cast(kind) for part in parts]).dictionary_encode()
        marks = rng.integers(1, 2**63, len(whole.dictionary) + 1, dtype=np.uint64)
        codes = pc.fill_null(whole.indices, len(whole.dictionary)).to_numpy(zero_copy_only=False)
        value = marks[codes]
        cut = len(parts[0])
        for total, release, cells in zip(totals, (mine, other), (value[:cut], value[cut:]), strict=True):
            who = release.who(place[0])
            if who is not None:
                np.add.at(total, who[who >= 0], cells[who >= 0])
    _, labels = np.unique(np.concatenate(totals), return_inverse=True)
    labels = labels.reshape(-1).astype(np.int64)
    return labels[: len(mine)], labels[len(mine) :]
