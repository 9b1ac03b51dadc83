"""The voter list: everybody's name, birth date, address, sex and race, joined with what the release shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.base import Against, Belief, Labels
from deid.attacks.bits import Int64
from deid.attacks.knowledge import Knowledge, People, Place
from deid.attacks.people import VOTER
from deid.attacks.released import Released
from deid.attacks.rules import as_released


class VoterList:
    """Sweeney's attack (1997): every released patient is looked for among everybody who lives there.

    Whoever fits a patient is as likely as any other who does: the chance is 1/F, F the people of the list who fit
    (Benitez and Malin 2010). Most of them need not be in the release.
    """

    name: ClassVar[str] = "voter_list"
    asks: ClassVar[str] = "joins a voter list (birth date, ZIP code, town, sex, race) with the demographics"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield labels of released patients and of voters, equal where the released values are."""
        mine = np.zeros(len(release), np.int64)
        voters = np.zeros(len(known.public), np.int64)
        for place, values in known.public.columns.items():
            told = _told(release, known.public, place, values)
            if told is not None:
                mine, voters = _joined(mine, voters, *told)
        yield Labels("voter list", mine, voters, Against.VOTERS)


def _joined(mine: Int64, voters: Int64, my_value: Int64, their_value: Int64) -> tuple[Int64, Int64]:
    """Return labels that are equal where the old ones and the values are; -1 for a voter who fits no patient."""
    width = int(my_value.max(initial=0)) + 2
    pairs = mine * width + my_value + 1
    known, label = np.unique(pairs, return_inverse=True)
    asked = voters * width + their_value + 1
    at = np.minimum(np.searchsorted(known, asked), max(len(known) - 1, 0))
    fits = (voters >= 0) & (their_value < width - 1) & (known[at] == asked if len(known) else False)
    return label.reshape(-1).astype(np.int64), np.where(fits, at, -1)


def _told(release: Released, people: People, place: Place, values: pa.Array) -> tuple[Int64, Int64] | None:
    """Return numbers of the released values of a column, for patients and for voters; None if it tells nothing."""
    entry, who = release.entry(place), release.who(place[0])
    if entry is None or who is None or people.kinds[place] not in VOTER:
        return None
    became = as_released(entry, release.manifest, values, people.birth_day)
    alone = len(np.unique(who[who >= 0])) == int((who >= 0).sum())
    if became is None or not alone:  # a patient of several rows may have several values
        return None
    cells = release.cells(*place)
    coded = cells.dictionary_encode()
    at = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    mine = np.full(len(release), -1, np.int64)
    mine[who[who >= 0]] = at[who >= 0]
    found = pc.index_in(became.cast(coded.dictionary.type), value_set=coded.dictionary)
    # A value that no patient shows is told apart from an empty cell, which stands for itself.
    nowhere = pc.if_else(became.is_valid(), len(coded.dictionary), -1)
    return mine, pc.coalesce(found, nowhere).to_numpy(zero_copy_only=False).astype(np.int64)
