"""The tree-shaped formats: how each writes `path` and `each` in a description, one grammar apiece.

A description is checked when it is read, long before a file is opened, so the grammars stand apart from the readers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from deid.sources.paths import PathError, compile_path

_MEMBERS = re.compile(r"[A-Za-z]+(?:\.[A-Za-z]+)*")


@dataclass(frozen=True, slots=True)
class Grammar:
    """How one format says where values lie.

    `check_path` returns whether the path makes one value of several (which only direct identifiers may be) and raises
    PathError for a path that does not follow the grammar; `check_each` raises PathError alike.
    `records` says in a hint what `resource` names; `example` is a column as the format writes it.
    """

    check_path: Callable[[str], bool]
    check_each: Callable[[str], None]
    records: str
    example: str


def _fhir_path(path: str) -> bool:
    return compile_path(path).joins


def _fhir_each(each: str) -> None:
    if not _MEMBERS.fullmatch(each):
        raise PathError("each is a member, or members joined by dots; for instance `each: item`")


_FHIR = Grammar(_fhir_path, _fhir_each, "a FHIR resource type, as Patient", "{kind: sex, path: gender}")

GRAMMARS: dict[str, Grammar] = {
    "fhir_bulk": _FHIR,
}
