"""Small C-CDA documents for tests, put together of strings."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deid.schema import DatasetDescription
from deid.sources import load_dataset, open_source

TEMPLATES = "2.16.840.1.113883.10.20.22.4"
ICD10, SNOMED, LOCAL = "2.16.840.1.113883.6.90", "2.16.840.1.113883.6.96", "1.2.3.4.5"
MRN_ROOT, SSN_ROOT = "1.2.3.99", "2.16.840.1.113883.4.1"
NAMESPACES = (
    'xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


def patient(key: str = "p1", *, inside: str = "", person: str = "", ids: str = "") -> str:
    """Return a recordTarget; `inside` the role, `person` inside the patient, `ids` before the patient's own."""
    own = f'<id root="{MRN_ROOT}" extension="{key}"/>'
    return f"<recordTarget><patientRole>{ids}{own}{inside}<patient>{person}</patient></patientRole></recordTarget>"


def section(*entries: str, code: str = "11450-4", inside: str = "") -> str:
    """Return a section with these acts, each in an entry of its own."""
    told = f'<code code="{code}" codeSystem="2.16.840.1.113883.6.1"/>'
    return f"<section>{told}{inside}{''.join(f'<entry>{entry}</entry>' for entry in entries)}</section>"


def act(template: str, inside: str, *, name: str = "observation", attributes: str = 'moodCode="EVN"') -> str:
    """Return an act of a C-CDA entry template, by the last number of its templateId."""
    return f'<{name} {attributes}><templateId root="{TEMPLATES}.{template}"/>{inside}</{name}>'


def coded(code: str, system: str = ICD10, *, name: str = "value", inside: str = "", more: str = "") -> str:
    """Return a coded element."""
    return f'<{name} xsi:type="CD" code="{code}" codeSystem="{system}" {more}>{inside}</{name}>'


def problem(code: str = "E11.9", system: str = ICD10, **fields: str) -> str:
    """Return a Problem Observation."""
    return act("4", coded(code, system), **fields)


def document(*sections: str, target: str | None = None, header: str = "", body: str | None = None) -> str:
    """Return a document about one patient."""
    parts = "".join(f"<component>{one}</component>" for one in sections)
    held = f"<component><structuredBody>{parts}</structuredBody></component>" if body is None else body
    identity = '<id root="1.2.3.7" extension="d1"/>'
    return f"<ClinicalDocument {NAMESPACES}>{identity}{patient() if target is None else target}{header}{held}</ClinicalDocument>"


def dataset(folder: Path, *documents: str | bytes, **fields: Any) -> DatasetDescription:
    """Write documents, and return the built-in description of them."""
    for number, one in enumerate(documents):
        (folder / f"d{number}.xml").write_bytes(one if isinstance(one, bytes) else one.encode())
    return replace(_described(json.dumps({"dataset": "d", "format": "ccda_r21"} | fields)), root=folder)


@cache  # one reading of the description serves all tests
def _described(text: str) -> DatasetDescription:
    with TemporaryDirectory() as folder:
        (Path(folder) / "d.yaml").write_text(text)
        return load_dataset(Path(folder) / "d.yaml")


def rows(described: DatasetDescription, table: str, *columns: str) -> list[tuple[str | None, ...]]:
    """Return the cells of these columns."""
    source = open_source(described)
    source.check({table: columns})
    return [tuple(row.values()) for batch in source.read(table, columns) for row in batch.to_pylist()]
