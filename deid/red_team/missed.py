"""Which look-alikes in redacted notes are names of the patients themselves, against those of somebody else."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.base import LookAlikes
from deid.red_team.identified import Population
from deid.red_team.score import Figure, Verdict
from deid.red_team.truth import Truth
from deid.release.small_counts import Count, shown

Int64 = npt.NDArray[np.int64]
_SHORTEST = 3  # letters of a name; initials and shorter names are told apart from words by nobody
_SIGMAS = 3.0
_SHIFTS = 8  # other patients whose names each patient's words are held against
# Of real names among invented ones, readers told 26.8 % (Carrell et al. 2020, PMC7647331), a parrot 68 % (PMC6857511).
RECOGNIZED = (0.27, 0.68)


@dataclass(frozen=True, slots=True)
class _Own:
    """The parts of everybody's names: sorted numbers of (person, part), and the parts themselves."""

    keys: Int64 = field(repr=False)
    parts: pa.Array = field(repr=False)

    @classmethod
    def of(cls, population: Population) -> _Own:
        texts, persons = [pa.array([], pa.string())], [np.zeros(0, np.int64)]
        for names in population.people.names.values():
            lists = pc.split_pattern_regex(names, r"[^\pL]+")
            texts.append(pc.list_flatten(lists))
            persons.append(pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64))
        part, person = pa.concat_arrays(texts), np.concatenate(persons)
        long = pc.greater_equal(pc.utf8_length(part), _SHORTEST)
        coded = part.filter(long).dictionary_encode()
        number = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        own = person[long.to_numpy(zero_copy_only=False)]
        return cls(np.unique(own * max(len(coded.dictionary), 1) + number), coded.dictionary)

    def have(self, person: Int64, words: pa.Array) -> npt.NDArray[np.bool_]:
        """Return whether each word is a part of the name of its person; -1 is nobody."""
        at = pc.fill_null(pc.index_in(words, value_set=self.parts), -1).to_numpy(zero_copy_only=False).astype(np.int64)
        asked = person * max(len(self.parts), 1) + at
        place = np.minimum(np.searchsorted(self.keys, asked), max(len(self.keys) - 1, 0))
        there = self.keys[place] == asked if len(self.keys) else np.zeros(len(asked), bool)
        return np.asarray(there & (at >= 0) & (person >= 0), bool)


def of_look_alikes(attacker: str, belief: LookAlikes, truth: Truth, population: Population) -> Figure:
    """Return in whose notes the finder came upon parts of their own names, and how many it passed over.

    By chance: as many as come of holding each patient's words against the names of another patient who has notes, the
    mean over several such others.
    """
    own = _Own.of(population)
    person = truth.person[belief.patients]
    hits = _patients(belief.patients, own.have(person, belief.words))
    everywhere = _patients(belief.owners, own.have(truth.person[belief.owners], belief.everywhere))
    by_chance = _by_chance(own, belief, truth)
    n = belief.of_patients
    if hits > by_chance + _SIGMAS * np.sqrt(by_chance + 1):
        verdict = Verdict.FAILED
    else:  # a few may be real ones, and chance does not give them all: somebody has to look
        verdict = Verdict.UNDECIDED if hits > by_chance + np.sqrt(by_chance) else Verdict.PASSED
    told = (
        f"who have a part of their own name among {shown(len(belief.words))} look-alikes in {shown(belief.notes)} "
        f"notes; {by_chance:.0f} by chance; left in notes of {shown(everywhere)} patients"
        if population.people.names
        else "the source tells no given and family names to look for"
    )
    return Figure(
        attacker,
        belief.scenario,
        "patients with notes",
        n,
        verdict if population.people.names else Verdict.UNDECIDED,
        found=hits,
        told=told + (_hidden(hits) if belief.hidden and hits else ""),
        recognized=RECOGNIZED if belief.hidden else None,
    )


def _hidden(hits: int) -> str:
    """Say how many of them somebody recognizes among invented names, where so many may be told."""
    share = f"{100 * RECOGNIZED[0]:.0f} to {100 * RECOGNIZED[1]:.0f} %"
    few: Count = shown(hits)
    told = "" if isinstance(few, str) else f", so about {RECOGNIZED[0] * hits:.0f} to {RECOGNIZED[1] * hits:.0f}"
    return f"; among invented names {share} of real ones are recognized{told}"


def _patients(patients: Int64, hit: npt.NDArray[np.bool_]) -> int:
    return len(np.unique(patients[hit]))


def _by_chance(own: _Own, belief: LookAlikes, truth: Truth) -> float:
    """Return in how many patients' notes the finder comes upon parts of the names of somebody else who has notes."""
    distinct, which = np.unique(belief.patients, return_inverse=True)
    shifts = range(1, min(_SHIFTS, len(distinct) - 1) + 1)
    found = [
        _patients(belief.patients, own.have(truth.person[np.roll(distinct, -by)][which.reshape(-1)], belief.words))
        for by in shifts
    ]
    return sum(found) / len(found) if found else 0.0
