"""Generate a population: block by block, each from its own seed, so that size never changes who is in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from deid.synthetic.diagnoses import diagnosis_columns, draw_diagnoses, drgs
from deid.synthetic.people import draw_people, patient_ids, patient_table
from deid.synthetic.services import draw_drugs, draw_lines, drug_columns, procedure_columns, total_charges
from deid.synthetic.text_arrays import Ints
from deid.synthetic.visits import deaths, draw_visits, encounter_ids, encounter_table
from deid.synthetic.written import write_notes

_BLOCK = 10_000


@dataclass(frozen=True, slots=True)
class Population:
    """People who never lived, and their care.

    Dates are date32, amounts decimal128(12, 2) in USD, everything else text or int32.
    `note_spans` (note_id, start, end, kind) is the answer key of `notes`: where in the text, in code points, each
    identifier stands, by the kind it is. It is never part of a source.
    """

    patients: pa.Table
    encounters: pa.Table
    diagnoses: pa.Table
    procedures: pa.Table
    drugs: pa.Table
    notes: pa.Table
    note_spans: pa.Table


def generate(seed: int, patients: int, *, notes: float = 0.3) -> Population:
    """Return a population of `patients` people; `notes` is the share of encounters that have a clinical note.

    The same arguments give the same tables.
    """
    return _concat(list(_blocks(seed, patients, notes)))


def generate_chunks(seed: int, patients: int, chunk: int = 50_000, *, notes: float = 0.0) -> Iterator[Population]:
    """Yield the same population as `generate` in parts of about `chunk` patients, so that memory stays bounded.

    Ids are unique over all parts. A part holds whole blocks of 10,000 patients.
    """
    waiting: list[Population] = []
    for block in _blocks(seed, patients, notes):
        waiting.append(block)
        if len(waiting) * _BLOCK >= chunk:
            yield _concat(waiting)
            waiting = []
    if waiting:
        yield _concat(waiting)


def _blocks(seed: int, patients: int, notes: float) -> Iterator[Population]:
    if patients < 1 or seed < 0 or not 0 <= notes <= 1:
        raise ValueError("a population has at least one patient, a seed of 0 or more and a share of notes from 0 to 1")
    for block, first in enumerate(range(0, patients, _BLOCK)):
        yield _block((seed, block), first, min(_BLOCK, patients - first), notes)


def _concat(blocks: list[Population]) -> Population:
    if len(blocks) == 1:
        return blocks[0]
    return Population(*(pa.concat_tables([getattr(b, part.name) for b in blocks]) for part in fields(Population)))


def _block(entropy: tuple[int, int], first: int, count: int, notes: float) -> Population:
    seed = entropy[0]
    # Streams apart for structure and notes: asking for notes must not change the people.
    rng, note_rng = (np.random.default_rng(child) for child in np.random.SeedSequence(entropy).spawn(2))
    people = draw_people(rng, first, count)
    visits = draw_visits(rng, people)
    died = deaths(people, visits)
    drawn = draw_diagnoses(rng, people, visits)
    lines = draw_lines(rng, visits)
    drug_visit, drug = draw_drugs(rng, people, visits)
    keys = pa.table(
        {
            "patient_id": patient_ids(people.number, seed=seed).take(pa.array(visits.who)),
            "encounter_id": encounter_ids(visits.number, seed=seed),
        }
    )
    charge = total_charges(rng, visits, lines)
    detail = encounter_table(rng, people, visits, died=died, drg=drgs(visits, drawn), charge=charge, seed=seed)
    patients = patient_table(rng, people, died, seed=seed)
    encounters = _beside(keys, {name: detail.column(name) for name in detail.column_names})
    diagnoses = _keyed(keys, drawn.visit, diagnosis_columns(rng, visits, drawn))
    written, spans = write_notes(note_rng, patients, encounters, visits, drawn, share=notes, seed=seed)
    return Population(
        patients,
        encounters,
        diagnoses,
        _keyed(keys, lines.visit, procedure_columns(rng, visits, lines)),
        _keyed(keys, drug_visit, drug_columns(rng, people, visits, drug_visit, drug)),
        written,
        spans,
    )


def _keyed(keys: pa.Table, visit: Ints, columns: dict[str, pa.Array]) -> pa.Table:
    return _beside(keys.take(pa.array(visit)), columns)


def _beside(keys: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    return pa.table({"patient_id": keys["patient_id"], "encounter_id": keys["encounter_id"], **columns})
