"""Batches of which some are taken together, so that one pass over a large crosswalk serves all of them.

Tags fall on every partition alike, so that each batch would open all that do not stay in memory: what a row costs would
grow with the crosswalk. What is found for some batches at once is no more than a cache: what it lacks is looked up.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import islice

from deid.observing.decision import Pseudonyms
from deid.observing.rows import TypedRows
from deid.planning.plan import TablePlan
from deid.transforms.pseudonymize import Pseudonymize

_PATIENT = "patient_id"  # looked up once for each patient, and remembered


def foreseen(batches: Iterator[TypedRows], planned: TablePlan, pseudonyms: Pseudonyms) -> Iterator[TypedRows]:
    """Yield batches in their order, the random pseudonyms of each found together with those of the batches after it."""
    columns = [
        (step.column.name, step.column.kind.name)
        for step in planned.written
        if isinstance(step.transform, Pseudonymize) and step.column.kind.name != _PATIENT
    ]
    together = max((pseudonyms.together(kind) for _, kind in columns), default=1)
    return batches if together == 1 else _foreseen(batches, columns, pseudonyms, together)


def _foreseen(
    batches: Iterator[TypedRows], columns: list[tuple[str, str]], pseudonyms: Pseudonyms, together: int
) -> Generator[TypedRows]:
    try:
        while some := list(islice(batches, together)):
            for name, kind in columns:
                pseudonyms.foresee(kind, [rows.values[name] for rows in some])
            while some:
                yield some.pop(0)
    finally:
        if isinstance(batches, Generator):
            batches.close()
