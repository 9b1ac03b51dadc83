"""ICD-9-CM, diagnoses and hospital procedures of the United States until 2015-09-30, kept by NCHS and CMS.

Normal form: capitals, with the dot (`250.00`, `V10.1`, `E812.1`; procedures `45.13`).
Diagnoses and procedures share their digits, and files often leave the dot out: `4019` is hypertension (401.9) or a
procedure on lymphatic structures (40.19). `icd9cm` reads digits without a dot as a diagnosis where the list of
diagnoses has that code, else as a procedure where the list of procedures has it, else as a diagnosis; three digits
likewise. Who knows that a column holds procedures alone uses `icd9cm_procedure`, which reads it as nothing else.
An unknown code keeps what is true of its category, as in ICD-10-CM.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from deid.cells.domains import Matching
from deid.codes.attributes import AttributedSystem
from deid.codes.base import Level
from deid.codes.formed import Entries, shaped
from deid.codes.tabled import (
    TableRung,
    before_dot,
    dotted,
    if_known,
    in_column,
    of_category,
    shape_of,
    shortened,
    without_dots,
)
from deid.codes.tables import NOWHERE, load_table

TABLE = "icd9cm"
NORMAL = r"(?:[0-9]{3}|V[0-9]{2}|[0-9]{2})(?:\.[0-9]{1,2})?|E[0-9]{3}(?:\.[0-9])?"
PROCEDURE = r"[0-9]{2}(?:\.[0-9]{1,2})?"
_SHAPE = shape_of("icd9cm")
_DIGITS = "^[0-9]*$"


def _normal(values: pa.Array) -> pa.Array:
    """Return the normal form of diagnoses, and of procedures where the digits are no diagnosis."""
    text = shaped(values, _SHAPE)
    bare = pc.replace_substring(text, ".", "")
    letters = pc.if_else(pc.starts_with(bare, "E"), dotted(bare, 4), dotted(bare, 3))
    digits = pc.if_else(pc.match_substring(text, "."), pc.ascii_rtrim(text, "."), _read(bare))
    return pc.if_else(pc.match_substring_regex(bare, _DIGITS), digits, letters)


def _read(digits: pa.Array) -> pa.Array:
    """Return digits without a dot as a diagnosis, or as a procedure where only that is in the table."""
    diagnosis, procedure = dotted(digits, 3), dotted(digits, 2)
    table = load_table(TABLE)
    only = (table.find(procedure) != NOWHERE) & (table.find(diagnosis) == NOWHERE)
    return pc.if_else(pa.array(only), procedure, diagnosis)


def _normal_procedure(values: pa.Array) -> pa.Array:
    text = shaped(values, r"[0-9]{2}(?:\.?[0-9]{0,2})")
    return dotted(pc.replace_substring(text, ".", ""), 2)


def _system(name: str, title: str, kinds: tuple[str, ...], pattern: str, normal: Entries) -> AttributedSystem:
    return AttributedSystem(
        name=name,
        title=title,
        kinds=kinds,
        table_name=TABLE,
        code=Level("code", Matching(pattern, "an ICD-9-CM code, with its dot"), "the code itself"),
        normal=normal,
        rungs=(
            TableRung(
                "category",
                "category: three characters, four of an external cause (E), two of a procedure",
                "an ICD-9-CM category, or UNMAPPED",
                lambda table, codes: if_known(table, before_dot(codes)),
                without_dots,
            ),
            TableRung(
                "chapter",
                "chapter: a range of three-digit categories, or of two-digit ones of procedures",
                "an ICD-9-CM chapter, or UNMAPPED",
                of_category("chapter"),
                in_column("chapter"),
            ),
        ),
        shorter=shortened,
        ladder=("chapter",),
        external="^E",
    )


ICD9CM = _system("icd9cm", "ICD-9-CM", ("icd9cm",), NORMAL, _normal)
ICD9CM_PROCEDURE = _system("icd9cm_procedure", "ICD-9-CM procedures", (), PROCEDURE, _normal_procedure)
