"""Clinical notes about synthetic encounters, and the answer key of every identifier in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from deid.synthetic import reference
from deid.synthetic.diagnoses import Diagnoses, vocabulary
from deid.synthetic.note_fields import FIELDS, Case, Doctor, forms
from deid.synthetic.text_arrays import Ints, base32, dates, digits, fixed, scramble
from deid.synthetic.visits import Visits

_FIELD = re.compile(r"\{(\w+)\}")
_SPANS = pa.schema([("note_id", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("kind", pa.string())])


@dataclass(frozen=True, slots=True)
class Span:
    """One identifier in a text: code points from `start` up to, not including, `end`."""

    start: int
    end: int
    kind: str


def write_notes(
    rng: np.random.Generator,
    patients: pa.Table,
    encounters: pa.Table,
    visits: Visits,
    drawn: Diagnoses,
    *,
    share: float,
    seed: int,
) -> tuple[pa.Table, pa.Table]:
    """Return the notes of a share of the encounters and the spans of the identifiers in them."""
    chosen = np.flatnonzero(rng.random(len(visits.who)) < share)
    ids = fixed(b"N", base32(scramble(visits.number[chosen], seed=seed + 29), 8))
    cases = _cases(rng, patients, encounters, visits, drawn, chosen, seed)
    texts, types, spans = [], [], []
    for note_id, case in zip(ids.to_pylist(), cases, strict=True):
        form, text, found = compose(case)
        types.append(form)
        texts.append(text)
        spans += [(note_id, span.start, span.end, span.kind) for span in found]
    picked = encounters.take(pa.array(chosen))
    notes = pa.table(
        {
            "patient_id": picked["patient_id"],
            "encounter_id": picked["encounter_id"],
            "note_id": ids,
            "note_date": dates(visits.discharge[chosen]),
            "note_type": pa.array(types, pa.string()),
            "note_text": pa.array(texts, pa.string()),
        }
    )
    columns = zip(*spans, strict=True) if spans else ([], [], [], [])
    return notes, pa.Table.from_arrays(
        [pa.array(list(values), kind.type) for values, kind in zip(columns, _SPANS, strict=True)], schema=_SPANS
    )


def _cases(
    rng: np.random.Generator,
    patients: pa.Table,
    encounters: pa.Table,
    visits: Visits,
    drawn: Diagnoses,
    chosen: Ints,
    seed: int,
) -> list[Case]:
    who = visits.who[chosen]
    people = patients.take(pa.array(who)).to_pylist()
    stays = encounters.take(pa.array(chosen)).to_pylist()
    principal = drawn.code[drawn.sequence == 1][chosen]
    others = rng.integers(0, len(doctors(seed)), len(chosen))
    draws = rng.random((len(chosen), 64)).tolist()
    return [
        Case(person, stay, vocabulary().codes[code], doctors(seed)[own], doctors(seed)[other], numbers)
        for person, stay, code, own, other, numbers in zip(
            people, stays, principal, visits.provider[chosen], others, draws, strict=True
        )
    ]


@cache
def doctors(seed: int) -> tuple[Doctor, ...]:
    """Return the clinicians of a population, in the order of their NPIs."""
    rng = np.random.default_rng((seed, 600))
    given = reference.first_names("F") + reference.first_names("M")
    family = reference.surnames()
    phones = fixed(b"(", digits(rng.integers(201, 989, 600), 3), b") 555-01", digits(rng.integers(0, 100, 600), 2))
    return tuple(
        Doctor(given[first], family[last], phone)
        for first, last, phone in zip(
            rng.integers(0, len(given), 600), rng.integers(0, len(family), 600), phones.to_pylist(), strict=True
        )
    )


def compose(case: Case) -> tuple[str, str, list[Span]]:
    """Return the type, the text and the spans of a note about `case`."""
    encounter_class = case.visit["encounter_class"]
    fitting = [form for form in forms()["notes"] if encounter_class in form["classes"]]
    form = fitting[int(case.draws.pop() * len(fitting))]
    pieces: list[str] = []
    spans: list[Span] = []
    _fill(form["text"].rstrip("\n"), case, pieces, spans, 0)
    return form["type"], "".join(pieces), spans


def _fill(template: str, case: Case, pieces: list[str], spans: list[Span], at: int) -> int:
    """Append the filled template to `pieces`; return where the next piece begins."""
    for index, part in enumerate(_FIELD.split(template)):
        if index % 2 == 0:
            pieces.append(part)
            at += len(part)
        elif part == "relative_line":
            at = _fill(case.choose(forms()["relative_lines"]), case, pieces, spans, at)
        else:
            for text, kind in FIELDS[part](case):
                pieces.append(text)
                if kind is not None and text:
                    spans.append(Span(at, at + len(text), kind))
                at += len(text)
    return at
