"""Ways in which real files write the same facts badly, applied to some cells of a population.

Every one is still read rightly by a correct description: a ZIP code that lost its leading zero or its hyphen, ICD codes
without a dot, in small letters or with a blank behind, blanks for null, two telephone numbers in one cell.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.synthetic.population import Population
from deid.synthetic.text_arrays import Bools

NULLS = ("", " ")
_LEADING_ZERO = "^0+"


def with_hazards(population: Population, *, seed: int) -> Population:
    """Return the population with some cells of patients and diagnoses badly written; `seed` decides which."""
    rng = np.random.default_rng((seed, 4_242))
    patients, diagnoses = population.patients, population.diagnoses
    patients = _put(patients, "zip_code", bad_zips(rng, patients["zip_code"].combine_chunks()))
    patients = _put(patients, "phone", _two_phones(rng, patients["phone"].combine_chunks()))
    patients = _put(patients, "maiden_name", _blanks(rng, patients["maiden_name"].combine_chunks()))
    diagnoses = _put(diagnoses, "icd10cm", bad_codes(rng, diagnoses["icd10cm"].combine_chunks()))
    return replace(population, patients=patients, diagnoses=diagnoses)


def bad_zips(rng: np.random.Generator, zips: pa.Array) -> pa.Array:
    """Return ZIP codes of which half of those with a leading zero lose it, and half of those with a hyphen that."""
    is_short = pc.equal(pc.utf8_length(zips), 5)
    lost = pc.if_else(is_short, pc.replace_substring_regex(zips, _LEADING_ZERO, ""), zips)
    bare = pc.replace_substring(lost, "-", "")
    return pc.if_else(pa.array(_some(rng, zips, 0.5)), bare, zips)


def bad_codes(rng: np.random.Generator, codes: pa.Array) -> pa.Array:
    """Return ICD codes: a third without dot, some in small letters, some with a blank behind."""
    out = pc.if_else(pa.array(_some(rng, codes, 0.33)), pc.replace_substring(codes, ".", ""), codes)
    out = pc.if_else(pa.array(_some(rng, codes, 0.05)), pc.utf8_lower(out), out)
    return pc.if_else(pa.array(_some(rng, codes, 0.05)), pc.binary_join_element_wise(out, " ", ""), out)


def _two_phones(rng: np.random.Generator, phones: pa.Array) -> pa.Array:
    twice = pc.binary_join_element_wise(phones, pc.replace_substring(phones, ") ", "-"), " Or ")
    return pc.if_else(pa.array(_some(rng, phones, 0.1)), pc.replace_substring(twice, "(", ""), phones)


def _blanks(rng: np.random.Generator, names: pa.Array) -> pa.Array:
    blank = pc.if_else(pa.array(_some(rng, names, 0.5)), " ", pa.scalar(None, pa.string()))
    return pc.coalesce(names, blank)


def _some(rng: np.random.Generator, column: pa.Array, share: float) -> Bools:
    return rng.random(len(column)) < share


def _put(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
