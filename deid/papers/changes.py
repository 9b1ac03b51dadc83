"""What is no longer as it was approved, in plain words; docs/formats/approval.md, "What changed"."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from deid.errors import TrustError
from deid.papers.approval import RECORD, approval_path, drift, record_path
from deid.papers.bound import BOUND, Proposal, Record, bound, record_of
from deid.papers.statements import read

_LARGEST = 16 * 2**20
_WORDS = {"rule": "is now", "kind": "is of another kind:", "type": "is written as", "values": "holds other values:"}


def changes_since(proposal: Proposal) -> list[str]:
    """Return what differs between a proposal and the one that was approved, a line for each change; empty for none.

    Whose signatures the approval carries is not asked here: it is about what they would be over. Raises TrustError
    where nothing was approved, or the record of what was is missing or is not the one that the approval names.
    """
    path = proposal.asked.path
    _, payload = read(approval_path(path), path.name)
    drifted = drift(payload.terms, bound(proposal))
    if not drifted:
        return []
    before = _record(path, payload.terms.get(RECORD, ""))
    after = msgspec.json.decode(record_of(proposal), type=Record)
    is_alike = {"audience"}.isdisjoint(before.plan.keys() | after.plan.keys())
    lines = [
        *(_plan(before.plan, after.plan) if is_alike else _fields("the plan", before.plan, after.plan)),
        *_document("the request", before.request, after.request),
        *_document("the policy", before.policy, after.policy),
        *_document("the dataset description", before.dataset, after.dataset),
        *[f"recipients: {key} was taken out" for key in before.recipients if key not in after.recipients],
        *[f"recipients: {key} was added" for key in after.recipients if key not in before.recipients],
    ]
    told = {line.partition(":")[0].partition(",")[0] for line in lines}
    # A comment, a blank, a built-in description: bytes differ, and nothing that was compared does.
    silent = [words for words in drifted if words in list(BOUND.values())[:3] and words not in told]
    return lines + [f"{words}: its bytes differ, and no field of it does" for words in silent]


def _record(request: Path, digest: str) -> Record:
    path = record_path(request)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
    except OSError as error:
        raise TrustError(
            f"the record of what was approved, {path.name}, cannot be read: {error.strerror}",
            hint="ask whoever approved for it; without it nobody can tell what changed, and it must be approved anew",
        ) from None
    try:
        if hashlib.sha256(data).hexdigest() == digest:
            return msgspec.json.decode(data, type=Record)
    except msgspec.MsgspecError:
        pass
    raise TrustError(
        f"{path.name} is not the record that the approval names",
        hint="restore it, or have the request approved anew",
    )


def _plan(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    if before["claims"] != after["claims"]:
        yield f"the plan: claims {_said(after['claims'])}, and claimed {_said(before['claims'])}"
    old, new = (
        {f"{table}.{column}": step for table, steps in plan["tables"].items() for column, step in steps.items()}
        for plan in (before, after)
    )
    for name in sorted(old.keys() - new.keys()):
        yield f"the plan: {name} no longer leaves"
    for name in sorted(new.keys() - old.keys()):
        how = new[name]["rule"] if new[name]["type"] is not None else "read, and not written"
        yield f"the plan: {name} is new: {how}"
    for table in sorted(before.get("folders", {}).keys() | after.get("folders", {}).keys()):
        was, now = (_folders(plan.get("folders", {}).get(table)) for plan in (before, after))
        if was != now:
            yield f"the plan: {table} stands in {now}, and stood in {was}"
    for name in sorted(old.keys() & new.keys()):
        for part in old[name]:
            was, now = old[name][part], new[name].get(part)
            if was != now:
                yield f"the plan: {name} {_WORDS.get(part, f'has other {part}:')} {_said(now)}, and was {_said(was)}"


def _folders(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "no folders"
    return f"folders by {entry['column']}, each of {entry['least']} patients or more, named {_said(entry['values'])}"


def _document(what: str, before: str, after: str) -> Iterator[str]:
    """Yield the fields in which two texts of a document differ; both were parsed before, so that both are sound."""
    if before != after:
        yield from _fields(what, yaml.safe_load(before), yaml.safe_load(after))


def _fields(what: str, before: object, after: object) -> Iterator[str]:
    old, new = (dict(_leaves(content, "")) for content in (before, after))
    for place in sorted(old.keys() | new.keys()):
        if place not in new:
            yield f"{what}: {place} was taken out; it was {_said(old[place])}"
        elif place not in old:
            yield f"{what}: {place} was added: {_said(new[place])}"
        elif old[place] != new[place]:
            yield f"{what}: {place} is {_said(new[place])}, and was {_said(old[place])}"


def _leaves(value: object, place: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        for position, inner in enumerate(value):
            yield from _leaves(inner, f"{place}[{position + 1}]")
    else:
        yield place, value


def _said(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return (
        str(value).replace("_", " ")
        if value in ("safe_harbor", "limited_data_set", "expert_determination")
        else str(value)
    )
