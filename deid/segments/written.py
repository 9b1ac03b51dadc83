"""The blocks `segments` and `choices` of a policy as they are written, read and refused where they say nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from deid.documents.reading import Document
from deid.segments.ranges import segment_names
from deid.segments.rules import (
    ADULT,
    MINORS,
    NOTES,
    PART2,
    STATES,
    ChoiceRules,
    Part2Basis,
    SegmentRule,
    Segments,
    Unit,
)

_HOW = "docs/formats/choices.md, section Policy"
_EXCLUDE, _INCLUDE, _KEEP, _REFUSE = "exclude", "include", "keep", "refuse"
_OLDEST = 26


class RawChoices(msgspec.Struct, forbid_unknown_fields=True):
    """The block `choices` as written."""

    consent: str = "optional"


def read_choices(document: Document, raw: RawChoices) -> ChoiceRules:
    """Return what a policy asks of patients' choices; raise DocumentError."""
    if raw.consent not in ("optional", "required"):
        raise document.fault(
            "consent is optional or required", at="$.choices.consent", hint="write `choices: {consent: required}`"
        )
    return ChoiceRules(raw.consent == "required")


def read_segments(document: Document, raw: dict[str, Any]) -> Segments:
    """Return the segments of a policy; raise DocumentError for one that does not exist or is asked in no known way."""
    names = (*segment_names(), MINORS, PART2)
    for name in raw:
        if name not in (*names, NOTES):
            raise document.fault(
                f"there is no segment {name!r}", at=f"$.segments.{name}", hint=f"segments are {', '.join(names)}"
            )
    notes = raw.get(NOTES, _REFUSE)
    if notes not in (_KEEP, _REFUSE):
        raise document.fault("notes are kept or refused", at="$.segments.notes", hint="write `notes: keep`")
    return Segments({n: _rule(document, n, raw[n]) for n in raw if n != NOTES}, notes == _KEEP)


def _rule(document: Document, name: str, raw: Any) -> SegmentRule:
    at = f"$.segments.{name}"
    if raw == _EXCLUDE:
        return SegmentRule(name)
    if raw == _INCLUDE and name != PART2:
        return SegmentRule(name, exclude=None)
    if isinstance(raw, dict) and name == PART2 and set(raw) == {_INCLUDE}:
        return SegmentRule(name, exclude=None, basis=_basis(document, raw[_INCLUDE], at))
    if not isinstance(raw, dict) or _EXCLUDE not in raw:
        words = "`exclude`, or `{include: BASIS}`" if name == PART2 else "`exclude` or `include`"
        raise document.fault(f"{name} is neither excluded nor included", at=at, hint=f"write {words}; {_HOW}")
    # 42 CFR Part 2 is federal law: rows outside some states would leave without a basis.
    known = {_EXCLUDE, *([] if name == PART2 else ["states"]), *(["under"] if name == MINORS else [])}
    unknown = set(raw) - known
    if unknown:
        raise document.fault(f"an option that {name} does not have", at=at, hint=_HOW)
    return SegmentRule(
        name,
        _unit(document, raw[_EXCLUDE], at),
        _states(document, raw.get("states"), at),
        _under(document, raw.get("under", ADULT), at),
    )


def _basis(document: Document, raw: Any, at: str) -> Part2Basis:
    try:
        return Part2Basis(raw)
    except ValueError:
        raise document.fault(
            "Part 2 rows are included on no known basis", at=at, hint=f"bases are {', '.join(Part2Basis)}; {_HOW}"
        ) from None


def _unit(document: Document, raw: Any, at: str) -> Unit:
    try:
        return Unit(raw)
    except ValueError:
        raise document.fault("what is excluded is visits or patients", at=f"{at}.exclude", hint=_HOW) from None


def _states(document: Document, raw: Any, at: str) -> tuple[str, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list) or not raw or not all(isinstance(s, str) and s in STATES for s in raw):
        raise document.fault(
            "states are a list of two-letter codes", at=f"{at}.states", hint='write for instance `[CA, "NO"]`'
        )
    return tuple(raw)


def _under(document: Document, raw: Any, at: str) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or not 1 <= raw <= _OLDEST:
        raise document.fault(f"under is a whole number, 1 to {_OLDEST}", at=f"{at}.under", hint="18 without it")
    return raw
