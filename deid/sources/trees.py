"""The tree-shaped formats: how each writes `path` and `each` in a description, one grammar apiece.

A description is checked when it is read, long before a file is opened, so the grammars stand apart from the readers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from deid.sources.ccda import paths as ccda
from deid.sources.hl7v2.paths import check_each, compile_resource, joins
from deid.sources.paths import PathError, compile_path
from deid.sources.x12 import paths as x12

_MEMBERS = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+)*")


@dataclass(frozen=True, slots=True)
class Grammar:
    """How one format says where values lie.

    `check_path` returns whether the path makes one value of several (which only direct identifiers may be) and raises
    PathError for a path that does not follow the grammar; `check_each` raises PathError alike.
    `records` says in a hint what `resource` names; `example` is a column as the format writes it. `files` is where a
    table lies unless `path` says it, with `{resource}` for its resource; empty where every table must say it.
    `check_resource` raises PathError for a resource that there is not; None where any name may be one.
    """

    check_path: Callable[[str], bool]
    check_each: Callable[[str], None]
    records: str
    example: str
    files: str = ""
    check_resource: Callable[[str], object] | None = None


def _fhir_path(path: str) -> bool:
    return compile_path(path).joins


def _fhir_each(each: str) -> None:
    if not _MEMBERS.fullmatch(each):
        raise PathError("each is a member, or members joined by dots; for instance `each: item`")


_FHIR = Grammar(
    _fhir_path, _fhir_each, "a FHIR resource type, as Patient", "{kind: sex, path: gender}", "{resource}.*ndjson*"
)

_X12 = Grammar(x12.check_path, x12.check_each, "a transaction set, '837'", "{kind: charge_amount, path: 2300/CLM02}")

_HL7V2 = Grammar(
    joins,
    check_each,
    "message types, as `ADT BAR` or `ADT^A03`",
    "{kind: sex, path: PID-8}",
    "*.hl7",
    compile_resource,
)

_CCDA = Grammar(
    ccda.joins,
    ccda.check_each,
    "ClinicalDocument",
    "{kind: service_date, path: effectiveTime/low@value}",
    "*.xml",
    ccda.check_resource,
)

GRAMMARS: dict[str, Grammar] = {
    "x12": _X12,
    "fhir_bulk": _FHIR,
    "fhir_json": replace(_FHIR, files="*.json"),
    "hl7v2": _HL7V2,
    "ccda": _CCDA,
}
