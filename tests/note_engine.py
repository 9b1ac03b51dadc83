"""What the tests of notes share: one loaded redactor, one patient, and a way to apply known identifiers alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache

import pyarrow as pa

from deid.notes import KnownIdentifiers, RedactionResult, Redactor

NOBODY = KnownIdentifiers([])
RECORD: tuple[tuple[str, str], ...] = (
    ("person_name", "Ximena"),
    ("person_name", "de la Quintanilla"),
    ("relative_name", "Bartholomew Quintanilla"),
    ("provider_name", "Dr. Thaddeus Okonkwo-Reyes, MD"),
    ("ssn", "912-33-1234"),
    ("mrn", "MRN-00774411"),
    ("member_id", "ZQX884412097"),
    ("phone", "(617) 555-0142"),
    ("email", "ximena.q@example.org"),
    ("street_address", "4410 Larkspur Lane Apt 7B, Fernborough"),
    ("city", "Fernborough"),
    ("zip_code", "02139"),
    ("birth_date", "1950-01-02"),
    ("patient_id", "b9c610cd-28a6-4636-ccb6-c7a0d2a4cb85"),
)


@cache
def redactor() -> Redactor:
    """Return the one redactor of this process: its language model takes a second to load."""
    return Redactor()


@cache
def patient() -> KnownIdentifiers:
    """Return the identifiers of the patient of `RECORD`."""
    return KnownIdentifiers(RECORD)


def redact(texts: list[str | None], known: KnownIdentifiers = NOBODY) -> RedactionResult:
    """Redact a list of notes of one patient with everything there is."""
    return redactor().redact(pa.array(texts, pa.string()), [known] * len(texts))


def without_known(text: str, known: KnownIdentifiers) -> str:
    """Return `text` with tags for what the record knows, and nothing else."""
    for span in reversed(known.find(text)):
        text = f"{text[: span.start]}[{span.kind.upper()}]{text[span.end :]}"
    return text


def known(*values: tuple[str, str | date]) -> KnownIdentifiers:
    """Return identifiers from pairs of kind and text."""
    return KnownIdentifiers(values)


def of(texts: Iterable[str | None]) -> list[str]:
    """Return the texts that are not null."""
    return [text for text in texts if text is not None]
